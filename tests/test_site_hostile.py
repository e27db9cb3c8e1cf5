"""Papers and models that mean harm, on the site: what they say stays text, and pages keep shape."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from functools import cache

import pyarrow as pa
import pytest
from builders import DAY, NOON, SECTIONS, an_analysis
from feed_rules import check_atom, check_json, check_rss
from hypothesis import example, given, settings
from selectolax.lexbor import LexborHTMLParser
from test_hostile import is_allowed, texts

from broadsheet.charts import CHARTS
from broadsheet.config import load_settings
from broadsheet.models import Flag, Status
from broadsheet.site.content import ANSWERED, Content, Feature, Issue, Paper, Said, Vote
from broadsheet.site.extras import extras
from broadsheet.site.pages import pages
from broadsheet.site.press import Press
from broadsheet.styles import load_style

SHAPE = ("main", "article", "section", "nav", "header", "footer", "table", "tr", "form", "figure")
EMPTY = pa.table({"topic": pa.array([], pa.string()), "author": pa.array([], pa.string())})
IDS = ("2601.00001", "2601.00002", "2601.00003")


def content_of(text: str) -> Content:
    """The text everywhere that a stranger can put one."""
    sections = {
        name: text if isinstance(value, str) else tuple(text for _ in value)
        for name, value in SECTIONS["hf"].items()
    }
    flags = tuple(Flag(section=name, claim=text, kind="name") for name in sections)
    told = {"flags": flags, "claims": 2, "model": text, "prompt_version": text}
    whole = an_analysis("hf", "en", paper_id=IDS[0], sections=sections, **told)
    quoted = {"sections": {}, "extract": (text, text), "paper_id": IDS[1]}
    waits = an_analysis("hf", "en", status=Status.PENDING, pending_reason=text, **quoted)
    analyses = dict(zip(IDS, (whole, waits, None), strict=True))
    features = tuple(
        Feature(
            profile="hf",
            date=DAY,
            paper_id=name,
            position=place,
            score=50,
            reason=text,
            title=text,
            analysis=analyses[name],
        )
        for place, name in enumerate(IDS, 1)
    )
    issue = Issue(
        profile="hf",
        title=text,
        date=DAY,
        outcome="partial",
        style="hf",
        language="en",
        origin="made",
        listed=3,
        scanned=3,
        missing_sources=(text,),
        first_published_at=NOON,
        updated_at=NOON,
        features=features,
    )
    return Content(
        issues=(issue,),
        papers={name: a_paper(name, text) for name in IDS},
        said={IDS[0]: (Said(analysis=whole, profile="hf", date=DAY),)},
        styles={("hf", "en"): load_style(load_settings({}), "hf", "en")},
        answers=dict.fromkeys({*ANSWERED, *CHARTS}, EMPTY),
    )


def a_paper(name: str, text: str) -> Paper:
    return Paper(
        paper_id=name,
        title=text,
        abstract=text,
        authors=(text, "B"),
        categories=(text,),
        keywords=(f"{text} again",),
        published_at=NOON,
        code_url=text,
        project_url=f"https://{text}",
        upvotes=1,
        sources=("huggingface",),
        first_listed_on=DAY,
        votes=(Vote(at=NOON, upvotes=1), Vote(at=NOON + dt.timedelta(1), upvotes=2)),
    )


def set_all(text: str) -> dict[str, bytes]:
    """Every page and feed, by a name that does not depend on the text."""
    content = content_of(text)
    press = Press(
        title="Broadsheet",
        url="https://papers.example/",
        profiles=(("hf", text, "en"),),
        languages=("en",),
        styles=content.styles,
    )
    found = [*pages(content, press), *extras(content, press)]
    wanted = [file for file in found if file.path.endswith((".html", ".xml", ".json", ".opml"))]
    assert len({file.path for file in wanted}) == len(wanted)
    return {f"{n} {file.path.partition('/')[0]}": file.make() for n, file in enumerate(wanted)}


@cache
def harmless() -> dict[str, Counter[str]]:
    return {name: shape(raw) for name, raw in set_all("harmless words").items()}


def shape(raw: bytes) -> Counter[str]:
    tree = LexborHTMLParser(raw.decode())
    return Counter(node.tag for node in tree.css(", ".join(SHAPE)))


def check_page(raw: bytes) -> None:
    tree = LexborHTMLParser(raw.decode())
    scripts = [node.attributes.get("src") for node in tree.css("script")]
    assert all(re.fullmatch(r"(\.\./)*assets/\w+\.js", str(source)) for source in scripts)
    assert tree.css("iframe, object, embed, base, style, [style], svg, link[rel=import]") == []
    assert tree.css("img:not([src*=charts]), [srcset]:not(source)") == []
    for node in tree.css("*"):
        assert not any(name.startswith("on") for name in node.attributes)
    for node in tree.css("[href]"):
        href = str(node.attributes["href"])
        if (
            node.attributes.get("rel") == "nofollow noopener"
        ):  # what a source names as code, project
            assert re.match(r"https?://[\w.-]+(:\d+)?([/?#]|$)", href, re.I), href
        else:
            is_ours = re.fullmatch(r"[\w./-]*(#[\w./-]*)?", href)
            assert is_ours or is_allowed(href), href


@given(text=texts)
@settings(max_examples=60, deadline=None)
@example("</main></article><script>alert(1)</script>")
@example("$\\text{</math><img src=x onerror=alert(1)>}$")
@example('" onmouseover="alert(1)')
@example("javascript:alert(1)")
@example("\ud800\x00\ufffe]]>")
def test_nothing_that_strangers_wrote_runs_or_breaks_a_page(text: str) -> None:
    made = set_all(text)
    expected = harmless()
    assert made.keys() == expected.keys()
    for name, raw in made.items():
        if raw.lstrip().startswith(b"<!doctype"):
            check_page(raw)
            assert shape(raw) == expected[name], name


@given(text=texts)
@settings(max_examples=40, deadline=None)
def test_nothing_that_strangers_wrote_makes_a_feed_invalid(text: str) -> None:
    checks = {b"<feed": check_atom, b"<rss": check_rss}
    checked = 0
    for raw in set_all(text).values():
        if raw.startswith(b"{"):
            check_json(raw)
            checked += 1
        for start, check in checks.items():
            if raw.startswith(b"<?xml") and start in raw[:80]:
                check(raw)
                checked += 1
    assert checked == 3


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "x"])
def test_only_web_addresses_are_linked_as_code(url: str) -> None:
    for raw in set_all(url).values():
        assert f'href="{url}"'.encode() not in raw
