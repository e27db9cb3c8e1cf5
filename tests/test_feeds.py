"""Feeds: valid whatever strangers wrote, read back by two readers, the same bytes every time."""

from __future__ import annotations

import datetime as dt
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fastfeedparser
import feedparser
import pytest
from builders import DAY, HOUR, NOON
from feed_rules import LANG, A, C, check_atom, check_json, check_opml, check_rss
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from broadsheet.site.feeds import (
    ATOM,
    JSON,
    RSS,
    Entry,
    Feed,
    as_atom,
    as_json,
    as_opml,
    as_rss,
    entry_id,
)

GOLDEN = Path(__file__).parent / "golden"
ENTRY = Entry(
    id=entry_id("cv", DAY),
    url="https://papers.example/cv/2026-01-06.html",
    title="CV 论文日报 · 2026-01-06",
    published_at=NOON,
    updated_at=NOON + HOUR,
    html='<h2>1. <a href="https://arxiv.org/abs/1">Kites &amp; lanterns</a></h2><p>x &lt; y</p>',
    summary="Kites & lanterns; Moths <b> at 10 < 12 Hz",
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
    entries=(
        ENTRY,
        replace(
            ENTRY,
            id=entry_id("cv", DAY - dt.timedelta(1)),
            url="https://papers.example/cv/2026-01-05.html",
            title="CV 论文日报 · 2026-01-05",
            published_at=NOON - 24 * HOUR,
            updated_at=NOON - 24 * HOUR,
            html="<p>二</p>",
            tags=(),
        ),
    ),
)
EMPTY = replace(FEED, entries=())
WRITERS: dict[str, Callable[[Feed], bytes]] = {ATOM: as_atom, RSS: as_rss, JSON: as_json}
CHECKS: dict[str, Callable[[bytes], Any]] = {ATOM: check_atom, RSS: check_rss, JSON: check_json}
XML = (ATOM, RSS)


def read(raw: bytes) -> Any:
    """By feedparser, which must have no complaint; it hands over HTML as it found it."""
    found = feedparser.parse(raw, sanitize_html=False, resolve_relative_uris=False)
    assert not found.bozo, found.get("bozo_exception")
    return found


def read_fast(raw: bytes) -> Any:
    return fastfeedparser.parse(raw.decode())


def instant(parsed: Any) -> dt.datetime:
    return dt.datetime(*parsed[:6], tzinfo=dt.UTC)


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("feed", [FEED, EMPTY], ids=["two", "none"])
def test_a_feed_is_valid(file: str, feed: Feed) -> None:
    CHECKS[file](WRITERS[file](feed))


def test_a_feed_without_entries_was_never_updated() -> None:
    assert check_atom(as_atom(EMPTY)).findtext(f"{A}updated") == "1970-01-01T00:00:00Z"
    assert check_rss(as_rss(EMPTY)).find("lastBuildDate") is None


def test_a_feed_is_as_new_as_its_newest_change() -> None:
    older, later = FEED.entries[1], NOON + 50 * HOUR
    feed = replace(FEED, entries=(ENTRY, replace(older, updated_at=later)))
    assert check_atom(as_atom(feed)).findtext(f"{A}updated") == "2026-01-08T14:00:00Z"
    date = check_rss(as_rss(feed)).findtext("lastBuildDate")
    assert date == "Thu, 08 Jan 2026 14:00:00 +0000"


WRONG = {
    "an id is missing": ("<id>urn:uuid:8d229c9e[^<]*</id>", ""),
    "an id is relative": ("<id>urn:uuid:", "<id>"),
    "a title is there twice": ("(<title>.*?</title>)", r"\1\1"),
    "no author": ("(?s)<author>.*?</author>", ""),
    "a date is no instant": ("T12:00:00Z", ""),
    "a month is the 13th": ("2026-01-06T12", "2026-13-06T12"),
    "an element is unknown": ("summary>", "description>"),
    "a link leads nowhere": ('href="https://papers.example/cv/2026', 'href="2026'),
    "a content's type is unknown": ('type="html"', 'type="markdown"'),
    "a language is no tag": ("zh-Hans", "中文"),
    "two entries are one": ("urn:uuid:426525f3[^<]*", entry_id("cv", DAY)),
    "a character XML forbids": ("每日", "\ufffe"),
}


