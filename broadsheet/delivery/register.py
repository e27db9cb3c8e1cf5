"""The register: what was sent whereto, so that no worker sends it twice, whenever one is killed.

A delivery is *claimed*, until an instant after which the claim counts as a killed worker's; then,
just before the step that cannot be taken back, it is *handing over*; then *sent*. One that is
found handing over after its time may have arrived: nobody but its owner can say, and it is not
sent again without being asked to.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from typing import Literal

from broadsheet.errors import DeliveryError, NotSent
from broadsheet.models import Outcome
from broadsheet.state import State, Transaction

_TABLE = """create table if not exists deliveries (
    profile text not null, date text not null, target text not null, stage text not null,
    standing text not null, outcome text not null, owner text not null,
    until double precision not null, attempts integer not null, copy integer not null,
    began_at double precision not null, changed_at double precision not null,
    reason text not null, remedy text not null, fingerprint text not null,
    primary key (profile, date, target, stage))"""
_READ = """select standing, outcome, owner, until, attempts, copy, began_at, changed_at,
    reason, remedy, fingerprint
    from deliveries where profile = ? and date = ? and target = ? and stage = ?"""
_WRITE = """insert into deliveries (standing, outcome, owner, until, attempts, copy, began_at,
    changed_at, reason, remedy, fingerprint, profile, date, target, stage)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (profile, date, target, stage) do update set
    standing = excluded.standing, outcome = excluded.outcome, owner = excluded.owner,
    until = excluded.until, attempts = excluded.attempts, copy = excluded.copy,
    began_at = excluded.began_at, changed_at = excluded.changed_at,
    reason = excluded.reason, remedy = excluded.remedy, fingerprint = excluded.fingerprint"""
_OPEN = """select distinct date from deliveries as one where profile = ? and (
    standing <> 'sent' or (? = 1 and outcome = 'partial' and stage = 'published'
    and not exists (select 1 from deliveries as other where other.profile = one.profile
    and other.date = one.date and other.target = one.target and other.stage = 'completed')))"""
_LAST = """select max(date) from deliveries
    where profile = ? and target = ? and standing = 'sent'"""

LEASE_SECONDS = 900.0
"""How long a claim holds: longer than all time limits of one delivery together."""
WAITS_SECONDS = (300.0, 900.0, 3600.0, 3 * 3600.0, 6 * 3600.0)
"""Between tries, the last for ever."""
PATIENCE_SECONDS = 5 * 86400.0
"""How long what is temporary is tried: as mail servers do.
Source: RFC 5321, 4.5.4.1"""


class Standing(StrEnum):
    """How far a delivery has come."""

    CLAIMED = "claimed"
    HANDING = "handing over"
    SENT = "sent"
    FAILED = "failed"
    """It is tried again, at an instant."""
    PARKED = "parked"
    """It is tried again when what it depends on was changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One delivery; `stage` is `completed` for the second one of a digest that was partial."""

    profile: str
    date: dt.date
    target: str
    stage: Literal["published", "completed"] = "published"

    @property
    def values(self) -> tuple[str, str, str, str]:
        """As the register has them."""
        return self.profile, str(self.date), self.target, self.stage


@dataclass(frozen=True, slots=True)
class Entry:
    """What the register says of a delivery, in its order; instants are seconds since 1970."""

    standing: Standing
    outcome: Outcome
    """Of the digest, as it was last tried to send it."""
    owner: str
    until: float
    """When a claim ends, or the next try is due."""
    attempts: int
    copy: int
    """Counted up where what was sent is sent again on request."""
    began_at: float
    changed_at: float
    reason: str = ""
    remedy: str = ""
    fingerprint: str = ""

    def is_unknown(self, now: float) -> bool:
        """Whether it may have arrived or not, and whoever was sending it is gone."""
        return self.standing is Standing.HANDING and not self._is_held(now)

    def is_due(self, now: float, fingerprint: str) -> bool:
        """Whether it is to be sent now."""
        if self.standing is Standing.PARKED:
            return self.fingerprint != fingerprint
        is_waiting = self.standing in (Standing.CLAIMED, Standing.FAILED)
        return is_waiting and not self._is_held(now)

    def may_be_claimed(self, now: float, fingerprint: str, again: bool) -> bool:
        """Whether whoever wants to send it may; `again` whatever became of it before."""
        is_idle = self.standing is not Standing.CLAIMED and self.standing is not Standing.HANDING
        return self.is_due(now, fingerprint) or (again and (is_idle or not self._is_held(now)))

    def _is_held(self, now: float) -> bool:
        # changed in the future: by a clock that has been put back since
        return self.until > now and self.changed_at <= now


class Register:
    """The deliveries of the shared state."""

    def __init__(self, state: State) -> None:
        self._state = state

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._state.transaction() as transaction:
            transaction.run(_TABLE)
            yield transaction

    def find(self, key: Key) -> tuple[Entry | None, float]:
        """What is known of the delivery, and the store's own time."""
        with self._transaction() as transaction:
            return _read(transaction, key), transaction.now

    def open_dates(self, profile: str, or_partial: bool = False) -> set[dt.date]:
        """The dates with a delivery that was begun and not sent.

        Args:
            profile: whose.
            or_partial: also those sent while partial, and not again since.
        """
        with self._transaction() as transaction:
            rows = transaction.run(_OPEN, profile, int(or_partial))
        return {dt.date.fromisoformat(row[0]) for row in rows}

    def last_sent(self, profile: str, target: str) -> dt.date | None:
        """The newest date whose digest was sent there."""
        with self._transaction() as transaction:
            [(found,)] = transaction.run(_LAST, profile, target)
        return dt.date.fromisoformat(found) if found else None

    def claim(
        self, key: Key, outcome: Outcome, fingerprint: str, again: bool = False
    ) -> Entry | None:
        """The delivery, which is the caller's from now on; None where it is not to be sent now."""
        with self._transaction() as transaction:
            now, before = transaction.now, _read(transaction, key)
            if before and not before.may_be_claimed(now, fingerprint, again):
                return None
            entry = claimed(before, now, outcome, fingerprint, again)
            _write(transaction, key, entry)
            return entry

    def hand_over(self, key: Key, entry: Entry) -> None:
        """Note that the next step cannot be taken back.

        Raises:
            DeliveryError: the claim ran out meanwhile, and another worker has it.
        """
        self._change(key, entry, lambda now: (Standing.HANDING, now + LEASE_SECONDS))

    def sent(self, key: Key, entry: Entry) -> None:
        """Note that it has arrived."""
        self._change(key, entry, lambda now: (Standing.SENT, 0.0))

    def failed(self, key: Key, entry: Entry, error: DeliveryError) -> Standing:
        """Note that it has not arrived, or may not have; what becomes of it."""
        told = replace(entry, reason=error.message, remedy=error.remedy)
        return self._change(key, told, lambda now: verdict(entry, error.kind, now))

    def _change(
        self, key: Key, entry: Entry, to: Callable[[float], tuple[Standing, float]]
    ) -> Standing:
        with self._transaction() as transaction:
            found = _read(transaction, key)
            if found is None or found.owner != entry.owner:
                raise DeliveryError(
                    f"cannot deliver {key.profile} {key.date}: another worker took it over",
                    "see what broadsheet doctor says of it",
                )
            standing, until = to(transaction.now)
            changed_at = transaction.now
            _write(
                transaction,
                key,
                replace(entry, standing=standing, until=until, changed_at=changed_at),
            )
            return standing


