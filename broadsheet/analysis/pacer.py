"""The pacer: a quota is used to the brim, by all workers together, and across restarts.

A sliding-window log of the requests sent, per model, in the shared state: the next one goes as soon
as the oldest leaves the window. Stamps are those of the moment of sending, so that nothing slow
before it makes the window too short. A provider's request to wait holds back every worker.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broadsheet.analysis.faults import backoff_seconds, day_began, parked_until
from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError
from broadsheet.state import State, Transaction, know

logger = logging.getLogger(__name__)

MARGIN, LEAST_MARGIN_SECONDS = 0.01, 0.05
"""Added to a window, as a share of it and at least: one request may be longer on its way than the
next, and arrive with less between them than they were sent with."""
_ROUNDED_OFF_SECONDS = 0.05  # of what providers say, at most, where it is not whole seconds
_KEPT_SECONDS = 2 * 86400.0
_LEARNT_FOR_SECONDS = 900.0  # then a refusal is risked: the quota may not have been ours alone
_LONGEST_MINUTE = 60.0  # seconds; providers count requests over this at most, days aside
_WORTH_DIVIDING, _PORTIONS = 20, 10
_WORTH_TELLING_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 5.0  # things change while one waits: a model is parked, a clock put right
_FORGOTTEN_AFTER_SECONDS = 120.0
LONGEST_HOLD_SECONDS = 600.0
"""No provider that counts by the minute asks for more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """How many requests, and tokens, a window of so many seconds has room for; None: no limit."""

    requests: int | None
    tokens: int | None
    seconds: float

    @property
    def width(self) -> float:
        """Seconds after which a request certainly counts no more."""
        return self.seconds + max(self.seconds * MARGIN, LEAST_MARGIN_SECONDS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """One request in the log: when it was sent (seconds since 1970), and its tokens."""

    at: float
    tokens: int


def seconds_to_wait(now: float, log: Sequence[Sent], quota: Quota, tokens: int) -> float:
    """Until a request of so many tokens fits into the quota; 0 where it does now.

    A request that is larger than the whole quota of tokens fits into an empty window.

    Args:
        now: seconds since 1970, as those of the log.
        log: what was sent, oldest first.
        quota: of the model.
        tokens: that the request is expected to use.
    """
    width = quota.width
    inside = [sent for sent in log if sent.at > now - width]
    waits = [0.0]
    if quota.requests is not None and len(inside) >= quota.requests:
        waits.append(inside[-quota.requests].at + width - now)
    if quota.tokens is not None:
        room = quota.tokens - min(tokens, quota.tokens) - sum(sent.tokens for sent in inside)
        for sent in inside:
            if room >= 0:
                break
            room += sent.tokens
            waits.append(sent.at + width - now)
    return max(waits)


def portions(quota: Quota) -> list[Quota]:
    """The portions that providers hand a large quota out in: tenths of its minute.

    Source: OpenAI enforces a limit of 60 requests per minute as one per second
    (https://platform.openai.com/docs/guides/rate-limits).
    """
    if quota.requests is None or quota.requests < _WORTH_DIVIDING:
        return []
    requests = -(-quota.requests // _PORTIONS)
    return [Quota(requests=requests, tokens=None, seconds=quota.seconds / _PORTIONS)]


class Pacer:
    """Turns to send a request, one model's quota over all workers."""

    def __init__(self, state: State, pause: Callable[[float], None] = time.sleep) -> None:
        self._state, self._pause = state, pause

    def turn(self, model: Model, tokens: int, refuse: Callable[[], None] = lambda: None) -> str:
        """Wait until a request may be sent, and enter it into the log; the entry's id.

        Args:
            model: whom to ask.
            tokens: that the request is expected to use.
            refuse: raises where there is no sense in waiting (any more).

        Raises:
            ModelError: `daily`, the day's requests are used up.
            StateError: the shared state cannot be used.
        """
        is_told = False
        while True:
            refuse()
            with self._state.transaction() as transaction:
                wait = self._wait(transaction, model, tokens)
                if wait <= 0:
                    return self._enter(transaction, model, tokens)
            if wait > _WORTH_TELLING_SECONDS and not is_told:
                logger.info("waiting %.0f s for a turn at %s", wait, model.name)
                is_told = True
            self._pause(min(wait, _LOOK_AGAIN_SECONDS))

    def sent(self, turn: str) -> None:
        """Stamp the turn's entry: its request is sent now."""
        with self._state.transaction() as transaction:
            transaction.run("update requests set sent_at = ? where id = ?", transaction.now, turn)

    def give_back(self, turn: str) -> None:
        """Take the turn's entry out: its request was not sent."""
        with self._state.transaction() as transaction:
            transaction.run("delete from requests where id = ?", turn)

    def answered(self, model: Model, turn: str, tokens: int) -> None:
        """Enter the tokens that the request really used, if told; its model is in order."""
        with self._state.transaction() as transaction:
            if tokens:
                transaction.run("update requests set tokens = ? where id = ?", tokens, turn)
            transaction.run(
                "update models set strikes = 0, answered_at = ?, parked_until = 0 where model = ?",
                transaction.now,
                model.name,
            )

    def hold(self, model: Model, seconds: float) -> None:
        """Let no worker send a request for so long."""
        with self._state.transaction() as transaction:
            know(transaction, model.name)
            _hold(transaction, model, seconds)

    def refused(self, model: Model, turn: str, wait_seconds: float | None) -> int:
        """Hold back every worker: the provider wants no request for a while.

        Args:
            model: whose provider refused.
            turn: of the refused request, which does not count.
            wait_seconds: as the provider says; None: ever longer, from refusal to refusal.

        Returns:
            How often in a row it has refused; requests that were under way together count once.
        """
        with self._state.transaction() as transaction:
            know(transaction, model.name)
            sent_at = transaction.run("delete from requests where id = ? returning sent_at", turn)
            held_until, before = transaction.run(
                "select held_until, strikes from models where model = ?", model.name
            )[0]
            is_anew = not before or not sent_at or sent_at[0][0] > held_until
            is_old = transaction.now > held_until + _FORGOTTEN_AFTER_SECONDS
            strikes = int(is_anew if is_old else before + is_anew)
            _learn(transaction, model, wait_seconds, is_anew)
            minutes = model.window_seconds / _LONGEST_MINUTE
            wait = wait_seconds or backoff_seconds(FaultKind.RATE, strikes) * minutes
            _hold(transaction, model, wait)
            sql = "update models set strikes = ? where model = ?"
            transaction.run(sql, strikes, model.name)
            return strikes

    def _wait(self, transaction: Transaction, model: Model, tokens: int) -> float:
        now = transaction.now
        _refuse_beyond_day(transaction, model)
        quota = _quota_of(transaction, model)
        # A stamp in the future is one of a clock that has been put back since.
        entries = transaction.run(
            "select sent_at, tokens from requests"
            " where model = ? and sent_at > ? and sent_at <= ? order by sent_at",
            model.name,
            now - quota.width,
            now,
        )
        log = [Sent(at=at, tokens=used) for at, used in entries]
        waits = [seconds_to_wait(now, log, each, tokens) for each in (quota, *portions(quota))]
        return max(_held_for(transaction, model), *waits)

    def _enter(self, transaction: Transaction, model: Model, tokens: int) -> str:
        turn, now = uuid.uuid4().hex, transaction.now
        transaction.run("insert into requests values (?, ?, ?, ?)", turn, model.name, now, tokens)
        transaction.run("delete from requests where sent_at < ?", now - _KEPT_SECONDS)
        know(transaction, model.name)
        return turn


def _hold(transaction: Transaction, model: Model, seconds: float) -> None:
    until = transaction.now + seconds * (1 + MARGIN) + _ROUNDED_OFF_SECONDS
    transaction.run(
        "update models set held_until = ? where model = ? and held_until < ?",
        until,
        model.name,
        until,
    )


def _held_for(transaction: Transaction, model: Model) -> float:
    """Seconds; none where the instant is so far off that a clock has been put back since."""
    held = transaction.run("select held_until from models where model = ?", model.name)
    seconds = held[0][0] - transaction.now if held else 0.0
    return seconds if seconds <= LONGEST_HOLD_SECONDS * (1 + 2 * MARGIN) else 0.0


def _refuse_beyond_day(transaction: Transaction, model: Model) -> None:
    if model.rpd is None:
        return
    now = dt.datetime.fromtimestamp(transaction.now, dt.UTC)
    began = day_began(model.name, now).timestamp()
    ends = parked_until(FaultKind.DAILY, model.name, now, None)
    # A stamp beyond the day is one of a clock that has been put back since.
    count = "select count(*) from requests where model = ? and sent_at >= ? and sent_at < ?"
    if transaction.run(count, model.name, began, ends.timestamp())[0][0] >= model.rpd:
        raise ModelError(
            f"{model.name}: its {model.rpd} requests of the day are used",
            f"they are renewed at {ends:%Y-%m-%d %H:%M} UTC",
            FaultKind.DAILY,
            (ends - now).total_seconds(),
        )


def _quota_of(transaction: Transaction, model: Model) -> Quota:
    """The quota by the settings; where they name none, what its refusals have taught."""
    if model.rpm is None and model.tpm is None:
        learnt = transaction.run(
            "select learned_requests, learned_seconds from models"
            " where model = ? and learned_at > ?",
            model.name,
            transaction.now - _LEARNT_FOR_SECONDS,
        )
        if learnt:
            return Quota(requests=learnt[0][0], tokens=None, seconds=learnt[0][1])
    return Quota(requests=model.rpm, tokens=model.tpm, seconds=model.window_seconds)


def _learn(
    transaction: Transaction, model: Model, wait_seconds: float | None, is_anew: bool
) -> None:
    """Conclude from a refusal what the quota is, where the settings do not say.

    The other requests of the last minute fill a window, the oldest of them leaves it when the wait
    is over; of requests refused together the last one knows best how many. A request that was sent
    and refused in spite of what was learnt (`is_anew`) takes one off.
    """
    if model.rpm is not None or model.tpm is not None or wait_seconds is None:
        return
    freed_at = transaction.now + wait_seconds
    count, oldest = transaction.run(
        "select count(*), min(sent_at) from requests where model = ? and sent_at > ?",
        model.name,
        freed_at - _LONGEST_MINUTE,
    )[0]
    if not count:
        return
    learnt = _quota_of(transaction, model)
    seconds = learnt.seconds if learnt.requests else freed_at - oldest
    if learnt.requests:
        count = max(1, min(count, learnt.requests - is_anew))
    transaction.run(
        "update models set learned_requests = ?, learned_seconds = ?, learned_at = ?"
        " where model = ?",
        count,
        seconds,
        transaction.now,
        model.name,
    )
