"""`sql/checks`: each finds the bad rows planted for it, and nothing in a healthy lake."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import (
    DAY,
    HOUR,
    NOON,
    Row,
    paper,
    run,
    write_analysis,
    write_digest,
    write_list,
    write_scores,
)

from broadsheet.doctor import check
from broadsheet.lake import Lake
from broadsheet.queries import queries

CHECKS = [q.name for q in queries("checks")]


@pytest.fixture
def healthy(lake: Lake) -> Lake:
    """A lake with everything a lake may have: nothing in it is bad."""
    day = dt.timedelta(days=1)
    write_list(lake, *(paper(name, 0, upvotes=9) for name in "abcd"))
    write_list(lake, *(paper(name, 0, upvotes=9) for name in "dab"), at=NOON + HOUR)
    write_list(lake, paper("a", 0), source="arxiv", scope="cs.CV")
    for name, source, reason in (("a", "html", "ok"), ("b", "abstract", "not_found")):
        row = {"paper_id": name, "reading_source": source, "reason": reason, "chars": 900}
        lake.write("fulltexts", [row], name, date=DAY)
    lake.write("answers", [{"key": "abc", "text": "{}"}], "abc", prefix="ab")
    write_analysis(lake, "a")
    extracted = {"sections": "{}", "extract": ["It says so."]}
    write_analysis(lake, "b", status="pending", model="extractive", **extracted)
    write_analysis(lake, "c", model="extractive", **extracted)
    write_scores(
        lake,
        {"paper_id": "a", "position": 1},
        {"paper_id": "b", "position": 2},
        {"paper_id": "c", "score": 100, "interest_points": 120.0},
        {"paper_id": "d", "score": 0, "negative_points": 100.0},
    )
    write_digest(lake, ["a", "b"], outcome="partial", pending="b")
    write_digest(lake, [], date=DAY + day, outcome="empty")
    write_digest(lake, [], date=DAY + 2 * day, outcome="complete", listed=5, scanned=5)
    write_digest(
        lake, [], date=DAY + 3 * day, outcome="partial", listed=5, missing_sources=["arxiv"]
    )
    write_scores(lake, {"paper_id": "a", "position": 1}, date=DAY + 91 * day)
    write_digest(lake, ["a"], date=DAY + 91 * day)
    imported = {"origin": "imported", "listed": None, "scanned": 15, "question": None}
    write_digest(lake, ["z"], date=DAY - day, **imported)
    write_digest(lake, ["z"], date=DAY - 2 * day, **imported)
    for date in (DAY, DAY + day):
        write_scores(lake, {"paper_id": "a", "position": 1}, profile="hf", date=date)
        write_digest(lake, ["a"], profile="hf", date=date, scanned=1)
    lake.write("runs", [{"run_id": "r", "started_at": NOON}], "r", date=DAY)
    return lake


LATER = dt.date(2026, 2, 6)
_EMPTIED: Row = {"sections": "{}", "extract": []}


def _move(lake: Lake, table: str, old: str, new: str) -> None:
    """Put the table's file into another folder, as a careless copy does."""
    path = Path(lake.files(table)[0])
    moved = Path(str(path).replace(old, new))
    moved.parent.mkdir(parents=True)
    path.rename(moved)


def _rewrite(lake: Lake, change: Callable[[list[Row]], None]) -> None:
    """Change the rows of the day's newest list of Hugging Face."""
    name = f"{NOON + HOUR:%H%M%S}-"
    rows = lake.rows("listings", name, source="huggingface", date=DAY) or []
    change(rows)
    lake.write("listings", rows, name, source="huggingface", date=DAY)


def _write_run_twice(lake: Lake) -> None:
    lake.write("runs", [{"run_id": "r", "started_at": NOON, "flow": "other"}], "again", date=DAY)


def _write_digest_twice(lake: Lake) -> None:
    rows = lake.rows("digests", "digest", profile="cv", date=DAY + dt.timedelta(days=1)) or []
    lake.write("digests", rows, "again", profile="cv", date=DAY + dt.timedelta(days=1))


def _score(**points: object) -> Callable[[Lake], None]:
    return lambda lake: write_scores(lake, {"paper_id": "a", **points}, date=LATER)


def _feature(*papers: str, **more: Any) -> Callable[[Lake], None]:
    return lambda lake: write_digest(lake, papers, **{"date": LATER, "profile": "new", **more})


def _select(*papers: Row) -> Callable[[Lake], None]:
    return lambda lake: write_scores(lake, *papers, date=LATER, profile="new")


def _both(first: Callable[[Lake], None], then: Callable[[Lake], None]) -> Callable[[Lake], None]:
    def plant(lake: Lake) -> None:
        first(lake)
        then(lake)

    return plant


def _analyze(name: str, **more: object) -> Callable[[Lake], None]:
    return lambda lake: write_analysis(lake, name, **more)


