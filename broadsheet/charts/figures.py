"""A chart before it is drawn: its words, and its marks as Vega-Lite describes them.

https://vega.github.io/vega-lite/docs/
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broadsheet.charts.themes import Theme

Spec = dict[str, object]

WIDTH, HEIGHT = 600, 300
MOST_PANELS = 6
COUNTS: Spec = {
    "tickCount": 4,
    "tickMinStep": 1,
    "labelExpr": "datum.value % 1 ? '' : format(datum.value, ',d')",
}
"""An axis of what cannot be halved."""
_SERIF = "Georgia, Times New Roman, Liberation Serif, serif"
_SANS = "Helvetica Neue, Arial, Liberation Sans, sans-serif"

_UNIT_ON_TOP: Spec = {
    "titleAngle": 0,
    "titleAlign": "left",
    "titleAnchor": "end",
    "titleBaseline": "bottom",
    "titleX": 0,
    "titleY": -8,
}
_LEGEND_ON_TOP: Spec = {
    "orient": "top",
    "direction": "horizontal",
    "title": None,
    "labelLimit": 0,
    "columns": 3,
    "offset": 30,
    "symbolType": "square",
    "symbolOpacity": 1,
}
_NAME_ON_TOP: Spec = {
    "labelOrient": "top",
    "labelAnchor": "start",
    "labelFontSize": 12,
    "labelFontWeight": "bold",
    "labelPadding": 2,
    "title": None,
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a chart shows: `body` is a Vega-Lite view with its data, the rest its words.

    `notes` say what is not drawn or not known; `description` is for those who cannot see it.
    """

    title: str
    facts: Sequence[str]
    notes: Sequence[str] = ()
    description: str
    body: Mapping[str, object]


def spec(figure: Figure, theme: Theme) -> Spec:
    """The whole as Vega-Lite has it."""
    lines = [" · ".join(filter(None, figure.facts)), *filter(None, figure.notes)]
    words = {"text": figure.title, "subtitle": [line for line in lines if line]}
    return {**figure.body, "title": words, "config": _config(theme)}


def _config(theme: Theme) -> Spec:
    return {
        "background": None,
        "padding": {"left": 4, "right": 12, "top": 4, "bottom": 4},
        "font": _SANS,
        "aria": False,
        "view": {"stroke": None},
        "range": {"category": list(theme.series)},
        "title": _title(theme),
        "axis": {**_small(theme), "titleFontWeight": "normal", "ticks": False, "domain": False},
        "axisX": {"domain": True, "domainColor": theme.soft, "grid": False, "labelPadding": 6},
        "axisY": {"gridColor": theme.line, "labelPadding": 8, **_UNIT_ON_TOP},
        "legend": {**_small(theme), "labelColor": theme.ink, **_LEGEND_ON_TOP},
        "header": {"labelFont": _SANS, "labelColor": theme.ink, **_NAME_ON_TOP},
        "text": {"font": _SANS, "fontSize": 11},
    }


def _title(theme: Theme) -> Spec:
    return {
        "anchor": "start",
        "frame": "bounds",
        "font": _SERIF,
        "fontSize": 18,
        "color": theme.ink,
        "subtitleFont": _SANS,
        "subtitleFontSize": 12,
        "subtitleLineHeight": 16,
        "subtitleColor": theme.soft,
        "subtitlePadding": 6,
        "offset": 16,
    }


def _small(theme: Theme) -> Spec:
    font = {"labelFont": _SANS, "titleFont": _SANS, "labelFontSize": 11, "titleFontSize": 11}
    return {**font, "labelColor": theme.soft, "titleColor": theme.soft}


def milliseconds(date: dt.date) -> int:
    """The day's midnight, UTC, as Vega has instants: other writings are read in local time."""
    return int(dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC).timestamp() * 1000)


def top_of(values: Sequence[float], least: float) -> float:
    """A round number at or above all of them, the end of an axis."""
    most = max([*values, least])
    step = 10.0 ** math.floor(math.log10(most)) / 2
    return math.ceil(round(most / step, 9)) * step


def panels(body: Spec, values: Sequence[Mapping[str, object]], names: Sequence[str]) -> Spec:
    """The view once for each of these values of the field `panel`, one below the other.

    Scales of counts are each panel's own, so that the small are not flat beside the large.
    """
    data = {"values": list(values)}
    if len(names) == 1:
        return {**body, "data": data, "width": WIDTH, "height": HEIGHT}
    inner = {**body, "width": WIDTH, "height": 110 if len(names) > 3 else 150}
    return {
        "data": data,
        "facet": {"row": {"field": "panel", "type": "nominal", "sort": list(names)}},
        "spec": inner,
        "resolve": {"scale": {"y": "independent"}},
    }
