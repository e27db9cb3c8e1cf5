"""Drill: Hugging Face is down for days, while new lists appear; then arXiv is.

Starts a world of its own whose lists end at the day that is simulated, so it takes the world's
script, not an address:

    python tests/drills/source_down.py ../shared/world/world.py

A day's run fails with one line and exit 1, that the source is down is told once, and the first
run after it makes the days that were missed. Without arXiv a digest is made from what Hugging Face
says.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from stage import (
    Findings,
    Installation,
    World,
    broadsheet,
    ended,
    environment_of,
    free_port,
    installed,
    last_line,
)

BEFORE, DOWN, BACK, WITHOUT_ARXIV, LAST = (
    "2026-01-05",
    ("2026-01-06", "2026-01-07", "2026-01-08"),
    "2026-01-09",
    "2026-01-12",
    "2026-01-13",
)
OUTAGE = {"route": "hf", "status": 503}
NO_ARXIV = [{"route": "arxiv", "status": 503}, {"route": "html", "status": 503}]


def main() -> None:
    """Live through these days; ends with 1 where one is lost, or told other than it was."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("script", type=Path, help="world.py, its recorded lists beside it")
    asked.add_argument("--concurrency", type=int, default=2)
    given = asked.parse_args()
    findings, port = Findings(), free_port()
    world = World(f"http://127.0.0.1:{port}")
    with tempfile.TemporaryDirectory(prefix="drill-") as lists, installed(world, 0) as there:
        days = Days(given.script, Path(lists), port, given.concurrency)
        home = Path(there.environment["BROADSHEET_HOME"])
        live(findings, world, days, there, home)
    findings.end()


class Days:
    """The simulated days: each begins with a world whose newest list is its own."""

    def __init__(self, script: Path, lists: Path, port: int, concurrency: int) -> None:
        self._recorded = script.parent / "data" / "hf_late"
        self._early = script.parent / "data" / "hf_early"
        self._script, self._lists, self._port = script, lists, port
        self.concurrency = concurrency

    @contextmanager
    def day(self, date: str) -> Iterator[None]:
        """The world of that day, while the block runs."""
        for folder in (self._early, self._recorded):
            for list_ in sorted(folder.glob("2026-01-*.json")):
                if list_.stem <= date:
                    shutil.copy(list_, self._lists)
        command = [sys.executable, str(self._script), "--port", str(self._port)]
        world = subprocess.Popen([*command, "--hf", str(self._lists)], stdout=subprocess.DEVNULL)
        try:
            for _ in range(600):
                with suppress(httpx.TransportError):
                    httpx.get(f"http://127.0.0.1:{self._port}/_stats")
                    break
                time.sleep(0.1)
            yield
        finally:
            world.terminate()
            world.wait(30)


def live(findings: Findings, world: World, days: Days, there: Installation, home: Path) -> None:
    with days.day(BEFORE):
        code, _ = run(world, there, home, days.concurrency)
        findings.fact(code == 0, f"{BEFORE}: the first digest: exit {code}")
    for date in DOWN:
        with days.day(date):
            world.set(faults=[OUTAGE])
            began = time.monotonic()
            code, said = run(world, there, home, days.concurrency)
            seconds = time.monotonic() - began
        lines = said.strip().splitlines()
        findings.fact(code == 1, f"{date}, Hugging Face down: exit {code} after {seconds:.0f} s")
        findings.fact(len(lines) == 1, f"in {len(lines)} line(s): {lines[-1] if lines else ''}")
        findings.fact(dates_of(home) == [BEFORE], "no digest has appeared, or changed")
    see_events(findings, there, down=1, up=0)
    with days.day(BACK):
        code, said = run(world, there, home, days.concurrency)
        findings.figure(f"{BACK}, back again: exit {code}: {world.stats['llm_prompts']} questions")
        made = dates_of(home)
        findings.fact(made == [BEFORE, *DOWN, BACK], f"the digests are those of {made}")
        findings.fact(not world.repeats, "no question was asked twice")
    see_events(findings, there, down=1, up=1)
    with days.day(WITHOUT_ARXIV):
        world.set(faults=NO_ARXIV)
        code, said = run(world, there, home, days.concurrency)
        findings.fact(code == 0, f"{WITHOUT_ARXIV}, arXiv down: exit {code}: {last_line(said)}")
    with days.day(LAST):
        code, said = run(world, there, home, days.concurrency)
        findings.fact(code == 0, f"{LAST}, arXiv back: exit {code}: {last_line(said)}")
        missing = ask(there, "select count(*) from listings where len(missing) > 0")
        findings.figure(f"papers that still lack what arXiv says of them: {missing}")


def run(world: World, there: Installation, home: Path, concurrency: int) -> tuple[int, str]:
    """The day's `broadsheet run`, reporting to the server, with few tries per page."""
    environment = environment_of(world, home, concurrency)
    reporting = {"PREFECT_API_URL": there.api, "BROADSHEET_HTTP_ATTEMPTS": "2"}
    return ended(broadsheet(environment | reporting, "run", "--profile", "hf"))


def see_events(findings: Findings, there: Installation, down: int, up: int) -> None:
    """How often the source was told to be down and up so far; events arrive a little later."""
    time.sleep(5)
    names = [event["event"] for event in there.events()]
    told = {name: names.count(name) for name in sorted(set(names))}
    findings.figure(f"events so far: {told}")
    for name, times in (("broadsheet.source.down", down), ("broadsheet.source.up", up)):
        found = told.get(name, 0)
        findings.fact(found == times, f"{name} was told {found} times, {times} are due")


def dates_of(home: Path) -> list[str]:
    return sorted(page.stem for page in (home / "reports" / "hf").glob("*.md"))


def ask(there: Installation, query: str) -> str:
    return last_line(ended(broadsheet(there.environment, "sql", "--format", "csv", query))[1])


if __name__ == "__main__":
    main()
