"""Drill: a deployment's run is killed (-9) while it asks a model: alone, and with its worker.

Who says that it crashed, how soon the deployment's slot is free again, and whether the next run
goes on where it ended without a second question, but for those that were under way:

    python tests/drills/worker_killed.py http://127.0.0.1:9100
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from pathlib import Path

from stage import Findings, Installation, World, installed, kill_tree, told, wait_for

DAILY = "daily/daily-hf"
LATENCY_SECONDS = 1.0
ANSWERS_BEFORE = 4
LONGEST_SECONDS = 600.0


def main() -> None:
    """Kill both ways; ends with 1 where an answer is lost, or nobody says what happened."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--concurrency", type=int, default=2)
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    with installed(world, given.concurrency) as there:
        drill(findings, world, there, "2026-01-06", given.concurrency, with_worker=False)
        drill(findings, world, there, "2026-01-07", given.concurrency, with_worker=True)
    findings.end()


def drill(
    findings: Findings,
    world: World,
    there: Installation,
    date: str,
    concurrency: int,
    *,
    with_worker: bool,
) -> None:
    """Kill one run, or it and its worker, and see the next one complete the digest."""
    print(f"the run{' and its worker' if with_worker else ''} killed -9, {date}", flush=True)
    world.begin(latency=LATENCY_SECONDS)
    run = there.start(DAILY, date=date)
    wait_for(lambda: world.answered >= ANSWERS_BEFORE, LONGEST_SECONDS)
    if with_worker:
        kill_tree(there.pid("worker"))
    there.kill_run(run)
    killed_at = time.time()
    before = world.answered
    if with_worker:
        see_crash(findings, there, run, killed_at)
        wait_for(lambda: not there.slots_taken(DAILY), LONGEST_SECONDS)
        findings.figure(f"the deployment's slot is free {since(killed_at)} s after the kill")
        there.up()
        following = there.start(DAILY, date=date)
    else:
        following = there.start(DAILY, date=date)
        see_crash(findings, there, run, killed_at)
    due_at = time.time() if with_worker else killed_at
    see_next(findings, there, following, due_at)
    first = next((at for at in world.stats["llm_times"] if at > due_at + LATENCY_SECONDS), 0.0)
    findings.figure(f"its first question was answered {since(due_at, first)} s after it was due")
    findings.fact(is_published(there, date), "its report is there")
    repeats, prompts = world.repeats, world.stats["llm_prompts"]
    findings.figure(f"{before} answers before the kill, {prompts} questions, {repeats} repeated")
    findings.fact(repeats <= concurrency, f"at most the {concurrency} under way were paid twice")


def see_crash(findings: Findings, there: Installation, run: str, killed_at: float) -> None:
    """Wait until the run, and the digest's that it had started, are said to have crashed."""
    below = [child["id"] for child in there.children(run)]
    for what, ids in (("the run", [run]), ("its digest's run", below)):
        wait_for(lambda ids=ids: all(there.has_ended(one) for one in ids), LONGEST_SECONDS)
        for one in map(there.run, ids):
            seconds = since(killed_at, instant(one["end_time"]))
            is_crashed = one["state_type"] == "CRASHED"
            findings.fact(is_crashed, f"{seconds} s after the kill {what} is {told(one)}")


def see_next(findings: Findings, there: Installation, run: str, due_at: float) -> None:
    """Wait until the next run has ended."""
    wait_for(lambda: there.has_ended(run), LONGEST_SECONDS)
    one = there.run(run)
    began = since(due_at, instant(one["start_time"])) if one["start_time"] else "never"
    findings.figure(f"the next run began {began} s after it was due")
    findings.fact(one["state_type"] == "COMPLETED", f"the next run ended {told(one)}")


def instant(told_at: str) -> float:
    return dt.datetime.fromisoformat(told_at).timestamp()


def since(then: float, now: float | None = None) -> str:
    """Whole seconds."""
    return f"{(time.time() if now is None else now) - then:.0f}"


def is_published(there: Installation, date: str) -> bool:
    """Whether the page of that date is there."""
    home = Path(there.environment["BROADSHEET_HOME"])
    return (home / "reports" / "hf" / f"{date}.md").is_file()


if __name__ == "__main__":
    main()
