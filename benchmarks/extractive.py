"""How often three quoted sentences tell both the method and the result of a paper.

    python benchmarks/extractive.py FOLDER [--show N]

FOLDER holds Hugging Face daily-papers answers (one JSON list per day). The judge is two patterns
of its own, narrower than the cues the extractor weighs; they are still patterns, so read some
extracts (`--show`) before believing a share.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from broadsheet.analysis.extractive import extract, split_sentences
from broadsheet.models import Section

METHOD = re.compile(
    r"\b(?:we|paper|work|study|report)\b[^.]{0,40}?\b(?:propose|introduce|present|develop)s?\b",
    re.I,
)
RESULT = re.compile(
    r"\boutperform|\bsurpass|\bachiev(?:es|ed|ing)\b|\bimprov(?:es|ed|ing)\b|\bimprovements?\b"
    r"|\bstate-of-the-art (?:performance|results)|\bexperiments\b.*\b(?:show|demonstrate)"
    r"|\d\s?\\?%",
    re.I,
)


def abstracts(folder: Path) -> Iterator[str]:
    """The different abstracts of a folder, by file name, then by rank."""
    entries = (e for path in sorted(folder.glob("*.json")) for e in json.loads(path.read_text()))
    summaries = {e["paper"]["id"]: e["paper"].get("summary") or "" for e in entries}
    yield from filter(None, summaries.values())


def tells_both(sentences: list[str]) -> bool:
    """Whether one sentence names a method and one, not the only method, a result."""
    methods = {s for s in sentences if METHOD.search(s)}
    results = {s for s in sentences if RESULT.search(s)}
    return bool(methods and results) and len(methods | results) > 1


def share(texts: list[str], pick: Callable[[str], list[str]]) -> str:
    """The percentage of texts whose picked sentences tell both, and the time one takes."""
    started = time.perf_counter()
    picked = [pick(text) for text in texts]
    each_ms = (time.perf_counter() - started) / len(texts) * 1000
    return f"{sum(map(tells_both, picked)) / len(texts):6.1%}  {each_ms:.2f} ms each"


def main() -> None:
    """Print the shares, and the extracts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=0, help="print every n-th extract")
    arguments = parser.parse_args()
    every = list(abstracts(arguments.folder))
    both = [text for text in every if tells_both(split_sentences(text))]
    print(f"{len(every)} abstracts, {len(both)} with a method and a result sentence")
    for name, pick in (
        ("extract", lambda text: list(extract([Section(heading="", text=text)]))),
        ("lead-3", lambda text: split_sentences(text)[:3]),
        ("last-3", lambda text: split_sentences(text)[-3:]),
    ):
        print(f"{name:8}{share(both, pick)}")
    for text in every[:: arguments.show] if arguments.show else ():
        print("", *extract([Section(heading="", text=text)]), sep="\n  - ")


if __name__ == "__main__":
    main()
