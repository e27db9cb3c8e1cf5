"""The layout of the many lists that grew from cv-arxiv-daily: a table of papers per topic.

Rows are `|**2026-01-06**|**Title**|Author et.al.|[2601.02358](http://arxiv.org/abs/2601.02358)|…|`
under `## Topic`; each date of a topic is a digest, without scores and without analyses. Source:
https://github.com/Vincentqyw/cv-arxiv-daily
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from broadsheet.errors import UnknownShape
from broadsheet.importing.dates import day
from broadsheet.importing.digests import ImportedDigest, ImportedPaper, each_once
from broadsheet.importing.markdown import one_line
from broadsheet.importing.pages import paper_id

name = "table-list"
looks_for = "table rows like |**2026-01-06**|**Title**|Author|[2601.02358](arxiv.org/abs/…)|"

_DATE = re.compile(r"\|\s{0,3}\*{0,2}\s{0,3}(\d{4}-\d\d-\d\d)\s{0,3}\*{0,2}\s{0,3}\|")
_LINK = re.compile(r"\[[^\[\]\n]{1,60}\]\((https?://arxiv\.org/(?:abs|pdf|html)/[^\s()]{1,60})\)")
_NO_SLUG = re.compile(r"[^a-z0-9]+")
_LONGEST_SLUG = 40


def recognises(text: str) -> bool:
    """Whether there is such a row."""
    return any(_DATE.match(line) and _LINK.search(line) for line in text.split("\n"))


def parse(text: str) -> tuple[ImportedDigest, ...]:
    """A digest for each topic and date; see `Layout.parse`."""
    found: dict[tuple[str, dt.date], list[ImportedPaper]] = {}
    for topic, date, paper in _papers(text):
        found.setdefault((slug(topic), date), []).append(paper)
    if not found:
        raise UnknownShape("it has no papers", f"Broadsheet looks for {looks_for}")
    return tuple(_digest(profile, date, papers) for (profile, date), papers in found.items())


def _digest(profile: str, date: dt.date, papers: list[ImportedPaper]) -> ImportedDigest:
    unique, repeated = each_once(papers)
    return ImportedDigest(
        layout=name,
        profile=profile,
        style=None,
        language="en",
        date=date,
        papers=unique,
        repeated=repeated,
    )


def _papers(text: str) -> Iterator[tuple[str, dt.date, ImportedPaper]]:
    topic = ""
    for line in text.split("\n"):
        if line.startswith("#"):
            topic = line.strip("# \r")
        elif line.startswith("|") and (row := _row(line)):
            yield topic, day(row[0]), row[1]


def _row(line: str) -> tuple[str, ImportedPaper] | None:
    """Date and paper of a table's row; None for its head and for rows of no paper of arXiv.

    A title may have bars of its own: it is what stands between the date and the authors.
    """
    date, link = _DATE.match(line), _LINK.search(line)
    if not date or not link or link.start() < date.end():
        return None
    title, _, _ = line[date.end() : link.start()].rstrip("| ").rpartition("|")
    title = one_line(title).strip("* ")
    if not title:
        return None
    found = paper_id(link[1], title)
    return date[1], ImportedPaper(
        paper_id=found, title=title, sources=("arxiv",), status=None, sections={}
    )


def slug(text: str) -> str:
    """The text as the name of a profile; empty where it has no letters of the alphabet."""
    return _NO_SLUG.sub("-", text.casefold()).strip("-")[:_LONGEST_SLUG].strip("-")
