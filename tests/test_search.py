"""The index: what a refresh does and leaves alone, and what a kill leaves."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
import random
import shutil
import signal
from pathlib import Path

import duckdb
import pytest
from builders import DAY, NOON, Row, paper, write_analysis, write_digest, write_list

from broadsheet import search, search_files
from broadsheet.lake import Lake
from broadsheet.queries import query
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse, save_views

WORDS = ["kite", "lantern", "photon", "wind", "boat", "灯笼", "图像", "moon", "night", "paper"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the index is."""
    return tmp_path / "home"


def found(lake: Lake, home: Path, q: str) -> list[Row]:
    """What a search finds in the index as it is."""
    with Warehouse(lake, asks=["history.search"], home=home) as warehouse:
        defaults = query("history.search").defaults
        return to_rows(warehouse.run("history.search", **defaults | {"q": q, "n": "1000"}))


def ids(lake: Lake, home: Path, q: str) -> list[str]:
    """The last digits of what is found."""
    return [str(row["paper_id"])[-1] for row in found(lake, home, q)]


def segments(home: Path) -> int:
    """How many segments there are."""
    return len(list((home / "search" / "current").glob("documents-*.parquet")))


def test_a_second_refresh_has_nothing_to_do(lake: Lake, home: Path) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    assert search.refresh(lake, home) == 1
    before = {file: file.stat().st_mtime_ns for file in (home / "search").rglob("*")}
    assert search.refresh(lake, home) == 0
    assert {file: file.stat().st_mtime_ns for file in (home / "search").rglob("*")} == before


def test_a_refresh_adds_what_is_new(lake: Lake, home: Path) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    search.refresh(lake, home)
    write_list(lake, paper("2601.00002", title="Kites"), date=DAY + dt.timedelta(days=1))
    assert search.refresh(lake, home) == 1
    assert ids(lake, home, "kite") == ["2", "1"]


def test_a_file_that_was_rewritten_with_the_same_papers_adds_none(lake: Lake, home: Path) -> None:
    one = paper("2601.00001", title="Kites")
    write_list(lake, one)
    search.refresh(lake, home)
    write_list(lake, one, at=NOON + dt.timedelta(hours=1))
    assert search.refresh(lake, home) == 0


def test_a_newer_text_takes_the_place_of_the_older(lake: Lake, home: Path) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    search.refresh(lake, home)
    write_list(lake, paper("2601.00001", title="Boats"), at=NOON + dt.timedelta(hours=1))
    assert search.refresh(lake, home) == 1
    assert ids(lake, home, "kite") == []
    assert ids(lake, home, "boat") == ["1"]


def test_a_superseded_analysis_is_not_found(lake: Lake, home: Path) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    write_analysis(lake, "2601.00001", sections='{"idea": "lanterns"}')
    search.refresh(lake, home)
    assert ids(lake, home, "lantern") == ["1"]
    write_analysis(lake, "2601.00001", sections='{"idea": "boats"}')
    assert search.refresh(lake, home) == 1
    assert ids(lake, home, "lantern") == []
    assert ids(lake, home, "boat") == ["1"]


def test_a_paper_of_an_imported_digest_alone_is_found(lake: Lake, home: Path) -> None:
    write_digest(lake, ["2601.00007"], origin="imported", title="Lanterns of others")
    write_digest(lake, ["2601.00008"], profile="hf", title="Lanterns of our own")
    write_analysis(lake, "2601.00007", sections=json.dumps({"idea": "它数图像里的灯笼。"}))
    search.refresh(lake, home)
    assert ids(lake, home, "lantern") == ["7"]
    assert [row["title"] for row in found(lake, home, "图像")] == ["Lanterns of others"]


def test_a_partition_that_is_gone_is_forgotten(lake: Lake, home: Path) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    write_list(lake, paper("2601.00002", title="Kites"), date=DAY + dt.timedelta(days=1))
    search.refresh(lake, home)
    shutil.rmtree(lake.directory("listings", source="huggingface", date=DAY))
    assert search.refresh(lake, home) == 0
    assert ids(lake, home, "kite") == ["2"]


