"""Broadsheet: your own daily newspaper of research papers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


# Read when pyarrow is first imported: its own allocator keeps what it once had, and a day's run
# peaks higher with it.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def connect() -> duckdb.DuckDBPyConnection:
    """The history as a DuckDB connection, with `papers`, `listings`, `digests` … in it.

    `connect().sql("from digests").df()` is a pandas frame, `.arrow()` Arrow, `.pl()` Polars.

    Reads the lake that the settings in force name; in memory, nothing is written.

    Raises:
        UsageError: settings that cannot be used.
        LakeError: the lake cannot be opened.
    """
    from broadsheet.config import load_settings
    from broadsheet.lake import Lake
    from broadsheet.warehouse import Warehouse

    settings = load_settings()
    return Warehouse(Lake(settings.lake_root), home=settings.home).con
