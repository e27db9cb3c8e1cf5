"""Publish and record: the digest into lake and reports, and what the run's page shows of it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from prefect import get_client
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.assets import add_asset_metadata, materialize
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow
from prefect.runtime import flow_run as this_run
from prefect.states import Completed, Failed

from broadsheet import closing, history, news, publishing, showing
from broadsheet.config import Settings, load_settings
from broadsheet.editions import Edition
from broadsheet.errors import Stopped, UsageError
from broadsheet.ingest import Heard
from broadsheet.models import Analysis, Outcome, Pick
from broadsheet.news import News
from broadsheet.publishing import Published
from broadsheet.volume import thin_lists
from tasks.assets import DIGESTS, READ_BY_A_DIGEST, digest_asset
from tasks.events import tell
from tasks.results import remember, result_of


def publish_digest(
    edition: Edition,
    heard: Heard,
    scores: pa.Table,
    picks: Sequence[Pick],
    analyses: Sequence[Analysis],
) -> Published:
    """The digest in the lake and in `reports/`, and as asset and artifacts of the run."""
    task = _publish.with_options(assets=[digest_asset(edition.profile)])
    return task(edition, heard, scores, picks, analyses)


@materialize(
    DIGESTS,
    name="publish_digest",
    task_run_name="publish {edition}",
    cache_policy=NO_CACHE,
    asset_deps=[*READ_BY_A_DIGEST],
)
def _publish(
    edition: Edition,
    heard: Heard,
    scores: pa.Table,
    picks: Sequence[Pick],
    analyses: Sequence[Analysis],
) -> Published:
    thin = thin_lists(edition, heard.missing)
    digest = publishing.compose(edition, heard, scores, picks, analyses)
    made = publishing.publish(edition, digest, str(this_run.id))
    published = replace(made, message="; ".join(str(volume) for volume in thin))
    tell([news.of_volume(volume) for volume in thin], edition.settings, str(this_run.id))
    _show(edition, published, scores, picks)
    show_money(edition, analyses)
    told = {"date": str(edition.date), "outcome": str(published.outcome)}
    add_asset_metadata(digest_asset(edition.profile), told)
    return published


def _show(edition: Edition, published: Published, scores: pa.Table, picks: Sequence[Pick]) -> None:
    name = edition.profile.name
    page = published.report.read_text(encoding="utf-8") if published.report else ""
    create_markdown_artifact(page, key=f"digest-{name}", description=f"digest {edition}")
    if rows := publishing.score_table(scores, picks):
        create_table_artifact(rows, key=f"scores-{name}", description=f"scores and picks {edition}")


def show_money(edition: Edition, analyses: Sequence[Analysis]) -> None:
    """What the run paid, as an artifact of it; none where it asked no model."""
    if rows := showing.money_table(edition.desk.bought, analyses):
        left = showing.budgets_left(edition)
        create_table_artifact(
            rows,
            key=f"money-{edition.profile.name}",
            description=f"money {edition}" + (f"; {left}" if left else ""),
        )


def tag_run(edition: Edition) -> None:
    """Tag the flow run alone: on task runs tags cost a request for a slot of each one's limit."""
    tags = [*this_run.tags, f"profile:{edition.profile.name}", f"date:{edition.date}"]
    with get_client(sync_client=True) as server:
        server.update_flow_run(this_run.id, tags=tags)


def as_state(published: Published) -> State[Published]:
    """The flow run's final state: completed, named by what is not as it should be."""
    remember(published)
    counts = f"{published.selected} papers, {published.pending} pending"
    message = "; ".join(filter(None, [counts, published.message]))
    return Completed(name=_name([published]), message=message, data=published)


def _name(digests: Sequence[Published]) -> str | None:
    """What completed digests have less than they should; `Thin`: one of their lists is."""
    named = {Outcome.EMPTY: "Empty", Outcome.PARTIAL: "Partial"}.get(history.worst(digests))
    return named or ("Thin" if history.message_of(digests) else None)


def record_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A row in `runs` for any flow run, and news of it, whatever became of it (a state hook)."""
    result, edition = _result(state), _edition(flow_run)
    try:
        if not (state.is_cancelling() or state.is_cancelled()):  # whoever did that knows
            settings = _settings()
            told = _news(flow, flow_run, result, edition, settings)
            tell([told], settings, str(flow_run.id))
    finally:
        profile, date = edition or (None, None)
        history.record(
            run_id=str(flow_run.id),
            flow=flow.name,
            name=flow_run.name,
            profile=profile,
            date=date,
            started_at=flow_run.start_time or dt.datetime.now(dt.UTC),
            result=result,
        )


def _result(state: State[Any]) -> object:
    """What a flow run has returned or raised; None where it returned nothing."""
    if state.is_cancelling():  # its hooks run while it is being stopped
        return Stopped("the run was cancelled", "start it again")
    if state.is_completed() and state.data is None:
        return None
    return result_of(state)


def _edition(flow_run: FlowRun) -> tuple[str, dt.date] | None:
    """Profile and date of the digest that a run makes; None where it makes none itself."""
    profile, date = (flow_run.parameters.get(name) for name in ("profile", "date"))
    return (str(profile), dt.date.fromisoformat(str(date))) if profile and date else None


def _news(
    flow: Flow[..., Any],
    flow_run: FlowRun,
    result: object,
    edition: tuple[str, dt.date] | None,
    settings: Settings | None,
) -> News:
    error = result if isinstance(result, BaseException) else None
    if edition and error:
        result = publishing.failed(*edition, error)
    if isinstance(result, Published):
        return news.of_digest(result, settings.home if settings else Path())
    subject = ".".join(filter(None, [flow.name, str(flow_run.deployment_id or "")]))
    return news.of_run(subject, flow_run.name, error)


def _settings() -> Settings | None:
    try:
        return load_settings()
    except UsageError:  # it is why the run has failed, and is told as such
        return None


def sum_up(
    editions: Sequence[tuple[str, dt.date]], states: Sequence[State[Published]]
) -> State[Any]:
    """One state for all these digests: failed if any is, else the least complete one's name."""
    results = [result_of(state) for state in states]
    published = [
        result if isinstance(result, Published) else publishing.failed(*edition, result)
        for edition, result in zip(editions, results, strict=True)
    ]
    remember(published)
    if len(published) > 1:
        told = closing.summary(published)
        create_table_artifact(closing.rows(published), key="digests-made", description=told)
    message = "; ".join(filter(None, [_counted(published), history.message_of(published)]))
    if history.worst(published) is Outcome.FAILED:
        return Failed(message=message, data=published)
    return Completed(name=_name(published), message=message, data=published)


def _counted(published: Sequence[Published]) -> str:
    counts = Counter(str(one.outcome) for one in published)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return told or "nothing to do"
