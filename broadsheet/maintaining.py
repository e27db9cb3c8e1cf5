"""Maintenance: what keeps a lake quick and small over the years. Decided first, then done.

It may be killed at any moment: a merged file is written, flushed and read back before the files it
was made from are deleted; what is left behind until the next time are equal copies, which the
staging views tell apart by their keys.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from broadsheet import bundles
from broadsheet.config import Settings, load_settings
from broadsheet.lake import Lake, Stored
from broadsheet.state import State

logger = logging.getLogger(__name__)

MERGED = ("listings", "fulltexts", "answers", "runs")
"""Tables whose partitions get a file per thing; the others have one file per digest."""
QUIET = dt.timedelta(hours=1)
"""A partition that was written to more recently is left to whoever is at it."""
_STRAY_AFTER = dt.timedelta(days=1)  # no file is written aside for so long: its writer was killed
_SNAPSHOT = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f]+)")  # instant, scope: broadsheet.ingest
_SETTLE_SECONDS = 5.0
"""Between the last merged file written and the first old one deleted: a listing of a folder that
overlaps both may show neither."""


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What the steps of one maintenance share."""

    settings: Settings
    is_rehearsal: bool = False
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @cached_property
    def lake(self) -> Lake:
        """The lake that is maintained."""
        return Lake(self.settings.lake_root)

    @property
    def forget_before(self) -> dt.datetime:
        """What Prefect keeps of runs that ended before is forgotten."""
        return self.now - dt.timedelta(days=self.settings.keep_prefect_days)

    def __str__(self) -> str:
        return f"of {self.now:%Y-%m-%d %H:%M} UTC" + ", a rehearsal" * self.is_rehearsal


def open_upkeep(is_rehearsal: bool) -> Upkeep:
    """The maintenance of the installation in force.

    Raises:
        UsageError: settings that cannot be used.
    """
    return Upkeep(settings=load_settings(), is_rehearsal=is_rehearsal)


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """Files of one partition that become one; the snapshots `dropped` are left out of it."""

    table: str
    folder: str
    files: tuple[Stored, ...]
    dropped: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What there is to do: partitions to merge, and what killed writers left behind to delete."""

    merges: tuple[Merge, ...] = ()
    strays: tuple[str, ...] = ()
    """In the lake."""
    asides: tuple[Path, ...] = ()
    """On this machine: in home and among its pages."""

    def told(self, *, is_done: bool) -> str:
        """The plan in a line, as what was done or would be."""
        if not (self.merges or self.strays or self.asides):
            return "nothing to do"
        files = sum(len(merge.files) for merge in self.merges)
        snapshots = sum(len(merge.dropped) for merge in self.merges)
        left = len(self.strays) + len(self.asides)
        merge, drop, remove = (
            ("merged", "dropped", "removed") if is_done else ("would merge", "drop", "remove")
        )
        return (
            f"{merge} {files} files into {len(self.merges)}, {drop} {snapshots} snapshots,"
            f" {remove} {left} leftover files"
        )


def quiet_partitions(files: Iterable[Stored], before: dt.datetime) -> dict[str, tuple[Stored, ...]]:
    """The files by folder, sorted, of folders that nobody has written to since that instant."""
    folders: dict[str, list[Stored]] = defaultdict(list)
    for file in files:
        folders[file.folder].append(file)
    return {
        folder: tuple(sorted(held, key=lambda file: file.path))
        for folder, held in sorted(folders.items())
        if all(file.modified_at < before for file in held)
    }


def expendable(
    snapshots: Mapping[str, Collection[str]], *, date: dt.date, today: dt.date, days: int
) -> frozenset[str]:
    """The snapshots of a date's lists that the policy lets go.

    Of each scope the first and the newest stay, and any that was the last to show some paper. So
    does the last one of each UTC day, of lists that are younger than so many days.

    Args:
        snapshots: the papers of each, by the snapshot's name.
        date: of the lists.
        today: the UTC day.
        days: age of a list from which days are not told apart.
    """
    scopes: dict[str, list[str]] = defaultdict(list)
    for name in sorted(snapshots):
        if found := _SNAPSHOT.fullmatch(name):
            scopes[found[2]].append(name)
    is_young = (today - date).days < days
    kept: set[str] = set()
    for names in scopes.values():
        kept |= {names[0], names[-1]} | _last_sightings(names, snapshots)
        kept |= set({name[:8]: name for name in names}.values()) if is_young else set()
    return frozenset(name for names in scopes.values() for name in names) - kept


def _last_sightings(names: Sequence[str], snapshots: Mapping[str, Collection[str]]) -> set[str]:
    """Of one scope's snapshots, oldest first, those that were the last to show some paper."""
    return set({paper: name for name in names for paper in snapshots[name]}.values())


def plan(lake: Lake, settings: Settings, now: dt.datetime, quiet: dt.timedelta = QUIET) -> Plan:
    """What there is to do now; nothing is changed."""
    merges = []
    for table in MERGED:
        for folder, files in quiet_partitions(lake.stored(table), now - quiet).items():
            dropped = _dropped(lake, files, settings, now) if table == "listings" else frozenset()
            if len(files) > 1 or dropped:
                merges.append(Merge(table=table, folder=folder, files=files, dropped=dropped))
    old = now - _STRAY_AFTER
    return Plan(
        merges=tuple(merges),
        strays=tuple(file.path for file in lake.strays() if file.modified_at < old),
        asides=tuple(old_files(_local_asides(settings.home), old)),
    )


