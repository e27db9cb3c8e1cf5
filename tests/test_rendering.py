"""A digest becomes the same page every time, whatever strangers wrote into its texts."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders import QUOTED, SECTIONS, WAITING, a_digest, a_pick, an_analysis
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser

from broadsheet.analysis.evidence import check
from broadsheet.config import load_settings
from broadsheet.errors import UsageError
from broadsheet.models import Article, Digest, Flag, ReadingSource, Status
from broadsheet.rendering import (
    DAGGER,
    daggered,
    html,
    is_linkable,
    one_line,
    prose,
    render_html,
    render_markdown,
    unfound,
)
from broadsheet.styles import Style, load_style

GOLDEN = Path(__file__).parent / "golden"
HOSTS = {"arxiv.org", "huggingface.co", "github.com"}
STYLES = ("cv", "hf")
LANGUAGES = ("zh", "en")


def style_of(name: str, language: str) -> Style:
    """A shipped style."""
    return load_style(load_settings({}), name, language)


def complete(style: str, language: str) -> Digest:
    """Two papers, one read from HTML and one from the abstract."""
    first = Article(pick=a_pick(), analysis=an_analysis(style, language))
    second = Article(
        pick=a_pick(2, "Snow & Ice: a_b [v2] <fast>", sources=("arxiv",)),
        analysis=an_analysis(style, language, reading_source=ReadingSource.ABSTRACT),
    )
    return a_digest(style, language, first, second)


def pending(style: str, language: str) -> Digest:
    """One paper analyzed, one waiting."""
    first = Article(pick=a_pick(), analysis=an_analysis(style, language))
    second = Article(pick=a_pick(2, "Moths"), analysis=an_analysis(style, language, **WAITING))
    return a_digest(style, language, first, second)


def sample(style: str, language: str) -> Digest:
    """One paper in its own words, of the embedded sample."""
    article = Article(pick=a_pick(), analysis=an_analysis(style, language, **QUOTED))
    return a_digest(style, language, article, origin="sample")


def empty(style: str, language: str) -> Digest:
    """No source listed a paper."""
    return a_digest(style, language, scanned=0, listed=0)


def nothing_selected(style: str, language: str) -> Digest:
    """Papers were listed, none qualified."""
    return a_digest(style, language)


def missing_source(style: str, language: str) -> Digest:
    """One of two sources did not answer."""
    article = Article(pick=a_pick(), analysis=an_analysis(style, language))
    sources = {"sources": ("huggingface", "arxiv"), "missing_sources": ("arxiv",), "scan": None}
    return a_digest(style, language, article, **sources)


def unsupported(style: str, language: str) -> Digest:
    """One paper of whose claims some are not in its text, which held hidden words; one refused."""
    said = SECTIONS[style] | {
        "innovation": "It has **987.65%** on `COCO`, not 1987.65% or 87.65, says **MMLU**的表。",
        "results": ("987.65% on 12 of 13 nights.", "COCO, too: 987.65%."),
    }
    sections = {name: said[name] for name in [*SECTIONS[style]]}
    found = check(sections, "It works on 12 of 13 nights, 1987.65% and 87.65.")
    first = an_analysis(
        style,
        language,
        sections=sections,
        claims=found.claims,
        claims_found=found.claims_found,
        flags=found.flags,
        has_hidden_text=True,
    )
    refused = an_analysis(style, language, **QUOTED | {"status": Status.REFUSED})
    return a_digest(
        style,
        language,
        Article(pick=a_pick(), analysis=first),
        Article(pick=a_pick(2, "Moths"), analysis=refused),
    )


PAGES = {
    f"{style}-{language}-{build.__name__.replace('_', '-')}": build(style, language)
    for style, builds in {
        "cv": {
            complete: LANGUAGES,
            pending: ("zh",),
            empty: ("en",),
            nothing_selected: ("zh",),
            missing_source: ("en",),
            sample: ("zh",),
            unsupported: ("zh",),
        },
        "hf": {
            complete: LANGUAGES,
            pending: ("en",),
            empty: ("zh",),
            nothing_selected: ("en",),
            missing_source: ("zh",),
            sample: ("en",),
            unsupported: ("en",),
        },
    }.items()
    for build, languages in builds.items()
    for language in languages
}


@pytest.mark.parametrize("suffix", ["md", "html"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_the_golden_one(name: str, suffix: str) -> None:
    """Delete a golden file to have it written anew; then look at it."""
    digest = PAGES[name]
    render = {"md": render_markdown, "html": render_html}[suffix]
    page = render(digest, style_of(digest.style, digest.language))
    golden = GOLDEN / f"{name}.{suffix}"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(page, encoding="utf-8", newline="\n")
        pytest.fail(f"{golden} is new: look at it, then run again")
    assert page == golden.read_bytes().decode()


def test_no_golden_file_is_left_over() -> None:
    expected = {f"{name}.{suffix}" for name in PAGES for suffix in ("md", "html")}
    assert {file.name for file in GOLDEN.glob("*.*")} == expected


@pytest.mark.parametrize("name", PAGES)
def test_the_same_digest_gives_the_same_bytes(name: str) -> None:
    digest = PAGES[name]
    style = style_of(digest.style, digest.language)
    again = style_of(digest.style, digest.language)
    assert render_markdown(digest, style) == render_markdown(digest, again)
    assert render_html(digest, style) == render_html(digest, again)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STYLES)
def test_every_paper_has_the_same_headings(name: str, language: str) -> None:
    style = style_of(name, language)
    digest = complete(name, language)
    expected = [f"{n}. {s.heading[language]}" for n, s in enumerate(style.sections, 1)]
    blocks = render_markdown(digest, style).split(digest.articles[1].pick.paper_id)
    assert len(blocks) >= 2
    headings = re.findall(r"^### (\d\. .*)$", render_markdown(digest, style), re.MULTILINE)
    assert headings == expected * 2
    articles = LexborHTMLParser(render_html(digest, style)).css("article")
    assert [[h.text() for h in a.css("h3")] for a in articles] == [expected, expected]


def test_markdown_of_a_harmless_answer_keeps_its_shape() -> None:
    page = MarkdownIt("commonmark").render(prose(str(SECTIONS["cv"]["method"][0])))
    assert page.count("<li>") == 2
    assert "<strong>lantern</strong>" in html(str(SECTIONS["cv"]["innovation"]))
    assert "<code>photons[0]</code>" in html(str(SECTIONS["cv"]["innovation"]))
    linked = html(str(SECTIONS["hf"]["contribution"]))
    assert '<a href="https://github.com/a/b"' in linked


@pytest.mark.parametrize(
    "url",
    [
        "https://arxiv.org/abs/2603.00001",
        "http://export.arxiv.org/abs/2603.00001?a=1&b=2#c",
        "https://github.com",
        "HTTPS://GitHub.com/a/b",
    ],
)
def test_known_hosts_may_be_linked(url: str) -> None:
    assert is_linkable(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "#item-0",
        "//arxiv.org/abs/1",
        "javascript:alert(1)",
        "javascript://arxiv.org/%0aalert(1)",
        "data:text/html,x",
        "ftp://arxiv.org/",
        "https://evil.example/",
        "https://arxiv.org.evil.example/",
        "https://notarxiv.org/",
        "https://arxiv.org@evil.example/",
        "https://evil.example\\@arxiv.org/",
        "https://evil.example/@arxiv.org/",
        "https://evil.example&sol;.arxiv.org/",
        "https://evil.example?.arxiv.org/",
        "https://evil.example#.arxiv.org/",
        "https://arxiv.org:pw@evil.example/",
        "https://arxiv.org。evil.example/",
        "https://arxiv.org/a b",
        "https://arxiv.org/)[x](https://evil.example",
        "http://[::1/",
    ],
)
def test_nothing_else_may_be_linked(url: str) -> None:
    assert not is_linkable(url)


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<iframe src='https://evil.example'>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "<?php",
    "</article></main></body>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "[click](javascript:alert(1))",
    "[click](<javascript:alert(1)>)",
    "](javascript:alert(1))",
    "[a](https://evil.example/x)",
    "[a](https://evil.example/(x))",
    "[a](https://evil.example&sol;.arxiv.org/)",
    "[a](https://arxiv.org/abs/1 'title')",
    "[a](https://arxiv.org/abs/1)",
    "[[a](https://evil.example)](https://evil.example)",
    "[a [b](https://evil.example)](https://evil.example)",
    "\\[a\\](https://evil.example)",
    "\\\\[a](https://evil.example)",
    "`[a](https://evil.example)",
    "\\`[a](https://evil.example)`",
    "``[a](https://evil.example)`",
    "[a\nb](https://evil.example)",
    "[a][ref]",
    "[ref]",
    "\n\n[ref]: https://evil.example 'x'\n\n",
    "![alt](https://evil.example/x.png)",
    "![alt][ref]",
    "!\\[alt](https://evil.example/x.png)",
    "<javascript:alert(1)>",
    "<https://evil.example>",
    "<a@evil.example>",
    "https://evil.example/x",
    "www.evil.example",
    "https://arxiv.org/abs/1",
    "```",
    "\n```html\n<script>\n```\n",
    "\n~~~\n",
    "\n====",
    "\n=",
    "\n---",
    "\n-",
    "\n- ",
    "\n--\n",
    "\n***\n",
    "\n* * *\n",
    "\n# heading",
    "# ",
    "#",
    "\n#",
    "\n- # heading",
    "\n1. ## heading",
    "\n> # quoted",
    "\n    indented",
    "\n\n",
    "\n|a|b|\n|-|-|\n",
    "{{ 7*7 }}",
    "{% raw %}",
    "{# x #}",
    "{{ digest.articles }}",
    "\x00",
    "\x1b[31m",
    "\r",
    "\r\n# heading",
    "\u2028# heading",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\U000e0041",
    "\ud800",
    "**",
    "__",
    "*",
    "_",
    "`",
    "$",
    "\\",
    "|",
    "<",
    ">",
    "&",
    "[",
    "]",
    "(",
    ")",
    "!",
)
hostile = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=12), min_size=1, max_size=6).map(
    lambda parts: "a " + " ".join(parts) if len(parts) % 2 else "".join(parts)
)


def hostile_digest(style: str, text: str) -> Digest:
    """The text everywhere a stranger can put one: a complete paper, and a pending one."""
    sections = {
        name: text if isinstance(value, str) else tuple(text for _ in value)
        for name, value in SECTIONS[style].items()
    }
    said = {"title": text, "abstract": text, "authors": (text,), "reason": text}
    waits = WAITING | {"extract": (text, text)}
    return a_digest(
        style,
        "en",
        Article(pick=a_pick(**said), analysis=an_analysis(style, "en", sections=sections)),
        Article(pick=a_pick(2, **said), analysis=an_analysis(style, "en", **waits)),
        missing_sources=("arxiv",),
    )


def elements(digest: Digest) -> dict[str, int]:
    """How many elements of each kind shape the web page; it is checked to be harmless first."""
    page = LexborHTMLParser(render_html(digest, style_of(digest.style, "en")))
    assert not page.css("script, img, iframe, svg, object, embed, form, link, base, [onerror]")
    for node in page.css("*"):
        assert not [name for name in node.attributes if name.startswith("on")]
    for link in page.css("[href]"):
        assert is_allowed(str(link.attributes["href"]))
    assert not page.css("[src], [style], [srcdoc], [formaction]")
    assert page.body is not None
    return {tag: len(page.css(tag)) for tag in ("article", "h1", "h2", "h3", "main", "header")}


def is_allowed(href: str) -> bool:
    """The test's own judgement of a link."""
    if re.fullmatch(r"#item-\d", href):
        return True
    parts = urlsplit(href)
    host = (parts.hostname or "").removeprefix("export.")
    return parts.scheme in ("http", "https") and host in HOSTS and "@" not in parts.netloc


