"""The files of the site that are no pages: feeds, charts, style sheets and scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial

from broadsheet import charts
from broadsheet.charts.themes import DARK, LIGHT
from broadsheet.rows import to_rows
from broadsheet.site import feeds
from broadsheet.site.content import Content, Issue
from broadsheet.site.feeds import Entry, Feed, entry_id
from broadsheet.site.pages import File
from broadsheet.site.press import ASSETS, FOLDER, Press

IN_FEED = 15
"""Newest digests that a feed carries, each with its whole content."""

_FORMATS: dict[str, Callable[[Feed], bytes]] = {
    feeds.ATOM: feeds.as_atom,
    feeds.RSS: feeds.as_rss,
    feeds.JSON: feeds.as_json,
}


def extras(content: Content, press: Press) -> Iterator[File]:
    """All of them; each path once."""
    for name in ASSETS:
        if (FOLDER / name).is_file():
            yield File(path=f"assets/{name}", facts=None, make=(FOLDER / name).read_bytes)
    for name in charts.CHARTS:
        for theme in (LIGHT, DARK):
            rows = content.answers[name]
            if rows.num_rows:
                yield File(
                    path=f"charts/{name}-{theme.name}.svg",
                    facts=to_rows(rows),
                    make=partial(charts.draw, name, rows, theme=theme),
                )
    yield from _feeds(content, press)


def _feeds(content: Content, press: Press) -> Iterator[File]:
    """Three files for each profile, of digests with papers; and a list of all."""
    issues: dict[str, list[Issue]] = {name: [] for name, _, _ in press.profiles}
    for issue in content.issues:
        if issue.features and len(issues[issue.profile]) < IN_FEED:
            issues[issue.profile].append(issue)
    for name, title, language in press.profiles:
        made = cache(partial(_feed, press, name, title, language, issues[name]))
        for file, write in _FORMATS.items():
            make = partial(_written, write, made)
            yield File(path=f"{name}/{file}", facts=issues[name], make=make)
    empty = [_feed(press, *profile, []) for profile in press.profiles]
    yield File(path="feeds.opml", facts=None, make=partial(feeds.as_opml, press.title, empty))


def _written(write: Callable[[Feed], bytes], made: Callable[[], Feed]) -> bytes:
    return write(made())


def _feed(press: Press, name: str, title: str, language: str, issues: Sequence[Issue]) -> Feed:
    base = f"{press.url}{name}/"
    return Feed(
        id=entry_id(name),
        title=title,
        subtitle=press.words[language]["feed_about"],
        language=press.words[language]["lang"],
        url=f"{base}index.html",
        base=base,
        author=press.title,
        entries=tuple(_entry(press, base, issue) for issue in issues),
    )


def _entry(press: Press, base: str, issue: Issue) -> Entry:
    path = f"{issue.profile}/{issue.date}.html"
    return Entry(
        id=entry_id(issue.profile, issue.date),
        url=f"{base}{issue.date}.html",
        title=f"{issue.title} · {issue.date}",
        published_at=issue.first_published_at,
        updated_at=issue.updated_at,
        html=press.set("feed.html.j2", path, issue.language, {"issue": issue}),
        summary="; ".join(feature.title for feature in issue.features[:3]),
    )
