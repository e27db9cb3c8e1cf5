"""Drill: another process holds the databases: the shared state's, and Prefect's own.

Held for seconds, a run waits and completes; held for longer than its patience, it fails and says
so, and the next one completes with what was paid for:

    python tests/drills/sqlite_locked.py http://127.0.0.1:9100
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stage import (
    Findings,
    Installation,
    World,
    broadsheet,
    ended,
    environment_of,
    installed,
    last_line,
    told,
    wait_for,
)

LATENCY_SECONDS = 0.5
SHORT_SECONDS, LONG_SECONDS = 10.0, 75.0
"""Below and above what a transaction of the state waits for another, a minute."""
ANSWERS_BEFORE = 4
LONGEST_SECONDS = 900.0
HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], timeout=120, isolation_level=None)
held.execute("begin immediate")
print("held", flush=True)
sys.stdin.readline()
"""


def main() -> None:
    """Hold one database after the other; ends with 1 where something is lost or unsaid."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--concurrency", type=int, default=2)
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    with tempfile.TemporaryDirectory(prefix="drill-") as home:
        environment = environment_of(world, Path(home), given.concurrency)
        state = Path(home) / "state.sqlite"
        shortly(findings, world, environment, state, "2026-01-06")
        too_long(findings, world, environment, state, "2026-01-07")
    with installed(world, given.concurrency) as there:
        for date, seconds in (("2026-01-06", SHORT_SECONDS), ("2026-01-07", LONG_SECONDS)):
            prefects_own(findings, world, there, date, seconds, given.concurrency)
    findings.end()


@contextmanager
def held(place: Path) -> Iterator[None]:
    """Another process's write transaction, open while the block runs."""
    command = [sys.executable, "-c", HOLD, str(place)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    try:
        yield
    finally:
        holder.communicate("\n")


def under_way(world: World, environment: dict[str, str], date: str) -> subprocess.Popen[str]:
    """A run that has had its first answers."""
    world.begin(latency=LATENCY_SECONDS)
    command = broadsheet(environment, "run", "--profile", "hf", "--date", date)
    wait_for(lambda: world.answered >= ANSWERS_BEFORE or command.poll() is not None)
    return command


def shortly(
    findings: Findings, world: World, environment: dict[str, str], state: Path, date: str
) -> None:
    print(f"the state, held for {SHORT_SECONDS:.0f} s in the middle, {date}", flush=True)
    command = under_way(world, environment, date)
    with held(state):
        time.sleep(SHORT_SECONDS)
        during = command.poll()
    findings.fact(during is None, "the run waits")
    code, said = ended(command)
    findings.fact(code == 0, f"and then ends: exit {code}: {last_line(said)}")
    findings.fact(not world.repeats, f"{world.stats['llm_prompts']} questions, none repeated")


def too_long(
    findings: Findings, world: World, environment: dict[str, str], state: Path, date: str
) -> None:
    print("the state, held until the run gives up", flush=True)
    command = under_way(world, environment, date)
    with held(state):
        began = time.monotonic()
        code, said = ended(command)
        seconds = time.monotonic() - began
    findings.fact(code == 1, f"it ends after {seconds:.0f} s with {code}: {last_line(said)}")
    findings.fact("locked" in last_line(said), "which names the reason")
    before = world.answered
    code, said = ended(broadsheet(environment, "run", "--profile", "hf", "--date", date))
    findings.fact(code == 0, f"the next run ends with {code}: {last_line(said)}")
    findings.fact(
        not world.repeats, f"{before} answers paid for before, {world.repeats} paid for again"
    )
    with sqlite3.connect(state) as connection:
        whole = connection.execute("pragma integrity_check").fetchone()[0]
    findings.fact(whole == "ok", f"the state's own check says {whole}")


def prefects_own(
    findings: Findings,
    world: World,
    there: Installation,
    date: str,
    seconds: float,
    concurrency: int,
) -> None:
    print(f"the server's database, held for {seconds:.0f} s in the middle, {date}", flush=True)
    world.begin(latency=LATENCY_SECONDS)
    run = there.start("daily/daily-hf", date=date)
    wait_for(lambda: world.answered >= ANSWERS_BEFORE, LONGEST_SECONDS)
    before = world.answered
    with held(there.folder / "prefect.db"):
        time.sleep(seconds)
        during = world.answered - before
    began = time.monotonic()
    wait_for(lambda: there.has_ended(run), LONGEST_SECONDS)
    one = there.run(run)
    findings.figure(f"{before} answers before, {during} meanwhile")
    findings.fact(
        one["state_type"] == "COMPLETED",
        f"{time.monotonic() - began:.0f} s after it was free the run is {told(one)}",
    )
    following = there.start("daily/daily-hf", date=date)
    wait_for(lambda: there.has_ended(following), LONGEST_SECONDS)
    last = there.run(following)
    findings.fact(last["state_type"] == "COMPLETED", f"the next run ended {told(last)}")
    allowed = 0 if one["state_type"] == "COMPLETED" else concurrency
    asked, repeats = world.stats["llm_prompts"], world.repeats
    findings.fact(repeats <= allowed, f"{asked} questions, {repeats} paid for twice")


if __name__ == "__main__":
    main()
