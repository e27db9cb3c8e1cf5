"""The lake's promises: whole files or none, damage set aside, anything can open them."""

from __future__ import annotations

import datetime as dt
import logging
import os
import pickle
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from builders import DAY
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet import lake as lake_module
from broadsheet.errors import LakeError
from broadsheet.lake import Lake
from broadsheet.rows import Row
from broadsheet.schemas import PARTITIONS, SCHEMAS

NOON = dt.datetime(2026, 1, 6, 12, 30, 15, 123456, tzinfo=dt.UTC)
TABLES = sorted(SCHEMAS)
KEYS: dict[str, str | int | dt.date] = {
    "source": "huggingface",
    "profile": "cv",
    "prefix": "ab",
    "date": DAY,
    "year": 2026,
}


def partition(table: str) -> dict[str, str | int | dt.date]:
    """One partition of the table."""
    return {key: KEYS[key] for key in PARTITIONS[table]}


def example(kind: pa.DataType) -> object:
    """A value of that type."""
    if pa.types.is_list(kind):
        return [example(kind.value_type), None]
    if pa.types.is_struct(kind):
        return {field.name: example(field.type) for field in kind}
    if pa.types.is_timestamp(kind):
        return NOON
    if pa.types.is_date(kind):
        return DAY
    if pa.types.is_string(kind):
        return "流匹配 “it's”"
    return {"bool": True, "double": 0.25}.get(str(kind), 7)


def full_row(table: str) -> Row:
    """A row with a value in every column."""
    row = {field.name: example(field.type) for field in SCHEMAS[table]}
    return {**row, **partition(table)}


def write_run(lake: Lake, run_id: str, date: dt.date = DAY) -> Path:
    """The file of a run's row, written."""
    lake.write("runs", [{"run_id": run_id, "message": run_id * 100}], run_id, date=date)
    return Path(lake.directory("runs", date=date)) / f"{run_id}.parquet"


def run_ids(lake: Lake) -> list[str]:
    """The runs a reader sees, in file order."""
    return [str(run_id) for run_id in lake.read("runs")["run_id"].to_pylist()]


