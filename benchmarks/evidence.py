"""What the check of claims against their source flags wrongly, what it misses, its time.

    python benchmarks/evidence.py [--abstracts FOLDER] [--pages FOLDER] [--show N]

The first FOLDER holds Hugging Face daily-papers answers (one JSON list per day), the second HTML
pages of arXiv; without either, the embedded sample day. True claims are a text's own sentences, and
its own numbers and names written another way in a Chinese frame; false ones are its numbers changed
by 6 to 60 %, and the names of other papers (those of no field alone). A changed number that the
text happens to have too cannot be caught; the last columns leave out what a plain search finds.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from broadsheet.analysis.evidence import check
from broadsheet.analysis.extractive import split_sentences
from broadsheet.resources import project
from broadsheet.sources.latexml import read_page

PLAIN = re.compile(
    r"(?<![\w.,^{/-])\d{1,3}(?:,\d{3})+(?![\w,])|(?<![\w.,^{/-])\d+(?:\.\d+)?(?![\w.,/^-])"
)
SHARE = re.compile(r"(?<![\w.,^{/-])(\d+(?:\.\d+)?)\s?\\?%")
TIMES = re.compile(r"(?<![\w.,^{/-])(\d+(?:\.\d+)?)\s?(?:×|x|\$\\times\$)(?![\w ])")
WORDS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7"}
NAME = re.compile(
    r"(?<![\w-])(?:[A-Z]{3,}(?:-?\d+[A-Z]?)?|[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z][a-z]+-\d+)(?![\w-])"
)
FRAME = "在该设置上达到 {}，优于基线。"


def abstracts(folder: Path) -> dict[str, str]:
    """Title and abstract by paper, from daily-papers answers."""
    files = sorted(folder.glob("*.json"))
    papers = [entry["paper"] for file in files for entry in json.loads(file.read_text())]
    return {p["id"]: f"{p['title']}\n{p.get('summary') or ''}" for p in papers}


def pages(folder: Path) -> dict[str, str]:
    """Text by file, from HTML pages."""
    read = {file.name: read_page(file.read_text()) for file in sorted(folder.glob("*.html"))}
    return {
        name: "\n\n".join(f"{s.heading}\n{s.text}" for s in page.sections)
        for name, page in read.items()
    }


def rewritten(text: str) -> Iterator[tuple[str, str]]:
    """The text's numbers and names, written another way: kind of change, claim."""
    for number in set(PLAIN.findall(text)):
        plain = number.replace(",", "")
        whole, _, decimals = plain.partition(".")
        yield "as it is", number
        if len(decimals) > 1:
            yield "rounded", f"{float(plain):.{len(decimals) - 1}f}"
            yield "cut off", plain[:-1]
        if len(decimals) > 2 and whole == "0":
            yield "ratio to percent", f"{float(plain) * 100:.{len(decimals) - 2}f}%"
        if not decimals and int(plain) >= 10_000:
            yield "separators", f"{int(plain):,}"
            yield "separators", f"{int(plain):,}".replace(",", " ")
            yield "k, M, 万", f"{int(plain) / 1000:.1f}k"
            yield "k, M, 万", f"{int(plain) / 10_000:.1f} 万"
            yield "k, M, 万", f"{int(plain) / 1_000_000:.2f}M"
    for share in set(SHARE.findall(text)):
        yield "percent", f"{share}%"
        yield "percent", f"百分之{share}"
        yield "percent to ratio", f"{float(share) / 100:.{len(share.partition('.')[2]) + 2}f}"
    for factor in set(TIMES.findall(text)):
        for sign in ("x", "×", " 倍"):
            yield "times", f"{factor}{sign}"
    for word in set(re.findall(rf"\b(?:{'|'.join(WORDS)})\b", text)):
        yield "word to digit", f"{WORDS[word]} 个"
    for name in set(NAME.findall(text)):
        yield "name", name
        yield "name", f"{name.replace('-', '')}数据集"
        yield "name", re.sub(r"(?<=[A-Za-z])-?(?=\d)", "-", name)


