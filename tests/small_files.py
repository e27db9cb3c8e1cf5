"""A lake as months of runs leave it: a file per answer, text, run and snapshot."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import time
from pathlib import Path

from builders import DAY, NOON, Row, an_answer, paper

from broadsheet.analysis import answers
from broadsheet.lake import Lake
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse

SCOPE = hashlib.sha256(b"").hexdigest()[:8]
VIEWS = ("listings", "papers", "fulltexts", "answers", "analyses", "scores", "digests", "runs")
_SEEN_AT = (0, 1, 5, 9)  # hours after noon


def snapshot(at: dt.datetime, scope: str = SCOPE) -> str:
    """What ingest calls the snapshot of that instant."""
    return f"{at:%Y%m%dT%H%M%S.%fZ}-{scope}"


def key_of(name: str) -> str:
    """The content key of the question about that paper; all are in two prefixes."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ("ab" if digest[0] < "8" else "cd") + digest[2:]


def papers_of(day: int, papers: int) -> list[str]:
    """The papers of that day's list."""
    return [f"26{day:02}.{number:05}" for number in range(papers)]


def fill(lake: Lake, days: int, papers: int = 4, first: int = 0) -> None:
    """Per day: a list in four snapshots, a text and an answer per paper, and two runs.

    The second snapshot alone has a paper more; nothing is lost with the third.
    """
    for day in range(first, first + days):
        date, noon = DAY + dt.timedelta(days=day), NOON + dt.timedelta(days=day)
        names = papers_of(day, papers)
        for hour in _SEEN_AT:
            at = noon + dt.timedelta(hours=hour)
            listed = [*names, f"26{day:02}.99999"] if hour == 1 else names
            rows = [paper(name, rank, fetched_at=at) for rank, name in enumerate(listed, 1)]
            lake.write("listings", rows, snapshot(at), source="huggingface", date=date)
        for name in names:
            write_text(lake, name, date)
            key = key_of(name)
            answers.save(lake, an_answer(key=key, paper_id=name))
        for run_id in (f"run-{day}", f"repair-{day}"):
            row = {"run_id": run_id, "started_at": noon, "ended_at": noon}
            lake.write("runs", [row], run_id, date=date)


def write_text(lake: Lake, name: str, date: dt.date, **changed: object) -> None:
    """The text of a paper as it was read for the date."""
    row = {"paper_id": name, "reading_source": "html", "reason": "ok", "chars": 9, "sections": []}
    lake.write("fulltexts", [{**row, "fetched_at": NOON, **changed}], name, date=date)


def age(lake: Lake, hours: float = 2) -> None:
    """Make every file of the lake look that old."""
    then = time.time() - hours * 3600
    for path in Path(lake.root).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def seen(lake: Lake) -> dict[str, list[Row]]:
    """All rows of all staging views, in an order that is theirs."""
    with Warehouse(lake) as warehouse:
        return {view: to_rows(warehouse.sql(f"from staging.{view} order by all")) for view in VIEWS}