def _dropped(
    lake: Lake, files: Sequence[Stored], settings: Settings, now: dt.datetime
) -> frozenset[str]:
    if sum(bundles.count(file.name) for file in files) <= 2:  # the first and the newest
        return frozenset()
    parts = lake.parts("listings", (file.path for file in files))
    snapshots = {name: rows["paper_id"].to_pylist() for name, rows in parts.items()}
    date = dt.date.fromisoformat(files[0].folder.rpartition("date=")[2])
    return expendable(snapshots, date=date, today=now.date(), days=settings.snapshot_days)


def _local_asides(home: Path) -> list[Path]:
    """Files that were written aside in home and among its pages."""
    below = [path for name in ("reports", "site") for path in (home / name).rglob(".*.aside*")]
    return [*home.glob(".*.aside*"), *below]


def old_files(files: Iterable[Path], before: dt.datetime) -> list[Path]:
    """Those of the files that were last written before that instant, sorted."""
    return sorted(file for file in files if _modified(file) < before.timestamp())


def _modified(file: Path) -> float:
    """When the file was last written, seconds since 1970; it has no end where it is none (more)."""
    try:
        return file.stat().st_mtime if file.is_file() else math.inf
    except FileNotFoundError:
        return math.inf


def tidy(
    upkeep: Upkeep, quiet: dt.timedelta = QUIET, pause: Callable[[float], None] = time.sleep
) -> Plan:
    """Merge files, drop snapshots and remove leftovers; what was done, or would be in a rehearsal.

    Args:
        upkeep: the maintenance.
        quiet: for how long nobody may have written to a partition that is merged.
        pause: how to wait.

    Raises:
        LakeError: the lake cannot be read or written.
        StateError: the shared state, which keeps a second maintenance waiting, cannot be used.
    """
    if upkeep.is_rehearsal:
        return plan(upkeep.lake, upkeep.settings, upkeep.now, quiet)
    with State(upkeep.settings.state_store).alone("maintenance"):
        planned = plan(upkeep.lake, upkeep.settings, upkeep.now, quiet)
        _merge(upkeep.lake, planned.merges, pause)
        for stray in planned.strays:
            upkeep.lake.discard(stray)
        for aside in planned.asides:
            aside.unlink(missing_ok=True)
    logger.info("maintained the lake: %s", planned.told(is_done=True))
    return planned


def set_aside(upkeep: Upkeep) -> list[str]:
    """A line on each damaged file of the lake, which is in quarantine by then."""
    damaged = [] if upkeep.is_rehearsal else upkeep.lake.quarantine_damaged()
    return [f"FAIL  damaged and moved aside: {path}; {remedy(path)}" for path in damaged]


def remedy(path: str) -> str:
    """What to do about a file of the lake that was lost."""
    if "/archive/" in path:
        return "load the snapshot again: broadsheet load --again"
    if "/runs/" in path:
        return "what it said of its runs is gone, digests are not"
    date = re.search(r"/date=(\d{4}-\d{2}-\d{2})/", path)
    return f"run {date[1]} again" if date else "what it answered is asked again when it is needed"


def forget_results(upkeep: Upkeep, folder: Path) -> list[str]:
    """A line on the results that Prefect stored on this machine; the old ones are deleted.

    Args:
        upkeep: the maintenance.
        folder: where Prefect keeps them. One that is not below home serves others too: it is left.
    """
    if not folder.resolve().is_relative_to(upkeep.settings.home.resolve()):
        return [f"ok    results: {folder} is not below home: left alone"]
    old = old_files(folder.rglob("*"), upkeep.forget_before)
    if upkeep.is_rehearsal:
        return [f"ok    results: would remove {len(old)} from {folder}"]
    for file in old:
        file.unlink(missing_ok=True)
    return [f"ok    results: removed {len(old)} from {folder}"]


def _merge(lake: Lake, merges: Sequence[Merge], pause: Callable[[float], None]) -> None:
    written = [(merge, made) for merge in merges if (made := _write(lake, merge))]
    if written:
        pause(_SETTLE_SECONDS)
    for merge, made in written:
        _retire(lake, merge, made)


def _write(lake: Lake, merge: Merge) -> str | None:
    """The path of the one file, there for good; the files it was made from are there still.

    None where these are not what they were: it is left to the next time.
    """
    try:
        parts = lake.parts(merge.table, (file.path for file in merge.files))
    except FileNotFoundError as error:
        logger.warning("not merged: %s", error)
        return None
    kept: dict[str, pa.Table] = {n: rows for n, rows in parts.items() if n not in merge.dropped}
    return lake.bundle(merge.table, merge.folder, kept) if kept else None


def _retire(lake: Lake, merge: Merge, made: str) -> None:
    """Delete the files that the one replaces: older bundles first.

    As long as an older bundle is there, so is every file that was written again since, and wins.
    """
    old = [file for file in merge.files if file.path != made]
    for file in sorted(old, key=lambda file: not bundles.is_bundle(file.name)):
        lake.retire(file)
