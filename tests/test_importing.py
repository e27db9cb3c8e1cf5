"""Pages that others made are read by their content, whatever their headings look like."""

from __future__ import annotations

import datetime as dt
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from builders import SECTIONS, a_digest, a_pick, an_analysis
from made_up_pages import (
    CV_ANALYSIS,
    HF_HEADINGS,
    PREAMBLE,
    QUOTA,
    cv_article,
    cv_page,
    hf_analysis,
    hf_block,
    hf_page,
    table_page,
    table_row,
)

from broadsheet.config import load_settings
from broadsheet.errors import FaultKind, UnknownShape, UsageError
from broadsheet.importing.digests import ImportedDigest, ImportedPaper
from broadsheet.importing.failures import WORDS, is_error, kind_of
from broadsheet.importing.layouts import GROUP, all_layouts, layout_of
from broadsheet.importing.markdown import items, unescaped
from broadsheet.importing.sections import SYNONYMS
from broadsheet.models import Article, Flag, ReadingSource, Status
from broadsheet.queries import query
from broadsheet.rendering import one_line, prose, render_markdown
from broadsheet.styles import load_style


def parse(text: str) -> tuple[ImportedDigest, ...]:
    """The digests of a page, by the layout that recognises it."""
    layout = layout_of(text, all_layouts(load_settings()))
    assert layout is not None
    return layout.parse(text)


def only(text: str) -> ImportedDigest:
    """The one digest of a page."""
    [digest] = parse(text)
    return digest


def only_paper(text: str) -> ImportedPaper:
    """The one paper of the one digest of a page."""
    [paper] = only(text).papers
    return paper


def test_a_cv_page_is_read_whole() -> None:
    digest = only(cv_page(cv_article(1), cv_article(2, score="88/100")))
    assert (digest.layout, digest.profile, digest.style, digest.language) == (
        "cv",
        "cv",
        "cv",
        "zh",
    )
    assert (digest.date, digest.scanned, digest.failed) == (dt.date(2026, 1, 29), 15, ())
    assert [(p.paper_id, p.title, p.score, p.sources) for p in digest.papers] == [
        ("2601.00001", "Counting Photons by Lantern 1", 92, ("huggingface",)),
        ("2601.00002", "Counting Photons by Lantern 2", 88, ("huggingface",)),
    ]
    assert {p.reading_source for p in digest.papers} == {ReadingSource.ABSTRACT}
    assert {(p.status, p.model, p.prompt_version) for p in digest.papers} == {
        (Status.COMPLETE, "unknown", "imported")
    }


def test_texts_stay_as_they_were_written() -> None:
    assert only_paper(cv_page(cv_article())).sections == {
        "innovation": "一盏会数 $n_{photons}$ 的**灯笼**，它把 `x < y` 写下来。",
        "method": (
            "**等待：** 先等。\n*   等到天黑。\n    *   再等一会儿。",
            "**计数：**\n不提及 Restoration。\n\n尽管如此，它数得准。",
        ),
        # no list and nothing else, so it stays one text
        "takeaway": ("对守灯人而言：\n\n1.  **便宜：** 数数不贵。\n2.  **耐心：** 等也不贵。",),
        "limitations": ("**只在夜里：** 白天不行。", "**怕风：** 风大会灭。"),
    }


@pytest.mark.parametrize("form", HF_HEADINGS)
@pytest.mark.parametrize("preamble", ["", "# 灯笼 研究报告\n\n", "好的，以下是报告：\n\n---\n\n"])
def test_every_way_to_write_a_heading_is_one(form: str, preamble: str) -> None:
    paper = only_paper(hf_page(hf_block(body=preamble + hf_analysis(form))))
    assert paper.sections == {
        "area": "夜间测量。",
        "contribution": "一盏灯笼顶十盏。",
        "usage": ("**输入**：一盏灯。",),
        "innovations": ("**计数**：用手。",),
        "results": ("13 夜中有 12 夜。",),
    }


@pytest.mark.parametrize(
    ("heading", "text"),
    [
        ("1. **主要创新点**是新的", "1. **主要创新点**是新的"),
        ("这里的主要创新点：很多", "这里的主要创新点：很多"),
        ("- **主要创新点**：很多", "- **主要创新点**：很多"),
        ("    ### 主要创新点", "    ### 主要创新点"),
        ("### 主要创新点与其他", "### 主要创新点与其他"),
    ],
)
def test_a_line_that_only_mentions_a_heading_is_text(heading: str, text: str) -> None:
    body = f"### 1. 应用领域\n夜间。\n{heading}\n终。\n### 2. 一句话核心贡献\n灯。\n"
    paper = only_paper(hf_page(hf_block(body=body)))
    assert paper.sections["area"] == f"夜间。\n{text}\n终。"
    assert paper.sections["innovations"] == ()


