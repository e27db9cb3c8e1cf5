"""What a backfill costs beyond the work itself, and what reading its lists ahead saves.

    python benchmarks/backfill.py orchestration [--days 47 200 580]
    python benchmarks/backfill.py metadata http://127.0.0.1:9100 2026-01-01 2026-01-30

`orchestration` makes digests of made-up lists (five papers a day, abstracts, no model), once by
calling the steps one after the other without Prefect, once as `broadsheet backfill`, and prints the
difference per digest: it must not grow with the days. `metadata` needs a world that replays the
sources, and reads a month's lists as a backfill does and as a polite script does: day by day, with
the three seconds between requests that arXiv asks for.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from broadsheet import ingest, planning, publishing, scoring, texts
from broadsheet.analysis.engine import Assignment, analyze
from broadsheet.config import load_profile, load_settings
from broadsheet.editions import open_edition
from broadsheet.errors import SourceError
from broadsheet.ingest import Heard
from broadsheet.sources import open_source

FIRST = dt.date(2024, 6, 3)
PAPERS = 5
PROFILE = 'title = "T"\nstyle = "hf"\nlanguage = "en"\nread = "abstract"\n'


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    ways = asked.add_subparsers(dest="way", required=True)
    ways.add_parser("orchestration").add_argument(
        "--days", type=int, nargs="+", default=[47, 200, 580]
    )
    metadata = ways.add_parser("metadata")
    metadata.add_argument("world")
    metadata.add_argument("start", type=dt.date.fromisoformat)
    metadata.add_argument("end", type=dt.date.fromisoformat)
    told = asked.parse_args()
    if told.way == "orchestration":
        orchestration(told.days)
    else:
        read_metadata(told.world, told.start, told.end)


def orchestration(sizes: list[int]) -> None:
    print("days  direct s/digest  backfill s/digest  beyond the work  CPU beyond  second call")
    with made_up_lists() as url:
        for days in sizes:
            with tempfile.TemporaryDirectory() as folder:
                home = Path(folder)
                environment = prepare(home, url)
                direct, direct_cpu = by_hand(days, environment)
                seconds, cpu = fill(days, environment)
                again, _ = fill(days, environment)
            beyond, cpu_beyond = seconds / days - direct, cpu / days - direct_cpu
            print(
                f"{days:4}  {direct:15.2f}  {seconds / days:17.2f}  {beyond:15.2f}"
                f"  {cpu_beyond:10.2f}  {again:9.1f} s",
                flush=True,
            )


def prepare(home: Path, url: str) -> dict[str, str]:
    (home / "profiles").mkdir()
    (home / "profiles" / "one.toml").write_text(PROFILE)
    return os.environ | {
        "PREFECT_HOME": str(home / "prefect"),
        "BROADSHEET_HOME": str(home / "home"),
        "BROADSHEET_PROFILES": str(home / "profiles"),
        "BROADSHEET_HUGGINGFACE_URL": url,
        "BROADSHEET_ARXIV_API_URL": f"{url}/api/query",
        "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
    }


def by_hand(days: int, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds and CPU seconds per digest of the steps alone, in a home of their own."""
    os.environ.update(environment)
    os.environ["BROADSHEET_HOME"] = environment["BROADSHEET_HOME"] + "-direct"
    few = min(days, 60)  # it does not grow: the last days cost what the first do
    make_one(FIRST)  # imports
    began, cpu = time.monotonic(), time.process_time()
    for day in range(1, few + 1):
        make_one(FIRST + dt.timedelta(days=day))
    return (time.monotonic() - began) / few, (time.process_time() - cpu) / few


def make_one(date: dt.date) -> None:
    edition = open_edition("one", date)
    for source in edition.sources:
        ingest.ingest(source, date, edition.lake, edition.settings)
    scores = scoring.score(edition)
    picks = scoring.select(edition, scores)
    analyses = [
        analyze(
            Assignment(
                pick=pick,
                text=texts.read(edition, pick),
                style=edition.style,
                max_chars=edition.settings.max_input_chars,
                ask=lambda *_: None,  # type: ignore[arg-type, return-value]
            ),
            (),
        )
        for pick in picks
    ]
    heard = Heard(listed=len(scores), missing=())
    publishing.publish(edition, publishing.compose(edition, heard, scores, picks, analyses), "run")


