"""Which pages there are and what each shows. Decides; sets and writes nothing."""

from __future__ import annotations

import calendar
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from broadsheet.charts import CHARTS
from broadsheet.rows import to_rows
from broadsheet.site.content import Content, Feature, Issue, Paper
from broadsheet.site.press import Press, paper_path, slug

EARLIER = 8
"""Digests that the front page lists of each profile, beside the newest."""
SHOWN = 200
"""Most papers or digests that one list shows; the calendar and the search have all."""
MOST = 400
"""Most topics or authors that their index shows."""
NAMED = 60
"""Authors that a paper's page names, of those who have no page."""
LEAST = {"topics": 2, "authors": 3}
"""Papers from which a topic or an author has a page."""
RECENT_DAYS = 7
RECENT = 8
"""Papers that the front page shows as most upvoted, of so many last days."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of the site: where, what it depends on, and how to make it.

    Files of equal facts, made by presses of equal signature, are equal.
    """

    path: str
    facts: object
    make: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A paper as lists show it."""

    paper_id: str
    title: str
    date: dt.date
    """First listed."""
    upvotes: int | None
    score: int | None
    """The highest that a digest featured it with."""


@dataclass(frozen=True, kw_only=True)
class _Index:
    """What several pages need to know of the content."""

    lines: Mapping[str, Line]
    topics: Mapping[str, tuple[Line, ...]]
    authors: Mapping[str, tuple[Line, ...]]
    featured: Mapping[str, tuple[Feature, ...]]


def pages(content: Content, press: Press) -> Iterator[File]:
    """Every page of the site; each path once."""
    index = _index(content)
    yield from _fronts(content, press, index)
    yield from _issues(content, press)
    for language in press.languages:
        set_page = partial(_page, press, language)
        yield from _papers(content, index, language, set_page)
        yield from _lists(index, language, set_page)
        yield from _calendars(content, language, set_page)
        yield from _reviews(content, press, index, language, set_page)


def _page(press: Press, language: str, path: str, template: str, **facts: Any) -> File:  # noqa: ANN401
    def make() -> bytes:
        return press.set(template, path, language, facts).encode(errors="replace")

    return File(path=path, facts=facts, make=make)


SetPage = Callable[..., File]


def _index(content: Content) -> _Index:
    featured: defaultdict[str, list[Feature]] = defaultdict(list)
    for issue in content.issues:
        for feature in issue.features:
            featured[feature.paper_id].append(feature)
    lines = {key: _line(paper, featured[key]) for key, paper in content.papers.items()}
    topics: defaultdict[str, list[Line]] = defaultdict(list)
    authors: defaultdict[str, list[Line]] = defaultdict(list)
    for key, paper in content.papers.items():
        for topic in dict.fromkeys(paper.topics):
            topics[topic].append(lines[key])
        for author in dict.fromkeys(paper.authors):
            authors[author].append(lines[key])
    return _Index(
        lines=lines,
        topics=_frequent(topics, LEAST["topics"]),
        authors=_frequent(authors, LEAST["authors"]),
        featured={key: tuple(of_it) for key, of_it in featured.items()},
    )


def _line(paper: Paper, featured: Iterable[Feature]) -> Line:
    return Line(
        paper_id=paper.paper_id,
        title=paper.title,
        date=paper.first_listed_on,
        upvotes=paper.upvotes,
        score=max((feature.score for feature in featured), default=None),
    )


def _frequent(found: Mapping[str, Sequence[Line]], least: int) -> dict[str, tuple[Line, ...]]:
    """Those with enough papers, most papers first."""
    kept = {name: tuple(lines) for name, lines in found.items() if name and len(lines) >= least}
    return dict(sorted(kept.items(), key=lambda item: (-len(item[1]), item[0])))


def _fronts(content: Content, press: Press, index: _Index) -> Iterator[File]:
    newest: dict[str, list[Issue]] = defaultdict(list)
    for issue in content.issues:
        if len(newest[issue.profile]) <= 2 * EARLIER:
            newest[issue.profile].append(issue)
    facts = {
        "leads": [_lead(issues) for _, issues in sorted(newest.items())],
        "voted": _most_voted(index.lines.values()),
        "pending": sum(len(issue.pending) for issue in content.issues),
    }
    in_each = press.languages if len(press.languages) > 1 else ()
    fronts = {f"{language}/index.html": language for language in in_each}
    for path, language in {"index.html": press.languages[0], **fronts}.items():
        yield _page(press, language, path, "front.html.j2", **facts)


def _lead(issues: Sequence[Issue]) -> tuple[Issue, Sequence[Issue]]:
    """The newest digest with papers, else the newest; and others with papers."""
    full = [issue for issue in issues if issue.features]
    return (full or issues)[0], full[1 : EARLIER + 1]


def _most_voted(lines: Iterable[Line]) -> list[Line]:
    dated = list(lines)
    newest = max((line.date for line in dated), default=dt.date.min)
    recent = [one for one in dated if (newest - one.date).days < RECENT_DAYS and one.upvotes]
    return sorted(recent, key=lambda line: (-(line.upvotes or 0), line.paper_id))[:RECENT]


def _issues(content: Content, press: Press) -> Iterator[File]:
    by_profile: defaultdict[str, list[Issue]] = defaultdict(list)
    for issue in content.issues:
        by_profile[issue.profile].append(issue)
    for name, title, language in press.profiles:
        issues = by_profile[name]
        told = [(i.date, i.outcome, len(i.features), _headline(i)) for i in issues[:SHOWN]]
        facts = {"name": name, "title": title, "issues": told, "count": len(issues)}
        yield _page(press, language, f"{name}/index.html", "profile.html.j2", **facts)
        for place, issue in enumerate(issues):
            newer = issues[place - 1].date if place else None
            older = issues[place + 1].date if place + 1 < len(issues) else None
            path = f"{name}/{issue.date}.html"
            facts = {"issue": issue, "newer": newer, "older": older}
            yield _page(press, issue.language, path, "issue.html.j2", **facts)


def _headline(issue: Issue) -> str | None:
    return issue.features[0].title if issue.features else None


def _papers(content: Content, index: _Index, language: str, set_page: SetPage) -> Iterator[File]:
    titles = {issue.profile: issue.title for issue in content.issues}
    for key, paper in content.papers.items():
        said = content.said.get(key, ())
        featured = index.featured.get(key, ())
        yield set_page(
            paper_path(key, language),
            "paper.html.j2",
            paper=paper,
            said=said,
            featured=[
                (f.profile, titles[f.profile], f.date, f.position, f.score) for f in featured
            ],
            titles={one.profile: titles.get(one.profile, one.profile) for one in said},
            byline=_byline(paper, index),
            authors=[name for name in paper.authors if name in index.authors],
            topics=[name for name in paper.topics if name in index.topics],
        )


def _byline(paper: Paper, index: _Index) -> list[str]:
    """The first authors, and of the others those who have a page, which is reached from here."""
    first, others = paper.authors[:NAMED], paper.authors[NAMED:]
    return [*first, *(name for name in others if name in index.authors)]


def _lists(index: _Index, language: str, set_page: SetPage) -> Iterator[File]:
    for name, found in (("topics", index.topics), ("authors", index.authors)):
        counts = [(one, len(lines)) for one, lines in found.items()]
        shown = {"kind": name, "total": len(counts), "least": LEAST[name]}
        yield set_page(f"{language}/{name}.html", "index.html.j2", counts=counts[:MOST], **shown)
        for one, lines in found.items():
            yield set_page(
                f"{language}/{name}/{slug(one)}.html",
                "list.html.j2",
                kind=name,
                name=one,
                lines=lines[:SHOWN],
                count=len(lines),
            )


def _calendars(content: Content, language: str, set_page: SetPage) -> Iterator[File]:
    days: defaultdict[dt.date, list[tuple[str, str, str, int]]] = defaultdict(list)
    for i in content.issues:
        days[i.date].append((i.profile, i.title, i.outcome, len(i.features)))
    years = sorted({date.year for date in days}, reverse=True)
    for year in years:
        facts = {"year": year, "years": years, "months": _months(year, days)}
        name = "calendar" if year == years[0] else f"calendar-{year}"
        yield set_page(f"{language}/{name}.html", "calendar.html.j2", **facts)


def _months(year: int, days: Mapping[dt.date, Sequence[object]]) -> list[dict[str, Any]]:
    """The months of the year that have digests, each in weeks of dates and what they have."""
    found: list[dict[str, Any]] = []
    for month in sorted({date.month for date in days if date.year == year}):
        weeks = calendar.Calendar().monthdatescalendar(year, month)
        inside = [[(d if d.month == month else None, days.get(d, [])) for d in w] for w in weeks]
        found.append({"first": dt.date(year, month, 1), "weeks": inside})
    return found


def _reviews(
    content: Content, press: Press, index: _Index, language: str, set_page: SetPage
) -> Iterator[File]:
    """What looks at the whole: trends, what is pending, how it is made, search."""
    answers = {name: to_rows(rows) for name, rows in content.answers.items()}
    charts = [name for name in CHARTS if answers[name]]
    topics, authors = answers["trends"], answers["recurring_authors"][:20]
    names = {row["topic"] for row in topics} | {row["author"] for row in authors}
    yield set_page(
        f"{language}/trends.html",
        "trends.html.j2",
        charts=charts,
        trends=topics,
        authors=authors,
        known=sorted(names & {*index.topics, *index.authors}),
    )
    pending = [(issue, issue.pending) for issue in content.issues if issue.pending]
    yield set_page(f"{language}/pending.html", "pending.html.j2", pending=pending[:SHOWN])
    yield set_page(
        f"{language}/about.html",
        "about.html.j2",
        makers=_makers(content),
        costs=answers["costs"],
        issues=len(content.issues),
        papers=len(content.papers),
    )
    yield set_page(f"{language}/search.html", "search_page.html.j2")


def _makers(content: Content) -> list[tuple[Any, ...]]:
    """Model, style, prompt version, analyses, first and last date of those in digests."""
    found: Counter[tuple[str, str, str]] = Counter()
    dates: defaultdict[tuple[str, str, str], list[dt.date]] = defaultdict(list)
    for issue in content.issues:
        for feature in issue.features:
            if feature.analysis is not None:
                key = (feature.analysis.model, issue.style, feature.analysis.prompt_version)
                found[key] += 1
                dates[key].append(issue.date)
    return [(*key, n, min(dates[key]), max(dates[key])) for key, n in found.most_common()]