@pytest.mark.parametrize(("pattern", "by"), WRONG.values(), ids=WRONG)
def test_the_rules_of_atom_refuse_what_is_wrong(pattern: str, by: str) -> None:
    raw, changed = re.subn(pattern, by, as_atom(FEED).decode(), count=1)
    assert changed
    with pytest.raises((AssertionError, etree.XMLSyntaxError)):
        check_atom(raw.encode())


WRONG_RSS = {
    "no description": ("<description>每日论文</description>", ""),
    "no link to itself": ('rel="self"', 'rel="next"'),
    "an item before the channel's own": (r"(?s)(<language>.*?</language>)(.*</item>)", r"\2\1"),
    "a guid that is taken for an address": (' isPermaLink="false"', ""),
    "a date of another kind": ("Tue, 06 Jan 2026 12:00:00 [+]0000", "2026-01-06T12:00:00Z"),
    "content before its description": (r"(?s)(<description>Kites.*?)(<content.*?d>)", r"\2\1"),
    "a blank category": ("kites<", "<"),
    "an element is unknown": ("<category>kites</category>", "<topic>kites</topic>"),
}


@pytest.mark.parametrize(("pattern", "by"), WRONG_RSS.values(), ids=WRONG_RSS)
def test_the_rules_of_rss_refuse_what_is_wrong(pattern: str, by: str) -> None:
    raw, changed = re.subn(pattern, by, as_rss(FEED).decode(), count=1)
    assert changed
    with pytest.raises(AssertionError):
        check_rss(raw.encode())


def test_atom_says_all_of_an_entry() -> None:
    entry = check_atom(as_atom(FEED)).find(f"{A}entry")
    assert entry is not None
    told = {child.tag.removeprefix(A): child.text for child in entry}
    assert told["title"] == ENTRY.title and told["id"] == ENTRY.id
    assert told["summary"] == ENTRY.summary
    assert (told["published"], told["updated"]) == ("2026-01-06T12:00:00Z", "2026-01-06T13:00:00Z")
    content = entry.find(f"{A}content")
    assert content is not None and (content.get("type"), content.text) == ("html", ENTRY.html)


def test_rss_says_all_of_an_item() -> None:
    item = check_rss(as_rss(FEED)).find("item")
    assert item is not None
    assert item.findtext(f"{C}encoded") == ENTRY.html
    assert item.findtext("pubDate") == "Tue, 06 Jan 2026 12:00:00 +0000"
    assert item.findtext("category") == "kites"


def test_json_says_all_of_an_item() -> None:
    item = check_json(as_json(FEED))["items"][0]
    assert item["content_html"] == ENTRY.html and item["tags"] == ["kites"]
    assert item["summary"] == ENTRY.summary
    assert (item["date_published"], item["date_modified"]) == (
        "2026-01-06T12:00:00Z",
        "2026-01-06T13:00:00Z",
    )


@pytest.mark.parametrize("file", XML)
def test_feedparser_reads_what_was_written(file: str) -> None:
    found = read(WRITERS[file](FEED))
    assert (found.feed.title, found.feed.subtitle) == (FEED.title, FEED.subtitle)
    assert (found.feed.language, found.feed.link) == (FEED.language, FEED.url)
    assert f"{FEED.base}{file}" in [one.href for one in found.feed.links if one.rel == "self"]
    assert instant(found.feed.updated_parsed) == FEED.updated_at
    for one, entry in zip(found.entries, FEED.entries, strict=True):
        assert (one.id, one.link, one.title) == (entry.id, entry.url, entry.title)
        assert instant(one.published_parsed) == entry.published_at
        assert instant(one.updated_parsed) == entry.updated_at
        assert [(part.type, part.value) for part in one.content] == [("text/html", entry.html)]
        assert tuple(tag.term for tag in one.get("tags", ())) == entry.tags


