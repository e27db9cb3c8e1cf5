"""Backfills: which digests are made, in which turn, and what becomes of them."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Web
from test_flows import completion

from broadsheet import closing
from broadsheet.config import load_settings
from broadsheet.errors import UsageError
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.planning import Key
from broadsheet.publishing import Published
from broadsheet.warehouse import Warehouse

MONDAY = dt.date(2026, 1, 5)
DAYS = [MONDAY + dt.timedelta(days=n) for n in range(3)]


class TestTurns:
    """`make_each` without Prefect: `_in_turn` alone."""

    def run(
        self, make: Any, wanted: list[Key], turns: dict[Key, set[Key]], parallel: int
    ) -> list[tuple[Key, Any]]:
        from tasks.batches import _in_turn

        return list(_in_turn(make, wanted, turns, parallel))

    def test_each_is_made_once_in_the_order_wanted(self) -> None:
        wanted = [("a", day) for day in reversed(DAYS)]
        made = self.run(lambda *key: str(key), wanted, {}, parallel=1)
        assert [key for key, _ in made] == wanted

    def test_no_more_than_allowed_are_made_at_once(self) -> None:
        now, most, lock = [0], [0], threading.Lock()

        def make(name: str, date: dt.date) -> str:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.02)
            with lock:
                now[0] -= 1
            return name

        self.run(make, [(name, day) for day in DAYS for name in "abcd"], {}, parallel=3)
        assert most == [3]

    def test_one_that_depends_on_another_is_made_after_it_however_wanted(self) -> None:
        first, second, third = (("a", day) for day in DAYS)
        made = self.run(lambda *key: "", [third, second, first], {third: {first}}, parallel=2)
        order = [key for key, _ in made]
        assert order.index(first) < order.index(third)
        assert set(order) == {first, second, third}

    def test_one_that_is_not_wanted_is_not_waited_for(self) -> None:
        key, complete = ("a", DAYS[1]), ("a", DAYS[0])
        assert self.run(lambda *_: "", [key], {key: {complete}}, parallel=1) == [(key, "")]

    def test_one_whose_run_the_server_did_not_take_fails_alone(self) -> None:
        def make(name: str, date: dt.date) -> Any:
            if date == DAYS[1]:
                raise RuntimeError("Service Unavailable")
            return "made"

        made = dict(self.run(make, [("a", day) for day in DAYS], {}, parallel=1))
        assert made["a", DAYS[0]] == made["a", DAYS[2]] == "made"
        assert made["a", DAYS[1]].is_failed()

    def test_an_interruption_starts_no_further_one_and_waits_for_those_under_way(self) -> None:
        begun: list[Key] = []
        ended: list[Key] = []

        def make(name: str, date: dt.date) -> str:
            begun.append((name, date))
            if date == DAYS[0]:
                raise KeyboardInterrupt
            time.sleep(0.1)
            ended.append((name, date))
            return ""

        wanted = [("a", DAYS[1]), ("a", DAYS[0]), ("b", DAYS[2]), ("c", DAYS[2])]
        with pytest.raises(KeyboardInterrupt):
            self.run(make, wanted, {}, parallel=2)
        assert begun == wanted[:2]
        assert ended == [("a", DAYS[1])]


class TestClosing:
    def a_published(self, **changed: Any) -> Published:
        values: dict[str, Any] = {
            "profile": "hf",
            "date": MONDAY,
            "outcome": Outcome.COMPLETE,
            "selected": 3,
            "cost_usd": 0.25,
        }
        return Published(**values | changed)

    def test_the_table_is_by_date_and_ends_in_the_sum(self) -> None:
        lines = closing.lines(
            [
                self.a_published(date=DAYS[1], outcome=Outcome.PARTIAL, pending=2),
                self.a_published(),
                self.a_published(date=DAYS[2], outcome=Outcome.FAILED, message="no list"),
            ]
        )
        assert [line[:10] for line in lines[:3]] == [str(day) for day in DAYS]
        assert lines[1].endswith("2 pending")
        assert lines[2].endswith("no list")
        assert lines[3] == "3 digests: 1 complete, 1 failed, 1 partial; 9 papers, $0.7500"

    def test_an_unknown_price_is_not_taken_for_nothing(self) -> None:
        lines = closing.lines([self.a_published(cost_usd=None)])
        assert "$?" in lines[0]
        assert "some at an unknown price" in lines[1]

    def test_rows_have_what_the_artifact_shows(self) -> None:
        [row] = closing.rows([self.a_published()])
        assert row["date"] == "2026-01-05"
        assert (row["outcome"], row["papers"], row["cost_usd"]) == ("complete", 3, 0.25)


@pytest.fixture
def lists(server: None, web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Web:
    """Hugging Face and arXiv with two papers a day; profiles a and b that read abstracts."""
    for variable, path in (("HUGGINGFACE_URL", ""), ("ARXIV_API_URL", "/api/query")):
        monkeypatch.setenv(f"BROADSHEET_{variable}", web.url + path)
    monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
    monkeypatch.setenv("BROADSHEET_PROFILES", str(tmp_path / "profiles"))
    (tmp_path / "profiles").mkdir()
    for name in "ab":
        (tmp_path / "profiles" / f"{name}.toml").write_text(
            f'title = "{name}"\nstyle = "hf"\nlanguage = "en"\nread = "abstract"\n'
        )
    web.respond = lambda path, query: (200, day_of(query.get("date", str(DAYS[-1]))))
    return web


def day_of(date: str, *, more: int = 0, first: int = 0) -> str:
    """The list of a date: papers numbered by the day, and so many that came late."""
    day = dt.date.fromisoformat(date).day
    return json.dumps([entry(date, first or day * 10 + n) for n in range(2 + more)])


def entry(date: str, number: int) -> dict[str, Any]:
    paper = {
        "id": f"2601.{number:05}",
        "title": f"Kite {number}",
        "summary": f"We fly kite {number}. It reaches {number} m.",
        "authors": [{"name": "Ada"}],
        "upvotes": 3,
        "publishedAt": f"{date}T00:00:00.000Z",
        "submittedOnDailyAt": f"{date}T00:00:00.000Z",
    }
    return {"paper": paper, "numComments": 0}


def fill(*args: Any, **options: Any) -> Any:
    from flows.backfill import backfill

    return backfill(*args, return_state=True, **options)


def published(state: Any) -> dict[Key, Published]:
    return {(one.profile, one.date): one for one in state.result(raise_on_failure=False)}


def rows_of(sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(Lake(load_settings().lake_root)) as warehouse:
        return warehouse.con.sql(sql).fetchall()


@pytest.mark.flow
class TestFlow:
    def test_every_date_of_every_profile_has_its_digest(self, lists: Web) -> None:
        state = fill(DAYS[0], DAYS[-1])
        assert state.is_completed()
        assert set(published(state)) == {(name, day) for name in "ab" for day in DAYS}
        assert rows_of("select count(*), count(distinct paper_id) from digests") == [(12, 6)]
        assert len([1 for _, query in lists.requests if "date" in query]) == 3

    def test_a_second_time_nothing_is_asked_and_nothing_made(self, lists: Web) -> None:
        fill(DAYS[0], DAYS[-1])
        asked = len(lists.requests)
        assert published(fill(DAYS[0], DAYS[-1])) == {}
        assert len(lists.requests) == asked

    def test_one_bad_day_stops_no_other(self, lists: Web) -> None:
        def respond(path: str, query: dict[str, str]) -> Any:
            bad = query.get("date") == str(DAYS[1])
            return (500, "broken") if bad else (200, day_of(query.get("date", str(MONDAY))))

        lists.respond = respond
        state = fill(DAYS[0], DAYS[-1], ["a"])
        assert state.is_failed()
        outcomes = {key[1]: one.outcome for key, one in published(state).items()}
        complete, failed = Outcome.COMPLETE, Outcome.FAILED
        assert outcomes == {DAYS[0]: complete, DAYS[1]: failed, DAYS[2]: complete}

    def test_a_paper_listed_twice_is_featured_once_whatever_comes_first(self, lists: Web) -> None:
        lists.respond = lambda path, query: (200, day_of(query.get("date", "2026-01-05"), first=77))
        fill(DAYS[0], DAYS[-1], ["a"], "newest first")
        assert rows_of("select distinct date from digests") == [(DAYS[0],)]

    def test_refresh_adds_late_papers_to_their_own_digest_and_leaves_the_others(
        self, lists: Web
    ) -> None:
        fill(DAYS[0], DAYS[-1], ["a"])
        late = {str(DAYS[1]): 2}
        lists.respond = lambda path, query: (
            200,
            day_of(query.get("date", "2026-01-05"), more=late.get(query.get("date", ""), 0)),
        )
        state = fill(DAYS[0], DAYS[-1], ["a"], refresh=True)
        assert set(published(state)) == {("a", DAYS[1])}
        assert rows_of("select date, count(*) from digests group by 1 order by 1") == [
            (DAYS[0], 2),
            (DAYS[1], 4),
            (DAYS[2], 2),
        ]

    def test_an_analyzed_paper_is_not_asked_about_again(
        self, lists: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = answering(lists, monkeypatch)
        fill(DAYS[0], DAYS[0], ["a"])
        assert len(model) == 2
        lists.respond = answering_lists(model, more=1)
        fill(DAYS[0], DAYS[0], ["a"], refresh=True)
        assert len(model) == 3

    def test_a_range_that_ends_before_it_starts_fails_and_says_so(self, lists: Web) -> None:
        state = fill(DAYS[-1], DAYS[0])
        assert state.is_failed()
        with pytest.raises(UsageError, match="ends before it starts"):
            state.result()


ANSWER = {
    "area": "The area.",
    "contribution": "The contribution.",
    **{name: ["One.", "Two."] for name in ("usage", "innovations", "results")},
}


def answering_lists(asked: list[str], more: int = 0) -> Any:
    def respond(path: str, query: dict[str, str]) -> Any:
        if path.endswith("/chat/completions"):
            asked.append(path)
            return 200, completion(json.dumps(ANSWER))
        return 200, day_of(query.get("date", "2026-01-05"), more=more)

    return respond


def answering(lists: Web, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a model answer; the requests it gets."""
    monkeypatch.setenv("OPENAI_API_BASE", f"{lists.url}/v1")
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    asked: list[str] = []
    lists.respond = answering_lists(asked)
    return asked


