"""Python rows ↔ Arrow tables, by schema, without pandas.

pyarrow's own conversions import pandas as soon as they see a list or an instant with a time zone,
which costs every run time and memory for nothing; JSON and naive instants do not.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.json as pajson

Row = dict[str, object]


def to_table(rows: Iterable[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """The rows as a table of that schema; what a row lacks is null, what it has beyond is dropped.

    Instants must be aware. Half a surrogate pair, which no file can hold, becomes `?`.
    """
    lines = [
        json.dumps({n: row.get(n) for n in schema.names}, default=_plain, ensure_ascii=False)
        for row in rows
    ]
    if not lines:
        return schema.empty_table()
    raw = "\n".join(lines).encode(errors="replace")
    loose = pa.schema([(field.name, _loose(field.type)) for field in schema])
    table = pajson.read_json(
        pa.BufferReader(raw),
        read_options=pajson.ReadOptions(use_threads=False, block_size=len(raw) + 1),
        parse_options=pajson.ParseOptions(explicit_schema=loose),
    )
    return table.cast(schema)


def to_rows(table: pa.Table) -> list[Row]:
    """The table's rows; instants are aware, in UTC."""
    zoned = [f.name for f in table.schema if pa.types.is_timestamp(f.type) and f.type.tz]
    naive = [f.with_type(pa.timestamp("us")) if f.name in zoned else f for f in table.schema]
    rows: list[Row] = table.cast(pa.schema(naive)).to_pylist()
    for row in rows:
        for name in zoned:
            value = row[name]
            row[name] = value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else None
    return rows


def _plain(value: object) -> str:
    """Dates and instants as JSON has them."""
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"no column type for {type(value).__name__}")


def _loose(kind: pa.DataType) -> pa.DataType:
    """The type that JSON is read as before the cast to this one."""
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_list(kind):
        return pa.list_(_loose(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _loose(field.type)) for field in kind])
    return kind
