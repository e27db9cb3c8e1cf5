"""Papers, models and providers that mean harm: what they say stays text, and keys stay here."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from builders import SECTIONS, WAITING, a_digest, a_pick, an_analysis
from conftest import Answer, Web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser

from broadsheet.config import load_settings
from broadsheet.models import Article, Digest, Flag
from broadsheet.redaction import REDACTED
from broadsheet.rendering import LINKED_HOSTS, html, one_line, prose, render_html, render_markdown
from broadsheet.sample import SAMPLE_DATE, SampleWorld, serve
from broadsheet.styles import load_style

STYLES = ("cv", "hf")
READERS = {
    "commonmark": MarkdownIt("commonmark", {"html": True}),
    "github": MarkdownIt("gfm-like", {"html": True, "linkify": False}),
    "default": MarkdownIt("default", {"html": True, "linkify": False, "typographer": True}),
}
"""As pages are read elsewhere: with HTML, tables and strikethrough. Addresses left bare: below."""

ADDRESSES = [
    "https://evil.example",
    "//evil.example",
    "https:evil.example",
    "https:\\\\evil.example",
    "https://arxiv.org@evil.example",
    "https://arxiv.org)@evil.example",
    "https://arxiv.org:80@evil.example",
    "https://arxiv.org\\@evil.example",
    "https://arxiv.org%2eevil.example",
    "https://arxiv.org.evil.example",
    "https://arxiv.org。evil.example",
    "https://arxiv.org&period;evil.example",
    "https://arxiv.org\u00ad.evil.example",
    "https://evil.example#arxiv.org",
    "https://evil.example?https://arxiv.org/",
    "javascript:alert(1)",
    "JaVaScRiPt&colon;alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://arxiv.org/x",
    "https://github.com/a/b",
    "https://github.com/a/b.png",
    "http://arxiv.org/abs/1",
]
MARKS = [
    "!",
    "[",
    "]",
    "(",
    ")",
    "![",
    "](",
    "][",
    "]:",
    "[^1]",
    "[^1]: ",
    "[ref]: ",
    "[ref]",
    "<",
    ">",
    "</",
    "/>",
    "<img src=",
    "<script>",
    "<a href='",
    "<!-- ",
    "-->",
    "`",
    "``",
    "```",
    "\\",
    "*",
    "**",
    "_",
    "~~",
    "|",
    "\n|-|-|\n",
    "$",
    "$$",
    "&#33;",
    "&excl;",
    "&lbrack;",
    "&#x5b;",
    "&lt;",
    "&#60;",
    "&nbsp",
    "\n",
    "\n\n",
    "\r",
    "\t",
    "    ",
    " ",
    "\n# ",
    "\n> ",
    "\n- ",
    "\n1. ",
    "\n---\n",
    "\n===\n",
    "\n:::\n",
    "\u200b",
    "\u202e",
    "\u2028",
    "\x00",
    "\U000e0041",
    "{{ 7*7 }}",
    "{% include 'x' %}",
    "{#",
    "${7*7}",
    "<%= 7 %>",
    "#{7}",
    " onerror=alert(1) ",
    '"',
    "'",
    "a",
    "12.5%",
]
hostile = st.lists(st.sampled_from(MARKS) | st.sampled_from(ADDRESSES), min_size=1, max_size=9).map(
    "".join
)
linked = st.tuples(
    st.sampled_from(["", "!", "\\!", "!\u200b", "!\\", "`", "&#33;", "!\n", "!["]),
    st.sampled_from(["[a](", "[a](\n", "[a]( ", "[a](<", "[a\nb](", "[[a](", "[`a`](", "<"]),
    st.sampled_from(ADDRESSES),
    st.sampled_from([")", "\n)", ' "t")', ">)", "](x)", ") ![a](x)", "`)", ">"]),
).map("".join)
texts = hostile | linked


def hostile_digest(style: str, text: str) -> Digest:
    """The text everywhere a stranger can put one: a paper analyzed, one refused, one waiting."""
    sections = {
        name: text if isinstance(value, str) else tuple(text for _ in value)
        for name, value in SECTIONS[style].items()
    }
    said: dict[str, Any] = {"title": text, "abstract": text, "authors": (text,), "reason": text}
    said |= {"code_url": text, "project_url": text, "categories": (text,)}
    flags = tuple(Flag(section=name, claim=text, kind="name") for name in sections)
    analysis = an_analysis(style, "en", sections=sections, flags=flags, claims=9)
    waits = an_analysis(style, "en", **WAITING | {"extract": (text, text)})
    articles = (
        Article(pick=a_pick(**said), analysis=analysis),
        Article(pick=a_pick(2, **said), analysis=waits),
    )
    return a_digest(style, "en", *articles)


def markdown(style: str, text: str) -> str:
    return render_markdown(hostile_digest(style, text), load_style(load_settings({}), style, "en"))


def web_page(style: str, text: str) -> str:
    return render_html(hostile_digest(style, text), load_style(load_settings({}), style, "en"))


HARMLESS = {style: markdown(style, "harmless words") for style in STYLES}
HARMLESS_WEB = {style: web_page(style, "harmless words") for style in STYLES}


def is_allowed(href: str) -> bool:
    """The test's own judgement of a link: an anchor of the page, or http(s) to a listed host."""
    if re.fullmatch(r"#[\w-]+", href):
        return True
    parts = urlsplit(href)
    host = parts.hostname or ""
    is_listed = any(host == listed or host.endswith(f".{listed}") for listed in LINKED_HOSTS)
    return parts.scheme in ("http", "https") and is_listed and "@" not in parts.netloc


