"""The site in a browser: followed to its end, by mouse, keyboard and assistive technology."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import PHONE, Site, crawl, inaccessible, page_of, serve, text, too_wide, visit
from builders import DAY
from playwright.sync_api import Browser, expect
from site_content import FIRST, NEXT, write_history

from broadsheet.config import load_settings
from broadsheet.lake import Lake
from broadsheet.site import building

pytestmark = pytest.mark.browser

LARGEST_PAGE = 150_000
"""Bytes of all that a page loads, the search apart."""
KINDS = [
    "index.html",
    "cv/index.html",
    f"cv/{DAY}.html",
    f"agents/{DAY}.html",
    f"zh/papers/{FIRST}.html",
    "zh/topics.html",
    "en/authors.html",
    "zh/calendar.html",
    "zh/trends.html",
    "zh/pending.html",
    "en/about.html",
    "en/search.html",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the small history, with its search index."""
    home = tmp_path_factory.mktemp("home")
    write_history(Lake(str(home / "lake")))
    building.build(load_settings({"BROADSHEET_HOME": str(home)}))
    return home / "site"


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    with serve(folder) as served:
        yield served


def test_every_page_is_reached_and_nothing_is_wrong_on_any(
    browser: Browser, site: Site, folder: Path
) -> None:
    found = crawl(browser, site)
    assert not found.problems
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.html")}
    assert pages <= set(found.pages)
    sizes = {path: size for path, size in found.sizes.items() if not path.endswith("search.html")}
    assert max(sizes.values()) <= LARGEST_PAGE


@pytest.mark.parametrize("path", KINDS)
def test_pages_are_accessible_and_fit_a_phone(browser: Browser, site: Site, path: str) -> None:
    assert not inaccessible(browser, site.at(path))
    assert not too_wide(browser, site.at(path))


def test_pages_are_whole_without_scripts(browser: Browser, site: Site) -> None:
    assert "Counting is cheap." in text(browser, site.at(f"cv/{DAY}.html"))
    assert "Nothing in particular." in text(browser, site.at(f"zh/papers/{FIRST}.html"))


def test_search_finds_english_and_chinese_and_back_goes_back(browser: Browser, site: Site) -> None:
    with page_of(browser, site) as (page, log):
        visit(page, site.at("en/search.html"))
        page.fill("#search-q", "particular")
        page.keyboard.press("Enter")
        expect(page.locator("#search-results li")).to_have_count(3)
        page.locator("#search summary").click()
        page.get_by_label("Agents & Reasoning").check()
        expect(page.locator("#search-results li")).to_have_count(1)
        page.go_back()
        expect(page.locator("#search-results li")).to_have_count(3)
        visit(page, site.at("zh/search.html"))
        page.fill("#search-q", "计数光子")
        page.keyboard.press("Enter")
        expect(page.locator("#search-results li")).to_have_count(1)
        page.locator("#search-results a").first.click()
        expect(page.locator("h1")).to_have_text(f"Title of {FIRST}")
        assert not log.problems


def test_keys_lead_through_a_digest(browser: Browser, site: Site) -> None:
    with page_of(browser, site) as (page, log):
        visit(page, site.at(f"cv/{DAY}.html"))
        page.keyboard.press("j")
        expect(page.locator("article h2 a").first).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page).to_have_url(site.at(f"cv/{NEXT}.html"))
        page.keyboard.press("/")
        expect(page).to_have_url(site.at("zh/search.html"))
        assert not log.problems


def test_the_first_tab_leads_to_the_text(browser: Browser, site: Site) -> None:
    with page_of(browser, site) as (page, _):
        visit(page, site.at("index.html"))
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()


def test_pages_open_from_the_file_system(browser: Browser, folder: Path) -> None:
    page = browser.new_page(viewport={"width": PHONE, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((folder / "index.html").as_uri())
    expect(page.locator(".masthead")).to_have_css("text-align", "center")  # its style sheet is read
    page.locator(".columns h3 a").first.click()
    expect(page.locator("article h2").first).to_be_visible()
    page.goto((folder / "zh/search.html").as_uri())
    expect(page.locator("#search-status")).to_contain_text("broadsheet site serve")
    assert said == []
    page.close()


def test_it_prints_without_its_navigation(browser: Browser, site: Site) -> None:
    with page_of(browser, site) as (page, _):
        visit(page, site.at(f"cv/{DAY}.html"))
        page.emulate_media(media="print")
        expect(page.locator(".masthead nav")).to_be_hidden()
        expect(page.locator("article h2").first).to_be_visible()
