"""Search in the pages finds papers by phrases of both languages, under a path, a strict policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import (
    PHONE,
    Log,
    Site,
    axe,
    crawl,
    inaccessible,
    page_of,
    serve,
    text,
    too_wide,
    visit,
)
from playwright.sync_api import Browser, Page, Route, TimeoutError, expect
from search_site import PaperPage, words, write_site

from broadsheet.errors import SiteError
from broadsheet.site.searching import index, searched

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=2</script> &lt;b&gt; hostileword'
FLOW = PaperPage(
    paper_id="2601.00001",
    title="Flow Matching for Image Restoration",
    text="本文提出一种图像复原方法，利用流匹配实现超分辨率，鲁棒性更好。KV缓存也被压缩。",
    score=93,
    profiles=("cv", "hf"),
    topics=("Flow Matching", "Super-Resolution, real"),
)
MAMBA = PaperPage(
    paper_id="2512.00002",
    title="Restoring Pictures with Mamba",
    text="状态空间模型的图像修复，匹配先验流。",
    date="2025-12-09",
    score=9,
    topics=("Image Generation",),
)
AGENTS = PaperPage(
    paper_id="2602.00003",
    title="Agents That Plan",
    text="大语言模型智能体的规划。",
    date="2026-02-20",
    score=None,
    profiles=("agents",),
)
STRANGE = PaperPage(
    paper_id="2601.00004", title=HOSTILE, text=f"危险文本 {HOSTILE}", date="2026-01-07"
)
ENGLISH = PaperPage(
    paper_id="2601.00001",
    title=FLOW.title,
    text="We restore degraded images with flow matching in few steps.",
    score=93,
)
PHRASES = PaperPage(
    paper_id="2601.00005",
    title="Matching Costs",
    text="A matching cost that lets gradients flow, in few words.",
    score=81,
)
MANY = [
    PaperPage(
        paper_id=f"2511.{n:05}", title=f"Paper {n}", text="共同词", date="2025-11-02", score=n
    )
    for n in range(1, 26)
]
PAPERS = {"zh": [FLOW, MAMBA, AGENTS, STRANGE, *MANY], "en": [ENGLISH, PHRASES]}

SHOWN = """([titles, inOrder, status]) => {
  const shown = [...document.querySelectorAll('#search-results h2')].map(e => e.textContent);
  const text = list => JSON.stringify(inOrder ? list : [...list].sort());
  return text(shown) === text(titles)
    && document.getElementById('search-status').textContent === status;
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The papers above, indexed, served below a path."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, PAPERS)
    assert index(folder) == sum(map(len, PAPERS.values()))
    with serve(folder) as served:
        yield served


@pytest.fixture
def opened(browser: Browser, site: Site) -> Iterator[tuple[Page, Log]]:
    """A page; whatever a test does in it, nothing goes wrong."""
    with page_of(browser, site) as (page, log):
        yield page, log
        assert not log.problems
        assert page.evaluate("window.hit") is None


def at(site: Site, query: str = "", language: str = "zh") -> str:
    """The address of a search."""
    return site.at(f"{language}/search.html{query}")


def search(page: Page, address: str) -> None:
    """Open a search, and wait for its answer or its failure."""
    visit(page, address)
    page.wait_for_selector("#search-results[aria-busy=false]", state="attached")


def ask(page: Page, question: str) -> None:
    """Type a question and press Enter."""
    page.fill("#search-q", question)
    page.press("#search-q", "Enter")


def shows(page: Page, *papers: PaperPage, in_order: bool = False) -> None:
    """Wait until exactly these papers are counted and shown."""
    titles = [paper.title for paper in papers]
    arguments = [titles, in_order, counted(page, len(papers))]
    try:
        page.wait_for_function(SHOWN, arg=arguments, timeout=20_000)
    except TimeoutError:
        found = page.locator("#search-results h2").all_inner_texts()
        pytest.fail(f"{page.inner_text('#search-status')} {found}, not {titles}: {page.url}")


def counted(page: Page, count: int) -> str:
    """How a page says a number of papers."""
    said = words("zh" if "/zh/" in page.url else "en")
    key = {0: "search_none", 1: "search_one"}.get(count, "search_many")
    return said[key].replace("{n}", str(count))


@pytest.mark.browser
def test_a_chinese_page_is_found_by_phrases_of_both_languages(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site))
    for question, papers in {
        "图像复原": [FLOW],
        "流匹配": [FLOW],
        "鲁棒性": [FLOW],
        "分辨率": [FLOW],
        "图像": [FLOW, MAMBA],
        "KV缓存": [FLOW],
        "“KV缓存”": [FLOW],
        "“缓存KV”": [],
        "图像 匹配": [FLOW, MAMBA],
        "mamba 图像": [MAMBA],
        "Flow matching 超分辨率": [FLOW],
        "flow 状态空间": [],
        '"flow matching"': [FLOW],
        "FLOW": [FLOW],
        "量子计算": [],
        "鲁棒": [FLOW],
        "ignoredfacts": [],
        "Mamba": [MAMBA],
        "!?": [],
    }.items():
        ask(page, question)
        shows(page, *papers)


