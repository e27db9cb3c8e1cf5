"""Maintenance keeps every row, by every way to it; killed at any moment, it loses none."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from builders import DAY, HOUR, NOON, a_listing, rows_of, run, write_analysis, write_digest
from hypothesis import given
from hypothesis import strategies as st
from small_files import SCOPE, age, fill, key_of, papers_of, seen, snapshot, write_text

from broadsheet import bundles, ingest
from broadsheet.analysis import answers
from broadsheet.config import load_settings
from broadsheet.doctor import check, examine
from broadsheet.errors import LakeError
from broadsheet.lake import Lake, Stored
from broadsheet.maintaining import (
    Upkeep,
    expendable,
    forget_results,
    open_upkeep,
    plan,
    quiet_partitions,
    remedy,
    set_aside,
    tidy,
)
from broadsheet.schemas import SCHEMAS
from broadsheet.state import State
from broadsheet.warehouse import Warehouse

DAYS, PAPERS = 3, 4
OTHER = "0123abcd"


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """A lake of many small files that nobody has written to for hours."""
    fill(lake, DAYS, PAPERS)
    age(lake)
    return lake


def keep(**changed: Any) -> str:
    """Tidy without waiting; what was done."""
    upkeep = Upkeep(settings=load_settings(), now=dt.datetime.now(dt.UTC))
    return tidy(upkeep, pause=lambda _: None, **changed).told(is_done=True)


def todo(lake: Lake, now: dt.datetime | None = None) -> str:
    """What the doctor would say there is to do."""
    return plan(lake, load_settings(), now or dt.datetime.now(dt.UTC)).told(is_done=False)


def file_names(lake: Lake, table: str, **partition: Any) -> list[str]:
    """What the files of a partition are called."""
    return [path.rpartition("/")[2] for path in lake.files(table, **partition)]


# What is decided


def stored(folder: str, name: str, modified_at: dt.datetime) -> Stored:
    """A file as a listing shows it."""
    return Stored(path=f"{folder}/{name}.parquet", bytes=1, modified_at=modified_at)


def test_a_partition_is_quiet_when_its_newest_file_is_old() -> None:
    old, new = stored("a", "1", NOON), stored("a", "2", NOON + HOUR)
    other = stored("b", "1", NOON)
    found = quiet_partitions([new, other, old], before=NOON + HOUR)
    assert found == {"b": (other,)}
    assert quiet_partitions([new, old], before=NOON + 2 * HOUR) == {"a": (old, new)}


def names(*hours: int, scope: str = SCOPE) -> list[str]:
    """Snapshots so many hours after noon."""
    return [snapshot(NOON + hour * HOUR, scope) for hour in hours]


def same(*snapshots: str) -> dict[str, list[str]]:
    """These snapshots, all of one paper."""
    return {name: ["p"] for name in snapshots}


def dropped(snapshots: dict[str, list[str]], age_days: int = 0, days: int = 30) -> list[str]:
    today = DAY + dt.timedelta(days=age_days)
    return sorted(expendable(snapshots, date=DAY, today=today, days=days))


def test_of_a_young_list_the_last_snapshot_of_each_day_stays() -> None:
    a, b, c, d, e, f = names(0, 4, 8, 24, 28, 50)
    assert dropped(same(a, b, c, d, e, f)) == [b, d]


def test_of_an_old_list_the_first_and_the_newest_stay() -> None:
    a, b, c, d = names(0, 4, 24, 50)
    snapshots = same(a, b, c, d)
    assert dropped(snapshots, age_days=29) == []
    assert dropped(snapshots, age_days=30) == [b, c]
    assert dropped(snapshots, age_days=0, days=0) == [b, c]


def test_a_snapshot_that_shows_a_paper_for_the_last_time_stays() -> None:
    a, b, c, d, e = names(0, 1, 2, 3, 4)
    snapshots = {a: ["p"], b: ["p", "gone"], c: ["p", "gone"], d: ["p"], e: ["p"]}
    assert dropped(snapshots, age_days=99) == [b, d]


def test_scopes_are_told_apart() -> None:
    mine, other = names(0, 1, 2), names(0, 1, 2, scope=OTHER)
    assert dropped(same(*mine, *other), age_days=99) == sorted([mine[1], other[1]])


def test_a_name_of_another_kind_is_never_dropped() -> None:
    assert dropped(same("1", "2", "3", *names(0)), age_days=99) == []


@given(
    st.lists(st.tuples(st.integers(0, 200), st.sets(st.integers(0, 5))), max_size=12),
    st.integers(0, 40),
)
def test_no_policy_loses_a_paper_or_drops_twice(
    lists: list[tuple[int, set[int]]], age_days: int
) -> None:
    snapshots = {snapshot(NOON + h * HOUR): [str(n) for n in sorted(held)] for h, held in lists}
    kept = {n: held for n, held in snapshots.items() if n not in dropped(snapshots, age_days)}
    last = {p: n for n in sorted(snapshots) for p in snapshots[n]}
    assert {p: n for n in sorted(kept) for p in kept[n]} == last
    assert dropped(kept, age_days) == []


# What is done


def test_everything_is_seen_as_before_in_a_file_per_partition(filled: Lake) -> None:
    before = seen(filled)
    files = {table: filled.stored(table) for table in SCHEMAS}
    assert keep().startswith("merged 42 files into 11, dropped 3 snapshots, removed 0")
    assert seen(filled) == before
    assert sum(map(len, files.values())) == 42
    assert [len(filled.stored(t)) for t in ("listings", "fulltexts", "answers", "runs")] == [
        DAYS,
        DAYS,
        2,
        DAYS,
    ]
    assert [line for line in check(filled) if not line.startswith("ok")] == []


def test_what_was_done_is_not_done_again(filled: Lake) -> None:
    keep()
    age(filled)
    assert todo(filled) == "nothing to do"
    assert keep() == "nothing to do"


def test_rows_are_found_by_the_names_they_were_written_under(filled: Lake) -> None:
    papers = [(day, name) for day in range(DAYS) for name in papers_of(day, PAPERS)]

    def look_up() -> list[object]:
        found: list[object] = [answers.find(filled, key_of(name)) for _, name in papers]
        for day, name in papers:
            date = DAY + dt.timedelta(days=day)
            found.append(filled.rows("fulltexts", name, date=date))
            found.append(filled.rows("runs", f"run-{day}", date=date))
        return found

    before = look_up()
    assert all(before)
    keep()
    assert look_up() == before
    assert answers.find(filled, key_of("never asked")) is None
    assert filled.rows("fulltexts", "2600.99999", date=DAY) is None


def test_a_reader_of_a_partition_gets_its_rows_once_and_in_order(filled: Lake) -> None:
    before = filled.read("answers")
    left = {path: Path(path).read_bytes() for path in filled.files("answers")}
    keep()
    assert filled.read("answers").equals(before)
    for path, raw in left.items():
        Path(path).write_bytes(raw)
    assert filled.read("answers").equals(before)


def test_snapshots_are_named_as_before(filled: Lake) -> None:
    where: Any = {"source": "huggingface", "date": DAY}
    first, second, third, newest = filled.names("listings", **where)
    assert second < third < newest
    keep()
    assert filled.names("listings", **where) == [first, second, newest]
    assert len(filled.rows("listings", second, **where) or []) == PAPERS + 1


def test_an_empty_list_stays_known(lake: Lake) -> None:
    where: Any = {"source": "huggingface", "date": DAY}
    empty, full = snapshot(NOON), snapshot(NOON + HOUR)
    lake.write("listings", [], empty, **where)
    lake.write("listings", [{"paper_id": "p", "scope": ""}], full, **where)
    age(lake)
    keep()
    assert len(lake.files("listings")) == 1
    assert lake.names("listings", **where) == [empty, full]
    assert lake.rows("listings", empty, **where) == []


def test_the_newest_of_the_stored_lists_is_found(lake: Lake) -> None:
    class Listed:
        name, scope = "huggingface", ""
        day: Sequence[Any] = ()

        def list_day(self, date: dt.date) -> Any:
            return ingest.Day(listings=tuple(self.day))

    source: Any = Listed()
    for upvotes in (1, 2, 3):
        source.day = [a_listing(upvotes=upvotes)]
        ingest.ingest(source, DAY, lake, load_settings())
    age(lake)
    keep()
    assert len(lake.files("listings")) == 1
    assert not ingest.ingest(source, DAY, lake, load_settings()).is_changed
    assert ingest.is_stored(source, DAY, lake)
    assert len(lake.files("listings")) == 1


def test_a_partition_just_written_to_is_left_alone(filled: Lake) -> None:
    write_text(filled, "2600.00077", DAY)
    keep()
    assert len(filled.files("fulltexts", date=DAY)) == PAPERS + 1
    assert len(filled.files("fulltexts", date=DAY + dt.timedelta(days=1))) == 1


def test_what_is_written_later_wins_and_is_merged_next(filled: Lake) -> None:
    name = papers_of(0, 1)[0]
    keep()
    write_text(filled, name, DAY, chars=77, fetched_at=NOON + HOUR)
    for _ in range(2):
        assert [row["chars"] for row in filled.rows("fulltexts", name, date=DAY) or []] == [77]
        assert rows_of(filled, "fulltexts", "paper_id", "chars").count((name, 77)) == 1
        assert len(rows_of(filled, "fulltexts", "paper_id")) == DAYS * PAPERS
        age(filled)
        keep()
    assert len(filled.files("fulltexts", date=DAY)) == 1


def test_a_run_that_ended_twice_is_one_run_as_it_ended_last(filled: Lake) -> None:
    keep()
    row = {"run_id": "run-0", "started_at": NOON, "ended_at": NOON + HOUR, "outcome": "complete"}
    filled.write("runs", [row], "run-0", date=DAY)
    assert rows_of(filled, "runs", "run_id", "outcome").count(("run-0", "complete")) == 1
    assert len(rows_of(filled, "runs", "run_id")) == 2 * DAYS
    assert [line for line in check(filled) if not line.startswith("ok")] == []


def test_a_file_written_again_while_it_is_merged_stays(filled: Lake) -> None:
    name = papers_of(0, 1)[0]
    upkeep = Upkeep(settings=load_settings())
    tidy(upkeep, pause=lambda _: write_text(filled, name, DAY, chars=77))
    assert f"{name}.parquet" in file_names(filled, "fulltexts", date=DAY)
    assert [row["chars"] for row in filled.rows("fulltexts", name, date=DAY) or []] == [77]


class Killed(BaseException):
    """What a kill is to the code it stops."""


@pytest.mark.parametrize("is_first", [True, False])
def test_killed_before_any_step_nothing_is_lost_and_the_next_time_ends_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    name = papers_of(0, 1)[0]
    fill(lake, days=1, papers=2)
    age(lake)
    if not is_first:  # bundles are merged with what was written since
        keep()
        write_text(lake, name, DAY, chars=77, fetched_at=NOON + HOUR)
        fill(lake, days=1, papers=1, first=1)
    age(lake)
    before, steps, text = seen(lake), 0, lake.rows("fulltexts", name, date=DAY)
    bundle, discard = Lake.bundle, Lake.discard
    for allowed in itertools.count():
        left = itertools.count(allowed, -1)

        def step(*_: object, left: Any = left) -> None:
            if next(left) <= 0:
                raise Killed

        def killed(then: Callable[..., Any], step: Callable[..., None] = step) -> Any:
            return lambda *given: (step(), then(*given))[1]

        monkeypatch.setattr(Lake, "bundle", killed(bundle))
        monkeypatch.setattr(Lake, "discard", killed(discard))
        try:
            keep()
        except Killed:
            steps += 1
            age(lake)
            assert seen(lake) == before
            assert lake.rows("fulltexts", name, date=DAY) == text
            assert [line for line in check(lake) if not line.startswith("ok")] == []
        else:
            break
    assert steps > 5
    age(lake)
    assert todo(lake) == "nothing to do"
    assert seen(lake) == before


def test_the_drill_of_real_kills_passes() -> None:
    drill = Path(__file__).parent / "drills" / "kill_while_maintaining.py"
    options = ["--kills", "2", "--days", "1", "--papers", "2"]
    ended = subprocess.run([sys.executable, drill, *options], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "2 kills at work" in ended.stdout
    assert " 0 changed what is seen" in ended.stdout


def test_leftovers_of_a_kill_are_removed_though_nothing_is_new(filled: Lake) -> None:
    left = {path: Path(path).read_bytes() for path in filled.files("answers")}
    keep()
    once = filled.files("answers")
    for path, raw in left.items():
        Path(path).write_bytes(raw)
    age(filled)
    before = seen(filled)
    keep()
    assert filled.files("answers") == once
    assert seen(filled) == before


def test_an_older_bundle_never_hides_what_was_written_after_it(filled: Lake) -> None:
    name = papers_of(0, 1)[0]
    keep()
    (bundle,) = filled.files("fulltexts", date=DAY)
    raw = Path(bundle).read_bytes()
    write_text(filled, name, DAY, chars=77, fetched_at=NOON + HOUR)
    plain = Path(bundle).with_name(f"{name}.parquet").read_bytes()
    age(filled)
    keep()
    for path, content in ((bundle, raw), (bundle.replace(Path(bundle).stem, name), plain)):
        Path(path).write_bytes(content)  # killed before the first deletion
    age(filled)
    keep()
    assert [row["chars"] for row in filled.rows("fulltexts", name, date=DAY) or []] == [77]
    assert len(filled.files("fulltexts", date=DAY)) == 1


def test_older_bundles_go_before_the_files_that_were_written_since(
    filled: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    for name in papers_of(0, PAPERS):
        write_text(filled, name, DAY, chars=77)
    age(filled)
    gone: list[str] = []
    monkeypatch.setattr(Lake, "retire", lambda _, file: gone.append(file.name))
    keep()
    assert [bundles.is_bundle(name) for name in gone] == [True] + [False] * PAPERS


def test_a_second_maintenance_waits_for_the_first(filled: Lake) -> None:
    second = threading.Thread(target=keep)
    with State(load_settings().state_store).alone("maintenance"):
        second.start()
        second.join(0.5)
        assert len(filled.files("runs")) == 2 * DAYS
    second.join()
    assert len(filled.files("runs")) == DAYS


def test_a_bundle_that_does_not_read_as_written_costs_no_file(
    filled: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {table: filled.files(table) for table in SCHEMAS}
    monkeypatch.setattr(Lake, "_holds", lambda *_: False)
    with pytest.raises(LakeError, match="not read as it was written"):
        keep()
    assert all(set(before[table]) <= set(filled.files(table)) for table in SCHEMAS)


def test_any_reader_opens_a_bundle(filled: Lake) -> None:
    keep()
    (path,) = filled.files("runs", date=DAY)
    assert pq.ParquetFile(path).schema_arrow.names == SCHEMAS["runs"].names
    assert pl.read_parquet(path, hive_partitioning=False)["run_id"].to_list() == [
        "repair-0",
        "run-0",
    ]


@pytest.mark.parametrize("what", [b'"repair-0"', b'"sha256"', b'"files"'])
def test_a_bundle_with_damaged_names_is_set_aside(filled: Lake, what: bytes) -> None:
    keep()
    (path,) = filled.files("runs", date=DAY)
    table = pq.read_table(path, partitioning=None)
    whole = (table.schema.metadata or {})[b"broadsheet.files"]
    said = whole.replace(what, what[:-2] + b'x"')
    assert said != whole
    pq.write_table(table.replace_schema_metadata({b"broadsheet.files": said}), path)
    assert filled.quarantine_damaged() == [path]


# Beside readers


def test_a_file_that_is_merged_while_it_is_looked_for_is_found(
    filled: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the reading of a partition its files become one."""
    files = Lake.files
    told: list[str] = []

    def files_then_merge(lake: Lake, table: str, **partition: Any) -> list[str]:
        found = files(lake, table, **partition)
        if table == "runs" and not told:
            told.append(table)
            keep()
        return found

    before = filled.read("runs")
    monkeypatch.setattr(Lake, "files", files_then_merge)
    assert filled.read("runs").equals(before)
    assert told