def tokens(page: str) -> Iterator[Token]:
    """Every token of the page, read as GitHub reads it: with HTML."""
    for token in MarkdownIt("commonmark", {"html": True}).parse(page):
        yield token
        yield from token.children or ()


def shape(digest: Digest) -> dict[str, int]:
    """What shapes the Markdown page; it is checked to be harmless first."""
    page = render_markdown(digest, style_of(digest.style, "en"))
    counts = dict.fromkeys(("h1", "h2", "h3"), 0)
    raw = []
    for token in tokens(page):
        if token.type == "heading_open":
            counts[token.tag] = counts.get(token.tag, 0) + 1
        elif token.type in ("html_block", "html_inline"):
            raw.append(token.content)
        elif token.type == "link_open":
            assert is_allowed(str(token.attrs["href"]))
        assert token.type not in ("image", "fence")
    assert set(raw) <= {"<a id='item-0'>", "<a id='item-1'>", "</a>"}
    return counts | {"raw": len(raw)}


HARMLESS = {style: hostile_digest(style, "harmless words") for style in STYLES}


@pytest.mark.parametrize("style", STYLES)
@given(text=hostile)
@settings(max_examples=150, deadline=None)
@example("a\n-")
@example("a\n=")
@example("#")
@example("- # x")
@example("\\[a\\](https://evil.example)")
def test_hostile_text_cannot_shape_the_markdown_page(style: str, text: str) -> None:
    assert shape(hostile_digest(style, text)) == shape(HARMLESS[style])


