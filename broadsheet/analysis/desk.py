"""The desk: questions become answers, each paid for once; what goes wrong is treated by its kind.

    equal questions wait for one another → the answer store → is the model parked?
    → a slot → a turn → the budget → one request → the answer is durable → settled

How a kind of fault is treated is decided in `broadsheet.analysis.faults`; here it is done.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from weakref import WeakSet

from broadsheet.analysis import answers, client
from broadsheet.analysis.faults import (
    TREATMENTS,
    Policy,
    Treatment,
    backoff_seconds,
    parked_until,
)
from broadsheet.analysis.ledger import Ledger
from broadsheet.analysis.pacer import LONGEST_HOLD_SECONDS, Pacer
from broadsheet.analysis.parking import CURABLE, Parking
from broadsheet.analysis.prices import tokens_about, worst_case_usd
from broadsheet.config import Model, Settings
from broadsheet.errors import BroadsheetError, FaultKind, LakeError, ModelError, StateError, Stopped
from broadsheet.lake import Lake
from broadsheet.models import Answer, Question
from broadsheet.state import State

logger = logging.getLogger(__name__)

_TRUSTED_SECONDS = 86400.0
"""A model that has answered nobody for so long is asked by one worker first, so that a dead key or
a used-up day is met once."""
_GRACE_SECONDS = 30.0
"""After its time limit a request that nobody has settled counts as lost."""
_ALIVE = (FaultKind.CONTENT, FaultKind.CONTEXT, FaultKind.MALFORMED)
"""Faults of a model that works."""
_BAD_REQUESTS_IN_A_ROW = 3
"""After so many a model is not asked again in the run."""
_IN_DOUBT = (FaultKind.NETWORK, FaultKind.MALFORMED, FaultKind.CONTENT)
"""Faults that the provider may charge for."""


Request = Callable[[Question, Model, Callable[[], None]], Answer]
"""Makes one request, calling the third argument as it is sent; raises `ModelError`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    """A request that brought no answer."""

    fault: ModelError
    turn: str


_open: WeakSet[Desk] = WeakSet()
"""The desks of this process."""


def stop_all() -> None:
    """Stop every desk of this process: whoever runs several digests at once is interrupted."""
    for desk in list(_open):
        desk.stop()


