"""The embedded sample answers as Hugging Face and arXiv do, from small files, on loopback only."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import arxiv
import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from broadsheet import sample
from broadsheet.sample import SAMPLE_DATE, SampleWorld

WITH_HTML = {"2512.21472", "2512.24138", "2601.01426"}
ARXIV_ONLY = {"2601.01584", "2601.02151"}
MAX_BYTES = 120_000


@pytest.fixture(scope="module")
def world() -> Iterator[SampleWorld]:
    """The sample, serving."""
    with sample.serve() as serving:
        yield serving


def daily(world: SampleWorld, **params: str | int) -> httpx.Response:
    """Hugging Face's answer."""
    return httpx.get(f"{world.huggingface_url}/api/daily_papers", params=params)


def listed(world: SampleWorld, **params: str | int) -> list[dict[str, Any]]:
    """The papers Hugging Face lists, in its order."""
    return [entry["paper"] for entry in daily(world, **params).raise_for_status().json()]


def identifiers(world: SampleWorld, **params: str | int) -> list[str]:
    """The ids of arXiv's answer, with versions, in its order."""
    feed = httpx.get(world.arxiv_api_url, params=params).raise_for_status().text
    return re.findall(r"<id>http://arxiv\.org/abs/(.+)</id>", feed)


def arxiv_results(world: SampleWorld, search: arxiv.Search) -> list[arxiv.Result]:
    """What the arxiv package makes of the feed, in pages of three."""
    client = arxiv.Client(page_size=3, delay_seconds=0, num_retries=0)
    client.query_url_format = world.arxiv_api_url + "?{}"
    return list(client.results(search))


def full_text(world: SampleWorld, identifier: str) -> httpx.Response:
    """arXiv's full-text page."""
    return httpx.get(f"{world.arxiv_url}/html/{identifier}")


def test_the_day_lists_eight_papers_by_upvotes(world: SampleWorld) -> None:
    upvotes = [paper["upvotes"] for paper in listed(world, date=str(SAMPLE_DATE))]
    assert upvotes == sorted(upvotes, reverse=True)
    assert len(upvotes) == 8


def test_every_entry_has_the_keys_of_its_time(world: SampleWorld) -> None:
    for entry in daily(world).json():
        assert entry["title"] == entry["paper"]["title"]
        assert entry["summary"] == entry["paper"]["summary"]
        assert entry["paper"]["submittedOnDailyAt"].startswith(str(SAMPLE_DATE))
        assert all(author["name"] for author in entry["paper"]["authors"])


def test_no_date_means_the_newest(world: SampleWorld) -> None:
    assert listed(world) == listed(world, date=str(SAMPLE_DATE))


def test_pages_cover_the_day_once(world: SampleWorld) -> None:
    pages = [listed(world, limit=3, p=page) for page in range(4)]
    assert [len(page) for page in pages] == [3, 3, 2, 0]
    assert [paper for page in pages for paper in page] == listed(world)


def test_earlier_dates_are_empty(world: SampleWorld) -> None:
    assert listed(world, date="2026-01-05") == []


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"date": "2026-01-07"}, '"date" must be less than or equal to "2026-01-06T23:59:59.999Z"'),
        ({"date": "yesterday"}, "yesterday"),
        ({"limit": "-1"}, '"limit" must be'),
    ],
)
def test_a_bad_request_is_a_400_that_says_why(
    world: SampleWorld, params: dict[str, str], reason: str
) -> None:
    response = daily(world, **params)
    assert response.status_code == 400
    assert reason in response.json()["error"]


def test_every_listed_paper_has_the_same_arxiv_entry(world: SampleWorld) -> None:
    papers = {paper["id"]: paper for paper in listed(world)}
    results = arxiv_results(world, arxiv.Search(id_list=list(papers)))
    assert [result.get_short_id() for result in results] == [f"{paper}v1" for paper in papers]
    for result, paper in zip(results, papers.values(), strict=True):
        assert result.title == paper["title"]
        assert result.summary == paper["summary"]
        assert [author.name for author in result.authors] == [a["name"] for a in paper["authors"]]
        assert result.published == dt.datetime.fromisoformat(paper["publishedAt"])


def test_arxiv_package_parses_categories(world: SampleWorld) -> None:
    results = arxiv_results(world, arxiv.Search(query="cat:*", max_results=None))
    assert len(results) == 10
    for result in results:
        assert result.primary_category == result.categories[0]
        assert 1 <= len(result.categories) <= 3


def test_arxiv_knows_papers_that_were_not_listed(world: SampleWorld) -> None:
    query = "(cat:cs.CL OR cat:cs.AI) AND submittedDate:[202601021900 TO 202601051430]"
    found = {name.removesuffix("v1") for name in identifiers(world, search_query=query)}
    assert found >= ARXIV_ONLY
    assert not ARXIV_ONLY & {paper["id"] for paper in listed(world)}


def test_search_selects_by_any_category_and_by_submission(world: SampleWorld) -> None:
    assert identifiers(world, search_query="cat:cs.SE OR cat:eess.IV") == [
        "2601.01426v1",
        "2512.21472v1",
    ]
    to_the_minute = "cat:cs.SE AND submittedDate:[202601040807 TO 202601040807]"
    assert identifiers(world, search_query=to_the_minute) == ["2601.01426v1"]
    a_minute_later = "cat:cs.SE AND submittedDate:[202601040808 TO 202601040900]"
    assert identifiers(world, search_query=a_minute_later) == []


