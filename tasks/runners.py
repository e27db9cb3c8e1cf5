"""Where a digest's papers are analyzed: threads of this process, or a Dask or Ray cluster.

Chosen by the settings when the analyses begin: a flow is imported without any, and a day without
papers starts no cluster. All that comes before, from the list to the texts, stays in the flow's own
process, where the pauses are kept that the sources ask for.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from prefect.futures import PrefectFuture
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from broadsheet import editions
from broadsheet.config import Settings
from broadsheet.editions import Edition
from broadsheet.errors import UsageError

Runner = TaskRunner[Any]
Futures = Sequence[PrefectFuture[Any]]

_CONNECTING_SECONDS = 10.0  # to a cluster; Ray alone would go on trying for minutes
_OWN = "127.0.0.1"  # a cluster of this machine listens to nobody else
_making = threading.Lock()
_clusters: list[Any] = []
"""This process's own Dask cluster, once it was needed; Ray keeps its own."""


@contextmanager
def open_runner(settings: Settings, papers: int) -> Iterator[Runner]:
    """The task runner of the settings, for so many papers; one without any is made of threads.

    A cluster of this machine's own lives as long as the process: the next digest finds it there.

    Raises:
        UsageError: there is no cluster at the address that is set, or no Prefect server.
    """
    make = _RUNNERS[settings.task_runner if papers else "threads"]
    if make is not _threads and not PREFECT_API_URL.value():
        # each worker would start an embedded server of its own
        raise UsageError(
            f"cannot use task_runner {settings.task_runner}: there is no Prefect server that its"
            " workers could report to",
            "start one (prefect server start, make up), and set PREFECT_API_URL",
        )
    with make(settings) as runner:
        yield runner


def stop(runner: Runner, edition: Edition, begun: Futures) -> None:
    """Let the edition ask nothing more, wherever its papers are worked on.

    Requests under way come to their end, in threads and in Dask; Ray's workers are interrupted.
    """
    edition.desk.stop()
    elsewhere = _STOPS.get(edition.settings.task_runner)
    if begun and elsewhere:
        elsewhere(runner, edition.run, begun)


def close() -> None:
    """End this process's own Dask cluster, as its end would."""
    with _making:
        while _clusters:
            _clusters.pop().close()


def _threads(settings: Settings) -> Runner:
    return ThreadPoolTaskRunner(max_workers=settings.task_workers)


@contextmanager
def _dask(settings: Settings) -> Iterator[Runner]:
    from prefect_dask.task_runners import DaskTaskRunner

    address = settings.task_runner_address or None
    cluster = None if address else _own_dask(settings.task_workers)
    client = {"timeout": _CONNECTING_SECONDS}
    with DaskTaskRunner(cluster=cluster, address=address, client_kwargs=client) as runner:
        with _reaching("Dask scheduler", address):
            _ = runner.client  # connects here, where the error can name the address
        yield runner


def _own_dask(papers: int) -> Any:  # noqa: ANN401 (imported only where it is used)
    from distributed import LocalCluster

    processes = min(os.cpu_count() or 1, papers)
    with _making:
        if not _clusters:
            logging.getLogger("distributed").setLevel(logging.WARNING)  # or each connection is news
            made = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=processes,
                threads_per_worker=papers // processes,
                host=_OWN,
                dashboard_address=f"{_OWN}:0",
            )
            _clusters.append(made)
        return _clusters[0]


@contextmanager
def _ray(settings: Settings) -> Iterator[Runner]:
    import ray
    from prefect_ray import RayTaskRunner

    address = settings.task_runner_address or None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing dials out unasked
    own = {} if address else {"num_cpus": settings.task_workers, "include_dashboard": False}
    with _reaching("Ray cluster", address), _making:
        # Not left to the runner, which would shut down after its digest what others are using.
        if not ray.is_initialized():
            ray.init(address or "local", namespace="prefect", **own)
    with RayTaskRunner() as runner:
        yield runner


@contextmanager
def _reaching(what: str, address: str | None) -> Iterator[None]:
    """Name the address in an error of the block, which is not begun where nothing listens there."""
    given = address or ""
    try:
        place = urlsplit(given if "://" in given else f"//{given}")
        if place.port:
            where = (place.hostname, place.port)
            socket.create_connection(where, _CONNECTING_SECONDS).close()
        yield
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"cannot reach {what} at {address or 'this machine'}: {reason}",
            "start it, mend task_runner_address, or set task_runner to threads",
        ) from error


def _stop_dask(runner: Any, run: str, begun: Futures) -> None:  # noqa: ANN401
    # beside what the workers are busy with, and before what they have not begun
    runner.client.run(editions.stop, run)


def _stop_ray(runner: Runner, run: str, begun: Any) -> None:  # noqa: ANN401
    import ray

    for future in begun:
        ray.cancel(future.wrapped_future)


_RUNNERS: dict[str, Callable[[Settings], Any]] = {"threads": _threads, "dask": _dask, "ray": _ray}
_STOPS: dict[str, Callable[[Any, str, Any], None]] = {"dask": _stop_dask, "ray": _stop_ray}
"""Threads share the desk, and need none."""