@pytest.mark.browser
def test_an_english_page_is_found_by_words_and_phrases(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site, language="en"))
    for question, papers in {
        "flow matching": [ENGLISH, PHRASES],
        '"flow matching"': [ENGLISH],
        "restoring images": [ENGLISH],
        "costs": [PHRASES],
        "图像复原": [],
    }.items():
        ask(page, question)
        shows(page, *papers, in_order=True)


@pytest.mark.browser
def test_a_result_leads_to_its_page_and_shows_where_it_matches(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site, "?q=图像复原"))
    shows(page, FLOW)
    assert "".join(page.locator("mark").all_inner_texts()) == "图像复原"
    assert page.inner_text(".excerpt") == FLOW.text
    assert page.locator(".facts .score").inner_text() == "93"
    assert page.inner_text("#search-status") == "1 篇论文"
    page.click("#search-results a")
    assert page.url == site.at("zh/papers/2601.00001.html")


@pytest.mark.browser
def test_filters_narrow(opened: tuple[Page, Log], site: Site) -> None:
    page, _ = opened
    for query, papers in {
        "?profile=hf": [FLOW],
        "?profile=hf&profile=agents": [FLOW, AGENTS],
        "?topic=Super-Resolution, real": [FLOW],
        "?from=2026-01&to=2026-01": [FLOW, STRANGE],
        "?from=2026-01": [FLOW, STRANGE, AGENTS],
        "?from=2026-02&to=2026-01": [FLOW, STRANGE, AGENTS],
        "?score=90%2B": [FLOW],
        "?score=–": [AGENTS],
        "?q=图像&to=2025-12": [MAMBA],
        "?q=图像 匹配&profile=hf": [FLOW],
        "?profile=agents&score=90%2B": [],
    }.items():
        search(page, at(site, query))
        shows(page, *papers)


@pytest.mark.browser
def test_a_filter_alone_loads_no_words_but_one(opened: tuple[Page, Log], site: Site) -> None:
    page, log = opened
    search(page, at(site, "?profile=hf"))
    shows(page, FLOW)
    assert page.inner_text(".excerpt") == FLOW.text
    assert len([one for one in log.requests if one.endswith(".pf_index")]) == 1


@pytest.mark.browser
def test_filters_are_offered_with_their_counts(opened: tuple[Page, Log], site: Site) -> None:
    page, _ = opened
    search(page, at(site))
    page.click("summary")
    labels = page.locator("[data-filter=profile] label").all_inner_texts()
    assert [one.split() for one in labels] == [["agents", "1"], ["cv", "28"], ["hf", "1"]]
    bands = page.locator("[data-filter=score] label").all_inner_texts()
    assert [one.split()[0] for one in bands] == ["90+", "80–89", "0–79", "–"]
    assert page.locator("select[name=from] option").count() == 5


@pytest.mark.browser
def test_papers_are_sorted_by_date_and_by_score_as_a_number(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site, "?from=2025-12"))
    shows(page, AGENTS, STRANGE, FLOW, MAMBA, in_order=True)
    page.select_option("select[name=sort]", "score")
    shows(page, FLOW, STRANGE, MAMBA, AGENTS, in_order=True)
    ask(page, "图像 匹配")
    shows(page, FLOW, MAMBA, in_order=True)
    page.select_option("select[name=sort]", "date")
    shows(page, FLOW, MAMBA, in_order=True)


@pytest.mark.browser
def test_the_best_match_comes_first(opened: tuple[Page, Log], site: Site) -> None:
    page, _ = opened
    search(page, at(site, "?q=matching", language="en"))
    shows(page, PHRASES, ENGLISH, in_order=True)


@pytest.mark.browser
def test_the_back_button_restores_a_search_and_an_address_can_be_shared(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site))
    ask(page, "图像")
    shows(page, FLOW, MAMBA)
    page.click("summary")
    page.check("input[name=profile][value=hf]")
    shows(page, FLOW)
    shared = page.url
    page.go_back()
    shows(page, FLOW, MAMBA)
    assert not page.is_checked("input[value=hf]")
    page.go_forward()
    shows(page, FLOW)
    assert page.is_checked("input[value=hf]")
    search(page, shared)
    shows(page, FLOW)
    assert page.input_value("#search-q") == "图像"
    page.click("button[type=reset]")
    page.wait_for_url(at(site))
    expect(page.locator("#search-status")).to_have_text(f"{len(PAPERS['zh'])} 篇论文")


