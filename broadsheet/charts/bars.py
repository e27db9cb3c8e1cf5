"""Charts of what adds up: stacked bars over months or weeks."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broadsheet.charts.figures import COUNTS, MOST_PANELS, WIDTH, Figure, Spec, panels
from broadsheet.charts.labels import count, labels, months, more, weeks_of
from broadsheet.charts.themes import Theme
from broadsheet.errors import UsageError

_WIDEST_BAR = 44
_MOST_LABELS = 8
_MOST_MODELS = 7
_DOLLARS: Spec = {"tickCount": 5, "format": "$,.2f", "tickMinStep": 0.01}
_WEEK = dt.timedelta(days=7)

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """Bars of several parts: `values` have period, panel, part and value."""

    periods: Sequence[str]
    parts: Mapping[str, str]
    unit: str
    values: Sequence[Mapping[str, object]]
    panels: Sequence[str] = ("",)
    is_money: bool = False


def costs(rows: Rows, theme: Theme) -> Figure:
    """What was paid, month by month, for each model.

    Raises:
        UsageError: no price is known of anything.
    """
    priced = _priced(rows)
    names, parts = _models(priced)
    values = [
        {"period": _month(r["month"]), "part": names.get(r["model"], parts[-1]), "value": cost}
        for r, cost in ((row, row["cost_usd"]) for row in priced)
    ]
    dates = [row["month"] for row in rows]
    stacks = Stacks(
        periods=_months_between(dates),
        parts=dict(zip(parts, theme.series, strict=False)),
        unit="US dollars",
        values=values,
        is_money=True,
    )
    return Figure(
        title="What language models cost",
        facts=[months(dates), f"${sum(row['cost_usd'] for row in priced):,.2f} in all"],
        notes=[_unpriced(rows)],
        description=f"Dollars: {_sums(values, parts, '.2f')}.",
        body=_body(stacks),
    )


def _priced(rows: Rows) -> Rows:
    priced = [row for row in rows if row["cost_usd"] is not None]
    if not priced:
        raise UsageError(
            "nothing to draw for costs: no model's price is known",
            "give input_usd_per_mtok and output_usd_per_mtok in broadsheet.toml",
        )
    return priced


def _models(priced: Rows) -> tuple[Mapping[object, str], list[str]]:
    """Labels of the dearest models, and all parts of a bar: these, then the others as one."""
    totals = _totals(priced, "model", "cost_usd")
    names = labels(model for model, _ in totals.most_common(_MOST_MODELS))
    others = len(totals) - len(names)
    return names, [*names.values(), *([count(others, "other model")] if others else [])]


def _unpriced(rows: Rows) -> str:
    unknown = sum(row["requests_unpriced"] for row in rows)
    asked = sum(row["requests"] for row in rows)
    return f"not counted: {unknown:,} of {asked:,} answers, of unknown price" if unknown else ""


def reading_sources(rows: Rows, theme: Theme) -> Figure:
    """Whether whole papers or abstracts were read, month by month and style by style."""
    parts = {
        "whole paper": lambda row: row["papers_html"],
        "abstract only": lambda row: row["papers_abstract"],
        "not known": lambda row: row["papers"] - row["papers_html"] - row["papers_abstract"],
    }
    colors = (theme.series[0], theme.series[2], theme.muted)
    return _counted(
        rows,
        by="style",
        parts=parts,
        colors=dict(zip(parts, colors, strict=True)),
        periods=_months_between([row["month"] for row in rows]),
        period=lambda row: _month(row["month"]),
        words=("Which text was read", months([r["month"] for r in rows]), "paper", "style"),
    )


def outcomes(rows: Rows, theme: Theme) -> Figure:
    """How runs ended, week by week and flow by flow."""
    parts = {
        "complete": lambda row: row["complete"],
        "partial": lambda row: row["partial"],
        "failed": lambda row: row["failed"],
    }
    colors = (theme.series[0], theme.series[2], theme.accent)
    weeks = [row["week"] for row in rows]
    return _counted(
        rows,
        by="flow",
        parts=parts,
        colors=dict(zip(parts, colors, strict=True)),
        periods=[
            _day(min(weeks) + n * _WEEK) for n in range((max(weeks) - min(weeks)).days // 7 + 1)
        ],
        period=lambda row: _day(row["week"]),
        words=("How runs ended", weeks_of(weeks), "run", "flow"),
    )


def _counted(
    rows: Rows,
    *,
    by: str,
    parts: Mapping[str, Callable[[Mapping[str, Any]], int]],
    colors: Mapping[str, str],
    periods: Sequence[str],
    period: Callable[[Mapping[str, Any]], str],
    words: tuple[str, str, str, str],
) -> Figure:
    """Stacked counts, a panel for each of the largest values of the column `by`."""
    title, dates, one, panel = words
    totals = _totals(rows, by, f"{one}s")
    names = labels(name for name, _ in totals.most_common(MOST_PANELS))
    values = [
        {"period": period(row), "panel": names[row[by]], "part": part, "value": number(row)}
        for row in rows
        if row[by] in names
        for part, number in parts.items()
    ]
    shown = list(names.values())
    stacks = Stacks(periods=periods, parts=colors, unit=f"{one}s", values=values, panels=shown)
    return Figure(
        title=title,
        facts=[dates, count(totals.total(), one)],
        notes=[more(len(totals) - len(names), panel)],
        description=f"{one.capitalize()}s: {_sums(values, list(parts), 'd')}.",
        body=_body(stacks),
    )


def _body(stacks: Stacks) -> Spec:
    every = -(-len(stacks.periods) // _MOST_LABELS)
    x: Spec = {"field": "period", "type": "ordinal", "title": None}
    x |= {"scale": {"domain": list(stacks.periods)}}
    x |= {"axis": {"values": list(stacks.periods[::every]), "labelAngle": 0}}
    parts = list(stacks.parts)
    y: Spec = {"field": "value", "type": "quantitative", "title": stacks.unit, "stack": "zero"}
    y |= {"axis": _DOLLARS if stacks.is_money else COUNTS}
    size = min(WIDTH / len(stacks.periods) * 0.8, _WIDEST_BAR)
    values = [
        {"panel": "", **value, "place": parts.index(str(value["part"]))}
        for value in stacks.values
        if value["value"]
    ]
    body: Spec = {
        "mark": {"type": "bar", "width": size},
        "encoding": {
            "x": x,
            "y": y,
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": parts, "range": list(stacks.parts.values())},
            },
            "order": {"field": "place", "type": "quantitative"},
        },
    }
    return panels(body, values, stacks.panels)


def _totals(rows: Rows, by: str, column: str) -> Counter[str]:
    totals = Counter[str]()
    for row in rows:
        totals[row[by]] += row[column]
    return totals


def _sums(values: Sequence[Mapping[str, Any]], parts: Sequence[str], form: str) -> str:
    """Each part with its sum, in words."""
    sums = ((part, sum(v["value"] for v in values if v["part"] == part)) for part in parts)
    return "; ".join(f"{part} {total:{form}}" for part, total in sums)


def _months_between(dates: Sequence[dt.date]) -> list[str]:
    """Every month from the first to the last, so that one without bars is seen as such."""
    numbers = [date.year * 12 + date.month - 1 for date in dates]
    between = range(min(numbers), max(numbers) + 1)
    return [_month(dt.date(number // 12, number % 12 + 1, 1)) for number in between]


def _month(date: dt.date) -> str:
    return f"{date:%b %Y}"


def _day(date: dt.date) -> str:
    return f"{date.day} {date:%b %Y}"
