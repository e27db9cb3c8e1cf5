"""How a run of many digests closes: what became of each, in a table, and the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from broadsheet.publishing import Published


def rows(published: Sequence[Published]) -> list[dict[str, object]]:
    """A row per digest, in the order given: what became of it, papers, US dollars, message."""
    return [
        {
            "date": str(one.date),
            "profile": one.profile,
            "outcome": str(one.outcome),
            "papers": one.selected,
            "pending": one.pending,
            "cost_usd": "unknown" if one.cost_usd is None else round(one.cost_usd, 4),
            "message": one.message,
        }
        for one in published
    ]


def lines(published: Sequence[Published]) -> list[str]:
    """The table for a terminal, by date, and its sum in the last line."""
    ordered = sorted(published, key=lambda one: (str(one.date), one.profile))
    width = max((len(one.profile) for one in published), default=0)
    table = [
        f"{one.date}  {one.profile:{width}}  {one.outcome:8}  {one.selected:3} papers"
        f"  {_dollars(one.cost_usd):>9}{_remark(one)}"
        for one in ordered
    ]
    return [*table, summary(published)]


def summary(published: Sequence[Published]) -> str:
    """How many digests of each outcome, papers and US dollars."""
    outcomes = Counter(str(one.outcome) for one in published)
    counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    papers = sum(one.selected for one in published)
    known = sum(one.cost_usd or 0.0 for one in published)
    unknown = any(one.cost_usd is None for one in published)
    cost = f"{_dollars(known)}{' and some at an unknown price' if unknown else ''}"
    return f"{len(published)} digests: {counted}; {papers} papers, {cost}"


def _dollars(usd: float | None) -> str:
    return "$?" if usd is None else f"${usd:.4f}"


def _remark(one: Published) -> str:
    pending = f"  {one.pending} pending" if one.pending else ""
    return f"{pending}  {one.message}" if one.message else pending
