"""The archive: the papers of all of arXiv, one file a year, the newest version of each.

It is filled from arXiv's metadata snapshot (`load`) and kept fresh by `sources.oai`. What comes is
staged on this machine, a folder a year; then each year's file is made anew from what is there and
what came. So a load that was killed left whole years or none, and the next call goes on with the
others.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from broadsheet import snapshots
from broadsheet.config import Settings
from broadsheet.errors import BroadsheetError, UsageError, WarehouseError
from broadsheet.lake import Lake, aside_name
from broadsheet.queries import as_pattern, as_text, query
from broadsheet.scoring import NOTHING
from broadsheet.sources import oai
from broadsheet.state import State
from broadsheet.views import Only
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

FILE = "papers"
"""What the file of a year is called."""
ROWS_AT_ONCE = 20_480
"""Papers in a row group: what is read at once, by one thread."""
_MEMORY, _THREADS, _YEARS_AT_ONCE = "500MB", 4, 2
_FAULTS_NAMED = 5
_LOADS_KEPT = 100
_NOTHING_CAME = "create view incoming.papers as select *, 1 as line from lake.archive where false"
_BAD = "year=__HIVE_DEFAULT_PARTITION__"  # lines that are no paper have no year


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a file had."""

    file: str
    papers: int
    """Lines that are papers, also where an earlier load knew them already."""
    bad: int
    """Lines that are none."""
    faults: tuple[str, ...]
    """The first of these, with their line numbers."""
    years: tuple[int, ...]
    is_known: bool = False
    """It was loaded before, and nothing was done."""


def told(found: Load) -> str:
    """What a file had, in lines for its reader."""
    if found.is_known:
        return f"{found.file} was loaded before: {found.papers} papers; --again loads it anew"
    lines = [f"{found.file}: {found.papers} papers, {found.bad} lines skipped"]
    more = found.bad - len(found.faults)
    return "\n  ".join([*lines, *found.faults, *([f"and {more} more"] if more else [])])


def load(file: Path, settings: Settings, *, is_again: bool = False) -> Load:
    """Put the papers of arXiv's metadata snapshot into the table `archive`; what the file had.

    Args:
        file: JSON lines, plain or gzip.
        settings: where the lake and the state are.
        is_again: also where it was loaded before.

    Raises:
        UsageError: the file cannot be read, or is something else; nothing was written.
        LakeError: the lake cannot be written.
        StateError: the shared state, which keeps a second load waiting, cannot be used.
        WarehouseError: memory or the disk do not suffice; whole years are stored.
    """
    lake = Lake(settings.lake_root)
    desk = _Desk(settings.home / "state" / "archive", file)
    with State(settings.state_store).alone("archive"):
        known = desk.loaded()
        if known and not is_again and set(known.years) <= set(years(lake)):
            return replace(known, is_known=True)
        found = desk.staged()
        if found is None:
            _refuse_other_files(file)
            found = _stage(file, desk)
        _store_staged(lake, desk, found.years)
        desk.finish(found)
    logger.info("loaded %d papers of %d years from %s", found.papers, len(found.years), file)
    return found


