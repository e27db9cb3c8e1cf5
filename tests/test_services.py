"""Background programs: started once, found again whoever asks, ended, never mistaken for others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet.errors import BroadsheetError
from broadsheet.services import Service, wait_until

SLEEPS = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True);"
    "time.sleep(60)",
]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service(name="server", folder=tmp_path / "prefect")
    yield one
    one.stop(0)


def start(service: Service, command: list[str] = SLEEPS) -> int:
    service.start(command, os.environ, {"api": "there"})
    assert wait_until(lambda: "here" in service.last_words(), 30)
    return int(service.notes["pid"])


def test_what_was_never_started_does_not_run(service: Service) -> None:
    assert not service.is_running and service.notes == {} and not service.stop(1)


def test_second_start_starts_nothing(service: Service) -> None:
    pid = start(service)
    service.start(SLEEPS, os.environ, {"api": "elsewhere"})
    assert service.notes == {"pid": pid, "api": "there"}


def test_stop_waits_for_the_end_and_may_come_twice(service: Service) -> None:
    pid = start(service)
    assert service.stop(30) and not service.is_running
    with pytest.raises(ProcessLookupError):
        os.kill(os.waitpid(pid, 0)[0], 0)
    assert not service.stop(30)


def test_program_that_does_not_listen_is_ended_anyway(service: Service) -> None:
    start(service, STUBBORN)
    assert service.stop(0.2) and not service.is_running


def test_file_left_by_a_kill_means_nothing(service: Service) -> None:
    os.kill(start(service), signal.SIGKILL)
    assert wait_until(lambda: not service.is_running, 10)
    assert not service.stop(1)
    start(service)
    assert service.is_running


def test_process_that_has_the_number_now_is_left_alone(service: Service) -> None:
    os.kill(start(service), signal.SIGKILL)
    wait_until(lambda: not service.is_running, 10)
    with subprocess.Popen(SLEEPS, stdout=subprocess.DEVNULL) as other:
        (service.folder / "server.pid").write_text(f'{{"pid": {other.pid}}}')
        assert not service.stop(1)
        assert other.poll() is None
        other.kill()


def test_program_that_is_not_there_is_named(service: Service) -> None:
    with pytest.raises(BroadsheetError, match="cannot start /no/such"):
        service.start(["/no/such"], os.environ, {})
    assert not service.is_running