def test_text_after_a_heading_on_its_line_is_kept_to_its_end() -> None:
    body = "1. **应用领域**：**夜间**测量，见 a：b **终**\n2. **一句话核心贡献：** 一盏*灯*\n"
    sections = only_paper(hf_page(hf_block(body=body))).sections
    assert sections["area"] == "**夜间**测量，见 a：b **终**"
    assert sections["contribution"] == "一盏*灯*"


def test_a_heading_that_comes_again_is_text() -> None:
    body = "### 1. 应用领域\n夜。\n### 2. 一句话核心贡献\n灯。\n### 应用领域\n又。\n"
    assert (
        only_paper(hf_page(hf_block(body=body))).sections["contribution"]
        == "灯。\n### 应用领域\n又。"
    )


def test_synonyms_are_of_sections_that_there_are() -> None:
    settings = load_settings()
    known = {s.id for name in ("cv", "hf") for s in load_style(settings, name, "zh").sections}
    assert SYNONYMS.keys() == known
    body = "## 核心创新\n甲。\n## 技术原理\n乙。\n## Takeaways\n丙。\n## 局限性\n丁。\n"
    found = only_paper(cv_page(cv_article(body=body))).sections
    assert found == {
        "innovation": "甲。",
        "method": ("乙。",),
        "takeaway": ("丙。",),
        "limitations": ("丁。",),
    }


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("HTML", ReadingSource.HTML),
        ("html 全文", ReadingSource.HTML),
        ("ArXiv Abs", ReadingSource.ABSTRACT),
        ("摘要", ReadingSource.ABSTRACT),
        ("", ReadingSource.ABSTRACT),
    ],
)
def test_the_text_that_was_read_is_as_the_page_says(said: str, read: ReadingSource) -> None:
    assert only_paper(hf_page(hf_block(read=said))).reading_source is read


def test_sources_of_an_hf_page_are_where_its_links_lead() -> None:
    elsewhere = hf_block(2, link="http://arxiv.org/abs/quant-ph/0201082v1")
    first, second = only(hf_page(hf_block(), elsewhere)).papers
    assert (first.sources, second.sources) == (("huggingface",), ("arxiv",))
    assert second.paper_id == "quant-ph/0201082"


def test_the_scan_of_an_hf_page_is_not_said() -> None:
    assert only(hf_page(hf_block())).scanned is None


def test_a_paper_that_comes_twice_counts_once() -> None:
    digest = only(hf_page(hf_block(1), hf_block(2), hf_block(1, title="Again")))
    assert [paper.title[-1] for paper in digest.papers] == ["1", "2"]
    assert digest.repeated == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (QUOTA, FaultKind.RATE),
        (QUOTA.replace("PerMinute", "PerDay"), FaultKind.DAILY),
        ("Error code: 401 - invalid api key", FaultKind.MALFORMED),
        ("深度分析失败: 503 The model is overloaded. Please try again later.", FaultKind.OVERLOAD),
        ("深度分析失败: 401 API key not valid.", FaultKind.AUTH),
        ("抱歉，我无法回答这个问题。", FaultKind.CONTENT),
        ("作为专家，我来解析。", FaultKind.MALFORMED),
        ("", FaultKind.MALFORMED),
        ("### 1. 核心创新点\n\n### 2. 技术细节\n\n", FaultKind.MALFORMED),
        (CV_ANALYSIS + QUOTA, FaultKind.RATE),
        ("### 1. 核心创新点\n" + QUOTA, FaultKind.RATE),
        ("### 1. 核心创新点\n甲。\n### 2. 技术细节\n抱歉，我无法分析。", FaultKind.MALFORMED),
    ],
)
def test_what_is_no_analysis_is_pending_and_its_words_are_dropped(
    body: str, why: FaultKind
) -> None:
    paper = only_paper(cv_page(cv_article(body=body)))
    assert (paper.status, paper.pending_reason, paper.sections) == (Status.PENDING, why, {})
    assert (paper.model, paper.extract) == ("extractive", (paper.title,))


def test_an_error_in_one_article_leaves_the_others() -> None:
    digest = only(cv_page(cv_article(1, QUOTA), cv_article(2)))
    assert [paper.status for paper in digest.papers] == [Status.PENDING, Status.COMPLETE]
    assert digest.failed == digest.papers[:1]


