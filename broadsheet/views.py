"""The warehouse's views: what each is made of, and which of them a question reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa

from broadsheet import search_files
from broadsheet.lake import Lake, PartitionValue
from broadsheet.queries import Query, as_pattern, as_text, in_order, queries, query
from broadsheet.resources import project
from broadsheet.schemas import PARTITIONS, SCHEMAS

Partition = Mapping[str, PartitionValue]
Only = Mapping[str, Sequence[Partition]]
"""Tables, each with the partitions to read of it."""

FRONT_NAMES = {
    "papers": "staging.papers",
    "listings": "staging.listings",
    "archive": "staging.archive",
    "fulltexts": "staging.fulltexts",
    "scores": "staging.scores",
    "analyses": "staging.analyses",
    "answers": "staging.answers",
    "digests": "staging.digests",
    "runs": "staging.runs",
    "editions": "marts.editions",
    "upvote_history": "marts.upvote_history",
    "costs": "marts.costs",
    "topics": "marts.topics",
    "authors": "marts.authors",
}
"""Names that need no schema, and what they stand for."""
SEARCHES = {"search": "history.search", "similar_to": "history.similar"}
"""Table macros that are named questions; SIMILAR is a word of SQL's own."""


@cache
def read_by(names: tuple[str, ...], sql: str) -> frozenset[str]:
    """All tables and views that these queries or this SQL read, or those read that they read."""
    words = set(re.findall(r"\w+", re.sub(r"--[^\n]*", "", sql.lower())))
    front = {f"main.{name}": (target,) for name, target in FRONT_NAMES.items()}
    known = [*front, *FRONT_NAMES.values(), *(f"lake.{table}" for table in SCHEMAS)]
    waiting = [view for view in known if view.partition(".")[2] in words]
    waiting += [view for name in names for view in query(name).reads]
    if words & {"search", *SEARCHES}:
        waiting += [view for name in SEARCHES.values() for view in query(name).reads]
    found: set[str] = set()
    while waiting:
        if (view := waiting.pop()) not in found:
            found.add(view)
            is_file = (project("sql") / (view.replace(".", "/") + ".sql")).is_file()
            waiting += front.get(view, query(view).reads if is_file else ())
    return frozenset(found)


def definitions(lake: Lake, only: Only | None = None) -> dict[str, str]:
    """Every view's name and SELECT, each after those it reads; `only` as in `Warehouse`."""
    return {**of_lake(lake, only or {}), **derived()}


def of_search(home: Path) -> list[str]:
    """All that the search index's views and macros are made of."""
    tables = [as_macro(macro, query(question)) for macro, question in SEARCHES.items()]
    return [*search_files.views(home).values(), search_files.scalar_macros(), *tables]


def as_macro(name: str, question: Query) -> str:
    """The statement that makes a table macro of the question."""
    return search_files.table_macro(name, question.sql, question.params, question.defaults)


def derived() -> dict[str, str]:
    """The views over the lake's: staging, marts, and the names without a schema."""
    marts = [query(view) for view in FRONT_NAMES.values() if view.startswith("marts.")]
    derived = {q.name: q.sql for q in in_order([*queries("staging"), *marts])}
    front = {f"main.{name}": f"from {target}" for name, target in FRONT_NAMES.items()}
    return {**derived, **front}


def of_lake(lake: Lake, only: Only) -> dict[str, str]:
    """The views of the lake's tables."""
    files = _globs(lake, only)
    return {f"lake.{table}": _lake_view(table, files[table]) for table in SCHEMAS}


def _lake_view(table: str, files: Sequence[str]) -> str:
    """A SELECT of the table's columns, whichever its files have, typed even without files."""
    empty = ", ".join(f"null::{_duckdb_type(f.type)} as {_quoted(f.name)}" for f in SCHEMAS[table])
    typed = f"select {empty} where false"
    if not files:
        return typed
    listed = ", ".join(as_text(path) for path in files)
    columns = ", ".join(as_text(name) for name in SCHEMAS[table].names)
    keys = ", ".join(f"{key}: {_key_type(table, key)}" for key in PARTITIONS[table])
    read = f"read_parquet([{listed}], union_by_name = true, hive_types = {{{keys}}})"
    known = f"select columns(lambda name: name in ({columns})) from {read}"  # noqa: S608 (our own)
    return f"{typed} union all by name {known}"


def _globs(lake: Lake, only: Only) -> dict[str, list[str]]:
    """The files to read of each table: a pattern for all, paths for chosen partitions."""
    whole = lake.tables() if set(SCHEMAS) - set(only) else []
    return {
        table: [as_pattern(file) for part in only[table] for file in lake.files(table, **part)]
        if table in only
        else [_pattern(lake, table)] * (table in whole)
        for table in SCHEMAS
    }


def _pattern(lake: Lake, table: str) -> str:
    levels = "/".join(f"{key}=*" for key in PARTITIONS[table])
    return f"{as_pattern(f'{lake.store.url}/{table}')}/{levels}/*.parquet"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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
