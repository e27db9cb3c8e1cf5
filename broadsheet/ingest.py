"""What a source lists for a date becomes a snapshot in the lake, if it differs from the newest."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from broadsheet.config import Settings
from broadsheet.errors import SourceError, SourceUnavailable
from broadsheet.lake import Lake
from broadsheet.models import Listing
from broadsheet.sources import Day, Source

logger = logging.getLogger(__name__)

_ENRICHED = ("categories", "version")  # what arXiv is asked for where a source does not say


@dataclass(frozen=True, kw_only=True, slots=True)
class Ingested:
    """What one ingest found: papers listed, papers not seen before, whether anything changed."""

    source: str
    date: dt.date
    listed: int
    new: int
    is_changed: bool
    skipped: int = 0
    """Entries of the list that could not be used."""


def ingest(source: Source, date: dt.date, lake: Lake, settings: Settings) -> Ingested:
    """Read the source's list for the date into `listings`; an equal list adds nothing.

    Raises:
        SourceError: the source did not deliver; the lake is unchanged.
    """
    day = source.list_day(date)
    known = _newest_snapshot(lake, source, date)
    if known and not day.listings:
        logger.warning("%s lists nothing on %s any more: keeping its list", source.name, date)
        day = Day(listings=tuple(known.values()))
    listings = _enrich(day.listings, known or {}, settings)
    is_changed = known is None or _content(listings) != _content(known.values())
    if is_changed:
        _write_snapshot(lake, source, date, listings)
    new = len({listing.paper_id for listing in listings} - set(known or {}))
    logger.info(
        "ingested %d papers listed on %s by %s (%d new)", len(listings), date, source.name, new
    )
    return Ingested(
        source=source.name,
        date=date,
        listed=len(listings),
        new=new,
        is_changed=is_changed,
        skipped=day.skipped,
    )


def is_stored(source: Source, date: dt.date, lake: Lake) -> bool:
    """Whether an earlier ingest stored the source's list of the date."""
    return bool(_snapshots(lake, source, date))


def _newest_snapshot(lake: Lake, source: Source, date: dt.date) -> dict[str, Listing] | None:
    """The newest stored list by paper, in order; None where none was stored."""
    for name in reversed(_snapshots(lake, source, date)):
        rows = lake.rows("listings", name, source=source.name, date=date)
        if rows is not None:
            return {str(row["paper_id"]): _stored_listing(row) for row in rows}
    return None


def _snapshots(lake: Lake, source: Source, date: dt.date) -> list[str]:
    """Names of the source's stored lists of the date, oldest first; other scopes' left out."""
    paths = lake.files("listings", source=source.name, date=date)
    names = [path.rpartition("/")[2].removesuffix(".parquet") for path in paths]
    return [name for name in names if name.rpartition("-")[2] == _scope_hash(source.scope)]


def _stored_listing(row: Mapping[str, object]) -> Listing:
    fields = {name: row[name] for name in Listing.__dataclass_fields__}
    for name in ("authors", "ai_keywords", "categories"):
        value = fields[name]
        fields[name] = tuple(value) if isinstance(value, list) else value
    return Listing(**fields)  # type: ignore[arg-type]


def _enrich(
    listings: Sequence[Listing], known: Mapping[str, Listing], settings: Settings
) -> list[Listing]:
    """The listings with what they lack filled from what is stored, else from arXiv.

    arXiv being unavailable leaves the fields missing; the next ingest asks again.
    """
    carried = [_fill(listing, known.get(listing.paper_id)) for listing in listings]
    lacking = [listing for listing in carried if _missing(listing)]
    if not lacking:
        return carried
    from broadsheet.sources.arxiv import Arxiv  # only where something lacks: it imports slowly

    try:
        found = Arxiv(settings).by_ids((listing.paper_id for listing in lacking), lacking[0].date)
    except SourceError as error:
        logger.warning("%s; %d papers stay without categories", error, len(lacking))
        return carried
    return [_fill(listing, found.get(listing.paper_id)) for listing in carried]


def _fill(listing: Listing, other: Listing | None) -> Listing:
    if other is None:
        return listing
    return replace(listing, **{name: getattr(other, name) for name in _missing(listing)})


def _missing(listing: Listing) -> list[str]:
    return [name for name in _ENRICHED if getattr(listing, name) is None]


def _content(listings: Iterable[Listing]) -> str:
    """A digest of everything a snapshot says but when it was fetched."""
    whole = [asdict(listing) for listing in listings]
    return hashlib.sha256(json.dumps(whole, default=str, sort_keys=True).encode()).hexdigest()


def _write_snapshot(lake: Lake, source: Source, date: dt.date, listings: Sequence[Listing]) -> None:
    now = dt.datetime.now(dt.UTC)
    rows = [
        {**asdict(listing), "scope": source.scope, "missing": _missing(listing), "fetched_at": now}
        for listing in listings
    ]
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{_scope_hash(source.scope)}"
    lake.write("listings", rows, name, source=source.name, date=date)


def _scope_hash(scope: str) -> str:
    """Short and fit for a file name: snapshots of different scopes do not succeed each other."""
    return hashlib.sha256(scope.encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What all sources of an edition said: papers on their lists, and whose list is missing."""

    listed: int
    missing: tuple[str, ...]


def hear(
    names: Sequence[str],
    results: Sequence[Ingested | BaseException],
    stored: Collection[str] = (),
) -> Heard:
    """What the sources said together.

    Args:
        names: the sources, in the profile's order.
        results: what became of each ingest, in the same order.
        stored: sources whose list of the date is known from before, and so not missing.

    Raises:
        BaseException: the first that is no outage of one source among several that answered; an
            outage too where the others listed nothing, for then nothing is known of the day.
    """
    outages = [r for r in results if isinstance(r, BaseException)]
    grave = [r for r in outages if not isinstance(r, SourceUnavailable)]
    listed = sum(r.listed for r in results if isinstance(r, Ingested))
    missing = [n for n, r in zip(names, results, strict=True) if r in outages and n not in stored]
    if grave or len(outages) == len(results) or (missing and not listed):
        raise (grave or outages)[0]
    return Heard(listed=listed, missing=tuple(missing))
