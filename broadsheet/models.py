"""The values that travel between steps: frozen, keyword-only, without I/O.

Dates are calendar days; every `*_at` is an aware UTC instant. `paper_id` is an arXiv identifier
without its version (https://info.arxiv.org/help/arxiv_identifier.html); `version` is an integer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a digest; the same word in exit codes, run states, tables and reports."""

    COMPLETE = "complete"
    EMPTY = "empty"
    PARTIAL = "partial"
    FAILED = "failed"


class Status(StrEnum):
    """What became of an analysis."""

    COMPLETE = "complete"
    PENDING = "pending"
    REFUSED = "refused"
    """Every model declined to write about the paper; its own sentences stand in for good."""


class ReadingSource(StrEnum):
    """Which text of a paper was read."""

    HTML = "html"
    ABSTRACT = "abstract"


PAPER_ID = r"(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})"
"""The pattern of an arXiv identifier without its version."""

EXTRACTIVE = "extractive"
"""The backend that quotes the paper itself: the last of every list of models."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """One paper as one source listed it for one date; None where the source does not say."""

    source: str
    date: dt.date
    paper_id: str
    rank: int
    """1 is the top of the source's list."""
    title: str
    abstract: str
    authors: tuple[str, ...]
    upvotes: int | None = None
    comments: int | None = None
    version: int | None = None
    categories: tuple[str, ...] | None = None
    published_at: dt.datetime | None = None
    """First submission to arXiv."""
    code_url: str | None = None
    project_url: str | None = None
    ai_summary: str | None = None
    ai_keywords: tuple[str, ...] = ()
    payload: str = "{}"
    """The entry as received, JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A titled stretch of a paper; `level` 1 is a section, 2 a subsection."""

    heading: str
    text: str
    level: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class FullText:
    """The text of a paper that is read: its HTML in sections, or its abstract alone."""

    paper_id: str
    version: int | None
    reading_source: ReadingSource
    reason: str
    """`ok`, or why it is the abstract: not_found, shell, fatal_conversion, unavailable …"""
    sections: tuple[Section, ...]
    sha256: str
    has_hidden_text: bool
    fetched_at: dt.datetime

    @property
    def chars(self) -> int:
        """Characters of text over all sections."""
        return sum(len(section.text) for section in self.sections)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """One paper selected for a digest, with what the page says about it."""

    paper_id: str
    version: int | None
    position: int
    """1 is the top of the digest."""
    score: int
    reason: str
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    sources: tuple[str, ...]
    upvotes: int | None
    published_at: dt.datetime | None
    code_url: str | None
    project_url: str | None
    fetched_at: dt.datetime
    """When the list with this abstract was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One request to one model; `key` is its content key (see `broadsheet.analysis.prompt`)."""

    key: str
    model: str
    paper_id: str
    style: str
    prompt_version: str
    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, object]
    parameters: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model answered, raw, and what it used up; `cost_usd` None: the price is unknown.

    `fault` is set where the answer was that there will be none: `content` or `context`. Such an
    answer has no text, and is kept so that the question is not put again.
    """

    key: str
    model: str
    paper_id: str
    style: str
    prompt_version: str
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    latency_seconds: float
    asked_at: dt.datetime
    fault: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """A claim of an analysis that does not occur in the text it was made from."""

    section: str
    """The section's id."""
    claim: str
    """As the analysis writes it."""
    kind: str
    """number, percentage or name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Analysis:
    """What the digest says about one paper: validated sections by id, or the paper's own sentences.

    `sections` is empty where no model answered; `extract` is then the quoted text.
    """

    paper_id: str
    style: str
    language: str
    question: str
    """The content key of the question answered or, while pending, of the one to ask."""
    status: Status
    model: str
    prompt_version: str
    reading_source: ReadingSource
    sections: Mapping[str, str | tuple[str, ...]]
    extract: tuple[str, ...] = ()
    pending_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    asked_at: dt.datetime | None = None
    """When the model was; None where none answered."""
    source_sha256: str = ""
    source_fetched_at: dt.datetime | None = None
    has_hidden_text: bool = False
    """Whether the paper held text that no reader sees, which was left out."""
    claims: int = 0
    """Numbers, percentages and names of datasets that the sections state, count."""
    claims_found: int = 0
    """Of these, those that occur in the text it was made from."""
    flags: tuple[Flag, ...] = ()
    """The others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """One block of the page: a pick and its analysis."""

    pick: Pick
    analysis: Analysis


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """One profile × one date, ready to be rendered."""

    profile: str
    title: str
    date: dt.date
    style: str
    language: str
    sources: tuple[str, ...]
    scan: int | None
    """Only the top so many of the list were looked at; None: all."""
    scanned: int
    """Papers the scan looked at."""
    listed: int
    """Papers all sources listed that day."""
    articles: tuple[Article, ...]
    missing_sources: tuple[str, ...] = ()
    origin: str = "made"

    @property
    def pending(self) -> tuple[Article, ...]:
        """The articles that still wait for a model's answer."""
        return tuple(a for a in self.articles if a.analysis.status is Status.PENDING)

    @property
    def outcome(self) -> Outcome:
        """`partial` while anything is missing, `empty` where no source listed a paper."""
        if self.pending or self.missing_sources:
            return Outcome.PARTIAL
        return Outcome.COMPLETE if self.listed else Outcome.EMPTY
