"""Ingest, score, select, fetch: the steps from a source's list to the texts to read."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from broadsheet import ingest, scoring, texts
from broadsheet.editions import Edition
from broadsheet.ingest import Heard, Ingested
from broadsheet.models import FullText, Pick
from broadsheet.repairing import Missed, Repair
from broadsheet.sources import Source


@task(task_run_name="ingest {source.name} {edition.date}", cache_policy=NO_CACHE)
def ingest_listing(source: Source, edition: Edition) -> Ingested:
    """A source's list of the date, in the lake."""
    return ingest.ingest(source, edition.date, edition.lake, edition.settings)


def hear(edition: Edition, listings: Sequence[PrefectFuture[Ingested]]) -> Heard:
    """What the sources said together; raises what `broadsheet.ingest.hear` raises."""
    results = [listing.result(raise_on_failure=False) for listing in listings]
    silent = [
        s for s, r in zip(edition.sources, results, strict=True) if isinstance(r, BaseException)
    ]
    known = [s.name for s in silent if ingest.is_stored(s, edition.date, edition.lake)]
    return ingest.hear(edition.profile.sources, results, known)


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
