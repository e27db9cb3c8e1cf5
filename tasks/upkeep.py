"""Upkeep: the lake tidied and checked, and what Prefect keeps of old runs forgotten."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

from prefect import get_client, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, State
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH
from prefect.states import Completed, Failed

from broadsheet import doctor, maintaining
from broadsheet.maintaining import Upkeep

logger = logging.getLogger("broadsheet.tasks")

OUR_FLOWS = ("daily", "digest", "backfill", "repair", "repair-digest", "maintenance")
_PAGE = 50  # runs at a time
_MOST_PAGES = 100  # of one maintenance; the next goes on from there
_LONGEST = 300  # characters of a finding, which may quote a row


@task(task_run_name="set damaged files aside", cache_policy=NO_CACHE)
def set_aside(upkeep: Upkeep) -> list[str]:
    """Damaged files of the lake, moved aside, and what to run again."""
    return maintaining.set_aside(upkeep)


@task(task_run_name="tidy the lake", cache_policy=NO_CACHE)
def tidy(upkeep: Upkeep) -> list[str]:
    """Small files merged, snapshots dropped, leftovers removed."""
    planned = maintaining.tidy(upkeep)
    return [f"ok    lake: {planned.told(is_done=not upkeep.is_rehearsal)}"]


@task(task_run_name="verify the lake", cache_policy=NO_CACHE)
def verify(upkeep: Upkeep) -> list[str]:
    """What the queries in `sql/checks` find in the lake as it is now."""
    return doctor.check(upkeep.lake)


@task(task_run_name="forget old runs", cache_policy=NO_CACHE)
def forget_runs(upkeep: Upkeep) -> list[str]:
    """Our flows' old runs taken off the Prefect server, with their artifacts, tasks and logs."""
    with get_client(sync_client=True) as server:
        work = _count if upkeep.is_rehearsal else _forget
        count = work(server, upkeep.forget_before)
    verb = "would be forgotten" if upkeep.is_rehearsal else "forgotten"
    return [f"ok    runs: {count} older than {upkeep.forget_before:%Y-%m-%d} {verb}"]


@task(task_run_name="forget old results", cache_policy=NO_CACHE)
def forget_results(upkeep: Upkeep) -> list[str]:
    """Results that Prefect stored below home, deleted where they are old."""
    return maintaining.forget_results(upkeep, PREFECT_LOCAL_STORAGE_PATH.value())


def report(upkeep: Upkeep, findings: Sequence[str]) -> State[list[str]]:
    """The flow run's final state, failed where the lake is unsound; the findings are its artifact.

    Args:
        upkeep: the maintenance.
        findings: lines that start with `ok`, `warn` or `FAIL`.
    """
    table = [{"finding": line[:4].strip(), "what": line[6:][:_LONGEST]} for line in findings]
    create_table_artifact(table, key="maintenance", description=f"maintenance {upkeep}")
    bad = [line[6:] for line in findings if line.startswith("FAIL")]
    if bad:
        message = f"{len(bad)} findings, first: {bad[0]}"[:_LONGEST]
        return Failed(name="Unsound", message=message, data=list(findings))
    name = "Rehearsed" if upkeep.is_rehearsal else None
    return Completed(name=name, message=f"{len(findings)} findings, none bad", data=list(findings))


def _filters(before: dt.datetime) -> tuple[FlowFilter, FlowRunFilter]:
    """What selects the runs of our flows that ended before that instant."""
    ended = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(TERMINAL_STATES))),
        end_time=FlowRunFilterEndTime(before_=before),
    )
    return FlowFilter(name=FlowFilterName(any_=list(OUR_FLOWS))), ended


def _count(server: SyncPrefectClient, before: dt.datetime) -> int:
    flows, ended = _filters(before)
    return server.count_flow_runs(flow_filter=flows, flow_run_filter=ended)


def _forget(server: SyncPrefectClient, before: dt.datetime) -> int:
    """Delete the runs, a page at a time; how many it were."""
    flows, ended = _filters(before)
    count = 0
    for _ in range(_MOST_PAGES):
        page = server.read_flow_runs(flow_filter=flows, flow_run_filter=ended, limit=_PAGE)
        for run in page:
            _forget_artifacts(server, run.id)
            with suppress(ObjectNotFound):  # somebody else has deleted it
                server.delete_flow_run(run.id)
        count += len(page)
        if len(page) < _PAGE:
            break
    return count


def _forget_artifacts(server: SyncPrefectClient, run: UUID) -> None:
    """Delete the run's artifacts: the server would keep them without it (its logs it does not)."""
    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    while page := server.read_artifacts(artifact_filter=of_run, limit=_PAGE):
        for artifact in page:
            with suppress(ObjectNotFound):
                server.delete_artifact(artifact.id)