@pytest.mark.flow
class TestDaily:
    def make(self, *names: str) -> Any:
        from flows.daily import daily

        return daily(list(names), return_state=True)

    def newest(self, lists: Web, date: dt.date, **late: int) -> None:
        """From now on the newest list is that of the date."""

        def respond(path: str, query: dict[str, str]) -> Any:
            asked = query.get("date", str(date))
            return 200, day_of(asked, more=late.get(f"d{asked[-2:]}", 0))

        lists.respond = respond

    def digests(self) -> list[tuple[Any, ...]]:
        return rows_of("select profile, date, count(*) from digests group by all order by all")

    def test_the_first_run_makes_the_newest_digest_alone(self, lists: Web) -> None:
        self.newest(lists, DAYS[2])
        assert self.make("a").is_completed()
        assert self.digests() == [("a", DAYS[2], 2)]

    def test_late_papers_reach_the_digest_of_their_own_day(self, lists: Web) -> None:
        self.newest(lists, DAYS[0])
        self.make("a")
        self.newest(lists, DAYS[1], d05=3)
        state = self.make("a")
        assert self.digests() == [("a", DAYS[0], 5), ("a", DAYS[1], 2)]
        assert set(published(state)) == {("a", DAYS[0]), ("a", DAYS[1])}

    def test_upvotes_that_grew_are_a_snapshot_more(self, lists: Web) -> None:
        self.newest(lists, DAYS[0])
        self.make("a")
        self.newest(lists, DAYS[1], d05=1)
        self.make("a")
        snapshots = rows_of("select date, count(distinct fetched_at) from lake.listings group by 1")
        assert dict(snapshots) == {DAYS[0]: 2, DAYS[1]: 1}

    def test_missed_days_are_caught_up_by_the_next_run(self, lists: Web) -> None:
        self.newest(lists, DAYS[0])
        self.make("a", "b")
        self.newest(lists, DAYS[2])
        self.make("a", "b")
        assert self.digests() == [(name, day, 2) for name in "ab" for day in DAYS]

    def test_a_source_that_is_down_fails_the_day_and_the_next_run_makes_up_for_it(
        self, lists: Web
    ) -> None:
        self.newest(lists, DAYS[0])
        self.make("a")
        lists.respond = lambda path, query: (503, "down")
        assert self.make("a").is_failed()
        self.newest(lists, DAYS[2])
        assert self.make("a").is_completed()
        assert [row[1] for row in self.digests()] == DAYS

    def test_an_outage_that_passes_is_waited_out_where_the_settings_say_so(
        self, lists: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_OUTAGE_WAITS_SECONDS", "0,0")
        self.newest(lists, DAYS[0])
        well, left = lists.respond, iter([503, 503])

        def respond(path: str, query: dict[str, str]) -> Any:
            status = next(left, 200)
            return (status, "down") if status != 200 else well(path, query)

        lists.respond = respond
        assert self.make("a").is_completed()
        assert self.digests() == [("a", DAYS[0], 2)]