def test_a_file_that_is_gone_is_read_from_the_bundle_beside_it(filled: Lake) -> None:
    before = filled.files("runs", date=DAY)
    rows = filled.parts("runs", before)
    keep()
    (bundle,) = filled.files("runs", date=DAY)
    assert filled.parts("runs", [*before, bundle]) == rows
    with pytest.raises(FileNotFoundError):
        filled.parts("runs", before)


def test_an_older_copy_of_a_text_does_not_open_an_article_again(lake: Lake) -> None:
    write_digest(lake, ["a"])
    write_analysis(lake, "a", profile="cv", reading_source="abstract", analyzed_at=NOON)
    for reason, at in (("not_found", NOON), ("ok", NOON + HOUR)):
        write_text(lake, "a", DAY, reason=reason, fetched_at=at)
        write_text(lake, "b", DAY)
        age(lake)
        old = {path: Path(path).read_bytes() for path in lake.files("fulltexts")}
        keep()
    for path, raw in old.items():
        Path(path).write_bytes(raw)
    assert len(lake.files("fulltexts")) == 4
    asked: Any = {"as_of": NOON, "within_days": 7, "since": None, "is_sample": False}
    (article,) = run(lake, "marts.unfinished", **asked)
    assert (article["is_missed"], article["is_outdated"]) == (False, True)


