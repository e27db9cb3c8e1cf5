"""`sql/history` about digests: scores against upvotes, gaps, losses, sources, overlap, runs."""

from __future__ import annotations

import datetime as dt

import pytest
from builders import DAY, NOON, paper, run, write_analysis, write_digest, write_list, write_scores

from broadsheet.lake import Lake

DAYS = dt.timedelta(days=1)
MONTH = DAY.replace(day=1)


class TestAgreement:
    def scored(self, lake: Lake, scores: str, upvotes: str) -> None:
        """Papers whose n-th has the n-th digit as score and as upvotes; the first is picked."""
        names = [f"p{number}" for number in range(len(scores))]
        write_list(lake, *(paper(n, upvotes=int(v)) for n, v in zip(names, upvotes, strict=True)))
        rows = [
            {"paper_id": n, "score": int(s), "interest_points": -float(s)}
            for n, s in zip(names, scores, strict=True)
        ]
        write_scores(lake, {**rows[0], "position": 1}, *rows[1:])

    def test_equal_orders_agree_wholly(self, lake: Lake) -> None:
        self.scored(lake, "9531", "8421")
        [row] = run(lake, "history.agreement")
        assert tuple(row.values()) == ("cv", MONTH, 4, 1.0, -1.0, 1, 1)

    def test_ties_share_their_places(self, lake: Lake) -> None:
        self.scored(lake, "9551", "8421")
        [row] = run(lake, "history.agreement")
        # Spearman's coefficient of (4, 2.5, 2.5, 1) and (4, 3, 2, 1)
        assert row["score_correlation"] == pytest.approx(4.5 / (4.5 * 5) ** 0.5, abs=1e-3)

    def test_a_pick_below_the_top_is_not_counted_there(self, lake: Lake) -> None:
        self.scored(lake, "9531", "1248")
        [row] = run(lake, "history.agreement")
        assert (row["score_correlation"], row["picks"], row["picks_in_top"]) == (-1.0, 1, 0)

    def test_days_are_compared_within_themselves(self, lake: Lake) -> None:
        self.scored(lake, "95", "21")
        busy = [paper("q0", upvotes=900), paper("q1", upvotes=800)]
        write_list(lake, *busy, date=DAY + DAYS)
        rows = [{"paper_id": "q0", "score": 3}, {"paper_id": "q1", "score": 1}]
        write_scores(lake, *rows, date=DAY + DAYS)
        [row] = run(lake, "history.agreement")
        assert (row["papers"], row["score_correlation"]) == (4, 1.0)


def test_score_and_upvotes_have_a_row_per_scored_paper_with_upvotes(lake: Lake) -> None:
    write_list(lake, paper("a", upvotes=3), paper("b"))
    write_scores(lake, {"paper_id": "a", "score": 60, "position": 1}, {"paper_id": "b"})
    write_scores(lake, {"paper_id": "a", "score": 20}, profile="hf")
    found = run(lake, "history.score_and_upvotes", profile="any", since=str(DAY))
    assert [tuple(row.values()) for row in found] == [
        ("cv", DAY, "a", 60, 3, True),
        ("hf", DAY, "a", 20, 3, False),
    ]
    assert len(run(lake, "history.score_and_upvotes", profile="hf", since=str(DAY))) == 1
    assert not run(lake, "history.score_and_upvotes", profile="any", since=str(DAY + DAYS))


def test_scores_are_counted_by_tens_and_a_hundred_is_with_the_nineties(lake: Lake) -> None:
    scores = enumerate((0, 9, 10, 95, 100))
    write_scores(
        lake,
        *(
            {"paper_id": f"p{n}", "score": s, "position": 1 if s == 100 else None}
            for n, s in scores
        ),
    )
    found = run(lake, "history.score_distribution", profile="any")
    assert [tuple(row.values()) for row in found] == [
        ("cv", 0, 2, 0),
        ("cv", 10, 1, 0),
        ("cv", 90, 2, 1),
    ]
    assert run(lake, "history.score_distribution", profile="hf") == []


def test_featured_twice_tells_when_and_with_which_scores(lake: Lake) -> None:
    write_digest(lake, ["a", "b"], score=92)
    write_digest(lake, ["a"], date=DAY + DAYS, score=85, origin="imported")
    write_digest(lake, ["b"], profile="hf", date=DAY + DAYS)
    [row] = run(lake, "history.featured_twice")
    assert tuple(row.values()) == (
        "cv",
        "a",
        "Title of a",
        2,
        [DAY, DAY + DAYS],
        [92, 85],
        ["imported", "made"],
    )


