"""Analyze: one task run per paper, and below it one per question put to a model."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, cast
from uuid import UUID

from prefect import get_client, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.futures import PrefectFuture, as_completed
from prefect.states import Completed

from broadsheet.analysis import answers, client
from broadsheet.analysis.engine import analyze
from broadsheet.config import Model
from broadsheet.editions import Edition
from broadsheet.models import Analysis, Answer, FullText, Pick, Question

logger = logging.getLogger("broadsheet.tasks")


@task(task_run_name="analyze {pick.paper_id}", cache_policy=NO_CACHE)
def analyze_paper(pick: Pick, text: FullText, edition: Edition) -> Analysis:
    """The analysis of one paper: complete, or pending with the paper's own sentences."""
    settings = edition.settings
    ask = partial(_ask, edition)
    return analyze(pick, text, edition.style, settings.models, ask, settings.max_input_chars)


def _ask(edition: Edition, question: Question, model: Model) -> Answer:
    state: State[Answer] = ask_model(edition, question, model, return_state=True)
    return state.result()


@task(
    task_run_name="ask {question.model} about {question.paper_id}",
    cache_policy=NO_CACHE,  # the lake's answers are the cache: docs/decisions.md
)
def ask_model(edition: Edition, question: Question, model: Model) -> Any:  # noqa: ANN401
    """The model's answer by the question's content key: state `Cached` where it was paid before."""
    if known := answers.find(edition.lake, question.key):
        return Completed(name="Cached", data=known)
    with concurrency(_slots(model.name, model.max_concurrency), occupy=1):
        answer = client.ask(question, model)
    answers.save(edition.lake, answer)
    return answer


@lru_cache
def _slots(model: str, limit: int) -> str:
    """The concurrency limit of a model, made or set on the server at its first use."""
    name = "broadsheet-" + re.sub(r"[^a-zA-Z0-9.-]+", "-", model)
    with get_client(sync_client=True) as server:
        server.upsert_global_concurrency_limit_by_name(name, limit)
    return name


def follow(edition: Edition, analyses: Sequence[PrefectFuture[Analysis]]) -> list[Analysis]:
    """The analyses in the digest's order; their progress is an artifact that fills as they come."""
    total = len(analyses)
    described = f"papers analyzed for {edition}"
    progress = cast(UUID, create_progress_artifact(0.0, description=described))
    for done, future in enumerate(as_completed(list(analyses)), start=1):
        made = future.result()
        said = f"{made.paper_id} {made.status}"
        counts = {"done": done, "total": total}
        logger.info("analyzed %d/%d for %s: %s", done, total, edition, said, extra=counts)
        update_progress_artifact(progress, 100.0 * done / total)
    return [analysis.result() for analysis in analyses]
