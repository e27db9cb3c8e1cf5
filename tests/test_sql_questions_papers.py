"""`sql/history` about papers: topics, authors, upvotes, delays, and the story of one."""

from __future__ import annotations

import datetime as dt

import pytest
from builders import (
    DAY,
    HOUR,
    NOON,
    Row,
    paper,
    rows_of,
    run,
    write_analysis,
    write_digest,
    write_list,
    write_scores,
)

from broadsheet.lake import Lake

DAYS = dt.timedelta(days=1)
MONDAY = dt.date(2026, 1, 5)


def a_paper(name: str, *keywords: str, **more: object) -> Row:
    return paper(name, ai_keywords=list(keywords), **more)


class TestViews:
    def test_topics_are_written_alike_and_come_once_per_paper(self, lake: Lake) -> None:
        keywords = ("Flow-Matching", "flow  matching", "LLM", " ")
        write_list(lake, a_paper("a", *keywords, categories=["cs.CV"]))
        assert rows_of(lake, "topics", "paper_id", "kind", "topic", "first_listed_on") == [
            ("a", "category", "cs.CV", DAY),
            ("a", "keyword", "flow matching", DAY),
            ("a", "keyword", "llm", DAY),
        ]

    def test_authors_keep_their_order(self, lake: Lake) -> None:
        write_list(lake, paper("a", authors=["Zoe", "Ada"]), paper("b", authors=[]))
        assert rows_of(lake, "authors", "paper_id", "position", "author", "authors") == [
            ("a", 1, "Zoe", 2),
            ("a", 2, "Ada", 2),
        ]

    def test_upvote_history_has_a_row_per_snapshot_and_what_was_gained(self, lake: Lake) -> None:
        write_list(lake, paper("a", upvotes=3), paper("b"))
        write_list(lake, paper("b", upvotes=1), paper("a", upvotes=10), at=NOON + HOUR)
        columns = ("paper_id", "fetched_at", "rank", "upvotes", "gained")
        assert rows_of(lake, "upvote_history", *columns) == [
            ("a", NOON, 1, 3, None),
            ("a", NOON + HOUR, 2, 10, 7),
            ("b", NOON, 2, None, None),
            ("b", NOON + HOUR, 1, 1, None),
        ]

    def test_costs_add_up_per_day_model_and_style(self, lake: Lake) -> None:
        answer = {"model": "a/b", "style": "hf", "prompt_tokens": 10, "completion_tokens": 2}
        rows = [
            {**answer, "key": "ab1", "asked_at": NOON, "cost_usd": 0.5, "latency_seconds": 1.0},
            {**answer, "key": "ab2", "asked_at": NOON, "cost_usd": None, "latency_seconds": 3.0},
            {**answer, "key": "ab3", "asked_at": NOON + DAYS, "fault": "content"},
        ]
        lake.write("answers", rows, "ab", prefix="ab")
        columns = ("date", "model", "style", "requests", "requests_unpriced", "refusals")
        assert rows_of(lake, "costs", *columns, "cost_usd", "latency_seconds") == [
            (DAY, "a/b", "hf", 2, 1, 0, 0.5, 2.0),
            (DAY + DAYS, "a/b", "hf", 1, 1, 1, None, None),
        ]
        assert run(lake, "history.costs") == [
            {
                "month": DAY.replace(day=1),
                "model": "a/b",
                "requests": 3,
                "requests_unpriced": 2,
                "refusals": 1,
                "prompt_tokens": 30,
                "completion_tokens": 6,
                "cost_usd": 0.5,
            }
        ]


class TestTrends:
    GIVEN = {"until": "newest", "days": "7", "least": "1", "kind": "keyword"}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _listed(self, lake: Lake) -> None:
        write_list(lake, a_paper("old", "gan"), a_paper("older", "gan"), date=DAY - 7 * DAYS)
        write_list(lake, a_paper("new", "flow"), a_paper("newer", "flow", "gan"), date=DAY)
        write_list(lake, a_paper("oldest", "svm"), date=DAY - 14 * DAYS)

    def test_what_rises_comes_first_and_what_falls_last(self, lake: Lake) -> None:
        found = run(lake, "history.trends", **self.GIVEN)
        assert [tuple(row.values()) for row in found] == [
            ("keyword", "flow", 2, 0, 1.0, 0.0, 1.0),
            ("keyword", "gan", 1, 2, 0.5, 1.0, -0.5),
        ]

    def test_rare_topics_are_left_out(self, lake: Lake) -> None:
        found = run(lake, "history.trends", **{**self.GIVEN, "least": "3"})
        assert found == []

    def test_another_last_day_moves_both_times(self, lake: Lake) -> None:
        until = str(DAY - 7 * DAYS)
        found = run(lake, "history.trends", **{**self.GIVEN, "until": until})
        assert [(row["topic"], row["papers"], row["papers_before"]) for row in found] == [
            ("gan", 2, 0),
            ("svm", 0, 1),
        ]


