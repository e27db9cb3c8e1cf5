"""Analyze: one task run per paper, and below it one per question put to a model."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, as_completed, wait
from prefect.runtime import flow_run as this_run
from prefect.states import Completed

from broadsheet import publishing
from broadsheet.analysis.engine import Assignment, analyze
from broadsheet.config import Model
from broadsheet.editions import Edition
from broadsheet.models import Analysis, Answer, FullText, Pick, Question
from tasks.slots import give_back, slots_of

logger = logging.getLogger("broadsheet.tasks")

_SECONDS_BETWEEN_UPDATES = 1.0  # of the progress artifact: each is a request to the server


@task(task_run_name="analyze {pick.paper_id}", cache_policy=NO_CACHE)
def analyze_paper(pick: Pick, text: FullText, edition: Edition) -> Analysis:
    """The analysis of one paper: complete, or pending with the paper's own sentences."""
    paper = Assignment(
        pick=pick,
        text=text,
        style=edition.style,
        max_chars=edition.settings.max_input_chars,
        ask=partial(_ask, edition),
        recall=partial(publishing.recall, edition, text),
    )
    return analyze(paper, edition.settings.models)


def _ask(edition: Edition, question: Question, model: Model) -> Answer:
    known = edition.desk.find(question)
    if not known:
        edition.desk.refuse(model)
    state: State[Answer] = ask_model(edition, question, model, known, return_state=True)
    return state.result()


@task(
    task_run_name="ask {question.model} about {question.paper_id}",
    cache_policy=NO_CACHE,  # the lake's answers are the cache: docs/decisions.md
)
def ask_model(edition: Edition, question: Question, model: Model, known: Answer | None) -> Any:  # noqa: ANN401
    """The model's answer; where it is known, paid before, the state is `Cached`."""
    if known:
        return Completed(name="Cached", data=known)
    slots = slots_of(str(this_run.id), edition.settings.models)
    return edition.desk.ask(question, model, slots.of(model))


def follow(edition: Edition, analyses: Sequence[PrefectFuture[Analysis]]) -> list[Analysis]:
    """The analyses in the digest's order; their progress is an artifact that fills as they come.

    Where one fails, or the run is interrupted, nothing more is asked and the others come to an end.
    """
    try:
        _show_progress(edition, analyses)
        return [analysis.result() for analysis in analyses]
    except BaseException:
        edition.desk.stop()
        wait(list(analyses))
        raise
    finally:
        give_back(str(this_run.id))


def _show_progress(edition: Edition, analyses: Sequence[PrefectFuture[Analysis]]) -> None:
    if not (total := len(analyses)):
        return
    described = f"papers analyzed for {edition}"
    progress = cast(UUID, create_progress_artifact(0.0, description=described))
    shown_at = time.monotonic()
    for done, future in enumerate(as_completed(list(analyses)), start=1):
        made = future.result()
        said = f"{made.paper_id} {made.status}"
        counts = {"done": done, "total": total}
        logger.info("analyzed %d/%d for %s: %s", done, total, edition, said, extra=counts)
        if done == total or time.monotonic() > shown_at + _SECONDS_BETWEEN_UPDATES:
            update_progress_artifact(progress, 100.0 * done / total)
            shown_at = time.monotonic()
