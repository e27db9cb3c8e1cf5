"""What maintenance does to a lake of years: files, megabytes and the time of scans.

    python benchmarks/maintenance.py [--days 580] [--papers 25]

The lake is made here: per day a list in four snapshots, a text of 40,000 characters and an answer
of 3,000 per paper, and three runs. Machines are noisy: read the ratios.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from unittest.mock import patch

from broadsheet.config import load_settings
from broadsheet.lake import Lake
from broadsheet.maintaining import MERGED, Upkeep, plan, tidy
from broadsheet.warehouse import Warehouse

FIRST = dt.date(2024, 5, 27)
SCANS = {
    "answers": "select sum(length(text)) from lake.answers",
    "fulltexts": "select sum(chars), count(distinct sha256) from lake.fulltexts",
    "listings": "select count(*), max(upvotes) from listings",
    "runs": "select count(*), sum(cost_usd) from runs",
}
WORDS = ["the", "flow", "matching", "model", "restores", "images", "with", "a", "masked", "loss"]
TEXT_CHARS, ANSWER_CHARS = 40_000, 3_000


def main() -> None:
    """Fill, measure, maintain, measure."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--days", type=int, default=580)
    asked.add_argument("--papers", type=int, default=25)
    asked.add_argument("--repeat", type=int, default=3, help="times a scan is measured")
    told = asked.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["BROADSHEET_HOME"] = home
        lake = Lake(load_settings().lake_root)
        with patch("os.fsync"):  # the disk is not what is measured here
            taken = seconds(lambda: fill(lake, told.days, told.papers))
        print(f"{told.days} days of {told.papers} papers written in {taken:.0f} s", flush=True)
        before, names = measured(lake, told.repeat), look_ups(lake, told.papers)
        print(f"deciding what to do takes {seconds(decide):.1f} s", flush=True)
        print(f"maintenance takes {seconds(maintain):.1f} s", flush=True)
        print(f"maintenance with nothing to do takes {seconds(maintain):.1f} s", flush=True)
        after, again = measured(lake, told.repeat), look_ups(lake, told.papers)
        for table in MERGED:
            show(table, before[table], after[table])
        print(f"an answer by its key: {names * 1e3:.1f} ms, after {again * 1e3:.1f} ms")
        if sum(files for files, _, _ in after.values()) > 3 * told.days + 256:
            sys.exit("not every partition is one file: the figures above are of something else")


def show(table: str, before: tuple[int, float, float], after: tuple[int, float, float]) -> None:
    (files, megabytes, scan), (fewer, less, quicker) = before, after
    print(
        f"{table:10} {files:6} files {megabytes:7.1f} MB scan {scan:7.2f} s, after"
        f" {fewer:5} files {less:7.1f} MB scan {quicker:6.2f} s, {scan / quicker:4.1f}x as fast"
    )


def fill(lake: Lake, days: int, papers: int) -> None:
    chance = random.Random(0)  # noqa: S311 (no secret)
    for day in range(days):
        date = FIRST + dt.timedelta(days=day)
        noon = dt.datetime.combine(date, dt.time(12), dt.UTC)
        names = [f"{day:04}.{number:05}" for number in range(papers)]
        for hour in (0, 9, 24, 48):
            write_list(lake, names, date, noon + dt.timedelta(hours=hour), chance)
        for name in names:
            text = said(chance, TEXT_CHARS)
            row = {"paper_id": name, "reading_source": "html", "reason": "ok", "chars": len(text)}
            sections = [{"heading": "Text", "text": text, "level": 1}]
            sha256 = hashlib.sha256(text.encode()).hexdigest()
            row |= {"sections": sections, "sha256": sha256, "fetched_at": noon}
            lake.write("fulltexts", [row], name, date=date)
            key = hashlib.sha256(name.encode()).hexdigest()
            answer = {"key": key, "text": said(chance, ANSWER_CHARS), "asked_at": noon}
            lake.write("answers", [answer], key, prefix=key[:2])
        for number in range(3):
            run = {"run_id": f"{day}-{number}", "started_at": noon, "cost_usd": 0.01}
            lake.write("runs", [run], f"{day}-{number}", date=date)


def write_list(
    lake: Lake, names: list[str], date: dt.date, at: dt.datetime, chance: random.Random
) -> None:
    rows = [
        {
            "paper_id": name,
            "rank": rank,
            "scope": "",
            "upvotes": chance.randint(0, 99),
            "abstract": said(chance, 1500),
            "fetched_at": at,
        }
        for rank, name in enumerate(names, 1)
    ]
    lake.write(
        "listings", rows, f"{at:%Y%m%dT%H%M%S.%fZ}-e3b0c442", source="huggingface", date=date
    )


def said(chance: random.Random, chars: int) -> str:
    return " ".join(chance.choices(WORDS, k=chars // 5))[:chars]


def measured(lake: Lake, repeat: int) -> dict[str, tuple[int, float, float]]:
    """Files, megabytes and seconds of a scan of each table."""
    found = {}
    for table in MERGED:
        files = lake.stored(table)
        size = sum(file.bytes for file in files) / 1e6
        found[table] = (len(files), size, scan(lake, SCANS[table], repeat))
    return found


def scan(lake: Lake, sql: str, repeat: int) -> float:
    """The median of so many times, views already made."""
    with Warehouse(lake) as warehouse:
        return statistics.median(seconds(lambda: warehouse.sql(sql)) for _ in range(repeat))


def look_ups(lake: Lake, papers: int) -> float:
    """Seconds that one answer takes to be found by its key, of a hundred."""
    keys = [hashlib.sha256(f"0000.{n % papers:05}".encode()).hexdigest() for n in range(100)]
    return seconds(lambda: [lake.rows("answers", key, prefix=key[:2]) for key in keys]) / len(keys)


def decide() -> None:
    upkeep = Upkeep(settings=load_settings())
    print(plan(upkeep.lake, upkeep.settings, upkeep.now, dt.timedelta(0)).told(is_done=False))


def maintain() -> None:
    """By the clock as it is now: what was written before it is old enough."""
    upkeep = Upkeep(settings=load_settings())
    print(tidy(upkeep, dt.timedelta(0), pause=lambda _: None).told(is_done=True))


def seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
