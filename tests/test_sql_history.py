"""`sql/history`: what was featured, what still waits for a model, and what no source says."""

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


def flag(section: str, claim: str, kind: str = "number") -> dict[str, str]:
    """A claim that the text read does not have."""
    return {"section": section, "claim": claim, "kind": kind}


def test_unsupported_claims_come_newest_first_with_who_stated_them(lake: Lake) -> None:
    write_digest(lake, ["late"], date=NEXT_DAY, profile="hf")
    write_digest(lake, ["b", "sound", "a"])
    write_analysis(lake, "late", flags=[flag("idea", "MMLU", "name")], model="b/model")
    write_analysis(lake, "b", flags=[flag("steps", "3"), flag("idea", "987.65%", "percentage")])
    write_analysis(lake, "sound", flags=[])
    write_analysis(lake, "a", flags=[flag("idea", "12")])
    found = run(lake, "history.unsupported")
    assert [(r["date"], r["paper_id"], r["section"], r["claim"]) for r in found] == [
        (NEXT_DAY, "late", "idea", "MMLU"),
        (DAY, "b", "idea", "987.65%"),
        (DAY, "b", "steps", "3"),
        (DAY, "a", "idea", "12"),
    ]
    assert found[0] == {
        "profile": "hf",
        "date": NEXT_DAY,
        "paper_id": "late",
        "title": "Title of late",
        "section": "idea",
        "claim": "MMLU",
        "kind": "name",
        "model": "b/model",
    }


def test_a_claim_is_unsupported_only_in_the_digest_that_published_its_analysis(lake: Lake) -> None:
    write_digest(lake, ["a", "b"])
    write_digest(lake, ["a"], profile="hf", style="hf")
    write_analysis(lake, "a", flags=[flag("idea", "12")])
    write_analysis(lake, "b", question="another", flags=[flag("idea", "13")])
    found = run(lake, "history.unsupported")
    assert [(r["profile"], r["paper_id"], r["claim"]) for r in found] == [("cv", "a", "12")]
