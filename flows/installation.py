"""The installation on this machine: what is missing of it is started, and just that is ended.

server        Prefect's own, unless PREFECT_API_URL names one that answers
pool          where due runs wait for a worker
deployments   those of prefect.yaml
watchdogs     the automations that find runs whose process is gone
worker        starts due runs, each in a process of its own
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
from filelock import FileLock, Timeout
from prefect import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    WorkerFilter,
    WorkerFilterStatus,
)
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_API_HOST,
    PREFECT_SERVER_API_PORT,
    temporary_settings,
)

from broadsheet.config import load_settings, profile_names
from broadsheet.errors import BroadsheetError, UsageError
from broadsheet.services import Service, program, wait_until
from flows import deployments, watchdog

POOL_LIMIT = 3
"""Runs at once in a pool that is made here: a backfill leaves room for a day and a repair."""

_START_SECONDS = 180.0  # a server makes its database first
_STOP_SECONDS = 60.0  # runs in progress get this long to end
_OTHERS_SECONDS = 300.0  # for another `up` or `down` to end

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The files of one installation, all below `<home>/prefect`."""

    folder: Path

    @property
    def server(self) -> Service:
        """Prefect's server, if it is ours."""
        return Service(name="server", folder=self.folder)

    @property
    def worker(self) -> Service:
        """The process that starts due runs."""
        return Service(name="worker", folder=self.folder)

    @cached_property
    def deployed(self) -> Path:
        """A file that says what was deployed last."""
        return self.folder / "deployed"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other `up` or `down` is at work on it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / "up.lock", timeout=_OTHERS_SECONDS):
                yield
        except Timeout as error:
            raise BroadsheetError(
                f"another `up` or `down` is at work on {self.folder}", "wait for it to end"
            ) from error

    def environment(self, api: str) -> dict[str, str]:
        """What its programs find in their environment."""
        inherited = {k: v for k, v in os.environ.items() if k != "PREFECT_PROFILE"}
        return inherited | {
            "PREFECT_API_URL": api,
            "PREFECT_HOME": str(self.folder),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            # in memory they end with the server, and a slot that a killed run held stays taken
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
                "prefect.server.concurrency.lease_storage.filesystem"
            ),
            "PWD": str(Path.cwd()),  # where prefect.yaml says that the flows are
        }


def here() -> Installation:
    """The installation of the home that the settings name."""
    return Installation(folder=load_settings().home.resolve() / "prefect")


def up(say: Say) -> str:
    """Start and make what is missing; what there is stays as it is.

    Returns:
        The address of the server's API.

    Raises:
        UsageError: the port is taken, or PREFECT_API_URL names a server that does not answer.
        BroadsheetError: a program did not start; the message has the end of its log.
    """
    installation = here()
    entries = deployments.read()
    with installation.alone():
        api = start_server(installation, say)
        with temporary_settings({PREFECT_API_URL: api}):
            for pool in sorted({entry.pool for entry in entries}):
                _make_pool(pool, say)
            _deploy(installation, entries, api, say)
            _start_worker(installation, entries[0].pool, api, say)
    return api


def down(say: Say) -> None:
    """End this installation's worker and server, and nothing else; what they know is kept."""
    installation = here()
    with installation.alone():
        for service in (installation.worker, installation.server):
            stopped = service.stop(_STOP_SECONDS)
            say(f"{service.name}: {'stopped' if stopped else 'was not running'}")


def serve(say: Say) -> None:
    """Do all that `up` does from this process until it is interrupted: no pool and no worker.

    A server that had to be started ends with it.

    Raises:
        UsageError: as `up`.
        BroadsheetError: as `up`.
    """
    installation = here()
    was_running = installation.server.is_running
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until Prefect takes it over
    try:
        with installation.alone():
            api = start_server(installation, say)
        os.environ |= installation.environment(api)
        with temporary_settings({PREFECT_API_URL: api}):
            watchdog.keep(watchdog.watchdogs(deployments.flow_names()))
            say(f"UI: {api.removesuffix('/api')}   (Ctrl-C ends)")
            deployments.serve_all(POOL_LIMIT)
    finally:
        if not was_running:
            installation.server.stop(_STOP_SECONDS)


def start_server(installation: Installation, say: Say) -> str:
    """The address of the API of a server that answers; ours is started where there is none."""
    named: str | None = PREFECT_API_URL.value()
    if named and _answers(named):
        say(f"server: there, {named}")
        return named
    server = installation.server
    api = str(server.notes.get("api") or _own_api())
    if named and named.rstrip("/").replace("localhost", "127.0.0.1") != api:
        raise UsageError(
            f"no Prefect server answers at {named}, which PREFECT_API_URL names",
            "start it, or unset PREFECT_API_URL to have one on this machine",
        )
    if server.is_running and _answers(api):
        say(f"server: there, {api}")
        return api
    if not server.is_running:
        _refuse_taken(api)
        command = [program("prefect"), "server", "start"]
        server.start(command, installation.environment(api), {"api": api})
    _await(server, lambda: _answers(api))
    say(f"server: started, {api}")
    return api


