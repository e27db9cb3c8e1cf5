"""Drill: ten days' lists are read early, when they are half full, and again when they have filled.

Every late paper reaches the digest of its own day, each question is asked once, and what had been
said of the early papers stays. Needs a world that replays early and late lists:

    python tests/drills/late_lists.py http://127.0.0.1:9100
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stage import Findings, World, broadsheet, ended, environment_of, last_line

from broadsheet.lake import Lake
from broadsheet.warehouse import Warehouse

Papers = dict[tuple[dt.date, str], str]
"""By date and paper: the question of the analysis that was published."""


def main() -> None:
    """Fill the range early and again late; ends with 1 where a late paper is missing."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--start", default="2026-01-05")
    asked.add_argument("--end", default="2026-01-16")
    asked.add_argument("--concurrency", type=int, default=4)
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        home = Path(folder)
        environment = environment_of(world, home, given.concurrency)
        world.begin(snapshot="early")
        early = filled(environment, home, given.start, given.end)
        asked_early = world.answered
        findings.figure(f"early: {described(early)}, {asked_early} questions")
        world.set(snapshot="late")
        late = filled(environment, home, given.start, given.end, "--refresh")
        findings.figure(f"late: {described(late)}, {world.answered - asked_early} questions more")
        compare(findings, home, early, late)
        findings.fact(world.repeats == 0, "no question was asked twice")
        findings.fact(world.answered == asked_early + len(late) - len(early), "one for each paper")
        before = world.answered
        filled(environment, home, given.start, given.end, "--refresh")
        findings.fact(world.answered == before, "once more: nothing is asked")
    findings.end()


def filled(environment: Mapping[str, str], home: Path, *words: str) -> Papers:
    """What the digests of profile hf feature after a backfill of that range."""
    code, said = ended(broadsheet(environment, "backfill", *words, "--profile", "hf"), 1800)
    if code:
        raise RuntimeError(f"the backfill ended with {code}: {last_line(said)}")
    with Warehouse(Lake(str(home / "lake"))) as warehouse:
        rows = warehouse.sql("select date, paper_id, question from digests").to_pylist()
    return {(row["date"], row["paper_id"]): row["question"] for row in rows}


def compare(findings: Findings, home: Path, early: Papers, late: Papers) -> None:
    """Whether each late paper is where it belongs and each early one what it was."""
    with Warehouse(Lake(str(home / "lake"))) as warehouse:
        rows = warehouse.sql("select date, paper_id from listings where is_listed").to_pylist()
    listed = {(row["date"], row["paper_id"]) for row in rows}
    came_late = listed - early.keys()
    arrived = came_late & late.keys()
    findings.figure(f"{len(arrived)} of {len(came_late)} late papers are in their day's digest")
    findings.fact(bool(came_late) and arrived == came_late, "all late papers have arrived")
    kept = [key for key, question in early.items() if late.get(key) == question]
    findings.fact(len(kept) == len(early), "what was said of the early papers has stayed")


def described(papers: Papers) -> str:
    return f"{len(papers)} papers on {len({date for date, _ in papers})} dates"


if __name__ == "__main__":
    main()