def _read(**more: object) -> Callable[[Lake], None]:
    row = {"paper_id": "x", "reading_source": "abstract", "reason": "shell", "chars": 9, **more}
    return lambda lake: lake.write("fulltexts", [row], "x", date=DAY)


def _list(change: Callable[[list[Row]], None]) -> Callable[[Lake], None]:
    return lambda lake: _rewrite(lake, change)


def _set(place: int, **values: object) -> Callable[[Lake], None]:
    return _list(lambda rows: rows[place].update(values))


PLANTED: list[tuple[str, Callable[[Lake], None], list[Row]]] = [
    ("duplicate_keys", _write_run_twice, [{"relation": "lake.runs", "key": "r", "copies": 2}]),
    (
        "duplicate_keys",
        _write_digest_twice,
        [{"relation": "lake.digests", "key": "cv 2026-01-07", "copies": 2}],
    ),
    (
        "duplicate_keys",
        lambda lake: write_scores(lake, {"paper_id": "a"}, {"paper_id": "a"}, date=LATER),
        [{"relation": "staging.scores", "key": "cv 2026-02-06 a", "copies": 2}],
    ),
    (
        "duplicate_keys",
        _set(0, paper_id="a"),
        [{"relation": "lake.listings", "copies": 2}],
    ),
    (
        "misplaced_rows",
        lambda lake: _move(lake, "answers", "prefix=ab", "prefix=zz"),
        [{"relation": "lake.answers", "key": "abc", "folder": "zz", "belongs": "ab"}],
    ),
    (
        "misplaced_rows",
        lambda lake: _move(lake, "runs", "date=2026-01-06", "date=2026-01-07"),
        [{"key": "r", "folder": "2026-01-07", "belongs": "2026-01-06"}],
    ),
    ("scores_that_do_not_add_up", _score(score=51), [{"score": 51, "points": 49.75}]),
    ("scores_that_do_not_add_up", _score(score=49), [{"score": 49, "points": 49.75}]),
    ("scores_that_do_not_add_up", _score(score=120, interest_points=120.0), [{"score": 120}]),
    ("scores_that_do_not_add_up", _score(score=-20, negative_points=90.0), [{"score": -20}]),
    ("scores_that_do_not_add_up", _score(score=None), [{"paper_id": "a", "score": None}]),
    ("scores_that_do_not_add_up", _score(interest_points=None), [{"points": None}]),
    (
        "digests_unlike_their_scores",
        _select({"paper_id": "a", "position": 1}),
        [{"paper_id": "a", "selected_position": 1, "published_position": None}],
    ),
    (
        "digests_unlike_their_scores",
        _feature("a", profile="cv", date=DAY + dt.timedelta(days=1)),
        [{"paper_id": "a", "selected_position": None, "published_position": 1}],
    ),
    (
        "digests_unlike_their_scores",
        _both(
            _feature("a", "b"),
            _select({"paper_id": "b", "position": 1}, {"paper_id": "a", "position": 2}),
        ),
        [
            {"paper_id": "a", "selected_position": 2, "published_position": 1},
            {"paper_id": "b", "selected_position": 1, "published_position": 2},
        ],
    ),
    (
        "digests_unlike_their_scores",
        _both(_feature("a"), _select({"paper_id": "a", "position": 1, "score": 49})),
        [{"paper_id": "a", "selected_score": 49, "published_score": 50}],
    ),
    ("positions_with_gaps", _feature("a", position=2), [{"position": 2, "counted": 1}]),
    (
        "positions_with_gaps",
        _feature("a", "b", position=1),
        [{"paper_id": "b", "position": 1, "counted": 2}],
    ),
    ("positions_with_gaps", _feature("a", position=None), [{"position": None, "counted": 1}]),
    (
        "digests_without_analysis",
        _feature("a", question="another"),
        [{"profile": "new", "paper_id": "a", "question": "another", "stored": None}],
    ),
    ("digests_without_analysis", _feature("a", style="hf"), [{"paper_id": "a", "stored": None}]),
    ("digests_without_analysis", _feature("a", question=None), [{"question": None}]),
    (
        "digests_without_analysis",
        _feature("b", status="complete"),
        [{"paper_id": "b", "status": "complete", "stored": "pending"}],
    ),
    (
        "outcomes_unlike_their_papers",
        _feature("a", "b", pending="b", outcome="complete"),
        [{"profile": "new", "outcome": "complete", "pending": 1}],
    ),
    (
        "outcomes_unlike_their_papers",
        _feature("a", missing_sources=["arxiv"]),
        [{"outcome": "complete", "missing_sources": ["arxiv"]}],
    ),
    ("outcomes_unlike_their_papers", _feature("a", outcome="empty"), [{"papers": 1}]),
    ("outcomes_unlike_their_papers", _feature("a", outcome="partial"), [{"pending": 0}]),
    ("outcomes_unlike_their_papers", _feature(outcome="complete"), [{"papers": 0, "listed": 0}]),
    ("outcomes_unlike_their_papers", _feature(outcome="empty", listed=3), [{"listed": 3}]),
    ("outcomes_unlike_their_papers", _feature("a", outcome=None), [{"outcome": None}]),
    (
        "claims_that_do_not_add_up",
        _analyze("x", claims=3, claims_found=1, flags=[{"section": "idea", "claim": "9"}]),
        [{"paper_id": "x", "claims": 3, "claims_found": 1, "flagged": 1}],
    ),
    ("claims_that_do_not_add_up", _analyze("x", claims=1, claims_found=0), [{"flagged": 0}]),
    ("analyses_without_text", _analyze("x", **_EMPTIED), [{"paper_id": "x", "style": "cv"}]),
    ("analyses_without_text", _analyze("x", sections=None, extract=None), [{"paper_id": "x"}]),
    ("analyses_without_text", _analyze("x", sections="no JSON"), [{"status": "complete"}]),
    ("analyses_without_text", _analyze("x", sections='{"a": " ", "b": [""]}'), [{"paper_id": "x"}]),
    ("analyses_without_text", _analyze("x", sections="{}", extract=[" "]), [{"paper_id": "x"}]),
    (
        "provider_errors_as_text",
        _analyze("x", sections='{"idea": "429 You exceeded your current quota, please check"}'),
        [{"paper_id": "x", "model": "a/model", "found": "exceeded your current quota"}],
    ),
    (
        "provider_errors_as_text",
        _analyze("x", sections='{"idea": ["status: RESOURCE_EXHAUSTED"]}'),
        [{"paper_id": "x", "found": "resource_exhausted"}],
    ),
    ("abstracts_without_reason", _read(reason=None), [{"paper_id": "x", "reason": None}]),
    ("abstracts_without_reason", _read(reason=" "), [{"paper_id": "x"}]),
    ("abstracts_without_reason", _read(reason="ok"), [{"reading_source": "abstract"}]),
    ("abstracts_without_reason", _read(chars=0), [{"paper_id": "x", "chars": 0}]),
    ("listings_without_text", _set(1, title=" "), [{"paper_id": "a", "title": " "}]),
    ("listings_without_text", _set(1, abstract=None), [{"paper_id": "a", "abstract": None}]),
    (
        "ranks_with_gaps",
        _list(lambda rows: rows.pop(0)),
        [
            {"paper_id": "a", "rank": 2, "counted": 1},
            {"paper_id": "b", "rank": 3, "counted": 2},
        ],
    ),
    ("ranks_with_gaps", _set(2, rank=2), [{"paper_id": "b", "rank": 2, "counted": 3}]),
    (
        "papers_featured_twice",
        _feature("a", profile="cv"),
        [{"date": LATER, "paper_id": "a", "featured_on": DAY}, {"featured_on": LATER}],
    ),
    (
        "papers_featured_twice",
        _feature("z", profile="cv"),
        [{"paper_id": "z", "featured_on": DAY - dt.timedelta(days=1)}],
    ),
]