def tokens(page: str, reader: str, references: dict[str, Any]) -> Iterator[Token]:
    for token in READERS[reader].parse(page, references):
        yield token
        yield from token.children or ()


BLOCKS = ("heading_open", "hr", "html_block", "html_inline", "fence", "table_open", "image")


def shape(page: str, reader: str) -> Counter[str]:
    """What shapes the page, however it is read; its links are checked to be harmless first."""
    references: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    for token in tokens(page, reader, references):
        if token.type in BLOCKS:
            counts[f"{token.type} {token.tag}"] += 1
        if token.type == "link_open":
            assert is_allowed(str(token.attrs["href"])), token.attrs
    assert not references.get("references")
    return counts


@pytest.mark.parametrize("style", STYLES)
@given(text=texts)
@settings(max_examples=100, deadline=None)
@example("![a](\nhttps://github.com/a/b.png)")
@example("[^1]\n\n[^1]: https://evil.example")
@example("[ref]\n\n[ref]: https://evil.example")
@example("| a |\n|-|\n| b |")
def test_every_reader_of_markdown_finds_the_same_page(style: str, text: str) -> None:
    page = markdown(style, text)
    for reader in READERS:
        assert shape(page, reader) == shape(HARMLESS[style], reader)


@pytest.mark.parametrize("style", STYLES)
@given(text=texts)
@settings(max_examples=100, deadline=None)
@example("`<script>alert(1)</script>`")
@example("a `<img src=x>` b")
def test_no_markup_is_written_even_as_code(style: str, text: str) -> None:
    """Readers differ in where a code span ends; what holds no tag and no image cannot matter."""
    page = re.sub(r"<a id='item-\d'></a>", "", markdown(style, text))
    assert not re.search(r"<[a-z!/?]", page, re.IGNORECASE)
    assert "![" not in re.sub(r"\\.", "x", page)


# What GitHub makes links of by itself, to the next space or `<`:
# https://github.github.com/gfm/#autolinks-extension-
_AUTOLINK = re.compile(r"(?<![a-z0-9])(?:(?:https?|ftp)://|www\.)[^\s<]+", re.IGNORECASE)


def autolinks(text: str) -> Iterator[str]:
    """The addresses that GitHub would link though they are no link's: read to the next space."""
    bare = re.sub(r"`[^`\n]+`", "", text)
    bare = re.sub(r"(?<!\\)\]\([^()\s]*\)", "] ", bare)
    for found in _AUTOLINK.findall(bare):
        yield (found if "://" in found else f"http://{found}").partition("] ")[0]


