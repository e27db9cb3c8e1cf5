"""The warehouse: sole owner of DuckDB.

Views over the lake's Parquet (`lake.*`), staging views over those, and marts: the files of `sql/`,
path = name. Nothing here is a fact: all of it can be deleted and made again from the lake.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from broadsheet.errors import LakeError, WarehouseError
from broadsheet.lake import Lake, PartitionValue, aside_name
from broadsheet.resources import project
from broadsheet.schemas import PARTITIONS, SCHEMAS
from broadsheet.stores import ObjectStore

logger = logging.getLogger(__name__)

Partition = Mapping[str, PartitionValue]
Only = Mapping[str, Sequence[Partition]]
"""Tables, each with the partitions to read of it."""

FRONT_NAMES = {
    "papers": "staging.papers",
    "listings": "staging.listings",
    "fulltexts": "staging.fulltexts",
    "scores": "staging.scores",
    "analyses": "staging.analyses",
    "answers": "staging.answers",
    "digests": "staging.digests",
    "runs": "staging.runs",
    "editions": "marts.editions",
}
"""Names that need no schema, and what they stand for."""

_GONE = re.compile(
    r"no files found|no such file|no_such_key|not_found|FileNotFound|cannot open file", re.I
)
_UNREACHED = LakeError.__name__  # what DuckDB says of an error raised where it reads from us
_DAMAGE = re.compile(
    r"parquet|magic bytes|snappy|zstd|thrift|deserialize|footer|stats|arrow source", re.I
)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One file of `sql/`: its name (`staging.papers`), its text, and what it says of itself."""

    name: str
    sql: str

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables and views it reads, as its header says."""
        return self._header("reads")

    @property
    def params(self) -> tuple[str, ...]:
        """The `$name` parameters it takes, as its header says."""
        return self._header("params")

    @property
    def severity(self) -> str:
        """How bad the rows of a check are, as its header says: `fail` or `warn`."""
        return next(iter(self._header("severity")), "fail")

    def _header(self, key: str) -> tuple[str, ...]:
        found = re.search(rf"^-- {key}: +(.+)$", self.sql, re.MULTILINE)
        return tuple(found[1].split(", ")) if found else ()


def query(name: str) -> Query:
    """The query of that name.

    Raises:
        WarehouseError: `sql/` has no such file.
    """
    file = project("sql") / (name.replace(".", "/") + ".sql")
    if not file.is_file():
        raise WarehouseError(f"no query named {name}", "see `broadsheet sql --list`")
    return Query(name=name, sql=file.read_text(encoding="utf-8"))


def queries(schema: str) -> list[Query]:
    """All queries of one folder of `sql/`, by name."""
    files = sorted((project("sql") / schema).glob("*.sql"))
    return [query(f"{schema}.{file.stem}") for file in files]


class Warehouse:
    """A DuckDB connection with the lake's views in it; a context manager, not for several threads.

    Args:
        lake: what the views read.
        only: partitions to read of a table, instead of all of it, so that the work of one day does
            not grow with the years.
        asks: names of the queries that will be run: only the views that they read are made, which
            is most of what a small question costs; all views without any.
        path: the database file to put the views into; in memory by default.

    Raises:
        WarehouseError: the views cannot be made, even after damaged lake files were moved aside.
    """

    def __init__(
        self,
        lake: Lake,
        only: Only | None = None,
        asks: Sequence[str] = (),
        path: str = ":memory:",
    ) -> None:
        self._lake, self._only, self._is_saved = lake, only or {}, path != ":memory:"
        self._asks = asks
        self.con = duckdb.connect(path)
        self.con.execute("set TimeZone = 'UTC'")
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
        rows: pa.Table = self.con.sql(text, params=dict(params)).to_arrow_table()
        return rows

    def _make_views(self) -> None:
        for schema in ("lake", "staging", "marts"):
            self.con.execute(f"create schema if not exists {schema}")
        if isinstance(self._lake.store, ObjectStore):
            self._reach(self._lake.store)
        else:
            self._view(_lake_views(self._lake, self._only))
        self._view(_derived_views())

    def _is_asked_for(self, view: str) -> bool:
        return not self._asks or view in _read_by(tuple(self._asks))

    def _reach(self, store: ObjectStore) -> None:
        """Make the lake's views over an object store, which DuckDB itself cannot read."""
        from broadsheet.remote_tables import Pretence, RemoteTable  # only here: slow to import

        if self._is_saved:
            self.con.register_filesystem(Pretence(store))
            self._view(_lake_views(self._lake, self._only))
            return
        self.con.execute("set schema = 'lake'")
        for table in filter(lambda table: self._is_asked_for(f"lake.{table}"), SCHEMAS):
            rows = RemoteTable(self._lake, table, self._only.get(table, [{}]))
            # a relation's view lives as long as the database: other cursors see it as well
            self.con.from_arrow(rows).create_view(table, replace=True)
        self.con.execute("set schema = 'main'")

    def _view(self, views: Mapping[str, str]) -> None:
        for name, select in views.items():
            if self._is_asked_for(name):
                self.con.execute(f"create or replace view {name} as {select}")


