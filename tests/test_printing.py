"""An answer is read back equal from CSV, JSON and Parquet; Markdown is always a table."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import NOON
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from broadsheet import printing
from broadsheet.errors import UsageError
from broadsheet.rows import to_rows

ROWS = pa.table(
    {
        "n": pa.array([1, None, -3]),
        "share": pa.array([0.5, None, 1e-7]),
        "is_so": pa.array([True, None, False]),
        "text": pa.array(['a "quoted", one', "", None]),
        "more": pa.array([" spaced\nline ", "null", "字,节"]),
        "names": pa.array([["a", 'b"c'], [], None], type=pa.list_(pa.string())),
        "date": pa.array([dt.date(2026, 1, 6), None, dt.date(1991, 8, 14)]),
        "at": pa.array([NOON, None, NOON], type=pa.timestamp("us", tz="UTC")),
    }
)
TYPES = {
    "n": "bigint",
    "share": "double",
    "is_so": "boolean",
    "text": "varchar",
    "more": "varchar",
    "names": "varchar",
    "date": "date",
    "at": "timestamptz",
}


class Out(io.StringIO):
    """Standard output with bytes below it, as a file has."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = io.BytesIO()


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> Out:
    """What is written to standard output."""
    written = Out()
    monkeypatch.setattr(printing, "sys", SimpleNamespace(stdout=written))
    return written


def read_csv(path: Path) -> pa.Table:
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    return con.read_csv(
        str(path), header=True, dtype=TYPES, quotechar='"', escapechar='"', allow_quoted_nulls=False
    ).to_arrow_table()


def test_csv_is_read_back_equal(out: Out, tmp_path: Path) -> None:
    printing.write(ROWS, "csv")
    (tmp_path / "answer.csv").write_text(out.getvalue())
    read = read_csv(tmp_path / "answer.csv")
    names = [None if text is None else json.loads(text) for text in read["names"].to_pylist()]
    assert names == ROWS["names"].to_pylist()
    assert to_rows(read.drop_columns("names")) == to_rows(ROWS.drop_columns("names"))


def test_json_is_read_back_equal(out: Out) -> None:
    printing.write(ROWS, "json")
    read = [json.loads(line) for line in out.getvalue().splitlines()]
    expected = [
        {k: str(v) if isinstance(v, dt.date) else v for k, v in row.items()}
        for row in to_rows(ROWS)
    ]
    assert read == expected


def test_json_has_numbers_for_decimals_and_words_for_what_is_no_number(out: Out) -> None:
    rows = duckdb.sql(
        "select 1.25 as d, 'nan'::double as n, ['-inf'::double] as l"
    ).to_arrow_table()
    printing.write(rows, "json")
    assert json.loads(out.getvalue()) == {"d": 1.25, "n": "nan", "l": ["-inf"]}


def test_parquet_is_read_back_equal(out: Out) -> None:
    printing.write(ROWS, "parquet")
    assert pq.read_table(pa.BufferReader(out.buffer.getvalue())).equals(ROWS)


def test_parquet_is_not_put_on_a_terminal(out: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "isatty", lambda: True)
    with pytest.raises(UsageError, match="no text for a terminal"):
        printing.write(ROWS, "parquet")


def test_a_table_shows_every_value(out: Out) -> None:
    printing.write(ROWS, "table")
    assert all(text in out.getvalue() for text in ("字,节", "1991-08-14", "1e-07", "true"))


def cells_of(markdown: str) -> list[list[str]]:
    """What a reader of GitHub's Markdown sees in the table, row by row, header first."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        if token.type == "inline":
            rows[-1].append("".join(child.content for child in token.children or ()))
    return rows


@given(cells=st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_markdown_is_a_table_whatever_is_in_it(cells: list[str]) -> None:
    written: Any = Out()
    rows = pa.table(
        {f"c{n}": [text.encode(errors="replace").decode()] for n, text in enumerate(cells)}
    )
    printing.FORMATS["markdown"](rows, written)
    header, body = cells_of(written.getvalue())
    assert header == [f"c{n}" for n in range(len(cells))]
    assert len(body) == len(cells)


def test_markdown_shows_special_characters_as_they_are(out: Out) -> None:
    printing.write(pa.table({"a|b": ["*x* | <b>_y_</b> `z`"], "n": [1]}), "markdown")
    assert cells_of(out.getvalue()) == [["a|b", "n"], ["*x* | <b>_y_</b> `z`", "1"]]
    assert "---:" in out.getvalue().splitlines()[1]


def test_an_unknown_format_is_told_before_anything_is_asked() -> None:
    with pytest.raises(UsageError, match="unknown format 'xml'") as refused:
        printing.refuse_unknown("xml")
    assert "parquet" in refused.value.remedy
