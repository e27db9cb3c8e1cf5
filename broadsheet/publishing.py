"""Publishing: a digest's analyses and rows into the lake, its pages into `reports/`.

What did not change is not written again, so that the same date twice leaves the same bytes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from broadsheet.editions import Edition
from broadsheet.errors import LakeError
from broadsheet.ingest import Heard
from broadsheet.lake import aside_name
from broadsheet.models import (
    Analysis,
    Answer,
    Article,
    Digest,
    Flag,
    FullText,
    Outcome,
    Pick,
    ReadingSource,
    Status,
)
from broadsheet.rendering import render_html, render_markdown
from broadsheet.rows import to_rows, to_table
from broadsheet.schemas import SCHEMAS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What became of one edition; `message` where it failed or a list is thin, and the `remedy`.

    Tokens and cost are those of the answers that this run bought.
    """

    profile: str
    date: dt.date | None
    outcome: Outcome
    report: Path | None = None
    listed: int = 0
    scanned: int = 0
    selected: int = 0
    pending: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    message: str = ""
    remedy: str = ""


def compose(
    edition: Edition,
    heard: Heard,
    scores: pa.Table,
    picks: Sequence[Pick],
    analyses: Sequence[Analysis],
) -> Digest:
    """The digest, from what the steps found; `scores` as `broadsheet.scoring.score` gives them."""
    profile = edition.profile
    return Digest(
        profile=profile.name,
        title=profile.title,
        date=edition.date,
        style=edition.style.name,
        language=profile.language,
        sources=profile.sources,
        scan=profile.selection.scan,
        scanned=len(scores),
        listed=scores["listed"][0].as_py() if len(scores) else 0,
        articles=tuple(Article(pick=p, analysis=a) for p, a in zip(picks, analyses, strict=True)),
        missing_sources=heard.missing,
        origin="sample" if edition.settings.is_sample else "made",
    )


def publish(edition: Edition, digest: Digest, run_id: str) -> Published:
    """Write everything of the digest that is new or changed.

    Raises:
        LakeError: home or lake cannot be written; the previous report is untouched.
    """
    report = edition.settings.reports / digest.profile / f"{digest.date}.md"
    page = render_markdown(digest, edition.style).encode()
    # the Markdown page last: one that has the stored hash says that the other is there too
    pages = {
        report.with_suffix(".html"): render_html(digest, edition.style).encode(),
        report: page,
    }
    with _appearing(pages):
        _store_analyses(edition, digest)
        _store_digest(edition, digest, hashlib.sha256(page).hexdigest(), run_id)
    logger.info("published %s: %s, %d papers", edition, digest.outcome, len(digest.articles))
    return _published(digest, report, edition.desk.bought)


def _published(digest: Digest, report: Path, bought: Sequence[Answer]) -> Published:
    costs = [answer.cost_usd for answer in bought]
    return Published(
        profile=digest.profile,
        date=digest.date,
        outcome=digest.outcome,
        report=report,
        listed=digest.listed,
        scanned=digest.scanned,
        selected=len(digest.articles),
        pending=len(digest.pending),
        prompt_tokens=sum(answer.prompt_tokens for answer in bought),
        completion_tokens=sum(answer.completion_tokens for answer in bought),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
    )


def recall(edition: Edition, text: FullText) -> Analysis | None:
    """The complete analysis that a model made of the paper for this edition before, if one did.

    One of the same text is preferred; one of another, such as the abstract before there was a page,
    still says more than an extract.
    """
    wanted = {
        "paper_id": text.paper_id,
        "language": edition.style.language,
        "prompt_version": edition.style.version,
        "status": Status.COMPLETE,
    }
    made = [r for r in edition.earlier_analyses if all(r[k] == v for k, v in wanted.items())]
    made.sort(key=lambda row: row["source_sha256"] != text.sha256)
    return stored_analysis(made[0]) if made else None


def stored_analysis(row: Mapping[str, Any]) -> Analysis:
    """The analysis that a row of the table holds."""
    values = {name: row[name] for name in Analysis.__dataclass_fields__}
    sections: dict[str, str | list[str]] = json.loads(row["sections"])
    values["sections"] = {k: v if isinstance(v, str) else tuple(v) for k, v in sections.items()}
    values["extract"] = tuple(row["extract"] or ())
    values["flags"] = tuple(Flag(**flag) for flag in row["flags"] or ())
    values |= {name: row[name] or 0 for name in ("claims", "claims_found")}
    values["has_hidden_text"] = bool(row["has_hidden_text"])
    values["status"] = Status(row["status"])
    values["reading_source"] = ReadingSource(row["reading_source"])
    return Analysis(**values)


