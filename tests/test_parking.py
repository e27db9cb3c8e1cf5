"""A model that is not to be asked is parked for everybody, until an instant that can be read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from broadsheet.analysis.pacer import Pacer
from broadsheet.analysis.parking import Parking
from broadsheet.config import Model
from broadsheet.errors import FaultKind
from broadsheet.state import State

MODEL = Model(name="maker/any")
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty store."""
    return State(str(tmp_path / "state.sqlite"))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def test_a_model_is_parked_for_everybody_until_then(state: State) -> None:
    until = now() + HOUR
    Parking(state).park(MODEL, FaultKind.DAILY, until)
    parked = Parking(state).parked(MODEL)
    assert parked is not None
    assert (parked.model, parked.kind) == ("maker/any", FaultKind.DAILY)
    assert abs(parked.until - until) < dt.timedelta(milliseconds=1)
    assert abs(parked.since - now()) < dt.timedelta(seconds=10)
    assert str(parked) == f"maker/any is parked until {until:%Y-%m-%d %H:%M} UTC (daily)"


def test_a_model_is_free_when_its_time_is_over(state: State) -> None:
    Parking(state).park(MODEL, FaultKind.DAILY, now() - HOUR)
    assert Parking(state).parked(MODEL) is None


def test_a_model_that_answers_is_parked_no_more(state: State) -> None:
    pacer = Pacer(state)
    turn = pacer.turn(MODEL, 1)
    Parking(state).park(MODEL, FaultKind.CREDIT, now() + HOUR)
    pacer.answered(MODEL, turn, 1)
    assert Parking(state).parked(MODEL) is None


def test_other_models_are_not_parked(state: State) -> None:
    Parking(state).park(MODEL, FaultKind.DAILY, now() + HOUR)
    assert Parking(state).parked(Model(name="maker/other")) is None


@pytest.mark.parametrize("kind", [FaultKind.AUTH, FaultKind.CREDIT])
def test_another_key_takes_a_model_out(
    state: State, kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "old-key-of-ours")
    Parking(state).park(MODEL, kind, now() + HOUR)
    assert Parking(state).parked(MODEL) is not None
    monkeypatch.setenv("OPENAI_API_KEY", "new-key-of-ours")
    assert Parking(state).parked(MODEL) is None


def test_another_key_does_not_renew_a_day(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    Parking(state).park(MODEL, FaultKind.DAILY, now() + HOUR)
    monkeypatch.setenv("OPENAI_API_KEY", "new-key-of-ours")
    assert Parking(state).parked(MODEL) is not None


def test_no_key_is_in_the_store(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "old-key-of-ours")
    Parking(state).park(MODEL, FaultKind.AUTH, now() + HOUR)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if b"old-key-of-ours" in file.read_bytes()]
