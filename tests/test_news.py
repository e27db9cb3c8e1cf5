"""News: what an operator is to hear of, each change once; and the tables of a run's page."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from builders import DAY, an_analysis, an_answer

from broadsheet import news, showing
from broadsheet.config import Settings, load_settings
from broadsheet.editions import Edition, open_edition
from broadsheet.errors import LakeError, NotPublishedYet, SourceUnavailable
from broadsheet.ingest import Ingested
from broadsheet.models import EXTRACTIVE, Outcome, Status
from broadsheet.news import News, unheard
from broadsheet.publishing import Published, failed
from broadsheet.volume import Volume

DOWN = SourceUnavailable("cannot read huggingface 2026-01-06: 503", "run again later")
LISTED = Ingested(source="huggingface", date=DAY, listed=9, new=2, is_changed=True, skipped=1)


def published(outcome: str, page: str = "page", **more: Any) -> Published:
    """A digest of the day, its page in the home."""
    report = load_settings().reports / "cv" / f"{DAY}.md"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(page)
    values: dict[str, Any] = {"selected": 3, "pending": 1, "cost_usd": 0.25, **more}
    return Published(profile="cv", date=DAY, outcome=Outcome(outcome), report=report, **values)


def digest_news(one: Published) -> News:
    return news.of_digest(one, load_settings().home)


def heard(*told: News) -> list[str]:
    """The events that are news."""
    return [one.event for one in unheard(told, load_settings())]


def test_an_outcome_is_news_once() -> None:
    partial = digest_news(published("partial"))
    assert heard(partial) == ["broadsheet.digest.partial"]
    assert heard(partial) == []


def test_fewer_pending_papers_are_no_news_but_the_last_one_is() -> None:
    told = [
        heard(digest_news(published(outcome, page, pending=pending)))
        for outcome, page, pending in (
            ("partial", "a", 5),
            ("partial", "b", 1),
            ("complete", "c", 0),
        )
    ]
    assert told == [["broadsheet.digest.partial"], [], ["broadsheet.digest.published"]]


def test_a_complete_digest_is_news_again_only_where_its_page_changed() -> None:
    told = [heard(digest_news(published("complete", page))) for page in ("a", "a", "b")]
    assert told == [["broadsheet.digest.published"], [], ["broadsheet.digest.published"]]


def test_a_digest_that_was_told_to_fail_is_told_to_be_there_again() -> None:
    complete = digest_news(published("complete"))
    error = digest_news(failed("cv", DAY, DOWN))
    told = [heard(one) for one in (complete, error, error, complete)]
    assert told == [
        ["broadsheet.digest.published"],
        ["broadsheet.digest.failed"],
        [],
        ["broadsheet.digest.published"],
    ]


def test_news_of_a_digest_says_what_became_of_it() -> None:
    one = digest_news(published("partial", prompt_tokens=900))
    assert one.subject == "broadsheet.digest.cv.2026-01-06"
    assert one.labels == {"broadsheet.profile": "cv", "broadsheet.date": "2026-01-06"}
    expected = {
        "outcome": "partial",
        "selected": 3,
        "pending": 1,
        "cost_usd": 0.25,
        "prompt_tokens": 900,
        "report": "reports/cv/2026-01-06.md",
    }
    assert {name: one.payload[name] for name in expected} == expected
    assert json.loads(json.dumps(dict(one.payload))) == one.payload


def test_news_of_a_failure_says_why_and_what_to_do() -> None:
    payload = digest_news(failed("cv", DAY, DOWN)).payload
    assert (payload["message"], payload["remedy"]) == (str(DOWN), "run again later")
    assert payload["report"] is None


def test_no_secret_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefghijklmnop")
    error = RuntimeError("refused the key sk-abcdefghijklmnop")
    for one in (digest_news(failed("cv", DAY, error)), news.of_run("daily", "cv", error)):
        assert "sk-abc" not in str(one.payload)


def source_news(*results: Ingested | BaseException) -> list[str]:
    edition = an_edition("agents" if len(results) > 1 else "hf")
    return heard(*news.of_sources(edition, results))


def an_edition(profile: str = "hf", **settings: Any) -> Edition:
    whole = open_edition(profile, DAY)
    return Edition(
        settings=load_settings(**settings), profile=whole.profile, style=whole.style, date=DAY
    )


def test_a_source_is_told_down_once_and_up_once() -> None:
    told = [source_news(one) for one in (LISTED, DOWN, DOWN, LISTED, LISTED)]
    assert told == [[], ["broadsheet.source.down"], [], ["broadsheet.source.up"], []]


def test_an_error_that_is_not_the_sources_says_nothing_of_it() -> None:
    assert source_news(LakeError("no space left")) == []
    assert news.of_sources(an_edition(), [LakeError("no space left")]) == []


def test_a_list_that_does_not_exist_yet_is_an_answer() -> None:
    source_news(DOWN)
    assert source_news(NotPublishedYet("no list yet")) == ["broadsheet.source.up"]


def test_sources_are_told_apart() -> None:
    assert source_news(LISTED, DOWN) == ["broadsheet.source.down"]
    assert source_news(DOWN, DOWN) == ["broadsheet.source.down"]


def a_volume(**changed: Any) -> Volume:
    values: dict[str, Any] = {
        "source": "arxiv",
        "scope": "cs.CL",
        "date": DAY,
        "listed": 1,
        "weeks": 8,
        "usual": 25.5,
        "share": 1 / 25.5,
    }
    return Volume(**values | changed)


def test_a_thin_list_is_told_once_and_apart_from_others() -> None:
    lists = [
        a_volume(),
        a_volume(),
        a_volume(scope="cs.CV"),
        a_volume(date=DAY + dt.timedelta(days=7)),
    ]
    assert [heard(news.of_volume(one)) for one in lists] == [
        ["broadsheet.volume.low"],
        [],
        ["broadsheet.volume.low"],
        ["broadsheet.volume.low"],
    ]
    payload = news.of_volume(a_volume()).payload
    assert (
        payload["message"] == "arxiv lists 1 paper on 2026-01-06, where a Tuesday usually has 25.5"
    )
    assert json.loads(json.dumps(dict(payload)))["usual"] == 25.5


def test_a_run_is_told_to_have_recovered_only_where_it_was_told_to_fail() -> None:
    states = [None, DOWN, DOWN, None, None]
    told = [heard(news.of_run("daily", "cv newest", error)) for error in states]
    assert told == [[], ["broadsheet.run.failed"], [], ["broadsheet.run.recovered"], []]


@pytest.mark.parametrize("state", ["settings", "store"])
def test_what_is_wrong_is_told_where_nobody_knows_what_was_told(state: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    blind: Settings | None = None
    if state == "store":
        blind = load_settings(state=str(file / "state.sqlite"))
    told = [digest_news(published("failed")), news.of_run("daily", "cv", None)]
    assert [one.event for one in unheard(told, blind)] == ["broadsheet.digest.failed"]


def test_two_that_find_the_same_at_once_tell_it_once() -> None:
    one = digest_news(published("partial"))
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda _: heard(one), range(16)))
    assert [event for events in told for event in events] == ["broadsheet.digest.partial"]


def test_the_sources_table_says_how_each_did() -> None:
    edition = an_edition("agents")
    ends = [edition.opened_at + dt.timedelta(seconds=n) for n in (1.26, 30)]
    ok, down = showing.source_table(edition, [LISTED, DOWN], ends)
    assert ok == {
        "source": "huggingface",
        "listed": 9,
        "new": 2,
        "skipped": 1,
        "changed": True,
        "error": "",
        "seconds": 1.3,
    }
    assert (down["source"], down["error"], down["seconds"]) == ("arxiv", str(DOWN), 30.0)
    assert list(ok) == list(down)


def test_the_money_table_counts_what_was_asked_and_what_was_paid_before() -> None:
    bought = [
        an_answer(key="1", model="maker/a", cost_usd=0.25),
        an_answer(key="2", model="maker/a", cost_usd=0.5),
        an_answer(key="3", model="maker/b", cost_usd=None),
    ]
    analyses = [
        an_analysis(question="1", model="maker/a"),
        an_analysis(question="8", model="maker/a"),
        an_analysis(question="9", model="maker/c"),
        an_analysis(question="7", model=EXTRACTIVE),
        an_analysis(question="6", model="maker/a", status=Status.PENDING),
    ]
    rows = [tuple(row.values()) for row in showing.money_table(bought, analyses)]
    assert rows == [
        ("maker/a", 2, 2000, 400, 0.75, 1),
        ("maker/b", 1, 1000, 200, "price unknown", 0),
        ("maker/c", 0, 0, 0, 0, 1),
    ]


def test_no_money_table_where_nothing_was_asked() -> None:
    assert showing.money_table([], [an_analysis()]) == []


def test_what_is_left_of_the_budgets_is_told() -> None:
    edition = an_edition(budget_usd_per_day=2.0, budget_usd_per_month=30)
    assert showing.budgets_left(an_edition()) == ""
    assert showing.budgets_left(edition) == (
        "left of the budget: $2.0000 of $2 per day, $30.0000 of $30 per month"
    )
