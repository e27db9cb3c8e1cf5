"""`up` and `down`: what there is is used, what is missing is started, and just that is ended."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from conftest import Web
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_API_PORT, temporary_settings

from broadsheet.errors import BroadsheetError, UsageError
from flows import installation, watchdog
from flows.installation import Installation, start_server

PROJECT = Path(__file__).parents[1]


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def mine(tmp_path: Path) -> Installation:
    return Installation(folder=tmp_path / "prefect")


@pytest.fixture
def said() -> list[str]:
    return []


def prefect_answers(path: str, query: dict[str, str]) -> tuple[int, str]:
    return (200, "true") if path == "/api/health" else (404, "")


def test_server_that_is_named_and_answers_is_used(
    mine: Installation, web: Web, said: list[str]
) -> None:
    web.respond = prefect_answers
    with temporary_settings({PREFECT_API_URL: f"{web.url}/api"}):
        assert start_server(mine, said.append) == f"{web.url}/api"
    assert not mine.server.is_running and said == [f"server: there, {web.url}/api"]


def test_server_that_is_named_and_does_not_answer_is_not_replaced(
    mine: Installation, said: list[str]
) -> None:
    named = f"http://127.0.0.1:{a_free_port()}/api"
    with (
        temporary_settings({PREFECT_API_URL: named}),
        pytest.raises(UsageError, match=re.escape(named)) as caught,
    ):
        start_server(mine, said.append)
    assert "unset PREFECT_API_URL" in caught.value.remedy and not mine.server.is_running


@pytest.mark.parametrize(
    ("is_prefect", "whose", "remedy"),
    [(True, "another Prefect server", "set PREFECT_API_URL="), (False, "another program", "")],
)
def test_port_that_is_taken_is_left_alone(
    mine: Installation, web: Web, said: list[str], is_prefect: bool, whose: str, remedy: str
) -> None:
    if is_prefect:
        web.respond = prefect_answers
    port = int(web.url.rpartition(":")[2])
    with (
        temporary_settings({PREFECT_SERVER_API_PORT: port}, restore_defaults={PREFECT_API_URL}),
        pytest.raises(UsageError, match=f"port {port}: {whose} has it") as caught,
    ):
        start_server(mine, said.append)
    assert "PREFECT_SERVER_API_PORT" in caught.value.remedy and remedy in caught.value.remedy
    assert not mine.server.is_running


def test_server_that_does_not_start_is_quoted(
    mine: Installation, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "prefect-program"
    broken.write_text("#!/bin/sh\necho no room on this device\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(installation, "program", lambda name: str(broken))
    with (
        temporary_settings(
            {PREFECT_SERVER_API_PORT: a_free_port()}, restore_defaults={PREFECT_API_URL}
        ),
        pytest.raises(BroadsheetError, match="no room on this device") as caught,
    ):
        start_server(mine, said.append)
    assert str(mine.server.log) in caught.value.remedy


def test_fingerprint_follows_file_profiles_and_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prefect.yaml").write_text("deployments: []")
    (tmp_path / "profiles").mkdir()
    found = [installation._fingerprint("here"), installation._fingerprint("there")]
    (tmp_path / "profiles" / "mine.toml").write_text("")
    found.append(installation._fingerprint("here"))
    (tmp_path / "prefect.yaml").write_text("deployments: [] # changed")
    found.append(installation._fingerprint("here"))
    assert len(set(found)) == 4
    assert installation._fingerprint("here") == found[-1]


def test_settings_of_a_worker_are_told_apart_and_not_told() -> None:
    found = [
        installation._settings_of({"PATH": path, "GEMINI_API_KEY": key})
        for path, key in (("a", "sesame"), ("b", "sesame"), ("a", "other"))
    ]
    assert found[0] == found[1] != found[2]
    assert "sesame" not in found[0]


def test_watchdogs_look_after_our_flows_only() -> None:
    for one in watchdog.watchdogs({"daily", "digest"}):
        related = one.trigger.model_dump()["match_related"]
        assert related["prefect.resource.name"] == ["daily", "digest"]


def test_every_end_of_a_run_calms_the_watchdog_of_heartbeats() -> None:
    from fnmatch import fnmatchcase

    silent, _ = [one.trigger.model_dump() for one in watchdog.watchdogs({"daily"})]
    [calming] = silent["expect"]
    for name in ("heartbeat", "Completed", "Partial", "Empty", "Failed", "Cancelled", "Crashed"):
        assert fnmatchcase(f"prefect.flow-run.{name}", calming)
    assert not fnmatchcase("prefect.flow-run.Running", calming)


def test_events_told_in_another_order_are_the_same() -> None:
    wanted, _ = watchdog.watchdogs({"daily"})
    names = [f"prefect.flow-run.{number}" for number in range(500)]

    def after(events: list[str]) -> AutomationCore:
        trigger = wanted.trigger.model_copy(update={"after": set(events)})
        return wanted.model_copy(update={"trigger": trigger})

    assert watchdog._same(after(names), after(names[::-1]))
    assert not watchdog._same(after(names), after(names[1:]))


@pytest.mark.flow
def test_watchdogs_are_kept_once(server: None) -> None:
    wanted = watchdog.watchdogs({"daily"})
    watchdog.keep(wanted)
    assert watchdog.keep(wanted) == 0
    assert watchdog.keep(watchdog.watchdogs({"daily", "digest"})) == 2
    assert watchdog.keep(watchdog.watchdogs({"daily", "digest"})) == 0


def broadsheet(home: Path, port: int, *args: str) -> str:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    own = {"BROADSHEET_HOME": str(home), "PREFECT_SERVER_API_PORT": str(port)}
    done = subprocess.run(
        [sys.executable, "-c", "from broadsheet.cli import main; main()", *args],
        cwd=PROJECT,
        env=inherited | own,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_alive(pid: int) -> bool:
    """Whether it still runs; one that ended stays listed where nobody waits for orphans."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    free = a_free_port()
    yield free
    broadsheet(tmp_path / "home", free, "down")


@pytest.mark.flow
def test_up_makes_everything_once_and_down_leaves_nothing(tmp_path: Path, port: int) -> None:
    home = tmp_path / "home"
    first = broadsheet(home, port, "up")
    assert f"UI: http://127.0.0.1:{port} " in first
    second = broadsheet(home, port, "up")
    assert "changed settings" not in second
    told = [line for line in second.splitlines() if line[:1].islower()]
    assert len(told) == 4 and all(": there, " in line for line in told), second

    def count(what: str) -> int:
        found = httpx.post(f"http://127.0.0.1:{port}/api/{what}/filter", json={})
        return len(found.raise_for_status().json())

    assert (count("deployments"), count("work_pools"), count("automations")) == (5, 1, 2)
    deadline = time.monotonic() + 60
    while not count("flow_runs") and time.monotonic() < deadline:
        time.sleep(1)
    assert count("flow_runs") > 0  # nothing is run by a schedule that plans nothing

    mine = Installation(folder=home / "prefect")
    pids = [int(service.notes["pid"]) for service in (mine.server, mine.worker)]
    assert broadsheet(home, port, "down") == "worker: stopped\nserver: stopped\n"
    assert [pid for pid in pids if is_alive(pid)] == []
    assert "was not running" in broadsheet(home, port, "down")
