"""What makes a feed valid: its format's grammar or fields, and some rules of validator.w3.org."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

from lxml import etree

A = "{http://www.w3.org/2005/Atom}"
C = "{http://purl.org/rss/1.0/modules/content/}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_ATOM = etree.RelaxNG(etree.parse(Path(__file__).parent / "atom.rng"))
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RFC822 = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000")
_CHANNEL = {"title", "link", "description", "language", "lastBuildDate", f"{A}link", "item"}
_ITEM = {
    "title",
    "link",
    "guid",
    "pubDate",
    "category",
    "description",
    f"{C}encoded",
    f"{A}updated",
}
_ITEM_KEYS = {"id", "url", "title", "content_html", "summary", "tags"}
_ITEM_KEYS |= {"date_published", "date_modified"}
_FEED_KEYS = {"version", "title", "description", "home_page_url", "feed_url", "language"}
_FEED_KEYS |= {"authors", "items"}


def is_absolute(url: str | None) -> bool:
    """Whether it needs no base."""
    parts = urlsplit(url or "")
    return parts.scheme == "urn" or (parts.scheme in ("http", "https") and bool(parts.netloc))


def parsed(raw: bytes) -> Xml.Element:
    """The document, if both parsers take it: expat and libxml2 differ in what they let pass."""
    etree.fromstring(raw, etree.XMLParser(recover=False, resolve_entities=False, no_network=True))
    return Xml.fromstring(raw)


def once(element: Xml.Element, *names: str) -> None:
    """Each of these exactly once."""
    counts = Counter(child.tag for child in element)
    assert {name: counts[name] for name in names} == dict.fromkeys(names, 1)


def check_atom(raw: bytes) -> Xml.Element:
    """The feed's element, if it is Atom (RFC 4287) in what its grammar says and what it cannot."""
    root = parsed(raw)
    tree = etree.fromstring(raw)
    assert _ATOM.validate(tree), _ATOM.error_log
    links = [(one.get("rel"), one.get("type")) for one in root.findall(f"{A}link")]
    assert links == [("self", "application/atom+xml"), ("alternate", "text/html")]
    entries = root.findall(f"{A}entry")
    for entry in entries:
        kinds = [(link.get("rel"), link.get("type")) for link in entry.findall(f"{A}link")]
        assert kinds == [("alternate", "text/html")]  # 4.1.1: none twice of one type
        assert all(one.get("term", "").strip() for one in entry.findall(f"{A}category"))
        once(entry, f"{A}content", f"{A}summary", f"{A}published")
        assert str(entry.findtext(f"{A}title")).strip()
    instants = [node.text or "" for n in ("updated", "published") for node in root.iter(f"{A}{n}")]
    assert all(_INSTANT.fullmatch(instant) for instant in instants)
    ids = [entry.findtext(f"{A}id") for entry in entries]
    assert len(set(ids)) == len(ids)
    return root


def check_rss(raw: bytes) -> Xml.Element:
    """The channel, if it is RSS 2.0 without the errors that validator.w3.org meets most."""
    root = parsed(raw)
    assert (root.tag, root.attrib) == ("rss", {"version": "2.0"})
    [channel] = root
    once(channel, "title", "link", "description", "language", f"{A}link")
    names = [child.tag for child in channel]
    assert set(names) <= _CHANNEL
    assert "item" not in names[: len(names) - names.count("item")]  # MisplacedItem
    assert is_absolute(channel.findtext("link"))
    own = channel.find(f"{A}link")  # MissingAtomSelfLink
    assert own is not None and (own.get("rel"), own.get("type")) == ("self", "application/rss+xml")
    assert is_absolute(own.get("href"))
    for item in channel.findall("item"):
        _check_item(item)
    dates = [node.text or "" for name in ("pubDate", "lastBuildDate") for node in root.iter(name)]
    assert all(_RFC822.fullmatch(date) and parsedate_to_datetime(date) for date in dates)
    ids = [item.findtext("guid") for item in channel.findall("item")]
    assert len(set(ids)) == len(ids)
    return channel


def _check_item(item: Xml.Element) -> None:
    once(item, "title", "link", "guid", "pubDate", "description", f"{C}encoded", f"{A}updated")
    names = [child.tag for child in item]
    assert set(names) <= _ITEM
    assert names.index("description") < names.index(f"{C}encoded")  # NeedDescriptionBeforeContent
    assert is_absolute(item.findtext("link"))
    assert item.find("guid[@isPermaLink='false']") is not None
    assert _INSTANT.fullmatch(item.findtext(f"{A}updated") or "")
    for name in ("title", "category"):  # NotBlank
        assert all((node.text or "").strip() for node in item.findall(name)), name


def check_json(raw: bytes) -> dict[str, Any]:
    """The feed's object, if it is a JSON Feed 1.1: https://www.jsonfeed.org/version/1.1/."""
    told: dict[str, Any] = json.loads(raw)
    assert told["version"] == "https://jsonfeed.org/version/1.1" and told.keys() <= _FEED_KEYS
    assert isinstance(told["title"], str)
    assert is_absolute(told["home_page_url"]) and is_absolute(told["feed_url"])
    assert all(author["name"] for author in told["authors"])
    for item in told["items"]:
        assert item.keys() <= _ITEM_KEYS and is_absolute(item["url"])
        assert isinstance(item["id"], str) and isinstance(item["content_html"], str)
        assert all(tag.strip() for tag in item["tags"])
        for name in ("date_published", "date_modified"):
            assert _INSTANT.fullmatch(item[name]) and dt.datetime.fromisoformat(item[name])
    ids = [item["id"] for item in told["items"]]
    assert len(set(ids)) == len(ids)
    return told


def check_opml(raw: bytes) -> list[Xml.Element]:
    """The outlines, if it is a list of subscriptions in OPML 2.0: http://opml.org/spec2.opml."""
    root = parsed(raw)
    assert (root.tag, root.attrib) == ("opml", {"version": "2.0"})
    assert [child.tag for child in root] == ["head", "body"]
    outlines = root.findall("body/outline")
    for outline in outlines:
        assert outline.get("type") == "rss" and outline.get("text", "").strip()
        assert is_absolute(outline.get("xmlUrl")) and is_absolute(outline.get("htmlUrl"))
    return outlines
