"""An answer's rows, printed in the format asked for."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import TextIO

import pyarrow as pa

from broadsheet.errors import UsageError
from broadsheet.rows import to_rows

_WIDTH_WITHOUT_TERMINAL = 200
_NEEDS_QUOTES = re.compile(r"[\",\r\n]|^\s|\s$")
_SPECIAL_IN_MARKDOWN = re.compile(r"[\\`*_<>\[\]|~&]")


def write(rows: pa.Table, format: str) -> None:
    """Put the rows on standard output.

    Raises:
        UsageError: an unknown format, or Parquet for a terminal.
    """
    refuse_unknown(format)
    FORMATS[format](rows, sys.stdout)


def refuse_unknown(format: str) -> None:
    """Raise `UsageError` for a format that there is not."""
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", f"formats: {', '.join(FORMATS)}")


def _table(rows: pa.Table, out: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*rows.column_names)
    for row in to_rows(rows):
        table.add_row(*(Text("" if value is None else plain(value)) for value in row.values()))
    console = Console(width=None if out.isatty() else _WIDTH_WITHOUT_TERMINAL, file=out)
    console.print(table)
    if out.isatty():
        console.print(f"{len(rows)} rows", style="dim", highlight=False)


def _csv(rows: pa.Table, out: TextIO) -> None:
    """RFC 4180; nothing between two commas is null, two quotes are an empty text."""
    for line in (rows.column_names, *(row.values() for row in to_rows(rows))):
        out.write(",".join(_quoted(value) for value in line) + "\n")


def _quoted(value: object) -> str:
    if value is None:
        return ""
    text = plain(value)
    is_bare = text and not _NEEDS_QUOTES.search(text)
    return text if is_bare else '"' + text.replace('"', '""') + '"'


def _json(rows: pa.Table, out: TextIO) -> None:
    """A JSON object per row and line."""
    for row in to_rows(rows):
        out.write(_as_json(row) + "\n")


def _parquet(rows: pa.Table, out: TextIO) -> None:
    import pyarrow.parquet as pq

    if out.isatty():
        raise UsageError("Parquet is no text for a terminal", "redirect it: > answer.parquet")
    pq.write_table(rows, pa.PythonFile(out.buffer, mode="w"), compression="zstd")


def _markdown(rows: pa.Table, out: TextIO) -> None:
    """A table as GitHub's Markdown has it; what is special there is escaped."""
    aligned = ["---:" if _is_number(field.type) else "---" for field in rows.schema]
    cells = ([_cell(value) for value in row.values()] for row in to_rows(rows))
    for line in ([_cell(name) for name in rows.column_names], aligned, *cells):
        out.write(f"| {' | '.join(line)} |\n")


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _cell(value: object) -> str:
    text = " ".join(("" if value is None else plain(value)).split())
    return _SPECIAL_IN_MARKDOWN.sub(r"\\\g<0>", text)


def plain(value: object) -> str:
    """The value as text; lists and structs as JSON."""
    if isinstance(value, list | dict):
        return _as_json(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as_json(value: object) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=_number_or_text)


def _finite(value: object) -> object:
    """The value with words for the floats that JSON has none for: nan, inf, -inf."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _number_or_text(value: object) -> float | str:
    return float(value) if isinstance(value, Decimal) else str(value)


FORMATS: dict[str, Callable[[pa.Table, TextIO], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "markdown": _markdown,
}
