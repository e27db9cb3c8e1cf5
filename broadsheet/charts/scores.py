"""Charts of scores: how they are spread, and how they agree with upvotes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from broadsheet.charts.figures import COUNTS, MOST_PANELS, Figure, Spec, panels
from broadsheet.charts.labels import count, labels, more, span
from broadsheet.charts.themes import Theme

_MOST_DOTS = 2000
_MERGED = "a dot: all papers of about that score and, within a fifth, those upvotes"
_TICKS = [0, *(digit * 10**power for power in range(7) for digit in (1, 3))]

Rows = Sequence[Mapping[str, Any]]


def score_distribution(rows: Rows, theme: Theme) -> Figure:
    """How many papers had which score, and how many of them were picked, for each profile."""
    totals = Counter[str]()
    for row in rows:
        totals[row["profile"]] += row["papers"]
    profiles = [profile for profile, _ in totals.most_common(MOST_PANELS)]
    names = labels(profiles)
    values = [
        {
            "period": _tens(row["score_from"]),
            "panel": names[row["profile"]],
            "papers": row["papers"],
            "picked": row["picked"],
            "picked_text": f"{row['picked']:,} picked" if row["picked"] else "",
        }
        for row in rows
        if row["profile"] in names
    ]
    picked = sum(row["picked"] for row in rows)
    said = "; ".join(
        f"{v['panel']} {v['period']}: {v['papers']}, {v['picked']} picked" for v in values
    )
    return Figure(
        title="How scores are spread, and what was picked",
        facts=[f"{count(totals.total(), 'score')}", f"{count(picked, 'paper')} picked"],
        notes=[more(len(totals) - len(profiles), "profile")],
        description=f"Papers by score: {said}.",
        body=panels(_histogram(theme), values, [names[profile] for profile in profiles]),
    )


def _histogram(theme: Theme) -> Spec:
    bins = [_tens(score) for score in range(0, 100, 10)]
    x: Spec = {
        "field": "period",
        "type": "ordinal",
        "scale": {"domain": bins, "paddingInner": 0.12},
    }
    x |= {"title": "score, 0 to 100", "axis": {"labelAngle": 0}}
    y: Spec = {"field": "papers", "type": "quantitative", "title": "papers"}
    y |= {"axis": COUNTS}
    color: Spec = {"datum": "not picked", "type": "nominal", "scale": _picked(theme)}
    above: Spec = {"type": "text", "baseline": "bottom", "dy": -3}
    return {
        "layer": [
            {"mark": "bar", "encoding": {"x": x, "y": y, "color": color}},
            {
                "mark": "bar",
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "picked"},
                    "color": {**color, "datum": "picked"},
                },
            },
            {
                "mark": {**above, "color": theme.accent},
                "encoding": {"x": x, "y": y, "text": {"field": "picked_text"}},
            },
        ]
    }


def _tens(score: int) -> str:
    return "90–100" if score >= 90 else f"{score}–{score + 9}"


def score_and_upvotes(rows: Rows, theme: Theme) -> Figure:
    """Every scored paper by its score and its upvotes; those picked stand out."""
    totals = Counter(row["profile"] for row in rows)
    names = labels(profile for profile, _ in totals.most_common(MOST_PANELS))
    is_merged = len(rows) > _MOST_DOTS
    dots = Counter(
        (names[row["profile"]], *_place(row, is_merged), bool(row["is_selected"]))
        for row in rows
        if row["profile"] in names
    )
    values = [
        {"panel": panel, "score": score, "upvotes": upvotes, "is_picked": picked, "papers": papers}
        for (panel, score, upvotes, picked), papers in sorted(dots.items())
    ]
    picked = sum(bool(row["is_selected"]) for row in rows)
    return Figure(
        title="Scores, and what readers thought since",
        facts=[
            span([r["date"] for r in rows]),
            count(len(rows), "scored paper"),
            f"{picked:,} picked",
        ],
        notes=[_MERGED if is_merged else "", more(len(totals) - len(names), "profile")],
        description="Score against upvotes. " + " ".join(_middles(rows, names)),
        body=panels(_scatter(values, theme), values, list(names.values())),
    )


def _place(row: Mapping[str, Any], is_merged: bool) -> tuple[int, int]:
    """Score and upvotes; where there are too many dots to tell apart, about."""
    score, upvotes = row["score"], max(row["upvotes"], 0)
    if not is_merged:
        return score, upvotes
    return score // 2 * 2, round(math.expm1(round(math.log1p(upvotes) * 5) / 5))


def _middles(rows: Rows, names: Mapping[object, str]) -> list[str]:
    """For each profile, the median upvotes of what was picked and of the rest."""
    said = []
    for profile, name in names.items():
        for is_picked, word in ((True, "picked"), (False, "not picked")):
            upvotes = sorted(
                row["upvotes"]
                for row in rows
                if row["profile"] == profile and bool(row["is_selected"]) is is_picked
            )
            if upvotes:
                middle = upvotes[len(upvotes) // 2]
                said.append(
                    f"{name}, {count(len(upvotes), 'paper')} {word}: half have {middle} or more."
                )
    return said


def _scatter(values: Sequence[Mapping[str, Any]], theme: Theme) -> Spec:
    most = max(value["upvotes"] for value in values)
    crowd = max(10, *(value["papers"] for value in values))
    end = next((tick for tick in _TICKS if tick > most), most)
    scale: Spec = {"type": "symlog", "domain": [0, end]}
    x: Spec = {"field": "score", "type": "quantitative", "title": "score, 0 to 100"}
    x |= {"scale": {"domain": [0, 100]}, "axis": {"tickCount": 10}}
    y: Spec = {"field": "upvotes", "type": "quantitative", "title": "upvotes, on a log scale"}
    y |= {"scale": scale, "axis": {"values": [t for t in _TICKS if t <= end], "format": ",d"}}
    size: Spec = {"field": "papers", "type": "quantitative", "legend": None}
    size |= {"scale": {"type": "sqrt", "domain": [1, crowd], "range": [16, 160]}}
    color: Spec = {"type": "nominal", "scale": _picked(theme)}
    return {
        "layer": [
            {
                "transform": [{"filter": f"datum.is_picked === {flag}"}],
                "mark": {"type": "circle", "opacity": opacity},
                "encoding": {"x": x, "y": y, "size": size, "color": {**color, "datum": word}},
            }
            for flag, opacity, word in (("false", 0.55, "not picked"), ("true", 0.9, "picked"))
        ]
    }


def _picked(theme: Theme) -> Spec:
    return {"domain": ["not picked", "picked"], "range": [theme.muted, theme.accent]}
