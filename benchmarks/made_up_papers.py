"""Papers that nobody wrote, in the format of arXiv's metadata snapshot: JSON lines, for benchmarks.

    python benchmarks/made_up_papers.py OUT.jsonl[.gz] COUNT [--seed 0]

The words of the recorded sample day by their frequency, then made-up ones, as Zipf has them; among
them the phrases that readers look for, about as often as arXiv has them. Submissions grow evenly
from 1991 to 2026. The same count and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np


def words_of(text: str) -> list[str]:
    return text.split()


SAMPLE = Path(__file__).parents[1] / "broadsheet" / "sample"
FIRST, LAST = dt.date(1991, 8, 14), dt.date(2026, 8, 20)
NEW_IDS = dt.date(2007, 4, 1)
AT_ONCE = 10_000
VOCABULARY = 60_000
SENTENCE, LINE = 22, 12  # words
ARCHIVES = words_of(
    "astro-ph cond-mat cs gr-qc hep-ex hep-lat hep-ph hep-th math math-ph nucl-th physics quant-ph"
)
CATEGORIES = words_of(
    "cs.CV cs.LG cs.CL cs.AI stat.ML cs.RO eess.IV hep-ph quant-ph math.CO astro-ph.GA"
    " cond-mat.mtrl-sci cs.CV,cs.LG cs.CL,cs.AI cs.LG,stat.ML cs.CV,eess.IV math.AG hep-th gr-qc"
    " physics.optics cs.IT,math.IT q-bio.NC math.PR astro-ph.CO"
)
PHRASES = {  # share of all words
    "diffusion model": 4e-5,
    "diffusion": 1e-4,
    "image generation": 2e-5,
    "super-resolution": 1.5e-5,
    "image restoration": 8e-6,
    "flow matching": 5e-6,
    "masked autoregressive": 1e-6,
    "large language model": 6e-5,
    "reinforcement learning": 5e-5,
    "agents": 4e-5,
    "speech": 4e-5,
    "$\\mathcal{O}(n^2)$": 1e-4,
    "$10^{-3}$": 1e-4,
}
FAMILIES = words_of(
    "Li Chen Wang Smith Garcia Kim Rossi Müller Okafor Nguyen Ivanov Silva Tanaka Kumar Novák Østby"
)
GIVEN = words_of(
    "Ada Bo Chi Dana Emil Fei Gita Hugo Ines Jan Kai Lena Mia Noa Omar Pia Quinn Rui Sol"
)
SYLLABLES = words_of(
    "ba co di fu ga he li mo na pe ra so ta ve xi zo tri pho dyn lex mer nol quan sto"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    write(options.out, options.count, options.seed)
    seconds = time.monotonic() - started
    print(f"wrote {options.count} papers in {seconds:.1f} s ({options.count / seconds:.0f}/s)")


def write(out: Path, count: int, seed: int = 0) -> None:
    """Write that many papers to the file, compressed where its name ends in .gz."""
    with opened(out) as file:
        for lines in blocks(count, seed):
            file.write(lines.encode())


def opened(out: Path) -> IO[bytes]:
    if out.suffix != ".gz":
        return out.open("wb")
    return gzip.GzipFile(filename="", fileobj=out.open("wb"), mode="wb", compresslevel=1, mtime=0)


def blocks(count: int, seed: int = 0) -> Iterator[str]:
    """The papers' lines, many at a time: by identifier, the old ones last, as the snapshot is."""
    words, table = vocabulary(np.random.default_rng(seed))
    days = submission_days(count)
    first_new = int(np.searchsorted(days, (NEW_IDS - FIRST).days))
    ids = identifiers(days)
    order = np.concatenate([np.arange(first_new, count), np.arange(first_new)])
    for start in range(0, count, AT_ONCE):
        chosen = order[start : start + AT_ONCE]
        rng = np.random.default_rng((seed, start))
        yield block([ids[i] for i in chosen], days[chosen], words, table, rng)


def submission_days(count: int) -> np.ndarray:
    """Days since the first one, ascending, as many each year as the years before grew to."""
    span = (LAST - FIRST).days
    return (span * np.sqrt((np.arange(count) + 0.5) / count)).astype(np.int64)


def identifiers(days: np.ndarray) -> list[str]:
    months = [FIRST + dt.timedelta(days=day) for day in range(int(days[-1]) + 1)]
    seen: Counter[str] = Counter()
    found = []
    for day in days.tolist():
        date = months[day]
        month = f"{date.year % 100:02}{date.month:02}"
        number = seen[month]
        seen[month] += 1
        if date < NEW_IDS:
            archive = ARCHIVES[number % len(ARCHIVES)]
            found.append(f"{archive}/{month}{number // len(ARCHIVES) + 1:03}")
        else:
            found.append(f"{month}.{number + 1:0{4 if date.year < 2015 else 5}}")
    return found


