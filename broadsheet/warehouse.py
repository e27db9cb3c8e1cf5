"""The warehouse: sole owner of DuckDB.

Views over the lake's Parquet (`lake.*`), staging views over those, and marts: the files of `sql/`,
path = name. Nothing here is a fact: all of it can be deleted and made again from the lake.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from broadsheet import search_files, views
from broadsheet.errors import LakeError, WarehouseError
from broadsheet.lake import Lake, aside_name
from broadsheet.queries import as_pattern, as_text, query
from broadsheet.schemas import SCHEMAS
from broadsheet.stores import ObjectStore
from broadsheet.views import Only

logger = logging.getLogger(__name__)

_GONE = re.compile(
    r"no files found|no such file|no_such_key|not_found|FileNotFound|cannot open file", re.I
)
_UNREACHED = LakeError.__name__  # what DuckDB says of an error raised where it reads from us
_DAMAGE = re.compile(
    r"parquet|magic bytes|snappy|zstd|thrift|deserialize|footer|stats|arrow source", re.I
)
T = TypeVar("T")


class Warehouse:
    """A DuckDB connection with the lake's views in it; a context manager, not for several threads.

    Args:
        lake: what the views read.
        only: partitions to read of a table, instead of all of it, so that the work of one day does
            not grow with the years.
        asks: names of the queries that will be run: only the views that they read are made, which
            is most of what a small question costs; all views without any.
        text: any SQL that will be run, as well: the views whose names occur in it are made.
        path: the database file to put the views into; in memory by default.
        home: below which the search index is; without it the views `search.*` have no rows.
        is_relative: whether the views name files relative to home, which must hold the lake.

    Raises:
        WarehouseError: the views cannot be made, even after damaged lake files were moved aside.
    """

    def __init__(
        self,
        lake: Lake,
        only: Only | None = None,
        asks: Sequence[str] = (),
        path: str = ":memory:",
        text: str = "",
        home: Path | None = None,
        *,
        is_relative: bool = False,
    ) -> None:
        self._lake, self._only, self._is_saved = lake, only or {}, path != ":memory:"
        self._home = home
        self._above = as_text(f"{as_pattern(str(home.absolute()))}/")[:-1] if home else ""
        self._is_relative = is_relative
        self._asked_for = views.read_by(tuple(asks), text) if asks or text else None
        self.con = duckdb.connect(path)
        self.con.execute("set TimeZone = 'UTC'")
        self.con.execute("set enable_progress_bar = false")  # it would be on standard output
        if is_relative and home:
            self.con.execute(f"set file_search_path = {as_text(str(home.absolute()))}")
        self._mending(self._make_views)

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def run(self, name: str, **params: object) -> pa.Table:
        """The named query's rows.

        Raises:
            WarehouseError: it cannot run, even after damaged lake files were moved aside.
        """
        return self.sql(query(name).sql, **params)

    def sql(self, text: str, **params: object) -> pa.Table:
        """The rows of any SQL; `run` says which errors."""
        return self._mending(lambda: self._execute(text, params))

    def _mending(self, work: Callable[[], T]) -> T:
        """What the work returns; done again where files stopped it that were damaged or merged."""
        try:
            try:
                return work()
            except duckdb.Error as error:
                if not self._is_mended(error):
                    raise
                self._make_views()
                return work()
        except duckdb.Error as error:
            raise WarehouseError(f"cannot run query: {error}", "check the SQL") from error

    def _is_mended(self, error: duckdb.Error) -> bool:
        """Whether the work may be done when it is tried again; raises where the lake says why not.

        Raises:
            LakeError: it is not reached, or a damaged file cannot be moved aside.
        """
        if _UNREACHED in str(error):
            self._lake.tables()
            return True
        if _is_gone(error) or not _may_be_damage(error):
            return _is_gone(error)
        # in an object store, a file that was replaced while it was read looks damaged, too
        return bool(self._lake.quarantine_damaged()) or not self._lake.is_local

    def put(self, name: str, rows: pa.Table) -> None:
        """Make rows readable as `schema.table` until the connection closes."""
        schema, table = name.split(".")
        self.con.register("incoming", rows)
        self.con.execute(f"create or replace temp table {table}__rows as from incoming")
        self.con.unregister("incoming")
        self.con.execute(f"create or replace view {schema}.{table} as from temp.{table}__rows")

    def _execute(self, text: str, params: Mapping[str, object]) -> pa.Table:
        try:
            rows: pa.Table = self.con.sql(text, params=dict(params)).to_arrow_table()
        except duckdb.Error:
            self.con.execute(text, dict(params))  # fails as well, and says at which place
            raise
        return rows

    def _make_views(self) -> None:
        for schema in ("lake", "staging", "marts"):
            self.con.execute(f"create schema if not exists {schema}")
        if isinstance(self._lake.store, ObjectStore):
            self._reach(self._lake.store)
        else:
            self._view(views.of_lake(self._lake, self._only))
        self._view(views.derived())
        self._make_search()

    def _make_search(self) -> None:
        """The search index's views, and its questions as table macros, where they are asked for."""
        stored = search_files.views(self._home)
        if not any(map(self._is_asked_for, stored)):
            return
        self.con.execute("create schema if not exists search")
        self.con.execute(search_files.scalar_macros())
        for name, select in stored.items():
            self._make(f"create or replace view {name} as {select}")
        for macro, question in views.SEARCHES.items():
            if all(map(self._is_asked_for, query(question).reads)):
                self._make(views.as_macro(macro, query(question)))

    def _make(self, statement: str) -> None:
        self.con.execute(statement.replace(self._above, "'") if self._is_relative else statement)

    def _is_asked_for(self, view: str) -> bool:
        return self._asked_for is None or view in self._asked_for

    def _reach(self, store: ObjectStore) -> None:
        """Make the lake's views over an object store, which DuckDB itself cannot read."""
        from broadsheet.remote_tables import Pretence, RemoteTable  # only here: slow to import

        if self._is_saved:
            self.con.register_filesystem(Pretence(store))
            self._view(views.of_lake(self._lake, self._only))
            return
        self.con.execute("set schema = 'lake'")
        for table in filter(lambda table: self._is_asked_for(f"lake.{table}"), SCHEMAS):
            rows = RemoteTable(self._lake, table, self._only.get(table, [{}]))
            # a relation's view lives as long as the database: other cursors see it as well
            self.con.from_arrow(rows).create_view(table, replace=True)
        self.con.execute("set schema = 'main'")

    def _view(self, made: Mapping[str, str]) -> None:
        for name, select in made.items():
            if self._is_asked_for(name):
                self._make(f"create or replace view {name} as {select}")


