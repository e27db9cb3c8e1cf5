"""`sql/marts/usual_volume.sql` and what `broadsheet.volume` makes of it: lists that are thin."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
from builders import ARXIV, DAY, HF, HOUR, NOON, Row, paper, run, write_list

from broadsheet.config import load_profile, load_settings
from broadsheet.editions import Edition
from broadsheet.errors import LakeError
from broadsheet.lake import Lake
from broadsheet.styles import load_style
from broadsheet.volume import thin_lists

WEEK = dt.timedelta(weeks=1)


def write_papers(lake: Lake, count: int, date: dt.date = DAY, **more: Any) -> None:
    """A list of so many papers."""
    write_list(lake, *(paper(f"{date}-{n}", n) for n in range(1, count + 1)), date=date, **more)


def write_weeks(lake: Lake, *counts: int, **more: Any) -> None:
    """Lists of the weeks before, newest first."""
    for weeks, count in enumerate(counts, 1):
        write_papers(lake, count, DAY - weeks * WEEK, **more)


def usual(lake: Lake, *asked: Row) -> list[tuple[Any, ...]]:
    """Listed, weeks, usual and share of each list asked for."""
    rows = run(lake, "marts.usual_volume", asked=list(asked or (HF,)), date=DAY)
    return [(r["listed"], r["weeks"], r["usual"], r["share"]) for r in rows]


def an_edition(profile: str = "hf", date: dt.date = DAY, **settings: Any) -> Edition:
    """An edition of the profile over the lake of the test."""
    loaded_settings = load_settings(**settings)
    loaded = load_profile(loaded_settings, profile)
    style = load_style(loaded_settings, loaded.style, loaded.language)
    return Edition(settings=loaded_settings, profile=loaded, style=style, date=date)


def test_usual_is_the_median_of_that_weekdays_lists(lake: Lake) -> None:
    write_weeks(lake, 10, 30, 20, 40)
    write_papers(lake, 5)
    assert usual(lake) == [(5, 4, 25.0, 0.2)]


def test_other_weekdays_and_later_lists_do_not_count(lake: Lake) -> None:
    write_weeks(lake, 4, 4, 4, 4)
    for days in (-13, -3, -1, 1, 7):
        write_papers(lake, 50, DAY + dt.timedelta(days=days))
    assert usual(lake) == [(0, 4, 4.0, 0.0)]


def test_lists_older_than_eight_weeks_do_not_count(lake: Lake) -> None:
    for weeks in (1, 2, 3, 8):
        write_papers(lake, 4, DAY - weeks * WEEK)
    write_papers(lake, 50, DAY - 9 * WEEK)
    assert usual(lake) == [(0, 4, 4.0, 0.0)]


def test_fewer_than_four_lists_say_nothing(lake: Lake) -> None:
    write_weeks(lake, 10, 10, 10)
    write_papers(lake, 1)
    assert usual(lake) == [(1, 3, None, None)]


def test_only_the_newest_snapshot_counts(lake: Lake) -> None:
    write_weeks(lake, 4, 4, 4, 4)
    for weeks in range(1, 5):
        write_papers(lake, 8, DAY - weeks * WEEK, at=NOON + HOUR)
    write_papers(lake, 9)
    write_list(lake, paper(f"{DAY}-1", 1), at=NOON + HOUR)
    assert usual(lake) == [(1, 4, 8.0, 0.125)]


def test_sources_and_scopes_do_not_mix(lake: Lake) -> None:
    write_weeks(lake, 4, 4, 4, 4)
    write_weeks(lake, 8, 8, 8, 8, source="arxiv", scope="cs.CV")
    write_weeks(lake, 50, 50, 50, 50, source="arxiv", scope="cs.CL")
    write_papers(lake, 2, source="arxiv", scope="cs.CV")
    assert usual(lake, HF, ARXIV) == [(2, 4, 8.0, 0.25), (0, 4, 4.0, 0.0)]


def test_a_list_below_the_usual_share_is_thin_and_logged(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    write_weeks(lake, 10, 10, 10, 10)
    write_papers(lake, 3)
    with caplog.at_level(logging.WARNING, "broadsheet"):
        [thin] = thin_lists(an_edition(usual_share=0.4))
    expected = "huggingface lists 3 papers on 2026-01-06, where a Tuesday usually has 10"
    assert [record.getMessage() for record in caplog.records] == [expected] == [str(thin)]


def test_a_list_of_just_the_usual_share_is_not_thin(lake: Lake) -> None:
    write_weeks(lake, 10, 10, 10, 10)
    write_papers(lake, 4)
    assert thin_lists(an_edition(usual_share=0.4)) == []
    assert len(thin_lists(an_edition(usual_share=0.41))) == 1


def test_an_empty_list_on_a_day_that_usually_has_papers_is_thin(lake: Lake) -> None:
    write_weeks(lake, 10, 10, 10, 10)
    write_list(lake)
    assert [thin.listed for thin in thin_lists(an_edition())] == [0]


def test_an_empty_list_at_a_weekend_is_not_thin(lake: Lake) -> None:
    saturday = dt.date(2026, 1, 3)
    for weeks in range(9):
        write_list(lake, date=saturday - weeks * WEEK)
    assert thin_lists(an_edition(date=saturday)) == []


def test_a_source_that_did_not_answer_is_not_thin(lake: Lake) -> None:
    write_weeks(lake, 10, 10, 10, 10)
    assert thin_lists(an_edition(), missing=["huggingface"]) == []


def test_a_share_of_nought_never_warns(lake: Lake) -> None:
    write_weeks(lake, 10, 10, 10, 10)
    assert thin_lists(an_edition(usual_share=0)) == []


def test_a_lake_that_cannot_be_read_costs_the_check_only(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LakeError("cannot read listings: no such disk")

    monkeypatch.setattr("broadsheet.volume.Warehouse", refuse)
    assert thin_lists(an_edition()) == []
    assert "cannot say what is usual for hf 2026-01-06: cannot read listings" in caplog.text


def test_only_the_lists_of_that_weekday_are_read(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_weeks(lake, *[5] * 9)
    for days in range(1, 7):
        write_papers(lake, 5, DAY - dt.timedelta(days=days))
    asked: list[dict[str, object]] = []
    whole = Lake.files

    def files(self: Lake, table: str, **partition: Any) -> list[str]:
        asked.append({"table": table, **partition})
        return whole(self, table, **partition)

    monkeypatch.setattr(Lake, "files", files)
    assert thin_lists(an_edition()) != []
    dates = {one.get("date") for one in asked}
    assert dates == {DAY - weeks * WEEK for weeks in range(9)}
