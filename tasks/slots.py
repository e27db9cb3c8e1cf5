"""A model's concurrency limit on the Prefect server, claimed once per run instead of per request.

A run that has something to ask claims all models' slots at its first question, bounds its own
requests by them, and gives them back after its last; another run waits meanwhile. Claiming a slot
per request costs seconds each where the server keeps its state in SQLite: it refuses while it
records events, and its client comes back after two seconds (docs/decisions.md).

Without a server of its own a run is bounded within its process only: an embedded server forgets who
held what when it is killed, but not that it is held.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from contextlib import ExitStack

from prefect import get_client
from prefect.concurrency.sync import concurrency
from prefect.settings import PREFECT_API_URL

from broadsheet.config import Model

logger = logging.getLogger("broadsheet.tasks")


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
        self._held.enter_context(concurrency(limit, occupy=model.max_concurrency))

    def give_back(self) -> None:
        """Let others have the slots."""
        self._held.close()


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
