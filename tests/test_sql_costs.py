"""`sql/history/costs.sql`: requests, tokens and dollars by day and model."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from itertools import count
from typing import Any

from builders import DAY, NOON, an_answer, run

from broadsheet.lake import Lake

_numbers = count()


def write_answer(lake: Lake, **changed: Any) -> None:
    """An answer of a question of its own."""
    key = f"{next(_numbers):064x}"
    lake.write("answers", [asdict(an_answer(key=key, **changed))], key, prefix=key[:2])


def test_a_day_and_model_add_up(lake: Lake) -> None:
    write_answer(lake, prompt_tokens=1000, completion_tokens=200, cost_usd=0.25)
    write_answer(lake, prompt_tokens=500, completion_tokens=100, cost_usd=0.5)
    assert run(lake, "history.costs") == [
        {
            "date": DAY,
            "model": "maker/any",
            "requests": 2,
            "requests_unpriced": 0,
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


def test_days_are_those_of_utc_newest_first_then_models_by_name(lake: Lake) -> None:
    midnight = dt.datetime(2026, 1, 7, tzinfo=dt.UTC)
    late = dt.datetime(2026, 1, 7, 0, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    for asked_at, model in (
        (late, "b"),
        (midnight - dt.timedelta(microseconds=1), "b"),
        (midnight, "b"),
        (NOON, "a"),
    ):
        write_answer(lake, asked_at=asked_at, model=model)
    rows = [(r["date"], r["model"], r["requests"]) for r in run(lake, "history.costs")]
    assert rows == [(midnight.date(), "b", 1), (DAY, "a", 1), (DAY, "b", 2)]


def test_nothing_asked_is_no_row(lake: Lake) -> None:
    assert run(lake, "history.costs") == []
