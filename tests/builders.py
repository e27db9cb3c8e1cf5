"""What tests build: papers of our own invention, rows of a lake, and the answers of its queries.

`a_…` and `an_…` return values, `write_…` put rows into a lake; whatever a test does not name is
the same everywhere: the day, its noon, and a harmless text.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from broadsheet.lake import Lake
from broadsheet.models import (
    Analysis,
    Answer,
    Article,
    Digest,
    FullText,
    Listing,
    Pick,
    ReadingSource,
    Section,
    Status,
)
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse

Row = dict[str, Any]

DAY = dt.date(2026, 1, 6)
NOON = dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

SECTIONS: dict[str, dict[str, str | tuple[str, ...]]] = {
    "cv": {
        "innovation": "A **lantern** that counts `photons[0]` and writes them down.",
        "method": ("It waits.\n\nThen it counts, in two steps:\n- dark\n- light", "It writes."),
        "takeaway": ("Counting is cheap.", "Waiting is not."),
        "limitations": ("Nights only (from the paper).",),
    },
    "hf": {
        "area": "Measurement, at night.",
        "contribution": "One lantern replaces ten; see [the code](https://github.com/a/b).",
        "usage": ("Light it.", "Read it, x < y & z."),
        "innovations": ("**Counting**: by hand.", "**Writing**: by machine."),
        "results": ("12 of 13 nights.",),
    },
}
QUOTED: dict[str, Any] = {
    "model": "extractive",
    "prompt_version": "",
    "reading_source": ReadingSource.ABSTRACT,
    "sections": {},
    "extract": ("We count photons.", "It works on 12 of 13 nights."),
}
WAITING: dict[str, Any] = {"status": Status.PENDING, "pending_reason": "rate", **QUOTED}

HF = {"source": "huggingface", "scope": "", "place": 0}
ARXIV = {"source": "arxiv", "scope": "cs.CV", "place": 1}
POINTS = {"interest": 70, "popularity": 20, "freshness": 10, "fresh_days": 30, "negative": 40}


def a_listing(number: int = 1, **changed: Any) -> Listing:
    """A listing that lacks nothing, so that arXiv is not asked."""
    values: dict[str, Any] = {
        "source": "huggingface",
        "date": DAY,
        "paper_id": f"2601.{number:05}",
        "rank": number,
        "title": f"Kite {number}",
        "abstract": "Kites fly.",
        "authors": ("Ada Wind",),
        "upvotes": 7,
        "comments": 0,
        "version": 1,
        "categories": ("cs.CL",),
        "published_at": dt.datetime(2026, 1, 5, 17, 59, 59, tzinfo=dt.UTC),
        "ai_keywords": ("kites",),
    }
    return Listing(**values | changed)


def a_pick(number: int = 1, title: str = "Counting Photons by Lantern", **changed: Any) -> Pick:
    """The pick at that place of a digest."""
    values: dict[str, Any] = {
        "paper_id": f"2601.{number:05}",
        "version": 1,
        "position": number,
        "score": 90 - number,
        "reason": "lanterns 60, popularity 20",
        "title": title,
        "abstract": "We count photons. It works.",
        "authors": ("A. Uthor",),
        "categories": ("cs.CV",),
        "sources": ("huggingface",),
        "upvotes": 7,
        "published_at": NOON,
        "code_url": None,
        "project_url": None,
        "fetched_at": NOON,
    }
    return Pick(**values | changed)


def a_fulltext(*sections: Section, **changed: Any) -> FullText:
    """The text of the first pick, read from HTML."""
    values: dict[str, Any] = {
        "paper_id": "2601.00001",
        "version": 1,
        "reading_source": ReadingSource.HTML,
        "reason": "ok",
        "sections": sections or (Section(heading="Abstract", text="We count photons."),),
        "sha256": "ab" * 32,
        "has_hidden_text": False,
        "fetched_at": NOON,
    }
    return FullText(**values | changed)


def an_answer(**changed: Any) -> Answer:
    """A model's good answer about the first pick, in the style `hf`."""
    values: dict[str, Any] = {
        "key": "ab" * 32,
        "model": "maker/any",
        "paper_id": "2601.00001",
        "style": "hf",
        "prompt_version": "hf-00000000",
        "text": json.dumps(SECTIONS["hf"]),
        "finish_reason": "stop",
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "cost_usd": 0.25,
        "latency_seconds": 1.5,
        "asked_at": NOON,
    }
    return Answer(**values | changed)


