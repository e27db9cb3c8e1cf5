"""Backfill: every digest of a range of dates that is not complete.

plan_range    which those are
read_lists    the lists they need, ahead, in few requests
narrowed      without those that a second reading of the lists leaves as they are
make_each     each digest in its own flow run, some at once; one that fails stops no other
build_site    the web pages, where the settings ask for them
sum_up        what became of each, in a closing table
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from broadsheet.planning import narrowed, plan_range
from flows.digest import RECORDED, digest_of_stored_lists
from flows.parameters import Order, Parallel, Profiles
from tasks.batches import make_each, read_lists
from tasks.digests import sum_up
from tasks.sites import build_site


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters
    whose = ", ".join(parameters["profiles"]) or "all"
    return f"backfill {whose} {parameters['start']} to {parameters['end']}"


@flow(name="backfill", flow_run_name=_run_name, **RECORDED)
def backfill(
    start: dt.date,
    end: dt.date,
    profiles: Profiles = (),
    order: Order = "newest first",
    refresh: bool = False,
    parallel: Parallel = 2,
) -> State[Any]:
    """Every digest of a range of dates that is not complete yet. What was paid for is reused.

    Args:
        start: First date.
        end: Last date.
        profiles: Whose digests; none chosen: everybody's.
        order: Which dates come first.
        refresh: Read the lists again that are stored; digests whose list has grown are made anew.
        parallel: How many digests are made at once.
    """
    plan = plan_range(start, end, profiles, order, refresh=refresh)
    lists = read_lists(plan)
    wanted = narrowed(plan, lists)
    states = make_each(digest_of_stored_lists, wanted, lists, parallel)
    build_site()
    return sum_up(wanted.keys, states)
