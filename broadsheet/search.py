"""The search index: made from the lake, kept up to date a segment at a time.

A refresh looks which partitions of the lake changed, and puts those of their papers whose texts
are not in the index as they are now into new segments, some hundred thousand papers each. Of
several documents about one paper the newest counts. Segments that are small are merged when they
are many. What a segment is made of says `sql/search/`, one SELECT per file of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import Timeout

from broadsheet import search_files
from broadsheet.lake import Lake
from broadsheet.queries import as_text, query
from broadsheet.resources import project
from broadsheet.scoring import NOTHING
from broadsheet.search_files import folder, generation, segment
from broadsheet.stores import aside_name
from broadsheet.views import Only, Partition
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

TABLES = ("listings", "archive", "analyses", "digests")
"""Tables of the lake that papers are found by."""
PAPERS_AT_ONCE = 100_000
SMALL = 20_000
"""Documents of a segment that is merged with others."""
MOST_SMALL = 8
"""Small segments that are left alone."""
_MEMORY = "768MB"
_ROWS = {"documents": 8_192, "postings": 122_880, "positions": 122_880, "terms": 8_192}
_PAPER = pa.schema([("paper_id", pa.string())])

Signatures = dict[str, str]
"""Partitions of the lake, each with a hash of its files' names, sizes and times."""


def refresh(lake: Lake, home: Path, on_wait: Callable[[], None] = lambda: None) -> int:
    """Bring the index below that home up to date with the lake; how many documents are new.

    One at a time: a second one waits and then finds nothing to do. Where nothing changed, it costs
    a listing of the lake's files. A kill leaves whole segments, which the next refresh keeps.

    Args:
        lake: what is indexed.
        home: below which the index is.
        on_wait: called where another process is at it.

    Raises:
        LakeError, WarehouseError: the lake cannot be read, or the index not be written.
    """
    is_there = (folder(home) / search_files.CURRENT).exists()
    if is_there and _indexed(home) == _state(_signatures(lake)):
        return 0
    lock = search_files.lock(home)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        return _refresh(lake, home, _signatures(lake))
    finally:
        lock.release()


def _refresh(lake: Lake, home: Path, now: Signatures) -> int:
    known = _indexed(home)
    if known.get("made_by") != _made_by():
        (folder(home) / search_files.CURRENT).unlink(missing_ok=True)
        _note(home, known := _state({}))  # now, so that segments of a killed build are kept
    search_files.make_empty(home)
    before: Signatures = known.get("partitions", {})
    gone = set(before) - set(now)
    changed = set(now) if gone else {name for name in now if now[name] != before.get(name)}
    added = 0
    if changed or gone:
        only = None if changed == set(now) else _partitions(changed)
        with Warehouse(lake, only, ["search.changed"]) as warehouse:
            papers = warehouse.run("search.changed")
        with _Index(lake, home) as index:
            added = index.add(papers, is_all=only is None)
    _note(home, _state(now))
    if added:
        logger.info("indexed %d papers for search", added)
    return added


