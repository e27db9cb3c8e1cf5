"""`broadsheet sql`: a query, a file or a named question, read-only, in the format asked for."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from broadsheet.config import load_settings
from broadsheet.errors import UsageError, WarehouseError
from broadsheet.lake import Lake
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse, queries, query

FORMATS = ("table", "csv", "json", "parquet")


def named() -> list[tuple[str, str]]:
    """The named questions: name and what it answers."""
    return [
        (q.name.partition(".")[2], q.sql.splitlines()[0].strip("- ")) for q in queries("history")
    ]


def ask(text: str | None, file: Path | None, params: Sequence[str]) -> pa.Table:
    """The answer's rows.

    Args:
        text: SQL, or the name of a question.
        file: a file with SQL, instead.
        params: `name=value` each.

    Raises:
        UsageError: nothing or not only one thing asked, an unreadable file, a malformed parameter,
            or SQL that would write.
        WarehouseError: the SQL cannot run.
    """
    sql = _text(text, file)
    values = dict(_pair(param) for param in params)
    with Warehouse(Lake(load_settings().lake_root)) as warehouse:
        _refuse_writing(warehouse.con, sql)
        rows = warehouse.sql(sql, **values)
    return rows.rename_columns(_distinct(rows.column_names))


def _distinct(names: Sequence[str]) -> list[str]:
    """The column names, a repeated one with a number, for formats that know columns by name."""
    seen = Counter[str]()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise UsageError("nothing asked, or twice", "give a query, a name, or -f FILE")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {file}: {error}", "give a readable file") from error
    assert text is not None  # noqa: S101 (one of the two is there)
    return query(f"history.{text}").sql if text in dict(named()) else text


def _pair(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not equals or not name:
        raise UsageError(f"not a parameter: {param!r}", "write it as --param name=value")
    return name, value


def _refuse_writing(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise WarehouseError(f"cannot run query: {error}", "check the SQL") from error
    allowed = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    if len(statements) != 1 or statements[0].type not in allowed:
        raise UsageError("only one SELECT at a time is run", "the history is read, not written")


def write(rows: pa.Table, format: str) -> None:
    """Put the rows on standard output.

    Raises:
        UsageError: an unknown format.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", f"formats: {', '.join(FORMATS)}")
    {"table": _table, "csv": _csv, "json": _json, "parquet": _parquet}[format](rows)


def _table(rows: pa.Table) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows.column_names)
    for row in to_rows(rows):
        table.add_row(*(Text("" if value is None else _plain(value)) for value in row.values()))
    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)


def _csv(rows: pa.Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows.column_names)
    writer.writerows([None if v is None else _plain(v) for v in r.values()] for r in to_rows(rows))


def _json(rows: pa.Table) -> None:
    for row in to_rows(rows):
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _parquet(rows: pa.Table) -> None:
    import pyarrow.parquet as pq

    if sys.stdout.isatty():
        raise UsageError("Parquet is no text for a terminal", "redirect it: > answer.parquet")
    pq.write_table(rows, pa.PythonFile(sys.stdout.buffer, mode="w"), compression="zstd")


def _plain(value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
