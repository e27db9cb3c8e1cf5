"""How fast all of arXiv is loaded and scored, beside plain pandas on the same made-up data.

    python benchmarks/history.py load|score COUNT... [--folder /tmp] [--pandas-up-to 300000]

Every measure is a process of its own: its seconds of wall and CPU, and its peak memory.
Pandas holds all of it in memory, so it is left out above a size, which is said.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import made_up_papers

PROJECT = Path(__file__).parents[1]
BROADSHEET = [sys.executable, "-W", "ignore", "-c", "from broadsheet.cli import main; main()"]
PANDAS_LOAD = """
import sys, pandas as pd
kept = []
for chunk in pd.read_json(sys.argv[1], lines=True, chunksize=20_000, dtype=False):
    for name in ("title", "abstract"):
        chunk[name] = chunk[name].str.split().str.join(" ")
    chunk["published_at"] = pd.to_datetime(
        chunk["versions"].map(lambda v: v[0]["created"]), format="%a, %d %b %Y %H:%M:%S GMT"
    )
    chunk["version"] = chunk["versions"].map(len)
    chunk["categories"] = chunk["categories"].str.split()
    kept.append(chunk[["id", "title", "abstract", "categories", "version", "published_at"]])
rows = pd.concat(kept).sort_values(["published_at", "id"]).drop_duplicates("id", keep="last")
rows.to_parquet(sys.argv[2], compression="zstd")
"""
PANDAS_SCORE = """
import math, re, sys, tomllib, pandas as pd
profile = tomllib.load(open(sys.argv[2], "rb"))
rows = pd.read_parquet(sys.argv[1])
total = pd.Series(0.0, index=rows.index)
for sign, group in ((1, "interests"), (-1, "negative")):
    for interest in profile.get(group, []):
        phrases = interest.get("phrases") or [interest["name"]]
        words = [re.escape(p.lower().strip("*")).replace("\\\\ ", r"\\W+") for p in phrases]
        pattern = r"\\b(?:" + "|".join(words) + r")s?\\b"
        hits = 2 * rows["title"].str.lower().str.count(pattern)
        hits += rows["abstract"].str.lower().str.count(pattern)
        total += sign * interest.get("weight", 1.0) * (1 - 2.0 ** -hits)
rows["score"] = (80 * (1 - total.clip(lower=0).map(lambda s: math.exp(-1.2 * s)))).round()
print(rows.nlargest(20, "score")[["id", "score", "title"]].to_string()[:80])
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["load", "score"])
    parser.add_argument("counts", type=int, nargs="+")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--pandas-up-to", type=int, default=300_000)
    parser.add_argument("--profile", default="cv")
    options = parser.parse_args()
    for count in options.counts:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            measure(Path(folder), count, options)


def measure(folder: Path, count: int, options: argparse.Namespace) -> None:
    snapshot, flat = folder / "papers.jsonl", folder / "flat.parquet"
    made_up_papers.write(snapshot, count)
    env = {name: value for name, value in os.environ.items() if not name.startswith("BROADSHEET_")}
    env["BROADSHEET_HOME"] = str(folder / "home")
    plain = [sys.executable, "-c"]
    is_small = count <= options.pandas_up_to
    is_load = options.what == "load"
    timed([*BROADSHEET, "load", str(snapshot)], env, "broadsheet load", count, is_told=is_load)
    if is_small:
        parse = [*plain, PANDAS_LOAD, str(snapshot), str(flat)]
        timed(parse, env, "pandas load", count, is_told=is_load)
    if not is_load:
        ask = [*BROADSHEET, "score", options.profile]
        timed(ask, env, "broadsheet score", count)
        if is_small:
            profile = PROJECT / "profiles" / f"{options.profile}.toml"
            timed([*plain, PANDAS_SCORE, str(flat), str(profile)], env, "pandas score", count)
    if not is_small:
        print(f"pandas: not tried with {count} papers, which it would hold in memory")


def timed(
    command: list[str], env: dict[str, str], name: str, count: int, *, is_told: bool = True
) -> None:
    started = time.monotonic()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=PROJECT, env=env, stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{name} of {count} papers ended with {os.waitstatus_to_exitcode(status)}")
    if is_told:
        print(
            f"{name:16} {count:>9} papers {wall:7.1f} s {count / wall:>8.0f}/s"
            f" {usage.ru_utime + usage.ru_stime:7.1f} s of CPU {usage.ru_maxrss >> 10:>6} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
