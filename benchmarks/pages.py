"""How long the site takes: whole, search index, and one new day; of recorded or made-up days.

    python benchmarks/pages.py HOME               the digests of that home
    python benchmarks/pages.py --days 47 580      so many made-up days of 24 papers, two profiles

Every build is a process of its own, with its seconds of wall and CPU; ratios are to the first.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from broadsheet.lake import Lake

PAPERS = 24
BROADSHEET = [sys.executable, "-W", "ignore", "-c", "from broadsheet.cli import main; main()"]
WORDS = """
diffusion model image restoration flow matching latent token agent reasoning benchmark reward
policy video generation attention memory retrieval language vision robust efficient training
"""
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("home", type=Path, nargs="?")
    parser.add_argument("--days", type=int, nargs="*", default=[])
    options = parser.parse_args()
    if options.home:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            shutil.copytree(options.home, home, ignore=shutil.ignore_patterns("site"))
            measure(home, "recorded")
    for days in options.days:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "home"
            for day in range(days):
                write_day(home, day)
            measure(home, f"{days} days", new_day=days)


def measure(home: Path, what: str, new_day: int | None = None) -> None:
    first = timed(home, f"{what}, whole, no search", "--no-search")
    timed(home, f"{what}, search index")
    timed(home, f"{what}, nothing new", "--no-search")
    if new_day is None:
        newest = sorted(home.glob("lake/digests/profile=*/date=*"), key=lambda path: path.name)[-1]
        shutil.rmtree(newest)
        timed(home, f"{what}, a day less", "--no-search")
    else:
        write_day(home, new_day)
        timed(home, f"{what}, a day more", "--no-search")
    pages = sum(1 for _ in (home / "site").rglob("*.html"))
    print(f"{what:32} {pages:7} pages  {1000 * first / pages:6.2f} ms per page")


def timed(home: Path, what: str, *options: str) -> float:
    env = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [*BROADSHEET, "site", "build", *options],
        env=env | {"BROADSHEET_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = done.stdout.strip().rpartition(": ")[2]
    print(f"{what:32} {seconds:7.1f} s wall {cpu:7.1f} s CPU   {told}", flush=True)
    return seconds


def write_day(home: Path, number: int) -> None:
    """A day of made-up papers: one profile features all of them, the other two."""
    date, lake = dt.date(2024, 1, 1) + dt.timedelta(number), Lake(str(home / "lake"))
    chance = random.Random(number)  # noqa: S311 (papers are made up, no secrets)
    names = [f"{date:%y%m}.{number * PAPERS + n:05}" for n in range(PAPERS)]
    papers = [_paper(name, rank, chance) for rank, name in enumerate(names, 1)]
    lake.write("listings", papers, f"{number}", source="huggingface", date=date)
    for profile, featured in (("hf", names), ("cv", names[:2])):
        made = [_analysis(profile, name, chance) for name in featured]
        lake.write("analyses", made, f"{profile}-{number}", date=date)
        rows = [_article(profile, name, place) for place, name in enumerate(featured, 1)]
        lake.write("digests", rows, "digest", profile=profile, date=date)


def _said(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS.split(), k=words)).capitalize() + "."


def _paper(name: str, rank: int, chance: random.Random) -> dict[str, object]:
    return {
        "paper_id": name,
        "rank": rank,
        "scope": "",
        "title": _said(chance, 9),
        "abstract": " ".join(_said(chance, 18) for _ in range(9)),
        "authors": [
            f"{chance.choice(WORDS.split()).title()} {chance.randrange(3000)}" for _ in range(8)
        ],
        "categories": ["cs.CV"],
        "ai_keywords": [" ".join(chance.choices(WORDS.split(), k=2)) for _ in range(6)],
        "upvotes": chance.randrange(120),
        "missing": [],
        "published_at": NOON,
        "fetched_at": NOON,
    }


def _analysis(profile: str, name: str, chance: random.Random) -> dict[str, object]:
    whole = [_said(chance, 25) for _ in range(3)]
    sections = {"area": whole[0], "contribution": whole[1], "usage": whole, "results": whole}
    return {
        "style": "hf",
        "profile": profile,
        "paper_id": name,
        "question": f"{profile}-{name}",
        "language": "zh",
        "status": "complete",
        "model": "maker/model-1",
        "prompt_version": "hf-1",
        "reading_source": "html",
        "sections": json.dumps(sections),
        "extract": [],
        "flags": [],
        "analyzed_at": NOON,
    }


def _article(profile: str, name: str, place: int) -> dict[str, object]:
    return {
        "style": "hf",
        "language": "zh",
        "outcome": "complete",
        "origin": "made",
        "listed": PAPERS,
        "scanned": PAPERS,
        "missing_sources": [],
        "published_at": NOON,
        "paper_id": name,
        "position": place,
        "score": 100 - place,
        "title": f"Title of {name}",
        "question": f"{profile}-{name}",
        "status": "complete",
    }


if __name__ == "__main__":
    main()