def test_gaps_are_days_without_a_digest_and_those_that_are_not_whole(lake: Lake) -> None:
    write_digest(lake, ["a"])
    write_digest(lake, ["b"], date=DAY + 2 * DAYS, outcome="partial", pending=["b"])
    write_digest(lake, ["c"], date=DAY + 3 * DAYS, outcome="partial", missing_sources=["arxiv"])
    write_digest(lake, [], date=DAY + 4 * DAYS, outcome="empty")
    found = run(lake, "history.gaps")
    assert [(r["date"], r["weekday"], r["gap"], r["pending"]) for r in found] == [
        (DAY + 3 * DAYS, "Friday", "source missing", 0),
        (DAY + 2 * DAYS, "Thursday", "partial", 1),
        (DAY + DAYS, "Wednesday", "missing", None),
    ]


def test_quota_losses_are_counted_by_reason(lake: Lake) -> None:
    write_digest(lake, ["a", "b", "c", "d"], outcome="partial", pending=["a", "b", "c"])
    for name, reason in (("a", "rate"), ("b", "rate"), ("c", "budget")):
        write_analysis(lake, name, status="pending", pending_reason=reason)
    write_analysis(lake, "d")
    found = run(lake, "history.quota_losses")
    assert [tuple(row.values()) for row in found] == [
        ("cv", MONTH, "budget", 1, 0.25, ["made"]),
        ("cv", MONTH, "rate", 2, 0.5, ["made"]),
    ]


def test_what_the_predecessor_lost_and_whether_it_is_mended(lake: Lake) -> None:
    imported = {"outcome": "partial", "origin": "imported", "score": 92}
    write_digest(lake, ["a", "b", "c"], pending=["a", "b"], **imported)
    write_digest(lake, ["d"], date=DAY + DAYS, outcome="partial", pending=["d"])
    for name in "abd":
        write_analysis(lake, name, status="pending", pending_reason="rate")
    elsewhere = {"style": "hf", "question": "q", "status": "complete"}
    rows = [
        {**elsewhere, "paper_id": "a", "model": "extractive"},
        {**elsewhere, "paper_id": "b", "model": "a/model"},
    ]
    lake.write("analyses", rows, "hf", date=DAY)
    found = run(lake, "history.predecessor")
    assert [tuple(row.values()) for row in found] == [
        ("cv", DAY, "a", "Title of a", 92, "rate", False),
        ("cv", DAY, "b", "Title of b", 92, "rate", True),
    ]


def test_reading_sources_are_counted_by_month_and_style(lake: Lake) -> None:
    write_digest(lake, ["a", "b", "c"])
    write_analysis(lake, "a", reading_source="html")
    write_analysis(lake, "b", reading_source="abstract")
    found = run(lake, "history.reading_sources")
    assert [tuple(row.values()) for row in found] == [(MONTH, "cv", 3, 1, 1, 0.5)]


def test_overlap_is_of_papers_whenever_they_were_featured(lake: Lake) -> None:
    write_digest(lake, ["a", "b"])
    write_digest(lake, ["a", "c", "d"], profile="hf", date=DAY + DAYS)
    write_digest(lake, ["a"], profile="hf", date=DAY + 2 * DAYS)
    found = run(lake, "history.overlap")
    assert [tuple(row.values()) for row in found] == [("cv", "hf", 2, 3, 1, 0.25)]


def test_outcomes_are_counted_by_week_and_flow(lake: Lake) -> None:
    ended = zip(
        "abcd", ("complete", "empty", "partial", "failed"), (1.0, 2.0, 4.0, 9.0), strict=True
    )
    rows = [
        {
            "run_id": name,
            "flow": "digest",
            "outcome": outcome,
            "duration_seconds": s,
            "ended_at": NOON,
        }
        for name, outcome, s in ended
    ]
    lake.write("runs", rows, "runs", date=DAY)
    assert [tuple(row.values()) for row in run(lake, "history.outcomes")] == [
        (dt.date(2026, 1, 5), "digest", 4, 2, 1, 1, 3.0, 9.0)
    ]
