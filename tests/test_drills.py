"""Faults that need no installation; those that do are scripts in `drills/`, kept able to start."""

from __future__ import annotations

import datetime as dt
import importlib
import logging
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import DAY

from broadsheet import state as states
from broadsheet.analysis.ledger import Ledger
from broadsheet.config import Settings
from broadsheet.editions import alone, open_edition
from broadsheet.errors import LakeError, StateError
from broadsheet.lake import Lake
from broadsheet.state import State

DRILLS = Path(__file__).parent / "drills"
DOCS = Path(__file__).parents[1] / "docs" / "operations.md"
NAMES = sorted(path.stem for path in DRILLS.glob("*.py") if path.stem != "stage")


@pytest.mark.parametrize("name", NAMES)
def test_a_drill_says_how_it_is_run(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(DRILLS))
    drill = importlib.import_module(name)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        drill.main()
    assert f"drills/{name}.py" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_the_manual_of_operations_names_every_drill(name: str) -> None:
    assert f"{name}.py" in DOCS.read_text(encoding="utf-8")


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process can grow beyond that: what a full disk does, without one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_row(message: str) -> dict[str, object]:
    instant = dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
    return {"run_id": "one", "flow": "daily", "started_at": instant, "message": message}


def test_a_file_that_does_not_fit_leaves_the_one_before(lake: Lake) -> None:
    lake.write("runs", [run_row("short")], "one", date=DAY)
    with files_end_at(1000), pytest.raises(LakeError, match="cannot write table runs") as told:
        lake.write("runs", [run_row("longer than there is room for")], "one", date=DAY)
    assert "space left" in told.value.remedy
    rows = lake.rows("runs", "one", date=DAY)
    assert rows is not None
    assert [row["message"] for row in rows] == ["short"]
    assert lake.names("runs", date=DAY) == ["one"]


def test_a_state_that_cannot_grow_is_told_with_the_remedy(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state.sqlite"))
    with files_end_at(1000), pytest.raises(StateError, match=r"state\.sqlite") as told:
        reserve(state)
    assert "space left" in told.value.remedy
    reserve(state)
    assert spent_rows(state) == 1


def reserve(state: State) -> None:
    Ledger(state, Settings(), "run").reserve("maker/any", 0.5, 60.0)


def spent_rows(state: State) -> int:
    with state.transaction() as transaction:
        return int(transaction.run("select count(*) from spending")[0][0])


@contextmanager
def held(file: Path) -> Iterator[sqlite3.Connection]:
    """The state with somebody else's write transaction open."""
    spent_rows(State(str(file)))  # which makes it
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    try:
        yield other
    finally:
        other.close()


def test_a_state_that_is_held_for_a_while_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    with held(file) as other:
        free = threading.Timer(0.6, lambda: other.execute("commit"))
        free.start()
        began = time.monotonic()
        reserve(State(str(file)))
        assert time.monotonic() - began > 0.4
        free.join()
    assert spent_rows(State(str(file))) == 1


def test_a_state_that_is_held_for_too_long_is_told_once_and_by_whom_to_be_freed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.sqlite"
    with held(file):
        monkeypatch.setattr(states, "_PATIENCE_SECONDS", 0.5)
        began = time.monotonic()
        with pytest.raises(StateError, match="locked") as told:
            reserve(State(str(file)))
        assert time.monotonic() - began < 0.95  # not a second time
    assert "end the program" in told.value.remedy
    assert spent_rows(State(str(file))) == 0


def test_who_makes_a_digest_that_another_run_makes_says_so_and_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    edition = open_edition("hf", DAY)
    order: list[str] = []

    def make() -> None:
        with alone(edition):
            order.append("second")

    with caplog.at_level(logging.INFO, "broadsheet"), alone(edition):
        second = threading.Thread(target=make)
        second.start()
        while "another run is making hf 2026-01-06" not in caplog.text:
            time.sleep(0.01)
        order.append("first")
    second.join(30)
    assert order == ["first", "second"]
