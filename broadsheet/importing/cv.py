"""The layout of the 「CV 论文日报」: a list of contents with scores, numbered deep dives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broadsheet.errors import FaultKind, UnknownShape
from broadsheet.importing import pages
from broadsheet.importing.dates import day
from broadsheet.importing.digests import ImportedDigest, ImportedPaper, each_once
from broadsheet.importing.markdown import lines_of, one_line
from broadsheet.importing.pages import Words

_ITEM = re.compile(
    r"#{1,6}\s*<a id=['\"]item-\d{1,6}['\"]>\s*</a>\s*(?:\d{1,6}\s*[.、)]\s*)?(?P<title>.*)"
)
_LISTED = re.compile(r"[-*]\s.*\]\(#item-\d{1,6}\)")
_SCORE = re.compile(r"(\d{1,9})\s*/\s*100")
_KNOWN_SOURCES = {"huggingface": "huggingface", "huggingface daily papers": "huggingface"}
_KNOWN_SOURCES |= {"hf": "huggingface", "arxiv": "arxiv"}


@dataclass(frozen=True)
class Cv:
    """Pages with `<a id='item-0'></a>` before every paper, as the style `cv` has them."""

    words: Words
    name: str = "cv"
    looks_for: str = "headings with <a id='item-0'></a> and the number of a paper"

    def recognises(self, text: str) -> bool:
        """Whether it has the anchors, or is one of our own pages without a paper."""
        return (
            "<a id='item-" in text
            or '<a id="item-' in text
            or self._is_empty(lines_of(text[: pages.HEAD]))
        )

    def _is_empty(self, lines: Sequence[str]) -> bool:
        notes = self.words.said("empty") | self.words.said("nothing_selected")
        is_titled = bool(lines) and lines[0].startswith("# 🚀 ")
        return is_titled and any(line in notes for line in lines[:20])

    def parse(self, text: str) -> tuple[ImportedDigest, ...]:
        """The page's one digest; see `Layout.parse`."""
        lines = lines_of(text)
        starts = [at for at, line in enumerate(lines) if _ITEM.match(line)]
        head = lines[: starts[0]] if starts else lines
        pages.refuse_sample(self.words, head)
        _refuse_cut(head, len(starts))
        end, waiting = pages.pending_part(self.words, lines)
        spans = pages.spans(starts, end)
        read = [self._paper(lines[start:stop], waiting) for start, stop in spans]
        papers, repeated = each_once([paper for paper, _ in read])
        pages.refuse_nothing(papers, is_known=self._is_empty(lines))
        return (
            ImportedDigest(
                layout=self.name,
                profile=self.words.style,
                style=self.words.style,
                language=pages.language([language for _, language in read], self.words, head),
                date=day(pages.date_in("\n".join(head))),
                papers=papers,
                scanned=_scanned(self.words, head),
                missing_sources=pages.missing_sources(self.words, head),
                repeated=repeated,
            ),
        )

    def _paper(
        self, lines: Sequence[str], waiting: Mapping[str, FaultKind]
    ) -> tuple[ImportedPaper, str]:
        item = _ITEM.match(lines[0])
        title = item["title"] if item else ""
        one = pages.article(self.words, title, lines[1:], waiting)
        pages.refuse_untitled(one)
        known = ImportedPaper(
            paper_id=pages.paper_id(one.facts.get("link", ""), one.title),
            title=one.title,
            score=_score(one),
            reason=one_line(one.original(one.facts.get("why", ""))),
            sources=_sources(one.facts.get("source", "")),
            sections={},
        )
        return pages.read_article(one, known)


def _score(one: pages.Article) -> int | None:
    """The score, where the page says one.

    Raises:
        UnknownShape: one that no paper can have.
    """
    said = one.facts.get("score", "")
    if not said or said.startswith("None"):
        return None
    found = _SCORE.fullmatch(said)
    if not found or int(found[1]) > 100:
        raise UnknownShape(
            f"the score of {pages.shown(one.title)} is {one_line(said)[:40]!r}",
            "mend that line: a score is written like 92/100",
        )
    return int(found[1])


def _sources(said: str) -> tuple[str, ...]:
    """Our names of the sources that are named, and the page's own names of others."""
    names = ["".join(c for c in part if c.isalnum() or c == " ") for part in said.split(" + ")]
    plain = [" ".join(name.split()).casefold() for name in names]
    known = (
        _KNOWN_SOURCES.get(name.replace("hugging face", "huggingface"), name) for name in plain
    )
    return tuple(dict.fromkeys(name[:80] for name in known if name))


def _scanned(words: Words, head: Sequence[str]) -> int | None:
    """How many papers were looked at, where the headline says it."""
    for label in words.said("scanned"):
        for line in head:
            found = re.search(rf"{re.escape(label)}\s*(\d{{1,6}})(?!\d)", line[:400])
            if found and line.startswith(">"):
                return int(found[1])
    return None


def _refuse_cut(head: Sequence[str], found: int) -> None:
    listed = sum(1 for line in head if _LISTED.match(line))
    if listed > found:
        raise UnknownShape(
            f"its contents list {listed} papers, and {found} are there",
            "the file seems to be cut short: fetch it again",
        )