@pytest.mark.parametrize("file", WRITERS)
def test_fastfeedparser_reads_what_was_written(file: str) -> None:
    found = read_fast(WRITERS[file](FEED))
    assert (found.feed.title, found.feed.subtitle) == (FEED.title, FEED.subtitle)
    assert (found.feed.language, found.feed.link) == (FEED.language, FEED.url)
    for one, entry in zip(found.entries, FEED.entries, strict=True):
        assert (one.id, one.link, one.title) == (entry.id, entry.url, entry.title)
        assert dt.datetime.fromisoformat(one.published) == entry.published_at
        assert dt.datetime.fromisoformat(one.updated) == entry.updated_at
        assert [part["value"] for part in one.content] == [entry.html]
        assert tuple(tag["term"] for tag in one.get("tags", ())) == entry.tags


def test_a_feed_says_its_language() -> None:
    english = replace(FEED, language="en")
    assert check_atom(as_atom(english)).get(LANG) == "en"
    channel = check_rss(as_rss(english))
    assert (channel.findtext("language"), channel.get(LANG)) == ("en", "en")
    assert check_json(as_json(english))["language"] == "en"


def test_instants_are_told_in_utc() -> None:
    shanghai = NOON.astimezone(ZoneInfo("Asia/Shanghai"))
    moved = replace(ENTRY, published_at=shanghai, updated_at=shanghai)
    same = replace(ENTRY, updated_at=NOON)
    for write in WRITERS.values():
        assert write(replace(FEED, entries=(moved,))) == write(replace(FEED, entries=(same,)))


@pytest.mark.parametrize("file", WRITERS)
def test_a_completed_digest_is_the_same_entry_updated(file: str) -> None:
    whole = replace(ENTRY, updated_at=NOON + 5 * HOUR, html="<p>whole</p>")
    before, after = (
        read_fast(WRITERS[file](replace(FEED, entries=(entry, *FEED.entries[1:])))).entries
        for entry in (ENTRY, whole)
    )
    assert [one.id for one in before] == [one.id for one in after]
    assert [one.published for one in before] == [one.published for one in after]
    updates = [dt.datetime.fromisoformat(found[0].updated) for found in (before, after)]
    assert updates == [NOON + HOUR, NOON + 5 * HOUR]
    assert after[0].content[0]["value"] == "<p>whole</p>"


def test_identifiers_never_change() -> None:
    """Readers show an entry whose identifier changed as a new one."""
    assert entry_id("cv", DAY) == "urn:uuid:8d229c9e-888e-5e3f-9043-d0d0cbcc6631"
    assert entry_id("hf", DAY) == "urn:uuid:c5eba9af-f8c9-53a9-af9b-01f66504ccde"
    assert entry_id("cv") == "urn:uuid:59da9aeb-0ed0-5d97-94d1-32b43df2a6ac"


names = st.from_regex(r"[a-z0-9_-]{1,12}", fullmatch=True)
days = st.none() | st.dates()


@given(st.lists(st.tuples(names, days), unique=True, min_size=2, max_size=5))
def test_no_two_digests_share_an_identifier(digests: list[tuple[str, dt.date | None]]) -> None:
    assert len({entry_id(*digest) for digest in digests}) == len(digests)


def test_a_list_of_all_feeds_names_each() -> None:
    english = replace(EMPTY, title="Agents", language="en", base="https://papers.example/agents/")
    outlines = check_opml(as_opml("Broadsheet", [FEED, english]))
    told = [(one.get("text"), one.get("xmlUrl"), one.get("language")) for one in outlines]
    assert told == [
        ("CV 论文日报", "https://papers.example/cv/atom.xml", "zh-Hans"),
        ("Agents", "https://papers.example/agents/atom.xml", "en"),
    ]
    assert [one.get("title") for one in outlines] == ["CV 论文日报", "Agents"]
    assert check_opml(as_opml("Broadsheet", [])) == []