@pytest.mark.browser
def test_what_is_typed_before_the_index_is_there_is_kept(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    waiting: list[Route] = []
    page.context.route("**/pagefind.js", lambda route: waiting.append(route))
    with page.expect_request("**/pagefind.js"):
        page.goto(at(site, "?q=图像"))
    page.fill("#search-q", "mamba")
    waiting[0].continue_()
    shows(page, MAMBA)
    assert page.input_value("#search-q") == "mamba"


@pytest.mark.browser
def test_answers_come_while_typing_and_leave_the_history_alone(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site))
    before = page.evaluate("history.length")
    page.locator("#search-q").press_sequentially("mamba", delay=20)
    shows(page, MAMBA)
    assert page.evaluate("history.length") == before


@pytest.mark.browser
def test_more_results_come_when_asked_and_take_the_focus(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    search(page, at(site, "?q=共同词"))
    results = page.locator("#search-results li")
    for count in (10, 20, 25):
        expect(results).to_have_count(count)
        if count < 25:
            page.click("#search-more")
    assert not page.is_visible("#search-more")
    assert page.evaluate(
        "document.activeElement.closest('li') === "
        "document.querySelectorAll('#search-results li')[20]"
    )


@pytest.mark.browser
def test_hostile_text_is_shown_as_text(opened: tuple[Page, Log], site: Site) -> None:
    page, _ = opened
    search(page, at(site, "?q=hostileword"))
    shows(page, STRANGE)
    assert page.locator("#search-results").locator("img, script, b").count() == 0
    assert HOSTILE.split()[0] in page.inner_text(".excerpt")
    search(page, at(site, "?q=<img src=x onerror=window.hit=3>&profile=<b>"))
    expect(page.locator("#search-status")).not_to_be_empty()


@pytest.mark.browser
def test_all_works_from_a_server_that_sends_the_policy_itself(browser: Browser, site: Site) -> None:
    from search_site import POLICY

    headers = {"Content-Security-Policy": POLICY}
    with serve(site.folder, "/", headers) as strict, page_of(browser, strict) as (page, log):
        search(page, at(strict, "?q=鲁棒性"))
        shows(page, FLOW)
    assert not log.problems


@pytest.mark.browser
def test_a_missing_index_is_told(browser: Browser, tmp_path: Path) -> None:
    write_site(tmp_path / "site", {"en": []})
    with serve(tmp_path / "site") as bare, page_of(browser, bare) as (page, _):
        search(page, at(bare, language="en"))
        assert page.inner_text("#search-status") == words("en")["search_failed"]


@pytest.mark.browser
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_file_and_a_page_without_scripts_say_what_to_do(
    browser: Browser, site: Site, language: str
) -> None:
    said = words(language)
    page = browser.new_page()
    page.goto((site.folder / language / "search.html").as_uri())
    assert page.inner_text("#search-status") == said["search_file"]
    page.close()
    assert said["search_no_script"] in text(browser, at(site, language=language))


@pytest.mark.browser
def test_pages_are_sound_accessible_and_fit_a_phone(browser: Browser, site: Site) -> None:
    found = crawl(browser, site, "zh/papers/2601.00001.html")
    assert "zh/search.html" in found.pages
    assert not found.problems, found
    for address in (at(site, "?q=图像&profile=hf"), at(site, "?q=hostileword")):
        assert not inaccessible(browser, address)
        assert not too_wide(browser, address)


@pytest.mark.browser
def test_keys_search_and_are_listed_and_can_be_turned_off(
    opened: tuple[Page, Log], site: Site
) -> None:
    page, _ = opened
    visit(page, site.at("zh/papers/2601.00001.html"))
    page.keyboard.press("/")
    page.wait_for_url(at(site))
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search-q"
    page.keyboard.type("/?j")
    assert page.input_value("#search-q") == "/?j"
    page.locator("summary").focus()
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    assert not axe(page)
    page.uncheck("#keys-on")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert not page.is_visible("#keys")
    page.reload()
    page.keyboard.press("?")
    assert not page.is_visible("#keys")
    page.click("#keys-open")
    assert not page.is_checked("#keys-on")


@pytest.mark.browser
def test_keys_go_through_articles_and_digests(browser: Browser, tmp_path: Path) -> None:
    write_site(tmp_path / "site", {"en": []})
    part = '<article><h2 class="t">{}</h2></article>'
    head = '<!doctype html><title>x</title><link rel="icon" href="data:,">'
    links = (
        '<a rel="prev" href="search.html?before">b</a><a rel="next" href="search.html?after">a</a>'
    )
    day = head + links + "".join(map(part.format, "abc"))
    (tmp_path / "site" / "en" / "day.html").write_text(day + '<script src="../keys.js"></script>')
    with serve(tmp_path / "site") as served, page_of(browser, served) as (page, _):
        visit(page, served.at("en/day.html"))
        reached = []
        for key in "jjjjk":
            page.keyboard.press(key)
            reached.append(page.evaluate("document.activeElement.textContent"))
        assert reached == ["a", "b", "c", "c", "b"]
        page.keyboard.press("Control+ArrowRight")
        assert page.url.endswith("day.html")
        page.keyboard.press("ArrowRight")
        page.wait_for_url("**/search.html?after")
        page.go_back()
        page.keyboard.press("ArrowLeft")
        page.wait_for_url("**/search.html?before")


@pytest.mark.browser
def test_results_fit_a_phone_while_all_filters_are_open(browser: Browser, site: Site) -> None:
    assert not too_wide(browser, at(site, "?from=2025-12"), PHONE)


def test_han_characters_of_texts_are_separated_and_nothing_else_is_touched() -> None:
    page = '<meta content="图像"><p title="图像">KV缓存, flow 图</p>'
    assert searched(page) == '<meta content="图像"><p title="图像">KV\u200b缓\u200b存, flow 图</p>'


def test_an_index_of_the_same_pages_is_left_alone(tmp_path: Path) -> None:
    write_site(tmp_path / "site", {"en": [ENGLISH]})
    site = tmp_path / "site"

    def files() -> dict[str, bytes]:
        return {str(one): one.read_bytes() for one in site.rglob("*") if one.is_file()}

    assert index(site) == 1
    first = files()
    assert index(site) == 1
    assert files() == first
    write_site(site / "other", {"en": [PHRASES]})
    (site / "other" / "en" / "papers").joinpath("2601.00005.html").rename(
        site / "en" / "papers" / "2601.00005.html"
    )
    assert index(site) == 2
    assert files().keys() > first.keys() - {one for one in first if "/pagefind/" in one}
    assert not (site / ".pagefind.new").exists()


def test_a_site_without_papers_has_no_index(tmp_path: Path) -> None:
    write_site(tmp_path / "site", {"en": [ENGLISH]})
    index(tmp_path / "site")
    (tmp_path / "site/en/papers/2601.00001.html").write_text("<p>nothing to search</p>")
    assert index(tmp_path / "site") == 0
    assert not (tmp_path / "site/pagefind").exists()


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    write_site(tmp_path / "site", {"en": [ENGLISH]})
    left = tmp_path / "site/.pagefind.new/pages/en/papers/2601.99999.html"
    left.parent.mkdir(parents=True)
    left.write_text("<main data-pagefind-body>half")
    assert index(tmp_path / "site") == 1
    assert not (tmp_path / "site/.pagefind.new").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("exit 3", "ended with 3"),
        ("echo odd >&2; exit 4", "ended with 4: odd"),
        (None, "installed"),
    ],
)
def test_a_failed_run_leaves_the_old_index_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str | None, said: str
) -> None:
    site = tmp_path / "site"
    write_site(site, {"en": [ENGLISH]})
    index(site)
    before = (site / "pagefind" / "pagefind-entry.json").read_bytes()
    (site / "en/papers/2601.00001.html").write_text("<main data-pagefind-body>changed</main>")
    script = tmp_path / "pagefind.sh"
    if program:
        script.write_text(f"#!/bin/sh\n{program}\n")
        script.chmod(0o755)
    monkeypatch.setenv("PAGEFIND_BINARY_PATH", str(script))
    with pytest.raises(SiteError, match=said) as error:
        index(site)
    assert error.value.remedy
    assert (site / "pagefind" / "pagefind-entry.json").read_bytes() == before
    assert not (site / ".pagefind.new").exists()


def test_a_page_that_pagefind_skips_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    write_site(site, {"en": [ENGLISH]})
    script = tmp_path / "pagefind.sh"
    entry = '{"languages": {"en": {"page_count": 0}}}'
    script.write_text(f"#!/bin/sh\nmkdir index; echo '{entry}' > index/pagefind-entry.json\n")
    script.chmod(0o755)
    monkeypatch.setenv("PAGEFIND_BINARY_PATH", str(script))
    with pytest.raises(SiteError, match="0 of 1 pages"):
        index(site)
