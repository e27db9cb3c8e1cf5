"""The table `runs`: a row for every flow run, and of a run of many digests the worst."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from builders import DAY, NOON, Row

import broadsheet
from broadsheet import history
from broadsheet.config import load_settings
from broadsheet.errors import SourceUnavailable, Stopped
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.publishing import Published, failed

DOWN = SourceUnavailable("cannot read huggingface 2026-01-06: 503", "run again later")


def published(outcome: Outcome = Outcome.COMPLETE, **more: Any) -> Published:
    """What became of a digest of three papers."""
    values: dict[str, Any] = {"selected": 3, "prompt_tokens": 900, "cost_usd": 0.25}
    return Published(profile="cv", date=DAY, outcome=outcome, **values | more)


def recorded(result: object, run_id: str = "run-1", **more: Any) -> Row:
    """The row of a run that ended so."""
    values: dict[str, Any] = {"flow": "daily", "name": "cv newest", "started_at": NOON}
    history.record(run_id=run_id, result=result, **values | more)
    (row,) = Lake(load_settings().lake_root).rows("runs", run_id, date=NOON.date()) or []
    return row


def test_a_run_of_many_digests_is_its_worst_and_counts_nothing() -> None:
    digests = [published(), published(Outcome.EMPTY), failed("hf", DAY, DOWN)]
    row = recorded(digests)
    assert (row["outcome"], row["message"]) == ("failed", str(DOWN))
    assert (row["flow"], row["profile"], row["digest_date"]) == ("daily", None, None)
    assert {row[n] for n in ("listed", "selected", "pending", "prompt_tokens", "cost_usd")} == {
        None
    }


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (["complete", "partial", "empty"], "partial"),
        (["partial", "failed"], "failed"),
        (["empty", "empty"], "empty"),
        (["empty", "complete"], "complete"),
        ([], "complete"),
    ],
)
def test_the_outcome_of_many_is_the_worst(outcomes: list[str], expected: str) -> None:
    assert recorded([published(Outcome(one)) for one in outcomes])["outcome"] == expected


def test_a_failure_is_told_before_a_thin_list() -> None:
    row = recorded([published(message="a thin list"), failed("hf", DAY, DOWN)])
    assert row["message"] == str(DOWN)


def test_a_thin_list_is_the_message_of_its_run_and_of_the_run_above() -> None:
    thin = published(message="huggingface lists 3 papers")
    rows = [recorded(thin, profile="cv", date=DAY), recorded([published(), thin], "run-2")]
    assert [(row["outcome"], row["message"]) for row in rows] == [
        ("complete", "huggingface lists 3 papers")
    ] * 2


@pytest.mark.parametrize("result", [None, "compacted 3 tables", {"removed": 7}])
def test_a_run_that_makes_no_digest_is_complete_where_it_did_not_fail(result: object) -> None:
    row = recorded(result, flow="maintenance", name="maintenance")
    assert (row["flow"], row["outcome"], row["message"]) == ("maintenance", "complete", None)


@pytest.mark.parametrize("error", [DOWN, Stopped("the run was cancelled"), KeyboardInterrupt()])
def test_a_run_that_came_to_nothing_is_failed_whoever_it_is(error: BaseException) -> None:
    of_digest, of_many = recorded(error, profile="cv", date=DAY), recorded(error, "run-2")
    said = str(error) or "KeyboardInterrupt"
    assert (of_digest["outcome"], of_digest["message"]) == ("failed", said)
    assert (of_many["outcome"], of_many["message"], of_many["profile"]) == ("failed", said, None)


def test_sums_over_runs_count_each_answer_once() -> None:
    recorded([published(), published()], "above")
    for number in (1, 2):
        recorded(published(), f"below-{number}", flow="digest", profile="cv", date=DAY)
    sums = broadsheet.connect().sql("select sum(cost_usd), sum(selected), count(*) from runs")
    assert sums.fetchall() == [(0.5, 6, 3)]


def test_a_row_written_twice_is_one() -> None:
    """As where a run's own hook and that of the worker that saw it die both write."""
    recorded(DOWN)
    recorded(DOWN, started_at=NOON + dt.timedelta(seconds=1))
    assert broadsheet.connect().sql("select count(*) from runs").fetchall() == [(1,)]
