"""How often a list is called thin, by threshold, over recorded days; and what asking costs.

    python benchmarks/volume.py FOLDER

FOLDER holds `hf_early/` and `hf_late/`: Hugging Face's lists as first seen and a day later, a JSON
array per date. A daily run sees an early list and compares it with lists that have settled, which
are late ones; later it sees the late list. Every warning is named: whether it is a false alarm is
for the reader to judge, and a list that was early thin and late usual certainly was one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from broadsheet.config import load_profile, load_settings
from broadsheet.editions import Edition
from broadsheet.lake import Lake
from broadsheet.styles import load_style
from broadsheet.volume import Volume, thin_lists, volumes_of

THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
Lists = Mapping[dt.date, list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    early, late = recorded(folder / "hf_early"), recorded(folder / "hf_late")
    print(f"{len(early)} early lists, {len(late)} late ones")
    at_first = compared("early lists beside late ones", early, late)
    later = compared("late lists beside late ones", late, late)
    print("\nshare   early warned   late warned   of the early ones usual by the late list")
    for threshold in THRESHOLDS:
        warned = {v.date for v in at_first if v.share < threshold}
        thin = {v.date for v in later if v.share < threshold}
        print(
            f"{threshold:5}   {len(warned):7} of {len(at_first)}  {len(thin):7} of {len(later)}  "
            f"{', '.join(f'{d} {d:%a}' for d in sorted(warned - thin)) or '-'}"
        )


def recorded(folder: Path) -> Lists:
    """The papers of each date's list."""
    return {
        dt.date.fromisoformat(file.stem): [
            one["paper"]["id"] for one in json.loads(file.read_text())
        ]
        for file in sorted(folder.glob("*.json"))
    }


def compared(what: str, now: Lists, usual: Lists) -> list[Volume]:
    """Each date's list beside what was usual then, where enough was known; printed."""
    with tempfile.TemporaryDirectory() as home:
        found, seconds = zip(
            *(measured(home, date, now, usual) for date in sorted(now)), strict=True
        )
    known = sorted((v for v in found if v.share is not None), key=lambda v: v.share)
    print(f"\n{what}: {len(known)} dates with enough weeks before")
    print(" ".join(f"{v.share:.2f}" for v in known))
    for volume in known[:5]:
        print(f"  {volume.share:.2f}  {volume}")
    print(
        f"asking: median {1000 * statistics.median(seconds):.0f} ms,"
        f" longest {1000 * max(seconds):.0f} ms"
    )
    return known


def measured(home: str, date: dt.date, now: Lists, usual: Lists) -> tuple[Volume, float]:
    """The volume of the date's list, in a lake of the weeks before, and what asking took."""
    settings = load_settings({}, home=Path(home) / str(date))
    profile = load_profile(settings, "hf")
    style = load_style(settings, profile.style, profile.language)
    edition = Edition(settings=settings, profile=profile, style=style, date=date)
    write(edition.lake, date, now[date])
    for before, papers in usual.items():
        if before < date:
            write(edition.lake, before, papers)
    [volume] = volumes_of(edition)  # first: it opens the sources, which a run has done by then
    began = time.perf_counter()
    thin_lists(edition)
    return volume, time.perf_counter() - began


def write(lake: Lake, date: dt.date, papers: list[str]) -> None:
    """A snapshot of that list."""
    at = dt.datetime.combine(date, dt.time(22), dt.UTC)
    rows = [
        {"paper_id": paper, "rank": rank, "scope": "", "fetched_at": at}
        for rank, paper in enumerate(papers, 1)
    ]
    lake.write("listings", rows, "list", source="huggingface", date=date)


if __name__ == "__main__":
    main()
