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


def test_ctrl_c_interrupts_a_run_and_not_its_server(tmp_path: Path) -> None:
    mine = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        env=mine | {"PREFECT_HOME": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=600,
        check=False,
    )
    url, health = done.stdout.split()
    assert health == "None", done.stderr
    port = url.split(":")[2].split("/")[0]
    assert port not in _listening(), "the server ended with its run"


def _listening() -> set[str]:
    """The ports of this machine's loopback that somebody listens at."""
    found = psutil.net_connections("tcp4")
    return {str(one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN}