class Desk:
    """What one run asks of models; the limits it keeps are shared with all other runs."""

    def __init__(
        self, settings: Settings, lake: Lake, run: str, request: Request = client.ask
    ) -> None:
        state = State(settings.state_store)
        self._lake, self._state = lake, state
        self._parking, self._pacer = Parking(state), Pacer(state, self._pause)
        self._ledger = Ledger(state, settings, run, self._pause)
        self._stopping = threading.Event()
        self._why: LakeError | None = None
        self.bought: list[Answer] = []
        """What was asked for here and answered, in the order of arrival."""
        self._request = request
        self._opened_at = dt.datetime.now(dt.UTC)
        self._bad_requests: Counter[str] = Counter()
        self._resting: dict[str, tuple[FaultKind, dt.datetime]] = {}
        self._warm: set[str] = set()
        _open.add(self)

    def find(self, question: Question) -> Answer | None:
        """The stored answer to the question; None where it was never answered."""
        return answers.find(self._lake, question.key)

    def stop(self, why: LakeError | None = None) -> None:
        """Let nothing more be asked: who waits gives up, requests under way come to their end.

        Args:
            why: what everybody raises who would ask; without one they raise `Stopped`.
        """
        self._why = self._why or why
        self._stopping.set()

    def ask(
        self, question: Question, model: Model, slot: AbstractContextManager[object] | None = None
    ) -> Answer:
        """The answer to the question, stored or asked for; durable before it is returned.

        An answer with a `fault` says that the model will not answer this question.

        Args:
            question: to the model.
            model: whom to ask.
            slot: what a request is made under, for a limit of requests in flight.

        Raises:
            ModelError: there is none; its `kind` says why.
            Stopped: the run ends.
            StateError: the shared state cannot be used.
            LakeError: the answer cannot be stored.
        """
        with self._state.alone(f"question {question.key}"):
            if known := self.find(question):
                return known
            return self._ask_in_order(question, model, slot or nullcontext())

    def _ask_in_order(
        self, question: Question, model: Model, slot: AbstractContextManager[object]
    ) -> Answer:
        if self._is_doubtful(model):
            with self._state.alone(f"first {model.name}"):
                if self._is_doubtful(model):
                    return self._pursue(question, model, slot)
        return self._pursue(question, model, slot)

    def _is_doubtful(self, model: Model) -> bool:
        """Whether one question is to be answered before others are put."""
        is_known = self._parking.has_answered(model, _TRUSTED_SECONDS)
        return not is_known or self._parking.parked(model) is not None

    def _pursue(
        self, question: Question, model: Model, slot: AbstractContextManager[object]
    ) -> Answer:
        """Ask until there is an answer or no sense in asking on."""
        strikes: Counter[FaultKind] = Counter()
        began = time.monotonic()
        while True:
            self.refuse(model)
            outcome = self._attempt(question, model, slot)
            if isinstance(outcome, Answer):
                self._bad_requests[model.name] = 0
                return outcome
            kind = outcome.fault.kind
            logger.info("%s", outcome.fault)
            if kind in _ALIVE:
                self._pacer.answered(model, outcome.turn, 0)
            if kind in (FaultKind.CONTENT, FaultKind.CONTEXT):
                return self._remember(question, kind)
            strikes[kind] += 1
            if not self._may_try_again(outcome, model, strikes[kind], began):
                raise outcome.fault

    def refuse(self, model: Model) -> None:
        """Raise where the model is not to be asked now.

        Raises:
            ModelError: it is parked or left alone; of the kind that is the reason.
            Stopped: the run ends.
            StateError: the shared state cannot be used.
        """
        self._pause(0)
        parked = self._parking.parked(model)
        # A new run tries what may be cured by now, where that cannot be seen from here.
        if parked and not (parked.kind in CURABLE and parked.since < self._opened_at):
            raise ModelError(str(parked), "the next model takes over", parked.kind)
        kind, until = self._resting.get(model.name, (FaultKind.NETWORK, None))
        if until and until > dt.datetime.now(dt.UTC):
            raise ModelError(
                f"{model.name} is left alone until {until:%H:%M} UTC ({kind})",
                "the next model takes over",
                kind,
            )
        if self._bad_requests[model.name] >= _BAD_REQUESTS_IN_A_ROW:
            raise ModelError(
                f"{model.name} refused one request after the other and is left alone in this run",
                "check its name, endpoint and parameters",
                FaultKind.BAD_REQUEST,
            )

    def _attempt(
        self, question: Question, model: Model, slot: AbstractContextManager[object]
    ) -> Answer | _Failure:
        """One request, within all limits."""
        worst_usd = worst_case_usd(question, model) or 0.0
        with slot:
            self._warm_up(model)
            turn = self._turn(question, model)
            seconds = model.timeout_seconds + _GRACE_SECONDS
            try:
                reserved = self._ledger.reserve(model.name, worst_usd, seconds)
            except BroadsheetError:
                self._pacer.give_back(turn)
                raise
            left = threading.Event()
            try:
                answer = self._request(question, model, partial(self._sent, turn, left))
            except ModelError as fault:
                self._write_off(reserved, turn, fault.kind, left.is_set())
                return _Failure(fault=fault, turn=turn)
            self._save(answer)  # before its slot is free: where that fails, no other is asked
        self.bought.append(answer)
        self._settle(answer, model, turn, reserved, worst_usd)
        return answer

    def _turn(self, question: Question, model: Model) -> str:
        # Counting takes milliseconds, and without tpm nothing asks for it.
        tokens = tokens_about(question) if model.tpm else 0
        try:
            return self._pacer.turn(model, tokens, partial(self.refuse, model))
        except ModelError as fault:
            if fault.kind is FaultKind.DAILY and not self._parking.parked(model):
                self._park(model, fault)
            raise

    def _sent(self, turn: str, left: threading.Event) -> None:
        left.set()
        self._pacer.sent(turn)

    def _warm_up(self, model: Model) -> None:
        """Have nothing slow left between taking a turn and sending the request."""
        if model.name not in self._warm:
            client.warm_up([model])
            self._warm.add(model.name)

    def _write_off(self, reserved: str, turn: str, kind: FaultKind, has_left: bool) -> None:
        if has_left and kind in _IN_DOUBT:
            self._ledger.doubt(reserved)
        else:
            self._ledger.settle(reserved, 0.0)
        if not has_left:
            self._pacer.give_back(turn)

    def _save(self, answer: Answer) -> None:
        """Store it; where that fails, nothing more is asked: it would be lost, too."""
        try:
            answers.save(self._lake, answer)
        except LakeError as error:
            self.stop(error)
            raise

    def _settle(
        self, answer: Answer, model: Model, turn: str, reserved: str, worst_usd: float
    ) -> None:
        """Account for an answer that is stored; it is returned even if that fails."""
        try:
            self._pacer.answered(model, turn, answer.prompt_tokens + answer.completion_tokens)
            spent_usd = worst_usd if answer.cost_usd is None else answer.cost_usd
            self._ledger.settle(reserved, spent_usd)
        except StateError as error:
            logger.warning("%s; the request counts at its worst case; %s", error, error.remedy)

    def _may_try_again(self, failure: _Failure, model: Model, strikes: int, began: float) -> bool:
        """Do what the fault's policy says; whether the same request is to be made again."""
        kind, wait = failure.fault.kind, failure.fault.wait_seconds or 0.0
        treatment = TREATMENTS[kind]
        if treatment.policy is Policy.WAIT:
            strikes = self._pacer.refused(model, failure.turn, failure.fault.wait_seconds)
        if treatment.policy is Policy.STOP:
            self._bad_requests[model.name] += 1
        if strikes <= treatment.attempts and wait <= LONGEST_HOLD_SECONDS:
            if treatment.policy is Policy.RETRY and wait:
                self._pacer.hold(model, wait)
            elif treatment.policy is Policy.RETRY:
                self._pause(backoff_seconds(kind, strikes))
            return True
        if treatment.policy is Policy.PARK:
            self._park(model, failure.fault)
        elif treatment.policy is Policy.WAIT or self._is_silent(treatment, model, began):
            self._rest(model, failure.fault)
        return False

    def _is_silent(self, treatment: Treatment, model: Model, began: float) -> bool:
        """Whether the model fails everybody; one that answers others fails at this paper alone."""
        seconds = time.monotonic() - began
        is_passing = treatment.policy is Policy.RETRY
        return is_passing and not self._parking.has_answered(model, seconds)

    def _park(self, model: Model, fault: ModelError) -> None:
        self._parking.park(model, fault.kind, _until(model, fault))

    def _rest(self, model: Model, fault: ModelError) -> None:
        until = _until(model, fault)
        self._resting[model.name] = (fault.kind, until)
        logger.warning("%s is left alone until %s UTC", model.name, f"{until:%H:%M}")

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            if why := self._why:  # for each thread one of its own
                raise LakeError(why.message, why.remedy) from why
            raise Stopped("asking was given up: the run ends", "run the same command again")

    def _remember(self, question: Question, kind: FaultKind) -> Answer:
        """Store that there will be no answer, so that the question is not paid for again."""
        answer = Answer(
            key=question.key,
            model=question.model,
            paper_id=question.paper_id,
            style=question.style,
            prompt_version=question.prompt_version,
            text="",
            finish_reason="",
            prompt_tokens=0,
            completion_tokens=0,
            cost_usd=0.0,
            latency_seconds=0.0,
            asked_at=dt.datetime.now(dt.UTC),
            fault=kind.value,
        )
        answers.save(self._lake, answer)
        return answer


def _until(model: Model, fault: ModelError) -> dt.datetime:
    now = dt.datetime.now(dt.UTC)
    return parked_until(fault.kind, model.name, now, fault.wait_seconds)
