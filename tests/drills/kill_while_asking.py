"""Drill: a run is killed (-9) again and again while it asks a model; what was paid for is kept.

Needs a world that replays sources and an OpenAI-compatible model, with `/_control` and `/_stats`:

    python tests/drills/kill_while_asking.py http://127.0.0.1:9100 --date 2026-01-06 --kills 15
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

LATENCY_SECONDS = 0.4


def main() -> None:
    """Kill, rerun and count; ends with 1 where an answer was lost or paid for too often."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--date", required=True)
    asked.add_argument("--kills", type=int, default=15)
    asked.add_argument("--concurrency", type=int, default=1)
    asked.add_argument("--seed", type=int, default=0)
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as home:
        world_of(told.world, reset=True, latency=LATENCY_SECONDS, rpm=0, mode="good", faults=[])
        environment = environment_of(told.world, Path(home), told.concurrency)
        chance, kills = random.Random(told.seed), 0
        while kills < told.kills and killed(told, environment, chance):
            kills += 1
        last = start(told.date, environment)
        code, stats = last.wait(), stats_of(told.world)
    repeats, allowed = stats["llm_repeats"], kills * told.concurrency
    print(f"{kills} kills, {stats['llm_prompts']} questions, {repeats} repeated, exit {code}")
    sys.exit(0 if code == 0 and repeats <= allowed and kills == told.kills else 1)


def environment_of(world: str, home: Path, concurrency: int) -> dict[str, str]:
    config = home / "broadsheet.toml"
    config.write_text(f'[[models]]\nname = "openai/any"\nmax_concurrency = {concurrency}\n')
    return os.environ | {
        "BROADSHEET_HOME": str(home),
        "BROADSHEET_CONFIG": str(config),
        "BROADSHEET_HUGGINGFACE_URL": world,
        "BROADSHEET_ARXIV_API_URL": f"{world}/api/query",
        "BROADSHEET_ARXIV_URL": world,
        "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
        "OPENAI_API_BASE": f"{world}/v1",
    }


def start(date: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("broadsheet")), "run", "--profile", "hf"]
    return subprocess.Popen(
        [*command, "--date", date],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def killed(told: argparse.Namespace, environment: dict[str, str], chance: random.Random) -> bool:
    """Start a run and kill it at a random moment after its first questions; False: it ended."""
    answered = stats_of(told.world)["by"].get("llm 200", 0)
    run = start(told.date, environment)
    wanted = answered + chance.randint(0, 3)
    while run.poll() is None and stats_of(told.world)["by"].get("llm 200", 0) < wanted:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 2 * LATENCY_SECONDS))
    if run.poll() is not None:
        return False
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    return True


def world_of(world: str, **settings: object) -> None:
    request = Request(f"{world}/_control", json.dumps(settings).encode(), method="POST")
    urlopen(request).close()


def stats_of(world: str) -> dict[str, Any]:
    with urlopen(f"{world}/_stats") as response:
        stats: dict[str, Any] = json.load(response)
    return stats


if __name__ == "__main__":
    main()
