"""Drill: the same digest is asked for twice at the same moment: by two commands, by two runs.

One makes it and the other waits for that, each question is paid for once, and the rows and pages
are those of a digest made alone:

    python tests/drills/two_at_once.py http://127.0.0.1:9100
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from subprocess import Popen

from kill_while_filling import differing_reports, differing_rows
from stage import (
    Findings,
    Installation,
    World,
    broadsheet,
    ended,
    environment_of,
    installed,
    told,
    wait_for,
)

DATE = "2026-01-06"
LATENCY_SECONDS = 0.5
WAITING = "another run is making hf 2026-01-06"
LONGEST_SECONDS = 900.0


def main() -> None:
    """Make it alone, by two commands and by two runs; ends with 1 where the three differ."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--concurrency", type=int, default=2)
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        alone, both = Path(folder) / "alone", Path(folder) / "both"
        world.begin()
        ended(command(world, alone, given.concurrency))
        questions = world.stats["llm_prompts"]
        print(f"made alone: {questions} questions\ntwo commands", flush=True)
        by_commands(findings, world, both, given.concurrency, questions)
        compare(findings, alone, both)
        print("two runs of deployments, then two of one deployment", flush=True)
        with installed(world, given.concurrency) as there:
            by_runs(findings, world, there, questions)
            compare(findings, alone, Path(there.environment["BROADSHEET_HOME"]))
    findings.end()


def by_commands(
    findings: Findings, world: World, home: Path, concurrency: int, questions: int
) -> None:
    """Two `broadsheet run` at once."""
    world.begin(latency=LATENCY_SECONDS)
    pair = [command(world, home, concurrency, own) for own in ("one", "other")]
    results = [ended(each) for each in pair]
    codes = [code for code, _ in results]
    findings.fact(codes == [0, 0], f"both end well: exit codes {codes}")
    waited = sum(WAITING in said for _, said in results)
    findings.fact(waited == 1, f"{waited} of them says that it waits for the other")
    see_payments(findings, world, questions)


def by_runs(findings: Findings, world: World, there: Installation, questions: int) -> None:
    """Runs of two deployments that make the same digest; then two runs of one deployment."""
    world.begin(latency=LATENCY_SECONDS)
    runs = [
        there.start("daily/daily-hf", date=DATE),
        there.start("daily/daily-cv", date=DATE, profiles=["hf"]),
    ]
    see_ends(findings, there, runs)
    logs = [line["message"] for line in there.ask("logs/filter", {"limit": 200})]
    waited = sum(WAITING in line for line in logs)
    findings.fact(waited == 1, f"{waited} of them says in its log that it waits for the other")
    see_payments(findings, world, questions)
    runs = [there.start("daily/daily-hf", date=DATE) for _ in range(2)]
    see_ends(findings, there, runs)
    begun = sorted((one["start_time"], one["end_time"]) for one in map(there.run, runs))
    findings.fact(begun[0][1] <= begun[1][0], "of one deployment the second begins after the first")
    see_payments(findings, world, questions)


def command(world: World, home: Path, concurrency: int, own: str = "one") -> Popen[str]:
    environment = environment_of(world, home, concurrency)
    # the embedded server's database: two that make the same one at once would wait for each other
    environment["PREFECT_HOME"] = str(home / f"prefect-of-{own}")
    return broadsheet(environment, "run", "--profile", "hf", "--date", DATE)


def see_ends(findings: Findings, there: Installation, runs: list[str]) -> None:
    for run in runs:
        wait_for(lambda run=run: there.has_ended(run), LONGEST_SECONDS)
        one = there.run(run)
        findings.fact(one["state_type"] == "COMPLETED", f"{one['name']} ended {told(one)}")


def see_payments(findings: Findings, world: World, questions: int) -> None:
    asked, repeats = world.stats["llm_prompts"], world.repeats
    findings.fact(asked == questions and not repeats, f"{asked} questions, {repeats} repeated")


def compare(findings: Findings, one: Path, other: Path) -> None:
    differences = [*differing_rows(one, other), *differing_reports(one, other)]
    findings.fact(not differences, "; ".join(differences) or "the same rows and pages as alone")


if __name__ == "__main__":
    main()