@pytest.mark.parametrize("only", [None, {"runs": [{"date": DAY}]}])
def test_a_query_over_files_that_are_merged_meanwhile_looks_again(filled: Lake, only: Any) -> None:
    with Warehouse(filled, only=only) as warehouse:
        before = warehouse.sql("from runs order by all")
        keep()
        assert warehouse.sql("from runs order by all").equals(before)
    assert filled.quarantined() == []


def test_readers_beside_a_maintenance_miss_nothing(lake: Lake) -> None:
    fill(lake, days=12)
    age(lake)
    before, failures, reads = lake.read("runs"), [], 0
    done = threading.Event()

    def look() -> None:
        nonlocal reads
        while not done.is_set():
            try:
                if not Lake(lake.root).read("runs").equals(before):
                    failures.append("rows")
                if not Lake(lake.root).rows("runs", "run-3", date=DAY + dt.timedelta(days=3)):
                    failures.append("name")
            except LakeError as error:
                failures.append(str(error))
            reads += 1

    reader = threading.Thread(target=look)
    reader.start()
    tidy(Upkeep(settings=load_settings()), pause=lambda _: time.sleep(0.2))
    done.set()
    reader.join()
    assert reads
    assert failures == []


# What is left behind


def test_what_killed_writers_left_is_removed_after_a_day(filled: Lake) -> None:
    home = load_settings().home
    folder = Path(filled.directory("runs", date=DAY))
    (home / "reports" / "cv").mkdir(parents=True)
    left = [
        folder / ".run.1-2.aside",
        home / "reports" / "cv" / ".2026-01-06.md.1-2.aside",
        home / ".broadsheet.duckdb.1-2.aside",
    ]
    for path in left:
        path.write_bytes(b"PAR1 half")
        os.utime(path, (0, 0))
    (folder / ".now.1-2.aside").write_bytes(b"PAR1 at wo")
    assert "remove 3 leftover files" in todo(filled)
    assert keep().endswith("removed 3 leftover files")
    assert [path for path in left if path.exists()] == []
    assert (folder / ".now.1-2.aside").exists()


