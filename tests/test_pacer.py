"""A quota is used to the brim and never overdrawn, by threads and processes together."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.analysis.pacer import Pacer, Quota, Sent, portions, seconds_to_wait
from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError
from broadsheet.state import State

MINUTE = 0.6


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An empty store."""
    return State(str(tmp_path / "state.sqlite"))


def a_model(**quota: float) -> Model:
    """A model whose minute is short."""
    return Model(name="maker/any", **{"window_seconds": MINUTE, **quota})  # type: ignore[arg-type]


def sent_at(state: State) -> list[float]:
    """When the requests in the log were sent."""
    with state.transaction() as transaction:
        rows = transaction.run("select sent_at from requests order by sent_at")
    return [row[0] for row in rows]


def most_in_a_window(instants: list[float], seconds: float) -> int:
    """The most requests that any window of that width saw."""
    return max(sum(start <= at < start + seconds for at in instants) for start in instants)


FIVE = Quota(requests=5, tokens=None, seconds=60)


def log(*instants: float, tokens: int = 10) -> list[Sent]:
    return [Sent(at=at, tokens=tokens) for at in instants]


@pytest.mark.parametrize(
    ("sent", "wait"),
    [
        ((), 0),
        ((96, 97, 98, 99), 0),
        ((95, 96, 97, 98, 99), 95 + FIVE.width - 100),
        ((0, 1, 2, 3, 4), 0),
        ((90, 95, 96, 97, 98, 99), 95 + FIVE.width - 100),
    ],
)
def test_a_request_waits_until_the_oldest_of_a_full_window_leaves_it(
    sent: tuple[float, ...], wait: float
) -> None:
    assert seconds_to_wait(100, log(*sent), FIVE, 10) == pytest.approx(wait)


@pytest.mark.parametrize(
    ("tokens", "wait"),
    [(70, 0), (71, 90 + FIVE.width - 100), (85, 95 + FIVE.width - 100)],
)
def test_tokens_wait_until_enough_of_them_have_left_the_window(tokens: int, wait: float) -> None:
    quota = Quota(requests=None, tokens=100, seconds=60)
    found = seconds_to_wait(100, log(90, 95, 99), quota, tokens)
    assert found == pytest.approx(wait)


def test_a_request_larger_than_the_whole_quota_has_the_window_to_itself() -> None:
    quota = Quota(requests=None, tokens=100, seconds=60)
    assert seconds_to_wait(100, [], quota, 5000) == 0
    assert seconds_to_wait(100, log(99), quota, 5000) > 59


def test_without_a_quota_nothing_waits() -> None:
    assert seconds_to_wait(9, log(9, 9, 9), Quota(requests=None, tokens=None, seconds=60), 9) == 0


def test_a_large_quota_is_used_in_portions_and_a_small_one_at_once() -> None:
    large = Quota(requests=50, tokens=9000, seconds=60)
    assert portions(large) == [Quota(requests=5, tokens=None, seconds=6)]
    assert portions(replace(large, requests=1001))[0].requests == 101
    assert portions(FIVE) == portions(Quota(requests=None, tokens=9000, seconds=60)) == []


def test_a_large_quota_draws_no_burst(state: State) -> None:
    pacer, model = Pacer(state), a_model(rpm=20, window_seconds=4)
    for _ in range(7):
        pacer.turn(model, 1)
    assert most_in_a_window(sent_at(state), 0.4) == 2


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=60),
    st.integers(1, 6),
    st.integers(20, 200),
)
def test_no_window_is_ever_overdrawn_and_no_room_is_wasted(
    tokens: list[int], requests: int, tpm: int
) -> None:
    quota, now = Quota(requests=requests, tokens=tpm, seconds=60), 1000.0
    done: list[Sent] = []
    for used in tokens:
        now += seconds_to_wait(now, done, quota, used)
        assert seconds_to_wait(now, done, quota, used) == pytest.approx(0, abs=1e-6)
        now += 1e-6
        done.append(Sent(at=now, tokens=used))
    for sent in done:
        inside = [s for s in done if sent.at <= s.at < sent.at + 60]
        assert len(inside) <= requests
        assert sum(s.tokens for s in inside) <= tpm


