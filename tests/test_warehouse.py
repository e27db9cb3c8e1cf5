"""Views over any lake: empty, half there, of several ages, damaged; and the file others open."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import DAY

import broadsheet
from broadsheet.errors import WarehouseError
from broadsheet.lake import Lake
from broadsheet.queries import queries, query
from broadsheet.schemas import SCHEMAS
from broadsheet.views import FRONT_NAMES, Only, definitions
from broadsheet.warehouse import Warehouse, save_views

_LIST = re.compile(r"list<\w+: ")  # DuckDB calls the items of a list otherwise
STAGING = [q.name for q in queries("staging")]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def write_runs(lake: Lake, *run_ids: str, date: dt.date = DAY) -> None:
    """A file for each run."""
    for run_id in run_ids:
        lake.write("runs", [{"run_id": run_id, "name": "cv"}], run_id, date=date)


def write_digest(lake: Lake, profile: str, date: dt.date = DAY) -> None:
    """A digest of one paper."""
    row = {"paper_id": "2601.00001", "position": 1, "title": profile}
    lake.write("digests", [row], "digest", profile=profile, date=date)


def answers(lake: Lake, sql: str, only: Only | None = None, **params: object) -> list[object]:
    """The first column of the answer."""
    with Warehouse(lake, only) as warehouse:
        return warehouse.sql(sql, **params)[0].to_pylist()


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_an_empty_lake_has_typed_views(lake: Lake, table: str) -> None:
    with Warehouse(lake) as warehouse:
        rows = warehouse.sql(f"from lake.{table}")
    assert rows.num_rows == 0
    assert rows.schema.names == SCHEMAS[table].names
    for field in SCHEMAS[table]:
        found = rows.schema.field(field.name).type
        assert _LIST.sub("list<", str(found)) == _LIST.sub("list<", str(field.type))


@pytest.mark.parametrize("name", [*STAGING, "marts.editions", *FRONT_NAMES])
def test_an_empty_lake_answers_every_view(lake: Lake, name: str) -> None:
    assert answers(lake, f"select count(*) from {name}") == [0]


def test_a_lake_with_only_some_tables_answers_for_the_others_too(lake: Lake) -> None:
    write_digest(lake, "cv")
    assert answers(lake, "select count(*) from digests") == [1]
    assert answers(lake, "select count(*) from scores") == [0]


def test_types_do_not_depend_on_whether_there_are_files(lake: Lake, tmp_path: Path) -> None:
    write_digest(lake, "cv")
    lake.write("listings", [{"title": "t"}], "x", source="arxiv", date=DAY)
    shapes = []
    for one in (lake, Lake(str(tmp_path / "empty"))):
        with Warehouse(one) as warehouse:
            shapes.append([warehouse.sql(f"from {name} limit 0").schema for name in FRONT_NAMES])
    assert shapes[0] == shapes[1]


def test_files_of_several_ages_are_read_together(lake: Lake) -> None:
    write_digest(lake, "new")
    write_digest(lake, "old")
    old = Path(lake.files("digests", profile="old")[0])
    whole = pq.ParquetFile(old).read()
    pq.write_table(whole.drop_columns(["title", "profile", "date", "missing_sources"]), old)
    newer = whole.append_column("mood", pa.array(["good"]))
    write_digest(lake, "newer")
    pq.write_table(newer, lake.files("digests", profile="newer")[0])
    with Warehouse(lake) as warehouse:
        rows = warehouse.sql("from lake.digests order by profile")
    assert rows.schema.names == SCHEMAS["digests"].names
    assert rows.select(["profile", "date", "title"]).to_pylist() == [
        {"profile": "new", "date": DAY, "title": "new"},
        {"profile": "newer", "date": DAY, "title": "old"},
        {"profile": "old", "date": DAY, "title": None},
    ]


def test_partition_values_are_text_and_dates_whatever_they_look_like(lake: Lake) -> None:
    lake.write("answers", [{"key": "07abc"}], "07abc", prefix="07")
    lake.write("digests", [{"paper_id": "1"}], "digest", profile="2026", date=DAY)
    for table, key in (("answers", "prefix"), ("digests", "profile")):
        path = lake.files(table)[0]
        pq.write_table(pq.ParquetFile(path).read().drop_columns([key]), path)
    assert answers(lake, "select prefix from lake.answers") == ["07"]
    assert answers(lake, "select profile from digests") == ["2026"]
    assert answers(lake, "select date from digests") == [DAY]


def test_instants_are_shown_in_utc_wherever_it_runs(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    row = {"run_id": "a", "started_at": dt.datetime(2026, 1, 6, 23, 30, tzinfo=dt.UTC)}
    lake.write("runs", [row], "a", date=DAY)
    assert answers(lake, "select started_at::date from runs") == [DAY]
    assert answers(lake, "select started_at::varchar from runs") == ["2026-01-06 23:30:00+00"]


def test_a_file_written_aside_is_not_read(lake: Lake) -> None:
    write_runs(lake, "a")
    (Path(lake.files("runs")[0]).parent / ".b.99.aside").write_bytes(b"PAR1 half")
    assert answers(lake, "select run_id from runs") == ["a"]


@pytest.mark.parametrize(
    "folder",
    ["two words", "it's", 'say "x"', "流 匹配", "br[ack]ets", "st*r", "key=value", "semi; --colon"],
)
def test_odd_folder_names_are_read_as_they_are(tmp_path: Path, folder: str) -> None:
    home = tmp_path / folder
    lake = Lake(str(home / "lake"))
    write_runs(lake, "a", "b")
    decoy = Lake(str(tmp_path / folder.replace("*", "ooo").replace("[ack]", "a") / "lake"))
    write_runs(decoy, "a", "b")
    assert answers(lake, "select run_id from runs order by all") == ["a", "b"]
    assert answers(lake, "select run_id from runs order by all", {"runs": [{"date": DAY}]}) == [
        "a",
        "b",
    ]
    with Warehouse(lake) as warehouse:
        assert warehouse.sql("from lake.runs").schema.names == SCHEMAS["runs"].names
    save_views(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as con:
        assert con.sql("select count(*) from runs").fetchall() == [(2,)]


def test_only_restricts_a_table_to_its_partitions(lake: Lake) -> None:
    for day in (5, 6, 7):
        write_digest(lake, "cv", dt.date(2026, 1, day))
    write_digest(lake, "hf")
    write_runs(lake, "a")
    only: Only = {"digests": [{"profile": "cv", "date": DAY}, {"profile": "hf"}]}
    found = answers(lake, "select profile || ' ' || date from digests order by all", only)
    assert found == ["cv 2026-01-06", "hf 2026-01-06"]
    assert answers(lake, "select count(*) from runs", only) == [1]


def test_only_nothing_reads_nothing(lake: Lake) -> None:
    write_runs(lake, "a")
    assert answers(lake, "select count(*) from runs", {"runs": []}) == [0]


def test_only_a_partition_that_is_not_there_is_empty(lake: Lake) -> None:
    write_runs(lake, "a")
    absent: Only = {"runs": [{"date": dt.date(2020, 1, 1)}]}
    assert answers(lake, "select count(*) from runs", absent) == [0]


def _damage(path: str, how: str) -> None:
    raw = Path(path).read_bytes()
    broken = {
        "truncated": raw[: len(raw) // 2],
        "garbage": b"<html>not parquet</html>" * 9,
        "empty": b"",
        "footer length": raw[:-8] + b"\xff\xff\xff\x00" + raw[-4:],
        "footer text": raw[:-600] + b"\r" * 500 + raw[-100:],
    }
    Path(path).write_bytes(broken[how])


HOW = ["truncated", "garbage", "empty", "footer length", "footer text"]


@pytest.mark.parametrize("how", HOW)
def test_a_file_damaged_before_is_set_aside_and_the_query_answers(lake: Lake, how: str) -> None:
    write_runs(lake, "a", "b")
    _damage(lake.files("runs")[0], how)
    assert answers(lake, "select run_id from runs") == ["b"]
    quarantine = Path(lake.root).parent / "quarantine/runs/date=2026-01-06"
    assert [file.name for file in quarantine.iterdir()] == ["a.parquet.damaged"]


@pytest.mark.parametrize("how", HOW)
def test_a_file_damaged_since_is_set_aside_and_the_query_answers(lake: Lake, how: str) -> None:
    write_runs(lake, "a", "b")
    with Warehouse(lake) as warehouse:
        _damage(lake.files("runs")[0], how)
        assert warehouse.sql("select run_id from runs")["run_id"].to_pylist() == ["b"]
    assert len(lake.files("runs")) == 1


def test_damage_in_the_only_file_leaves_an_empty_table(lake: Lake) -> None:
    write_runs(lake, "a")
    with Warehouse(lake, {"runs": [{"date": DAY}]}) as warehouse:
        _damage(lake.files("runs")[0], "truncated")
        assert warehouse.sql("from runs").num_rows == 0


def test_a_fault_of_the_query_costs_no_look_through_the_lake(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "quarantine_damaged", lambda: pytest.fail("looked through the lake"))
    with Warehouse(lake) as warehouse:
        for faulty in ("selec 1", "from nowhere", "select nothing from runs", "select 'x'::int"):
            with pytest.raises(WarehouseError, match="cannot run query"):
                warehouse.sql(faulty)
        with pytest.raises(WarehouseError):
            warehouse.sql("select $missing")


def test_a_query_that_is_not_there_says_where_to_look() -> None:
    with pytest.raises(WarehouseError, match="no query named staging") as caught:
        query("staging.nothing")
    assert "--list" in caught.value.remedy


@pytest.mark.parametrize("value", ["cv", "'; drop view runs; --", None, 7, DAY])
def test_parameters_are_values_never_sql(lake: Lake, value: object) -> None:
    assert answers(lake, "select $value", value=value) == [value]


def test_rows_put_in_replace_a_view_until_the_connection_closes(lake: Lake) -> None:
    write_runs(lake, "a")
    rows = pa.table({"run_id": ["x", "y"]})
    with Warehouse(lake) as warehouse:
        warehouse.put("marts.scores", rows)
        assert warehouse.sql("from marts.scores").equals(rows)
        warehouse.put("marts.scores", rows.slice(0, 1))
        assert warehouse.sql("from marts.scores").num_rows == 1
    with Warehouse(lake) as warehouse, pytest.raises(WarehouseError):
        warehouse.sql("from marts.scores")


def _elsewhere(code: str, *arguments: str) -> str:
    """What another Python process prints that has DuckDB and nothing of ours."""
    command = [sys.executable, "-I", "-c", f"import duckdb, sys\n{code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.strip()


def test_the_saved_file_opens_read_only_in_another_process(lake: Lake, home: Path) -> None:
    write_digest(lake, "cv")
    save_views(lake, home)
    code = """
