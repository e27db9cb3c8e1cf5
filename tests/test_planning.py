"""Which digests a backfill or a day's run is to make."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from builders import a_listing
from conftest import Web

from broadsheet import ingest
from broadsheet.config import load_settings
from broadsheet.errors import NotPublishedYet, SourceError, SourceUnavailable, UsageError
from broadsheet.ingest import Ingested
from broadsheet.lake import Lake
from broadsheet.planning import (
    Key,
    Lists,
    Plan,
    narrowed,
    nothing,
    out_of_reach,
    plan_range,
    plan_recent,
    read_lists,
    turns,
)

PROFILE = 'title = "T"\nstyle = "hf"\nlanguage = "en"\n'
FIRST, LAST = dt.date(2026, 1, 5), dt.date(2026, 1, 8)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles, a and b."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    for name in "ab":
        (folder / f"{name}.toml").write_text(PROFILE)
    monkeypatch.setenv("BROADSHEET_PROFILES", str(folder))


def publish(lake: Lake, key: Key, outcome: str = "complete", page: str | None = "a page") -> None:
    """A digest in the lake, and its page unless there is none."""
    import hashlib

    name, date = key
    report = load_settings().reports / name / f"{date}.md"
    known = hashlib.sha256(b"a page").hexdigest()
    row = {"outcome": outcome, "origin": "made", "report_sha256": known}
    lake.write("digests", [row], "digest", profile=name, date=date)
    if page is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(page)


def keys(names: str, *dates: dt.date) -> list[Key]:
    return [(name, date) for date in dates for name in names]


def found(*, changed: bool, date: dt.date = FIRST) -> Ingested:
    return Ingested(source="huggingface", date=date, listed=3, new=0, is_changed=changed)


class TestRange:
    def test_newest_dates_come_first_and_every_profile_has_each(self) -> None:
        plan = plan_range(FIRST, FIRST + DAY)
        assert list(plan.keys) == keys("ab", FIRST + DAY, FIRST)

    def test_oldest_may_come_first(self) -> None:
        plan = plan_range(FIRST, LAST, ["b"], "oldest first")
        assert list(plan.keys) == keys("b", *(FIRST + DAY * n for n in range(4)))

    @pytest.mark.parametrize("outcome", ["complete", "empty"])
    def test_complete_digests_are_left_out(self, lake: Lake, outcome: str) -> None:
        publish(lake, ("a", FIRST), outcome)
        plan = plan_range(FIRST, FIRST)
        assert (plan.keys, plan.complete) == ((("b", FIRST),), {("a", FIRST)})

    def test_partial_digests_are_made_again(self, lake: Lake) -> None:
        publish(lake, ("a", FIRST), "partial")
        assert ("a", FIRST) in plan_range(FIRST, FIRST).keys

    @pytest.mark.parametrize("page", [None, "another page"])
    def test_a_digest_without_the_page_that_was_published_is_made_again(
        self, lake: Lake, page: str | None
    ) -> None:
        publish(lake, ("a", FIRST), page=page)
        assert ("a", FIRST) in plan_range(FIRST, FIRST).keys

    def test_refresh_keeps_complete_ones_until_their_lists_were_read(self, lake: Lake) -> None:
        publish(lake, ("a", FIRST))
        assert len(plan_range(FIRST, FIRST, refresh=True).keys) == 2

    def test_a_range_that_ends_before_it_starts_is_refused(self) -> None:
        with pytest.raises(UsageError, match="ends before it starts"):
            plan_range(LAST, FIRST)

    def test_an_unknown_profile_is_refused(self) -> None:
        with pytest.raises(UsageError, match="unknown profile 'c'"):
            plan_range(FIRST, LAST, ["c"])


class TestRecent:
    def test_a_profile_without_history_has_only_the_newest_date(self) -> None:
        assert plan_recent(["a"], LAST).keys == ()

    def test_lists_of_the_last_days_are_read_again(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_SETTLE_DAYS", "2")
        for date in (FIRST, FIRST + DAY, FIRST + 2 * DAY):
            publish(lake, ("a", date))
        plan = plan_recent(["a"], LAST)
        assert (list(plan.keys), plan.refresh) == (keys("a", LAST - DAY, LAST - 2 * DAY), True)

    def test_missed_days_are_caught_up_from_the_first_digest_on(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_SETTLE_DAYS", "0")
        publish(lake, ("a", FIRST))
        assert list(plan_recent(["a", "b"], LAST).keys) == keys("a", LAST - DAY, LAST - 2 * DAY)

    def test_a_machine_that_was_off_for_longer_is_caught_up_for_catch_up_days(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_CATCH_UP_DAYS", "2")
        publish(lake, ("a", FIRST - 100 * DAY))
        assert list(plan_recent(["a"], LAST).keys) == keys("a", LAST - DAY, LAST - 2 * DAY)

    def test_a_profile_that_cannot_be_used_stops_no_other(self, lake: Lake) -> None:
        publish(lake, ("a", FIRST))
        assert {name for name, _ in plan_recent(["a", "broken"], LAST).keys} == {"a"}


def test_no_plan_has_no_digest() -> None:
    assert nothing().keys == ()


class TestNarrowed:
    def narrow(self, lake: Lake, read: Ingested | SourceError) -> Plan:
        publish(lake, ("a", FIRST))
        plan = plan_range(FIRST, FIRST, ["a"], refresh=True)
        return narrowed(plan, Lists(read={("huggingface", "", FIRST): read}))

    def test_a_complete_digest_is_made_again_where_its_list_has_grown(self, lake: Lake) -> None:
        assert self.narrow(lake, found(changed=True)).keys == (("a", FIRST),)

    def test_a_complete_digest_whose_list_stayed_is_left_out(self, lake: Lake) -> None:
        assert self.narrow(lake, found(changed=False)).keys == ()

    def test_a_complete_digest_whose_source_is_down_is_left_out(self, lake: Lake) -> None:
        assert self.narrow(lake, SourceUnavailable("down")).keys == ()

    def test_a_date_without_a_list_yet_is_left_out(self) -> None:
        plan = plan_range(FIRST, FIRST, ["a"])
        read = {("huggingface", "", FIRST): NotPublishedYet("not yet")}
        assert narrowed(plan, Lists(read=read)).keys == ()

    def test_an_incomplete_digest_stays_whatever_was_read(self) -> None:
        plan = plan_range(FIRST, FIRST, ["a"])
        assert narrowed(plan, Lists(read={})).keys == (("a", FIRST),)


class TestOutOfReach:
    def test_a_digest_none_of_whose_lists_is_known_cannot_be_made(self) -> None:
        plan = plan_range(FIRST, FIRST, ["a"])
        down = SourceUnavailable("down")
        lists = Lists(read={("huggingface", "", FIRST): down})
        assert out_of_reach(plan, lists) == {("a", FIRST): down}

    def test_a_list_that_was_stored_before_is_enough(self, lake: Lake, web: Web) -> None:
        plan = plan_range(FIRST, FIRST, ["a"], refresh=True)
        store(lake, FIRST, 1)
        lists = Lists(read={("huggingface", "", FIRST): SourceUnavailable("down")})
        assert out_of_reach(plan, lists) == {}


def store(lake: Lake, date: dt.date, *numbers: int) -> None:
    listings = [a_listing(number) for number in numbers]
    ingest._write_snapshot(lake, Scopeless(), date, listings)


class Scopeless:
    """As much of Hugging Face as storing a list needs."""

    name, scope = "huggingface", ""

    def newest_date(self) -> dt.date:
        raise NotImplementedError

    def list_day(self, date: dt.date) -> ingest.Day:
        raise NotImplementedError

    def list_days(
        self, dates: Sequence[dt.date]
    ) -> Iterator[tuple[dt.date, ingest.Day | SourceError]]:
        raise NotImplementedError


class TestTurns:
    def test_a_digest_waits_for_an_earlier_one_with_the_same_paper(self, lake: Lake) -> None:
        store(lake, FIRST, 1, 2)
        store(lake, FIRST + DAY, 3)
        store(lake, LAST, 2, 4)
        waits = turns(plan_range(FIRST, LAST, ["a"]))
        assert waits["a", LAST] == {("a", FIRST)}
        assert waits["a", FIRST] == waits["a", FIRST + DAY] == set()

    def test_a_paper_that_may_be_featured_again_by_then_lets_nobody_wait(
        self, lake: Lake, tmp_path: Path
    ) -> None:
        profile = tmp_path / "profiles" / "a.toml"
        profile.write_text(PROFILE + "[selection]\nrepeat_after_days = 2\n")
        store(lake, FIRST, 1)
        store(lake, LAST, 1)
        assert turns(plan_range(FIRST, LAST, ["a"]))["a", LAST] == set()

    def test_profiles_do_not_wait_for_each_other(self, lake: Lake) -> None:
        store(lake, FIRST, 1)
        store(lake, LAST, 1)
        assert turns(plan_range(FIRST, LAST))["b", LAST] == {("b", FIRST)}


class TestReadLists:
    def test_a_stored_list_is_read_again_only_to_refresh(
        self, lake: Lake, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", web.url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", f"{web.url}/api/query")
        web.respond = lambda path, query: (200, "[]")
        store(lake, FIRST, 1)
        read_lists(plan_range(FIRST, FIRST + DAY, ["a"]))
        assert [query["date"] for _, query in web.requests] == [str(FIRST + DAY)]

    def test_two_profiles_read_a_list_once(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", web.url)
        web.respond = lambda path, query: (200, "[]")
        lists = read_lists(plan_range(FIRST, LAST))
        assert sorted(query["date"] for _, query in web.requests) == [
            str(FIRST + DAY * n) for n in range(4)
        ]
        assert len(lists.read) == 4

    def test_an_outage_of_all_dates_is_told_for_each_and_raised_for_none(
        self, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", web.url)
        monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
        web.respond = lambda path, query: (503, "down")
        lists = read_lists(plan_range(FIRST, FIRST + 40 * DAY, ["a"]))
        assert len(lists.read) == 41
        assert all(isinstance(one, SourceUnavailable) for one in lists.read.values())
        assert len(web.requests) == 31  # the first month's: then it is clear
