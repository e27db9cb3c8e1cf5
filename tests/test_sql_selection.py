"""`sql/marts/selection.sql`: the threshold, the best few, and nothing featured lately."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from builders import DAY, Row, paper, scoring_of, write_digest, write_list

from broadsheet.lake import Lake
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse


def select(
    lake: Lake,
    scores: Mapping[str, int],
    *,
    minimum_score: int = 0,
    at_most: int | None = None,
    repeat_after_days: int = 90,
) -> list[Row]:
    """The scored papers, in their list's order, with those selected marked."""
    names = list(scores)
    write_list(lake, *(paper(name, 0) for name in names))
    with Warehouse(lake) as warehouse:
        table = warehouse.run("marts.scores", **scoring_of())
        points = pa.array([scores[p.as_py()] for p in table["paper_id"]], pa.int32())
        put = table.set_column(table.schema.get_field_index("score"), "score", points)
        warehouse.put("marts.scores", put)
        return to_rows(
            warehouse.run(
                "marts.selection",
                profile="cv",
                date=DAY,
                minimum_score=minimum_score,
                at_most=at_most,
                repeat_after_days=repeat_after_days,
            )
        )


def selected(lake: Lake, scores: Mapping[str, int], **rules: Any) -> list[tuple[str, int]]:
    """The papers that make the digest, and their positions."""
    rows = select(lake, scores, **rules)
    assert [row["paper_id"] for row in rows if row["is_selected"]] == [
        row["paper_id"] for row in rows if row["position"] is not None
    ]
    return [(row["paper_id"], row["position"]) for row in rows if row["is_selected"]]


def test_the_minimum_is_enough(lake: Lake) -> None:
    found = selected(lake, {"a": 40, "b": 39, "c": 41}, minimum_score=40)
    assert found == [("c", 1), ("a", 2)]


def test_at_most_keeps_the_best(lake: Lake) -> None:
    scores = {"a": 10, "b": 30, "c": 20}
    assert selected(lake, scores, at_most=2) == [("b", 1), ("c", 2)]
    assert selected(lake, scores, at_most=None) == [("b", 1), ("c", 2), ("a", 3)]


def test_ties_are_kept_in_the_order_of_the_list(lake: Lake) -> None:
    assert selected(lake, {"z": 50, "b": 50, "a": 50}, at_most=2) == [("z", 1), ("b", 2)]


def test_every_scored_paper_is_there_selected_first(lake: Lake) -> None:
    rows = select(lake, {"a": 10, "b": 5, "c": 20, "d": 1}, at_most=1)
    assert [(r["paper_id"], r["is_selected"], r["position"]) for r in rows] == [
        ("c", True, 1),
        ("a", False, None),
        ("b", False, None),
        ("d", False, None),
    ]


@pytest.mark.parametrize(
    ("days_before", "repeat_after_days", "is_selected"),
    [
        (1, 90, False),
        (90, 90, False),
        (91, 90, True),
        (1, 0, True),
        (1, 1, False),
        (2, 1, True),
        (0, 90, True),
        (-1, 90, True),
    ],
)
def test_a_paper_comes_again_only_after_so_many_days(
    lake: Lake, days_before: int, repeat_after_days: int, is_selected: bool
) -> None:
    date = DAY - dt.timedelta(days=days_before)
    write_digest(lake, ["a"], date=date)
    [row] = select(lake, {"a": 50}, repeat_after_days=repeat_after_days)
    assert row["is_selected"] is is_selected
    assert row["featured_on"] == (None if is_selected else date)


def test_another_profile_may_have_featured_it(lake: Lake) -> None:
    write_digest(lake, ["a"], profile="hf", date=DAY - dt.timedelta(days=1))
    assert selected(lake, {"a": 50}) == [("a", 1)]


def test_a_paper_left_out_as_repeated_makes_room_for_the_next(lake: Lake) -> None:
    for days in (3, 5):
        write_digest(lake, ["a"], date=DAY - dt.timedelta(days=days))
    rows = select(lake, {"a": 90, "b": 50, "c": 40}, at_most=1)
    assert [(r["paper_id"], r["position"]) for r in rows] == [("b", 1), ("a", None), ("c", None)]
    assert rows[1]["featured_on"] == DAY - dt.timedelta(days=3)


def test_a_digest_published_empty_keeps_nothing_out(lake: Lake) -> None:
    write_digest(lake, [], outcome="empty", date=DAY - dt.timedelta(days=1))
    assert selected(lake, {"a": 50}) == [("a", 1)]