def test_whatever_the_check_would_find_counts_as_an_error() -> None:
    check = query("checks.provider_errors_as_text").sql
    assert all(f"'{words}'" in check for words in WORDS)
    assert check.count("            '") == len(WORDS)
    assert all(is_error(f"so it said: {words.upper()}!") for words in WORDS)
    assert kind_of(QUOTA) is FaultKind.RATE


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (cv_page(cv_article(score="999/100")), "999/100"),
        (cv_page(cv_article(score="92.5/100")), "92.5/100"),
        (cv_page(cv_article(score="-3/100")), "-3/100"),
        (cv_page(cv_article(link="https://example.org/abs/no-paper")), "no arXiv identifier"),
        (cv_page(cv_article(link="https://arxiv.org/abs/2601.1234567")), "no arXiv identifier"),
        (cv_page(cv_article(), date="yesterday"), "no date"),
        (cv_page(cv_article(), date="2026-02-30"), "2026-02-30"),
        (cv_page(cv_article(), date="1066-10-14"), "1066-10-14"),
        (cv_page(cv_article(title=" ")), "no title"),
        (cv_page(cv_article(1), cv_article(2)).partition("### <a id='item-1'")[0], "list 2 papers"),
        (hf_page(hf_block(link="https://huggingface.co/papers/date/2026-01-06")), "no arXiv"),
        (hf_page(hf_block(), date="soon"), "no date"),
        (table_page(table_row(date="2026-13-01")), "2026-13-01"),
    ],
)
def test_what_no_digest_can_have_is_an_error_that_names_it(page: str, says: str) -> None:
    with pytest.raises(UnknownShape, match=says) as raised:
        parse(page)
    assert raised.value.remedy


def test_hostile_titles_stay_one_line_of_text() -> None:
    title = "<script>alert(1)</script> [x](javascript:y)\u202e\u200b `z`"
    paper = only_paper(hf_page(hf_block(title=title)))
    assert paper.title == "<script>alert(1)</script> [x](javascript:y) `z`"


def test_a_table_list_has_a_digest_per_topic_and_date() -> None:
    page = table_page(table_row(1), table_row(2, "2026-01-05"), table_row(3, title="Of $|x|$ bars"))
    page += "## 3D & Night\n\n" + table_row(1) + "\n"
    found = parse(page)
    assert [(d.profile, str(d.date), [p.paper_id for p in d.papers]) for d in found] == [
        ("paper-lanterns", "2026-01-06", ["2601.00001", "2601.00003"]),
        ("paper-lanterns", "2026-01-05", ["2601.00002"]),
        ("3d-night", "2026-01-06", ["2601.00001"]),
    ]
    assert found[0].papers[1].title == "Of $|x|$ bars"
    assert {d.style for d in found} == {None}
    assert {p.status for d in found for p in d.papers} == {None}


def test_rows_without_a_paper_of_arxiv_are_left_out() -> None:
    page = table_page(table_row(1), "|**2026-01-06**|**Elsewhere**|B|[x](https://x.test/1)|null|")
    assert [paper.paper_id for paper in only(page).papers] == ["2601.00001"]


def test_a_text_that_is_no_digest_is_recognised_by_nobody() -> None:
    for text in ("", "# Lanterns\n\nNothing here.", "|a|b|\n|---|---|\n|1|2|"):
        assert layout_of(text, all_layouts(load_settings())) is None


def rendered(style: str, language: str, *articles: Article, **changed: Any) -> str:
    """Our own page of the made-up day."""
    digest = a_digest(style, language, *articles, **changed)
    return render_markdown(digest, load_style(load_settings(), style, language))