def test_workers_in_threads_share_a_quota(state: State) -> None:
    model = a_model(rpm=4)
    pacer = Pacer(state)
    workers = [threading.Thread(target=pacer.turn, args=(model, 1)) for _ in range(14)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    instants = sent_at(state)
    assert len(instants) == 14
    assert most_in_a_window(instants, MINUTE) == 4
    # Ideal: the last two of the fourteen go after three whole windows.
    assert instants[-1] - instants[0] < 3 * MINUTE * 1.4


def take_turns(place: str, turns: int) -> None:
    pacer = Pacer(State(place))
    for _ in range(turns):
        pacer.turn(a_model(rpm=4), 1)


def test_processes_share_a_quota(tmp_path: Path) -> None:
    place = str(tmp_path / "state.sqlite")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=take_turns, args=(place, 6)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    instants = sent_at(State(place))
    assert len(instants) == 12
    assert most_in_a_window(instants, MINUTE) == 4


def test_a_quota_survives_a_restart(tmp_path: Path) -> None:
    place = str(tmp_path / "state.sqlite")
    take_turns(place, 4)
    started = time.monotonic()
    take_turns(place, 1)
    assert time.monotonic() - started > MINUTE * 0.5


def test_the_log_knows_when_a_request_was_really_sent(state: State) -> None:
    pacer = Pacer(state)
    turn = pacer.turn(a_model(rpm=1), 1)
    entered = sent_at(state)[0]
    time.sleep(0.05)
    pacer.sent(turn)
    assert sent_at(state)[0] >= entered + 0.05


def test_tokens_really_used_make_room(state: State) -> None:
    pacer, model = Pacer(state), a_model(tpm=1000, window_seconds=60)
    turn = pacer.turn(model, 990)
    pacer.answered(model, turn, 100)
    started = time.monotonic()
    pacer.turn(model, 800)
    assert time.monotonic() - started < 5


def test_a_providers_wait_holds_back_every_worker(state: State) -> None:
    model = a_model()
    turn = Pacer(state).turn(model, 1)
    Pacer(state).refused(model, turn, 0.4)
    started = time.monotonic()
    Pacer(state).turn(model, 1)
    assert 0.4 <= time.monotonic() - started < 1


def test_a_refused_request_does_not_count(state: State) -> None:
    pacer, model = Pacer(state), a_model(rpm=1, window_seconds=60)
    pacer.refused(model, pacer.turn(model, 1), 0.01)
    started = time.monotonic()
    pacer.turn(model, 1)
    assert time.monotonic() - started < 5


def test_requests_refused_together_are_one_strike(state: State) -> None:
    pacer, model = Pacer(state), a_model()
    together = [pacer.turn(model, 1) for _ in range(3)]
    assert [pacer.refused(model, turn, 0.01) for turn in together] == [1, 1, 1]
    assert pacer.refused(model, pacer.turn(model, 1), 0.01) == 2
    pacer.answered(model, pacer.turn(model, 1), 1)
    assert pacer.refused(model, pacer.turn(model, 1), 0.01) == 1


def test_a_provider_that_names_no_wait_is_left_alone_ever_longer(state: State) -> None:
    pacer, model = Pacer(state), a_model(window_seconds=60)
    waits = []
    for _ in range(3):
        with state.transaction() as transaction:
            transaction.run("update models set held_until = ?", transaction.now - 1)
        pacer.refused(model, pacer.turn(model, 1), None)
        with state.transaction() as transaction:
            held = transaction.run("select held_until from models")[0][0]
            waits.append(held - transaction.now)
    assert waits == [pytest.approx(seconds, rel=0.1) for seconds in (2, 4, 8)]


def test_a_quota_that_nobody_told_is_learnt_from_a_refusal(state: State) -> None:
    pacer, model = Pacer(state), Model(name="maker/any")
    for _ in range(5):
        pacer.turn(model, 1)
    together = [pacer.turn(model, 1) for _ in range(3)]
    for refused in together:
        pacer.refused(model, refused, 0.5)
    instants = []
    for _ in range(11):
        pacer.turn(model, 1)
        instants.append(time.time())
    assert most_in_a_window(instants, 0.5) == 5


def test_what_was_learnt_gives_way_to_another_refusal(state: State) -> None:
    pacer, model = Pacer(state), Model(name="maker/any")
    for _ in range(4):
        pacer.turn(model, 1)
    pacer.refused(model, pacer.turn(model, 1), 0.3)
    for _ in range(4):
        again = pacer.turn(model, 1)
    pacer.refused(model, again, 0.3)
    instants = []
    for _ in range(7):
        pacer.turn(model, 1)
        instants.append(time.time())
    assert most_in_a_window(instants, 0.3) == 3


def test_a_day_of_requests_is_not_exceeded(state: State) -> None:
    pacer, model = Pacer(state), a_model(rpd=2, rpm=100)
    for _ in range(2):
        pacer.turn(model, 1)
    with pytest.raises(ModelError, match="2 requests of the day") as raised:
        pacer.turn(model, 1)
    assert raised.value.kind is FaultKind.DAILY
    assert raised.value.wait_seconds is not None
    assert 0 < raised.value.wait_seconds <= 86400


def test_one_models_quota_is_not_anothers(state: State) -> None:
    pacer = Pacer(state)
    pacer.turn(a_model(rpm=1, window_seconds=60), 1)
    started = time.monotonic()
    pacer.turn(Model(name="maker/other", rpm=1), 1)
    assert time.monotonic() - started < 5


def test_stamps_of_a_clock_that_was_put_back_stop_nobody(state: State) -> None:
    pacer, model = Pacer(state), a_model(rpm=1, window_seconds=60)
    pacer.turn(model, 1)
    with state.transaction() as transaction:
        tomorrow = transaction.now + 86400
        transaction.run("update requests set sent_at = ?", tomorrow)
        transaction.run("update models set held_until = ?", tomorrow)
    started = time.monotonic()
    pacer.turn(model, 1)
    assert time.monotonic() - started < 5


def test_a_turn_given_back_does_not_count(state: State) -> None:
    pacer, model = Pacer(state), a_model(rpm=1, window_seconds=60)
    pacer.give_back(pacer.turn(model, 1))
    started = time.monotonic()
    pacer.turn(model, 1)
    assert time.monotonic() - started < 5


def test_who_waits_hears_that_there_is_no_sense_in_it_any_more(state: State) -> None:
    pacer, model = Pacer(state, lambda seconds: None), a_model(rpm=1, window_seconds=60)
    pacer.turn(model, 1)
    looks = iter([None, None, ModelError("parked", "", FaultKind.DAILY)])

    def refuse() -> None:
        if fault := next(looks):
            raise fault

    with pytest.raises(ModelError, match="parked"):
        pacer.turn(model, 1, refuse)


def test_old_strikes_are_forgotten(state: State) -> None:
    pacer, model = Pacer(state), a_model()
    for _ in range(3):
        strikes = pacer.refused(model, pacer.turn(model, 1), 0.01)
        time.sleep(0.08)
    assert strikes == 3
    with state.transaction() as transaction:
        transaction.run("update models set held_until = ?", transaction.now - 300)
    assert pacer.refused(model, pacer.turn(model, 1), 0.01) == 1


def test_tokens_that_were_not_told_leave_the_estimate(state: State) -> None:
    pacer, model = Pacer(state), a_model(tpm=1000, window_seconds=60)
    pacer.answered(model, pacer.turn(model, 900), 0)
    with state.transaction() as transaction:
        assert transaction.run("select tokens from requests") == [(900,)]


def test_a_refusal_of_a_model_that_the_state_has_forgotten_is_no_error(state: State) -> None:
    pacer, model = Pacer(state), a_model()
    turn = pacer.turn(model, 1)
    with state.transaction() as transaction:
        transaction.run("delete from models")
    assert pacer.refused(model, turn, 0.01) == 1
