"""Drill: the machine's clock is ahead, is put right, and jumps back and forth during a run.

Needs Linux and a C compiler, for `wrong_clock.c`, and says so where there is none:

    python tests/drills/clock_skew.py http://127.0.0.1:9100
"""

from __future__ import annotations

import argparse
import shutil
import struct
import subprocess
import sys
import tempfile
import time
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

SOURCE = Path(__file__).with_name("wrong_clock.c")
COMPILER = shutil.which("cc") or ""
HOUR, DAY = 3600, 86400
LATENCY_SECONDS = 0.5
ANSWERS_BEFORE = 4
LONGEST_SECONDS = 900.0
RPM = 30


def main() -> None:
    """Put the clock wrong in each way; ends with 1 where something is lost, or paid for twice."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--concurrency", type=int, default=2)
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    if not COMPILER:
        print("not done: it needs a C compiler (cc), which is not here")
        sys.exit(2)
    for drill in (ahead_and_put_right, jumps_within_a_run, jumps_beside_a_server):
        with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
            clock = Clock(Path(folder))
            print((drill.__doc__ or "").partition("\n")[0], flush=True)
            drill(findings, world, clock, Path(folder) / "home", given.concurrency)
    findings.end()


class Clock:
    """A wall clock that what is started below it goes by; changes are seen at once."""

    def __init__(self, folder: Path) -> None:
        self._library, self._file = folder / "wrong_clock.so", folder / "clock"
        build = [COMPILER, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE)]
        subprocess.run(build, check=True)
        self._file.write_bytes(bytes(8))
        self.put(0)

    def put(self, seconds: int) -> None:
        """Let it be wrong by so much from now on."""
        with self._file.open("r+b") as file:  # in place: it is mapped into memory
            file.write(struct.pack("=q", seconds))

    @property
    def environment(self) -> dict[str, str]:
        """What puts a process and all that it starts below it."""
        return {"LD_PRELOAD": str(self._library), "WRONG_CLOCK": str(self._file)}


def ahead_and_put_right(
    findings: Findings, world: World, clock: Clock, home: Path, concurrency: int
) -> None:
    """Between runs: two days ahead at first, then put right; then an hour back."""
    world.begin(snapshot="early")
    environment = environment_of(world, home, concurrency) | clock.environment
    clock.put(2 * DAY)
    see(findings, world, environment, "2026-01-06", "two days ahead, the early list")
    before = papers_of(environment)
    world.set(snapshot="late")
    clock.put(0)
    see(findings, world, environment, "2026-01-06", "put right, the late list")
    known = papers_of(environment)
    findings.figure(f"{before} papers in the early digest, {known} in the late one")
    findings.fact(int(known) > int(before), "the late papers have arrived")
    stored = snapshots_of(home)
    clock.put(-HOUR)
    see(findings, world, environment, "2026-01-06", "an hour back, the same list")
    findings.fact(papers_of(environment) == known, "and are still there")
    findings.fact(snapshots_of(home) == stored, f"an equal list adds no snapshot to {stored}")


def jumps_within_a_run(
    findings: Findings, world: World, clock: Clock, home: Path, concurrency: int
) -> None:
    """During runs that keep to a quota: a day forth, then an hour back, then put right."""
    environment = environment_of(world, home, concurrency) | clock.environment
    config = Path(environment["BROADSHEET_CONFIG"])
    config.write_text(config.read_text() + f"rpm = {RPM}\n")
    dates = {DAY: "2026-01-06", -HOUR: "2026-01-07", 0: "2026-01-08"}
    for seconds, date in dates.items():
        world.begin(latency=LATENCY_SECONDS, rpm=RPM)
        command = broadsheet(environment, "run", "--profile", "hf", "--date", date)
        wait_for(lambda: world.answered >= ANSWERS_BEFORE or command.poll() is not None)  # noqa: B023
        clock.put(seconds)
        began = time.monotonic()
        code, said = ended(command)
        took, by = time.monotonic() - began, world.stats["by"]
        findings.fact(
            code == 0, f"{seconds:+} s: exit {code} {took:.0f} s later: {last_line(said)}"
        )
        findings.fact(
            not world.repeats,
            f"{world.stats['llm_prompts']} questions, {world.repeats} paid for twice,"
            f" {by.get('llm 429', 0)} refused by the quota",
        )


def jumps_beside_a_server(
    findings: Findings, world: World, clock: Clock, home: Path, concurrency: int
) -> None:
    """During runs of a deployment, for server and watchdog too: ten minutes forth, and back."""
    with installed(world, concurrency, clock.environment) as there:
        for seconds, date in ((600, "2026-01-06"), (0, "2026-01-07")):
            within_a_deployment(findings, world, there, clock, seconds, date, concurrency)


def within_a_deployment(
    findings: Findings,
    world: World,
    there: Installation,
    clock: Clock,
    seconds: int,
    date: str,
    concurrency: int,
) -> None:
    world.begin(latency=LATENCY_SECONDS)
    run = there.start("daily/daily-hf", date=date)
    wait_for(lambda: world.answered >= ANSWERS_BEFORE, LONGEST_SECONDS)
    clock.put(seconds)
    wait_for(lambda: there.has_ended(run), LONGEST_SECONDS)
    one = there.run(run)
    findings.figure(f"{seconds:+} s: the run is {told(one)}")
    following = there.start("daily/daily-hf", date=date)
    wait_for(lambda: there.has_ended(following), LONGEST_SECONDS)
    last = there.run(following)
    findings.fact(last["state_type"] == "COMPLETED", f"the next run ended {told(last)}")
    allowed = 0 if one["state_type"] == "COMPLETED" else concurrency
    asked, repeats = world.stats["llm_prompts"], world.repeats
    findings.fact(repeats <= allowed, f"{asked} questions, {repeats} paid for twice")


def see(
    findings: Findings, world: World, environment: dict[str, str], date: str, when: str
) -> None:
    """Make the digest, which has to be complete."""
    code, said = ended(broadsheet(environment, "run", "--profile", "hf", "--date", date))
    findings.fact(code == 0, f"{when}: exit {code}: {last_line(said)}")
    findings.fact(not world.repeats, f"{world.answered} answers, {world.repeats} paid for twice")


def papers_of(environment: dict[str, str]) -> str:
    query = "select count(*) from digests where profile = 'hf'"
    return last_line(ended(broadsheet(environment, "sql", "--format", "csv", query))[1])


def snapshots_of(home: Path) -> int:
    return len([*(home / "lake" / "listings").rglob("*.parquet")])


if __name__ == "__main__":
    main()
