"""The day's digests: one per profile, each in its own flow run; one that fails stops no other."""

from __future__ import annotations

import datetime as dt
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from broadsheet.editions import newest_date
from flows.digest import digest
from tasks.digests import sum_up


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters
    return f"{', '.join(parameters['profiles'])} {parameters['date'] or 'newest'}"


@flow(name="daily", flow_run_name=_run_name)
def daily(profiles: list[str], date: dt.date | None = None) -> State[Any]:
    """The digests of these profiles for a date; without one, for the newest that has a list."""
    date = date or newest_date(profiles[0])
    states: list[State[Any]] = [digest(name, date, return_state=True) for name in profiles]
    return sum_up([(name, date) for name in profiles], states)