@pytest.mark.parametrize("style", STYLES)
@given(text=hostile)
@settings(max_examples=150, deadline=None)
def test_hostile_text_cannot_shape_the_web_page(style: str, text: str) -> None:
    assert elements(hostile_digest(style, text)) == elements(HARMLESS[style])


@pytest.mark.parametrize("fragment", HOSTILE)
def test_no_fragment_alone_shapes_a_page(fragment: str) -> None:
    for style in STYLES:
        digest = hostile_digest(style, fragment)
        assert shape(digest) == shape(HARMLESS[style])
        assert elements(digest) == elements(HARMLESS[style])


INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")


@pytest.mark.parametrize("style", STYLES)
@given(text=hostile)
@settings(max_examples=50, deadline=None)
def test_pages_hold_no_invisible_character_and_can_be_written(style: str, text: str) -> None:
    for render in (render_markdown, render_html):
        page = render(hostile_digest(style, text), style_of(style, "en"))
        assert page.encode("utf-8")
        assert not INVISIBLE.search(page)


@given(text=st.text() | hostile)
@settings(max_examples=300, deadline=None)
def test_a_title_reads_as_it_was_written(text: str) -> None:
    """Escaping is for the parser: what a reader sees is the title, on one line."""
    written = f"# x{one_line(text)}x"
    inline = [t for t in MarkdownIt("commonmark").parse(written) if t.type == "inline"]
    (title,) = inline
    assert {child.type for child in title.children or ()} <= {"text", "text_special"}
    seen = "".join(child.content for child in title.children or ())
    gone = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
    visible = "".join(c for c in text if unicodedata.category(c) not in gone)
    assert re.sub(r"\s", "", seen) == f"x{visible}x"


