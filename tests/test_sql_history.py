"""`sql/history`: what was featured, and what still waits for a model."""

from __future__ import annotations

import datetime as dt

from builders import DAY, rows_of, run, write_analysis, write_digest

from broadsheet.lake import Lake

NEXT_DAY = DAY + dt.timedelta(days=1)


def test_featured_papers_come_newest_first_then_by_profile_and_position(lake: Lake) -> None:
    write_digest(lake, ["c", "a"], profile="hf")
    write_digest(lake, ["a", "b"], profile="cv")
    write_digest(lake, ["d"], profile="hf", date=NEXT_DAY)
    found = run(lake, "history.featured")
    assert [(r["date"], r["profile"], r["position"], r["paper_id"]) for r in found] == [
        (NEXT_DAY, "hf", 1, "d"),
        (DAY, "cv", 1, "a"),
        (DAY, "cv", 2, "b"),
        (DAY, "hf", 1, "c"),
        (DAY, "hf", 2, "a"),
    ]


def test_a_featured_paper_is_told_as_it_was_published(lake: Lake) -> None:
    write_digest(lake, ["a"], title="As published", score=92, reason="diffusion; 45 upvotes")
    assert run(lake, "history.featured") == [
        {
            "profile": "cv",
            "date": DAY,
            "paper_id": "a",
            "position": 1,
            "score": 92,
            "title": "As published",
            "reason": "diffusion; 45 upvotes",
        }
    ]


def test_a_digest_published_empty_featured_nothing(lake: Lake) -> None:
    write_digest(lake, [], outcome="empty")
    assert rows_of(lake, "editions", "outcome") == [("empty",)]
    assert run(lake, "history.featured") == []


def test_pending_papers_come_oldest_first_with_the_fault_that_holds_them(lake: Lake) -> None:
    write_digest(lake, ["late"], date=NEXT_DAY, outcome="partial", pending=["late"])
    write_digest(lake, ["z", "done", "a"], outcome="partial", pending=["z", "a"])
    for name, reason in (("late", "quota"), ("z", "rate"), ("a", "malformed")):
        write_analysis(lake, name, status="pending", pending_reason=reason)
    write_analysis(lake, "done")
    found = run(lake, "history.pending")
    assert [(r["date"], r["paper_id"], r["pending_reason"]) for r in found] == [
        (DAY, "z", "rate"),
        (DAY, "a", "malformed"),
        (NEXT_DAY, "late", "quota"),
    ]
    assert {(r["profile"], r["title"]) for r in found} == {
        ("cv", f"Title of {name}") for name in ("late", "z", "a")
    }


def test_the_fault_is_that_of_the_same_style_and_question(lake: Lake) -> None:
    write_digest(lake, ["a", "b"], outcome="partial", pending=["a", "b"])
    waiting = {"status": "pending", "pending_reason": "auth"}
    write_analysis(lake, "a", question="another", **waiting)
    write_analysis(lake, "b", style="hf", **waiting)
    found = run(lake, "history.pending")
    assert [(r["paper_id"], r["pending_reason"]) for r in found] == [("a", None), ("b", None)]


def test_a_paper_that_was_finished_is_pending_no_more(lake: Lake) -> None:
    write_digest(lake, ["a"], outcome="partial", pending=["a"])
    write_analysis(lake, "a", status="pending", pending_reason="rate")
    assert [r["paper_id"] for r in run(lake, "history.pending")] == ["a"]
    write_digest(lake, ["a"])
    write_analysis(lake, "a")
    assert run(lake, "history.pending") == []
