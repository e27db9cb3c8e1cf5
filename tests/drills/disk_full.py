"""Drill: the disk below the home is full: from the start, at several places, and in the middle.

The home is a small file system of its own (tmpfs: Linux, as root; elsewhere the drill says that it
cannot be done). A run on a full disk has to fail with what to do, leave no half file and no report
changed; with room again the next one completes with every answer that was stored:

    python tests/drills/disk_full.py http://127.0.0.1:9100
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from stage import Findings, World, broadsheet, ended, environment_of, last_line, wait_for

CAPACITY = "24m"
LATENCY_SECONDS = 0.3
ROOMS = {"2026-01-06": 0, "2026-01-07": 400}
"""Dates, each made with so many KiB left."""
FILLED_MEANWHILE = "2026-01-12"
BESIDE = "2026-01-13"
"""The date made with Prefect's own database on the full disk, too."""
ANSWERS_BEFORE = 4


def main() -> None:
    """Fill the disk again and again; ends with 1 where something is lost, half or unsaid."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("--concurrency", type=int, default=2)
    given = asked.parse_args()
    world, findings = World(given.world), Findings()
    with tempfile.TemporaryDirectory(prefix="drill-") as folder:
        home = Path(folder) / "home"
        with small_disk(home):
            environment = environment_of(world, home, given.concurrency)
            environment["PREFECT_HOME"] = f"{folder}/prefect"
            world.begin()
            code, _ = make(environment, "2026-01-05")
            findings.fact(code == 0, "a first digest, with room")
            for date, room in ROOMS.items():
                drill(findings, world, environment, date, given.concurrency, room)
            drill(findings, world, environment, FILLED_MEANWHILE, given.concurrency, None)
            environment["PREFECT_HOME"] = str(home / "prefect")
            drill(findings, world, environment, BESIDE, given.concurrency, None)
    findings.end()


def drill(
    findings: Findings,
    world: World,
    environment: Mapping[str, str],
    date: str,
    concurrency: int,
    room: int | None,
) -> None:
    """A digest with so many KiB left; None: with room at first, and none after some answers."""
    home = Path(environment["BROADSHEET_HOME"])
    beside = " and below Prefect's database" if date == BESIDE else ""
    when = "full in the middle" if room is None else f"{room} KiB left"
    print(f"{when}{beside}, {date}", flush=True)
    world.begin(latency=LATENCY_SECONDS)
    pages, files = pages_of(home), lake_of(home)
    if room is not None:
        fill(home, room)
    command = broadsheet(environment, "run", "--profile", "hf", "--date", date)
    if room is None:
        wait_for(lambda: world.answered >= ANSWERS_BEFORE or command.poll() is not None)
        fill(home, 0)
    code, said = ended(command)
    last = last_line(said)
    findings.fact(code == 1, f"exit {code}: {last}")
    if date != BESIDE:  # there it is Prefect's server that fails, in its own words
        findings.fact("No space left" in last or "disk is full" in last, "which names the reason")
        findings.fact("space" in last.rpartition(";")[2], "and the remedy")
    findings.fact(pages_of(home) == pages, "every page is as it was")
    whole = {path: content for path, content in lake_of(home).items() if path in files}
    findings.fact(whole == files, "every file of the lake that was there is as it was")
    findings.fact(not (half := half_files(home)), f"no half file is seen {half or ''}")
    paid = world.answered
    make_room(home)
    code, said = make(environment, date)
    findings.fact(code == 0, f"with room again it completes: exit {code}")
    findings.fact(
        world.repeats <= concurrency,
        f"{paid} answers paid for on the full disk, {world.repeats} of"
        f" {world.stats['llm_prompts']} questions paid for again",
    )


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A file system of few bytes at that place, while the block runs."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={CAPACITY}", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        reason = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        reason = str(error)
    if reason:
        print(f"not done: it needs a file system of its own, which cannot be made here: {reason}")
        sys.exit(2)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(home: Path, room: int) -> None:
    """Leave so many KiB of it."""
    free = os.statvfs(home)
    size = free.f_bavail * free.f_frsize - room * 1024
    with (home / "ballast").open("ab", buffering=0) as file, suppress(OSError):
        for _ in range(max(size, 0) // 4096 + (room == 0)):
            file.write(b"\0" * 4096)


def make_room(home: Path) -> None:
    (home / "ballast").unlink()


def make(environment: Mapping[str, str], date: str) -> tuple[int, str]:
    return ended(broadsheet(environment, "run", "--profile", "hf", "--date", date))


def pages_of(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (home / "reports").rglob("*.*")}


def lake_of(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (home / "lake").rglob("*.parquet")}


def half_files(home: Path) -> list[str]:
    """Files of the lake that a reader sees and cannot read."""
    found = []
    for path in (home / "lake").rglob("*.parquet"):
        try:
            pq.ParquetFile(path, page_checksum_verification=True).read()
        except (pa.ArrowException, OSError):
            found.append(path.name)
    return found


if __name__ == "__main__":
    main()
