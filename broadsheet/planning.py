"""Which digests a backfill or a day's run is to make: decided from lake and reports.

A digest is *complete* if it was published with every analysis, or as an empty day, and the page in
`reports/` is the one that was published.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from broadsheet.config import Profile, Settings, load_profile, load_settings, profile_names
from broadsheet.errors import NotPublishedYet, SourceError, UsageError
from broadsheet.ingest import Ingested, ingest_days, is_stored
from broadsheet.lake import Lake
from broadsheet.rows import Row, to_rows
from broadsheet.scoring import NOTHING
from broadsheet.sources import Source, open_source
from broadsheet.views import Partition
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

Key = tuple[str, dt.date]
"""Of a digest: profile and date."""
Order = Literal["newest first", "oldest first"]
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Digests to make, in this order, and what was decided of the others."""

    settings: Settings
    profiles: Mapping[str, Profile]
    keys: tuple[Key, ...]
    """To be made."""
    complete: frozenset[Key] = frozenset()
    """Those that are complete: made again where their list has changed, else left out."""
    refresh: bool = False
    """Whether lists that are stored are read again."""

    @cached_property
    def lake(self) -> Lake:
        """The lake that it was decided from."""
        return Lake(self.settings.lake_root)

    @cached_property
    def sources(self) -> dict[str, list[Source]]:
        """The sources of each profile, in its order."""
        return {
            name: [open_source(source, self.settings, profile) for source in profile.sources]
            for name, profile in self.profiles.items()
        }

    def wanted_lists(self) -> dict[tuple[str, str], tuple[Source, set[dt.date]]]:
        """Each source, by name and scope, with the dates of the lists that the plan needs."""
        found: dict[tuple[str, str], tuple[Source, set[dt.date]]] = {}
        for name, date in self.keys:
            for source in self.sources[name]:
                _, dates = found.setdefault((source.name, source.scope), (source, set()))
                dates.add(date)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Lists:
    """What became of the lists of a plan: by source, scope and date."""

    read: Mapping[tuple[str, str, dt.date], Ingested | SourceError]

    def of(self, sources: Iterable[Source], date: dt.date) -> list[Ingested | SourceError]:
        """Those of these sources and date that were read now."""
        keys = [(source.name, source.scope, date) for source in sources]
        return [self.read[key] for key in keys if key in self.read]


def plan_range(
    start: dt.date,
    end: dt.date,
    profiles: Sequence[str] = (),
    order: Order = "newest first",
    *,
    refresh: bool = False,
) -> Plan:
    """Every date from start to end for these profiles, for all without any, that is not complete.

    With `refresh` the complete ones stay in the plan, until their lists were read (`narrowed`).

    Raises:
        UsageError: the range ends before it starts, or settings or profiles that cannot be used.
    """
    if end < start:
        raise UsageError(f"the range {start} to {end} ends before it starts", "swap the dates")
    settings = load_settings()
    names = list(dict.fromkeys(profiles)) or profile_names(settings)
    days = [start + _DAY * n for n in range((end - start).days + 1)]
    ordered = days if order == "oldest first" else days[::-1]
    return _planned(settings, names, [(n, day) for day in ordered for n in names], refresh=refresh)


def plan_recent(profiles: Sequence[str], newest: dt.date) -> Plan:
    """What a daily run sees to beside the newest date: missed digests, lists that may have grown.

    Of the `settle_days` before it, the digests that were published; of the `catch_up_days`, those
    that were not, from the profile's first digest on.
    """
    settings = load_settings()
    lake = Lake(settings.lake_root)
    usable = [name for name in profiles if _is_usable(settings, name)]
    known = {name: set(lake.dates("digests", profile=name)) for name in usable}
    keys: list[Key] = []
    for days in range(1, max(settings.settle_days, settings.catch_up_days) + 1):
        day = newest - _DAY * days
        for name in usable:
            is_grown = day in known[name] and days <= settings.settle_days
            is_missed = day not in known[name] and days <= settings.catch_up_days
            if is_grown or (is_missed and min(known[name], default=newest) < day):
                keys.append((name, day))
    return _planned(settings, usable, keys, refresh=True)


def _is_usable(settings: Settings, name: str) -> bool:
    """Whether the profile can be loaded; its own digest's run says why not."""
    try:
        load_profile(settings, name)
    except UsageError:
        return False
    return True


def nothing() -> Plan:
    """A plan of no digest."""
    return Plan(settings=load_settings(), profiles={}, keys=())


