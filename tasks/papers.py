"""Ingest, score, select, fetch: the steps from a source's list to the texts to read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from prefect import task, unmapped
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run as this_run

from broadsheet import ingest, news, scoring, showing, texts
from broadsheet.config import load_profile, load_settings
from broadsheet.editions import Edition, newest_date
from broadsheet.errors import SourceError, SourceUnavailable
from broadsheet.ingest import Heard, Ingested
from broadsheet.models import FullText, Pick
from broadsheet.repairing import Missed, Repair
from broadsheet.sources import Source
from tasks.events import tell


@task(task_run_name="ingest {source.name} {edition.date}", cache_policy=NO_CACHE)
def ingest_listing(source: Source, edition: Edition, refresh: bool) -> Ingested:
    """A source's list of the date, in the lake."""
    return ingest.ingest(source, edition.date, edition.lake, edition.settings, refresh=refresh)


def ingest_listings(edition: Edition, refresh: bool) -> list[PrefectFuture[Ingested]]:
    """The lists of the edition's sources; one that is down is tried again as the settings say."""
    listed = patiently(ingest_listing)
    return list(listed.map(edition.sources, unmapped(edition), unmapped(refresh)))


def patiently(step: Any) -> Any:  # noqa: ANN401
    """The task, tried again after each of the pauses that the settings give for outages."""
    waits = list(load_settings().outage_waits_seconds)
    return step.with_options(
        retries=len(waits), retry_delay_seconds=waits or None, retry_condition_fn=_is_outage
    )


def _is_outage(task: object, task_run: object, state: State[Any]) -> bool:
    """Whether a source was down, which passes."""
    return isinstance(state.result(raise_on_failure=False), SourceUnavailable)


@task(task_run_name="find newest date for {profile}", cache_policy=NO_CACHE)
def newest_date_of(profile: str) -> dt.date:
    """The newest date that the profile's first source has a list for."""
    return newest_date(profile)


def find_newest_date(profile: str) -> dt.date:
    """The newest date; a source that is down is told, and tried again as the settings say."""
    state = patiently(newest_date_of)(profile, return_state=True)
    found: dt.date | BaseException = state.result(raise_on_failure=False)
    if isinstance(found, dt.date | SourceError):
        settings = load_settings()
        source = load_profile(settings, profile).sources[0]
        tell([news.of_newest_date(source, found)], settings, str(this_run.id))
    if isinstance(found, BaseException):
        raise found
    return found


def hear(edition: Edition, listings: Sequence[PrefectFuture[Ingested]]) -> Heard:
    """What the sources said together; raises what `broadsheet.ingest.hear` raises."""
    results = [listing.result(raise_on_failure=False) for listing in listings]
    _show_sources(edition, results, [listing.state.timestamp for listing in listings])
    silent = [
        s for s, r in zip(edition.sources, results, strict=True) if isinstance(r, BaseException)
    ]
    known = [s.name for s in silent if ingest.is_stored(s, edition.date, edition.lake)]
    return ingest.hear(edition.profile.sources, results, known)


def _show_sources(
    edition: Edition,
    results: Sequence[Ingested | BaseException],
    ended_at: Sequence[dt.datetime],
) -> None:
    """How each source did, as an artifact, and as an event where one is down."""
    create_table_artifact(
        showing.source_table(edition, results, ended_at),
        key=f"sources-{edition.profile.name}",
        description=f"sources {edition}",
    )
    tell(news.of_sources(edition, results), edition.settings, str(this_run.id))


@task(task_run_name="score {edition}", cache_policy=NO_CACHE)
def score_papers(edition: Edition) -> pa.Table:
    """The scanned papers with their scores."""
    return scoring.score(edition)


@task(task_run_name="select {edition}", cache_policy=NO_CACHE)
def select_papers(edition: Edition, scores: pa.Table) -> list[Pick]:
    """The papers that make the digest."""
    return scoring.select(edition, scores)


@task(task_run_name="fetch {pick.paper_id}", cache_policy=NO_CACHE)
def fetch_fulltext(pick: Pick, edition: Edition) -> FullText:
    """The text of a paper, HTML or abstract."""
    return texts.read(edition, pick)


@task(task_run_name="look again for {missed.pick.paper_id}", cache_policy=NO_CACHE)
def look_again(missed: Missed, repair: Repair) -> FullText:
    """The text of a paper as arXiv has it now; its page, where there is one, is in the lake."""
    return texts.look_again(repair.lake, repair.pages, missed.date, missed.pick)