def _store_analyses(edition: Edition, digest: Digest) -> None:
    """This edition's analyses, and those it had before that were complete, each once."""
    made = [_analysis_row(edition, article.analysis) for article in digest.articles]
    questions = {row["question"] for row in made}
    stored = edition.lake.rows("analyses", digest.profile, date=digest.date)
    before = stored or []
    kept = [r for r in before if r["status"] == "complete" and r["question"] not in questions]
    rows = _settled(before, [*kept, *made], by=("paper_id", "question"), instant="analyzed_at")
    if rows and rows != before:
        edition.lake.write("analyses", rows, digest.profile, date=digest.date)


def _analysis_row(edition: Edition, analysis: Analysis) -> dict[str, object]:
    row: dict[str, object] = asdict(analysis)
    row["profile"] = edition.profile.name
    row["date"] = edition.date
    row["sections"] = json.dumps(dict(analysis.sections), ensure_ascii=False)
    return _as_stored("analyses", row)


def _store_digest(edition: Edition, digest: Digest, report_sha256: str, run_id: str) -> None:
    """One row per article; a digest without any is one row without a paper, so that it is known."""
    partition: dict[str, str | dt.date] = {"profile": digest.profile, "date": digest.date}
    told = {"report_sha256": report_sha256, "run_id": run_id}
    rows = [_digest_row(digest, article, told) for article in digest.articles or (None,)]
    before = edition.lake.rows("digests", "digest", **partition) or []
    whole = ("report_sha256",)  # the page's, not the article's
    settled = _settled(
        before, rows, by=("paper_id",), instant="published_at", also=("run_id",), beside=whole
    )
    if settled != before:
        edition.lake.write("digests", settled, "digest", **partition)


def _digest_row(
    digest: Digest, article: Article | None, told: Mapping[str, object]
) -> dict[str, object]:
    row: dict[str, object] = {
        name: getattr(digest, name)
        for name in (
            "profile",
            "date",
            "style",
            "language",
            "listed",
            "scanned",
            "outcome",
            "origin",
        )
    }
    row |= {"missing_sources": list(digest.missing_sources), **told}
    if article is not None:
        pick, analysis = article.pick, article.analysis
        row |= {
            n: getattr(pick, n)
            for n in ("paper_id", "position", "score", "reason", "title", "sources")
        }
        row |= {"question": analysis.question, "status": analysis.status}
    return _as_stored("digests", row)


def _as_stored(table: str, row: Mapping[str, object]) -> dict[str, object]:
    """The row as it reads back from the table."""
    return to_rows(to_table([row], SCHEMAS[table]))[0]


def _settled(
    before: Sequence[Mapping[str, object]],
    rows: Sequence[Mapping[str, object]],
    *,
    by: Sequence[str],
    instant: str,
    also: Sequence[str] = (),
    beside: Sequence[str] = (),
) -> list[dict[str, object]]:
    """The rows, where nothing else changed with the instant and run they had before.

    What stands beside a row's content does not make it a changed one.
    """
    told = {instant, *also, *beside}
    known = {tuple(row[key] for key in by): row for row in before}
    settled: list[dict[str, object]] = []
    for row in rows:
        old = known.get(tuple(row[key] for key in by))
        same = old is not None and all(old[k] == v for k, v in row.items() if k not in told)
        if same and old is not None:
            settled.append({**old, **{name: row[name] for name in beside}})
        else:
            settled.append({**row, instant: row[instant] or dt.datetime.now(dt.UTC)})
    return settled


@contextmanager
def _appearing(pages: Mapping[Path, bytes]) -> Iterator[None]:
    """Write the pages that changed aside; they appear, whole, if the block ends well."""
    asides = {path: path.with_name(aside_name(path.name)) for path in pages}
    try:
        changed = [path for path in pages if not path.exists() or path.read_bytes() != pages[path]]
        for path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            asides[path].write_bytes(pages[path])
        yield
        for path in changed:
            asides[path].replace(path)
    except OSError as error:
        report = [*pages][-1]
        raise LakeError(
            f"cannot write report {report}: {error}", "make that folder writable"
        ) from error
    finally:
        for aside in asides.values():
            with suppress(OSError):
                aside.unlink()


def failed(profile: str, date: dt.date | None, error: BaseException) -> Published:
    """What a digest that could not be made leaves: its message and what to do."""
    return Published(
        profile=profile,
        date=date,
        outcome=Outcome.FAILED,
        message=str(error) or type(error).__name__,
        remedy=getattr(error, "remedy", ""),
    )


def score_table(scores: pa.Table, picks: Sequence[Pick]) -> list[dict[str, object]]:
    """Every scanned paper, best first, with its place in the digest: what the run's page shows."""
    positions: dict[object, int] = {pick.paper_id: pick.position for pick in picks}
    rows = to_rows(scores.sort_by([("score", "descending"), ("rank", "ascending")]))
    shown = ("score", "reason", "rank", "paper_id", "title")
    return [
        {"digest": positions.get(row["paper_id"], ""), **{name: row[name] for name in shown}}
        for row in rows
    ]
