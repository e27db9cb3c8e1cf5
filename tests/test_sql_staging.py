"""Views of `sql/staging` and the editions: of rows that come several times, the right one."""

from __future__ import annotations

import datetime as dt

from builders import DAY, HOUR, NOON, paper, rows_of, run, write_digest, write_list

from broadsheet.lake import Lake


def test_newest_snapshot_wins(lake: Lake) -> None:
    write_list(lake, paper("a", 1, upvotes=5, title="Old"), at=NOON)
    write_list(lake, paper("a", 1, upvotes=9, title="New"), at=NOON + HOUR)
    write_list(lake, paper("a", 1, upvotes=7, title="Older"), at=NOON - HOUR)
    assert rows_of(lake, "listings", "paper_id", "upvotes", "title", "fetched_at") == [
        ("a", 9, "New", NOON + HOUR)
    ]


def test_a_paper_that_left_the_list_stays_at_its_end(lake: Lake) -> None:
    write_list(lake, paper("gone", 1), paper("a", 2), paper("b", 3))
    write_list(lake, paper("b", 1), paper("new", 2), paper("a", 3), at=NOON + HOUR)
    assert rows_of(lake, "listings", "rank", "paper_id", "is_listed") == [
        (1, "b", True),
        (2, "new", True),
        (3, "a", True),
        (4, "gone", False),
    ]


def test_ranks_are_renumbered_without_gaps(lake: Lake) -> None:
    for hours, names in enumerate(["abc", "bd", "d"]):
        write_list(lake, *(paper(n, 0) for n in names), at=NOON + hours * HOUR)
    assert rows_of(lake, "listings", "rank", "paper_id") == [(1, "d"), (2, "b"), (3, "a"), (4, "c")]


def test_scopes_sources_and_dates_do_not_mix(lake: Lake) -> None:
    write_list(lake, paper("a", 1), paper("b", 2), source="arxiv", scope="cs.CV")
    write_list(lake, paper("b", 1), source="arxiv", scope="cs.CL", at=NOON + HOUR)
    write_list(lake, paper("b", 1), at=NOON + 2 * HOUR)
    write_list(lake, paper("b", 1), date=DAY + dt.timedelta(days=1), at=NOON + 3 * HOUR)
    found = rows_of(lake, "listings", "source", "scope", "date", "rank", "paper_id", "is_listed")
    assert found == [
        ("arxiv", "cs.CL", DAY, 1, "b", True),
        ("arxiv", "cs.CV", DAY, 1, "a", True),
        ("arxiv", "cs.CV", DAY, 2, "b", True),
        ("huggingface", "", DAY, 1, "b", True),
        ("huggingface", "", dt.date(2026, 1, 7), 1, "b", True),
    ]


def test_a_paper_has_its_newest_title_and_the_most_it_ever_had(lake: Lake) -> None:
    later = DAY + dt.timedelta(days=2)
    write_list(lake, paper("a", 1, title="First", upvotes=50, version=1, code_url="code"))
    write_list(
        lake,
        paper("a", 1, title="Second", version=2, published_at=NOON - HOUR),
        source="arxiv",
        scope="cs.CV",
        date=later,
        at=NOON + 50 * HOUR,
    )
    [row] = run(lake, "staging.papers")
    expected = {
        "paper_id": "a",
        "title": "Second",
        "version": 2,
        "upvotes": 50,
        "code_url": "code",
        "published_at": NOON - HOUR,
        "sources": ["arxiv", "huggingface"],
        "first_listed_on": DAY,
        "last_listed_on": later,
    }
    assert {name: row[name] for name in expected} == expected


def test_the_best_reading_of_the_newest_version_is_the_text(lake: Lake) -> None:
    for number, (version, source) in enumerate(
        [(2, "abstract"), (1, "html"), (2, "html"), (None, "html")]
    ):
        row = {"paper_id": "a", "version": version, "reading_source": source, "chars": number}
        lake.write("fulltexts", [row], str(number), date=DAY)
    assert rows_of(lake, "fulltexts", "paper_id", "version", "reading_source", "chars") == [
        ("a", 2, "html", 2)
    ]


def test_an_answer_is_the_first_one_paid_for(lake: Lake) -> None:
    for hours in (1, 0):
        row = {"key": "abc", "text": str(hours), "asked_at": NOON + hours * HOUR}
        lake.write("answers", [row], f"abc{hours}", prefix="ab")
    assert rows_of(lake, "answers", "key", "text") == [("abc", "0")]


def test_a_complete_analysis_wins_over_a_pending_one(lake: Lake) -> None:
    for day, status in ((5, "pending"), (6, "complete"), (7, "complete")):
        row = {"style": "cv", "paper_id": "a", "question": "q", "status": status}
        lake.write("analyses", [row], "cv", date=dt.date(2026, 1, day))
    assert rows_of(lake, "analyses", "question", "status", "date") == [("q", "complete", DAY)]


def test_a_day_published_empty_is_an_edition_without_papers(lake: Lake) -> None:
    write_digest(lake, [], outcome="empty")
    assert rows_of(lake, "digests", "*") == []
    assert rows_of(lake, "editions", "profile", "date", "outcome", "papers", "pending") == [
        ("cv", DAY, "empty", 0, 0)
    ]


def test_an_edition_counts_papers_and_pending_ones(lake: Lake) -> None:
    write_digest(lake, ["a", "b", "c"], outcome="partial", pending="bc", missing_sources=["arxiv"])
    write_digest(lake, ["a"], profile="hf")
    found = rows_of(lake, "editions", "profile", "papers", "pending", "outcome", "missing_sources")
    assert found == [("cv", 3, 2, "partial", ["arxiv"]), ("hf", 1, 0, "complete", [])]
