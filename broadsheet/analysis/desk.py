"""The desk: questions become answers, each paid for once; what goes wrong is treated by its kind.

    equal questions wait for one another → the answer store → is the model parked?
    → a slot → the budget → a turn → one request → the answer is durable → settled

How a kind of fault is treated is decided in `broadsheet.analysis.faults`; here it is done.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial

from broadsheet.analysis import answers, client
from broadsheet.analysis.faults import TREATMENTS, Policy, backoff_seconds, parked_until
from broadsheet.analysis.ledger import Ledger
from broadsheet.analysis.pacer import Pacer
from broadsheet.analysis.parking import Parking
from broadsheet.analysis.prices import tokens_about, worst_case_usd
from broadsheet.config import Model, Settings
from broadsheet.errors import FaultKind, ModelError
from broadsheet.lake import Lake
from broadsheet.models import Answer, Question
from broadsheet.state import State

logger = logging.getLogger(__name__)

_TRUSTED_SECONDS = 86400.0
"""A model that has answered nobody for so long is asked by one worker first, so that a dead key or
a used-up day is met once."""
_LONGEST_WAIT_SECONDS = 600.0
"""A wait beyond this is no minute's limit: the next model takes over."""
_BAD_REQUESTS_IN_A_ROW = 3
"""After so many a model is not asked again in the run."""
_TRIED_BY_A_NEW_RUN = (FaultKind.AUTH, FaultKind.CREDIT)
"""What may have been put right meanwhile, without a change that can be seen from here."""
_IN_DOUBT = (FaultKind.NETWORK, FaultKind.MALFORMED, FaultKind.CONTENT)
"""Faults that the provider may charge for."""


Request = Callable[[Question, Model, Callable[[], None]], Answer]
"""Makes one request, calling the third argument as it is sent; raises `ModelError`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failure:
    """A request that brought no answer."""

    fault: ModelError
    turn: str


class Desk:
    """What one run asks of models; the limits it keeps are shared with all other runs."""

    def __init__(
        self, settings: Settings, lake: Lake, run: str, request: Request = client.ask
    ) -> None:
        state = State(settings.state_store)
        self._lake, self._state = lake, state
        self._parking, self._pacer = Parking(state), Pacer(state)
        self._ledger = Ledger(state, settings, run)
        self._request = request
        self._opened_at = dt.datetime.now(dt.UTC)
        self._bad_requests: Counter[str] = Counter()
        self._resting: dict[str, tuple[FaultKind, dt.datetime]] = {}
        self._warm: set[str] = set()

    def find(self, question: Question) -> Answer | None:
        """The stored answer to the question; None where it was never answered."""
        return answers.find(self._lake, question.key)

    def refuse(self, question: Question, model: Model) -> None:
        """Raise where asking is of no use: the model is parked, and the answer is not stored.

        Raises:
            ModelError: of the kind that the model is parked for.
        """
        try:
            self._refuse(model)
        except ModelError:
            if not self.find(question):
                raise

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
        while True:
            self._refuse(model)
            outcome = self._attempt(question, model, slot)
            if isinstance(outcome, Answer):
                self._bad_requests[model.name] = 0
                return outcome
            kind = outcome.fault.kind
            logger.info("%s", outcome.fault)
            if kind in (FaultKind.CONTENT, FaultKind.CONTEXT):
                return self._remember(question, kind)
            strikes[kind] += 1
            if not self._may_try_again(outcome, model, strikes[kind]):
                raise outcome.fault

    def _refuse(self, model: Model) -> None:
        """Raise where the model is not to be asked now."""
        parked = self._parking.parked(model)
        if parked and not (parked.kind in _TRIED_BY_A_NEW_RUN and parked.since < self._opened_at):
            raise ModelError(str(parked), "the next model takes over", parked.kind)
        kind, until = self._resting.get(model.name, (FaultKind.NETWORK, self._opened_at))
        if until > dt.datetime.now(dt.UTC):
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
            reserved = self._ledger.reserve(
                model.name, worst_usd, model.timeout_seconds + _LONGEST_WAIT_SECONDS
            )
            try:
                self._warm_up(model)
                # Counting takes milliseconds, and without tpm nothing asks for it.
                turn = self._pacer.turn(model, tokens_about(question) if model.tpm else 0)
                self._refuse(model)  # another worker may have parked it meanwhile
            except ModelError:
                self._ledger.settle(reserved, 0.0)
                raise
            try:
                answer = self._request(question, model, partial(self._pacer.sent, turn))
            except ModelError as fault:
                self._write_off(reserved, fault.kind)
                return _Failure(fault=fault, turn=turn)
        answers.save(self._lake, answer)
        self._pacer.answered(model, turn, answer.prompt_tokens + answer.completion_tokens)
        self._ledger.settle(reserved, worst_usd if answer.cost_usd is None else answer.cost_usd)
        return answer

    def _warm_up(self, model: Model) -> None:
        """Have nothing slow left between taking a turn and sending the request."""
        if model.name not in self._warm:
            client.warm_up([model])
            self._warm.add(model.name)

    def _write_off(self, reserved: str, kind: FaultKind) -> None:
        if kind in _IN_DOUBT:
            self._ledger.doubt(reserved)
        else:
            self._ledger.settle(reserved, 0.0)

    def _may_try_again(self, failure: _Failure, model: Model, strikes: int) -> bool:
        """Do what the fault's policy says; whether the same request is to be made again."""
        kind, wait = failure.fault.kind, failure.fault.wait_seconds
        treatment = TREATMENTS[kind]
        if treatment.policy is Policy.WAIT:
            strikes = self._pacer.refused(model, failure.turn, wait)
        if treatment.policy is Policy.STOP:
            self._bad_requests[model.name] += 1
        if strikes <= treatment.attempts and (wait or 0.0) <= _LONGEST_WAIT_SECONDS:
            if treatment.policy is Policy.RETRY:
                time.sleep(max(wait or 0.0, backoff_seconds(kind, strikes)))
            return True
        until = parked_until(kind, model.name, dt.datetime.now(dt.UTC), wait)
        if treatment.policy is Policy.PARK:
            self._parking.park(model, kind, until)
        elif treatment.policy in (Policy.WAIT, Policy.RETRY):
            self._resting[model.name] = (kind, until)
            logger.warning("%s is left alone until %s UTC", model.name, f"{until:%H:%M}")
        return False

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
