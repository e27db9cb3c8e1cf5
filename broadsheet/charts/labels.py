"""Names made by strangers, as labels: one short line that any XML and any reader can take."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Iterable, Sequence

_WIDEST = 34
_INVISIBLE = ("Cc", "Cf", "Cs", "Cn", "Co")
"""Unicode's categories of what is no character to see: controls, directions, half pairs."""


def label(name: object, widest: int = _WIDEST) -> str:
    """The name in one line of at most that many columns, else with an ellipsis; never empty."""
    seen = (c for c in str(name) if c.isspace() or unicodedata.category(c) not in _INVISIBLE)
    text = " ".join(unicodedata.normalize("NFC", "".join(seen)).split())
    return _shortened(text, widest) or "(no name)"


def labels(names: Iterable[object]) -> dict[object, str]:
    """A label for each name, no two alike: those that would be are numbered."""
    known: dict[object, str] = {}
    for name in dict.fromkeys(names):
        plain, number = label(name), 1
        one = plain
        while one in known.values():
            number += 1
            one = f"{plain} ({number})"
        known[name] = one
    return known


def _shortened(text: str, widest: int) -> str:
    """Cut by columns, of which Chinese takes two; and by characters, as some take none."""
    if len(text) <= 2 * widest and sum(map(_columns, text)) <= widest:
        return text
    kept, columns = "", 0
    for character in text[: 2 * widest]:
        columns += _columns(character)
        if columns >= widest:
            break
        kept += character
    return kept.rstrip() + "…"


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def day(date: dt.date) -> str:
    """As a newspaper writes it: 6 January 2026."""
    return f"{date.day} {date:%B %Y}"


def span(dates: Sequence[dt.date]) -> str:
    """From the first of the days to the last."""
    first, last = min(dates), max(dates)
    return day(first) if first == last else f"{day(first)} to {day(last)}"


def weeks_of(mondays: Sequence[dt.date]) -> str:
    """From the first of the weeks to the last."""
    return f"{'week' if len(set(mondays)) == 1 else 'weeks'} of {span(mondays)}"


def months(dates: Sequence[dt.date]) -> str:
    """From the first of the months to the last."""
    first, last = (f"{date:%B %Y}" for date in (min(dates), max(dates)))
    return first if first == last else f"{first} to {last}"


def count(number: int, one: str) -> str:
    """The number with its noun: 1 paper, 1,200 papers."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def more(left_out: int, one: str) -> str:
    """What is not drawn, said; nothing where all is."""
    return f"and {count(left_out, f'more {one}')}" if left_out else ""
