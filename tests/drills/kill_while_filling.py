"""Drill: a backfill is killed (-9) again and again; resumed, it leaves what a calm one does.

Rows are compared without instants and run ids, reports byte for byte. Needs a world that replays
the sources, with `/_control`:

    python tests/drills/kill_while_filling.py http://127.0.0.1:9100 2026-01-05 2026-01-16 --kills 10
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.request import Request, urlopen

from broadsheet.lake import Lake
from broadsheet.warehouse import Warehouse

TOLD = {
    "listings": ("fetched_at",),
    "fulltexts": ("fetched_at",),
    "analyses": ("analyzed_at", "source_fetched_at", "asked_at"),
    "scores": (),
    "digests": ("published_at", "run_id"),
}
"""The tables, each with the columns that tell when and by which run."""


def main() -> None:
    """Fill once undisturbed and once killed, and compare; ends with 1 where they differ."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("start")
    asked.add_argument("end")
    asked.add_argument("--kills", type=int, default=10)
    asked.add_argument("--profile", action="append", default=[])
    asked.add_argument("--seed", type=int, default=0)
    told = asked.parse_args()
    control(told.world, reset=True, snapshot="early", faults=[])
    with tempfile.TemporaryDirectory() as folder:
        calm, killed = Path(folder) / "calm", Path(folder) / "killed"
        began = time.monotonic()
        if code := fill(told, calm).wait():
            sys.exit(f"undisturbed it ends with {code}: {last_words(calm)}")
        seconds = time.monotonic() - began
        kills = kill(told, killed, seconds)
        code = fill(told, killed).wait()
        began = time.monotonic()
        again = fill(told, killed).wait()
        print(f"undisturbed: {seconds:.0f} s; killed {kills} times; exit {code}")
        print(f"once more, with nothing to do: {time.monotonic() - began:.1f} s, exit {again}")
        differences = [*differing_rows(calm, killed), *differing_reports(calm, killed)]
    print("\n".join(differences) or "the same rows and the same reports")
    sys.exit(1 if differences or code or kills < told.kills else 0)


def fill(told: argparse.Namespace, home: Path) -> subprocess.Popen[bytes]:
    """Start the backfill into that home."""
    profiles = [word for name in told.profile for word in ("--profile", name)]
    command = [str(Path(sys.executable).with_name("broadsheet")), "backfill", told.start, told.end]
    with log_of(home).open("ab") as log:
        return subprocess.Popen(
            [*command, *profiles],
            env=environment_of(told.world, home),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def log_of(home: Path) -> Path:
    return home.with_suffix(".log")


def last_words(home: Path) -> str:
    """The end of what its runs have said."""
    return "\n".join(log_of(home).read_text(errors="replace").splitlines()[-8:])


def environment_of(world: str, home: Path) -> dict[str, str]:
    return os.environ | {
        "PREFECT_HOME": str(home.with_name("prefect")),
        "BROADSHEET_HOME": str(home),
        "BROADSHEET_HUGGINGFACE_URL": world,
        "BROADSHEET_ARXIV_API_URL": f"{world}/api/query",
        "BROADSHEET_ARXIV_URL": world,
        "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
    }


def kill(told: argparse.Namespace, home: Path, seconds: float) -> int:
    """Start it and kill it at random moments, each after some progress; how often."""
    chance = random.Random(told.seed)
    kills = 0
    while kills < told.kills:
        run = fill(told, home)
        # a start takes seconds in which nothing is done yet
        time.sleep(min(8.0, seconds / 3) + chance.uniform(0, 1.6 * seconds / told.kills))
        if run.poll() is not None:
            break
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        kills += 1
    return kills


def differing_rows(one: Path, other: Path) -> list[str]:
    """What differs between two homes' lakes, a line per table."""
    found = []
    for table, told in TOLD.items():
        rows = [rows_of(Lake(str(home / "lake")), table, told) for home in (one, other)]
        lost, added = len(rows[0] - rows[1]), len(rows[1] - rows[0])
        print(f"{table}: {len(rows[0])} rows")
        if lost or added or not rows[0]:
            found.append(f"{table}: {lost} rows only undisturbed, {added} only killed")
    return found


def rows_of(lake: Lake, table: str, told: Sequence[str]) -> set[str]:
    """The table's rows as JSON, without what tells when and by which run."""
    without = f"exclude ({', '.join(told)})" if told else ""
    with Warehouse(lake) as warehouse:
        query = f"select to_json(row) from (select * {without} from lake.{table}) as row"
        rows = [row[0] for row in warehouse.con.sql(query).fetchall()]
    assert len(set(rows)) == len(rows), f"{table} has a row twice"
    return set(rows)


def differing_reports(one: Path, other: Path) -> list[str]:
    """Reports that are not the same bytes in both homes."""
    pages = [pages_of(home / "reports") for home in (one, other)]
    print(f"reports: {len(pages[0])} files")
    names = sorted(pages[0].keys() | pages[1].keys())
    return [f"report {name} differs" for name in names if pages[0].get(name) != pages[1].get(name)]


def pages_of(folder: Path) -> Mapping[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def control(world: str, **settings: object) -> None:
    urlopen(Request(f"{world}/_control", json.dumps(settings).encode(), method="POST")).close()


if __name__ == "__main__":
    main()