@given(text=hostile)
@settings(max_examples=100, deadline=None)
def test_no_bare_address_of_an_unknown_host_is_left_for_github_to_link(text: str) -> None:
    without_code = re.sub(r"`[^`\n]+`", "", prose(text))
    for address in re.findall(r"(?:https?://|www\.)[^\s)\]]*", without_code, re.I):
        assert is_allowed(address)


@pytest.mark.parametrize("text", ["{{ 7*7 }}", "{% include 'x' %}", "{{ digest }}"])
def test_template_code_in_a_text_is_printed_not_run(text: str) -> None:
    for style in STYLES:
        digest = hostile_digest(style, text)
        assert text in render_markdown(digest, style_of(style, "en"))
        page = LexborHTMLParser(render_html(digest, style_of(style, "en")))
        assert text in page.css("h2")[0].text()


def test_a_broken_template_names_its_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "digest.md.j2").write_text("fine\n{{ nonsense }}\n")
    style = replace(style_of("hf", "en"), name="odd", folder=folder)
    with pytest.raises(UsageError, match=r"'odd': 'nonsense' is undefined") as raised:
        render_markdown(empty("hf", "en"), style)
    assert raised.value.remedy


def a_flag(claim: str, section: str = "results") -> Flag:
    """That claim, flagged."""
    return Flag(section=section, claim=claim, kind="number")