def harvest(settings: Settings, start: dt.date, end: dt.date | None = None) -> tuple[Load, int]:
    """Bring the table `archive` up to date with what arXiv's OAI-PMH says has changed.

    Nothing is stored before all of it has come.

    Returns:
        What came, and how many papers left because arXiv took their records back.

    Raises:
        SourceError: arXiv did not deliver.
        LakeError: the lake cannot be written.
        StateError: the shared state, which keeps a second load waiting, cannot be used.
    """
    lake = Lake(settings.lake_root)
    folder = settings.home / "state" / "archive" / "harvest"
    with State(settings.state_store).alone("archive"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        gone = _download(folder / "records.jsonl", oai.pages(settings, start, end))
        desk = _Desk(folder, folder / "records.jsonl")
        found = _stage(folder / "records.jsonl", desk)
        _store_staged(lake, desk, found.years)
        left = _remove(lake, gone, folder / "scratch")
        shutil.rmtree(folder, ignore_errors=True)
    found = replace(found, file="harvested")  # the file is gone
    logger.info("harvested %d papers of %d years, %d left", found.papers, len(found.years), left)
    return found, left


def _download(file: Path, pages: Iterable[oai.Page]) -> list[str]:
    """The papers that are gone, once the lines of the others are in the file."""
    gone: list[str] = []
    came = 0
    with file.open("w", encoding="utf-8") as lines:
        for page in pages:
            lines.writelines(f"{line}\n" for line in page.lines)
            gone += page.deleted
            came += len(page.lines)
            logger.info("received %d records", came, extra={"done": came})
    return gone


def _remove(lake: Lake, gone: Sequence[str], scratch: Path) -> int:
    """Take the papers out of the archive; how many it had."""
    if not gone:
        return 0
    with Warehouse(lake, {**NOTHING, "archive": [{}]}, ["staging.archive"]) as warehouse:
        found = warehouse.sql(
            "select year, paper_id from lake.archive where list_contains($gone, paper_id)",
            gone=list(gone),
        ).to_pydict()

    def show_nothing(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(_NOTHING_CAME)

    for year in sorted(set(found["year"])):
        merge(lake, year, show_nothing, scratch, gone)
    return len(found["year"])


def years(lake: Lake) -> list[int]:
    """The years that the archive has papers of, ascending."""
    found = (re.search(r"/year=(\d+)/", path) for path in lake.files("archive"))
    return sorted({int(year[1]) for year in found if year})


def merge(
    lake: Lake,
    year: int,
    show: Callable[[duckdb.DuckDBPyConnection], object],
    scratch: Path,
    gone: Sequence[str] = (),
) -> int:
    """Make the year's file anew from what it has and what came; how many papers it has now.

    Args:
        lake: whose table.
        year: of the papers' dates.
        show: makes what came readable as `incoming.papers`.
        scratch: folder for what does not fit into memory.
        gone: papers that are to leave.

    Raises:
        LakeError: the lake cannot be written.
        WarehouseError: memory or the disk do not suffice.
    """
    only: Only = {**NOTHING, "archive": [{"year": year}]}
    with Warehouse(lake, only, ["archive.merged"]) as warehouse:
        bound(warehouse.con, scratch)
        warehouse.con.execute("create schema incoming")
        show(warehouse.con)
        given = {"year": year, "gone": list(gone)}
        try:
            rows = warehouse.con.sql(query("archive.merged").sql, params=given)
            batches = rows.to_arrow_reader(ROWS_AT_ONCE)
            return lake.write_batches("archive", batches, FILE, year=year)
        except duckdb.Error as error:
            raise WarehouseError(
                f"cannot store the archive's year {year}: {error}",
                "make room on the disk or in memory; the same command goes on with what is left",
            ) from error


def parse(con: duckdb.DuckDBPyConnection, batches: pa.RecordBatchReader) -> None:
    """Make the lines readable as `incoming.lines`, for `archive.records`."""
    con.execute("create schema if not exists incoming")
    con.from_arrow(batches).create_view("incoming_lines", replace=True)
    con.execute("create or replace view incoming.lines as from incoming_lines")


class _Desk:
    """Where one file's papers are staged, and what is known of the files before it."""

    def __init__(self, folder: Path, file: Path) -> None:
        self._all, self._key = folder / "loaded.json", _signature(file)
        self.folder = folder / self._key
        self.papers, self._done = self.folder / "papers", self.folder / "staged.json"

    def year(self, year: int) -> Path:
        """The folder of the year's papers, which is gone when they are stored."""
        return self.papers / f"year={year}"

    def loaded(self) -> Load | None:
        """What the file had when it was loaded."""
        found = _read_json(self._all).get(self._key)
        return _load_of(found) if isinstance(found, dict) else None

    def staged(self) -> Load | None:
        """What the file has, where an interrupted load had read all of it."""
        found = _read_json(self._done)
        return _load_of(found) if found else None

    def clear(self) -> None:
        """Begin anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def note_staged(self, found: Load) -> None:
        """Remember that all of the file is staged."""
        _write_json(self._done, asdict(found))

    def finish(self, found: Load) -> None:
        """Remember that the file is loaded, and clear up."""
        known = {**_read_json(self._all), self._key: asdict(found)}
        _write_json(self._all, dict(list(known.items())[-_LOADS_KEPT:]))
        shutil.rmtree(self.folder, ignore_errors=True)


def _signature(file: Path) -> str:
    """Changes with the file."""
    try:
        about = file.stat()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", "give a readable file") from error
    if not file.is_file():
        raise UsageError(f"cannot read {file}: not a file", "give the snapshot's JSON file")
    told = f"{file.resolve()} {about.st_size} {about.st_mtime_ns}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _stage(file: Path, desk: _Desk) -> Load:
    """Read the file into a folder per year."""
    desk.clear()
    source = _Lines(file)
    written = f"copy ({query('archive.records').sql}) to {as_text(desk.papers.absolute())}"
    with duckdb.connect() as con:
        bound(con, desk.folder / "scratch")
        parse(con, source.reader())
        try:
            con.execute(
                # a row group's abstracts are one page: to read larger ones, memory would not do
                f"{written} (format parquet, partition_by (year), compression snappy,"
                f" row_group_size {ROWS_AT_ONCE})",
                {"fetched_at": _modified(file)},
            )
        except duckdb.Error as error:
            desk.clear()
            raise source.error or WarehouseError(
                f"cannot load {file}: {error}", "see docs/archive.md"
            ) from error
        found = _count(con, file, desk)
    desk.note_staged(found)
    return found


def _refuse_other_files(file: Path) -> None:
    """Raise where the file begins with nothing that is a paper."""
    first = next(snapshots.lines(file, lambda *_: None), None)
    with duckdb.connect() as con:
        empty = snapshots.SCHEMA.empty_table()
        parse(con, pa.table(first) if first is not None else empty)
        told = con.execute(
            f"select line, fault from ({query('archive.records').sql}) order by fault is null desc,"  # noqa: S608
            " line limit 1",
            {"fetched_at": dt.datetime.now(dt.UTC)},
        ).fetchone()
    if told is None or told[1] is not None:
        why = f"line {told[0]}: {told[1]}" if told else "it is empty"
        raise UsageError(
            f"cannot load {file}: not arXiv's metadata snapshot ({why})",
            "give the JSON lines that docs/archive.md names; nothing was written",
        )


class _Lines:
    """The file's lines for DuckDB, which says of an error only what it was called."""

    def __init__(self, file: Path) -> None:
        self._file, self._told = file, 0
        self.error: BroadsheetError | None = None

    def reader(self) -> pa.RecordBatchReader:
        """All of them, once."""
        return pa.RecordBatchReader.from_batches(snapshots.SCHEMA, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from snapshots.lines(self._file, self._tell)
        except BroadsheetError as error:
            self.error = error
            raise

    def _tell(self, done: int, total: int) -> None:
        """A line for each twentieth of the file."""
        if (twentieth := 20 * done // max(total, 1)) > self._told:
            self._told = twentieth
            bar = {"done": done >> 20, "total": total >> 20}
            logger.info("read %d %% of %s", 5 * twentieth, self._file.name, extra=bar)


def _count(con: duckdb.DuckDBPyConnection, file: Path, desk: _Desk) -> Load:
    papers: dict[int, int] = {}
    for folder in desk.papers.glob("year=[0-9]*"):
        counted = con.execute("select count(*) from read_parquet(?)", [f"{folder}/*"]).fetchone()
        papers[int(folder.name.partition("=")[2])] = counted[0] if counted else 0
    bad: list[tuple[int, str]] = []
    if (desk.papers / _BAD).is_dir():
        bad = con.execute(
            "select line, fault from read_parquet(?) order by line", [f"{desk.papers / _BAD}/*"]
        ).fetchall()
    return Load(
        file=str(file),
        papers=sum(papers.values()),
        bad=len(bad),
        faults=tuple(f"line {line}: {fault}" for line, fault in bad[:_FAULTS_NAMED]),
        years=tuple(sorted(papers)),
    )


def _store_staged(lake: Lake, desk: _Desk, all_years: Sequence[int]) -> None:
    """Merge what is staged into the lake, two years at once: writing a file keeps one core busy."""
    left = [year for year in all_years if desk.year(year).is_dir()]
    with ThreadPoolExecutor(_YEARS_AT_ONCE) as threads:
        stored = {threads.submit(_store_year, lake, desk, year): year for year in left}
        try:
            for done in as_completed(stored):
                count = len(all_years) - len(left) + sum(one.done() for one in stored)
                bar = {"done": count, "total": len(all_years)}
                logger.info("stored %d: %d papers", stored[done], done.result(), extra=bar)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def _store_year(lake: Lake, desk: _Desk, year: int) -> int:
    files = as_text(f"{as_pattern(desk.year(year).absolute())}/*.parquet")
    came = f"from read_parquet({files}, hive_types = {{year: smallint}})"

    def show(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(f"create view incoming.papers as {came}")

    papers = merge(lake, year, show, desk.folder / "scratch")
    shutil.rmtree(desk.year(year))
    return papers


def bound(con: duckdb.DuckDBPyConnection, scratch: Path) -> None:
    """Keep DuckDB's memory within bounds: what is more goes to the disk."""
    scratch.mkdir(parents=True, exist_ok=True)
    con.execute("set TimeZone = 'UTC'")
    con.execute("set enable_progress_bar = false")  # it would be on standard output
    con.execute(f"set memory_limit = '{_MEMORY}'")
    con.execute(f"set temp_directory = {as_text(scratch.absolute())}")
    con.execute(f"set threads = {min(_THREADS, os.cpu_count() or 1)}")
    con.execute("set preserve_insertion_order = false")
    # rows that a thread holds back for each folder's file: half a million, and they were spilled
    con.execute(f"set partitioned_write_flush_threshold = {ROWS_AT_ONCE}")


def _modified(file: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(file.stat().st_mtime), dt.UTC)


def _load_of(found: dict[str, Any]) -> Load:
    return Load(**{**found, "faults": tuple(found["faults"]), "years": tuple(found["years"])})


def _read_json(file: Path) -> dict[str, Any]:
    """What the file says; nothing where it is not there, or damaged: then work is done again."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(file: Path, content: object) -> None:
    aside = file.with_name(aside_name(file.name))
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    aside.replace(file)
