"""Digests that others made, read from their pages into the history with `origin = imported`."""
