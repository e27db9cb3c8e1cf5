"""Publish and record: the digest into lake and reports, and what the run's page shows of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from prefect import get_client, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed

from broadsheet import history, publishing
from broadsheet.editions import Edition
from broadsheet.ingest import Heard
from broadsheet.models import Analysis, Outcome, Pick
from broadsheet.publishing import Published


@task(task_run_name="publish {edition}", cache_policy=NO_CACHE)
def publish_digest(
    edition: Edition,
    heard: Heard,
    scores: pa.Table,
    picks: Sequence[Pick],
    analyses: Sequence[Analysis],
) -> Published:
    """The digest in the lake and in `reports/`, and as artifacts of the run."""
    digest = publishing.compose(edition, heard, scores, picks, analyses)
    published = publishing.publish(edition, digest, str(this_run.id))
    _show(edition, published, scores, picks)
    return published


def _show(edition: Edition, published: Published, scores: pa.Table, picks: Sequence[Pick]) -> None:
    name = edition.profile.name
    page = published.report.read_text(encoding="utf-8") if published.report else ""
    create_markdown_artifact(page, key=f"digest-{name}", description=f"digest {edition}")
    create_table_artifact(
        publishing.score_table(scores, picks),
        key=f"scores-{name}",
        description=f"scores and picks {edition}",
    )


def tag_run(edition: Edition) -> None:
    """Tag the flow run alone: on task runs tags cost a request for a slot of each one's limit."""
    tags = [*this_run.tags, f"profile:{edition.profile.name}", f"date:{edition.date}"]
    with get_client(sync_client=True) as server:
        server.update_flow_run(this_run.id, tags=tags)


def as_state(published: Published) -> State[Published]:
    """The flow run's final state: completed, named by the outcome where it is not `complete`."""
    named = {Outcome.EMPTY: "Empty", Outcome.PARTIAL: "Partial"}.get(published.outcome)
    message = f"{published.selected} papers, {published.pending} pending"
    return Completed(name=named, message=message, data=published)


def record_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A row in `runs` for a digest's flow run, whatever became of it (a state hook)."""
    result = state.result(raise_on_failure=False)
    history.record(
        run_id=str(flow_run.id),
        flow=flow.name,
        name=flow_run.name,
        profile=str(flow_run.parameters["profile"]),
        date=dt.date.fromisoformat(str(flow_run.parameters["date"])),
        started_at=flow_run.start_time or dt.datetime.now(dt.UTC),
        result=result,
    )


def sum_up(
    editions: Sequence[tuple[str, dt.date]], states: Sequence[State[Published]]
) -> State[Any]:
    """One state for all these digests: failed if any is, else the least complete one's name."""
    results = [state.result(raise_on_failure=False) for state in states]
    published = [
        result if isinstance(result, Published) else publishing.failed(*edition, result)
        for edition, result in zip(editions, results, strict=True)
    ]
    outcomes = {p.outcome for p in published}
    if Outcome.FAILED in outcomes:
        return Failed(message=next(p.message for p in published if p.message), data=published)
    if Outcome.PARTIAL in outcomes:
        return Completed(name="Partial", data=published)
    return Completed(name="Empty" if outcomes == {Outcome.EMPTY} else None, data=published)
