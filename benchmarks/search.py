"""What the search index costs to make and to ask, beside a plain pandas script on the same papers.

    python benchmarks/search.py [--folder DIR] COUNT...

For each count: made-up papers as a lake's archive; the index made in a process of its own; twenty
questions of one to four words, rare and frequent, each in a warehouse opened once, and papers
similar to one. Everything is below DIR and deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import made_up_papers
import pyarrow as pa
import pyarrow.parquet as pq

from broadsheet import search
from broadsheet.lake import Lake
from broadsheet.queries import query
from broadsheet.schemas import SCHEMAS
from broadsheet.warehouse import Warehouse

QUESTIONS = (
    "flow matching",
    "masked autoregressive",
    "diffusion",
    "diffusion model",
    "super-resolution",
    "image restoration",
    "large language model",
    "reinforcement learning agents",
    "image generation diffusion model",
    "speech",
    "image",
    "model",
    "model image",
    "method training data results",
    "masked",
    "autoregressive image generation",
    "nosuchword",
    '"flow matching"',
    '"large language model"',
    "diffusion -speech",
)
PAPERS_A_FILE = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("counts", type=int, nargs="*", metavar="COUNT")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pandas", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.index:
        return index(options.index)
    if options.pandas:
        return in_pandas(options.pandas)
    for count in options.counts or (300_000, 3_000_000):
        home = Path(tempfile.mkdtemp(prefix="search-", dir=options.folder))
        try:
            measure(home, count)
        finally:
            shutil.rmtree(home)
    return None


def measure(home: Path, count: int) -> None:
    fill(home, count)
    lake_bytes = size(home / "lake")
    print(f"\n{count} papers, {lake_bytes / 1e6:.0f} MB of Parquet", flush=True)
    made = in_a_child("--index", home)
    print(
        f"index: {made['seconds']:.0f} s, {count / made['seconds']:.0f} papers/s,"
        f" peak {made['peak_mb']:.0f} MB, {size(home / 'search') / 1e6:.0f} MB on disk",
        flush=True,
    )
    began = time.perf_counter()
    search.refresh(Lake(str(home / "lake")), home)
    print(f"refresh of nothing: {time.perf_counter() - began:.3f} s")
    told("search", asked(home, "history.search", "q", QUESTIONS))
    told("similar", asked(home, "history.similar", "paper_id", some_papers(home)))
    plain = in_a_child("--pandas", home)
    print(
        f"pandas: loaded in {plain['load_seconds']:.1f} s, median {plain['median']:.2f} s,"
        f" worst {plain['worst']:.2f} s, peak {plain['peak_mb']:.0f} MB",
        flush=True,
    )


def fill(home: Path, count: int) -> None:
    """Write the papers as an archive, a file per PAPERS_A_FILE."""
    place = home / "lake" / "archive"
    for number, rows in enumerate(tables(count)):
        folder = place / f"year={1991 + number}"
        folder.mkdir(parents=True)
        pq.write_table(rows, folder / "papers.parquet", compression="zstd", row_group_size=20_480)


def tables(count: int) -> Iterator[pa.Table]:
    lines: list[str] = []
    for block in made_up_papers.blocks(count):
        lines += block.splitlines()
        if len(lines) >= PAPERS_A_FILE:
            yield table(lines)
            lines = []
    if lines:
        yield table(lines)


def table(lines: list[str]) -> pa.Table:
    entries = [json.loads(line) for line in lines]
    rows = pa.table(
        {
            "paper_id": [e["id"] for e in entries],
            "title": [e["title"] for e in entries],
            "abstract": [" ".join(e["abstract"].split()) for e in entries],
            "authors": [e["authors"].split(", ") for e in entries],
            "published_at": pa.array([0] * len(entries), pa.timestamp("us", "UTC")),
            "fetched_at": pa.array([0] * len(entries), pa.timestamp("us", "UTC")),
        }
    )
    dates = duckdb.sql(
        "select date '1991-08-14' + (range % 12000)::integer as date from range($n)",
        params={"n": len(rows)},
    )
    rows = rows.append_column(
        "date", dates.to_arrow_table()["date"].combine_chunks().cast(pa.date32())
    )
    missing = [field for field in SCHEMAS["archive"] if field.name not in rows.column_names]
    for field in missing:
        rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select(SCHEMAS["archive"].names).cast(SCHEMAS["archive"])


def asked(home: Path, name: str, param: str, values: tuple[str, ...]) -> list[tuple[float, str]]:
    """Seconds that each question takes, the answer fetched; the warehouse is open."""
    taken = []
    with Warehouse(Lake(str(home / "lake")), asks=[name], home=home) as warehouse:
        warehouse.con.execute("set memory_limit = '2GB'")
        for value in values:
            began = time.perf_counter()
            warehouse.run(name, **query(name).defaults, **{param: value})
            taken.append((time.perf_counter() - began, value))
    return taken


def told(what: str, taken: list[tuple[float, str]]) -> None:
    worst = sorted(taken, reverse=True)
    named = ", ".join(f"{value} {seconds:.2f}" for seconds, value in worst[:5])
    print(
        f"{what}: {len(taken)} questions, median {statistics.median(s for s, _ in taken):.2f} s,"
        f" worst {worst[0][0]:.2f} s ({named})",
        flush=True,
    )


def some_papers(home: Path) -> tuple[str, ...]:
    documents = home / "search" / "current" / "documents-*.parquet"
    rows = duckdb.execute(
        "select paper_id from read_parquet($files) order by hash(doc) limit 10",
        {"files": str(documents)},
    )
    return tuple(paper for (paper,) in rows.fetchall())


def in_a_child(what: str, home: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, what, str(home)], check=True, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def index(home: Path) -> None:
    began = time.perf_counter()
    search.refresh(Lake(str(home / "lake")), home)
    print(json.dumps({"seconds": time.perf_counter() - began, "peak_mb": peak_mb()}))


def in_pandas(home: Path) -> None:
    """The plain way: texts in memory, `str.contains` for each word, ranked by their counts."""
    import pandas as pd

    began = time.perf_counter()
    columns = ["paper_id", "title", "abstract"]
    papers = pd.read_parquet(home / "lake" / "archive", columns=columns, partitioning=None)
    text = papers["title"] + " " + papers["abstract"]
    load_seconds = time.perf_counter() - began
    taken = []
    for question in QUESTIONS[:6]:
        began = time.perf_counter()
        words = re.findall(r"\w+", question)
        found = sum(text.str.contains(word, case=False, regex=False).astype(int) for word in words)
        best = found.nlargest(200).index
        counts = sum(text[best].str.lower().str.count(word) for word in words)
        papers.loc[counts.nlargest(20).index]
        taken.append(time.perf_counter() - began)
    figures = {"load_seconds": load_seconds, "median": statistics.median(taken)}
    print(json.dumps({**figures, "worst": max(taken), "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Of this process alone; `ru_maxrss` would start with its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def size(folder: Path) -> int:
    """Bytes below the folder; a file with several names counts once."""
    files = {(s.st_dev, s.st_ino): s.st_size for s in map(Path.stat, folder.rglob("*.parquet"))}
    return sum(files.values())


if __name__ == "__main__":
    main()