def test_a_rehearsal_changes_nothing(filled: Lake) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(filled.root).rglob("*")}
    upkeep = open_upkeep(is_rehearsal=True)
    assert "would merge 42 files into 11" in tidy(upkeep).told(is_done=False)
    assert {path: path.stat().st_mtime_ns for path in Path(filled.root).rglob("*")} == before


def test_results_are_forgotten_below_home_only(tmp_path: Path) -> None:
    settings = load_settings()
    mine, other = settings.home / "prefect" / "storage", tmp_path / "other"
    for folder in (mine, other):
        folder.mkdir(parents=True)
        for name, at in (("old", 0), ("new", time.time())):
            (folder / name).write_text("{}")
            os.utime(folder / name, (at, at))
    assert forget_results(Upkeep(settings=settings), other) == [
        f"ok    results: {other} is not below home: left alone"
    ]
    rehearsed = forget_results(Upkeep(settings=settings, is_rehearsal=True), mine)
    assert rehearsed == [f"ok    results: would remove 1 from {mine}"]
    assert len(list(mine.iterdir())) == len(list(other.iterdir())) == 2
    assert forget_results(Upkeep(settings=settings), mine)[0].startswith("ok    results: removed 1")
    assert [path.name for path in mine.iterdir()] == ["new"]


