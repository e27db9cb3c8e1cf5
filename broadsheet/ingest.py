"""What a source lists for a date becomes a snapshot in the lake, if it differs from the newest."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain

from broadsheet.config import Settings
from broadsheet.errors import SourceError, SourceUnavailable
from broadsheet.lake import Lake
from broadsheet.models import Listing
from broadsheet.sources import Day, Source
from broadsheet.state import State

logger = logging.getLogger(__name__)

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_CHUNK_DAYS = 31  # so much is held in memory, and lost where a run is killed while it asks
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
    is_asked: bool = True
    """Whether the source was asked; a list that is stored may do."""


def ingest(
    source: Source, date: dt.date, lake: Lake, settings: Settings, *, refresh: bool = True
) -> Ingested:
    """Read the source's list for the date into `listings`; an equal list adds nothing.

    Args:
        source: which.
        date: of the list.
        lake: where it goes.
        settings: in force.
        refresh: whether a list that is stored is read again.

    Raises:
        SourceError: the source did not deliver; the lake is unchanged.
    """
    stored = None if refresh else _newest_snapshot(lake, source, date)
    if stored is not None:
        return Ingested(
            source=source.name,
            date=date,
            listed=len(stored),
            new=0,
            is_changed=False,
            is_asked=False,
        )
    return _store_all(source, {date: source.list_day(date)}, lake, settings)[date]


def ingest_days(
    source: Source, dates: Iterable[dt.date], lake: Lake, settings: Settings
) -> Iterator[tuple[dt.date, Ingested | SourceError]]:
    """Read the source's lists of many dates, in as few requests as it can; an outage ends it.

    **Shape**: one pair per date, in no order: what became of it.
    """
    waiting = sorted(set(dates))
    while waiting:
        chunk, waiting = waiting[:_CHUNK_DAYS], waiting[_CHUNK_DAYS:]
        listed = dict(source.list_days(chunk))
        days = {date: day for date, day in listed.items() if isinstance(day, Day)}
        errors = {date: day for date, day in listed.items() if isinstance(day, SourceError)}
        yield from _store_all(source, days, lake, settings).items()
        yield from errors.items()
        outage = next((e for e in errors.values() if isinstance(e, SourceUnavailable)), None)
        if outage and not days:
            yield from ((date, outage) for date in waiting)
            return


def _store_all(
    source: Source, days: Mapping[dt.date, Day], lake: Lake, settings: Settings
) -> dict[dt.date, Ingested]:
    """The lists in the lake, each where it differs; what all of them lack is asked for at once."""
    known = {date: _newest_snapshot(lake, source, date) or {} for date in days}
    lists = {date: _carried(source, date, day, known[date]) for date, day in days.items()}
    found = _look_up(chain.from_iterable(lists.values()), settings)
    stored = {}
    for date, listings in lists.items():
        filled = [_fill(listing, found) for listing in listings]
        ingested = _store(source, date, filled, lake, settings)
        stored[date] = replace(ingested, skipped=days[date].skipped)
    return stored


def _carried(
    source: Source, date: dt.date, day: Day, known: Mapping[str, Listing]
) -> list[Listing]:
    """The day's list with what was learnt of its papers before; a list never becomes empty."""
    if known and not day.listings:
        logger.warning("%s lists nothing on %s any more: keeping its list", source.name, date)
        return list(known.values())
    return [_fill(listing, known) for listing in day.listings]


def _store(
    source: Source, date: dt.date, listings: Sequence[Listing], lake: Lake, settings: Settings
) -> Ingested:
    """The list in the lake, unless the newest is equal; two runs at once store it once."""
    with State(settings.state_store).alone(f"list {source.name} {source.scope} {date}"):
        known = _newest_snapshot(lake, source, date)
        is_changed = known is None or _content(listings) != _content(known.values())
        if is_changed:
            _write_snapshot(lake, source, date, listings)
    new = len({listing.paper_id for listing in listings} - set(known or {}))
    logger.info(
        "ingested %d papers listed on %s by %s (%d new)", len(listings), date, source.name, new
    )
    return Ingested(
        source=source.name, date=date, listed=len(listings), new=new, is_changed=is_changed
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
    names = lake.names("listings", source=source.name, date=date)
    return [name for name in names if name.rpartition("-")[2] == _scope_hash(source.scope)]


def _stored_listing(row: Mapping[str, object]) -> Listing:
    fields = {name: row[name] for name in Listing.__dataclass_fields__}
    for name in ("authors", "ai_keywords", "categories"):
        value = fields[name]
        fields[name] = tuple(value) if isinstance(value, list) else value
    return Listing(**fields)  # type: ignore[arg-type]


def _look_up(listings: Iterable[Listing], settings: Settings) -> Mapping[str, Listing]:
    """What arXiv knows of the papers that lack something, by id.

    arXiv being unavailable leaves the fields missing; the next ingest asks again.
    """
    lacking = {listing.paper_id: listing for listing in listings if _missing(listing)}
    if not lacking:
        return {}
    from broadsheet.sources.arxiv import Arxiv  # only where something lacks: it imports slowly

    try:
        return Arxiv(settings).by_ids(lacking, next(iter(lacking.values())).date)
    except SourceError as error:
        logger.warning("%s; %d papers stay without categories", error, len(lacking))
        return {}


def _fill(listing: Listing, known: Mapping[str, Listing]) -> Listing:
    """The listing with what it lacks taken from what is known of its paper."""
    other = known.get(listing.paper_id)
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
    now = max([dt.datetime.now(dt.UTC), *_later_than_all(_snapshots(lake, source, date))])
    rows = [
        {**asdict(listing), "scope": source.scope, "missing": _missing(listing), "fetched_at": now}
        for listing in listings
    ]
    name = f"{now.strftime(_STAMP)}-{_scope_hash(source.scope)}"
    lake.write("listings", rows, name, source=source.name, date=date)


def _later_than_all(names: Sequence[str]) -> list[dt.datetime]:
    """Just after the newest snapshot, whose place is its time: a clock may have been put back."""
    newest = [dt.datetime.strptime(name.rpartition("-")[0], _STAMP) for name in names[-1:]]
    return [at.replace(tzinfo=dt.UTC) + dt.timedelta(microseconds=1) for at in newest]


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