def falsified(text: str, names: list[str], rng: random.Random) -> Iterator[tuple[str, str]]:
    """Numbers and names that are not the text's: kind, claim."""
    for number in sorted(set(PLAIN.findall(text))):
        plain = number.replace(",", "")
        decimals = len(plain.partition(".")[2])
        changed = float(plain) * (1 + rng.choice((-1, 1)) * rng.uniform(0.06, 0.6))
        if abs(changed := round(changed, decimals)) > 1.06 * float(plain) or changed < 0.94 * float(
            plain
        ):
            kind = "number below 10" if changed < 10 and not decimals else "number"
            yield kind, f"{changed:.{decimals}f}"
    for share in sorted(set(SHARE.findall(text))):
        decimals = len(share.partition(".")[2])
        yield "percentage", f"{float(share) * rng.choice((0.6, 0.8, 1.15, 1.3)):.{decimals}f}%"
    known = re.sub(r"[^a-z0-9]", "", text.lower())
    for name in rng.sample(names, min(8, len(names))):
        if re.sub(r"\W", "", name).lower() not in known:
            yield "name", name


def main() -> None:
    """Print the shares, the time, and the claims asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--abstracts", type=Path)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--show", type=int, default=0, help="print so many wrongly judged per kind")
    given = parser.parse_args()
    if given.abstracts is given.pages is None:
        given.pages = project("broadsheet") / "sample" / "html"
    for what, folder, read in (
        ("abstracts", given.abstracts, abstracts),
        ("pages", given.pages, pages),
    ):
        if folder is not None:
            measure(what, read(folder), given.show)


def measure(what: str, texts: dict[str, str], show: int) -> None:
    """Print everything about one collection of texts."""
    print(f"{len(texts)} {what}, {sum(map(len, texts.values())) // len(texts)} characters each")
    print(f"  {'true claims':24}{'claims':>8}{'flagged':>9}")
    judged: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    wrong: dict[str, list[str]] = defaultdict(list)
    for text in texts.values():
        for kind, claim in [("own sentences", " ".join(split_sentences(text))), *rewritten(text)]:
            stated = claim if kind == "own sentences" else FRAME.format(claim)
            found = check({"a": stated}, text)
            judged[kind][0] += found.claims
            judged[kind][1] += len(found.flags)
            wrong[kind] += [flag.claim for flag in found.flags]
    report(judged, wrong, show)
    total, flagged = (sum(counts[n] for counts in judged.values()) for n in (0, 1))
    print(f"  {'all':24}{total:8}{flagged / max(total, 1):9.2%}")
    falsehoods(texts, show)
    timing(texts)


def falsehoods(texts: dict[str, str], show: int) -> None:
    """Print what share of false claims is caught."""
    print(f"  {'false claims':24}{'claims':>8}{'caught':>9}{'absent':>8}{'caught':>9}")
    rng = random.Random(0)  # noqa: S311 (reproducible, not secret)
    every = {name for text in texts.values() for name in NAME.findall(text)}
    names = sorted(name for name in every if check({"a": name}, "").claims)
    judged: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    missed: dict[str, list[str]] = defaultdict(list)
    for text in texts.values():
        for kind, claim in falsified(text, names, rng):
            found = check({"a": FRAME.format(claim)}, text)
            bare = claim.rstrip("%")
            is_absent = re.search(rf"(?<![\d.]){re.escape(bare)}(?![\d.]*\d)", text) is None
            caught = bool(found.flags)
            for n, counts in enumerate((True, caught, is_absent, caught and is_absent)):
                judged[kind][n] += counts
            missed[kind] += [claim] * (is_absent and not caught and found.claims > 0)
    for kind, (total, caught, absent, caught_absent) in sorted(judged.items()):
        print(
            f"  {kind:24}{total:8}{caught / total:9.2%}"
            f"{absent:8}{caught_absent / max(absent, 1):9.2%}"
        )
        for claim in missed[kind][:show]:
            print(f"      missed  {claim}")


def report(judged: dict[str, list[int]], wrong: dict[str, list[str]], show: int) -> None:
    """Print the share flagged by kind of claim."""
    for kind, (total, flagged) in judged.items():
        print(f"  {kind:24}{total:8}{flagged / max(total, 1):9.2%}")
        for claim in wrong[kind][:show]:
            print(f"      flagged {claim}")


def timing(texts: dict[str, str]) -> None:
    """Print how long one check takes on 60,000 characters."""
    longest = max(texts.values(), key=len)
    source = (longest * (60_000 // len(longest) + 1))[:60_000]
    analysis = {"a": " ".join(split_sentences(longest)[:20])}
    seconds = []
    for _ in range(50):
        started = time.process_time()
        found = check(analysis, source)
        seconds.append(time.process_time() - started)
    median = sorted(seconds)[25] * 1000
    print(
        f"  one check of {found.claims} claims in 60,000 characters: "
        f"median {median:.1f} ms, fastest {min(seconds) * 1000:.1f} ms"
    )


if __name__ == "__main__":
    main()
