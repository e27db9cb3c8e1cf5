"""The text of a pick is fetched once per date; a page that appears later takes its place."""

from __future__ import annotations

import pytest
from builders import DAY, NOON, Row, a_pick
from conftest import Web

from broadsheet import texts
from broadsheet.config import load_profile, load_settings
from broadsheet.editions import Edition
from broadsheet.lake import Lake
from broadsheet.models import ReadingSource
from broadsheet.sources.fulltext import FullTexts
from broadsheet.styles import load_style

PAGE = """<html><body><article class="ltx_document"><section class="ltx_section">
<h2 class="ltx_title ltx_title_section">1 Lanterns</h2>
<div class="ltx_para"><p class="ltx_p">They count photons.</p></div>
</section></article></body></html>"""


@pytest.fixture(autouse=True)
def arxiv(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    monkeypatch.setenv("BROADSHEET_ARXIV_URL", web.url)
    monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
    return web


def an_edition(profile: str = "hf") -> Edition:
    settings = load_settings()
    loaded = load_profile(settings, profile)
    style = load_style(settings, loaded.style, loaded.language)
    return Edition(settings=settings, profile=loaded, style=style, date=DAY)


def stored(lake: Lake, name: str = "2601.00001") -> Row:
    [row] = lake.rows("fulltexts", name, date=DAY) or []
    return row


def test_a_text_is_fetched_once_per_date(arxiv: Web) -> None:
    arxiv.respond = lambda path, query: (200, PAGE)
    first = texts.read(an_edition(), a_pick(1))
    assert (first.reading_source, first.sections[-1].text) == ("html", "They count photons.")
    assert texts.read(an_edition(), a_pick(1)) == first
    assert [path for path, _ in arxiv.requests] == ["/html/2601.00001v1"]


def test_a_profile_that_reads_abstracts_fetches_and_stores_nothing(arxiv: Web, lake: Lake) -> None:
    text = texts.read(an_edition("cv"), a_pick(1))
    assert (text.reading_source, text.reason) == (ReadingSource.ABSTRACT, "not_wanted")
    assert (arxiv.requests, lake.files("fulltexts")) == ([], [])


def test_a_page_that_has_appeared_is_the_dates_text(arxiv: Web, lake: Lake) -> None:
    assert texts.read(an_edition(), a_pick(1)).reason == "not_found"
    arxiv.respond = lambda path, query: (200, PAGE)
    found = texts.look_again(lake, FullTexts(load_settings()), DAY, a_pick(1))
    assert (found.reading_source, stored(lake)["reason"]) == ("html", "ok")
    assert stored(lake)["chars"] == found.chars
    assert texts.read(an_edition(), a_pick(1)) == found


@pytest.mark.parametrize("status", [404, 503])
def test_a_page_that_is_still_not_there_changes_nothing(
    arxiv: Web, lake: Lake, status: int
) -> None:
    texts.read(an_edition(), a_pick(1))
    before = stored(lake)
    arxiv.respond = lambda path, query: (status, "no")
    later = a_pick(1, abstract="Another abstract.", fetched_at=NOON.replace(hour=13))
    found = texts.look_again(lake, FullTexts(load_settings()), DAY, later)
    assert found.reading_source is ReadingSource.ABSTRACT
    assert stored(lake) == before


def test_old_identifiers_are_stored_under_a_name_without_a_slash(arxiv: Web, lake: Lake) -> None:
    arxiv.respond = lambda path, query: (200, PAGE)
    pick = a_pick(1, paper_id="hep-th/9901001")
    texts.look_again(lake, FullTexts(load_settings()), DAY, pick)
    assert stored(lake, "hep-th_9901001")["paper_id"] == "hep-th/9901001"
    assert texts.read(an_edition(), pick).reason == "ok"
    assert len(arxiv.requests) == 1
