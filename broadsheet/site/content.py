"""What the pages show, read once from the warehouse: digests, papers and what was said of them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from broadsheet.charts import CHARTS
from broadsheet.config import Settings, load_profile, profile_names
from broadsheet.lake import Lake
from broadsheet.models import Analysis, Status
from broadsheet.publishing import stored_analysis
from broadsheet.queries import query
from broadsheet.rows import Row, to_rows
from broadsheet.styles import Style, load_style
from broadsheet.warehouse import Warehouse

FACTS = ("site.editions", "site.papers", "site.upvotes", "staging.digests", "staging.analyses")
ANSWERED = ("costs", "trends", "recurring_authors")
"""Named questions that the pages answer in tables; those of the charts come besides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """The upvotes that one snapshot of a list showed, count."""

    at: dt.datetime
    upvotes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One analysis of a paper, and where it was first made."""

    analysis: Analysis
    profile: str
    date: dt.date


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """A paper that has a page; None or empty where no source says."""

    paper_id: str
    title: str
    abstract: str | None
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    keywords: tuple[str, ...]
    published_at: dt.datetime | None
    code_url: str | None
    project_url: str | None
    upvotes: int | None
    sources: tuple[str, ...]
    first_listed_on: dt.date
    votes: tuple[Vote, ...]
    """Oldest first."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Keywords and categories, what it can be found by."""
        return (*self.keywords, *self.categories)


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One paper of one digest, as it was published."""

    profile: str
    date: dt.date
    paper_id: str
    position: int
    score: int
    reason: str
    title: str
    analysis: Analysis | None
    """None where the lake has lost it."""

    @property
    def is_pending(self) -> bool:
        """Whether it still waits for a model's answer."""
        return self.analysis is not None and self.analysis.status is Status.PENDING


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """One digest as it was published."""

    profile: str
    title: str
    date: dt.date
    outcome: str
    style: str
    language: str
    origin: str
    listed: int
    scanned: int
    missing_sources: tuple[str, ...]
    first_published_at: dt.datetime
    updated_at: dt.datetime
    features: tuple[Feature, ...]
    """In the digest's order; empty where nothing was listed or nothing qualified."""

    @property
    def pending(self) -> tuple[Feature, ...]:
        """Those that still wait for a model."""
        return tuple(feature for feature in self.features if feature.is_pending)


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything that the pages are made of."""

    issues: tuple[Issue, ...]
    """Newest first."""
    papers: Mapping[str, Paper]
    """By identifier, those listed last first."""
    said: Mapping[str, tuple[Said, ...]]
    """Of each paper every analysis, newest first; extracts that say the same once."""
    styles: Mapping[tuple[str, str], Style]
    """By name and language; digests of styles that no longer exist have none."""
    answers: Mapping[str, pa.Table]
    """The named questions of tables and charts, with the parameters they have by default."""


def read(settings: Settings) -> Content:
    """The content of the history as it is now.

    Raises:
        LakeError, WarehouseError: the lake cannot be read.
        UsageError: a style is malformed.
    """
    asked = {name: query(f"history.{name}") for name in sorted({*ANSWERED, *CHARTS})}
    names = [*FACTS, *(question.name for question in asked.values())]
    with Warehouse(Lake(settings.lake_root), asks=names) as warehouse:
        rows = {name: to_rows(warehouse.run(name)) for name in FACTS}
        answers = {name: warehouse.run(q.name, **q.defaults) for name, q in asked.items()}
    analyses = {_key(row): stored_analysis(row) for row in rows["staging.analyses"]}
    issues = _issues(settings, rows["site.editions"], rows["staging.digests"], analyses)
    return Content(
        issues=issues,
        papers=_papers(rows["site.papers"], rows["site.upvotes"]),
        said=_said(rows["staging.analyses"], analyses),
        styles=_styles(settings, {(issue.style, issue.language) for issue in issues}),
        answers=answers,
    )


def _key(row: Row) -> tuple[object, ...]:
    return row["style"], row["paper_id"], row["question"]


def _issues(
    settings: Settings,
    editions: Iterable[Mapping[str, Any]],
    digests: Iterable[Row],
    analyses: Mapping[tuple[object, ...], Analysis],
) -> tuple[Issue, ...]:
    features: defaultdict[tuple[object, object], list[Feature]] = defaultdict(list)
    for one in digests:
        features[one["profile"], one["date"]].append(_feature(one, analyses.get(_key(one))))
    titles = _titles(settings)
    issues: list[Issue] = []
    for row in editions:
        of_it = features[row["profile"], row["date"]]
        mended: dict[str, Any] = {
            "title": titles.get(row["profile"], row["profile"]),
            "listed": row["listed"] or 0,
            "scanned": row["scanned"] or 0,
            "missing_sources": tuple(row["missing_sources"] or ()),
            "features": tuple(sorted(of_it, key=lambda feature: feature.position)),
        }
        issues.append(Issue(**{**row, **mended}))
    return tuple(issues)


def _feature(row: Row, analysis: Analysis | None) -> Feature:
    names = ("profile", "date", "paper_id", "position", "score", "reason", "title")
    values: dict[str, Any] = {name: row[name] for name in names}
    values["reason"] = values["reason"] or ""
    return Feature(**values, analysis=analysis)


def _titles(settings: Settings) -> dict[str, str]:
    return {name: load_profile(settings, name).title for name in profile_names(settings)}


def _papers(papers: Iterable[Row], upvotes: Iterable[Row]) -> dict[str, Paper]:
    votes: defaultdict[object, list[Vote]] = defaultdict(list)
    for vote in upvotes:
        seen: dict[str, Any] = vote
        votes[vote["paper_id"]].append(Vote(at=seen["fetched_at"], upvotes=seen["upvotes"]))
    found: dict[str, Paper] = {}
    for paper in papers:
        row: dict[str, Any] = dict(paper)
        for name in ("authors", "categories", "keywords", "sources"):
            row[name] = tuple(row[name] or ())
        found[row["paper_id"]] = Paper(**row, votes=tuple(votes[row["paper_id"]]))
    return found


def _said(
    rows: Sequence[Row], analyses: Mapping[tuple[object, ...], Analysis]
) -> dict[str, tuple[Said, ...]]:
    said: defaultdict[str, list[Said]] = defaultdict(list)
    extracts: set[tuple[str, tuple[str, ...]]] = set()
    in_order = sorted(rows, key=lambda row: (str(row["style"]), str(row["question"])))
    for row in sorted(in_order, key=lambda row: str(row["analyzed_at"]), reverse=True):
        analysis, made = analyses[_key(row)], dict[str, Any](row)
        extract = (analysis.paper_id, analysis.extract)
        if not analysis.sections and extract in extracts:
            continue
        extracts.add(extract)
        one = Said(analysis=analysis, profile=made["profile"], date=made["date"])
        said[analysis.paper_id].append(one)
    return {paper_id: tuple(found) for paper_id, found in said.items()}


def _styles(settings: Settings, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Style]:
    known = {file.parent.name for file in settings.styles.glob("[!_]*/sections.toml")}
    return {
        (name, language): load_style(settings, name, language)
        for name, language in sorted(wanted)
        if name in known
    }