con = duckdb.connect(sys.argv[1], read_only=True)
for name in sys.argv[2:]:
    print(name, con.sql(f"select count(*) from {name}").fetchall()[0][0])
"""
    counts = _elsewhere(code, str(home / "broadsheet.duckdb"), *FRONT_NAMES)
    assert dict(line.split() for line in counts.splitlines()) == {
        **dict.fromkeys(FRONT_NAMES, "0"),
        "digests": "1",
        "editions": "1",
    }


def test_the_saved_file_holds_views_only(lake: Lake, home: Path) -> None:
    write_digest(lake, "cv")
    save_views(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as con:
        kinds = con.sql("select distinct table_type from information_schema.tables").fetchall()
        named = con.sql("select view_name from duckdb_views() where not internal").fetchall()
    assert kinds == [("VIEW",)]
    assert {name for (name,) in named} >= set(FRONT_NAMES) | set(SCHEMAS)
    assert not list(home.glob(".broadsheet*")), "a file was left aside"


def test_a_relative_saved_file_moves_with_its_home(tmp_path: Path) -> None:
    home = tmp_path / "it's [here]"
    write_digest(Lake(str(home / "lake")), "cv")
    save_views(Lake(str(home / "lake")), home, is_relative=True)
    moved = home.rename(tmp_path / "moved")
    code = """
