"""What a run costs beside the work itself, as ratios to a bare process and to an empty flow.

    python benchmarks/run.py WORLD [--repeat 5]

WORLD is a script that replays Hugging Face, arXiv and an OpenAI-compatible model on one port
(`python WORLD --port N`). A Prefect server of its own is started for the measure. Machines are
noisy: read the ratios, and run it more than once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
BROADSHEET = [sys.executable, "-c", "from broadsheet.cli import main; main()"]
EMPTY_FLOW = "from prefect import flow\n@flow\ndef f(): pass\nf()"
LONG_DAY, SHORT_DAY = ("2026-01-30", 45), ("2026-01-20", 11)


@dataclass(frozen=True)
class Cost:
    """Of one process: seconds of wall and CPU, megabytes at its peak."""

    wall: float
    cpu: float
    peak_mb: float


def cost(command: list[str], env: dict[str, str], expect: tuple[int, ...] = (0,)) -> Cost:
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=PROJECT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) not in expect:
        raise SystemExit(f"exit code {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(measure: Callable[[], Cost], repeat: int) -> Cost:
    costs = [measure() for _ in range(repeat)]
    return Cost(
        *(statistics.median(getattr(c, f) for c in costs) for f in ("wall", "cpu", "peak_mb"))
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: list[str], url: str, env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def post(url: str, body: dict[str, object]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(request)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world, prefect = free_port(), free_port()
        api = f"http://127.0.0.1:{prefect}/api"
        at = f"http://127.0.0.1:{world}"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BROADSHEET_", "PREFECT_"))}
        env |= {
            "PREFECT_HOME": f"{folder}/prefect",
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "BROADSHEET_HUGGINGFACE_URL": at,
            "BROADSHEET_ARXIV_API_URL": f"{at}/api/query",
            "BROADSHEET_ARXIV_URL": at,
            "OPENAI_API_BASE": at,
        }
        server = [sys.executable, "-m", "prefect", "server", "start", "--port", str(prefect)]
        replay = [sys.executable, str(options.world), "--port", str(world)]
        with serving(replay, f"{at}/_stats", env), serving(server, f"{api}/health", env):
            report(Path(folder), env, at, options.repeat)


def report(folder: Path, env: dict[str, str], world: str, repeat: int) -> None:
    bare = median(lambda: cost([sys.executable, "-c", "pass"], env), repeat)
    helped = median(lambda: cost([*BROADSHEET, "--help"], env), repeat)
    print(f"--help: {helped.cpu - bare.cpu:.2f} s of CPU beyond a bare python ({bare.cpu:.3f} s)")

    flow = median(lambda: cost([sys.executable, "-c", EMPTY_FLOW], env), repeat)
    run = [*BROADSHEET, "run", "--profile", "hf", "--date"]
    env["BROADSHEET_HOME"] = str(folder / "cold")
    cold = cost([*run, LONG_DAY[0]], env)
    warm = median(lambda: cost([*run, LONG_DAY[0]], env), repeat)
    print(
        f"warm cached run of {LONG_DAY[1]} papers: {warm.wall / flow.wall:.2f} x an empty flow "
        f"against the same server ({warm.wall:.1f} s / {flow.wall:.1f} s)"
    )
    print(f"peak memory without a model: {cold.peak_mb:.0f} MB, warm {warm.peak_mb:.0f} MB")

    env["BROADSHEET_HOME"] = str(folder / "texts")
    for day, _ in (LONG_DAY, SHORT_DAY):
        cost([*run, day], env)
    walls: dict[str, list[float]] = {day: [] for day, _ in (LONG_DAY, SHORT_DAY)}
    peaks = []
    for turn in range(repeat):
        for day, _ in (LONG_DAY, SHORT_DAY):
            home = folder / f"model-{turn}-{day}"
            shutil.copytree(folder / "texts", home)
            asked = env | {"BROADSHEET_HOME": str(home), "BROADSHEET_MODELS": "openai/any"}
            post(f"{world}/_control", {"reset": True})
            done = cost([*run, day], asked)
            walls[day].append(done.wall)
            peaks.append(done.peak_mb)
    long, short = (statistics.median(walls[day]) for day, _ in (LONG_DAY, SHORT_DAY))
    each = (long - short) / (LONG_DAY[1] - SHORT_DAY[1])
    print(
        f"orchestration per paper (a model that answers at once, texts stored): {1000 * each:.0f}"
        f" ms ({LONG_DAY[1]} papers {long:.1f} s, {SHORT_DAY[1]} papers {short:.1f} s)"
    )
    print(f"peak memory with a model: {max(peaks):.0f} MB")


if __name__ == "__main__":
    main()
