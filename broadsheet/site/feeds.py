"""Feeds: Atom (RFC 4287), RSS 2.0, JSON Feed 1.1 and OPML 2.0; the same entries, the same bytes.

Nothing here asks the clock: an entry's instants are those of its digest, a feed's the newest of its
entries'. What XML cannot hold is dropped from strangers' text (https://www.w3.org/TR/xml/#charsets),
once and before anything is written, so that the formats say the same.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import format_datetime
from html import escape
from xml.etree import ElementTree as Xml

from broadsheet.rendering import printable

ATOM, RSS, JSON = "atom.xml", "rss.xml", "feed.json"
"""The files of a feed, below its base."""

_OURS = uuid.UUID("6a0f7f4e-5d0c-5b7e-9c55-0f6b1f4d2a11")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ATOM = "http://www.w3.org/2005/Atom"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"
_NONCHARACTERS = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One digest as feeds carry it."""

    id: str
    """Stable for ever: see `entry_id`."""
    url: str
    title: str
    published_at: dt.datetime
    updated_at: dt.datetime
    """Later than `published_at` where something of the digest was completed since; UTC."""
    html: str
    """The whole content, clean HTML with absolute links."""
    summary: str
    """Plain text, a line or two."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """The digests of one profile, newest first; it may have none."""

    id: str
    title: str
    subtitle: str
    language: str
    """BCP 47."""
    url: str
    """The profile's page."""
    base: str
    """The folder that the feed's files are in; ends in a slash."""
    author: str
    entries: tuple[Entry, ...]

    @property
    def updated_at(self) -> dt.datetime:
        """When something of it last changed; without entries never."""
        return max((entry.updated_at for entry in self.entries), default=_EPOCH)


def entry_id(profile: str, date: dt.date | None = None) -> str:
    """The identifier of a digest, of a profile's feed without a date, wherever the site is."""
    return uuid.uuid5(_OURS, f"{profile}/{date}" if date else profile).urn


def as_atom(feed: Feed) -> bytes:
    """The feed in Atom; its entries' content is HTML."""
    feed = _readable(feed)
    root = Xml.Element("feed", {"xmlns": _ATOM, "xml:lang": feed.language})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.subtitle)
    _add(root, "updated", _rfc3339(feed.updated_at))
    _add(root, "link", rel="self", type="application/atom+xml", href=f"{feed.base}{ATOM}")
    _add(root, "link", rel="alternate", type="text/html", href=feed.url)
    _add(_add(root, "author"), "name", feed.author)
    for entry in feed.entries:
        _add_entry(root, entry)
    return _written(root)


def _add_entry(root: Xml.Element, entry: Entry) -> None:
    element = _add(root, "entry")
    _add(element, "id", entry.id)
    _add(element, "title", entry.title)
    _add(element, "link", rel="alternate", type="text/html", href=entry.url)
    _add(element, "published", _rfc3339(entry.published_at))
    _add(element, "updated", _rfc3339(entry.updated_at))
    for tag in entry.tags:
        _add(element, "category", term=tag)
    _add(element, "summary", entry.summary)
    _add(element, "content", entry.html, type="html")


def as_rss(feed: Feed) -> bytes:
    """The feed in RSS; `description` is the summary, `content:encoded` the whole."""
    feed = _readable(feed)
    root = Xml.Element("rss", {"version": "2.0", "xmlns:atom": _ATOM, "xmlns:content": _CONTENT})
    channel = _add(root, "channel", **{"xml:lang": feed.language})
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.url)
    _add(channel, "description", feed.subtitle)
    _add(channel, "language", feed.language)
    if feed.entries:
        _add(channel, "lastBuildDate", _rfc822(feed.updated_at))
    _add(channel, "atom:link", rel="self", type="application/rss+xml", href=f"{feed.base}{RSS}")
    for entry in feed.entries:
        _add_item(channel, entry)
    return _written(root)


def _add_item(channel: Xml.Element, entry: Entry) -> None:
    item = _add(channel, "item")
    _add(item, "title", entry.title)
    _add(item, "link", entry.url)
    _add(item, "guid", entry.id, isPermaLink="false")
    _add(item, "pubDate", _rfc822(entry.published_at))
    for tag in entry.tags:
        _add(item, "category", tag)
    # HTML, unlike all else: https://www.rssboard.org/rss-profile#data-types-characterdata
    _add(item, "description", escape(entry.summary, quote=False))
    _add(item, "content:encoded", entry.html)
    _add(item, "atom:updated", _rfc3339(entry.updated_at))


def as_json(feed: Feed) -> bytes:
    """The feed as JSON."""
    feed = _readable(feed)
    told = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.subtitle,
        "home_page_url": feed.url,
        "feed_url": f"{feed.base}{JSON}",
        "language": feed.language,
        "authors": [{"name": feed.author}],
        "items": [_item(entry) for entry in feed.entries],
    }
    return json.dumps(told, ensure_ascii=False, indent=1).encode()


def _item(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "content_html": entry.html,
        "summary": entry.summary,
        "date_published": _rfc3339(entry.published_at),
        "date_modified": _rfc3339(entry.updated_at),
        "tags": list(entry.tags),
    }


def as_opml(title: str, feeds: Sequence[Feed]) -> bytes:
    """A list of the feeds, for a reader to subscribe to all of them."""
    root = Xml.Element("opml", {"version": "2.0"})
    _add(_add(root, "head"), "title", _line(title))
    body = _add(root, "body")
    for feed in map(_readable, feeds):
        _add(
            body,
            "outline",
            type="rss",
            text=feed.title,
            title=feed.title,
            xmlUrl=f"{feed.base}{ATOM}",
            htmlUrl=feed.url,
            language=feed.language,
        )
    return _written(root)


def _add(parent: Xml.Element, name: str, text: str = "", /, **attributes: str) -> Xml.Element:
    element = Xml.SubElement(parent, name, attributes)
    element.text = text or None
    return element


def _written(root: Xml.Element) -> bytes:
    Xml.indent(root, " ")
    written: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _readable(feed: Feed) -> Feed:
    """The feed with its words as any reader may show them."""
    return replace(
        feed,
        title=_line(feed.title),
        subtitle=_line(feed.subtitle),
        author=_line(feed.author),
        entries=tuple(_readable_entry(entry) for entry in feed.entries),
    )


def _readable_entry(entry: Entry) -> Entry:
    """Validators refuse a blank title or tag: an address stands in for the one, the other goes."""
    return replace(
        entry,
        title=_line(entry.title) or entry.url,
        html=_clean(entry.html),
        summary=_line(entry.summary),
        tags=tuple(line for tag in entry.tags if (line := _line(tag))),
    )


def _line(text: str) -> str:
    return " ".join(_clean(text).split())


def _clean(text: str) -> str:
    """The text without what no reader should see; none of what XML forbids is left."""
    return _NONCHARACTERS.sub("", printable(text))


def _rfc3339(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rfc822(instant: dt.datetime) -> str:
    return format_datetime(instant.astimezone(dt.UTC))
