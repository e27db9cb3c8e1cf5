"""Analyze: one task run per paper, and below it one per question put to a model."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import RunInput, TaskRunResult
from prefect.client.schemas.objects import State as RunState
from prefect.futures import PrefectFuture, as_completed, wait
from prefect.runtime import flow_run as this_run
from prefect.states import Completed

from broadsheet import publishing
from broadsheet.analysis.engine import Assignment, analyze
from broadsheet.config import Model
from broadsheet.editions import Edition
from broadsheet.models import Analysis, Answer, FullText, Pick, Question
from broadsheet.state import State
from tasks.runners import Runner, stop
from tasks.slots import SharedSlot, give_back, slots_of

logger = logging.getLogger("broadsheet.tasks")

_SECONDS_BETWEEN_UPDATES = 1.0  # of the progress artifact: each is a request to the server


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a paper's task brings home, from whatever process."""

    analysis: Analysis
    bought: tuple[Answer, ...]
    """The answers it asked for and got, used or not."""


@task(task_run_name="analyze {pick.paper_id}", cache_policy=NO_CACHE)
def analyze_paper(pick: Pick, text: FullText, edition: Edition) -> Written:
    """The analysis of one paper: complete, or pending with the paper's own sentences."""
    paper = Assignment(
        pick=pick,
        text=text,
        style=edition.style,
        max_chars=edition.settings.max_input_chars,
        ask=partial(_ask, edition),
        recall=partial(publishing.recall, edition, text),
    )
    analysis = analyze(paper, edition.settings.models)
    bought = tuple(b for b in edition.desk.bought if b.paper_id == pick.paper_id)
    return Written(analysis=analysis, bought=bought)


def _ask(edition: Edition, question: Question, model: Model) -> Answer:
    known = edition.desk.find(question)
    if not known:
        edition.desk.refuse(model)
    state: RunState[Answer] = ask_model(edition, question, model, known, return_state=True)
    return state.result()


@task(
    task_run_name="ask {question.model} about {question.paper_id}",
    cache_policy=NO_CACHE,  # the lake's answers are the cache: docs/decisions.md
)
def ask_model(edition: Edition, question: Question, model: Model, known: Answer | None) -> Any:  # noqa: ANN401
    """The model's answer; where it is known, paid before, the state is `Cached`."""
    if known:
        return Completed(name="Cached", data=known)
    return edition.desk.ask(question, model, _slot(edition, model))


def _slot(edition: Edition, model: Model) -> AbstractContextManager[object]:
    if edition.settings.task_runner == "threads":
        return slots_of(str(this_run.id), edition.settings.models).of(model)
    state = State(edition.settings.state_store)
    return SharedSlot(state, model, partial(edition.desk.refuse, model))


def analyze_papers(
    runner: Runner,
    edition: Edition,
    picks: Sequence[Pick],
    texts: Iterable[PrefectFuture[FullText]],
) -> list[Analysis]:
    """The analyses in the digest's order; their progress is an artifact that fills as they come.

    Where one fails, or the run is interrupted, nothing more is asked and the others come to an end.
    """
    desk = edition.desk
    begun: list[PrefectFuture[Written]] = []
    try:
        for pick, text in zip(picks, texts, strict=True):
            begun.append(_begin(runner, edition, pick, text))
        _show_progress(edition, begun)
        written = [future.result() for future in begun]
    except BaseException:
        stop(runner, edition, begun)
        wait(list(begun))
        raise
    finally:
        give_back(str(this_run.id))
    here = {answer.key for answer in desk.bought}
    desk.bought.extend(b for each in written for b in each.bought if b.key not in here)
    return [each.analysis for each in written]


def _begin(
    runner: Runner, edition: Edition, pick: Pick, text: PrefectFuture[FullText]
) -> PrefectFuture[Written]:
    """The task of one paper, begun once its text is here: no other process can wait for that."""
    given = {"pick": pick, "text": text.result(), "edition": edition}
    read: dict[str, set[RunInput]] = {"text": {TaskRunResult(id=text.task_run_id)}}
    written: Any = analyze_paper  # mypy takes it for an async one: its parameters are overloaded
    return cast("PrefectFuture[Written]", runner.submit(written, given, dependencies=read))


def _show_progress(edition: Edition, begun: Sequence[PrefectFuture[Written]]) -> None:
    if not (total := len(begun)):
        return
    described = f"papers analyzed for {edition}"
    progress = cast(UUID, create_progress_artifact(0.0, description=described))
    shown_at = time.monotonic()
    for done, future in enumerate(as_completed(list(begun)), start=1):
        made = future.result().analysis
        said = f"{made.paper_id} {made.status}"
        counts = {"done": done, "total": total}
        logger.info("analyzed %d/%d for %s: %s", done, total, edition, said, extra=counts)
        if done == total or time.monotonic() > shown_at + _SECONDS_BETWEEN_UPDATES:
            update_progress_artifact(progress, 100.0 * done / total)
            shown_at = time.monotonic()