def an_analysis(style: str = "hf", language: str = "zh", **changed: Any) -> Analysis:
    """A complete analysis of the first pick by a model."""
    values: dict[str, Any] = {
        "paper_id": "2601.00001",
        "style": style,
        "language": language,
        "question": "ab" * 32,
        "status": Status.COMPLETE,
        "model": "maker/model-1",
        "prompt_version": f"{style}-00000000",
        "reading_source": ReadingSource.HTML,
        "sections": SECTIONS.get(style, {}),
        "source_fetched_at": NOON,
    }
    return Analysis(**values | changed)


def a_digest(style: str, language: str, *articles: Article, **changed: Any) -> Digest:
    """A digest of the day."""
    values: dict[str, Any] = {
        "profile": "lanterns",
        "title": "The Lantern",
        "date": DAY,
        "style": style,
        "language": language,
        "sources": ("huggingface",),
        "scan": 15,
        "scanned": 15,
        "listed": 20,
        "articles": articles,
    }
    return Digest(**values | changed)


def paper(paper_id: str, rank: int = 0, **more: object) -> Row:
    """A row of a list; `write_list` ranks it."""
    return {
        "paper_id": paper_id,
        "rank": rank,
        "scope": "",
        "title": f"Title of {paper_id}",
        "abstract": "Nothing in particular.",
        "authors": ["A. Author"],
        "categories": ["cs.CV"],
        "missing": [],
        "published_at": NOON,
        "fetched_at": NOON,
        **more,
    }


def write_list(
    lake: Lake,
    *papers: Row,
    source: str = "huggingface",
    scope: str = "",
    date: dt.date = DAY,
    at: dt.datetime = NOON,
) -> None:
    """A snapshot of a list, top first."""
    ranked = [
        {**p, "rank": rank, "scope": scope, "fetched_at": at} for rank, p in enumerate(papers, 1)
    ]
    lake.write("listings", ranked, f"{at:%H%M%S}-{scope}", source=source, date=date)


def write_scores(lake: Lake, *rows: Row, profile: str = "cv", date: dt.date = DAY) -> None:
    """The scores of an edition, best first; those with a position are selected."""
    whole = [
        {
            "rank": rank,
            "score": 50,
            "interest_points": 45.25,
            "popularity_points": 20.0,
            "freshness_points": 4.5,
            "negative_points": 20.0,
            "is_selected": row.get("position") is not None,
            **row,
        }
        for rank, row in enumerate(rows, 1)
    ]
    lake.write("scores", whole, "scores", profile=profile, date=date)


def write_analysis(lake: Lake, name: str, **more: object) -> None:
    """The analysis of a paper by a model."""
    row = {
        "style": "cv",
        "paper_id": name,
        "question": f"question-{name}",
        "status": "complete",
        "model": "a/model",
        "sections": json.dumps({"idea": "A good one.", "steps": ["One.", "Two."]}),
        "extract": [],
        **more,
    }
    lake.write("analyses", [row], f"cv-{row['paper_id']}", date=DAY)


def write_digest(
    lake: Lake,
    papers: Sequence[str],
    *,
    profile: str = "cv",
    date: dt.date = DAY,
    outcome: str = "complete",
    pending: Sequence[str] = (),
    **more: object,
) -> None:
    """A published digest; without papers, one published empty."""
    row = {
        "style": "cv",
        "outcome": outcome,
        "listed": len(papers) + 2 if papers else 0,
        "scanned": len(papers) + 2 if papers else 0,
        "missing_sources": [],
        "origin": "made",
        "published_at": NOON,
        **more,
    }
    rows = [
        {
            "paper_id": name,
            "position": position,
            "score": 50,
            "title": f"Title of {name}",
            "question": f"question-{name}",
            "status": "pending" if name in pending else "complete",
            **row,
        }
        for position, name in enumerate(papers, 1)
    ]
    lake.write("digests", rows or [row], "digest", profile=profile, date=date)


def an_interest(name: str, *phrases: str, weight: float = 1.0) -> Row:
    """An interest, its name a phrase where none is given."""
    return {"name": name, "weight": weight, "phrases": list(phrases or (name,))}


def scoring_of(**changed: object) -> Row:
    """The parameters of `marts.scores`: Hugging Face's list of the day, nothing sought."""
    nothing = [an_interest("", weight=0.0)]
    return {
        "profile": "cv",
        "since": DAY,
        "until": DAY,
        "asked": [HF],
        "interests": nothing,
        "negative": nothing,
        "points": POINTS,
        "scan": None,
        **changed,
    }


def run(lake: Lake, name: str, **params: object) -> list[Row]:
    """The rows of the query in that file of `sql/`."""
    with Warehouse(lake) as warehouse:
        return to_rows(warehouse.run(name, **params))


def rows_of(lake: Lake, view: str, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of the view, ordered by them."""
    with Warehouse(lake) as warehouse:
        rows = warehouse.sql(f"select {', '.join(columns)} from {view} order by all")
    return [tuple(row.values()) for row in to_rows(rows)]