@cache
def _read_by(names: tuple[str, ...]) -> frozenset[str]:
    """All tables and views that these queries read, or those read that they read."""
    found: set[str] = set()
    waiting = [view for name in names for view in query(name).reads]
    while waiting:
        if (view := waiting.pop()) not in found:
            found.add(view)
            is_file = (project("sql") / (view.replace(".", "/") + ".sql")).is_file()
            waiting += query(view).reads if is_file else ()
    return frozenset(found)


def _may_be_damage(error: duckdb.Error) -> bool:
    """Whether a damaged file can be why; a footer's damage has many messages, SQL's faults few."""
    if isinstance(error, duckdb.InvalidInputException):
        return _DAMAGE.search(str(error)) is not None
    return not isinstance(error, duckdb.ProgrammingError | duckdb.DataError)


def _is_gone(error: duckdb.Error) -> bool:
    """Whether a file was merged into another between its listing and its reading."""
    kinds = duckdb.IOException | duckdb.InvalidInputException  # read by itself, or by pyarrow
    return isinstance(error, kinds) and _GONE.search(str(error)) is not None


def view_definitions(lake: Lake, only: Only | None = None) -> dict[str, str]:
    """Every view's name and SELECT, each after those it reads; `only` as in `Warehouse`."""
    return {**_lake_views(lake, only or {}), **_derived_views()}


def _derived_views() -> dict[str, str]:
    derived = {q.name: q.sql for q in _in_order([*queries("staging"), query("marts.editions")])}
    front = {f"main.{name}": f"from {target}" for name, target in FRONT_NAMES.items()}
    return {**derived, **front}


def _lake_views(lake: Lake, only: Only) -> dict[str, str]:
    files = _globs(lake, only)
    return {f"lake.{table}": _lake_view(table, files[table]) for table in SCHEMAS}


def _lake_view(table: str, files: Sequence[str]) -> str:
    """A SELECT of the table's columns, whichever its files have, typed even without files."""
    empty = ", ".join(f"null::{_duckdb_type(f.type)} as {_quoted(f.name)}" for f in SCHEMAS[table])
    typed = f"select {empty} where false"
    if not files:
        return typed
    listed = ", ".join(_text(path) for path in files)
    columns = ", ".join(_text(name) for name in SCHEMAS[table].names)
    keys = ", ".join(f"{key}: {_key_type(table, key)}" for key in PARTITIONS[table])
    read = f"read_parquet([{listed}], union_by_name = true, hive_types = {{{keys}}})"
    known = f"select columns(lambda name: name in ({columns})) from {read}"  # noqa: S608 (our own)
    return f"{typed} union all by name {known}"


def _globs(lake: Lake, only: Only) -> dict[str, list[str]]:
    """The files to read of each table: a pattern for all, paths for chosen partitions."""
    whole = lake.tables() if set(SCHEMAS) - set(only) else []
    return {
        table: [_literal(file) for part in only[table] for file in lake.files(table, **part)]
        if table in only
        else [_pattern(lake, table)] * (table in whole)
        for table in SCHEMAS
    }


def _pattern(lake: Lake, table: str) -> str:
    levels = "/".join(f"{key}=*" for key in PARTITIONS[table])
    return f"{_literal(f'{lake.store.url}/{table}')}/{levels}/*.parquet"


def _literal(path: str) -> str:
    """The path as a pattern that matches nothing else."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def save_views(lake: Lake, home: Path) -> None:
    """Make `broadsheet.duckdb`, which the DuckDB CLI, a notebook or a BI tool opens: views only.

    It is made aside and renamed, and only when a view changed, so that readers are not disturbed.
    """
    path, made_from = home / "broadsheet.duckdb", home / "state" / "views.sha256"
    views = json.dumps(view_definitions(lake))
    signature = hashlib.sha256(views.encode()).hexdigest()
    if path.exists() and made_from.exists() and made_from.read_text() == signature:
        return
    aside = path.with_name(aside_name(path.name))
    aside.unlink(missing_ok=True)
    Warehouse(lake, path=str(aside)).con.close()
    aside.replace(path)
    made_from.parent.mkdir(parents=True, exist_ok=True)
    made_from.write_text(signature)


def _in_order(views: Sequence[Query]) -> Iterator[Query]:
    """The views with each one after those it reads."""
    waiting = {view.name: view for view in views}
    while waiting:
        name = next(n for n, v in waiting.items() if not set(v.reads) & set(waiting) - {n})
        yield waiting.pop(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _key_type(table: str, key: str) -> str:
    return _duckdb_type(SCHEMAS[table].field(key).type)


def _duckdb_type(kind: pa.DataType) -> str:
    """DuckDB's name for an Arrow type that `SCHEMAS` uses."""
    if pa.types.is_list(kind):
        return f"{_duckdb_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"struct({', '.join(f'{_quoted(f.name)} {_duckdb_type(f.type)}' for f in kind)})"
    return _SCALARS[str(kind)]


_SCALARS = {
    "string": "varchar",
    "bool": "boolean",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "double": "double",
    "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamptz",
}
