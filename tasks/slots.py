"""A model's concurrency limit on the Prefect server, claimed once per run instead of per request.

A run that has something to ask claims all models' slots at its first question, bounds its own
requests by them, and gives them back after its last; another run waits meanwhile. Claiming a slot
per request costs seconds each where the server keeps its state in SQLite: it refuses while it
records events, and its client comes back after two seconds (docs/decisions.md).

Without a server of its own a run is bounded within its process only: an embedded server forgets who
held what when it is killed, but not that it is held.

On a cluster there is no one process to claim for a run, and many small digests are to share it. So
a model's slots are locks in the shared state there, one per request: they bound all workers of all
runs, and the end of a process frees them.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType

import httpx
from prefect import get_client
from prefect.concurrency.sync import concurrency
from prefect.settings import PREFECT_API_URL

from broadsheet.config import Model
from broadsheet.state import State

logger = logging.getLogger("broadsheet.tasks")

_LEASE_SECONDS = 90  # renewed while the run lives; so long the next one waits for a killed one's
_LOOK_AGAIN_SECONDS = 0.1  # while all slots are taken, one thread of each process


class RunSlots:
    """The slots that one flow run holds, by model."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._held = ExitStack()
        self._models = sorted(models, key=lambda model: model.name)
        self._semaphores: dict[str, threading.Semaphore] = {}
        self._lock = threading.Lock()

    def of(self, model: Model) -> threading.Semaphore:
        """What a request to the model is made under; the first one waits for all models' slots.

        All at once and in one order: two runs that each held one model would wait for the other's.
        """
        with self._lock:
            if not self._semaphores:
                for each in self._models if PREFECT_API_URL.value() else ():
                    self._claim(each)
                self._semaphores = {
                    m.name: threading.Semaphore(m.max_concurrency) for m in self._models
                }
            return self._semaphores[model.name]

    def _claim(self, model: Model) -> None:
        limit = _ensure_limit(model)
        logger.info("waiting for the %d slots of %s", model.max_concurrency, limit)
        held = concurrency(limit, occupy=model.max_concurrency, lease_duration=_LEASE_SECONDS)
        self._held.enter_context(held)

    def give_back(self) -> None:
        """Let others have the slots; where the server is away, their leases end by themselves."""
        try:
            self._held.close()
        except httpx.HTTPError as error:
            logger.warning("cannot give the models' slots back: %r; they end by themselves", error)


_runs: dict[str, RunSlots] = {}
_registering = threading.Lock()


def slots_of(run_id: str, models: Sequence[Model]) -> RunSlots:
    """The slots of that flow run, which may ask these models."""
    with _registering:
        return _runs.setdefault(run_id, RunSlots(models))


def give_back(run_id: str) -> None:
    """End the run's claims, if it had any."""
    _runs.pop(run_id, RunSlots(())).give_back()


def _ensure_limit(model: Model) -> str:
    """The name of the model's limit, made on the server or set to what the settings say now."""
    name = "broadsheet-" + re.sub(r"[^a-zA-Z0-9.-]+", "-", model.name)
    with get_client(sync_client=True) as server:
        server.upsert_global_concurrency_limit_by_name(name, model.max_concurrency)
    return name


class SharedSlot(AbstractContextManager[None]):
    """Whichever is free first of the slots of a model that all workers of the state share."""

    def __init__(self, state: State, model: Model, refuse: Callable[[], None]) -> None:
        """Nothing is waited for yet.

        Args:
            state: that the workers share.
            model: whose `max_concurrency` slots there are.
            refuse: raises where there is no sense in waiting (any more).
        """
        self._state, self._model, self._refuse = state, model, refuse
        self._held = ExitStack()

    def __enter__(self) -> None:
        with _looking.setdefault(self._model.name, threading.Lock()):
            while not self._takes_one():
                self._refuse()
                time.sleep(_LOOK_AGAIN_SECONDS)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()

    def _takes_one(self) -> bool:
        for number in range(self._model.max_concurrency):
            name = f"slot {self._model.name} {number}"
            try:
                self._held.enter_context(self._state.alone(name, _give_up))
                return True
            except _Taken:
                continue
        return False


_looking: dict[str, threading.Lock] = {}
"""By model: one thread of a process looks for a slot at a time."""


class _Taken(Exception):
    """Another worker holds the lock."""


def _give_up() -> None:
    raise _Taken
