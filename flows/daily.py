"""The day's digests, and what earlier days still lack; each digest in a flow run of its own.

find_newest_date   the newest date with a list
attempt            each profile's digest of it; one that fails stops no other
plan_recent        days whose run was missed, and days before whose list may have grown since
read_lists         their lists, in few requests
narrowed           those without a digest, or whose list has grown
make_each          each of their digests
build_site         the web pages, where the settings ask for them
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from broadsheet.planning import narrowed, nothing, plan_recent
from flows.digest import RECORDED, digest_of_read_lists, digest_of_stored_lists
from flows.parameters import Profiles
from tasks.batches import attempt, make_each, read_lists
from tasks.digests import sum_up
from tasks.papers import find_newest_date
from tasks.sites import build_site


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters
    return f"{', '.join(parameters['profiles'])} {parameters['date'] or 'newest'}"


@flow(name="daily", flow_run_name=_run_name, **RECORDED)
def daily(profiles: Profiles, date: dt.date | None = None) -> State[Any]:
    """The digests of these profiles for the newest date, and what the days before it lack.

    Args:
        profiles: Whose digests are made, each in a run of its own.
        date: Of which day's list, and of no other day; None is the newest that there is.
    """
    newest = date or find_newest_date(profiles[0])
    first = [(name, newest) for name in profiles]
    made = [attempt(digest_of_read_lists, key) for key in first]
    recent = nothing() if date else plan_recent(profiles, newest)
    lists = read_lists(recent)
    wanted = narrowed(recent, lists)
    late = make_each(digest_of_stored_lists, wanted, lists, wanted.settings.parallel_digests)
    build_site()
    return sum_up([*first, *wanted.keys], [*made, *late])
