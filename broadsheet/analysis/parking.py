"""Models that are not to be asked for a while: until when and why, for all workers to see."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import re
from dataclasses import dataclass

from broadsheet.config import Model
from broadsheet.errors import FaultKind
from broadsheet.state import State, know

logger = logging.getLogger(__name__)

_CREDENTIAL = re.compile(r"(API_?KEY|ACCESS_KEY(_ID)?|TOKEN|SECRET|CREDENTIALS|API_BASE|BASE_URL)$")
CURABLE = (FaultKind.AUTH, FaultKind.CREDIT)
"""What the owner of key and account can put right before the time is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parked:
    """One parked model."""

    model: str
    kind: FaultKind
    until: dt.datetime
    since: dt.datetime

    def __str__(self) -> str:
        return f"{self.model} is parked until {self.until:%Y-%m-%d %H:%M} UTC ({self.kind})"


class Parking:
    """The parked models of the shared state."""

    def __init__(self, state: State) -> None:
        self._state = state

    def park(self, model: Model, kind: FaultKind, until: dt.datetime) -> None:
        """Let nobody ask the model before that instant."""
        with self._state.transaction() as transaction:
            know(transaction, model.name)
            transaction.run(
                "update models set parked_until = ?, parked_for = ?, parked_at = ?,"
                " credentials = ?, strikes = 0 where model = ?",
                until.timestamp(),
                kind.value,
                transaction.now,
                _credentials(model),
                model.name,
            )
        logger.warning(
            "parked %s until %s UTC: %s", model.name, f"{until:%Y-%m-%d %H:%M}", kind.value
        )

    def parked(self, model: Model) -> Parked | None:
        """How the model is parked now; None: it may be asked.

        A key or endpoint that has changed since takes a model out that was parked because of it.
        """
        with self._state.transaction() as transaction:
            rows = transaction.run(
                "select parked_for, parked_until, parked_at, credentials from models"
                # parked in the future: by a clock that has been put back since
                " where model = ? and parked_until > ? and parked_at <= ?",
                model.name,
                transaction.now,
                transaction.now,
            )
        for kind, until, since, credentials in rows:
            if kind not in CURABLE or credentials == _credentials(model):
                return Parked(
                    model=model.name,
                    kind=FaultKind(kind),
                    until=dt.datetime.fromtimestamp(until, dt.UTC),
                    since=dt.datetime.fromtimestamp(since, dt.UTC),
                )
        return None

    def has_answered(self, model: Model, within_seconds: float) -> bool:
        """Whether the model has answered anybody in the last so many seconds."""
        with self._state.transaction() as transaction:
            since = transaction.now - within_seconds
            sql = "select 1 from models where model = ? and answered_at > ?"
            return bool(transaction.run(sql, model.name, since))


def _credentials(model: Model) -> str:
    """A fingerprint of the keys and endpoints in force; no secret can be had from it."""
    named = sorted((k, v) for k, v in os.environ.items() if _CREDENTIAL.search(k))
    return hashlib.sha256(repr((model.endpoint, named)).encode()).hexdigest()[:16]
