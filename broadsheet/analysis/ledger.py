"""The ledger: what answers may cost is reserved before each request and settled after it."""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from broadsheet.config import Settings
from broadsheet.errors import FaultKind, ModelError
from broadsheet.state import State, Transaction

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 0.5
_KEPT_SECONDS = 400 * 86400.0


class Room(StrEnum):
    """Whether a request fits below a cap."""

    YES = "yes"
    WAIT = "wait"
    """Not while what others have reserved may still be spent."""
    NO = "no"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    """US dollars since some instant: `spent` is settled or in doubt, `reserved` under way."""

    spent: float
    reserved: float


def room(cap_usd: float, spending: Spending, usd: float) -> Room:
    """Whether that much more fits below the cap, all of them US dollars."""
    if usd <= 0:
        return Room.YES
    if spending.spent + usd > cap_usd:
        return Room.NO
    return Room.YES if spending.spent + spending.reserved + usd <= cap_usd else Room.WAIT


class Ledger:
    """The money of one run, below the caps of run, day and month; days and months are UTC."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        run: str,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._state, self._run, self._pause = state, run, pause
        self._caps = {
            "run": settings.budget_usd_per_run,
            "day": settings.budget_usd_per_day,
            "month": settings.budget_usd_per_month,
        }

    def reserve(self, model: str, usd: float, seconds: float) -> str:
        """Set the worst case of a request aside, waiting for what is under way; the entry's id.

        Args:
            model: whom it is for.
            usd: what the request may cost at most.
            seconds: after which the request counts as lost, and its reservation as spent.

        Raises:
            ModelError: `budget`, the request does not fit below a cap.
            StateError: the shared state cannot be used.
        """
        is_told = False
        while True:
            with self._state.transaction() as transaction:
                full = self._full(transaction, usd)
                if not full:
                    return self._enter(transaction, model, usd, seconds)
            if not is_told:
                logger.info("waiting for what is under way, to see what it leaves of the budget")
                is_told = True
            self._pause(_LOOK_AGAIN_SECONDS)

    def settle(self, entry: str, usd: float) -> None:
        """Enter what the request has really cost; 0 where it was not served."""
        with self._state.transaction() as transaction:
            transaction.run("update spending set spent_usd = ? where id = ?", usd, entry)

    def doubt(self, entry: str) -> None:
        """Count the whole reservation as spent: nobody knows whether the request was served."""
        with self._state.transaction() as transaction:
            sql = "update spending set spent_usd = reserved_usd where id = ?"
            transaction.run(sql, entry)

    def spending(self) -> dict[str, tuple[Spending, float | None]]:
        """What was spent per run, day and month, and the cap of each; None: no cap."""
        with self._state.transaction() as transaction:
            return {name: (self._since(transaction, name), cap) for name, cap in self._caps.items()}

    def _full(self, transaction: Transaction, usd: float) -> bool:
        """Whether it does not fit now, but may when what is under way has come in."""
        for name, cap in self._caps.items():
            if cap is None:
                continue
            spending = self._since(transaction, name)
            found = room(cap, spending, usd)
            if found is Room.NO:
                raise _over(name, cap, spending, usd)
            if found is Room.WAIT:
                return True
        return False

    def _since(self, transaction: Transaction, name: str) -> Spending:
        now = transaction.now
        sql = (
            "select coalesce(sum(case when spent_usd is not null then spent_usd"
            " when expires_at < ? or reserved_at > ? then reserved_usd else 0 end), 0),"
            " coalesce(sum(case when spent_usd is null and expires_at >= ? and reserved_at <= ?"
            " then reserved_usd else 0 end), 0) from spending where "
        )
        # Reserved in the future, by a clock that has been put back since: nothing to wait for.
        told = (now, now, now, now)
        if name == "run":
            rows = transaction.run(sql + "run = ?", *told, self._run)
        else:
            period = (began(name, now), _ends(name, now))
            rows = transaction.run(sql + "reserved_at >= ? and reserved_at < ?", *told, *period)
        return Spending(spent=float(rows[0][0]), reserved=float(rows[0][1]))

    def _enter(self, transaction: Transaction, model: str, usd: float, seconds: float) -> str:
        entry, now = uuid.uuid4().hex, transaction.now
        transaction.run(
            "insert into spending values (?, ?, ?, ?, ?, ?, null)",
            entry,
            self._run,
            model,
            now,
            now + seconds,
            usd,
        )
        transaction.run("delete from spending where reserved_at < ?", now - _KEPT_SECONDS)
        return entry


def began(period: str, now: float) -> float:
    """When the UTC day or month of that instant began, all in seconds since 1970."""
    today = dt.datetime.fromtimestamp(now, dt.UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return (today if period == "day" else today.replace(day=1)).timestamp()


def _ends(period: str, now: float) -> float:
    """When the one after it begins, in seconds since 1970."""
    return began(period, began(period, now) + (1 if period == "day" else 32) * 86400)


def _over(name: str, cap: float, spending: Spending, usd: float) -> ModelError:
    return ModelError(
        f"the budget per {name} of ${cap:g} has no room: ${spending.spent:.4f} are spent,"
        f" the next request may cost ${usd:.4f}",
        f"raise budget_usd_per_{name}, or repair when it is renewed",
        FaultKind.BUDGET,
    )