def test_a_healthy_lake_passes_every_check(healthy: Lake) -> None:
    assert check(healthy) == [f"ok    {name}" for name in CHECKS]


def test_an_empty_lake_passes_every_check(lake: Lake) -> None:
    assert check(lake) == [f"ok    {name}" for name in CHECKS]


def test_every_check_has_bad_rows_planted_for_it() -> None:
    assert sorted({f"checks.{name}" for name, _, _ in PLANTED}) == CHECKS


@pytest.mark.parametrize(("name", "plant", "expected"), PLANTED, ids=[p[0] for p in PLANTED])
def test_a_check_returns_the_bad_rows_and_no_others(
    healthy: Lake, name: str, plant: Callable[[Lake], None], expected: list[Row]
) -> None:
    plant(healthy)
    rows = run(healthy, f"checks.{name}")
    found = [{k: row[k] for k in e} for row, e in zip(rows, expected, strict=True)]
    assert found == expected


def test_the_doctor_tells_a_failure_from_a_warning(healthy: Lake) -> None:
    _feature("a", position=2)(healthy)
    lines = {line.split(":")[0].split()[-1]: line for line in check(healthy)}
    assert lines["checks.positions_with_gaps"].startswith("FAIL  checks.positions_with_gaps: 1 row")
    assert lines["checks.digests_unlike_their_scores"].startswith("warn")
    assert lines["checks.duplicate_keys"].startswith("ok")


@pytest.mark.real
def test_every_recorded_error_of_a_provider_is_told(lake: Lake, shared: Path) -> None:
    bodies = {
        file.stem: file.read_text(encoding="utf-8")
        for file in (shared / "data" / "llm_errors").iterdir()
        if not re.search("arxiv|headers", file.stem)
    }
    assert bodies
    for stem, body in bodies.items():
        write_analysis(lake, stem, sections=json.dumps({"idea": body}))
    told = {row["paper_id"] for row in run(lake, "checks.provider_errors_as_text")}
    assert sorted(told) == sorted(bodies)
