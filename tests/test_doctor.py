"""The doctor says how models stand, and what was spent."""

from __future__ import annotations

import datetime as dt

import pytest

from broadsheet.analysis.ledger import Ledger
from broadsheet.analysis.parking import Parking
from broadsheet.config import Model, load_settings
from broadsheet.doctor import examine
from broadsheet.errors import FaultKind
from broadsheet.state import State


def lines(beginning: str) -> list[str]:
    """The findings that begin so."""
    return [line for line in examine() if line.startswith(beginning)]


def test_without_models_there_are_extracts_only() -> None:
    assert lines("ok    models none")


def test_a_parked_model_is_named_with_its_time_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "ollama/one,ollama/two")
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)
    state = State(load_settings().state_store)
    Parking(state).park(Model(name="ollama/one"), FaultKind.DAILY, until)
    (parked,) = lines("warn  model")
    assert f"ollama/one is parked until {until:%Y-%m-%d %H:%M} UTC (daily)" in parked
    assert "repair" in parked
    assert lines("ok    model ollama/two: $0 in, $0 out")


def test_what_was_spent_is_held_against_the_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "ollama/one")
    monkeypatch.setenv("BROADSHEET_BUDGET_USD_PER_DAY", "2")
    settings = load_settings()
    ledger = Ledger(State(settings.state_store), settings, "run")
    ledger.settle(ledger.reserve("ollama/one", 1.0, 60), 0.25)
    assert lines("ok    spent this day: $0.2500 of $2")
    assert lines("ok    spent this month: $0.2500")


def test_a_paid_model_without_a_price_fails_the_examination(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "anthropic/of-tomorrow")
    (failure,) = lines("FAIL  models")
    assert "input_usd_per_mtok" in failure
