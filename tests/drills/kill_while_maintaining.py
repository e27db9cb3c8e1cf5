"""Drill: maintenance is killed (-9) again and again at random moments; no row is lost.

Before each kill the lake gets more small files, and is left as the kill before left it:

    python tests/drills/kill_while_maintaining.py --kills 30

What the staging views show and what is found by name must be the same before and after each kill,
and after a last maintenance that is left alone; of snapshots, only those go that the policy drops.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import DAY
from small_files import fill, key_of, papers_of, seen

from broadsheet.analysis import answers
from broadsheet.config import load_settings
from broadsheet.doctor import check
from broadsheet.lake import Lake
from broadsheet.maintaining import plan
from broadsheet.schemas import SCHEMAS

NOW = dt.timedelta(0)
TIDY = """
import datetime as dt, sys
from broadsheet import bundles, maintaining
upkeep = maintaining.open_upkeep(is_rehearsal=False)
print("ready", flush=True)
sys.stdin.readline()
maintaining.tidy(upkeep, quiet=dt.timedelta(0), pause=lambda _: None)
print("done", flush=True)
"""


def main() -> None:
    """Fill, kill and compare; ends with 1 where anything differs."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=30)
    asked.add_argument("--days", type=int, default=2, help="of new files before each kill")
    asked.add_argument("--papers", type=int, default=4)
    asked.add_argument("--seed", type=int, default=0)
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["BROADSHEET_HOME"] = home
        sys.exit(0 if drill(told, Lake(load_settings().lake_root)) else 1)


def drill(told: argparse.Namespace, lake: Lake) -> bool:
    chance = random.Random(told.seed)
    fill(lake, told.days, told.papers)
    files = todo(lake)
    usual = seconds_alone()
    print(f"undisturbed, {files} files take {usual:.2f} s", flush=True)
    killed, late, left_over, wrong = 0, 0, 0, 0
    while killed < told.kills:
        first = (killed + late + 1) * told.days
        fill(lake, told.days, told.papers, first=first)
        before = state_of(lake, first + told.days, told.papers)
        if not kill_at(chance.uniform(0, usual * todo(lake) / files)):
            late += 1
            usual *= 0.8  # the machine is less busy than it was
            continue
        killed += 1
        left_over += todo(lake) > 0
        wrong += state_of(lake, first + told.days, told.papers) != before
    before_last = count(lake)
    seconds_alone()
    wrong += state_of(lake, first + told.days, told.papers) != before
    print(
        f"{killed} kills at work ({late} came too late), {left_over} left work to do,"
        f" {wrong} changed what is seen; {before_last} files in the end, {count(lake)} after a last"
        f" maintenance, {sum(len(rows) for rows in before[0].values())} rows seen"
    )
    return wrong == 0 and todo(lake) == 0


def start() -> subprocess.Popen[str]:
    """A maintenance that waits for the word to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", TIDY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    process.stdout.readline()
    return process


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def seconds_alone() -> float:
    """How long a maintenance takes that is left alone."""
    process = start()
    started = time.monotonic()
    begin(process)
    assert process.stdout
    assert process.stdout.readline() == "done\n"
    took = time.monotonic() - started
    process.communicate()
    return took


def kill_at(seconds: float) -> bool:
    """Kill a maintenance so long after its beginning; False: it had ended."""
    process = start()
    begin(process)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate()
    return "done" not in output


def state_of(lake: Lake, days: int, papers: int) -> tuple[dict[str, list[Any]], list[Any]]:
    """What the views show, what is found by name, and what the checks find bad."""
    found: list[Any] = []
    for day in range(days):
        date = DAY + dt.timedelta(days=day)
        where: dict[str, Any] = {"source": "huggingface", "date": date}
        snapshots = lake.names("listings", **where)
        found += [snapshots[0], snapshots[-1], lake.rows("runs", f"run-{day}", date=date)]
        found += [lake.rows("listings", snapshots[-1], **where)]
        for name in papers_of(day, papers):
            found.append(answers.find(lake, key_of(name)))
            found.append(lake.rows("fulltexts", name, date=date))
    assert None not in found
    return seen(lake), [*found, [line for line in check(lake) if line[:2] != "ok"]]


def todo(lake: Lake) -> int:
    """How many files there are to merge."""
    planned = plan(lake, load_settings(), dt.datetime.now(dt.UTC), quiet=NOW)
    return sum(len(merge.files) for merge in planned.merges)


def count(lake: Lake) -> int:
    return sum(len(lake.files(table)) for table in SCHEMAS)


if __name__ == "__main__":
    main()