def test_topics_by_week_have_every_week_for_every_frequent_topic(lake: Lake) -> None:
    write_list(lake, a_paper("a", "flow"), a_paper("b", "flow", "rare"), date=MONDAY)
    write_list(lake, a_paper("c"), date=MONDAY + 9 * DAYS)
    found = run(lake, "history.topics_by_week", kind="keyword", most="1")
    assert [tuple(row.values()) for row in found] == [
        (MONDAY, "flow", 2, 2, 1.0),
        (MONDAY + 7 * DAYS, "flow", 0, 1, 0.0),
    ]


def test_recurring_authors_are_counted_by_paper_not_by_list(lake: Lake) -> None:
    write_list(lake, paper("a", authors=["Ada", "Bo"]), paper("b", authors=["Bo"]))
    write_list(lake, paper("a", authors=["Ada", "Bo"]), date=DAY + DAYS)
    write_list(lake, paper("c", authors=["Ada"]), date=DAY - DAYS)
    write_digest(lake, ["a"])
    write_digest(lake, ["a"], profile="hf")
    found = run(lake, "history.recurring_authors", since=str(DAY), least="1")
    assert [tuple(row.values()) for row in found] == [
        ("Bo", 2, 1, 1, DAY, DAY),
        ("Ada", 1, 1, 1, DAY, DAY),
    ]
    assert [
        r["author"] for r in run(lake, "history.recurring_authors", since=str(DAY), least="2")
    ] == ["Bo"]


class TestMissed:
    @pytest.fixture(autouse=True)
    def _scored(self, lake: Lake) -> None:
        upvotes = {"a": 9, "b": 8, "c": 1, "d": 0}
        write_list(lake, *(paper(name, upvotes=n) for name, n in upvotes.items()))
        write_list(lake, paper("c", upvotes=50), at=NOON + HOUR)
        unpicked = [{"paper_id": name, "score": 40, "upvotes": 1} for name in "bcd"]
        write_scores(lake, {"paper_id": "a", "score": 90, "position": 1}, *unpicked)
        write_digest(lake, ["a"])

    def test_papers_at_the_top_that_were_not_picked(self, lake: Lake) -> None:
        found = run(lake, "history.missed", profile="any", top="3")
        assert [tuple(row.values()) for row in found] == [
            ("cv", DAY, "c", "Title of c", 40, 90, 1, 50, 1),
            ("cv", DAY, "b", "Title of b", 40, 90, 1, 8, 3),
        ]

    def test_one_picked_on_another_day_was_not_missed(self, lake: Lake) -> None:
        write_digest(lake, ["c"], date=DAY + DAYS)
        found = run(lake, "history.missed", profile="any", top="3")
        assert [row["paper_id"] for row in found] == ["b"]

    def test_another_profile_missed_nothing(self, lake: Lake) -> None:
        assert run(lake, "history.missed", profile="hf", top="3") == []


def test_upvotes_gained_since_the_first_snapshot(lake: Lake) -> None:
    write_list(lake, paper("a", upvotes=3), paper("b", upvotes=5), paper("c"))
    write_list(lake, paper("a", upvotes=9), paper("b", upvotes=5), at=NOON + 2 * HOUR)
    found = run(lake, "history.upvotes_gained", since=str(DAY), least="1")
    assert [tuple(row.values()) for row in found] == [
        ("huggingface", DAY, "a", "Title of a", 3, 9, 6, 2, 2)
    ]
    assert run(lake, "history.upvotes_gained", since=str(DAY + DAYS), least="1") == []


def test_delays_run_from_submission_to_the_first_list(lake: Lake) -> None:
    for days, name in ((1, "a"), (2, "b"), (6, "c")):
        listed = paper(name, published_at=NOON - days * DAYS)
        write_list(lake, listed, date=DAY, at=NOON + days * HOUR)
    write_list(lake, paper("a", published_at=NOON - DAYS), date=DAY + DAYS)
    write_list(lake, paper("unknown", published_at=None), date=DAY + 2 * DAYS)
    [row] = run(lake, "history.delays")
    assert tuple(row.values()) == (DAY.replace(day=1), "huggingface", 3, 2.0, 5.2, 6)


def test_the_story_of_a_paper_is_told_day_by_day(lake: Lake) -> None:
    write_list(lake, paper("a", upvotes=3))
    write_list(lake, paper("b"), paper("a", upvotes=9), date=DAY + DAYS)
    write_scores(lake, {"paper_id": "a", "score": 71, "position": 1})
    write_digest(lake, ["a"])
    write_analysis(lake, "a", analyzed_at=NOON + HOUR, reading_source="html")
    found = run(lake, "history.story", paper_id="a")
    assert [(r["date"], r["event"], r["whom"], r["said"]) for r in found] == [
        (DAY, "featured", "cv", "place 1, 50 points, complete"),
        (DAY, "listed", "huggingface", "place 1, 3 upvotes"),
        (DAY, "analyzed", "cv, a/model, question", "complete, read from html"),
        (DAY, "scored", "cv", "71 points, picked"),
        (DAY + DAYS, "listed", "huggingface", "place 2, 9 upvotes"),
    ]
    assert run(lake, "history.story", paper_id="nobody") == []