class _Index:
    """The index while it is added to; a context manager."""

    def __init__(self, lake: Lake, home: Path) -> None:
        self._home = home
        asks = ["search.drafts", "search.superseded", "search.totals"]
        self._warehouse = Warehouse(lake, asks=asks, home=home)
        self._con = self._warehouse.con
        scratch = as_text(folder(home) / "scratch")
        self._con.execute(f"set memory_limit = '{_MEMORY}'; set temp_directory = {scratch}")
        self._con.execute("create schema if not exists incoming")
        for name in ("changed", "gone"):
            self._warehouse.put(f"incoming.{name}", _PAPER.empty_table())
        self._con.execute(
            "create temp table no_documents as select 0 as doc, '' as paper_id limit 0"
        )

    def __enter__(self) -> _Index:
        return self

    def __exit__(self, *_: object) -> None:
        self._warehouse.__exit__()

    def add(self, papers: pa.Table, *, is_all: bool) -> int:
        """Index what is new of these papers, how many; where they are all, forget others."""
        self._warehouse.put("incoming.changed", papers)
        firsts = [papers["paper_id"][at].as_py() for at in range(0, len(papers), PAPERS_AT_ONCE)]
        added = sum(self._add_segment(first, beyond) for first, beyond in pairwise([*firsts, None]))
        if is_all:
            self._forget_others()
        self._merge()
        return added

    def _add_segment(self, first: str, beyond: str | None) -> int:
        """A segment of the papers from the first to before that one; none where none is new."""
        last_doc = self._one("select coalesce(max(doc), 0) from search.stored_documents")
        given = {"first": first, "beyond": beyond, "last_doc": last_doc}
        drafts = query("search.drafts").sql
        self._con.execute(f"create or replace temp table drafts as {drafts}", given)
        if found := self._one("select count(*) from drafts"):
            self._show("drafts", "temp.drafts")
            with self._next() as (aside, number):
                for table in ("documents", "positions", "postings", "terms"):
                    file = aside / segment(table, number)
                    self._copy(query(f"search.{table}").sql, file, table)
                    self._show(table, f"read_parquet({as_text(file)})")
        return found

    def _forget_others(self) -> None:
        """Let documents about papers that are not among the changed ones count no more."""
        known = "select distinct paper_id from search.documents"
        others = self._warehouse.sql(f"{known} anti join incoming.changed using (paper_id)")
        if len(others):
            self._warehouse.put("incoming.gone", others)
            with self._next():
                logger.info("forgot %d papers that the lake has no more", len(others))

    def _merge(self) -> None:
        """Make one segment of the small ones, where they are many."""
        now = folder(self._home) / search_files.CURRENT
        small = [
            file.stem.partition("-")[2]
            for file in sorted(now.glob("documents-*.parquet"))
            if pq.read_metadata(file).num_rows < SMALL
        ]
        if len(small) <= MOST_SMALL:
            return
        with self._next(without=small) as (aside, number):
            for table, keys in _KEYS.items():
                files = ", ".join(as_text(now / f"{table}-{one}.parquet") for one in small)
                kept = f"from read_parquet([{files}]) anti join search.superseded using (doc)"
                file = aside / segment(table, number)
                self._copy(f"{kept} order by {keys}", file, table)
                self._show(table, f"read_parquet({as_text(file)})")
            self._copy(query("search.terms").sql, aside / segment("terms", number), "terms")

    @contextmanager
    def _next(self, without: Collection[str] = ()) -> Iterator[tuple[Path, int]]:
        """A folder to put a segment into, and its number; then it is the generation that is read.

        It has the segments that there are, without some.
        """
        now, number = folder(self._home) / search_files.CURRENT, generation(self._home) + 1
        aside = folder(self._home) / aside_name(str(number))
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        for file in now.glob("*.parquet"):
            if file.stem.partition("-")[2] not in {*without, search_files.NONE}:
                os.link(file, aside / file.name)
        yield aside, number
        self._count(aside, number)
        search_files.switch(self._home, aside, number)
        self._read(now)

    def _count(self, aside: Path, number: int) -> None:
        """Write what counts of the generation's documents, and how much they are."""
        new = aside / segment("documents", number)
        is_added = new.exists()
        self._show("fresh", f"read_parquet({as_text(new)})" if is_added else "temp.no_documents")
        self._read(aside)
        for name in ("superseded", "totals"):
            file = aside / f"{name}.parquet"
            beside = file.with_suffix(".new")
            self._copy(query(f"search.{name}").sql, beside, name)
            beside.replace(file)

    def _read(self, whole: Path) -> None:
        """Let the views be those of that generation."""
        for name, select in search_files.views_of(whole).items():
            self._con.execute(f"create or replace view {name} as {select}")

    def _show(self, name: str, rows: str) -> None:
        self._con.execute(f"create or replace view incoming.{name} as from {rows}")

    def _copy(self, select: str, file: Path, table: str) -> None:
        rows = _ROWS.get(table, 122_880)
        options = f"format parquet, compression zstd, parquet_version v2, row_group_size {rows}"
        self._con.execute(f"copy ({select}) to {as_text(file)} ({options})")

    def _one(self, select: str) -> int:
        [[value]] = self._con.execute(select).fetchall()
        return int(value)


_KEYS = {"documents": "doc", "postings": "term, doc", "positions": "term, doc, position"}


def _signatures(lake: Lake) -> Signatures:
    """The partitions of the lake that hold papers, by folder below its root."""
    found: dict[str, list[str]] = {}
    for table in TABLES:
        for file in lake.stored(table):
            folder_name = file.folder.removeprefix(lake.root).strip("/")
            found.setdefault(folder_name, []).append(
                f"{file.name} {file.bytes} {file.modified_at.isoformat()}"
            )
    return {name: _hash("\n".join(files)) for name, files in found.items()}


def _partitions(folders: Collection[str]) -> Only:
    """These folders as tables with partitions."""
    only: dict[str, list[Partition]] = {table: [] for table in TABLES}
    for name in folders:
        table, *keys = name.split("/")
        only[table].append(dict(key.split("=", 1) for key in keys))
    return {**NOTHING, **only}


def _indexed(home: Path) -> dict[str, Any]:
    """What was indexed last, as `_state` has it; empty where nobody knows."""
    try:
        state = json.loads((folder(home) / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _note(home: Path, state: Mapping[str, object]) -> None:
    """Write down what was indexed, at once; the lock is held."""
    file = folder(home) / "state.json"
    aside = file.with_name(aside_name(file.name))
    aside.write_text(json.dumps(state), encoding="utf-8")
    aside.replace(file)


def _state(now: Signatures) -> dict[str, Any]:
    return {"made_by": _made_by(), "partitions": now}


def _made_by() -> str:
    """A hash of all SQL that the index is made with: another one makes another index."""
    files = [project("sql") / "macros.sql", *sorted((project("sql") / "search").glob("*.sql"))]
    return _hash("".join(file.read_text(encoding="utf-8") for file in files))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