@pytest.mark.parametrize("name", [*WRITERS, "feeds.opml"])
def test_feed_is_the_golden_one(name: str) -> None:
    """Not even the clock changes a byte. Delete a golden file to have it written anew."""
    raw = WRITERS[name](FEED) if name in WRITERS else as_opml("Broadsheet", [FEED])
    golden = GOLDEN / "feeds" / name
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(raw)
        pytest.fail(f"{golden} is new: look at it, then run again")
    assert raw == golden.read_bytes()


MARKS = ["]]>", "<![CDATA[", "<", ">", "&", "&amp;", "&#0;", "&lt;b&gt;", "<?x?>", "<!--", "-->"]
MARKS += ["<script>", "</b>", "<img ", '"', "'", "文"]
FORBIDDEN = ["\x00", "\x0b", "\x85", "\ufffe", "\ufdd0", "\U0001ffff", "\ud800", "\udc00"]
UNSEEN = ["\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\r\n", "\t", "\n", "  "]
strangers = st.text(max_size=60) | st.lists(
    st.sampled_from([*MARKS, *FORBIDDEN, *UNSEEN]) | st.text(max_size=3), max_size=12
).map("".join)


def letters(text: str | None) -> str:
    """What is certainly to be read of a text, whatever is dropped around it."""
    return "".join(c for c in text or "" if c.isalnum() or c in "<>&]'\"")


def is_hidden(c: str) -> bool:
    """The test's own judgement: controls but the line's end, formats, lone halves, and such."""
    code = ord(c)
    is_none = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return is_none or (unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c != "\n")


@given(title=strangers, html=strangers, summary=strangers, tag=strangers)
@example(title="]]>", html="\x00\ufffe", summary="\ud800", tag="\U0001fffe")
@example(title="\u202e\x00", html="", summary="", tag=" ")
@settings(max_examples=150, deadline=None)
def test_what_strangers_wrote_never_breaks_a_feed(
    title: str, html: str, summary: str, tag: str
) -> None:
    entry = replace(ENTRY, title=title, html=html, summary=summary, tags=(tag, "kites"))
    feed = replace(FEED, entries=(entry, FEED.entries[1]), title=f"x{title}", subtitle=summary)
    ids = [one.id for one in feed.entries]
    for file, write in WRITERS.items():
        raw = write(feed)
        CHECKS[file](raw)
        assert raw == write(feed)
        assert not any(is_hidden(c) for c in raw.decode())
        assert [one.id for one in read_fast(raw).entries] == ids
        if file in XML:
            assert [one.id for one in read(raw).entries] == ids
    [outline] = check_opml(as_opml(title, [feed]))
    assert letters(outline.get("text")) == letters(f"x{title}")


@given(title=strangers, html=strangers, summary=strangers)
@settings(max_examples=150, deadline=None)
def test_every_format_says_what_strangers_wrote(title: str, html: str, summary: str) -> None:
    feed = replace(FEED, entries=(replace(ENTRY, title=f"x{title}", html=html, summary=summary),))
    item = json.loads(as_json(feed))["items"][0]
    entry = check_atom(as_atom(feed)).find(f"{A}entry")
    told = check_rss(as_rss(feed)).find("item")
    assert entry is not None and told is not None
    assert item["title"] == entry.findtext(f"{A}title") == told.findtext("title")
    assert letters(item["title"]) == letters(f"x{title}")
    assert item["title"] == " ".join(item["title"].split())
    assert item["content_html"] == entry.findtext(f"{A}content") == told.findtext(f"{C}encoded")
    assert letters(item["content_html"]) == letters(html)
    assert item["summary"] == entry.findtext(f"{A}summary")
    assert letters(item["summary"]) == letters(summary)


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


@pytest.mark.parametrize("title", ["", " \n ", "\u202e\x00\ufffe"])
def test_an_entry_whose_title_is_blank_is_called_by_its_address(title: str) -> None:
    feed = replace(FEED, entries=(replace(ENTRY, title=title),))
    assert check_json(as_json(feed))["items"][0]["title"] == ENTRY.url
    assert check_rss(as_rss(feed)).findtext("item/title") == ENTRY.url
    assert check_atom(as_atom(feed)).findtext(f"{A}entry/{A}title") == ENTRY.url