@pytest.mark.parametrize(
    ("text", "claim", "marked"),
    [
        ("It has 87.65 of 987.65 or 87.651.", "87.65", "It has 87.65† of 987.65 or 87.651."),
        ("85%, then 85% again, not 185%", "85%", "85%†, then 85%† again, not 185%"),
        ("在COCO上，COCO2017除外", "COCO", "在COCO†上，COCO2017除外"),
        ("**12.5** points", "12.5", "**12.5**† points"),
        ("达到**12.5**的结果", "12.5", "达到**12.5**†的结果"),
        ("12.5**的** nights", "12.5", "12.5†**的** nights"),
        ("`12.5` in [x](https://github.com/a/12.5)", "12.5", None),
        ("Nothing of the kind.", "12.5", None),
    ],
)
def test_a_dagger_stands_after_the_whole_claim_and_nowhere_else(
    text: str, claim: str, marked: str | None
) -> None:
    assert daggered(text, [a_flag(claim)], "results") == (marked or text)


def test_a_claim_flagged_in_one_section_is_not_marked_in_another() -> None:
    assert daggered("85% here", [a_flag("85%", "method")], "results") == "85% here"


def test_the_footnote_names_every_claim_once() -> None:
    flags = [a_flag("85%"), a_flag("COCO"), a_flag("85%", "method")]
    assert unfound(flags) == ["85%", "COCO"]


claims = st.sampled_from(("987.65%", "COCO", "12.5", "1.2 亿", "3–5%", "GPT-4o", "1,234", "2×"))


@given(parts=st.lists(st.sampled_from(HOSTILE) | claims | st.text(max_size=6), max_size=8))
@settings(max_examples=400, deadline=None)
@example(["**", "12.5", "**", "的"])
@example(["_", "12.5", "_x"])
@example(["\n", "12.5", ". a"])
def test_a_page_without_its_daggers_is_the_page_that_was_never_marked(parts: list[str]) -> None:
    text = "".join(parts).replace(DAGGER, "")
    flags = check({"results": text}, "").flags
    marked = daggered(text, flags, "results")
    assert marked.replace(DAGGER, "") == text
    assert str(html(marked)).replace(DAGGER, "") == str(html(text))
    assert prose(marked).replace(DAGGER, "") == prose(text)


@pytest.mark.parametrize("style", STYLES)
@given(text=hostile)
@settings(max_examples=60, deadline=None)
def test_hostile_claims_cannot_shape_a_page(style: str, text: str) -> None:
    digest, plain = (flagged_digest(style, t) for t in (text, "harmless words"))
    assert shape(digest) == shape(plain)
    assert elements(digest) == elements(plain)


def flagged_digest(style: str, text: str) -> Digest:
    """The text as a claim that is flagged, as a reason, and as what is marked."""
    said = {
        name: f"{text} 12.5" if isinstance(value, str) else tuple(f"{text} 12.5" for _ in value)
        for name, value in SECTIONS[style].items()
    }
    flags = [Flag(section=name, claim=c, kind="name") for name in said for c in (text, "12.5")]
    analysis = an_analysis(style, "en", sections=said, flags=tuple(flags), claims=9)
    waiting = an_analysis(style, "en", **WAITING | {"pending_reason": text})
    return a_digest(
        style,
        "en",
        Article(pick=a_pick(), analysis=analysis),
        Article(pick=a_pick(2), analysis=waiting),
    )


@pytest.mark.parametrize("style", STYLES)
def test_an_unknown_reason_is_told_in_general_words(style: str) -> None:
    page = render_markdown(flagged_digest(style, "HTTP 429: quota"), style_of(style, "en"))
    assert "(2601.00002): the model has not answered yet" in page


@pytest.mark.parametrize("style", STYLES)
def test_a_refused_paper_is_told_and_not_pending(style: str) -> None:
    for render in (render_markdown, render_html):
        page = render(unsupported(style, "en"), style_of(style, "en"))
        assert "the models declined to write about this paper" in page
        assert style_of(style, "en").labels["pending"] not in page


