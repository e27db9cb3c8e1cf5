"""Feeds: valid whatever strangers wrote, read back by two readers, the same bytes every time."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

import fastfeedparser
import feedparser
import pytest
from builders import DAY, HOUR, NOON
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from broadsheet.site.feeds import (
    Entry,
    Feed,
    as_atom,
    as_json,
    as_opml,
    as_rss,
    entry_id,
)

A = "{http://www.w3.org/2005/Atom}"
C = "{http://purl.org/rss/1.0/modules/content/}"
ENTRY = Entry(
    id=entry_id("cv", DAY),
    url="https://papers.example/cv/2026-01-06.html",
    title="CV 论文日报 · 2026-01-06",
    published_at=NOON,
    updated_at=NOON + HOUR,
    html='<h2>1. <a href="https://arxiv.org/abs/1">Kites &amp; lanterns</a></h2><p>x &lt; y</p>',
    summary="Kites & lanterns; Moths",
    tags=("kites",),
)
FEED = Feed(
    id=entry_id("cv"),
    title="CV 论文日报",
    subtitle="每日论文",
    language="zh-Hans",
    url="https://papers.example/cv/index.html",
    base="https://papers.example/cv/",
    author="Broadsheet",
    entries=(ENTRY, replace(ENTRY, id=entry_id("cv", DAY - dt.timedelta(1)), updated_at=NOON)),
)
EMPTY = replace(FEED, entries=())


def is_absolute(url: str | None) -> bool:
    return urlsplit(url or "").scheme in ("http", "https", "urn") and bool(url)


def check_atom(raw: bytes) -> Xml.Element:
    """What RFC 4287 demands of a feed like ours; the parsed document."""
    root = Xml.fromstring(raw)
    assert root.tag == f"{A}feed"
    owns = {"id", "title", "updated", "author", "subtitle", "link", "entry"}
    assert {child.tag.removeprefix(A) for child in root} <= owns
    for element in [root, *root.findall(f"{A}entry")]:
        for name in ("id", "title", "updated"):  # 4.1.1, 4.1.2: exactly one
            assert len(element.findall(f"{A}{name}")) == 1, name
        assert is_absolute(element.findtext(f"{A}id"))
        alternates = [
            (link.get("type"), link.get("hreflang"))
            for link in element.findall(f"{A}link")
            if link.get("rel") == "alternate"
        ]
        assert len(alternates) == len(set(alternates))  # 4.1.1: none twice of one type
        assert all(is_absolute(link.get("href")) for link in element.findall(f"{A}link"))
    assert root.find(f"{A}author/{A}name") is not None  # 4.1.1: else every entry needs one
    assert [link for link in root.findall(f"{A}link") if link.get("rel") == "self"]
    instants = [node.text or "" for n in ("updated", "published") for node in root.iter(f"{A}{n}")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", instant) for instant in instants)
    ids = [entry.findtext(f"{A}id") for entry in root.findall(f"{A}entry")]
    assert len(set(ids)) == len(ids)
    return root


def check_rss(raw: bytes) -> Xml.Element:
    """What RSS 2.0 demands, and its readers; the parsed channel."""
    root = Xml.fromstring(raw)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    [channel] = root
    for name in ("title", "link", "description"):
        assert len(channel.findall(name)) == 1
    assert is_absolute(channel.findtext("link"))
    for item in channel.findall("item"):
        assert item.findtext("title") is not None or item.findtext("description") is not None
        guid = item.find("guid")
        assert guid is not None and guid.get("isPermaLink") == "false"
        assert parsedate_to_datetime(item.findtext("pubDate") or "").tzinfo is not None
        assert len(item.findall(f"{C}encoded")) == 1
    return channel


def check_json(raw: bytes) -> dict[str, Any]:
    """What JSON Feed 1.1 demands; the parsed document."""
    told: dict[str, Any] = json.loads(raw)
    assert told["version"] == "https://jsonfeed.org/version/1.1" and told["title"] is not None
    for item in told["items"]:
        assert item["id"] and "content_html" in item
        assert dt.datetime.fromisoformat(item["date_modified"]).tzinfo is not None
    return told


def test_atom_says_all_of_an_entry() -> None:
    root = check_atom(as_atom(FEED))
    entry = root.find(f"{A}entry")
    assert entry is not None
    told = {child.tag.removeprefix(A): child.text for child in entry}
    assert told["title"] == ENTRY.title and told["id"] == ENTRY.id
    assert (told["published"], told["updated"]) == ("2026-01-06T12:00:00Z", "2026-01-06T13:00:00Z")
    content = entry.find(f"{A}content")
    assert content is not None and (content.get("type"), content.text) == ("html", ENTRY.html)
    assert root.findtext(f"{A}updated") == "2026-01-06T13:00:00Z"


def test_rss_says_all_of_an_item() -> None:
    item = check_rss(as_rss(FEED)).find("item")
    assert item is not None
    assert item.findtext(f"{C}encoded") == ENTRY.html
    assert item.findtext("pubDate") == "Tue, 06 Jan 2026 12:00:00 +0000"
    assert item.findtext("category") == "kites"


def test_json_says_all_of_an_item() -> None:
    item = check_json(as_json(FEED))["items"][0]
    assert item["content_html"] == ENTRY.html and item["tags"] == ["kites"]
    assert item["date_modified"] == "2026-01-06T13:00:00Z"


@pytest.mark.parametrize("write", [as_atom, as_rss])
def test_two_readers_read_the_same_of_it(write: Any) -> None:
    raw = write(FEED)
    read, fast = feedparser.parse(raw), fastfeedparser.parse(raw.decode())
    assert not read.bozo
    for found in (read, fast):
        assert found.feed.title == FEED.title
        assert [one.id for one in found.entries] == [one.id for one in FEED.entries]
        assert [one.title for one in found.entries] == [one.title for one in FEED.entries]
        assert found.entries[0].link == ENTRY.url
    assert read.feed.language.lower() == "zh-hans"
    assert read.entries[0].content[0].value == ENTRY.html
    assert read.entries[0].published_parsed[:5] == (2026, 1, 6, 12, 0)
    assert dt.datetime.fromisoformat(fast.entries[0].published) == NOON


def test_a_feed_reader_reads_the_json() -> None:
    read = fastfeedparser.parse(as_json(FEED).decode())
    assert [one.id for one in read.entries] == [one.id for one in FEED.entries]
    assert read.entries[0].content[0]["value"] == ENTRY.html


@pytest.mark.parametrize(
    ("write", "check"), [(as_atom, check_atom), (as_rss, check_rss), (as_json, check_json)]
)
def test_a_feed_without_entries_is_valid(write: Any, check: Any) -> None:
    check(write(EMPTY))
    assert not feedparser.parse(as_rss(EMPTY)).bozo


def test_a_completed_digest_is_the_same_entry_updated() -> None:
    later = replace(ENTRY, updated_at=NOON + 5 * HOUR, html="<p>whole</p>")
    before = check_atom(as_atom(FEED)).find(f"{A}entry")
    after = check_atom(as_atom(replace(FEED, entries=(later,)))).find(f"{A}entry")
    assert before is not None and after is not None
    assert before.findtext(f"{A}id") == after.findtext(f"{A}id")
    assert str(before.findtext(f"{A}updated")) < str(after.findtext(f"{A}updated"))
    assert before.findtext(f"{A}published") == after.findtext(f"{A}published")


def test_identifiers_never_change() -> None:
    """Readers show an entry whose identifier changed as a new one."""
    assert entry_id("cv", DAY) == "urn:uuid:8d229c9e-888e-5e3f-9043-d0d0cbcc6631"
    assert entry_id("hf", DAY) == "urn:uuid:c5eba9af-f8c9-53a9-af9b-01f66504ccde"
    assert entry_id("cv") == "urn:uuid:59da9aeb-0ed0-5d97-94d1-32b43df2a6ac"


def test_a_list_of_all_feeds_names_each() -> None:
    root = Xml.fromstring(as_opml("Broadsheet", [FEED, EMPTY]))
    assert (root.tag, root.get("version")) == ("opml", "2.0")
    assert root.findtext("head/title") == "Broadsheet"
    outlines = root.findall("body/outline")
    assert [o.get("xmlUrl") for o in outlines] == ["https://papers.example/cv/atom.xml"] * 2
    assert all(o.get("type") == "rss" and o.get("text") == FEED.title for o in outlines)


MARKS = "]]> <![CDATA[ < > & &amp; &#0; <?x?> <!-- --> \" ' 文"
FORBIDDEN = ["\x00", "\x0b", "\ufffe", "\ufdd0", "\U0001ffff", "\ud800", "\u202e", "\u2028", "\r\n"]
strangers = st.text(max_size=60) | st.lists(
    st.sampled_from([*MARKS.split(), *FORBIDDEN]), max_size=12
).map("".join)


@given(title=strangers, html=strangers, summary=strangers, tag=strangers)
@example(title="]]>", html="\x00\ufffe", summary="\ud800", tag="\U0001fffe")
@settings(max_examples=200, deadline=None)
def test_what_strangers_wrote_never_breaks_a_feed(
    title: str, html: str, summary: str, tag: str
) -> None:
    entry = replace(ENTRY, title=title, html=html, summary=summary, tags=(tag,))
    feed = replace(FEED, entries=(entry, FEED.entries[1]), title=title, subtitle=summary)
    found = check_atom(as_atom(feed)).findall(f"{A}entry")
    assert [one.findtext(f"{A}id") for one in found] == [one.id for one in feed.entries]
    assert len(check_rss(as_rss(feed)).findall("item")) == 2
    assert len(check_json(as_json(feed))["items"]) == 2
    assert len(Xml.fromstring(as_opml(title, [feed])).findall("body/outline")) == 1
    assert as_atom(feed) == as_atom(feed)
    assert not feedparser.parse(as_atom(feed)).bozo


def letters(text: str | None) -> str:
    """What is certainly to be read of a text, whatever is dropped around it."""
    return "".join(c for c in text or "" if c.isalnum() or c in "<>&]'\"")


@given(summary=strangers)
@example(summary="<img src=https://evil.example/pixel> a")
@example(summary="f<T> is &lt; than g")
@settings(max_examples=150, deadline=None)
def test_a_summary_is_text_where_rss_is_read_as_html(summary: str) -> None:
    feed = replace(FEED, entries=(replace(ENTRY, summary=summary),))
    item = check_rss(as_rss(feed)).find("item")
    assert item is not None
    page = LexborHTMLParser(f"<body>{item.findtext('description')}")
    assert page.body is not None
    assert [node.tag for node in page.css("body *")] == []
    assert letters(page.body.text()) == letters(summary)