def _planned(
    settings: Settings, names: Sequence[str], keys: Sequence[Key], *, refresh: bool
) -> Plan:
    profiles = {name: load_profile(settings, name) for name in names}
    complete = _complete(settings, keys)
    return Plan(
        settings=settings,
        profiles=profiles,
        keys=tuple(key for key in keys if refresh or key not in complete),
        complete=complete,
        refresh=refresh,
    )


def _complete(settings: Settings, keys: Collection[Key]) -> frozenset[Key]:
    published = _published(Lake(settings.lake_root), keys)
    return frozenset(
        key
        for key, row in published.items()
        if row["outcome"] in ("complete", "empty") and _has_page(settings, key, row)
    )


def _has_page(settings: Settings, key: Key, row: Row) -> bool:
    """Whether the page that was published is there; an imported digest has none."""
    report = settings.reports / key[0] / f"{key[1]}.md"
    if row["origin"] == "imported":
        return True
    if not report.is_file():
        return False
    known = row["report_sha256"]
    return known is None or hashlib.sha256(report.read_bytes()).hexdigest() == known


def _published(lake: Lake, keys: Collection[Key]) -> dict[Key, Row]:
    """The rows of `sql/marts/editions.sql` of those digests that were published."""
    if not keys:
        return {}
    wanted: list[Partition] = [{"profile": name, "date": date} for name, date in sorted(keys)]
    with Warehouse(lake, {**NOTHING, "digests": wanted}, ["marts.editions"]) as warehouse:
        rows = to_rows(warehouse.run("marts.editions"))
    return {(str(row["profile"]), row["date"]): row for row in rows}  # type: ignore[misc]


def read_lists(plan: Plan) -> Lists:
    """Read the lists that the plan needs, ahead and in few requests; none raises.

    A list that is stored is read again only with `refresh`.
    """
    read: dict[tuple[str, str, dt.date], Ingested | SourceError] = {}
    for (name, scope), (source, dates) in plan.wanted_lists().items():
        wanted = [d for d in dates if plan.refresh or not is_stored(source, d, plan.lake)]
        for date, became in ingest_days(source, wanted, plan.lake, plan.settings):
            read[name, scope, date] = became
        logger.info(
            "read %d lists of %s, %d were stored", len(wanted), name, len(dates) - len(wanted)
        )
    return Lists(read=read)


def narrowed(plan: Plan, lists: Lists) -> Plan:
    """The plan without complete digests whose lists stayed, and without dates that have no list."""
    kept: list[Key] = []
    for key in plan.keys:
        read = lists.of(plan.sources[key[0]], key[1])
        if any(isinstance(one, NotPublishedYet) for one in read):
            logger.warning("left out %s %s: its list is not published yet", *key)
        elif key not in plan.complete or any(_is_changed(one) for one in read):
            kept.append(key)
    return replace(plan, keys=tuple(kept))


def _is_changed(one: Ingested | SourceError) -> bool:
    return isinstance(one, Ingested) and one.is_changed


def out_of_reach(plan: Plan, lists: Lists) -> dict[Key, SourceError]:
    """The digests that cannot be made, for none of their lists is known, and why."""
    found: dict[Key, SourceError] = {}
    for name, date in plan.keys:
        sources = plan.sources[name]
        errors = [one for one in lists.of(sources, date) if isinstance(one, SourceError)]
        if len(errors) == len(sources) and not any(is_stored(s, date, plan.lake) for s in sources):
            found[name, date] = errors[0]
    return found


def turns(plan: Plan) -> dict[Key, set[Key]]:
    """For each digest of the plan, those that have to be made before it; often none.

    A paper is not featured twice, so a digest depends on earlier ones whose lists share a paper
    with its own. With them made first, its content does not depend on the order of the others.
    """
    return {
        (name, date): {(name, earlier) for earlier in before}
        for name in dict.fromkeys(name for name, _ in plan.keys)
        for date, before in _relisted(plan, name).items()
    }


def _relisted(plan: Plan, name: str) -> dict[dt.date, set[dt.date]]:
    dates = {date for n, date in plan.keys if n == name}
    before: dict[dt.date, set[dt.date]] = {date: set() for date in dates}
    sources = plan.sources[name]
    lists: list[Partition] = [{"source": s.name, "date": d} for s in sources for d in sorted(dates)]
    with Warehouse(plan.lake, {**NOTHING, "listings": lists}, ["marts.relisted"]) as warehouse:
        pairs = warehouse.run(
            "marts.relisted",
            asked=[{"source": s.name, "scope": s.scope} for s in sources],
            within_days=plan.profiles[name].selection.repeat_after_days,
        )
    for pair in to_rows(pairs):
        before[pair["later"]].add(pair["earlier"])  # type: ignore[index,arg-type]
    return before