def seed(shared: Path, style: str) -> list[str]:
    """The recorded digests of that layout."""
    first = {"cv": "# 🚀", "hf": "# Hugging"}[style]
    pages = [file.read_text(encoding="utf-8") for file in sorted((shared / "seeds").iterdir())]
    return [page for page in pages if page.startswith(first)]


CV_LAYOUT = re.compile(
    r"# 🚀 |> 🤖 |## |- \[.*\]\(#item-|### <a id=|\*\*(?:来源|原文链接)\*\*: |---$"
)
HF_LAYOUT = re.compile(
    r"# Hugging|\*\*(?:Date|Source URL)\*\*: |## 📄|- \*\*(?:链接|阅读来源)\*\*: |=+$"
)


def layout(page: str, lines: re.Pattern[str]) -> list[str]:
    """The lines of a page that are its layout, not its text."""
    return [line.rstrip() for line in page.splitlines() if lines.match(line)]


@pytest.mark.real
def test_the_cv_layout_is_that_of_the_recorded_digests(shared: Path) -> None:
    pages = seed(shared, "cv")
    assert len(pages) == 4
    for page in pages:
        title, date = re.findall(r"^# 🚀 (.*) \| (\S+)$", page, re.M)[0]
        scanned, scan = re.findall(r"扫描 (\d+) 篇 \(HF Top (\d+)\)", page)[0]
        entries = re.findall(r"^- \[(.*)\]\(#item-\d\) \(Score: (\d+)\)$", page, re.M)
        ids = re.findall(r"^\*\*原文链接\*\*: \[https://arxiv\.org/abs/([\d.]+)\]", page, re.M)
        assert len(entries) == len(ids) > 0
        articles = [
            Article(
                pick=a_pick(n, name, score=int(score), paper_id=paper_id),
                analysis=an_analysis("cv", "zh"),
            )
            for n, ((name, score), paper_id) in enumerate(zip(entries, ids, strict=True), 1)
        ]
        counts = {"scan": int(scan), "scanned": int(scanned), "listed": int(scanned)}
        digest = a_digest(
            "cv", "zh", *articles, title=title, date=dt.date.fromisoformat(date), **counts
        )
        made = render_markdown(digest, style_of("cv", "zh"))
        assert made.splitlines()[:8] == page.splitlines()[:8]
        kept = layout(page, CV_LAYOUT)
        # The rules that answers brought along, below their preambles, are what is mended.
        assert [line for line in layout(made, CV_LAYOUT) if line != "---"] == [
            line for line in kept if line != "---"
        ]
        assert made.count("\n---\n") == 1 + len(articles)


@pytest.mark.real
def test_the_hf_layout_is_that_of_the_recorded_digest(shared: Path) -> None:
    (page,) = seed(shared, "hf")
    titles = re.findall(r"^## 📄 (.*)$", page, re.M)
    ids = re.findall(r"^- \*\*链接\*\*: https://huggingface\.co/papers/([\d.]+)$", page, re.M)
    read = re.findall(r"^- \*\*阅读来源\*\*: (.*)$", page, re.M)
    date = re.findall(r"^\*\*Date\*\*: (\S+)$", page, re.M)[0]
    assert len(titles) == len(ids) == len(read) == 16
    sources = {"HTML": ReadingSource.HTML, "ArXiv Abs": ReadingSource.ABSTRACT}
    articles = [
        Article(
            pick=a_pick(n, title, paper_id=paper_id),
            analysis=an_analysis("hf", "zh", reading_source=sources[source]),
        )
        for n, (title, paper_id, source) in enumerate(zip(titles, ids, read, strict=True), 1)
    ]
    heading = page.splitlines()[0].removeprefix("# ")
    digest = a_digest("hf", "zh", *articles, title=heading, date=dt.date.fromisoformat(date))
    made = render_markdown(digest, style_of("hf", "zh"))
    assert layout(made, HF_LAYOUT) == layout(page, HF_LAYOUT)