def test_damage_is_told_with_the_date_to_run_again(filled: Lake) -> None:
    path = filled.files("fulltexts", date=DAY)[0]
    Path(path).write_bytes(b"PAR1 nothing")
    upkeep = open_upkeep(is_rehearsal=False)
    assert set_aside(upkeep) == [f"FAIL  damaged and moved aside: {path}; run 2026-01-06 again"]
    assert set_aside(upkeep) == []


def test_every_table_has_a_remedy() -> None:
    assert remedy("/l/runs/date=2026-01-06/a.parquet").startswith(
        "what it said of its runs is gone"
    )
    assert remedy("/l/answers/prefix=ab/a.parquet").startswith("what it answered is asked again")
    assert remedy("/l/digests/profile=cv/date=2026-01-06/a.parquet") == "run 2026-01-06 again"


# What the doctor says


def test_the_doctor_says_what_a_maintenance_would_do(filled: Lake) -> None:
    (line,) = [line for line in examine() if "maintenance" in line]
    assert line == (
        "ok    maintenance: would merge 42 files into 11, drop 3 snapshots, remove 0 leftover files"
    )
    keep()
    age(filled)
    assert "ok    maintenance: nothing to do" in examine()


def test_the_doctor_says_how_much_is_in_quarantine(filled: Lake) -> None:
    assert not [line for line in examine() if "quarantine" in line]
    Path(filled.files("runs")[0]).write_bytes(b"PAR1 nothing")
    examine()
    (line,) = [line for line in examine() if "quarantine" in line]
    assert re.match(r"warn  quarantine: 1 files, 0\.0 MB in .*/quarantine", line)


def test_a_lake_in_an_object_store_is_tidied_as_well(
    object_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_LAKE", object_store.url)
    lake = Lake(object_store.url)
    fill(lake, days=1, papers=2)
    before = seen(lake)
    assert keep() == "nothing to do"
    assert keep(quiet=-HOUR).startswith("merged 8 files into 3, dropped 1 snapshots")
    assert seen(lake) == before
    assert len(lake.rows("runs", "run-0", date=DAY) or []) == 1
    assert keep(quiet=-HOUR) == "nothing to do"