import os
os.chdir(sys.argv[1])
con = duckdb.connect("broadsheet.duckdb", read_only=True)
counted = con.sql("select count(*) from digests").fetchall()[0][0]
os.chdir("/")
con = duckdb.connect(f"{sys.argv[1]}/broadsheet.duckdb", read_only=True)
con.execute(f"set file_search_path = '{sys.argv[1]}'")
print(counted, con.sql("select count(*) from digests").fetchall()[0][0])
print(len(con.sql("from search('anything')").fetchall()))
"""
    assert _elsewhere(code, str(moved)).split() == ["1", "1", "0"]


def test_new_days_show_in_the_saved_file_without_rewriting_it(lake: Lake, home: Path) -> None:
    write_digest(lake, "cv")
    save_views(lake, home)
    saved = (home / "broadsheet.duckdb").stat()
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as reader:
        write_digest(lake, "cv", dt.date(2026, 1, 7))
        save_views(lake, home)
        assert reader.sql("select count(*) from digests").fetchall() == [(2,)]
    again = (home / "broadsheet.duckdb").stat()
    assert (again.st_mtime_ns, again.st_ino) == (saved.st_mtime_ns, saved.st_ino)


def test_a_table_that_got_its_first_file_renews_the_saved_file(lake: Lake, home: Path) -> None:
    write_digest(lake, "cv")
    save_views(lake, home)
    write_runs(lake, "a")
    save_views(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as con:
        assert con.sql("select run_id from runs").fetchall() == [("a",)]


def test_the_saved_file_can_be_deleted_at_any_time(lake: Lake, home: Path) -> None:
    write_digest(lake, "cv")
    save_views(lake, home)
    (home / "broadsheet.duckdb").unlink()
    save_views(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as con:
        assert con.sql("select title from digests").fetchall() == [("cv",)]


def test_a_reader_of_the_old_file_is_not_disturbed_by_a_new_one(lake: Lake, home: Path) -> None:
    write_digest(lake, "cv")
    save_views(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as reader:
        write_runs(lake, "a")
        save_views(lake, home)
        assert reader.sql("select count(*) from digests").fetchall() == [(1,)]


def test_what_an_interrupted_save_left_does_not_stop_the_next(lake: Lake, home: Path) -> None:
    (home / f".broadsheet.duckdb.{os.getpid()}.aside").write_text("half a file")
    save_views(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as con:
        assert con.sql("select count(*) from papers").fetchall() == [(0,)]


def test_views_do_not_hold_one_entry_per_file(lake: Lake) -> None:
    write_runs(lake, "a")
    before = definitions(lake)
    write_runs(lake, "b", date=dt.date(2026, 1, 7))
    assert definitions(lake) == before


def test_connect_gives_the_front_names_of_the_lake_in_force(lake: Lake) -> None:
    write_digest(lake, "cv")
    con = broadsheet.connect()
    try:
        assert con.sql("select profile, title from digests").fetchall() == [("cv", "cv")]
        for name in FRONT_NAMES:
            assert con.sql(f"select count(*) from {name}").fetchall()
        assert con.sql("from digests").pl().height == 1
    finally:
        con.close()


def test_connect_reads_another_lake_where_one_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_runs(Lake(str(tmp_path / "elsewhere")), "a")
    monkeypatch.setenv("BROADSHEET_LAKE", str(tmp_path / "elsewhere"))
    with broadsheet.connect() as con:
        assert con.sql("select run_id from runs").fetchall() == [("a",)]


def test_connect_writes_nothing(home: Path) -> None:
    broadsheet.connect().close()
    assert list(home.iterdir()) == []


def test_connect_imports_no_prefect_and_no_pandas() -> None:
    code = """
import json, sys
import broadsheet
broadsheet.connect().close()
print(json.dumps(sorted({"prefect", "pandas", "litellm"} & set(sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_only_the_views_that_the_named_queries_read_are_made(lake: Lake) -> None:
    with Warehouse(lake, asks=["marts.editions"]) as warehouse:
        warehouse.run("marts.editions")
        made = warehouse.con.sql("select view_name from duckdb_views() where not internal")
        assert made.fetchall() == [("digests",)]


def test_a_view_that_a_view_reads_is_made_with_it(lake: Lake) -> None:
    with Warehouse(lake, asks=["staging.papers"]) as warehouse:
        assert len(warehouse.run("staging.papers")) == 0