def fill(days: int, environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds and CPU seconds of `broadsheet backfill`, its start included, server too."""
    last = FIRST + dt.timedelta(days=days - 1)
    command = [str(Path(sys.executable).with_name("broadsheet")), "backfill"]
    began, cpu = time.monotonic(), os.times()
    done = subprocess.run(
        [*command, str(FIRST), str(last)], env=dict(environment), capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2000:])
    after = os.times()
    used = after.children_user + after.children_system - cpu.children_user - cpu.children_system
    return time.monotonic() - began, used


@contextmanager
def made_up_lists() -> Iterator[str]:
    """Serve a list of papers for every date, and what arXiv knows of them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = (feed(query) if parts.path == "/api/query" else listed(query)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def listed(query: Mapping[str, str]) -> str:
    date = query.get("date", str(FIRST))
    day = (dt.date.fromisoformat(date) - FIRST).days
    return json.dumps([entry(date, day * PAPERS + n) for n in range(PAPERS)])


def entry(date: str, number: int) -> dict[str, object]:
    paper = {
        "id": f"2406.{number:05}",
        "title": f"Diffusion kites {number}",
        "summary": f"We propose kite {number}. It flies. Experiments show a height of {number} m.",
        "authors": [{"name": "Ada"}],
        "upvotes": number % 50,
        "publishedAt": f"{date}T00:00:00.000Z",
        "submittedOnDailyAt": f"{date}T00:00:00.000Z",
    }
    return {"paper": paper, "numComments": 0}


def feed(query: Mapping[str, str]) -> str:
    ids = [one for one in query.get("id_list", "").split(",") if one]
    entries = "".join(
        f"<entry><id>http://arxiv.org/abs/{one}v1</id><title>K</title><summary>S</summary>"
        "<updated>2024-06-03T00:00:00Z</updated><published>2024-06-03T00:00:00Z</published>"
        '<category term="cs.CV"/></entry>'
        for one in ids
    )
    return (
        '<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns="http://www.w3.org/2005/Atom">'
        f"<opensearch:totalResults>{len(ids)}</opensearch:totalResults>"
        f"<opensearch:startIndex>0</opensearch:startIndex>{entries}</feed>"
    )


def read_metadata(world: str, start: dt.date, end: dt.date) -> None:
    os.environ |= {
        "BROADSHEET_HUGGINGFACE_URL": world,
        "BROADSHEET_ARXIV_API_URL": f"{world}/api/query",
        "BROADSHEET_ARXIV_DELAY_SECONDS": "3",
    }
    for profiles in (["hf"], ["hf", "agents"]):
        ahead, papers = timed(read_ahead, profiles, start, end)
        daily, same = timed(read_day_by_day, profiles, start, end)
        assert papers == same, (papers, same)  # noqa: S101 (the same lists, or no comparison)
        print(
            f"{' and '.join(profiles)}, {start} to {end}, {papers} papers listed:"
            f" ahead {ahead:.1f} s, day by day {daily:.1f} s, ratio {daily / ahead:.1f}"
        )


def timed(read: object, profiles: list[str], start: dt.date, end: dt.date) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as home:
        os.environ["BROADSHEET_HOME"] = home
        began = time.monotonic()
        papers: int = read(profiles, start, end)  # type: ignore[operator]
        return time.monotonic() - began, papers


def read_ahead(profiles: list[str], start: dt.date, end: dt.date) -> int:
    lists = planning.read_lists(planning.plan_range(start, end, profiles))
    return sum(one.listed for one in lists.read.values() if not isinstance(one, SourceError))


def read_day_by_day(profiles: list[str], start: dt.date, end: dt.date) -> int:
    """Each list once, weekdays only; what a list lacks is asked for day by day."""
    settings = load_settings()
    plan = planning.plan_range(start, end, profiles)
    opened = {
        (source.name, source.scope): source
        for name in profiles
        for source in (
            open_source(each, settings, load_profile(settings, name))
            for each in load_profile(settings, name).sources
        )
    }
    dates = sorted({date for _, date in plan.keys if date.weekday() < 5})
    return sum(
        ingest.ingest(source, date, plan.lake, settings).listed
        for source in opened.values()
        for date in dates
    )


if __name__ == "__main__":
    main()
