"""What drills share: the world's controls, a home that points at it, an installation of its own.

An installation is `broadsheet up` in that home at a free port, so that what a drill breaks is what
an operator runs; what Prefect knows is asked of its API, which is what its UI shows.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

CHECKOUT = Path(__file__).parents[2]
OWN = ("BROADSHEET_", "PREFECT_", "OPENAI_")
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
_TRIES = 60


class Findings:
    """What a drill found: figures, and facts that have to be so."""

    def __init__(self) -> None:
        self.wrong = 0

    def figure(self, text: str) -> None:
        """Print what was measured or said."""
        print(f"      {text}", flush=True)

    def fact(self, is_so: bool, text: str) -> None:
        """Print whether that is so; one that is not makes the drill fail."""
        print(f"{'ok   ' if is_so else 'WRONG'} {text}", flush=True)
        self.wrong += not is_so

    def end(self) -> None:
        """End the drill: with 1 where a fact was wrong."""
        sys.exit(1 if self.wrong else 0)


class World:
    """The replayed world, from the drill's side."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, **settings: object) -> None:
        """Change how it behaves from now on."""
        httpx.post(f"{self.url}/_control", json=settings, timeout=30).raise_for_status()

    def begin(self, **settings: object) -> None:
        """A world that has seen nothing yet and where everything works."""
        calm = {"snapshot": "late", "mode": "good", "faults": [], "rpm": 0, "latency": 0}
        self.set(reset=True, **calm | settings)

    @property
    def stats(self) -> dict[str, Any]:
        """Its counts since it began."""
        found: dict[str, Any] = httpx.get(f"{self.url}/_stats", timeout=30).json()
        return found

    @property
    def answered(self) -> int:
        """How many questions its model has answered."""
        return int(self.stats["by"].get("llm 200", 0))

    @property
    def repeats(self) -> int:
        """How many questions it has answered more than once: they were paid for twice."""
        return int(self.stats["llm_repeats"])


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment_of(world: World, home: Path, concurrency: int = 0) -> dict[str, str]:
    """Variables that point a home at the world.

    Args:
        world: where sources and model are.
        home: `BROADSHEET_HOME`; its settings file is made.
        concurrency: requests at once to the world's model; 0: no model is asked.
    """
    home.mkdir(parents=True, exist_ok=True)
    config = home / "broadsheet.toml"
    model = f'[[models]]\nname = "openai/any"\nmax_concurrency = {concurrency}\n'
    config.write_text(model if concurrency else "")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
    return inherited | {
        "BROADSHEET_HOME": str(home),
        "BROADSHEET_CONFIG": str(config),
        "BROADSHEET_HUGGINGFACE_URL": world.url,
        "BROADSHEET_ARXIV_API_URL": f"{world.url}/api/query",
        "BROADSHEET_ARXIV_URL": world.url,
        "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
        "OPENAI_API_BASE": f"{world.url}/v1",
        # one of its own, made by the first run: two runs on one embedded database wait for it
        "PREFECT_HOME": str(home / "prefect-of-runs"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def broadsheet(
    environment: Mapping[str, str], *words: str, prefix: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """A command of Broadsheet's, started; what it says is read from its pipes."""
    program = str(Path(sys.executable).with_name("broadsheet"))
    return subprocess.Popen(
        [*prefix, program, *words],
        env=dict(environment),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(command: subprocess.Popen[str], seconds: float = 600) -> tuple[int, str]:
    """Its exit code, and what it said on both pipes."""
    try:
        out, err = command.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(command.pid, signal.SIGKILL)
        out, err = command.communicate()
        return -1, f"{out}{err}\nstill at it after {seconds:.0f} s, killed"
    return command.returncode, f"{out}{err}"


def wait_for(is_so: Callable[[], bool], seconds: float = 300) -> float:
    """How many seconds it took to come true; infinite where it did not in that time."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > seconds:
            return float("inf")
        time.sleep(0.5)
    return time.monotonic() - began


def kill_tree(pid: int) -> None:
    """Kill (-9) a process and all that it has started."""
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        with suppress(psutil.NoSuchProcess):  # it ended between the question and the kill
            process.kill()
    psutil.wait_procs(tree, timeout=30)


class Installation:
    """What `broadsheet up` makes in a home."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        port = free_port()
        self.environment = {**environment, "PREFECT_SERVER_API_PORT": str(port)}
        self.api = f"http://127.0.0.1:{port}/api"
        self.folder = Path(environment["BROADSHEET_HOME"]) / "prefect"

    def up(self) -> float:
        """Start what is missing; in how many seconds."""
        began = time.monotonic()
        code, said = ended(broadsheet(self.environment, "up"))
        if code:
            raise RuntimeError(f"broadsheet up ended with {code}: {said}")
        return time.monotonic() - began

    def down(self) -> None:
        """End it."""
        ended(broadsheet(self.environment, "down"))

    def pause_schedules(self) -> None:
        """Let only the drill start runs."""
        for deployment in self.ask("deployments/filter", {}):
            self._request("PATCH", f"deployments/{deployment['id']}", {"paused": True})

    def pid(self, service: str) -> int:
        """Of its `server` or `worker`."""
        found: dict[str, int] = json.loads((self.folder / f"{service}.pid").read_text())
        return found["pid"]

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """What Prefect's API answers: to a POST with a body, else to a GET."""
        return self._request("GET" if body is None else "POST", path, body).json()

    def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        """The answer; asked again while it is 503, as it is where the database is locked."""
        for _ in range(_TRIES):
            answer = httpx.request(method, f"{self.api}/{path}", json=body, timeout=120)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
        return answer.raise_for_status()

    def deployment(self, name: str) -> dict[str, Any]:
        """One of prefect.yaml's, `flow/deployment`."""
        found: dict[str, Any] = self.ask(f"deployments/name/{name}")
        return found

    def start(self, name: str, **parameters: object) -> str:
        """The id of a run of that deployment, due now."""
        deployment = self.deployment(name)
        body = {
            "parameters": deployment["parameters"] | parameters,
            "state": {"type": "SCHEDULED"},
            "idempotency_key": uuid4().hex,
        }
        run = self.ask(f"deployments/{deployment['id']}/create_flow_run", body)
        return str(run["id"])

    def run(self, run: str) -> dict[str, Any]:
        """A flow run as the UI shows it."""
        found: dict[str, Any] = self.ask(f"flow_runs/{run}")
        return found

    def children(self, run: str) -> list[dict[str, Any]]:
        """The flow runs that it has started."""
        wanted = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", wanted)
        return found

    def has_ended(self, run: str) -> bool:
        """Whether its state is a last one."""
        return self.run(run)["state_type"] in ENDS

    def slots_taken(self, name: str) -> int:
        """How many runs hold the deployment's concurrency limit."""
        limit = self.deployment(name).get("global_concurrency_limit") or {}
        return int(limit.get("active_slots", 0))

    def kill_run(self, run: str) -> None:
        """Kill (-9) the process of a run that a worker of this machine has started."""
        kill_tree(int(str(self.run(run)["infrastructure_pid"]).rpartition(":")[2]))

    def events(self, prefix: str = "broadsheet.") -> list[dict[str, Any]]:
        """The events it has kept whose name begins so, oldest first."""
        wanted = {"filter": {"event": {"prefix": [prefix]}, "order": "ASC"}, "limit": 50}
        found: list[dict[str, Any]] = self.ask("events/filter", wanted)["events"]
        return found


@contextmanager
def installed(
    world: World, concurrency: int, more: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """A new installation in a temporary home, ended with the block; only the drill starts runs.

    Args:
        world: where sources and model are.
        concurrency: requests at once to the world's model; 0: no model is asked.
        more: variables for all its programs.
    """
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        environment = environment_of(world, Path(folder), concurrency) | dict(more or {})
        installation = Installation(environment)
        try:
            installation.up()
            installation.pause_schedules()
            yield installation
        finally:
            installation.down()


def last_line(said: str) -> str:
    """The last of what a command said."""
    lines = said.strip().splitlines()
    return lines[-1] if lines else "nothing"


def told(run: Mapping[str, Any]) -> str:
    """A flow run's state, as the UI shows it."""
    state = run.get("state") or {}
    return f"{run['state_name']} ({state.get('message') or 'no message'})"
