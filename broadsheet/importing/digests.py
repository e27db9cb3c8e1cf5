"""What a page that others made says, whatever its layout: plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from broadsheet.errors import FaultKind, UnknownShape
from broadsheet.models import EXTRACTIVE, ReadingSource, Status

MOST_PAPERS = 10_000
"""More than any list has ever had; a page that claims more is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedPaper:
    """One paper of a page. What the page does not say is None, empty or `unknown`."""

    paper_id: str
    title: str
    """One line."""
    score: int | None = None
    """0 to 100."""
    reason: str = ""
    sources: tuple[str, ...] = ()
    """Where it was listed: huggingface, arxiv, or what the page calls it."""
    status: Status | None = Status.COMPLETE
    """Of its analysis; None where the layout has none, and then the next ones say nothing."""
    pending_reason: FaultKind | None = None
    """Why there is no analysis although there should be one."""
    reading_source: ReadingSource = ReadingSource.ABSTRACT
    model: str = "unknown"
    prompt_version: str = "imported"
    sections: Mapping[str, str | tuple[str, ...]]
    """By the ids of the style, each of its kind: a text, or a list; empty without an analysis."""
    extract: tuple[str, ...] = ()
    """The paper's own words that stand in for the sections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedDigest:
    """One date of a page."""

    layout: str
    profile: str
    """What its profile is called where nobody names another."""
    style: str | None
    """The report style whose sections it has; None without analyses."""
    language: str
    date: dt.date
    papers: tuple[ImportedPaper, ...]
    """In the page's order, each once; none on a day that had none."""
    scanned: int | None = None
    """Papers that were looked at, where the page says it."""
    missing_sources: tuple[str, ...] = ()
    repeated: int = 0
    """Papers that the page has a second time, which are left out; count."""

    @property
    def failed(self) -> tuple[ImportedPaper, ...]:
        """The papers whose analysis is missing."""
        return tuple(paper for paper in self.papers if paper.status is Status.PENDING)


class Layout(Protocol):
    """How one kind of page is read; a module with these four names is one, too.

    Other distributions add theirs under the entry point group `broadsheet.layouts`.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def looks_for(self) -> str:
        """What a page of it has, in words: an error names it."""
        ...

    def recognises(self, text: str) -> bool:
        """Whether the text is a page of this layout, by its content; cheap."""
        ...

    def parse(self, text: str) -> tuple[ImportedDigest, ...]:
        """The digests of the page, one per profile and date; pure.

        Raises:
            UnknownShape: the page lacks what a digest needs, or has what none can have.
        """
        ...


def failed_paper(paper: ImportedPaper, why: FaultKind) -> dict[str, object]:
    """The fields of a paper whose analysis is missing: its title is all of its own words."""
    return {
        "status": Status.PENDING,
        "pending_reason": why,
        "sections": {},
        "extract": paper.extract or (paper.title,),
        "model": EXTRACTIVE,
    }


def each_once(papers: list[ImportedPaper]) -> tuple[tuple[ImportedPaper, ...], int]:
    """The papers without those that came before, and how many these were.

    Raises:
        UnknownShape: too many to be a digest.
    """
    unique: dict[str, ImportedPaper] = {}
    for paper in papers:
        unique.setdefault(paper.paper_id, paper)
    if len(unique) > MOST_PAPERS:
        raise UnknownShape(
            f"it has {len(unique):,} papers of one date", f"at most {MOST_PAPERS:,} are imported"
        )
    return tuple(unique.values()), len(papers) - len(unique)
