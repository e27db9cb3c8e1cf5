"""Sheets: a digest as it was published, page and papers, for whoever is to be sent it."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import cast
from unicodedata import category

from broadsheet.config import Profile, Settings
from broadsheet.errors import LakeError
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.rows import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """One paper of the digest."""

    paper_id: str
    title: str
    score: int | None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://arxiv.org/abs/{self.paper_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A published digest."""

    profile: str
    title: str
    date: dt.date
    outcome: Outcome
    pending: int
    papers: tuple[Paper, ...]
    markdown: str
    html: str
    url: str | None
    """Of its page, where the site is published."""

    @property
    def heading(self) -> str:
        """Title and date, in one line."""
        return one_line(f"{self.title} · {self.date}")


def read_sheet(settings: Settings, profile: Profile, date: dt.date) -> Sheet | None:
    """The digest of that date; None where there is none to deliver: not made here, or empty.

    Raises:
        LakeError: its page is not here, or is not the one that was published.
    """
    lake = Lake(settings.lake_root)
    rows = lake.rows("digests", "digest", profile=profile.name, date=date)
    if not rows or rows[0]["origin"] != "made" or rows[0]["outcome"] == Outcome.EMPTY:
        return None
    report = settings.reports / profile.name / f"{date}.md"
    markdown, html = _pages(report, str(rows[0]["report_sha256"] or ""))
    site = settings.site_url.rstrip("/") if settings.site_url else None
    return Sheet(
        profile=profile.name,
        title=profile.title,
        date=date,
        outcome=Outcome(str(rows[0]["outcome"])),
        pending=sum(row["status"] == "pending" for row in rows),
        papers=_papers(rows, profile),
        markdown=markdown,
        html=html,
        url=f"{site}/{profile.name}/{date}.html" if site else None,
    )


def _papers(rows: list[Row], profile: Profile) -> tuple[Paper, ...]:
    """In the digest's order; a profile without interests has no scores that say anything."""
    rows = sorted((row for row in rows if row["paper_id"]), key=itemgetter("position"))
    return tuple(
        Paper(
            paper_id=str(row["paper_id"]),
            title=str(row["title"]),
            score=cast("int | None", row["score"]) if profile.interests else None,
        )
        for row in rows
    )


def _pages(report: Path, sha256: str) -> tuple[str, str]:
    """Markdown and HTML. A run that was killed while publishing leaves rows and other pages."""
    try:
        page, html = report.read_bytes(), report.with_suffix(".html").read_text(encoding="utf-8")
    except OSError as error:
        raise LakeError(
            f"cannot deliver {report}: {error.strerror}", "make that digest anew on this machine"
        ) from error
    if sha256 and hashlib.sha256(page).hexdigest() != sha256:
        raise LakeError(
            f"cannot deliver {report}: it is not the page that was published",
            "make that digest anew",
        )
    return page.decode(), html


def one_line(text: str) -> str:
    """The text as one line without control, invisible and direction-changing characters."""
    shown = "".join(" " if category(c)[0] == "Z" or c in "\r\n\t" else c for c in text)
    return " ".join("".join(c for c in shown if category(c)[0] != "C").split())