@given(text=texts)
@settings(max_examples=300, deadline=None)
@example("https://arxiv.org)@evil.example/x")
@example("https://github.com)@evil.example")
@example("xhttps://github.com/;https://evil.example")
@example("WWW.evil.example")
@example("HTTPS://evil.example")
@example("ftp://evil.example")
def test_nothing_that_github_links_by_itself_leads_elsewhere(text: str) -> None:
    for written in (prose(text), one_line(text)):
        assert [found for found in autolinks(written) if not is_allowed(found)] == []


def skeleton(page: str) -> Counter[str]:
    """Elements with the names of their attributes, but for those that an answer may use."""
    tree = LexborHTMLParser(page)
    inline = {"p", "br", "strong", "em", "code", "pre", "ul", "ol", "li"}
    counts: Counter[str] = Counter()
    for node in tree.css("*"):
        names = sorted(node.attributes)
        if node.tag == "a" and names == ["href"]:
            assert is_allowed(str(node.attributes["href"])), node.html
        elif node.tag not in inline or names:
            counts[" ".join([str(node.tag), *names])] += 1
    return counts


@pytest.mark.parametrize("style", STYLES)
@given(text=texts)
@settings(max_examples=100, deadline=None)
@example("<img src=x onerror=alert(1)>")
@example('[a](https://github.com/a"onmouseover="alert(1))')
@example("<style>*{display:none}</style>")
@example("<meta http-equiv=refresh content='0;https://evil.example'>")
def test_web_page_has_the_same_elements_and_attributes(style: str, text: str) -> None:
    page = web_page(style, text)
    assert skeleton(page) == skeleton(HARMLESS_WEB[style])
    assert page.count("<!--") == HARMLESS_WEB[style].count("<!--")


@given(text=texts)
@settings(max_examples=300, deadline=None)
def test_html_of_an_answer_holds_text_and_links_only(text: str) -> None:
    written = str(html(text))
    for tag, attributes in re.findall(r"<([a-z0-9]+)((?:\s[^>]*)?)>", written):
        assert tag in {
            "p",
            "br",
            "strong",
            "em",
            "code",
            "pre",
            "ul",
            "ol",
            "li",
            "a",
            "blockquote",
        }
        assert tag == "a" or not attributes.strip(), attributes


TEMPLATES = ["{{ 7*7 }}", "{% for x in y %}", "{# 7 #}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "@{7*7}"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", TEMPLATES)
def test_what_looks_like_a_template_is_read_as_itself(style: str, text: str) -> None:
    page = LexborHTMLParser(web_page(style, text))
    assert page.body is not None
    assert text in page.body.text()
    assert "49" not in page.body.text()
    tree = READERS["commonmark"].parse(markdown(style, text))
    shown = ["".join(c.content for c in t.children or ()) for t in tree if t.type == "inline"]
    assert any(text in line for line in shown)


KEY = "made-up-0123456789-credential"
SHAPED = "sk-proj-abcdefghijklmnop0123"


