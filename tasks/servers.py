"""The Prefect server that hears of runs: one of its own, or one embedded in this process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from prefect import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from broadsheet.errors import UsageError


@contextmanager
def at_server() -> Iterator[None]:
    """Run flows at the server that is set; at an embedded one without heartbeats.

    Nobody listens for them there, since it ends with its run, and each flow run would wait up to a
    second for its heartbeat's thread to end.

    Raises:
        UsageError: the server that is set does not answer.
    """
    if url := PREFECT_API_URL.value():
        _refuse_silent(url)
        yield
    else:
        with temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), _tidy_end():
            _start_embedded()
            yield


@contextmanager
def _tidy_end() -> Iterator[None]:
    """Let a SIGTERM end the process as an exit does, and the embedded server with it.

    By itself it would leave that server behind. Prefect's engine, which has a handler of its own
    while a flow runs, passes the signal on to this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where no handler can be set
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(signum: int, frame: object) -> NoReturn:
    raise SystemExit(128 + signum)


def _start_embedded() -> None:
    """Start the embedded server, deaf to Ctrl-C; it ends with this process.

    A terminal interrupts every process of its group. Without its server an interrupted run could
    not say how it ended, and would try to for over ten minutes.
    """
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child inherits it
    try:
        with get_client(sync_client=True):
            pass
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _refuse_silent(url: str) -> None:
    with get_client(sync_client=True) as server:
        if error := server.api_healthcheck():
            raise UsageError(
                f"no Prefect server answers at PREFECT_API_URL {url}: {error}",
                "start it (broadsheet up), or unset the variable to do without",
            )
