"""Money: the worst case is reserved, the real cost settled, and no cap is ever passed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.analysis.ledger import Ledger, Room, Spending, began, room
from broadsheet.config import Settings
from broadsheet.errors import FaultKind, ModelError
from broadsheet.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty store."""
    return State(str(tmp_path / "state.sqlite"))


def a_ledger(state: State, run: str = "run", **caps: float) -> Ledger:
    """The ledger of a run with these caps: per_run, per_day, per_month."""
    return Ledger(state, Settings(**{f"budget_usd_{k}": v for k, v in caps.items()}), run)  # type: ignore[arg-type]


def spent(ledger: Ledger, period: str = "run") -> float:
    return ledger.spending()[period][0].spent


@pytest.mark.parametrize(
    ("spent_usd", "reserved_usd", "usd", "found"),
    [
        (0, 0, 1, Room.YES),
        (0.5, 0, 0.5, Room.YES),
        (0.5, 0.4, 0.2, Room.WAIT),
        (0.9, 0, 0.2, Room.NO),
        (0, 0, 1.1, Room.NO),
        (2, 0, 0, Room.YES),
    ],
)
def test_room_below_a_cap_of_one_dollar(
    spent_usd: float, reserved_usd: float, usd: float, found: Room
) -> None:
    assert room(1.0, Spending(spent=spent_usd, reserved=reserved_usd), usd) is found


def test_what_is_settled_counts_and_the_rest_is_given_back(state: State) -> None:
    ledger = a_ledger(state, per_run=1.0)
    ledger.settle(ledger.reserve("maker/any", 0.9, 60), 0.1)
    ledger.settle(ledger.reserve("maker/any", 0.9, 60), 0.1)
    assert spent(ledger) == pytest.approx(0.2)
    with pytest.raises(ModelError, match="budget per run") as raised:
        ledger.reserve("maker/any", 0.9, 60)
    assert raised.value.kind is FaultKind.BUDGET
    assert "budget_usd_per_run" in raised.value.remedy


def test_a_request_in_doubt_counts_as_its_worst_case(state: State) -> None:
    ledger = a_ledger(state, per_run=1.0)
    ledger.doubt(ledger.reserve("maker/any", 0.6, 60))
    assert spent(ledger) == pytest.approx(0.6)
    with pytest.raises(ModelError):
        ledger.reserve("maker/any", 0.6, 60)


def test_a_request_that_was_killed_counts_as_its_worst_case_in_the_end(state: State) -> None:
    a_ledger(state, per_day=1.0).reserve("maker/any", 0.6, 0.0)
    time.sleep(0.01)
    with pytest.raises(ModelError, match="per day"):
        a_ledger(state, "next", per_day=1.0).reserve("maker/any", 0.6, 60)


def test_a_request_waits_for_what_is_under_way(state: State) -> None:
    ledger = a_ledger(state, per_run=1.0)
    under_way = ledger.reserve("maker/any", 0.8, 60)
    settling = threading.Timer(0.2, ledger.settle, (under_way, 0.1))
    settling.start()
    started = time.monotonic()
    ledger.reserve("maker/any", 0.8, 60)
    assert time.monotonic() - started >= 0.2


def test_a_run_has_its_own_cap_and_a_day_is_everybodys(state: State) -> None:
    first, second = (a_ledger(state, run, per_run=0.5, per_day=0.8) for run in ("a", "b"))
    first.settle(first.reserve("maker/any", 0.5, 60), 0.5)
    with pytest.raises(ModelError, match="per run"):
        first.reserve("maker/any", 0.1, 60)
    second.settle(second.reserve("maker/any", 0.3, 60), 0.3)
    with pytest.raises(ModelError, match="per day"):
        second.reserve("maker/any", 0.1, 60)


def test_a_month_outlasts_a_day(state: State) -> None:
    ledger = a_ledger(state, per_day=1.0, per_month=1.0)
    ledger.settle(ledger.reserve("maker/any", 0.9, 60), 0.9)
    with state.transaction() as transaction:
        month = began("month", transaction.now)
        transaction.run("update spending set reserved_at = ?", month)
        yesterday = month < began("day", transaction.now)
    spending = ledger.spending()
    assert spending["month"][0].spent == pytest.approx(0.9)
    assert spending["day"][0].spent == pytest.approx(0.0 if yesterday else 0.9)


def test_without_caps_everything_has_room_and_is_known(state: State) -> None:
    ledger = a_ledger(state)
    ledger.settle(ledger.reserve("maker/any", 1e6, 60), 12.5)
    assert ledger.spending()["month"] == (Spending(spent=12.5, reserved=0.0), None)


@given(st.lists(st.tuples(st.floats(0.01, 0.5), st.floats(0, 1)), max_size=12))
def test_no_cap_is_ever_passed(requests: list[tuple[float, float]]) -> None:
    spending = Spending(spent=0.0, reserved=0.0)
    for usd, share in requests:
        if room(1.0, spending, usd) is Room.YES:
            spending = Spending(spent=spending.spent + usd * share, reserved=0.0)
    assert spending.spent <= 1.0 + 1e-9