def _own_api() -> str:
    host = PREFECT_SERVER_API_HOST.value()
    reachable = "127.0.0.1" if host in ("0.0.0.0", "localhost") else host  # noqa: S104 (compared)
    return f"http://{reachable}:{PREFECT_SERVER_API_PORT.value()}/api"


def _answers(api: str) -> bool:
    """Whether a Prefect server is there."""
    try:
        answer = httpx.get(f"{api.rstrip('/')}/health", timeout=5)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK and answer.text == "true"


def _refuse_taken(api: str) -> None:
    url = httpx.URL(api)
    with socket.socket() as probe:
        if probe.connect_ex((url.host, url.port or 80)) != 0:
            return
    whose = "another Prefect server" if _answers(api) else "another program"
    use = f"set PREFECT_API_URL={api} to use it, or " if _answers(api) else ""
    raise UsageError(
        f"cannot start a server on port {url.port}: {whose} has it",
        f"{use}choose a free port with PREFECT_SERVER_API_PORT",
    )


def _await(service: Service, is_there: Callable[[], bool]) -> None:
    wait_until(lambda: is_there() or not service.is_running, _START_SECONDS)
    if not is_there():
        raise BroadsheetError(
            f"the {service.name} does not start; its log ends:\n{service.last_words()}",
            f"see {service.log}",
        )


def _make_pool(name: str, say: Say) -> None:
    with get_client(sync_client=True) as server:
        try:
            found = server.read_work_pool(name)
            say(f"pool: there, {name} ({found.type})")
        except ObjectNotFound:
            server.create_work_pool(
                WorkPoolCreate(name=name, type="process", concurrency_limit=POOL_LIMIT)
            )
            say(f"pool: made, {name} (process, {POOL_LIMIT} runs at once)")


def _deploy(
    installation: Installation, entries: list[deployments.Entry], api: str, say: Say
) -> None:
    """The deployments and their watchdogs, unless the server has them as they are now."""
    wanted = _fingerprint(api)
    known = installation.deployed.read_text() if installation.deployed.exists() else ""
    if known == wanted and _has_all(entries):
        say(f"deployments: there, {', '.join(e.name for e in entries)}")
        return
    done = subprocess.run(  # noqa: S603 (our own command)
        [program("prefect"), "--no-prompt", "deploy", "--all"],
        env=installation.environment(api),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        raise BroadsheetError(f"cannot deploy {deployments.FILE}:\n{reason}", "mend that entry")
    watchdog.keep(watchdog.watchdogs(deployments.flow_names()))
    installation.deployed.write_text(wanted)
    say(f"deployments: made, {', '.join(e.name for e in entries)}")


def _fingerprint(api: str) -> str:
    """What the deployments are made from: the file, the flows' signatures, the profiles."""
    parts = [api, str(Path.cwd()), *profile_names(load_settings())]
    files = [deployments.FILE, *sorted(Path(__file__).parent.glob("*.py"))]
    parts += [file.read_text(encoding="utf-8") for file in files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _has_all(entries: list[deployments.Entry]) -> bool:
    names = {entry.name for entry in entries}
    wanted = DeploymentFilter(name=DeploymentFilterName(any_=sorted(names)))
    with get_client(sync_client=True) as server:
        found = server.read_deployments(deployment_filter=wanted)
    return {deployment.name for deployment in found} == names


def _start_worker(installation: Installation, pool: str, api: str, say: Say) -> None:
    worker = installation.worker
    notes = worker.notes
    settings = _settings_of(os.environ)
    if notes.get("pool") == pool and notes.get("api") == api:
        renew = (
            ""
            if notes.get("settings") == settings
            else "; down and up give it the changed settings"
        )
        say(f"worker: there, for pool {pool}{renew}")
        return
    worker.stop(_STOP_SECONDS)
    name = f"broadsheet on {socket.gethostname()}"
    command = [program("prefect"), "worker", "start", "--pool", pool, "--name", name]
    worker.start(
        command,
        installation.environment(api),
        {"pool": pool, "api": api, "settings": settings},
    )
    _await(worker, lambda: _is_online(pool, name))
    say(f"worker: started, for pool {pool}")


def _settings_of(environment: Mapping[str, str]) -> str:
    """What runs would find in that environment, in a form that gives no key away."""
    ours = ("BROADSHEET_", "AWS_")
    keys = ("_API_KEY", "_API_BASE")
    told = [f"{k}={v}" for k, v in environment.items() if k.startswith(ours) or k.endswith(keys)]
    return hashlib.sha256("\0".join(sorted(told)).encode()).hexdigest()


def _is_online(pool: str, name: str) -> bool:
    online = WorkerFilter(status=WorkerFilterStatus(any_=["ONLINE"]))
    with get_client(sync_client=True) as server:
        found = server.read_workers_for_work_pool(pool, worker_filter=online)
    return any(worker.name == name for worker in found)