def test_search_pages_and_says_how_many_there_are(world: SampleWorld) -> None:
    params: dict[str, str | int] = {"search_query": "cat:cs.*", "max_results": 4}
    pages = [identifiers(world, **params, start=start) for start in (0, 4, 8, 12)]
    assert [len(page) for page in pages] == [4, 4, 2, 0]
    assert len({name for page in pages for name in page}) == 10
    feed = httpx.get(world.arxiv_api_url, params=params).text
    assert "<opensearch:totalResults>10</opensearch:totalResults>" in feed


def test_search_sorts_by_submission_both_ways(world: SampleWorld) -> None:
    newest_first = identifiers(world, search_query="cat:*", sortBy="submittedDate")
    oldest_first = identifiers(
        world, search_query="cat:*", sortBy="submittedDate", sortOrder="ascending"
    )
    assert newest_first == oldest_first[::-1]
    assert newest_first[0] == "2601.02256v1"


def test_identifiers_may_name_a_version_and_unknown_ones_are_absent(world: SampleWorld) -> None:
    asked = "2601.02204v1,2601.02204v7,0000.0000,astro-ph/0601001,2601.01426"
    assert identifiers(world, id_list=asked) == ["2601.02204v1", "2601.01426v1"]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"id_list": "<abc>"}, "incorrect id format for &lt;abc&gt;"),
        ({"search_query": "ti:segmentation"}, "only cat: and submittedDate:"),
        ({"search_query": "cat:cs.CL", "start": "x"}, "start"),
    ],
)
def test_arxiv_refuses_with_an_error_entry(
    world: SampleWorld, params: dict[str, str], reason: str
) -> None:
    response = httpx.get(world.arxiv_api_url, params=params)
    assert response.status_code == 400
    assert "<title>Error</title>" in response.text
    assert reason in response.text


def test_html_exists_for_exactly_three_papers(world: SampleWorld) -> None:
    statuses = {p["id"]: full_text(world, p["id"]).status_code for p in listed(world)}
    assert {paper for paper, status in statuses.items() if status == 200} == WITH_HTML
    assert set(statuses.values()) == {200, 404}


def test_missing_html_is_a_page_that_says_so(world: SampleWorld) -> None:
    page = full_text(world, "2601.02204v1")
    assert page.status_code == 404
    assert "<title>No HTML for '2601.02204v1'</title>" in page.text


@pytest.mark.parametrize("paper_id", sorted(WITH_HTML))
def test_full_texts_have_the_shape_of_latexml(world: SampleWorld, paper_id: str) -> None:
    response = full_text(world, f"{paper_id}v1")
    assert response.text == full_text(world, paper_id).text
    page = LexborHTMLParser(response.text)
    abstracts = {paper["id"]: paper["summary"] for paper in listed(world)}
    abstract = page.css_first(".ltx_abstract .ltx_p")
    assert abstract is not None
    assert abstract.text() == abstracts[paper_id]
    assert len(page.css("section.ltx_section")) >= 4
    assert len(page.css("math[alttext]")) == 1
    assert len(page.css("figure.ltx_table figcaption.ltx_caption")) == 1
    assert page.css("section.ltx_bibliography .ltx_bibitem")
    paragraphs = page.css("section.ltx_section .ltx_p")
    assert 600 <= sum(len(paragraph.text().split()) for paragraph in paragraphs) <= 1000


def test_abstract_page_has_title_and_abstract(world: SampleWorld) -> None:
    paper = listed(world)[0]
    page = httpx.get(f"{world.arxiv_url}/abs/{paper['id']}")
    assert page.status_code == 200
    assert paper["title"] in page.text
    assert paper["summary"] in page.text
    assert httpx.get(f"{world.arxiv_url}/abs/0000.00000").status_code == 404


@pytest.mark.parametrize("path", ["/html/..%2f__init__", "/html/%2e%2e/%2e%2e/errors", "/html/x"])
def test_pages_are_found_by_identifier_only(world: SampleWorld, path: str) -> None:
    assert httpx.get(world.arxiv_url + path).status_code == 404


def test_other_routes_do_not_exist(world: SampleWorld) -> None:
    assert httpx.get(f"{world.huggingface_url}/api/models").status_code == 404


def test_requests_leave_no_log(world: SampleWorld, capfd: pytest.CaptureFixture[str]) -> None:
    daily(world)
    full_text(world, "x")
    assert capfd.readouterr() == ("", "")


def test_the_world_stops_listening_when_the_context_ends() -> None:
    with sample.serve() as serving:
        assert daily(serving).status_code == 200
    with pytest.raises(httpx.ConnectError):
        daily(serving)


def test_the_world_stops_listening_after_an_error() -> None:
    with pytest.raises(KeyError), sample.serve() as serving:
        raise KeyError
    with pytest.raises(httpx.ConnectError):
        daily(serving)


def test_files_are_small() -> None:
    folder = Path(sample.__file__).parent
    files = [f for f in folder.rglob("*") if f.is_file() and f.suffix != ".pyc"]
    assert len(files) == 6
    assert sum(f.stat().st_size for f in files) <= MAX_BYTES
