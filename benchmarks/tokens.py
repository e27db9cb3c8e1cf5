"""How near token counts without a tokenizer come, and what reading a price costs.

    python benchmarks/tokens.py FOLDER [TEXT]…

FOLDER holds arXiv HTML pages. Each becomes two questions, of the whole text and of its abstract,
and so do the pages and abstracts of the sample day, and every TEXT file (a Chinese one, say). The
judges are the tokenizers that litellm brings along: two of OpenAI's and one of Anthropic's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from broadsheet.analysis.prices import tokens_about, tokens_at_most
from broadsheet.config import Settings
from broadsheet.models import Question, Section
from broadsheet.sources.latexml import read_page
from broadsheet.styles import load_style

LONGEST = Settings().max_input_chars
PERCENTILES = (0, 5, 50, 95, 100)
PRICE = """
import time
from broadsheet.analysis.prices import price_of
from broadsheet.config import Model

def kilobytes(of):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(of))

before, started = kilobytes("VmRSS"), time.perf_counter()
price = price_of(Model(name=NAME))
took_ms = (time.perf_counter() - started) * 1e3
print(f"{took_ms:.1f} ms, peak {kilobytes('VmHWM') - before} KB higher,"
    f" {kilobytes('VmRSS') - before} KB kept: {price} of", NAME)
"""


def tokenizers() -> dict[str, Callable[[str], int]]:
    """The judges by name; each counts a text."""
    folder = Path(litellm_folder(), "litellm_core_utils", "tokenizers")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)  # else it downloads them
    import tiktoken
    from tokenizers import Tokenizer

    claude = Tokenizer.from_file(str(folder / "anthropic_tokenizer.json"))
    judges: dict[str, Callable[[str], int]] = {"anthropic": lambda t: len(claude.encode(t).ids)}
    for name in ("cl100k_base", "o200k_base"):
        encoding = tiktoken.get_encoding(name)
        judges[name] = lambda t, e=encoding: len(e.encode(t, disallowed_special=()))
    return judges


def litellm_folder() -> str:
    return importlib.util.find_spec("litellm").submodule_search_locations[0]


def readings(folder: Path, texts: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Texts that are put to a model, each after its kind."""
    for page in sorted(folder.glob("*.html")):
        sections = read_page(page.read_text("utf-8")).sections
        yield "full text", joined(sections)
        yield "abstract", joined(sections[:1])
    sample = files("broadsheet") / "sample"
    for entry in json.loads((sample / "daily_papers.json").read_text("utf-8")):
        yield "sample abstract", entry["paper"]["summary"]
    for page in (sample / "html").iterdir():
        yield "sample full text", joined(read_page(page.read_text("utf-8")).sections)
    for path in texts:
        yield path.name[:16], path.read_text("utf-8")


def joined(sections: Sequence[Section]) -> str:
    return "\n\n".join(f"{s.heading}\n\n{s.text}" for s in sections)[:LONGEST]


def questions(text: str) -> Iterator[Question]:
    """The text with each style's schema, in each language."""
    for name, language in (("cv", "zh"), ("cv", "en"), ("hf", "zh"), ("hf", "en")):
        style = load_style(Settings(), name, language)
        asked = "\n".join(section.instruction[language] for section in style.sections)
        yield Question(
            key="",
            model="any/model",
            paper_id="2601.00001",
            style=name,
            prompt_version="",
            messages=({"role": "system", "content": asked}, {"role": "user", "content": text}),
            schema=style.schema,
            parameters={},
        )


def counted(question: Question, judge: Callable[[str], int]) -> int:
    """Tokens as the judge counts them, with OpenAI's three per message and three at the end."""
    contents = [message["content"] for message in question.messages]
    schema = json.dumps(question.schema, ensure_ascii=False)
    return sum(judge(part) for part in (*contents, schema)) + 3 * len(contents) + 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("texts", type=Path, nargs="*")
    arguments = parser.parse_args()
    judges = tokenizers()
    ratios: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for kind, text in readings(arguments.folder, arguments.texts):
        for question in questions(text):
            for name, judge in judges.items():
                true = counted(question, judge)
                pair = (tokens_about(question) / true, tokens_at_most(question) / true)
                for group in (f"by {name}", kind, "all"):
                    ratios[group].append(pair)
    print(f"{'counted / true, percentiles':26}{PERCENTILES} about, then at most")
    for group, pairs in ratios.items():
        about, at_most = (np.percentile(side, PERCENTILES) for side in zip(*pairs, strict=True))
        print(f"{group:18}{len(pairs):6}  {shown(about)}   {shown(at_most)}")
    below = sum(at_most < 1 for _, at_most in ratios["all"])
    print(f"at most is below the true count in {below} of {len(ratios['all'])}")
    for name in ("gemini/gemini-2.5-flash", "openai/no-such-model"):
        subprocess.run([sys.executable, "-c", PRICE.replace("NAME", repr(name))], check=True)


def shown(values: Sequence[float]) -> str:
    return " ".join(f"{value:5.2f}" for value in values)


if __name__ == "__main__":
    main()
