"""Batches: many digests in one run, some at once, each in a flow run of its own."""

from __future__ import annotations

import contextvars
import datetime as dt
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from graphlib import TopologicalSorter
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run as this_run
from prefect.states import Failed

from broadsheet import news, planning
from broadsheet.analysis import desk
from broadsheet.planning import Key, Lists, Plan
from broadsheet.publishing import Published
from tasks.events import tell

logger = logging.getLogger("broadsheet.tasks")

_SECONDS_BETWEEN_UPDATES = 2.0  # of the progress artifact: each is a request to the server
_SECONDS_BETWEEN_STOPS = 0.2

Make = Callable[[str, dt.date], State[Published]]


@task(task_run_name="read lists ahead", cache_policy=NO_CACHE)
def read_lists(plan: Plan) -> Lists:
    """The lists that the plan needs, in the lake."""
    lists = planning.read_lists(plan)
    tell(news.of_lists(lists.read), plan.settings, str(this_run.id))
    return lists


def make_each(make: Make, plan: Plan, lists: Lists, parallel: int) -> list[State[Published]]:
    """The final states of the plan's digests, in its order; one that fails stops no other.

    So many are made at once, each after those it depends on. Where the run is interrupted, no
    further one is started and those under way come to an end.
    """
    missing = planning.out_of_reach(plan, lists)
    states: dict[Key, State[Any]] = {
        key: Failed(message=str(error), data=error) for key, error in missing.items()
    }
    wanted = [key for key in plan.keys if key not in missing]
    with _Progress(len(wanted)) as progress:
        for key, state in _in_turn(make, wanted, planning.turns(plan), parallel):
            states[key] = state
            progress.advance(f"{key[0]} {key[1]} {state.name}")
    return [states[key] for key in plan.keys]


def _in_turn(
    make: Make, wanted: Sequence[Key], turns: Mapping[Key, set[Key]], parallel: int
) -> Iterable[tuple[Key, State[Published]]]:
    """Each digest with its final state, as they come."""
    rank = {key: place for place, key in enumerate(wanted)}
    order = TopologicalSorter({key: turns.get(key, set()) & rank.keys() for key in wanted})
    order.prepare()
    ready: list[Key] = []
    running: dict[Future[State[Published]], Key] = {}
    with ThreadPoolExecutor(parallel, thread_name_prefix="digest") as threads:
        try:
            while order.is_active():
                ready = sorted([*ready, *order.get_ready()], key=rank.__getitem__)
                while ready and len(running) < parallel:
                    key = ready.pop(0)
                    # the thread's flow runs are children of this one, which the context tells
                    call = partial(contextvars.copy_context().run, attempt, make, key)
                    running[threads.submit(call)] = key
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(ended)
                    order.done(key)
                    yield key, ended.result()
        except BaseException:
            while running and wait(running, timeout=_SECONDS_BETWEEN_STOPS).not_done:
                desk.stop_all()  # again: a digest may reach its first question meanwhile
            raise


def attempt(make: Make, key: Key) -> State[Published]:
    """The digest's final state; failed also where its server did not take its run.

    Prefect gives up on a server that is too busy for too long, and that is raised here.
    """
    try:
        return make(*key)
    except Exception as error:  # noqa: BLE001 (whatever it is, it concerns this digest alone)
        logger.warning("%s %s was given up: %s", *key, error)
        return Failed(message=str(error), data=error)


class _Progress:
    """A progress artifact, and a log line per digest, which the terminal shows as a bar."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._shown_at = total, 0, time.monotonic()
        self._artifact: UUID | None = None

    def __enter__(self) -> _Progress:
        if self._total > 1:
            with _unless_busy():
                made = create_progress_artifact(0.0, description="digests made")
                self._artifact = cast(UUID, made)
        return self

    def __exit__(self, *_: object) -> None:
        self._show()

    def advance(self, said: str) -> None:
        """One more is made."""
        self._done += 1
        counts = {"done": self._done, "total": self._total}
        logger.info("made %d/%d: %s", self._done, self._total, said, extra=counts)
        if time.monotonic() > self._shown_at + _SECONDS_BETWEEN_UPDATES:
            self._show()

    def _show(self) -> None:
        if self._artifact:
            with _unless_busy():
                update_progress_artifact(self._artifact, 100.0 * self._done / self._total)
        self._shown_at = time.monotonic()


@contextmanager
def _unless_busy() -> Iterator[None]:
    """Say, and go on, where the server is too busy for a picture of the progress."""
    try:
        yield
    except httpx.HTTPError as error:
        logger.info("the progress is not shown: %s", error)
