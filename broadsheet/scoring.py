"""Scores and picks of an edition: SQL over what was ingested, no model, the same every time."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping

import pyarrow as pa

from broadsheet.config import Interest, Profile
from broadsheet.editions import Edition
from broadsheet.models import Pick
from broadsheet.rows import to_rows
from broadsheet.schemas import SCHEMAS
from broadsheet.views import Partition
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

NOTHING: dict[str, list[Partition]] = {table: [] for table in SCHEMAS}
"""For a warehouse that is to read a few partitions only: none of any table."""


def score(edition: Edition) -> pa.Table:
    """The day's scanned papers with their scores and its parts, in the list's order.

    **Shape**: one row per paper, columns of `sql/marts/scores.sql`; no rows on an empty day.
    """
    profile = edition.profile
    only: list[Partition] = [{"source": s, "date": edition.date} for s in profile.sources]
    with Warehouse(edition.lake, {**NOTHING, "listings": only}, ["marts.scores"]) as warehouse:
        scores = warehouse.run(
            "marts.scores",
            since=edition.date,
            until=edition.date,
            asked=[
                {"source": source.name, "scope": source.scope, "place": place}
                for place, source in enumerate(edition.sources)
            ],
            scan=profile.selection.scan,
            **parameters(profile),
        )
    logger.info("scored %d papers for %s", len(scores), edition)
    return scores


def parameters(profile: Profile) -> dict[str, object]:
    """What `marts.scores` is told of a profile, whichever the dates and lists."""
    scoring = profile.scoring
    return {
        "profile": profile.name,
        "interests": _rows(profile.interests),
        "negative": _rows(profile.negative),
        "points": {
            "interest": scoring.interest,
            "popularity": scoring.popularity,
            "freshness": scoring.freshness,
            "fresh_days": scoring.fresh_days,
            "negative": scoring.negative_points,
        },
    }


def select(edition: Edition, scores: pa.Table) -> list[Pick]:
    """The papers that make the digest, best first; all scores go to the table `scores`."""
    selection = edition.profile.selection
    name, date = edition.profile.name, edition.date
    back = dt.timedelta(days=1)
    earlier: list[Partition] = [
        {"profile": name, "date": date - back * days}
        for days in range(1, selection.repeat_after_days + 1)
    ]
    with Warehouse(edition.lake, {**NOTHING, "digests": earlier}, ["marts.selection"]) as warehouse:
        warehouse.put("marts.scores", scores)
        marked = warehouse.run(
            "marts.selection",
            profile=name,
            date=date,
            minimum_score=selection.minimum_score,
            at_most=selection.at_most,
            repeat_after_days=selection.repeat_after_days,
        )
    _store(edition, marked)
    picks = [pick_of(row) for row in to_rows(marked) if row["is_selected"]]
    logger.info("selected %d of %d papers for %s", len(picks), len(scores), edition)
    return picks


def _rows(interests: tuple[Interest, ...]) -> list[dict[str, object]]:
    """The interests as SQL reads them; one that matches nothing gives an empty list its type."""
    rows = [i.model_dump() for i in interests] or [{"name": "", "weight": 0.0, "phrases": ("",)}]
    return [{**row, "phrases": list(row["phrases"])} for row in rows]


def _store(edition: Edition, scores: pa.Table) -> None:
    partition: dict[str, str | dt.date] = {"profile": edition.profile.name, "date": edition.date}
    rows = to_rows(scores.select(SCHEMAS["scores"].names))
    if edition.lake.rows("scores", "scores", **partition) != rows:
        edition.lake.write("scores", rows, "scores", **partition)


def pick_of(row: Mapping[str, object]) -> Pick:
    """The pick that a row of `sql/marts/selection.sql` or `published.sql` describes."""
    values = {name: row[name] for name in Pick.__dataclass_fields__}
    for name in ("authors", "categories", "sources"):
        values[name] = tuple(values[name] or ())  # type: ignore[arg-type]
    return Pick(**values)  # type: ignore[arg-type]
