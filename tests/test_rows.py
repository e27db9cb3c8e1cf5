"""Rows ↔ tables lose nothing, for every table of the lake, and without pandas."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broadsheet.rows import Row, to_rows, to_table
from broadsheet.schemas import PARTITIONS, SCHEMAS

_INSTANTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)).map(
    lambda naive: naive.replace(tzinfo=dt.UTC)
)
_SCALARS: dict[str, st.SearchStrategy[object]] = {
    "string": st.text(),
    "bool": st.booleans(),
    "int8": st.integers(-(2**7), 2**7 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "date32[day]": st.dates(dt.date(1, 1, 1)),
    "timestamp[us, tz=UTC]": _INSTANTS,
}
TABLES = sorted(SCHEMAS)


def values(kind: pa.DataType) -> st.SearchStrategy[object]:
    """Any value of that type, null among them."""
    if pa.types.is_list(kind):
        return st.none() | st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.none() | st.fixed_dictionaries({f.name: values(f.type) for f in kind})
    return st.none() | _SCALARS[str(kind)]


def rows_of(schema: pa.Schema) -> st.SearchStrategy[list[Row]]:
    """A few rows of that schema."""
    return st.lists(st.fixed_dictionaries({f.name: values(f.type) for f in schema}), max_size=3)


@pytest.mark.parametrize("table", TABLES)
@settings(deadline=None)
@given(data=st.data())
def test_rows_come_back_as_they_went(table: str, data: st.DataObject) -> None:
    schema = SCHEMAS[table]
    rows = data.draw(rows_of(schema))
    stored = to_table(rows, schema)
    assert stored.schema == schema
    assert to_rows(stored) == rows


@settings(deadline=None)
@given(text=st.text())
@example('流匹配 🗞 \u202e\u0000 \\ " \n\r\t \u2028')
@example("x" * 3_000_000)
@example('{"not": "parsed"}')
@example("2026-01-06T00:00:00")
@example("null")
def test_text_of_any_kind_and_length_stays_itself(text: str) -> None:
    schema = SCHEMAS["listings"]
    rows = to_rows(to_table([{"title": text, "authors": [text, text]}], schema))
    assert [(row["title"], row["authors"]) for row in rows] == [(text, [text, text])]


def test_half_an_emoji_does_not_lose_its_neighbours() -> None:
    rows = [{"payload": "cut \ud83d here"}, {"payload": "流匹配 🗞"}]
    table = to_table(rows, SCHEMAS["listings"])
    assert table["payload"].to_pylist() == ["cut ? here", "流匹配 🗞"]


def test_sections_within_a_row_keep_order_and_nulls() -> None:
    sections = [
        {"heading": "1 Introduction", "text": "…", "level": 1},
        {"heading": None, "text": "", "level": None},
    ]
    table = to_table([{"sections": sections}, {"sections": []}, {}], SCHEMAS["fulltexts"])
    assert [row["sections"] for row in to_rows(table)] == [sections, [], None]


def test_what_a_row_lacks_is_null_and_what_it_has_beyond_is_dropped() -> None:
    schema = pa.schema({"a": pa.string(), "b": pa.int32()})
    assert to_rows(to_table([{"a": "1", "c": 3}], schema)) == [{"a": "1", "b": None}]


def test_no_rows_make_a_typed_table() -> None:
    assert to_table([], SCHEMAS["digests"]).equals(SCHEMAS["digests"].empty_table())
    assert to_rows(SCHEMAS["digests"].empty_table()) == []


def test_an_instant_of_another_zone_becomes_utc() -> None:
    shanghai = dt.timezone(dt.timedelta(hours=8))
    row = {"fetched_at": dt.datetime(2026, 1, 6, 7, 30, tzinfo=shanghai)}
    [read] = to_rows(to_table([row], SCHEMAS["listings"]))
    assert read["fetched_at"] == dt.datetime(2026, 1, 5, 23, 30, tzinfo=dt.UTC)
    assert str(read["fetched_at"]).endswith("+00:00")


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid, match="zone"):
        to_table([{"fetched_at": dt.datetime(2026, 1, 6)}], SCHEMAS["listings"])


@pytest.mark.parametrize("value", [2**31, "many", 1.5])
def test_a_value_that_is_no_count_is_refused(value: object) -> None:
    with pytest.raises(pa.ArrowInvalid):
        to_table([{"upvotes": value}], SCHEMAS["listings"])


def test_a_value_without_a_column_type_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        to_table([{"authors": {"a"}}], SCHEMAS["listings"])


@pytest.mark.parametrize("table", TABLES)
def test_every_partition_column_is_in_the_files_too(table: str) -> None:
    assert set(PARTITIONS[table]) <= set(SCHEMAS[table].names)


def test_pandas_is_not_imported() -> None:
    code = """
import datetime as dt, sys
from broadsheet.rows import to_rows, to_table
from broadsheet.schemas import SCHEMAS
row = {"authors": ["A"], "fetched_at": dt.datetime.now(dt.UTC), "date": dt.date(2026, 1, 6)}
assert to_rows(to_table([row], SCHEMAS["listings"]))[0]["authors"] == ["A"]
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
