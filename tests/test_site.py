"""The site: which pages there are, what they show, and that only what changed is set anew."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from builders import DAY, HOUR, NOON, paper, write_digest, write_list
from selectolax.lexbor import LexborHTMLParser
from site_content import (
    FIRST,
    NEXT,
    SATURDAY,
    SECOND,
    THIRD,
    build,
    page,
    text,
    write_analysis,
    write_history,
)

from broadsheet.config import load_settings
from broadsheet.errors import SiteError, UsageError
from broadsheet.lake import Lake
from broadsheet.site import building, content
from broadsheet.site.building import MANIFEST
from broadsheet.site.press import slug


@pytest.fixture
def site(lake: Lake, tmp_path: Path) -> Path:
    """The built site of the small history."""
    write_history(lake)
    build(tmp_path / "site")
    return tmp_path / "site"


def files(site: Path) -> set[str]:
    return {str(f.relative_to(site)) for f in site.rglob("*") if f.is_file()} - {MANIFEST}


def bytes_of(site: Path) -> dict[str, bytes]:
    return {name: (site / name).read_bytes() for name in files(site)}


def test_every_digest_and_every_paper_has_its_page(site: Path) -> None:
    assert {f"cv/{DAY}.html", f"cv/{NEXT}.html", f"cv/{SATURDAY}.html"} <= files(site)
    assert {f"agents/{DAY}.html", "agents/atom.xml", "cv/feed.json"} <= files(site)
    for language in ("zh", "en"):
        papers = {f for f in files(site) if f.startswith(f"{language}/papers/")}
        assert papers == {f"{language}/papers/{name}.html" for name in (FIRST, SECOND, THIRD)}


def test_links_lead_to_files_and_anchors_that_are_there(site: Path) -> None:
    ids = {
        name: {node.attributes["id"] for node in page(site, name).css("[id]")}
        for name in files(site)
        if name.endswith(".html")
    }
    followed = 0
    for name in ids:
        for node in page(site, name).css("[href], [src], [srcset]"):
            for attribute in ("href", "src", "srcset"):
                target = urlsplit(node.attributes.get(attribute) or "")
                if target.scheme or not (target.path or target.fragment):
                    continue
                found = (site / name).parent / unquote(target.path) if target.path else site / name
                assert found.is_file(), (name, target)
                if target.fragment:
                    assert target.fragment in ids[str(found.resolve().relative_to(site.resolve()))]
                followed += 1
    assert followed > 300


def test_every_page_is_linked_from_another(site: Path) -> None:
    pages = {name for name in files(site) if name.endswith(".html")}
    linked = {
        str(((site / name).parent / urlsplit(str(node.attributes["href"])).path).resolve())
        for name in pages
        for node in page(site, name).css("a[href]")
    }
    root = site.resolve()
    assert {name for name in pages if str(root / name) not in linked} == set()


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    for name in files(site):
        if name.endswith(".html"):
            tree = page(site, name)
            for node in tree.css("script, link, img, source, iframe, object, embed"):
                told = [node.attributes.get(key) or "" for key in ("src", "href", "srcset")]
                assert not any(re.match(r"(\w+:)?//", one) for one in told), name
            assert tree.css("style, [style], [onclick], script:not([src])") == []
            policy = tree.css_first("meta[http-equiv=Content-Security-Policy]")
            assert policy is not None
            assert "default-src 'none'" in str(policy.attributes["content"])


def test_a_digest_shows_its_papers_in_its_language(site: Path) -> None:
    shown = text(site, f"cv/{DAY}.html")
    assert f"1. Title of {FIRST}" in shown and f"2. Title of {SECOND}" in shown
    assert "核心创新点" in shown and "Counting is cheap." in shown
    assert "模型 maker/model-1 · 阅读来源 HTML 全文 · 提示词 cv-1" in shown
    assert "模型尚未作答" in shown and "部分完成" in shown
    assert page(site, f"cv/{DAY}.html").css_first("html").attributes["lang"] == "zh-Hans"
    english = text(site, f"agents/{DAY}.html")
    assert "read from the full text" in english and "核心" not in english


def test_days_are_turned_by_links(site: Path) -> None:
    middle = page(site, f"cv/{NEXT}.html")
    assert middle.css_first("a[rel=prev]").attributes["href"] == f"{DAY}.html"
    assert middle.css_first("a[rel=next]").attributes["href"] == f"{SATURDAY}.html"
    assert page(site, f"cv/{DAY}.html").css_first("a[rel=prev]") is None


def test_an_empty_day_says_so(site: Path) -> None:
    assert "当日没有论文" in text(site, f"cv/{SATURDAY}.html")


def test_a_paper_shows_all_that_is_known_of_it(site: Path) -> None:
    shown = text(site, f"zh/papers/{FIRST}.html")
    assert "Ada Wind" in shown and "Nothing in particular." in shown
    assert "kites in wind" in shown and "cs.CV" in shown
    assert "9 赞" in shown and "2026-01-06 12:00 7" in shown
    assert (
        shown.count("CV 论文日报 · 2026-01-0") >= 3
    )  # its analysis, and both days that featured it
    tree = page(site, f"zh/papers/{FIRST}.html")
    assert tree.css_first(f'a[href="https://arxiv.org/abs/{FIRST}"]') is not None


def test_an_author_with_a_page_is_named_however_late(lake: Lake, tmp_path: Path) -> None:
    crowd = [f"Nobody {number}" for number in range(90)]
    papers = [paper(name, authors=[*crowd, f"C {name}", "Z. Late"]) for name in (FIRST, SECOND)]
    write_list(lake, *papers, paper(THIRD, authors=["Z. Late"]))
    write_digest(lake, [FIRST], language="zh")
    build(tmp_path / "site")
    shown = text(tmp_path / "site", f"zh/papers/{FIRST}.html")
    assert "Z. Late" in shown and "Nobody 89" not in shown and "+31" in shown


def test_formulas_are_drawn_without_scripts(site: Path) -> None:
    tree = page(site, f"zh/papers/{SECOND}.html")
    assert tree.css_first("blockquote math msup") is not None


def test_pending_papers_are_listed_with_the_reason(site: Path) -> None:
    shown = text(site, "zh/pending.html")
    assert f"Title of {SECOND}" in shown and "还在排队" in shown and FIRST not in shown


def test_front_page_leads_with_the_newest_digest_that_has_papers(site: Path) -> None:
    shown = text(site, "index.html")
    assert str(NEXT) in shown.split("往期")[0]
    assert str(SATURDAY) not in shown


def test_calendar_has_every_digest(site: Path) -> None:
    marks = [a.attributes["href"] for a in page(site, "zh/calendar.html").css(".months td a")]
    cv = [f"../cv/{day}.html" for day in (DAY, NEXT, SATURDAY)]
    assert Counter(marks) == Counter([*cv, f"../agents/{DAY}.html"])


def test_earlier_years_have_calendars_of_their_own(site: Path, lake: Lake) -> None:
    write_digest(lake, [FIRST], date=dt.date(2024, 5, 28), language="zh")
    build(site)
    years = {a.attributes["href"] for a in page(site, "zh/calendar.html").css("main p a")}
    assert years == {"calendar.html", "calendar-2024.html"}
    marks = page(site, "zh/calendar-2024.html").css(".months td a")
    assert [mark.attributes["href"] for mark in marks] == ["../cv/2024-05-28.html"]


def test_topics_and_authors_list_their_papers(site: Path) -> None:
    for path in (f"zh/topics/{slug('kites in wind')}.html", f"en/authors/{slug('Ada Wind')}.html"):
        assert all(f"Title of {name}" in text(site, path) for name in (FIRST, SECOND, THIRD))


def test_how_it_was_made_names_models_and_prompts(site: Path) -> None:
    assert "maker/model-1" in text(site, "en/about.html") and "hf-1" in text(site, "en/about.html")


def test_shared_pages_exist_in_every_language_and_name_each_other(site: Path) -> None:
    tree = page(site, "zh/topics.html")
    other = tree.css_first("link[rel=alternate][hreflang]")
    assert other.attributes["href"] == "../en/topics.html"
    shared = {f.partition("/")[2] for f in files(site) if f.startswith("zh/")}
    assert shared == {f.partition("/")[2] for f in files(site) if f.startswith("en/")}


def test_a_second_build_writes_nothing(site: Path) -> None:
    before = bytes_of(site)
    built = build(site)
    assert (built.written, built.removed) == (0, 0)
    assert bytes_of(site) == before


def test_two_builds_from_nothing_are_equal(site: Path, tmp_path: Path) -> None:
    build(tmp_path / "again")
    assert bytes_of(tmp_path / "again") == bytes_of(site)
    build(site, is_full=True)
    assert bytes_of(tmp_path / "again") == bytes_of(site)


def test_a_new_digest_sets_its_own_and_the_index_pages_only(
    site: Path, lake: Lake, tmp_path: Path
) -> None:
    date = dt.date(2026, 1, 12)
    write_list(lake, paper("2601.00009", authors=["C. High"], categories=[]), date=date)
    write_digest(lake, ["2601.00009"], date=date, language="zh")
    write_analysis(lake, "2601.00009")
    before = bytes_of(site)
    build(site)
    after = bytes_of(site)
    changed = {name for name in after if before.get(name) != after[name]}
    own = {f"cv/{date}.html", "zh/papers/2601.00009.html", "en/papers/2601.00009.html"}
    neighbour = {f"cv/{SATURDAY}.html"}
    assert own | neighbour | {"index.html", "cv/index.html", "cv/atom.xml"} <= changed
    untouched = {f"cv/{DAY}.html", f"agents/{DAY}.html", "agents/atom.xml", "agents/index.html"}
    assert not changed & (untouched | {f"zh/papers/{name}.html" for name in (FIRST, SECOND)})
    build(tmp_path / "anew")
    assert bytes_of(tmp_path / "anew") == after


def test_what_is_no_longer_there_goes(site: Path, lake: Lake) -> None:
    [digest] = (Path(lake.root) / "digests/profile=agents").rglob("*.parquet")
    digest.unlink()
    built = build(site)
    assert built.removed > 3 and not (site / f"agents/{DAY}.html").exists()
    assert not any(name.startswith("en/") for name in files(site))


def test_a_page_that_was_deleted_comes_back(site: Path) -> None:
    (site / "zh/trends.html").unlink()
    assert build(site).written == 1 and (site / "zh/trends.html").is_file()


def test_a_killed_build_is_made_good_by_the_next(
    site: Path, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_digest(lake, [FIRST, THIRD], date=SATURDAY, language="zh")
    left = 3

    def killed(path: Path, whole: bytes) -> None:
        nonlocal left
        if path.name != MANIFEST:
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
        write(path, whole)

    write = building._write
    monkeypatch.setattr(building, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        build(site)
    monkeypatch.setattr(building, "_write", write)
    build(site)
    build(tmp_path / "anew")
    assert bytes_of(site) == bytes_of(tmp_path / "anew")


def test_a_folder_of_something_else_is_left_alone(lake: Lake, tmp_path: Path) -> None:
    write_history(lake)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="no site of ours"):
        build(tmp_path / "mine")
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["index.html"]


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(
    lake: Lake, tmp_path: Path
) -> None:
    write_history(lake)
    (tmp_path / "file").write_text("")
    with pytest.raises(SiteError, match="cannot write the site"):
        build(tmp_path / "file" / "site")


def test_without_digests_there_is_no_site(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no digest yet"):
        build(tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_profile_named_like_a_folder_of_the_site_is_refused(lake: Lake, tmp_path: Path) -> None:
    write_digest(lake, [FIRST], profile="assets", language="zh")
    with pytest.raises(UsageError, match="profile assets has the name of a folder"):
        build(tmp_path / "site")


def test_a_paper_without_a_list_has_a_page(lake: Lake, tmp_path: Path) -> None:
    write_digest(lake, ["astro-ph/0601001"], origin="imported", language="zh")
    build(tmp_path / "site")
    shown = text(tmp_path / "site", "zh/papers/astro-ph_0601001.html")
    assert "Title of astro-ph/0601001" in shown and "没有保存摘要" in shown
    assert "这篇的解读已不在库中" in text(tmp_path / "site", f"cv/{DAY}.html")


def test_an_analysis_of_a_style_that_is_gone_keeps_its_sections(lake: Lake, tmp_path: Path) -> None:
    write_digest(lake, [FIRST], style="gone", language="en")
    sections = json.dumps({"main_idea": "Kites.", "steps": ["One.", "Two."]})
    row: dict[str, Any] = {"sections": sections, "language": "en", "question": f"question-{FIRST}"}
    base = {"status": "complete", "model": "m", "reading_source": "abstract", "extract": []}
    whole = {
        **base,
        **row,
        "style": "gone",
        "paper_id": FIRST,
        "profile": "cv",
        "analyzed_at": NOON,
    }
    lake.write("analyses", [whole], "gone", date=DAY)
    build(tmp_path / "site")
    assert "main idea Kites. steps One. Two." in text(tmp_path / "site", f"cv/{DAY}.html")


def test_extracts_that_say_the_same_are_shown_once(lake: Lake, tmp_path: Path) -> None:
    write_digest(lake, [FIRST], language="zh")
    for style in ("cv", "hf"):
        same = {"sections": "{}", "extract": ["We count."], "model": "extractive"}
        write_analysis(lake, FIRST, style, **same)
    read = content.read(load_settings())
    assert len(read.said[FIRST]) == 1


def test_analyses_of_one_instant_always_come_in_one_order(lake: Lake) -> None:
    write_digest(lake, [FIRST], language="zh")
    for question in ("q2", "q3", "q1"):
        write_analysis(lake, FIRST, question=question)
    write_analysis(lake, FIRST, question="q0", analyzed_at=NOON + HOUR)
    said = content.read(load_settings()).said[FIRST]
    assert [one.analysis.question for one in said] == ["q0", "q1", "q2", "q3"]


def test_first_publication_is_when_the_first_run_ended(lake: Lake) -> None:
    write_digest(lake, [FIRST], language="zh", published_at=NOON + 5 * HOUR)
    run = {"run_id": "r", "profile": "cv", "digest_date": DAY, "outcome": "partial"}
    lake.write("runs", [{**run, "ended_at": NOON, "started_at": NOON}], "r", date=DAY)
    [issue] = content.read(load_settings()).issues
    assert (issue.first_published_at, issue.updated_at) == (NOON, NOON + 5 * HOUR)


@pytest.mark.parametrize(
    "name", ["Ada Wind", "李明", "a/b\\c:d", "", "x" * 500, "../../etc", "ADA wind"]
)
def test_slugs_are_harmless_file_names(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,80}", slug(name))


def test_slugs_differ_where_names_do() -> None:
    names = ["Ada Wind", "ada wind", "Ada-Wind", "李明", "李 明", "é", "e"]
    assert len({slug(name) for name in names}) == len(names)


def test_reading_the_pages_needs_no_parser_mercy(site: Path) -> None:
    """Every element that is opened is closed where it was meant to be."""
    for name in ("index.html", f"cv/{DAY}.html", f"zh/papers/{FIRST}.html", "zh/calendar.html"):
        raw = (site / name).read_text(encoding="utf-8")
        again = LexborHTMLParser(raw).html or ""
        for tag in ("main", "article", "section", "nav", "table", "li", "p", "ol", "ul"):
            assert len(re.findall(rf"<{tag}[ >]", raw)) == len(re.findall(rf"<{tag}[ >]", again))
