"""When: one file per flow, each read like a table of contents."""