def claimed(
    before: Entry | None, now: float, outcome: Outcome, fingerprint: str, again: bool
) -> Entry:
    """The entry of a delivery that is about to be tried.

    Args:
        before: its entry until now.
        now: seconds since 1970.
        outcome: of the digest.
        fingerprint: of what it depends on.
        again: whether somebody wants it sent, whatever became of it before.
    """
    is_first = before is None or again or before.standing is Standing.PARKED
    return Entry(
        standing=Standing.CLAIMED,
        outcome=outcome,
        owner=uuid.uuid4().hex,
        until=now + LEASE_SECONDS,
        attempts=1 if before is None or is_first else before.attempts + 1,
        copy=before.copy + (before.standing is Standing.SENT) if before else 0,
        began_at=now if before is None or is_first else before.began_at,
        changed_at=now,
        fingerprint=fingerprint,
    )


def verdict(entry: Entry, kind: NotSent, now: float) -> tuple[Standing, float]:
    """What becomes of a delivery that failed so, and when it is tried again."""
    if kind is NotSent.UNKNOWN:
        return Standing.HANDING, 0.0
    if kind is NotSent.PERMANENT or now - entry.began_at > PATIENCE_SECONDS:
        return Standing.PARKED, 0.0
    return Standing.FAILED, now + WAITS_SECONDS[min(entry.attempts, len(WAITS_SECONDS)) - 1]


def _read(transaction: Transaction, key: Key) -> Entry | None:
    for standing, outcome, *rest in transaction.run(_READ, *key.values):
        return Entry(Standing(standing), Outcome(outcome), *rest)
    return None


def _write(transaction: Transaction, key: Key, entry: Entry) -> None:
    standing, outcome, *rest = astuple(entry)
    transaction.run(_WRITE, standing.value, outcome.value, *rest, *key.values)