@pytest.fixture
def world(
    server: None, web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[SampleWorld]:
    """The sample day, read by a model that is asked with KEY; Prefect's storage is empty."""
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    monkeypatch.setenv("OPENAI_API_BASE", f"{web.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
    stored = {PREFECT_LOCAL_STORAGE_PATH: tmp_path / "storage"}
    with serve() as sample, temporary_settings(stored):
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", sample.huggingface_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", sample.arxiv_api_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_URL", sample.arxiv_url)
        yield sample


def echoed(status: int) -> Answer:
    """An error that repeats the request's key, as providers word it."""
    said = f"Incorrect API key provided: {KEY}. Header was: authorization: Bearer {KEY}; {SHAPED}"
    code = {401: "invalid_api_key", 429: "insufficient_quota"}.get(status, "server_error")
    body = json.dumps({"error": {"message": said, "type": "x", "code": code}})
    return status, body, {"content-type": "application/json"}


def good_answer() -> Answer:
    """An answer to the style `hf` that repeats the key in what it says of a paper."""
    said = dict.fromkeys(("area", "contribution"), f"Uses {KEY} and {SHAPED}.")
    lists = {name: [f"With {KEY}.", "Two."] for name in ("usage", "innovations", "results")}
    message = {"role": "assistant", "content": json.dumps(said | lists)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "any"}
    return 200, json.dumps({**whole, "choices": [choice], "usage": usage})


def written_at_home() -> Iterator[tuple[str, str]]:
    """Every file below the home with what it says; Parquet files, which are packed, row by row."""
    import duckdb

    for path in sorted(load_settings().home.rglob("*")):
        if path.suffix == ".parquet":
            rows = duckdb.sql(f"select * from read_parquet('{path}', hive_partitioning=false)")
            yield str(path), repr(rows.fetchall())
        elif path.is_file():
            yield str(path), path.read_bytes().decode("utf-8", "replace")


def recorded() -> str:
    """Everything that Prefect's server keeps: logs, states, artifacts, events."""
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    assert url is not None
    file = str(url).partition("///")[2]
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return "\n".join(database.iterdump())


def kept_results() -> Iterator[tuple[str, str]]:
    """The results in Prefect's storage: what a flow or task raised is pickled there, in base64."""
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

    for path in PREFECT_LOCAL_STORAGE_PATH.value().rglob("*"):
        if path.is_file():
            yield f"result {path.name}", base64.b64decode(path.read_bytes()).decode("latin-1")


def make() -> Any:
    from flows.digest import digest

    return digest("hf", SAMPLE_DATE, return_state=True)


def awaited_record(words: str) -> str:
    """What is recorded once these words are: lines and states reach the server in batches."""
    deadline = time.monotonic() + 30
    while words not in (found := recorded()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


SECRETS = (KEY, SHAPED, KEY[:20])
RESPONSES = {"401": echoed(401), "429": echoed(429), "500": echoed(500), "200": good_answer()}


@pytest.mark.flow
@pytest.mark.parametrize("response", RESPONSES.values(), ids=RESPONSES)
def test_key_that_a_provider_echoes_is_nowhere(
    world: SampleWorld, web: Web, response: Answer, capfd: pytest.CaptureFixture[str]
) -> None:
    web.respond = lambda path, query: response
    state = make()
    assert web.headers[0]["authorization"] == f"Bearer {KEY}"
    run_id = str(state.state_details.flow_run_id)
    kept = awaited_record(run_id)
    shown = "".join(capfd.readouterr())
    everything = [*written_at_home(), ("server", kept), ("terminal", shown), ("state", repr(state))]
    everything.append(("result", repr(state.result())))
    assert [place for place, text in everything if any(s in text for s in SECRETS)] == []
    assert list(kept_results()) == []
    # That it was told, and where: in the log of the run, or in the answer and the page.
    told = [place for place, text in everything if "redacted" in text]
    assert "server" in told
    if response[0] == 200:
        assert any("answers" in place for place in told)
        assert any(place.endswith(".md") for place in told)


@pytest.mark.flow
def test_lines_of_any_logger_reach_the_server_redacted(world: SampleWorld) -> None:
    import logging

    from prefect import flow, get_run_logger

    @flow(name="teller")
    def teller() -> str:
        get_run_logger().warning("asked with %s in teller", KEY)
        logging.getLogger("broadsheet.anywhere").warning("also with %s", KEY)
        try:
            raise ValueError(KEY)
        except ValueError:
            get_run_logger().exception("end of teller")
        return "done"

    teller()
    kept = awaited_record("end of teller")
    assert f"asked with {REDACTED} in teller" in kept
    assert f"also with {REDACTED}" in kept
    assert f"ValueError: {REDACTED}" in kept
    assert KEY not in kept


@pytest.mark.flow
def test_password_in_an_address_is_in_no_state_and_no_row(
    world: SampleWorld, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    password = "hunter2secret"
    monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", f"http://bob:{password}@127.0.0.1:9")
    state = make()
    assert state.is_failed()
    assert password not in str(state.message)
    assert password not in str(state.result(raise_on_failure=False))
    written = [*written_at_home(), *kept_results()]
    assert any(place.startswith("result ") and "SourceUnavailable" in t for place, t in written)
    assert [place for place, text in written if password in text] == []
    assert password not in awaited_record(str(state.state_details.flow_run_id))
    assert password not in "".join(capfd.readouterr())
