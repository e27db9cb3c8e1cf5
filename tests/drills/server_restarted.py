"""Drill: the Prefect server ends (told to, then -9) while a run asks a model, and is started again.

Whether the run goes on by itself, what its page shows at the end, whether the worker still takes up
the next one, and whether any question was paid for twice:

    python tests/drills/server_restarted.py http://127.0.0.1:9100 --seconds 15
"""

from __future__ import annotations

import argparse
import os
import signal
import time

import psutil
from stage import ENDS, Findings, Installation, World, installed, told, wait_for

DAILY = "daily/daily-hf"
LATENCY_SECONDS = 1.0
ANSWERS_BEFORE = 4
LONGEST_SECONDS = 900.0


def main() -> None:
    """End the server both ways; ends with 1 where something is lost, or paid for twice."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--concurrency", type=int, default=2)
    asked.add_argument("--seconds", type=float, default=15.0, help="it stays away, at least")
    asked.add_argument("--retries", type=int, help="PREFECT_CLIENT_MAX_RETRIES, if not as deployed")
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    retries = {"PREFECT_CLIENT_MAX_RETRIES": str(given.retries)} if given.retries else {}
    with installed(world, given.concurrency, retries) as there:
        for date, how in (("2026-01-06", signal.SIGTERM), ("2026-01-07", signal.SIGKILL)):
            drill(findings, world, there, date, how, given.seconds, given.concurrency)
    findings.end()


def drill(
    findings: Findings,
    world: World,
    there: Installation,
    date: str,
    how: signal.Signals,
    seconds: float,
    concurrency: int,
) -> None:
    """End the server that way in the middle of a run, and start it again."""
    print(f"the server got {how.name}, {date}", flush=True)
    world.begin(latency=LATENCY_SECONDS)
    run = there.start(DAILY, date=date)
    wait_for(lambda: world.answered >= ANSWERS_BEFORE, LONGEST_SECONDS)
    before = world.answered
    began = time.monotonic()
    end_server(there, how)
    time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    during = world.answered - before
    there.up()
    findings.figure(f"away for {time.monotonic() - began:.0f} s, with {during} questions answered")
    is_over = wait_for(lambda: there.has_ended(run), LONGEST_SECONDS) < LONGEST_SECONDS
    ended = there.run(run)
    findings.fact(
        is_over, f"{time.monotonic() - began:.0f} s after its end the run is {told(ended)}"
    )
    for child in there.children(run):
        findings.fact(child["state_type"] in ENDS, f"and its digest's run {told(child)}")
    repeats = world.repeats
    is_whole = ended["state_type"] == "COMPLETED"
    findings.figure(f"{before} answers before, {world.answered} in all, {repeats} repeated")
    following = there.start(DAILY, date=date)
    wait_for(lambda: there.has_ended(following), LONGEST_SECONDS)
    last = there.run(following)
    findings.fact(last["state_type"] == "COMPLETED", f"the next run ended {told(last)}")
    asked = world.stats["llm_prompts"]
    findings.fact(
        world.repeats <= (0 if is_whole else concurrency),
        f"{asked} questions, {world.repeats} paid for twice",
    )


def end_server(there: Installation, how: signal.Signals) -> None:
    """End it and all that it has started; returns when it is gone."""
    process = psutil.Process(there.pid("server"))
    below = process.children(recursive=True)
    os.kill(process.pid, how)
    psutil.wait_procs([process], timeout=60)
    for child in below:
        if how is signal.SIGKILL and child.is_running():
            child.kill()
    psutil.wait_procs(below, timeout=60)


if __name__ == "__main__":
    main()
