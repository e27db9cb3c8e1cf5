"""Dates as pages write them."""

from __future__ import annotations

import datetime as dt

from broadsheet.errors import UnknownShape

_FIRST_YEAR = 1991  # of arXiv


def day(said: str | None) -> dt.date:
    """The date that a page is of.

    Raises:
        UnknownShape: it says none, or none that a digest can have.
    """
    try:
        date = dt.date.fromisoformat(said or "")
    except ValueError:
        date = dt.date.min
    if date.year < _FIRST_YEAR:
        raise UnknownShape(
            f"its date is {said}" if said else "it has no date before its first paper",
            "write it into its first lines, as 2026-01-31",
        )
    return date