def _may_be_damage(error: duckdb.Error) -> bool:
    """Whether a damaged file can be why; a footer's damage has many messages, SQL's faults few."""
    if isinstance(error, duckdb.InvalidInputException):
        return _DAMAGE.search(str(error)) is not None
    return not isinstance(error, duckdb.ProgrammingError | duckdb.DataError)


def _is_gone(error: duckdb.Error) -> bool:
    """Whether a file was merged into another between its listing and its reading."""
    kinds = duckdb.IOException | duckdb.InvalidInputException  # read by itself, or by pyarrow
    return isinstance(error, kinds) and _GONE.search(str(error)) is not None


def save_views(lake: Lake, home: Path, *, is_relative: bool = False) -> None:
    """Make `broadsheet.duckdb`, which the DuckDB CLI, a notebook or a BI tool opens: views only.

    It is made aside and renamed, and only when a view changed, so that readers are not disturbed.
    """
    path, made_from = home / "broadsheet.duckdb", home / "state" / "views.sha256"
    search_files.ensure(home)
    made = json.dumps([views.definitions(lake), views.of_search(home), is_relative])
    signature = hashlib.sha256(made.encode()).hexdigest()
    if path.exists() and made_from.exists() and made_from.read_text() == signature:
        return
    aside = path.with_name(aside_name(path.name))
    aside.unlink(missing_ok=True)
    Warehouse(lake, path=str(aside), home=home, is_relative=is_relative).con.close()
    aside.replace(path)
    made_from.parent.mkdir(parents=True, exist_ok=True)
    made_from.write_text(signature)
