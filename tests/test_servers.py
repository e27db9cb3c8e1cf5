"""The embedded server: it outlives a Ctrl-C in the terminal, and not its run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

INTERRUPTED = """
import os, signal, time
from broadsheet.terminal import quiet_prefect
quiet_prefect(debug=False)
from prefect import get_client
from tasks.servers import at_server

with at_server(), get_client(sync_client=True):
    try:
        os.killpg(0, signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(2)  # in which a server that heard of it would have ended
        with get_client(sync_client=True) as server:
            print(server.api_url, server.api_healthcheck())
"""


TERMINATED = """
import os, signal, time
from broadsheet.terminal import quiet_prefect
quiet_prefect(debug=False)
from prefect import flow, get_client
from tasks.servers import at_server

@flow
def long():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

with at_server(), get_client(sync_client=True) as server:
    print(server.api_url, flush=True)
    long()
"""


def test_ctrl_c_interrupts_a_run_and_not_its_server(tmp_path: Path) -> None:
    done = run(INTERRUPTED, tmp_path)
    url, health = done.stdout.split()
    assert health == "None", done.stderr
    assert port_of(url) not in _listening(), "the server ended with its run"


def test_a_run_that_is_terminated_takes_its_server_with_it(tmp_path: Path) -> None:
    done = run(TERMINATED, tmp_path)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert port_of(done.stdout.split()[0]) not in _listening(), "the server was left behind"


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script's end, as a program of its own at an embedded server."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=mine | {"PREFECT_HOME": str(folder)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=600,
        check=False,
    )


def port_of(url: str) -> str:
    return url.split(":")[2].split("/")[0]


def _listening() -> set[str]:
    """The ports of this machine's loopback that somebody listens at."""
    found = psutil.net_connections("tcp4")
    return {str(one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN}
