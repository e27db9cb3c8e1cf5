"""A clock that was ahead and is put right: nothing waits for it, nothing is lost or paid twice."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import HOUR, NOON, a_listing
from test_ingest import newest, snapshots, take

from broadsheet import ingest as ingesting
from broadsheet import state as states
from broadsheet.analysis import desk as desks
from broadsheet.analysis.desk import Desk
from broadsheet.analysis.ledger import Ledger
from broadsheet.analysis.pacer import Pacer
from broadsheet.analysis.parking import Parking
from broadsheet.config import Model, Settings
from broadsheet.errors import FaultKind, ModelError
from broadsheet.lake import Lake
from broadsheet.state import State

NONE, WEEK = dt.timedelta(0), dt.timedelta(days=7)
MODEL = Model(name="maker/any", rpd=1)


class Clock:
    """A clock that shows noon, and what it is ahead."""

    def __init__(self) -> None:
        self.ahead = NONE

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now(dt.UTC).timestamp()

    def now(self, zone: dt.tzinfo | None = None) -> dt.datetime:
        """As `datetime.now`."""
        return (NOON + self.ahead).astimezone(zone)

    @property
    def calendar(self) -> SimpleNamespace:
        """The module `datetime`, as far as it is used, by this clock."""
        kept = {name: getattr(dt, name) for name in ("UTC", "date", "timedelta")}
        own = SimpleNamespace(now=self.now, strptime=dt.datetime.strptime)
        return SimpleNamespace(**kept, datetime=own)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that lists, desks and the state go by."""
    clock = Clock()
    monkeypatch.setattr(states, "time", SimpleNamespace(time=clock.time))
    monkeypatch.setattr(ingesting, "dt", clock.calendar)
    monkeypatch.setattr(desks, "dt", clock.calendar)
    return clock


def refuse_to_wait(seconds: float) -> None:
    """What nobody is to come to."""
    pytest.fail(f"waits {seconds} s")


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty store."""
    return State(str(tmp_path / "state.sqlite"))


def test_a_list_read_after_the_clock_was_put_right_is_the_newest(clock: Clock, lake: Lake) -> None:
    clock.ahead = WEEK
    take(lake, a_listing(1))
    clock.ahead = NONE
    take(lake, a_listing(1), a_listing(2))
    assert {row["paper_id"] for row in newest(lake)} == {"2601.00001", "2601.00002"}
    assert not take(lake, a_listing(1), a_listing(2)).is_changed
    assert len(snapshots(lake)) == 2


def test_a_model_parked_by_a_clock_that_was_ahead_is_free(clock: Clock, state: State) -> None:
    clock.ahead = WEEK
    Parking(state).park(MODEL, FaultKind.DAILY, clock.now(dt.UTC) + 5 * HOUR)
    assert Parking(state).parked(MODEL)
    clock.ahead = NONE
    assert Parking(state).parked(MODEL) is None


def test_requests_of_another_day_do_not_count_as_today_s(clock: Clock, state: State) -> None:
    clock.ahead = WEEK
    Pacer(state).turn(MODEL, 1)
    clock.ahead = NONE
    Pacer(state).turn(MODEL, 1)
    with pytest.raises(ModelError, match="requests of the day are used"):
        Pacer(state).turn(MODEL, 1)


def test_nobody_waits_for_what_a_clock_that_was_ahead_reserved(clock: Clock, state: State) -> None:
    settings = Settings(budget_usd_per_day=1.0, budget_usd_per_run=1.0)
    clock.ahead = WEEK
    Ledger(state, settings, "killed").reserve("maker/any", 0.9, 60)
    clock.ahead = NONE
    Ledger(state, settings, "next", refuse_to_wait).reserve("maker/any", 0.9, 60)


def test_within_the_day_what_was_reserved_ahead_counts_as_spent(clock: Clock, state: State) -> None:
    settings = Settings(budget_usd_per_month=1.0)
    clock.ahead = HOUR
    Ledger(state, settings, "killed").reserve("maker/any", 0.9, 60)
    clock.ahead = NONE
    with pytest.raises(ModelError, match="per month"):
        Ledger(state, settings, "next", refuse_to_wait).reserve("maker/any", 0.9, 60)


def test_a_clock_put_back_during_a_run_leaves_no_model_alone(clock: Clock, lake: Lake) -> None:
    clock.ahead = WEEK
    desk = Desk(Settings(state=lake.root + ".sqlite"), lake, "run")
    clock.ahead = NONE
    desk.refuse(Model(name="maker/any"))