def test_other_macros_make_another_index(
    lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    search.refresh(lake, home)
    monkeypatch.setattr(search, "_made_by", lambda: "other SQL")
    assert search.refresh(lake, home) == 1
    assert segments(home) == 1


@pytest.mark.parametrize("seed", range(3))
def test_many_refreshes_make_what_one_makes(
    lake: Lake, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(search, "MOST_SMALL", 3)
    monkeypatch.setattr(search, "PAPERS_AT_ONCE", 7)
    chance = random.Random(seed)
    for day in range(6):
        rows = [
            paper(
                f"2601.{chance.randrange(30):05}",
                title=" ".join(chance.choices(WORDS, k=3)),
                abstract=" ".join(chance.choices(WORDS, k=12)),
            )
            for _ in range(8)
        ]
        unique = {row["paper_id"]: row for row in rows}
        at = NOON + dt.timedelta(days=day)
        write_list(lake, *unique.values(), date=DAY + dt.timedelta(days=day), at=at)
        told = json.dumps({"idea": " ".join(chance.choices(WORDS, k=5))})
        write_analysis(lake, f"2601.{chance.randrange(30):05}", sections=told)
        write_digest(lake, [rows[0]["paper_id"]], date=DAY + dt.timedelta(days=day))
        search.refresh(lake, home)
    fresh = tmp_path / "fresh"
    search.refresh(lake, fresh)
    for q in ("kite", "lantern photon", '"kite lantern"', "灯笼 图像", "moon -wind"):
        assert found(lake, home, q) == found(lake, fresh, q)
    assert found(lake, home, "kite")


def test_small_segments_are_merged(lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_SMALL", 3)
    for day in range(5):
        row = paper(f"2601.0000{day}", title="Kites")
        write_list(lake, row, date=DAY + dt.timedelta(days=day))
        search.refresh(lake, home)
    assert segments(home) == 2
    assert sorted(ids(lake, home, "kite")) == list("01234")


@pytest.mark.parametrize("step", ["_copy", "_count", "_read"])
def test_a_kill_at_any_step_leaves_the_index_before(lake: Lake, home: Path, step: str) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    search.refresh(lake, home)
    write_list(lake, paper("2601.00001", title="Boats"), at=NOON + dt.timedelta(hours=1))
    child = multiprocessing.get_context("spawn").Process(
        target=_killed, args=(lake.root, home, step)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert ids(lake, home, "kite boat") == ["1"]
    assert search.refresh(lake, home) == 1
    assert (ids(lake, home, "kite"), ids(lake, home, "boat")) == ([], ["1"])
    assert not list((home / "search").glob(".*.aside"))


def _killed(root: str, home: Path, step: str) -> None:
    """A refresh in which that step is the last."""
    setattr(search._Index, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    search.refresh(Lake(root), home)


def test_segments_of_a_first_build_that_was_killed_are_kept(
    lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_list(lake, *(paper(f"2601.0000{n}", title="Kites") for n in range(3)))
    monkeypatch.setattr(search, "PAPERS_AT_ONCE", 1)
    merge = search._Index._merge

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search._Index, "_merge", killed)
    with pytest.raises(KeyboardInterrupt):
        search.refresh(lake, home)
    monkeypatch.setattr(search._Index, "_merge", merge)
    assert search.refresh(lake, home) == 0
    assert segments(home) == 3
    assert len(found(lake, home, "kite")) == 3


def test_of_two_refreshes_at_once_one_does_it(lake: Lake, home: Path) -> None:
    write_list(lake, *(paper(f"2601.{n:05}", title="Kites") for n in range(50)))
    spawn = multiprocessing.get_context("spawn")
    added: multiprocessing.Queue[int] = spawn.Queue()
    both = [spawn.Process(target=_refreshed, args=(lake.root, home, added)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted([added.get(), added.get()]) == [0, 50]
    assert len(found(lake, home, "kite")) == 50


def _refreshed(root: str, home: Path, added: multiprocessing.Queue[int]) -> None:
    added.put(search.refresh(Lake(root), home))


def test_a_saved_database_searches_what_is_new(lake: Lake, home: Path) -> None:
    write_list(lake, paper("2601.00001", title="Kites"))
    save_views(lake, home)
    write_list(lake, paper("2601.00002", title="Kites"), date=DAY + dt.timedelta(days=1))
    search.refresh(lake, home)
    with duckdb.connect(str(home / "broadsheet.duckdb"), read_only=True) as con:
        assert len(con.sql("from search('kites', 20)").fetchall()) == 2
        assert len(con.sql("from search('kites', n := 1)").fetchall()) == 1
        assert len(con.sql("from similar_to('2601.00001')").fetchall()) == 1
        assert con.sql("from search(null)").fetchall() == []


def test_a_home_of_any_name_has_an_index(tmp_path: Path) -> None:
    home = tmp_path / "it's [a] *home*"
    lake = Lake(str(home / "lake"))
    write_list(lake, paper("2601.00001", title="Kites"))
    search.refresh(lake, home)
    assert ids(lake, home, "kite") == ["1"]
    assert search_files.generation(home) == 1
