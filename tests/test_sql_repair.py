"""`sql/marts/unfinished.sql`, `published.sql`: what a repair may finish and what it starts from."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from builders import (
    DAY,
    HOUR,
    NOON,
    paper,
    run,
    write_analysis,
    write_digest,
    write_list,
    write_scores,
)

from broadsheet.lake import Lake

NEXT_DAY = DAY + dt.timedelta(days=1)
FLAGS = ("is_pending", "is_missed", "is_outdated")


def unfinished(lake: Lake, **changed: Any) -> list[tuple[Any, ...]]:
    """Profile, date and paper of what is found, and what each of them lacks."""
    given = {"as_of": NOON + HOUR, "within_days": 30, "since": None, "is_sample": False}
    rows = run(lake, "marts.unfinished", **given | changed)
    lacks = [" ".join(flag for flag in FLAGS if row[flag]) for row in rows]
    return [
        (r["profile"], r["date"], r["paper_id"], lack) for r, lack in zip(rows, lacks, strict=True)
    ]


def lacks(lake: Lake, **changed: Any) -> list[str]:
    """What the papers found lack."""
    return [lack for *_, lack in unfinished(lake, **changed)]


def write_text(lake: Lake, name: str, reason: str, date: dt.date = DAY) -> None:
    """The text that was read of a paper for a date; `ok` is its page."""
    source = "html" if reason == "ok" else "abstract"
    row = {"paper_id": name, "reading_source": source, "reason": reason}
    lake.write("fulltexts", [row], name, date=date)


def write_reading(lake: Lake, source: str = "abstract", **changed: Any) -> None:
    """The digest's one paper, analyzed from its abstract at noon."""
    row = {"profile": "cv", "reading_source": source, "analyzed_at": NOON, **changed}
    write_digest(lake, ["a"])
    write_analysis(lake, "a", **row)


def test_a_pending_paper_is_unfinished_however_old(lake: Lake) -> None:
    write_digest(lake, ["b", "a"], outcome="partial", pending=["a"])
    old = dt.date(2020, 1, 6)
    write_digest(lake, ["c"], profile="hf", date=old, outcome="partial", pending=["c"])
    assert unfinished(lake) == [
        ("hf", old, "c", "is_pending"),
        ("cv", DAY, "a", "is_pending"),
    ]


def test_a_complete_digest_lacks_nothing(lake: Lake) -> None:
    write_reading(lake, "html")
    write_text(lake, "a", "ok")
    assert unfinished(lake) == []


@pytest.mark.parametrize(
    ("reason", "lack"),
    [
        ("not_found", ["is_missed"]),
        ("unavailable", ["is_missed"]),
        ("shell", ["is_missed"]),
        ("fatal_conversion", ["is_missed"]),
        ("not_latexml", ["is_missed"]),
        ("not_wanted", []),
        ("ok", ["is_outdated"]),
    ],
)
def test_an_abstract_lacks_a_page_by_the_reason_it_was_read(
    lake: Lake, reason: str, lack: list[str]
) -> None:
    write_reading(lake)
    write_text(lake, "a", reason)
    assert lacks(lake) == lack


def test_a_text_that_was_lost_counts_as_missed(lake: Lake) -> None:
    write_reading(lake)
    assert lacks(lake) == ["is_missed"]


def test_the_text_is_that_of_the_same_date(lake: Lake) -> None:
    write_reading(lake)
    write_text(lake, "a", "not_found")
    write_text(lake, "a", "ok", date=NEXT_DAY)
    assert lacks(lake) == ["is_missed"]


@pytest.mark.parametrize("reason", ["not_found", "ok"])
@pytest.mark.parametrize(("days", "is_found"), [(0, True), (30, True), (31, False)])
def test_a_page_is_wanted_for_so_many_days_after_the_analysis(
    lake: Lake, reason: str, days: int, is_found: bool
) -> None:
    write_reading(lake)
    write_text(lake, "a", reason)
    found = lacks(lake, as_of=NOON + dt.timedelta(days=days))
    assert bool(found) is is_found


def test_a_pending_paper_may_lack_its_page_too(lake: Lake) -> None:
    write_digest(lake, ["a"], outcome="partial", pending=["a"])
    read = {"profile": "cv", "reading_source": "abstract", "analyzed_at": NOON}
    write_analysis(lake, "a", status="pending", **read)
    write_text(lake, "a", "not_found")
    assert lacks(lake) == ["is_pending is_missed"]


def test_the_analysis_is_the_one_that_was_published(lake: Lake) -> None:
    write_reading(lake, question="an earlier one")
    write_text(lake, "a", "ok")
    assert unfinished(lake) == []


def test_another_profiles_analysis_tells_nothing(lake: Lake) -> None:
    write_reading(lake, profile="hf")
    write_text(lake, "a", "not_found")
    assert unfinished(lake) == []


