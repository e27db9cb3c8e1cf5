"""The desk: one request per question, whatever goes wrong, whoever asks at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import an_answer

from broadsheet.analysis import client, desk, faults
from broadsheet.analysis.desk import Desk
from broadsheet.analysis.pacer import Pacer
from broadsheet.analysis.parking import Parking
from broadsheet.config import Model, Settings, load_settings
from broadsheet.errors import FaultKind, LakeError, ModelError, StateError, Stopped
from broadsheet.lake import Lake
from broadsheet.models import Answer, Question
from broadsheet.state import State

MODEL = Model(name="maker/any", rpm=10_000)
Told = FaultKind | ModelError | Answer | None


def a_question(number: int = 1, model: str = "maker/any") -> Question:
    """A question of its own."""
    return Question(
        key=f"{number:064x}",
        model=model,
        paper_id=f"2601.{number:05}",
        style="hf",
        prompt_version="hf-00000000",
        messages=({"role": "user", "content": "Read."},),
        schema={},
        parameters={"max_tokens": 4096},
    )


class Provider:
    """A provider that does as told, in order, and then answers; it counts what it is asked."""

    def __init__(self, *told: Told, seconds: float = 0.0, is_reached: bool = True) -> None:
        self.told, self.seconds, self.is_reached = list(told), seconds, is_reached
        self.asked: list[Question] = []
        self.inside = self.most = 0
        self.spans: list[tuple[float, float]] = []
        self._lock = threading.Lock()

    def __call__(self, question: Question, model: Model, on_send: Callable[[], None]) -> Answer:
        with self._lock:
            self.asked.append(question)
            told = self.told.pop(0) if self.told else None
            self.inside += 1
            self.most = max(self.most, self.inside)
        if self.is_reached:
            on_send()
        began = time.monotonic()
        time.sleep(self.seconds)
        with self._lock:
            self.inside -= 1
            self.spans.append((began, time.monotonic()))
        if isinstance(told, FaultKind):
            raise ModelError(f"request to {model.name} failed", "wait", told, 0.01)
        if isinstance(told, ModelError):
            raise told
        return replace(told or an_answer(), key=question.key, model=question.model)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported for the provider, and nothing backs off for seconds."""
    monkeypatch.setattr(client, "warm_up", lambda models: None)
    monkeypatch.setattr(desk, "backoff_seconds", lambda kind, strike: 0.01)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose home is the test's own."""
    return load_settings({"BROADSHEET_HOME": str(tmp_path / "home")})


@pytest.fixture
def opened(settings: Settings, lake: Lake) -> Callable[..., Desk]:
    """Opens a desk of another run, on the same lake and state."""

    def open_desk(provider: Provider, run: str = "run", **changed: Any) -> Desk:
        return Desk(settings.model_copy(update=changed), lake, run, provider)

    return open_desk


Opened = Callable[..., Desk]


def fault_of(desk: Desk, number: int = 1, model: Model = MODEL) -> ModelError:
    with pytest.raises(ModelError) as raised:
        desk.ask(a_question(number, model.name), model)
    return raised.value


def test_an_answered_question_is_not_asked_again(opened: Opened) -> None:
    provider = Provider()
    first = opened(provider).ask(a_question(), MODEL)
    assert opened(provider).ask(a_question(), MODEL) == first
    assert opened(provider).find(a_question()) == first
    assert len(provider.asked) == 1