def vocabulary(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Words (plain, capitalised, with a full stop, with a line's end), and a table of their places.

    A place drawn evenly from that table is a word's as often as the word is to come.
    """
    plain = mixed(recorded_words(), made_up_words(rng))
    shares = 1 / np.arange(2.7, VOCABULARY + 2.7)
    shares *= (1 - sum(PHRASES.values())) / shares.sum()
    forms = [json.dumps(word)[1:-1] for word in [*plain, *PHRASES]]
    shares = np.concatenate([shares, list(PHRASES.values())])
    table = np.repeat(np.arange(len(forms)), np.ceil(shares * 2**22).astype(int))
    capital = [form[0].upper() + form[1:] for form in forms]
    last, broken = [f"{form}." for form in forms], [f"{form}\\n " for form in forms]
    return np.array([*forms, *capital, *last, *broken], dtype=object), table


def mixed(recorded: list[str], made_up: list[str]) -> list[str]:
    """Both; after the first, small words, one recorded to three others.

    Few abstracts are recorded, and all have one subject.
    """
    sought = {part for phrase in PHRASES for part in re.findall("[a-z]+", phrase)}
    usual = [word for word in recorded if word not in sought]
    first, rest = usual[:12], usual[12:]
    others = iter(made_up)
    spread = [word for known in rest for word in (next(others), next(others), next(others), known)]
    return [*first, *spread, *others][:VOCABULARY]


def made_up_words(rng: np.random.Generator) -> list[str]:
    parts = rng.integers(0, len(SYLLABLES), (2 * VOCABULARY, 5)).tolist()
    lengths = rng.integers(2, 6, 2 * VOCABULARY).tolist()
    words = (
        "".join(SYLLABLES[part] for part in some[:length])
        for some, length in zip(parts, lengths, strict=True)
    )
    return list(dict.fromkeys(words))


def recorded_words() -> list[str]:
    """The words of the sample day's abstracts, the most frequent first."""
    entries = json.loads((SAMPLE / "daily_papers.json").read_text(encoding="utf-8"))
    text = " ".join(str(entry["paper"].get("summary")) for entry in entries)
    counted = Counter(re.findall(r"[a-z][a-z-]*[a-z]", text.lower()))
    return [word for word, _ in sorted(counted.items(), key=lambda one: (-one[1], one[0]))]


def block(
    ids: list[str],
    days: np.ndarray,
    words: np.ndarray,
    table: np.ndarray,
    rng: np.random.Generator,
) -> str:
    count = len(ids)
    titles, abstracts = rng.integers(5, 15, count), rng.integers(100, 251, count)
    lengths = np.stack([titles, abstracts], axis=1).ravel()
    ends = np.cumsum(lengths)
    places = table[rng.integers(0, len(table), int(ends[-1]))]
    forms = len(words) // 4
    within = np.arange(len(places)) - np.repeat(ends - lengths, lengths)
    places[within % SENTENCE == 0] += forms
    in_abstract = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    is_last = within % SENTENCE == SENTENCE - 1
    places[is_last & in_abstract] += 2 * forms
    places[(within % LINE == LINE - 1) & (within % SENTENCE > 0) & in_abstract & ~is_last] += (
        3 * forms
    )
    text = words[places].tolist()
    bounds = [0, *ends.tolist()]
    authors, categories = rng.integers(1, 9, count), rng.integers(0, len(CATEGORIES), count)
    names = rng.integers(0, len(FAMILIES) * len(GIVEN), (count, 8)).tolist()
    seconds, versions = rng.integers(0, 86_400, count), rng.choice([1, 1, 1, 2, 3], count)
    return "".join(
        line(
            paper_id,
            " ".join(text[bounds[2 * i] : bounds[2 * i + 1]]),
            " ".join(text[bounds[2 * i + 1] : bounds[2 * i + 2]]),
            [(FAMILIES[n % len(FAMILIES)], GIVEN[n // len(FAMILIES)]) for n in names[i][:many]],
            CATEGORIES[category].replace(",", " "),
            submissions(day, second, versions_),
        )
        for i, (paper_id, many, category, day, second, versions_) in enumerate(
            zip(
                ids,
                authors.tolist(),
                categories.tolist(),
                days.tolist(),
                seconds.tolist(),
                versions.tolist(),
                strict=True,
            )
        )
    )


def submissions(day: int, second: int, count: int) -> list[tuple[str, dt.date]]:
    """When each version was submitted, a month after the one before."""
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    dates = [FIRST + dt.timedelta(days=day + 30 * version) for version in range(count)]
    return [(f"{told(date)} {clock} GMT", date) for date in dates]


@cache
def told(date: dt.date) -> str:
    return f"{date:%a}, {date.day} {date:%b %Y}"


def line(
    paper_id: str,
    title: str,
    abstract: str,
    authors: list[tuple[str, str]],
    categories: str,
    versions: list[tuple[str, dt.date]],
) -> str:
    """The paper's line; title and abstract are escaped already."""
    listed = ", ".join(f"{given} {family}" for family, given in authors)
    parsed = ",".join(f'["{family}","{given}",""]' for family, given in authors)
    history = ",".join(
        f'{{"version":"v{number}","created":"{created}"}}'
        for number, (created, _) in enumerate(versions, 1)
    )
    return (
        f'{{"id":"{paper_id}","submitter":"{authors[0][1]} {authors[0][0]}","authors":"{listed}",'
        f'"title":"{title}","comments":"{8 + len(title) % 20} pages","journal-ref":null,"doi":null,'
        f'"report-no":null,"categories":"{categories}",'
        '"license":"http://arxiv.org/licenses/nonexclusive-distrib/1.0/",'
        f'"abstract":"  {abstract}\\n","versions":[{history}],'
        f'"update_date":"{versions[-1][1]}","authors_parsed":[{parsed}]}}\n'
    )


if __name__ == "__main__":
    main()