@pytest.mark.parametrize(
    ("origin", "is_sample", "is_found"),
    [
        ("made", False, True),
        ("made", True, True),
        ("sample", False, False),
        ("sample", True, True),
        ("imported", False, True),
        ("imported", True, True),
    ],
)
def test_a_sample_is_repaired_as_such_only(
    lake: Lake, origin: str, is_sample: bool, is_found: bool
) -> None:
    write_digest(lake, ["a"], outcome="partial", pending=["a"], origin=origin)
    assert bool(unfinished(lake, is_sample=is_sample)) is is_found


def test_of_an_imported_digest_only_what_is_pending_is_finished(lake: Lake) -> None:
    write_digest(lake, ["b", "a"], outcome="partial", pending=["a"], origin="imported")
    for name, status in (("a", "pending"), ("b", "complete")):
        read = {"profile": "cv", "reading_source": "abstract", "analyzed_at": NOON}
        write_analysis(lake, name, status=status, **read)
        write_text(lake, name, "not_found")
    assert unfinished(lake) == [("cv", DAY, "a", "is_pending")]
    given = {"as_of": NOON + HOUR, "within_days": 30, "since": None, "is_sample": False}
    assert [row["origin"] for row in run(lake, "marts.unfinished", **given)] == ["imported"]


def test_an_imported_list_without_analyses_lacks_nothing(lake: Lake) -> None:
    write_digest(lake, ["a"], origin="imported", question=None, status=None)
    assert unfinished(lake) == []


def test_since_includes_its_own_day(lake: Lake) -> None:
    for date in (DAY, NEXT_DAY):
        write_digest(lake, ["a"], date=date, outcome="partial", pending=["a"])
    assert [date for _, date, *_ in unfinished(lake, since=NEXT_DAY)] == [NEXT_DAY]
    assert [date for _, date, *_ in unfinished(lake, since=DAY)] == [DAY, NEXT_DAY]


def test_a_digest_published_empty_lacks_nothing(lake: Lake) -> None:
    write_digest(lake, [], outcome="empty")
    assert unfinished(lake) == []
    assert run(lake, "marts.published") == []


def test_a_pick_is_as_published_and_the_rest_from_the_newest_list(lake: Lake) -> None:
    write_list(lake, paper("a", title="Old", abstract="Old.", upvotes=3))
    write_list(
        lake,
        paper("late", title="Late"),
        paper("a", title="New", abstract="New.", upvotes=9, version=2, code_url="https://c.test"),
        at=NOON + HOUR,
    )
    write_scores(lake, {"paper_id": "a", "position": 1, "upvotes": 3, "sources": ["huggingface"]})
    write_digest(lake, ["a"], title="As published", score=77, reason="kites; 3 upvotes")
    assert run(lake, "marts.published") == [
        {
            "profile": "cv",
            "date": DAY,
            "paper_id": "a",
            "question": "question-a",
            "position": 1,
            "score": 77,
            "reason": "kites; 3 upvotes",
            "title": "As published",
            "version": 2,
            "abstract": "New.",
            "authors": ["A. Author"],
            "categories": ["cs.CV"],
            "sources": ["huggingface"],
            "upvotes": 3,
            "published_at": NOON,
            "code_url": "https://c.test",
            "project_url": None,
            "fetched_at": NOON + HOUR,
        }
    ]


def test_a_source_that_came_later_is_not_added(lake: Lake) -> None:
    write_list(lake, paper("a", abstract="Of Hugging Face."))
    write_list(lake, paper("a", abstract="Of arXiv."), source="arxiv", scope="cs.CV")
    write_scores(lake, {"paper_id": "a", "position": 1, "sources": ["arxiv"]})
    write_digest(lake, ["a"])
    [row] = run(lake, "marts.published")
    assert (row["sources"], row["abstract"]) == (["arxiv"], "Of arXiv.")


def test_without_scores_the_sources_are_those_that_list_it(lake: Lake) -> None:
    write_list(lake, paper("a"), source="arxiv", scope="cs.CL")
    write_list(lake, paper("a", abstract="Newer."), source="arxiv", scope="cs.CV", at=NOON + HOUR)
    write_list(lake, paper("a", upvotes=4))
    write_digest(lake, ["a"])
    [row] = run(lake, "marts.published")
    assert (row["sources"], row["upvotes"]) == (["huggingface", "arxiv"], 4)


def test_imported_papers_have_the_sources_of_their_page(lake: Lake) -> None:
    write_list(lake, paper("a"), source="arxiv", scope="cs.CV")
    write_digest(lake, ["a", "b"], origin="imported", sources=["huggingface"])
    rows = run(lake, "marts.published")
    assert [(row["paper_id"], row["sources"]) for row in rows] == [
        ("a", ["huggingface"]),
        ("b", ["huggingface"]),
    ]


def test_a_paper_whose_list_is_lost_is_there_without_an_abstract(lake: Lake) -> None:
    write_list(lake, paper("a"), date=NEXT_DAY)
    write_digest(lake, ["b", "a"])
    rows = run(lake, "marts.published")
    assert [(r["paper_id"], r["position"], r["abstract"]) for r in rows] == [
        ("b", 1, None),
        ("a", 2, None),
    ]