def test_equal_questions_at_once_cost_one_request(opened: Opened) -> None:
    provider = Provider(seconds=0.1)
    workers = [
        threading.Thread(target=opened(provider, f"run {n}").ask, args=(a_question(), MODEL))
        for n in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(provider.asked) == 1


def test_different_questions_are_asked_side_by_side(opened: Opened) -> None:
    provider = Provider(seconds=0.2)
    desk = opened(provider)
    desk.ask(a_question(99), MODEL)
    workers = [threading.Thread(target=desk.ask, args=(a_question(n), MODEL)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert provider.most == 4


def test_a_model_nobody_knows_is_asked_by_one_first(opened: Opened) -> None:
    provider = Provider(seconds=0.1)
    desk = opened(provider)
    workers = [threading.Thread(target=desk.ask, args=(a_question(n), MODEL)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    (_, first_ended), *others = sorted(provider.spans)
    assert first_ended <= min(began for began, _ in others)
    assert provider.most > 1


@pytest.mark.parametrize("kind", [FaultKind.DAILY, FaultKind.CREDIT, FaultKind.AUTH])
def test_a_model_that_is_done_is_asked_once_by_all_workers(opened: Opened, kind: FaultKind) -> None:
    provider = Provider(*[kind] * 9, seconds=0.05)
    desk, found = opened(provider), Counter[str]()

    def ask(number: int) -> None:
        found[fault_of(desk, number).kind] += 1

    workers = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(provider.asked) == 1
    assert found == {kind: 8}


def test_a_day_that_is_used_up_is_so_for_the_next_run_too(opened: Opened) -> None:
    provider = Provider(FaultKind.DAILY)
    fault_of(opened(provider))
    assert fault_of(opened(provider, "next run"), 2).kind is FaultKind.DAILY
    assert len(provider.asked) == 1


@pytest.mark.parametrize("kind", [FaultKind.CREDIT, FaultKind.AUTH])
def test_a_key_or_account_is_tried_once_by_a_new_run(opened: Opened, kind: FaultKind) -> None:
    provider = Provider(None, kind, kind)
    first = opened(provider, "first run")
    first.ask(a_question(1), MODEL)
    for number in (2, 3):
        assert fault_of(first, number).kind is kind
    next_run = opened(provider, "next run")
    workers = [threading.Thread(target=fault_of, args=(next_run, n)) for n in range(4, 9)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(provider.asked) == 3
    opened(provider, "when it is mended").ask(a_question(9), MODEL)


def test_a_minutes_limit_is_waited_out(opened: Opened) -> None:
    provider = Provider(FaultKind.RATE, FaultKind.RATE)
    opened(provider).ask(a_question(), MODEL)
    assert len(provider.asked) == 3


def test_a_limit_without_end_is_left_alone_by_the_run(opened: Opened) -> None:
    attempts = faults.TREATMENTS[FaultKind.RATE].attempts
    provider = Provider(*[FaultKind.RATE] * (attempts + 1))
    desk = opened(provider)
    assert fault_of(desk).kind is FaultKind.RATE
    assert fault_of(desk, 2).kind is FaultKind.RATE
    assert len(provider.asked) == attempts + 1
    opened(provider, "next run").ask(a_question(2), MODEL)


def test_a_wait_of_an_hour_is_not_waited_out(opened: Opened) -> None:
    provider = Provider(ModelError("later", "wait", FaultKind.RATE, 1800))
    started = time.monotonic()
    desk = opened(provider)
    assert fault_of(desk).kind is FaultKind.RATE
    assert time.monotonic() - started < 5
    assert fault_of(desk, 2).kind is FaultKind.RATE
    assert len(provider.asked) == 1


@pytest.mark.parametrize("kind", [FaultKind.OVERLOAD, FaultKind.NETWORK])
def test_a_passing_failure_is_tried_again(opened: Opened, kind: FaultKind) -> None:
    provider = Provider(kind, kind)
    opened(provider).ask(a_question(), MODEL)
    assert len(provider.asked) == 3


@pytest.mark.parametrize("kind", [FaultKind.OVERLOAD, FaultKind.NETWORK])
def test_a_lasting_failure_is_left_alone_by_the_run_and_tried_by_the_next(
    opened: Opened, kind: FaultKind
) -> None:
    attempts = faults.TREATMENTS[kind].attempts
    provider = Provider(*[kind] * (attempts + 1))
    desk = opened(provider)
    assert fault_of(desk).kind is kind
    assert fault_of(desk, 2).kind is kind
    assert len(provider.asked) == attempts + 1
    opened(provider, "next run").ask(a_question(2), MODEL)


def test_a_garbled_response_is_asked_for_once_more(opened: Opened) -> None:
    provider = Provider(*[FaultKind.MALFORMED] * 2)
    assert fault_of(opened(provider)).kind is FaultKind.MALFORMED
    assert len(provider.asked) == 2


@pytest.mark.parametrize("kind", [FaultKind.CONTENT, FaultKind.CONTEXT])
def test_a_refusal_is_remembered(opened: Opened, kind: FaultKind) -> None:
    provider = Provider(kind)
    for run in ("one", "two"):
        answer = opened(provider, run).ask(a_question(), MODEL)
        assert (answer.fault, answer.text, answer.cost_usd) == (kind, "", 0.0)
    assert len(provider.asked) == 1
    assert opened(provider).ask(a_question(2), MODEL).fault is None


def test_a_bad_request_is_not_repeated_and_three_in_a_row_stop_the_model(opened: Opened) -> None:
    provider = Provider(*[FaultKind.BAD_REQUEST] * 9)
    desk = opened(provider)
    for number in range(5):
        assert fault_of(desk, number).kind is FaultKind.BAD_REQUEST
    assert len(provider.asked) == 3
    fault_of(opened(provider, "next run"))
    assert len(provider.asked) == 4


def test_bad_requests_between_answers_do_not_stop_the_model(opened: Opened) -> None:
    bad = FaultKind.BAD_REQUEST
    provider = Provider(bad, bad, None, bad, bad, None)
    desk = opened(provider)
    for number in (1, 2, 4, 5):
        if number == 4:
            desk.ask(a_question(3), MODEL)
        fault_of(desk, number)
    desk.ask(a_question(6), MODEL)
    assert len(provider.asked) == 6


PRICED = MODEL.model_copy(update={"input_usd_per_mtok": 0.0, "output_usd_per_mtok": 100.0})


def test_over_the_budget_nothing_is_asked(opened: Opened) -> None:
    provider = Provider(an_answer(cost_usd=0.05), an_answer(cost_usd=0.05))
    desk = opened(provider, budget_usd_per_run=0.45)  # the worst case of one: 0.4096
    desk.ask(a_question(1), PRICED)
    fault = fault_of(desk, 2, PRICED)
    assert fault.kind is FaultKind.BUDGET
    assert len(provider.asked) == 1
    opened(provider, "another run", budget_usd_per_run=0.45).ask(a_question(2), PRICED)


@pytest.mark.parametrize(
    ("kind", "is_charged"),
    [(FaultKind.BAD_REQUEST, False), (FaultKind.AUTH, False), (FaultKind.MALFORMED, True)],
)
def test_a_request_that_may_have_been_served_counts(
    opened: Opened, kind: FaultKind, is_charged: bool
) -> None:
    desk = opened(Provider(kind), budget_usd_per_run=0.45)
    fault = fault_of(desk, 1, PRICED)
    assert fault.kind is (FaultKind.BUDGET if is_charged else kind)


def test_a_request_that_never_left_costs_neither_money_nor_a_turn(
    opened: Opened, settings: Settings
) -> None:
    provider = Provider(FaultKind.NETWORK, is_reached=False)
    desk = opened(provider, budget_usd_per_run=0.45)
    desk.ask(a_question(), PRICED)
    assert len(provider.asked) == 2
    with State(settings.state_store).transaction() as transaction:
        assert transaction.run("select count(*) from requests") == [(1,)]


def test_a_day_that_our_own_count_ends_parks_the_model(opened: Opened, settings: Settings) -> None:
    model = MODEL.model_copy(update={"rpd": 1})
    desk = opened(Provider())
    desk.ask(a_question(1), model)
    assert fault_of(desk, 2, model).kind is FaultKind.DAILY
    parked = Parking(State(settings.state_store)).parked(model)
    assert parked is not None and parked.kind is FaultKind.DAILY


@pytest.mark.parametrize("kind", [FaultKind.OVERLOAD, FaultKind.NETWORK])
def test_a_failure_at_one_paper_does_not_take_the_model_from_the_others(
    opened: Opened, kind: FaultKind
) -> None:
    desk = opened(Always(kind, a_question(1).key))
    desk.ask(a_question(2), MODEL)
    failing = threading.Thread(target=fault_of, args=(desk, 1))
    failing.start()
    number = 3
    while failing.is_alive():
        desk.ask(a_question(number), MODEL)
        number += 1
    desk.ask(a_question(number), MODEL)


class Always:
    """A provider that fails at one question, and answers the others."""

    def __init__(self, kind: FaultKind, key: str) -> None:
        self.kind, self.key = kind, key

    def __call__(self, question: Question, model: Model, on_send: Callable[[], None]) -> Answer:
        on_send()
        if question.key == self.key:
            raise ModelError("failed", "wait", self.kind)
        return replace(an_answer(), key=question.key, model=question.model)


def test_a_wait_that_a_busy_provider_names_holds_back_everybody(opened: Opened) -> None:
    provider = Provider(None, ModelError("busy", "wait", FaultKind.OVERLOAD, 0.5))
    desk = opened(provider)
    desk.ask(a_question(1), MODEL)
    started = time.monotonic()
    busy = threading.Thread(target=desk.ask, args=(a_question(2), MODEL))
    busy.start()
    while len(provider.asked) < 2:
        time.sleep(0.005)
    time.sleep(0.1)
    opened(provider, "another run").ask(a_question(3), MODEL)
    assert time.monotonic() - started >= 0.5
    busy.join()


def test_a_stopped_desk_gives_up_waiting_and_asks_nothing(opened: Opened) -> None:
    provider = Provider(ModelError("later", "wait", FaultKind.RATE, 300))
    desk, raised = opened(provider), list[BaseException]()

    def ask() -> None:
        try:
            desk.ask(a_question(1), MODEL)
        except Stopped as stopped:
            raised.append(stopped)

    waiting = threading.Thread(target=ask)
    waiting.start()
    while not provider.asked:
        time.sleep(0.005)
    desk.stop()
    waiting.join(10)
    assert raised
    with pytest.raises(Stopped):
        desk.ask(a_question(2), MODEL)
    assert len(provider.asked) == 1


def test_a_stored_answer_needs_no_state(opened: Opened, settings: Settings, tmp_path: Path) -> None:
    opened(Provider()).ask(a_question(), MODEL)
    blocked = tmp_path / "file"
    blocked.write_text("")
    desk = opened(Provider(), state=str(blocked / "state.sqlite"))
    assert desk.find(a_question())
    with pytest.raises(StateError):
        desk.refuse(MODEL)


def test_an_answer_is_returned_even_if_it_cannot_be_accounted_for(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unable(*args: object) -> None:
        raise StateError("cannot use state", "make room")

    monkeypatch.setattr(Pacer, "answered", unable)
    desk = opened(Provider())
    assert desk.ask(a_question(), MODEL) == desk.find(a_question())
    assert "cannot use state" in caplog.text


def test_what_a_desk_has_bought_is_known(opened: Opened) -> None:
    desk = opened(Provider())
    answers = [desk.ask(a_question(number), MODEL) for number in (1, 2, 1)]
    assert desk.bought == answers[:2]


def test_a_model_that_refuses_is_alive(opened: Opened) -> None:
    provider = Provider(*[FaultKind.CONTENT] * 5, seconds=0.1)
    desk = opened(provider)
    workers = [threading.Thread(target=desk.ask, args=(a_question(n), MODEL)) for n in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert provider.most > 1


def test_a_request_is_made_under_the_slot(opened: Opened) -> None:
    provider, slot = Provider(seconds=0.05), threading.Semaphore(2)
    desk = opened(provider)
    desk.ask(a_question(99), MODEL)
    workers = [
        threading.Thread(target=desk.ask, args=(a_question(n), MODEL, slot)) for n in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert provider.most == 2


def test_an_answer_that_cannot_be_stored_is_an_error(
    opened: Opened, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise LakeError("no space left", "make room")

    monkeypatch.setattr(Lake, "write", full)
    with pytest.raises(LakeError):
        opened(Provider()).ask(a_question(), MODEL)


def test_after_an_answer_that_cannot_be_stored_nothing_is_asked_and_everybody_says_why(
    opened: Opened, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **more: object) -> None:
        raise LakeError("no space left", "make room")

    monkeypatch.setattr(Lake, "write", full)
    provider = Provider()
    desk = opened(provider)
    for number in (1, 2):
        with pytest.raises(LakeError, match="no space left") as told:
            desk.ask(a_question(number), MODEL)
        assert told.value.remedy == "make room"
    assert len(provider.asked) == 1


def ask_slowly(home: str, served: str) -> None:
    """Ask ten questions, one after the other; each served leaves a file."""

    def provide(question: Question, model: Model, on_send: Callable[[], None]) -> Answer:
        on_send()
        time.sleep(0.02)
        (Path(served) / f"{question.paper_id}-{time.time_ns()}").touch()
        return replace(an_answer(), key=question.key)

    client.warm_up = lambda models=(): None
    settings = load_settings({"BROADSHEET_HOME": home})
    desk = Desk(settings, Lake(settings.lake_root), "run", provide)
    for number in range(10):
        desk.ask(a_question(number), MODEL)


def test_a_kill_at_any_moment_costs_at_most_the_request_under_way(tmp_path: Path) -> None:
    home, served = str(tmp_path / "home"), tmp_path / "served"
    served.mkdir()
    # by spawn: a process that has had Prefect's threads cannot be forked
    context, kills = multiprocessing.get_context("spawn"), 0
    for pause in (0.0, 0.02, 0.01, 0.03):
        worker = context.Process(target=ask_slowly, args=(home, str(served)))
        before = len(list(served.iterdir()))
        worker.start()
        while worker.is_alive() and len(list(served.iterdir())) == before:
            time.sleep(0.002)
        time.sleep(pause)
        if worker.is_alive() and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)
            kills += 1
        worker.join()
    last = context.Process(target=ask_slowly, args=(home, str(served)))
    last.start()
    last.join(60)
    assert last.exitcode == 0
    papers = Counter(file.name.partition("-")[0] for file in served.iterdir())
    assert len(papers) == 10
    assert kills
    assert sum(papers.values()) - 10 <= kills