def everything_below(folder: Path) -> list[str]:
    """Every file below the folder, by its path there."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("table", "folder"),
    [
        ("listings", "listings/source=huggingface/date=2026-01-06"),
        ("fulltexts", "fulltexts/date=2026-01-06"),
        ("answers", "answers/prefix=ab"),
        ("analyses", "analyses/date=2026-01-06"),
        ("scores", "scores/profile=cv/date=2026-01-06"),
        ("digests", "digests/profile=cv/date=2026-01-06"),
        ("runs", "runs/date=2026-01-06"),
    ],
)
def test_partitions_are_folders_named_by_key_and_value(lake: Lake, table: str, folder: str) -> None:
    lake.write(table, [{}], "rows", **partition(table))
    assert everything_below(Path(lake.root)) == [f"{folder}/rows.parquet"]


def test_a_partial_partition_is_every_file_below_it(lake: Lake) -> None:
    for source, day in (("arxiv", 6), ("huggingface", 5), ("huggingface", 6)):
        lake.write("listings", [{"rank": day}], "x", source=source, date=dt.date(2026, 1, day))
    assert [row["rank"] for row in lake.read("listings", source="huggingface").to_pylist()] == [
        5,
        6,
    ]
    assert len(lake.files("listings")) == 3
    assert lake.files("listings", source="openreview") == []


def test_partition_columns_are_filled_in_where_rows_lack_them(lake: Lake) -> None:
    lake.write("scores", [{"paper_id": "2601.00001"}], "x", profile="cv", date=DAY)
    stored = pq.ParquetFile(lake.files("scores")[0]).read()
    assert stored.select(["profile", "date"]).to_pylist() == [{"profile": "cv", "date": DAY}]


def test_a_lake_can_be_named_by_url(tmp_path: Path) -> None:
    by_url = Lake((tmp_path / "lake").as_uri())
    write_run(by_url, "a")
    assert run_ids(Lake(str(tmp_path / "lake"))) == ["a"]


def test_a_lake_pickles_as_what_it_names(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(lake, "a")
    monkeypatch.chdir(tmp_path / "home")
    for one in (lake, Lake("lake"), Lake(Path(lake.root).as_uri())):
        packed = pickle.dumps(one)
        assert len(packed) < 500, "the name, and nothing that is open"
        monkeypatch.chdir("/")
        assert run_ids(pickle.loads(packed)) == ["a"]
        monkeypatch.chdir(tmp_path / "home")


def test_a_relative_root_stays_where_it_was_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lake = Lake("lake")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert write_run(lake, "a") == tmp_path / "lake/runs/date=2026-01-06/a.parquet"
    assert run_ids(lake) == ["a"]


@pytest.mark.parametrize("root", ["nonsense://bucket/lake", "s3:// /x y"])
def test_a_root_that_cannot_be_opened_names_the_setting(root: str) -> None:
    with pytest.raises(LakeError, match="cannot open lake") as caught:
        Lake(root)
    assert "BROADSHEET_LAKE" in caught.value.remedy


@pytest.mark.parametrize("table", TABLES)
def test_a_full_row_reads_back_as_written(lake: Lake, table: str) -> None:
    lake.write(table, [full_row(table)], "x", **partition(table))
    assert lake.rows(table, "x", **partition(table)) == [full_row(table)]


def test_nothing_written_reads_as_no_rows_of_the_right_columns(lake: Lake) -> None:
    assert lake.read("digests").equals(SCHEMAS["digests"].empty_table())
    assert lake.rows("digests", "digest", profile="cv", date=DAY) is None
    assert not lake.has_files("digests")


def test_a_list_without_papers_is_not_the_same_as_no_list(lake: Lake) -> None:
    lake.write("listings", [], "x", source="huggingface", date=DAY)
    assert lake.rows("listings", "x", source="huggingface", date=DAY) == []
    assert lake.has_files("listings")


_SMALL = st.lists(
    st.fixed_dictionaries({"run_id": st.text(max_size=5), "listed": st.integers(0, 9)}), max_size=3
)


@settings(deadline=None, max_examples=30)
@given(rows=_SMALL)
def test_the_same_write_twice_is_the_same_bytes_once(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        lake.write("runs", rows, "x", date=DAY)
        once = Path(lake.files("runs")[0]).read_bytes()
        lake.write("runs", lake.rows("runs", "x", date=DAY) or [], "x", date=DAY)
        assert [Path(file).read_bytes() for file in lake.files("runs")] == [once]
        assert everything_below(Path(folder)) == ["runs/date=2026-01-06/x.parquet"]


@pytest.mark.parametrize("table", TABLES)
def test_older_files_with_fewer_columns_read_as_null_there(lake: Lake, table: str) -> None:
    schema, keys = SCHEMAS[table], PARTITIONS[table]
    added = next(name for name in reversed(schema.names) if name not in keys)
    lake.write(table, [full_row(table)], "new", **partition(table))
    old = pq.ParquetFile(lake.files(table)[0]).read().drop_columns([added])
    pq.write_table(old, f"{lake.directory(table, **partition(table))}/old.parquet")
    read = lake.read(table)
    assert read.schema == schema
    assert read[added].to_pylist() == [example(schema.field(added).type), None]
    assert read[schema.names[0]].null_count == 0


def test_a_newer_file_with_more_columns_keeps_ours(lake: Lake) -> None:
    path = write_run(lake, "a")
    newer = pq.ParquetFile(path).read().append_column("mood", pa.array(["good"]))
    pq.write_table(newer, path)
    assert run_ids(lake) == ["a"]
    assert lake.read("runs").schema == SCHEMAS["runs"]


_DUCKDB = {
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
}
_POLARS: dict[str, pl.DataType] = {
    "string": pl.String(),
    "bool": pl.Boolean(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "double": pl.Float64(),
    "date32[day]": pl.Date(),
    "timestamp[us, tz=UTC]": pl.Datetime("us", "UTC"),
}
_PANDAS = {
    "string": ("str", "object"),
    "bool": ("bool",),
    "int16": ("int16",),
    "int32": ("int32",),
    "int64": ("int64",),
    "double": ("float64",),
    "date32[day]": ("object",),
    "timestamp[us, tz=UTC]": ("datetime64[us, UTC]",),
}


def duckdb_type(kind: pa.DataType) -> str:
    """The type as DuckDB shows it."""
    if pa.types.is_list(kind):
        return f"{duckdb_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        fields = ", ".join(f'"{f.name}" {duckdb_type(f.type)}' for f in kind)
        return f"STRUCT({fields})"
    return _DUCKDB[str(kind)]


def polars_type(kind: pa.DataType) -> pl.DataType:
    """The type as Polars has it."""
    if pa.types.is_list(kind):
        return pl.List(polars_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pl.Struct({f.name: polars_type(f.type) for f in kind})
    return _POLARS[str(kind)]


@pytest.fixture(params=TABLES)
def written(request: pytest.FixtureRequest, lake: Lake) -> tuple[str, str]:
    """A table and the one file of it, with a value in every column."""
    table: str = request.param
    lake.write(table, [full_row(table)], "x", **partition(table))
    return table, lake.files(table)[0]


def test_duckdb_alone_reads_the_columns_and_types(written: tuple[str, str]) -> None:
    table, path = written
    with duckdb.connect() as con:
        read = con.sql("from read_parquet($path, hive_partitioning = false)", params={"path": path})
        types = [str(kind).replace("STRUCT(heading", 'STRUCT("heading"') for kind in read.types]
        expected = {f.name: duckdb_type(f.type).replace('"', "") for f in SCHEMAS[table]}
        found = {n: t.replace('"', "") for n, t in zip(read.columns, types, strict=True)}
        assert found == expected
        assert list(found) == list(expected)
        assert len(read.fetchall()) == 1


def test_polars_reads_the_columns_and_types(written: tuple[str, str]) -> None:
    table, path = written
    read = pl.read_parquet(path)
    assert dict(read.schema) == {f.name: polars_type(f.type) for f in SCHEMAS[table]}
    assert read.columns == SCHEMAS[table].names
    assert read.to_dicts() == [full_row(table)]


def test_pandas_reads_the_columns_and_types(written: tuple[str, str]) -> None:
    table, path = written
    read = pd.read_parquet(path)
    assert list(read.columns) == SCHEMAS[table].names
    for field in SCHEMAS[table]:
        expected = ("object",) if pa.types.is_nested(field.type) else _PANDAS[str(field.type)]
        assert str(read[field.name].dtype) in expected, field.name
    assert len(read) == 1


@pytest.mark.parametrize("table", TABLES)
def test_a_folder_of_files_opens_as_one_table(lake: Lake, table: str) -> None:
    for name in ("x", "y"):
        lake.write(table, [full_row(table)], name, **partition(table))
    folder = lake.directory(table)
    # the partition columns are in the files: pyarrow must not take them from the paths as well
    assert pd.read_parquet(folder, partitioning=None).shape == (2, len(SCHEMAS[table]))
    assert pl.read_parquet(f"{folder}/**/*.parquet").shape == (2, len(SCHEMAS[table]))
    with duckdb.connect() as con:
        whole = con.sql(f"from '{folder}/**/*.parquet'")
        assert (whole.shape, sorted(whole.columns)) == (
            (2, len(SCHEMAS[table])),
            sorted(SCHEMAS[table].names),
        )


def test_files_are_zstd_with_page_checksums(lake: Lake) -> None:
    path = write_run(lake, "a")
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    assert column.compression == "ZSTD"
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(_flipped(path, column.data_page_offset + 40), **_VERIFY).read()


_VERIFY = {"page_checksum_verification": True}


def _flipped(path: Path, place: int) -> Path:
    """The same file with one bit of that byte turned over."""
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    return path


def test_a_file_that_is_being_written_is_seen_by_no_reader(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(lake, "a")
    seen = []

    class Slow(pafs.LocalFileSystem):
        def move(self, src: str, dest: str) -> None:
            assert Path(src).stat().st_size > 0
            seen.append(run_ids(lake))
            assert Path(src).name.startswith(".")
            assert not src.endswith(".parquet")
            super().move(src, dest)

    monkeypatch.setattr(lake.store, "_fs", Slow())
    write_run(lake, "b")
    assert seen == [["a"]]
    assert run_ids(lake) == ["a", "b"]


def test_readers_during_writes_see_the_old_file_or_the_new_one(lake: Lake) -> None:
    def version(number: int) -> list[Row]:
        return [{"run_id": str(number), "message": "m" * 999, "listed": n} for n in range(50)]

    lake.write("runs", version(0), "x", date=DAY)
    done = threading.Event()

    def write_versions() -> None:
        for number in range(1, 40):
            lake.write("runs", version(number), "x", date=DAY)
        done.set()

    writer = threading.Thread(target=write_versions)
    writer.start()
    while not done.is_set():
        rows = lake.rows("runs", "x", date=DAY)
        assert rows is not None
        assert len(rows) == 50
        assert len({row["run_id"] for row in rows}) == 1
    writer.join()
    assert not (Path(lake.root).parent / "quarantine").exists()


def _fail_midway(*args: object, **_: object) -> None:
    sink = args[1]
    assert isinstance(sink, pa.NativeFile)
    sink.write(b"PAR1 half a file")
    raise OSError(28, "No space left on device")


def test_a_failed_write_leaves_the_old_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run(lake, "a")
    before = path.read_bytes()
    monkeypatch.setattr(lake_module.pq, "write_table", _fail_midway)
    with pytest.raises(LakeError, match=r"cannot write table runs: .*No space left") as caught:
        write_run(lake, "a")
    assert lake.root in caught.value.remedy
    assert path.read_bytes() == before
    assert run_ids(lake) == ["a"]


def test_a_failed_first_write_leaves_no_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module.pq, "write_table", _fail_midway)
    with pytest.raises(LakeError):
        write_run(lake, "a")
    assert lake.files("runs") == []
    assert not lake.has_files("runs")


def test_rows_that_fit_no_schema_leave_the_old_file(lake: Lake) -> None:
    write_run(lake, "a")
    with pytest.raises(pa.ArrowInvalid):
        lake.write("runs", [{"run_id": "a", "listed": "many"}], "a", date=DAY)
    assert run_ids(lake) == ["a"]


def test_a_file_is_flushed_to_disk_before_it_is_renamed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number).st_ino))
    path = write_run(lake, "a")
    assert flushed == [path.stat().st_ino]


def test_an_unwritable_lake_says_what_to_do(tmp_path: Path) -> None:
    in_the_way = tmp_path / "lake"
    in_the_way.write_text("a file where the folder should be")
    with pytest.raises(LakeError, match="cannot write table runs") as caught:
        write_run(Lake(str(in_the_way)), "a")
    assert caught.value.remedy == f"make {in_the_way} writable, with space left"


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _overwrite(path: Path) -> None:
    path.write_bytes(b"<html>503 Service Unavailable</html>" * 99)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _flip_a_data_byte(path: Path) -> None:
    _flipped(path, pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset + 40)


def _flip_a_footer_byte(path: Path) -> None:
    _flipped(path, path.stat().st_size - 12)


def _rename_a_column(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"run_id", b"sun_id"))


def _break_a_name(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"run_id", b"\xffun_id"))


@pytest.fixture(
    params=[
        _truncate,
        _overwrite,
        _empty,
        _flip_a_data_byte,
        _flip_a_footer_byte,
        _rename_a_column,
        _break_a_name,
    ]
)
def damage(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """A way in which files get damaged."""
    hit: Callable[[Path], None] = request.param
    return hit


def test_a_damaged_file_is_moved_aside_named_and_counts_as_absent(
    lake: Lake, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damage(write_run(lake, "a"))
    write_run(lake, "b")
    with caplog.at_level(logging.WARNING, logger="broadsheet.lake"):
        assert run_ids(lake) == ["b"]
    [record] = caplog.records
    assert "runs/date=2026-01-06/a.parquet" in record.getMessage()
    home = Path(lake.root).parent
    assert everything_below(home) == [
        "lake/runs/date=2026-01-06/b.parquet",
        "quarantine/runs/date=2026-01-06/a.parquet.damaged",
    ]


def test_a_damaged_file_asked_for_by_name_is_absent_and_can_be_written_anew(
    lake: Lake, damage: Callable[[Path], None]
) -> None:
    damage(write_run(lake, "a"))
    assert lake.rows("runs", "a", date=DAY) is None
    write_run(lake, "a")
    rows = lake.rows("runs", "a", date=DAY)
    assert rows is not None
    assert rows[0]["run_id"] == "a"


def test_every_flipped_bit_is_noticed_or_harmless(lake: Lake) -> None:
    path = write_run(lake, "a")
    raw, rows = path.read_bytes(), lake.rows("runs", "a", date=DAY)
    logging.getLogger("broadsheet.lake").disabled = True
    try:
        for place in range(0, len(raw), 7):
            path.write_bytes(raw)
            _flipped(path, place)
            assert lake.rows("runs", "a", date=DAY) in (None, rows), place
    finally:
        logging.getLogger("broadsheet.lake").disabled = False


def test_looking_for_damage_reads_every_table_and_moves_only_the_damaged(lake: Lake) -> None:
    for table in TABLES:
        lake.write(table, [full_row(table)], "x", **partition(table))
    damaged = [lake.files("digests")[0], lake.files("listings")[0]]
    for path in damaged:
        _truncate(Path(path))
    assert sorted(lake.quarantine_damaged()) == damaged
    assert lake.quarantine_damaged() == []
    assert [table for table in TABLES if not lake.files(table)] == ["digests", "listings"]


def test_damage_in_the_last_row_group_is_found_without_reading_the_file_whole(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pa.Table.from_pylist([full_row("archive")] * 3, schema=SCHEMAS["archive"])
    lake.write_batches("archive", rows.to_batches(max_chunksize=1), "papers", year=2025)
    [path] = lake.files("archive")
    last = pq.ParquetFile(path).metadata.row_group(2).column(0)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: pytest.fail("read the file whole"))
    assert lake.quarantine_damaged() == []
    _flipped(Path(path), last.data_page_offset + last.total_compressed_size - 2)
    assert lake.quarantine_damaged() == [path]


def test_a_file_that_cannot_be_read_just_now_is_not_called_damaged(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(lake, "a")

    class Unreachable(pafs.LocalFileSystem):
        def open_input_file(self, path: str) -> None:
            raise OSError("When reading object: AWS Error NETWORK_CONNECTION")

    with monkeypatch.context() as just_now:
        just_now.setattr(lake.store, "_fs", Unreachable())
        with pytest.raises(LakeError, match=r"cannot read .*a.parquet.*NETWORK_CONNECTION"):
            lake.read("runs")
    assert run_ids(lake) == ["a"]


def test_damage_that_cannot_be_moved_aside_says_what_to_do(lake: Lake) -> None:
    path = write_run(lake, "a")
    _truncate(path)
    (Path(lake.root).parent / "quarantine").write_text("in the way")
    with pytest.raises(LakeError, match=r"cannot move damaged file .*a.parquet aside") as caught:
        lake.read("runs")
    assert "delete it" in caught.value.remedy
    assert path.exists()
