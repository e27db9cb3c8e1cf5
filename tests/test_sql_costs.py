"""`costs`, the view by day and the question by month: requests, tokens and dollars."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from itertools import count
from typing import Any

from builders import DAY, NOON, an_answer, rows_of, run

from broadsheet.lake import Lake

_numbers = count()


def write_answer(lake: Lake, **changed: Any) -> None:
    """An answer of a question of its own."""
    key = f"{next(_numbers):064x}"
    lake.write("answers", [asdict(an_answer(key=key, **changed))], key, prefix=key[:2])


def test_a_month_and_model_add_up(lake: Lake) -> None:
    write_answer(lake, prompt_tokens=1000, completion_tokens=200, cost_usd=0.25)
    write_answer(lake, prompt_tokens=500, completion_tokens=100, cost_usd=0.5)
    assert run(lake, "history.costs") == [
        {
            "month": DAY.replace(day=1),
            "model": "maker/any",
            "requests": 2,
            "requests_unpriced": 0,
            "refusals": 0,
            "prompt_tokens": 1500,
            "completion_tokens": 300,
            "cost_usd": 0.75,
        }
    ]


def test_requests_without_price_are_counted_apart(lake: Lake) -> None:
    write_answer(lake, cost_usd=0.5)
    write_answer(lake, cost_usd=None)
    write_answer(lake, cost_usd=0.0)
    [row] = run(lake, "history.costs")
    assert (row["requests"], row["requests_unpriced"], row["cost_usd"]) == (3, 1, 0.5)


def test_cost_is_null_where_no_price_is_known(lake: Lake) -> None:
    write_answer(lake, cost_usd=None)
    [row] = run(lake, "history.costs")
    assert (row["requests_unpriced"], row["cost_usd"]) == (1, None)


def test_days_are_those_of_utc(lake: Lake) -> None:
    midnight = dt.datetime(2026, 1, 7, tzinfo=dt.UTC)
    late = dt.datetime(2026, 1, 7, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    for asked_at, model in (
        (late, "b"),
        (midnight - dt.timedelta(microseconds=1), "b"),
        (midnight, "b"),
        (NOON, "a"),
    ):
        write_answer(lake, asked_at=asked_at, model=model)
    days = rows_of(lake, "costs", "date", "model", "requests")
    assert days == [(DAY, "a", 1), (DAY, "b", 2), (midnight.date(), "b", 1)]


def test_months_come_newest_first_then_models_by_name(lake: Lake) -> None:
    for month, model in ((1, "b"), (2, "b"), (1, "a")):
        write_answer(lake, asked_at=dt.datetime(2026, month, 5, tzinfo=dt.UTC), model=model)
    rows = [(row["month"].month, row["model"]) for row in run(lake, "history.costs")]
    assert rows == [(2, "b"), (1, "a"), (1, "b")]


def test_nothing_asked_is_no_row(lake: Lake) -> None:
    assert run(lake, "history.costs") == []
