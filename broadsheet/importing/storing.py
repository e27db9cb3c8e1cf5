"""An imported digest into the lake: `analyses` and `digests`, with `origin = imported`.

What was made here stays: a digest of ours is never replaced by an imported one, and an analysis
that a repair has paid for is never lost to the file that lacked it.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from broadsheet.analysis.prompt import content_key
from broadsheet.config import Settings
from broadsheet.importing.digests import ImportedDigest, ImportedPaper
from broadsheet.lake import Lake
from broadsheet.models import Outcome, Status
from broadsheet.rows import Row, to_rows, to_table
from broadsheet.schemas import SCHEMAS
from broadsheet.state import State

logger = logging.getLogger(__name__)

IMPORTED = "imported"
"""The `origin` of digests that others made."""


class Became(StrEnum):
    """What became of a digest that was to be imported."""

    WRITTEN = "written"
    REPLACED = "replaced"
    """An imported one of the same profile and date, by another content."""
    THERE = "already there"
    MADE = "left out: a digest of our own is there"
    OTHER = "left out: an imported digest of another style is there"


@dataclass(frozen=True, kw_only=True)
class Storing:
    """Where imported digests go to; one instant counts for all of an import."""

    settings: Settings
    is_dry: bool = False
    """Whether nothing is written."""
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @cached_property
    def lake(self) -> Lake:
        """The lake that is written."""
        return Lake(self.settings.lake_root)

    def store(self, digest: ImportedDigest, profile: str) -> Became:
        """Write the digest for that profile, unless it is there.

        Raises:
            LakeError: the lake cannot be written.
            StateError: what workers share cannot be used.
        """
        if self.is_dry:
            return self._store(digest, profile)
        with State(self.settings.state_store).alone(f"edition {profile} {digest.date}"):
            return self._store(digest, profile)

    def _store(self, digest: ImportedDigest, profile: str) -> Became:
        where: dict[str, str | dt.date] = {"profile": profile, "date": digest.date}
        before = self.lake.rows("digests", "digest", **where) or []
        analyzed = self.lake.rows("analyses", profile, date=digest.date) or []
        if reason := _taken(before, digest):
            return reason
        analyses = _analysis_rows(digest, profile)
        finished = _finished(before, analyzed)
        analyses = [finished.get(row["paper_id"], row) if _waits(row) else row for row in analyses]
        rows = _digest_rows(digest, profile, analyses)
        if _same(before, rows) and all(_is_among(row, analyzed) for row in analyses):
            return Became.THERE
        if not self.is_dry:
            self._write(rows, analyses, analyzed, where)
        return Became.REPLACED if before else Became.WRITTEN

    def _write(
        self,
        rows: Sequence[Row],
        analyses: Sequence[Row],
        before: Sequence[Row],
        where: Mapping[str, str | dt.date],
    ) -> None:
        """The analyses first: a digest that is there has them."""
        questions = {row["question"] for row in analyses}
        paid = [r for r in before if r["asked_at"] is not None and r["question"] not in questions]
        made = [{**row, "analyzed_at": row["analyzed_at"] or self.at} for row in analyses]
        if made or before:
            self.lake.write("analyses", [*paid, *made], str(where["profile"]), date=where["date"])
        stamped = [{**row, "published_at": self.at} for row in rows]
        self.lake.write("digests", stamped, "digest", **where)


def _taken(before: Sequence[Row], digest: ImportedDigest) -> Became | None:
    """Why the digest that is there stays; None where it may be replaced."""
    if any(row["origin"] != IMPORTED for row in before):
        return Became.MADE
    return Became.OTHER if any(row["style"] != digest.style for row in before) else None


def _waits(row: Row) -> bool:
    return row["status"] == Status.PENDING


def _finished(before: Sequence[Row], analyzed: Sequence[Row]) -> dict[object, Row]:
    """The analyses of the digest that is there which wait for nothing, by paper."""
    used = {(row["paper_id"], row["question"]) for row in before}
    return {
        row["paper_id"]: row
        for row in analyzed
        if (row["paper_id"], row["question"]) in used and not _waits(row)
    }


def question_of(digest: ImportedDigest, paper: ImportedPaper) -> str:
    """The content key of an imported analysis: the same content has the same one."""
    said = {k: v if isinstance(v, str) else list(v) for k, v in paper.sections.items()}
    return content_key(
        IMPORTED,
        digest.style,
        digest.language,
        paper.paper_id,
        paper.model,
        paper.prompt_version,
        paper.reading_source,
        said,
        list(paper.extract),
    )


def _analysis_rows(digest: ImportedDigest, profile: str) -> list[Row]:
    papers = [paper for paper in digest.papers if paper.status is not None]
    return [_analysis_row(digest, profile, paper) for paper in papers]


def _analysis_row(digest: ImportedDigest, profile: str, paper: ImportedPaper) -> Row:
    row: dict[str, object] = {
        "date": digest.date,
        "profile": profile,
        "style": digest.style,
        "language": digest.language,
        "paper_id": paper.paper_id,
        "question": question_of(digest, paper),
        "status": paper.status,
        "pending_reason": paper.pending_reason,
        "model": paper.model,
        "prompt_version": paper.prompt_version,
        "reading_source": paper.reading_source,
        "source_sha256": "",
        "has_hidden_text": False,
        "claims": 0,  # not looked for: the text that it was made from is not there
        "claims_found": 0,
        "flags": [],
        "sections": json.dumps(dict(paper.sections), ensure_ascii=False),
        "extract": list(paper.extract),
        "prompt_tokens": 0,
        "completion_tokens": 0,
    }
    return _as_stored("analyses", row)


def _digest_rows(digest: ImportedDigest, profile: str, analyses: Sequence[Row]) -> list[Row]:
    """One row per paper; a digest without any is one row without a paper."""
    made = {row["paper_id"]: row for row in analyses}
    scanned = max(digest.scanned or 0, len(digest.papers))
    waiting = any(_waits(row) for row in analyses) or digest.missing_sources
    whole = {
        "profile": profile,
        "date": digest.date,
        "style": digest.style,
        "language": digest.language,
        "outcome": Outcome.PARTIAL if waiting else Outcome.COMPLETE if scanned else Outcome.EMPTY,
        "listed": scanned,  # the least that it can be
        "scanned": scanned,
        "missing_sources": list(digest.missing_sources),
        "origin": IMPORTED,
    }
    if not digest.papers:
        return [_as_stored("digests", whole)]
    return [
        _as_stored("digests", whole | _of_paper(paper, position, made.get(paper.paper_id)))
        for position, paper in enumerate(digest.papers, start=1)
    ]


def _of_paper(paper: ImportedPaper, position: int, analysis: Row | None) -> dict[str, object]:
    return {
        "paper_id": paper.paper_id,
        "position": position,
        "score": paper.score,
        "reason": paper.reason,
        "title": paper.title,
        "sources": list(paper.sources),
        "question": analysis["question"] if analysis else None,
        "status": analysis["status"] if analysis else None,
    }


def _as_stored(table: str, row: Mapping[str, object]) -> Row:
    """The row as it reads back from the table."""
    return to_rows(to_table([row], SCHEMAS[table]))[0]


_TOLD = {"published_at", "run_id", "report_sha256"}
"""What a repair adds to a digest's rows without changing what they say."""


def _same(before: Sequence[Row], rows: Sequence[Row]) -> bool:
    return len(before) == len(rows) and all(map(_says, before, rows))


def _says(old: Row, new: Row) -> bool:
    """Whether the stored row says what the new one does; a repair leaves out the sources."""
    whole = {**old, "sources": old["sources"] or new["sources"]}
    return all(whole[name] == new[name] for name in new if name not in _TOLD)


def _is_among(row: Row, analyzed: Sequence[Row]) -> bool:
    """Whether the analysis is stored, whenever it was."""
    return any(
        all(one[name] == row[name] for name in row if name != "analyzed_at") for one in analyzed
    )
