"""Drill: two workers fill one range at once, on Prefect with PostgreSQL and a lake in a bucket.

Both profiles' digests by two backfills of the same range at once; the rows are those of a backfill
on one machine's disk. Needs a world that replays the sources, PostgreSQL's programs and moto's
server:

    python tests/drills/two_workers.py http://127.0.0.1:9100 2026-01-05 2026-01-16
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
from kill_while_filling import TOLD, pages_of, rows_of
from stage import (
    CHECKOUT,
    Findings,
    Installation,
    World,
    broadsheet,
    ended,
    environment_of,
    free_port,
    installed,
    kill_tree,
    last_line,
    told,
    wait_for,
)

from broadsheet.lake import Lake

PROFILES = ["cv", "hf"]
BUCKET = "s3://drill/lake"


def main() -> None:
    """Fill on a disk and in a bucket, and compare; ends with 1 where they differ."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("world")
    asked.add_argument("start")
    asked.add_argument("end")
    told_ = asked.parse_args()
    world, findings = World(told_.world), Findings()
    world.begin(snapshot="early")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drill-")))
        home = folder / "disk"
        seconds = by_one(world, home, told_.start, told_.end)
        findings.figure(f"one process, lake on the disk: {seconds:.0f} s")
        more = stack.enter_context(bucket())
        more |= stack.enter_context(postgres())
        installation = stack.enter_context(installed(world, 0, more))
        stack.enter_context(second_worker(installation))
        seconds = by_two(installation, findings, told_.start, told_.end)
        findings.figure(f"two workers, PostgreSQL, lake in a bucket: {seconds:.0f} s")
        os.environ.update(more)
        compare(findings, home, Path(installation.environment["BROADSHEET_HOME"]))
    findings.end()


def by_one(world: World, home: Path, start: str, end: str) -> float:
    began = time.monotonic()
    profiles = [word for name in PROFILES for word in ("--profile", name)]
    code, said = ended(
        broadsheet(environment_of(world, home), "backfill", start, end, *profiles), 3000
    )
    if code:
        raise RuntimeError(f"backfill ended with {code}: {last_line(said)}")
    return time.monotonic() - began


def by_two(installation: Installation, findings: Findings, start: str, end: str) -> float:
    """Two runs of the whole range at once, from either end."""
    deployment = installation.deployment("backfill/backfill")
    alone = {"concurrency_limit": None}
    path = f"{installation.api}/deployments/{deployment['id']}"
    httpx.patch(path, json=alone, timeout=60).raise_for_status()
    began = time.monotonic()
    words = {"start": start, "end": end, "profiles": PROFILES}
    runs = [installation.start("backfill/backfill", **words, order="newest first")]
    wait_for(lambda: bool(installation.run(runs[0])["infrastructure_pid"]))
    first = worker_of(installation, runs[0])
    psutil.Process(first).suspend()  # so that the other one takes the second run
    runs.append(installation.start("backfill/backfill", **words, order="oldest first"))
    wait_for(lambda: bool(installation.run(runs[1])["infrastructure_pid"]))
    psutil.Process(first).resume()
    workers = {first, worker_of(installation, runs[1])}
    wait_for(lambda: all(installation.has_ended(run) for run in runs), 3000)
    seconds = time.monotonic() - began
    for run in runs:
        findings.fact(
            installation.run(run)["state_type"] == "COMPLETED", told(installation.run(run))
        )
    made = [len(installation.children(run)) for run in runs]
    findings.fact(len(workers) == 2, f"taken by {len(workers)} workers")
    findings.figure(f"digests' runs of each: {made}")
    return seconds


def worker_of(installation: Installation, run: str) -> int:
    """The process that has started the run's."""
    pid = str(installation.run(run)["infrastructure_pid"]).rpartition(":")[2]
    parents = psutil.Process(int(pid)).parents()
    return next(one.pid for one in parents if "worker" in one.cmdline())


@contextmanager
def second_worker(installation: Installation) -> Iterator[None]:
    program = str(Path(sys.executable).with_name("prefect"))
    environment = installation.environment | {"PREFECT_API_URL": installation.api}
    command = [
        program,
        "worker",
        "start",
        "--pool",
        "broadsheet",
        "--name",
        "second",
        "--limit",
        "1",
    ]
    worker = subprocess.Popen(
        command,
        env=environment,
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(60)
        except subprocess.TimeoutExpired:  # it may hang where it ends: nothing that is compared
            kill_tree(worker.pid)


def compare(findings: Findings, disk: Path, other: Path) -> None:
    here, there = Lake(str(disk / "lake")), Lake(BUCKET)
    for table, instants in TOLD.items():
        one, two = rows_of(here, table, instants), rows_of(there, table, instants)
        findings.fact(one == two and bool(one), f"{table}: {len(one)} rows, the same in the bucket")
    pages = pages_of(disk / "reports")
    findings.fact(pages == pages_of(other / "reports"), f"{len(pages)} reports, the same bytes")


@contextmanager
def bucket() -> Iterator[dict[str, str]]:
    """The variables of a lake in a bucket on loopback."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(port), 60)
        httpx.put(f"{url}/drill", headers={"host": f"127.0.0.1:{port}"}).raise_for_status()
        yield {
            "BROADSHEET_LAKE": BUCKET,
            "AWS_ACCESS_KEY_ID": "drill",
            "AWS_SECRET_ACCESS_KEY": "drill-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
        }
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """The variables of a Prefect server with PostgreSQL, and of shared state there."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[-1].parent
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if user:
            shutil.chown(folder, "postgres")
        make = [str(programs / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "postgres"]
        subprocess.run([*user, *make], check=True, capture_output=True, cwd=folder)
        port = free_port()
        start = [str(programs / "postgres"), "-D", f"{folder}/data", "-p", str(port), "-k", folder]
        running = subprocess.Popen(
            [*user, *start], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )
        try:
            wait_for(lambda: answers(port), 60)
            place = f"postgres@127.0.0.1:{port}/postgres"
            yield {
                "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{place}",
                "BROADSHEET_STATE": f"postgresql://{place}",
            }
        finally:
            running.terminate()
            running.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
