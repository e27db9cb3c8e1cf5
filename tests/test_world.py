"""Whole digests of recorded days: every source and the model replayed over HTTP by one process.

`../shared/world` holds the lists of Hugging Face as they were recorded, early and late the same
days; its language model answers as the mode says. See `world.py` there for its controls.
"""

from __future__ import annotations

import datetime as dt
import html
import re
from pathlib import Path
from typing import Any

import pytest
from builders import DAY
from conftest import World
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

import broadsheet
from broadsheet.config import load_settings
from broadsheet.doctor import check
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.publishing import Published

pytestmark = [pytest.mark.real, pytest.mark.flow]

SATURDAY = dt.date(2026, 1, 10)


@pytest.fixture
def model(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The world's model is configured."""
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")


def make(profile: str, date: dt.date = DAY) -> Published:
    """The digest, made by the flow."""
    from flows.digest import digest

    state: Any = digest(profile, date, return_state=True)
    result = state.result()
    assert isinstance(result, Published)
    return result


def answer(sql: str) -> list[tuple[Any, ...]]:
    """The rows of that query on the lake."""
    return broadsheet.connect().sql(sql).fetchall()


def seed(shared: Path, number: str) -> str:
    """A recorded digest of the papers' real past."""
    (file,) = (shared / "seeds").glob(f"{number}_*.txt")
    return file.read_text(encoding="utf-8")


def recorded_picks(shared: Path, number: str) -> list[str]:
    """The papers of a recorded digest, in order."""
    page = seed(shared, number)
    links = r"^(?:\*\*原文链接\*\*: \[|- \*\*链接\*\*: )https://\S+?/([\d.]+)(?:\]|$)"
    return re.findall(links, page, re.MULTILINE)


def test_early_list_features_the_papers_of_the_recorded_digest(world: World, shared: Path) -> None:
    world.set(snapshot="early")
    assert make("hf").outcome is Outcome.COMPLETE
    expected = recorded_picks(shared, "004")
    assert len(expected) == 16
    assert {paper_id for (paper_id,) in answer("select paper_id from digests")} == set(expected)


def test_papers_are_read_from_html_exactly_where_there_is_a_page(world: World) -> None:
    world.set(snapshot="early")
    make("hf")
    found = dict(answer("select paper_id, reading_source from analyses"))
    assert len(found) == 16
    assert set(found.values()) == {"html", "abstract"}
    assert found == {i: "html" if world.has_html(i) else "abstract" for i in found}


def test_a_list_that_grew_asks_the_model_about_the_new_papers_only(
    world: World, model: None
) -> None:
    world.set(snapshot="early")
    early = make("hf")
    assert (early.outcome, early.selected, world.model_requests) == (Outcome.COMPLETE, 16, 16)
    world.set(snapshot="late")
    late = make("hf")
    assert (late.outcome, late.selected, world.model_requests) == (Outcome.COMPLETE, 24, 24)
    assert world.stats["llm_repeats"] == 0


@pytest.mark.parametrize(
    ("number", "date", "picks"),
    [
        pytest.param("000", dt.date(2026, 1, 28), 2, id="000"),
        pytest.param("002", dt.date(2026, 1, 30), 1, id="002"),
    ],
)
def test_recorded_picks_are_among_the_best_scored(
    world: World, shared: Path, number: str, date: dt.date, picks: int
) -> None:
    published = make("cv", date)
    assert published.scanned == 15
    assert 1 <= published.selected <= 2
    ranked = answer("select paper_id from scores order by score desc, rank")
    top = {paper_id for (paper_id,) in ranked[:5]}
    expected = recorded_picks(shared, number)[:picks]
    assert len(expected) == picks
    assert set(expected) <= top


MODES = {  # how the model answers: what that would leave on a page shown raw, how many wait
    "prose": ("as an AI language model", 16),
    "fence": ("Here is the JSON", 0),
    "badjson": ('{"area"', 0),
    "length": ('{"area"', 16),
    "empty": ("finish_reason", 16),
    "inject": ('{"area"', 0),
}
ERRORS = re.compile(r"Traceback|Exception|\w+Error\b(?=:)|litellm|finish_reason|HTTP [45]\d\d")


@pytest.mark.parametrize(
    ("mode", "raw", "pending"), [(mode, *rest) for mode, rest in MODES.items()], ids=list(MODES)
)
def test_whatever_the_model_answers_both_pages_are_whole_and_harmless(
    world: World, model: None, mode: str, raw: str, pending: int
) -> None:
    world.set(snapshot="early", mode=mode)
    published = make("hf")
    assert published.outcome is (Outcome.PARTIAL if pending else Outcome.COMPLETE)
    # What cannot be used is asked for once more.
    assert (published.selected, published.pending) == (16, pending)
    assert world.model_requests == 16 + pending
    assert published.report
    markdown = published.report.read_text(encoding="utf-8")
    web_page = published.report.with_suffix(".html").read_text(encoding="utf-8")
    said = {text for (text,) in answer("select text from lake.answers")} - {""}
    for page in (markdown, web_page):
        assert "<script" not in page and "<img" not in page and "evil.invalid" not in page
        assert not ERRORS.search(page)
        seen = html.unescape(page)
        assert raw not in seen
        assert not [text for text in said if text in seen]
    for headings in headings_of(markdown, web_page):
        assert headings == ([1] * pending if pending else [5] * 16)
    for target in links_of(markdown) + hrefs_of(web_page):
        assert re.match("https?://|#item-", target)


def headings_of(markdown: str, web_page: str) -> list[list[int]]:
    """How many headings each paper has: on the Markdown page, on the web page."""
    papers = markdown.partition("\n## 待完成")[0].split("\n## ")[1:]
    articles = LexborHTMLParser(web_page).css("article")
    return [
        [len(re.findall(r"^### ", paper, re.MULTILINE)) for paper in papers],
        [len(article.css("h3")) for article in articles],
    ]


def links_of(markdown: str) -> list[str]:
    """Where the Markdown page's links and images lead, as a forgiving reader sees them."""
    reader = MarkdownIt("commonmark", {"html": True})
    reader.validateLink = lambda url: True  # else javascript: is no link to it
    tokens = reader.parse(markdown)
    inner = [child for token in tokens for child in token.children or ()]
    assert not [token for token in inner if token.type in ("image", "html_inline")]
    return [str(token.attrs["href"]) for token in inner if token.type == "link_open"]


def hrefs_of(web_page: str) -> list[str]:
    """Where the web page's links lead; it is checked to load nothing first."""
    page = LexborHTMLParser(web_page)
    assert not page.css("script, img, iframe, [src], [onerror]")
    return [str(link.attributes["href"]) for link in page.css("[href]")]


def test_what_the_model_injects_is_shown_escaped(world: World, model: None) -> None:
    world.set(snapshot="early", mode="inject")
    published = make("hf")
    assert (published.outcome, published.pending) == (Outcome.COMPLETE, 0)
    assert published.report
    for page in (published.report, published.report.with_suffix(".html")):
        text = page.read_text(encoding="utf-8")
        assert "&lt;script" in text
        assert "{{ 7*7 }}" in text.replace("\\", "")


def test_a_source_that_refuses_three_times_is_asked_until_it_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "5")
    world.set(faults=[{"route": "hf", "status": 503, "times": 3}])
    assert make("cv").outcome is Outcome.COMPLETE
    counts = world.stats["by"]
    assert (counts["hf 503"], counts["hf 200"]) == (3, 1)


def test_a_day_without_a_list_is_empty_and_no_model_is_asked(world: World, model: None) -> None:
    published = make("hf", SATURDAY)
    assert (published.outcome, published.selected) == (Outcome.EMPTY, 0)
    assert world.model_requests == 0


def test_every_recorded_day_can_be_replayed_and_leaves_a_sound_lake(
    world: World, shared: Path
) -> None:
    world.set(snapshot="early")
    days = sorted(file.stem for file in (shared / "world" / "data" / "hf_early").iterdir())
    assert len(days) > 40
    outcomes = {day: make("cv", dt.date.fromisoformat(day)).outcome for day in days}
    assert set(outcomes.values()) <= {Outcome.COMPLETE, Outcome.EMPTY}
    findings = check(Lake(load_settings().lake_root))
    assert findings
    assert not [line for line in findings if line.startswith("FAIL")]
