"""Charts of what changes with time: a line each, named at its end."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from broadsheet.charts.figures import HEIGHT, WIDTH, Figure, Spec, milliseconds, top_of
from broadsheet.charts.labels import count, label, labels, months, more, weeks_of
from broadsheet.charts.themes import Theme

_WIDTH = WIDTH - 80
_LABEL_HEIGHT = 15
_MOST_POINTS = 60
_MOST_WITH_DOTS = 26
_MOST_SOURCES = 4
_WEEK = dt.timedelta(days=7)
_COLOR: Spec = {"field": "color", "type": "nominal", "scale": None}
_NAME: Spec = {"field": "name", "type": "nominal"}

Rows = Sequence[Mapping[str, Any]]
Points = Sequence[tuple[dt.date, float]]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series with its name, its points in order of time, and how it looks."""

    name: str
    points: Points
    color: str
    is_dashed: bool = False


def topics_by_week(rows: Rows, theme: Theme) -> Figure:
    """The most frequent topics' shares of each week's new papers."""
    totals = Counter[str]()
    for row in rows:
        totals[row["topic"]] += row["papers"]
    topics = [topic for topic, _ in totals.most_common(len(theme.series))]
    weeks = sorted({row["week"] for row in rows})
    together = -(-len(weeks) // _MOST_POINTS)
    named = labels(topics)
    lines = [
        Line(
            name=named[topic],
            points=_shares([row for row in rows if row["topic"] == topic], together),
            color=color,
        )
        for topic, color in zip(topics, theme.series, strict=False)
    ]
    per = "the week's" if together == 1 else f"{together} weeks'"
    listed = sum({row["week"]: row["listed"] for row in rows}.values())
    return Figure(
        title="What the new papers are about",
        facts=[weeks_of(weeks), f"{count(listed, 'paper')} first listed"],
        notes=[more(len(totals) - len(topics), "topic")],
        description=f"Shares of {per} new papers. {_in_words(lines, '%')}",
        body=_body(lines, theme, f"% of {per} new papers"),
    )


def delays(rows: Rows, theme: Theme) -> Figure:
    """How long papers took to be listed: half of them, and nine in ten."""
    by_source = defaultdict(list)
    for row in rows:
        by_source[row["source"]].append(row)
    sources = sorted(by_source, key=lambda name: -sum(r["papers"] for r in by_source[name]))
    lines = []
    for source, color in zip(sources[:_MOST_SOURCES], theme.series, strict=False):
        name = label(source, 20)
        half = [(row["month"], float(row["median_days"])) for row in by_source[source]]
        most = [(row["month"], float(row["p90_days"])) for row in by_source[source]]
        lines.append(Line(name=f"{name}: nine in ten", points=most, color=color, is_dashed=True))
        lines.append(Line(name=f"{name}: half of them", points=half, color=color))
    return Figure(
        title="How soon papers are listed after their submission to arXiv",
        facts=[
            months([row["month"] for row in rows]),
            count(sum(row["papers"] for row in rows), "paper"),
        ],
        notes=[more(max(len(sources) - _MOST_SOURCES, 0), "source")],
        description=f"Days from submission to the list. {_in_words(lines, 'days')}",
        body=_body(lines, theme, "days at most", is_monthly=True),
    )


def _shares(rows: Rows, together: int) -> Points:
    """Per cent of what was listed, that many weeks together."""
    ordered = sorted(rows, key=lambda row: row["week"])
    parts = [ordered[at : at + together] for at in range(0, len(ordered), together)]
    return [
        (part[0]["week"], 100 * sum(r["papers"] for r in part) / sum(r["listed"] for r in part))
        for part in parts
    ]


def _in_words(lines: Sequence[Line], unit: str) -> str:
    ends = (f"{line.name} {line.points[0][1]:.3g} to {line.points[-1][1]:.3g}" for line in lines)
    return f"From first to last, {unit}: {'; '.join(ends)}."


def _body(lines: Sequence[Line], theme: Theme, unit: str, *, is_monthly: bool = False) -> Spec:
    dates = sorted({date for line in lines for date, _ in line.points})
    top = top_of([value for line in lines for _, value in line.points], least=1.0)
    x = _time(dates, is_monthly=is_monthly)
    y: Spec = {"field": "value", "type": "quantitative", "title": unit}
    y |= {"scale": {"domain": [0, top]}, "axis": {"tickCount": 5}}
    dash: Spec = {"field": "dash", "type": "nominal", "scale": None}
    few = len(dates) <= _MOST_WITH_DOTS
    line: Spec = {
        "mark": {"type": "line", "strokeWidth": 2, "strokeJoin": "round", "point": few},
        "encoding": {"x": x, "y": y, "color": _COLOR, "strokeDash": dash, "detail": _NAME},
    }
    layers = [line, *_names(x, y, theme, _ends(lines, top))]
    data = {"values": _values(lines)}
    return {"width": _WIDTH, "height": HEIGHT, "data": data, "layer": layers}


def _names(x: Spec, y: Spec, theme: Theme, ends: Sequence[Spec]) -> list[Spec]:
    """A leader from each line's end to its name, and the name."""
    data: Spec = {"values": list(ends)}
    leader: Spec = {"x": x, "x2": {"value": _WIDTH + 14}, "y": y, "y2": {"field": "label_at"}}
    beside = {"type": "text", "align": "left", "baseline": "middle", "color": theme.ink}
    text: Spec = {"x": {"value": _WIDTH + 18}, "y": {**y, "field": "label_at"}, "text": _NAME}
    return [
        {"data": data, "mark": {"type": "rule"}, "encoding": {**leader, "color": _COLOR}},
        {"data": data, "mark": beside, "encoding": text},
    ]


def _time(dates: Sequence[dt.date], *, is_monthly: bool) -> Spec:
    """A scale from the first date to the last, a single one at its end, with a handful named."""
    first = dates[0] if len(dates) > 1 else dates[0] - _WEEK
    shown = dates[:: -(-len(dates) // 7)]
    form = "%b %Y" if is_monthly else "%-d %b %Y"
    written = f"utcFormat(datum.value, '{form}')"
    return {
        "field": "at",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc", "domain": [milliseconds(first), milliseconds(dates[-1])]},
        "axis": {
            "values": [milliseconds(date) for date in shown],
            "labelExpr": written,
            "labelFlush": False,
        },
    }


def _values(lines: Sequence[Line]) -> list[Spec]:
    return [
        {
            "at": milliseconds(date),
            "value": value,
            "name": line.name,
            "color": line.color,
            "dash": [4, 3] if line.is_dashed else [1, 0],
        }
        for line in lines
        for date, value in line.points
    ]


def _ends(lines: Sequence[Line], top: float) -> list[Spec]:
    """Where each line ends and where its name stands, apart from the others."""
    ends = [line.points[-1] for line in lines]
    places = spread([HEIGHT * (1 - value / top) for _, value in ends])
    return [
        {
            "at": milliseconds(date),
            "value": value,
            "label_at": top * (1 - place / HEIGHT),
            "name": line.name,
            "color": line.color,
        }
        for line, (date, value), place in zip(lines, ends, places, strict=True)
    ]


def spread(places: Sequence[float], gap: float = _LABEL_HEIGHT, end: float = HEIGHT) -> list[float]:
    """The places moved as little apart as leaves `gap` between them, none beyond `end`."""
    order = sorted(range(len(places)), key=lambda one: places[one])
    moved = list(places)
    bound = float("-inf")
    for one in order:
        moved[one] = bound = max(moved[one], bound + gap)
    bound = end + gap
    for one in reversed(order):
        moved[one] = bound = min(moved[one], bound - gap)
    return moved