@pytest.mark.parametrize("style", ["cv", "hf"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_our_own_pages_are_read_back(style: str, language: str) -> None:
    hostile = "Of *x*_y_ [z] <b> & | `c`"
    articles = [
        Article(pick=a_pick(1, hostile), analysis=an_analysis(style, language)),
        Article(
            pick=a_pick(2),
            analysis=an_analysis(
                style,
                language,
                paper_id="2601.00002",
                status=Status.PENDING,
                pending_reason="daily",
                model="extractive",
                prompt_version="",
                sections={},
                extract=("We count.", "It works."),
            ),
        ),
    ]
    digest = only(rendered(style, language, *articles, missing_sources=("arxiv",)))
    first, second = digest.papers
    assert (digest.language, digest.missing_sources) == (language, ("arxiv",))
    assert (first.title, first.sections) == (hostile, SECTIONS[style])
    assert (first.model, first.prompt_version) == ("maker/model-1", f"{style}-00000000")
    assert first.reading_source is ReadingSource.HTML
    assert (second.status, second.pending_reason) == (Status.PENDING, FaultKind.DAILY)
    assert second.extract == ("We count.", "It works.")
    if style == "cv":
        assert (first.score, first.reason, digest.scanned) == (89, articles[0].pick.reason, 15)


def test_extracts_of_our_own_pages_are_complete_or_refused() -> None:
    quoted = {"model": "extractive", "prompt_version": "", "sections": {}, "extract": ("We.",)}
    refused = {"status": Status.REFUSED, "pending_reason": "content"}
    for more, status in (({}, Status.COMPLETE), (refused, Status.REFUSED)):
        article = Article(pick=a_pick(), analysis=an_analysis(**quoted | more))
        paper = only_paper(rendered("hf", "zh", article))
        assert (paper.status, paper.model, paper.extract) == (status, "extractive", ("We.",))


def test_marks_of_unfound_claims_are_not_taken_for_text() -> None:
    flag = Flag(section="results", claim="12", kind="number")
    article = Article(pick=a_pick(), analysis=an_analysis(flags=(flag,), claims=3, claims_found=2))
    page = rendered("hf", "zh", article)
    assert "†" in page
    assert only_paper(page).sections["results"] == ("12 of 13 nights.",)


@pytest.mark.parametrize("style", ["cv", "hf"])
def test_our_own_pages_of_days_without_papers_are_empty(style: str) -> None:
    digest = only(rendered(style, "en", scanned=0, listed=0))
    assert (digest.papers, digest.language, digest.date) == ((), "en", dt.date(2026, 1, 6))


def test_a_page_of_the_sample_day_is_refused() -> None:
    article = Article(pick=a_pick(), analysis=an_analysis())
    with pytest.raises(UnknownShape, match="sample"):
        parse(rendered("hf", "zh", article, origin="sample"))


@pytest.mark.parametrize(
    "text",
    [
        "# heading\n> quote\n---\n===\n* * *",
        "a\\b \\[x\\] `c\\d` <e> &lt; &amp; x|y ~z~ www.a.test ://x",
        "- [a](https://github.com/a/b?x=1&y=2)\n    - https://arxiv.org/abs/1",
        "*a* _b_ **c** $\\alpha_{i}$",
    ],
)
def test_what_rendering_escapes_is_undone(text: str) -> None:
    assert unescaped(prose(text)) == text
    first = text.split("\n")[0]
    assert unescaped(one_line(first)) == first


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("a", ("a",)),
        ("* a\n* b", ("a", "b")),
        ("1. a\n2) b", ("a", "b")),
        ("* a\n  b\n\n  c\n* d", ("a\nb\n\nc", "d")),
        ("* a\nlazy\n* b", ("* a\nlazy\n* b",)),
        ("* a\n1. b", ("* a\n1. b",)),
        ("intro:\n* a", ("intro:\n* a",)),
        ("**bold** text", ("**bold** text",)),
        ("* \n* b", ("b",)),
    ],
)
def test_a_text_is_items_only_if_it_is_a_list_and_nothing_else(
    text: str, found: tuple[str, ...]
) -> None:
    assert items(text) == found


LAYOUT = '''
"""One paper per line: date, identifier, title."""
from broadsheet.importing.digests import ImportedDigest, ImportedPaper
import datetime as dt

name = "one-liners"
looks_for = "lines that start with LANTERN"

def recognises(text):
    return text.startswith("LANTERN ")

def parse(text):
    _, date, paper_id, title = text.strip().split(" ", 3)
    paper = ImportedPaper(paper_id=paper_id, title=title, status=None, sections={})
    return (ImportedDigest(layout=name, profile="lanterns", style=None, language="en",
                           date=dt.date.fromisoformat(date), papers=(paper,)),)
'''


def install(folder: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with that layout, as pip leaves one."""
    info = folder / "lanterns-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lanterns\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\none-liners = {value}\n")
    (folder / "lantern_layout.py").write_text(LAYOUT)
    monkeypatch.syspath_prepend(str(folder))


def test_another_distribution_brings_a_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "lantern_layout", monkeypatch)
    assert [point.name for point in metadata.entry_points(group=GROUP)] == ["one-liners"]
    digest = only("LANTERN 2026-01-06 2601.00001 Counting Photons")
    assert (digest.layout, digest.papers[0].title) == ("one-liners", "Counting Photons")
    assert only(cv_page(cv_article())).layout == "cv"


@pytest.mark.parametrize("value", ["no_such_module", "lantern_layout:LAYOUT"])
def test_a_layout_that_cannot_be_used_is_named(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", value.replace("LAYOUT", "name"), monkeypatch)
    with pytest.raises(UsageError, match="one-liners"):
        all_layouts(load_settings())


def test_chatter_before_the_first_section_is_dropped() -> None:
    with_it, without = (
        only_paper(cv_page(cv_article(body=b))) for b in (PREAMBLE + CV_ANALYSIS, CV_ANALYSIS)
    )
    assert with_it == without


def test_headings_of_both_languages_are_known() -> None:
    paper = only(hf_page(hf_block(body=hf_analysis("english"))))
    assert paper.language == "en"
    assert only(hf_page(hf_block())).language == "zh"
