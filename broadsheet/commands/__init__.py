"""The commands; each imports what it needs inside itself, so that `--help` stays quick."""
