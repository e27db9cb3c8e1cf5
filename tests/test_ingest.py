"""From a source's list to snapshots in the lake: once, completely, and never half."""

from __future__ import annotations

import datetime as dt
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import DAY, a_listing
from conftest import Answer, Web
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.config import Settings, load_settings
from broadsheet.errors import NotPublishedYet, SourceError, SourceUnavailable, UnknownShape
from broadsheet.ingest import Heard, Ingested, hear, ingest, ingest_days
from broadsheet.lake import Lake
from broadsheet.models import Listing
from broadsheet.rows import Row
from broadsheet.sources import Day, day_by_day
from broadsheet.sources.huggingface import HuggingFace


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow each other at once."""
    monkeypatch.setattr("httpx_retries.retry.time", SimpleNamespace(sleep=lambda seconds: None))


@dataclass
class Told:
    """A source that lists what it is told to."""

    listings: Sequence[Listing] = ()
    name: str = "huggingface"
    scope: str = ""

    def newest_date(self) -> dt.date:
        return DAY

    def list_day(self, date: dt.date) -> Day:
        return Day(listings=tuple(self.listings))

    def list_days(self, dates: Sequence[dt.date]) -> Iterator[tuple[dt.date, Day | SourceError]]:
        return day_by_day(self, dates, at_once=2)


def offline() -> Settings:
    """Settings by which nothing can be asked: port 9 discards."""
    return load_settings(
        {
            "BROADSHEET_ARXIV_API_URL": "http://127.0.0.1:9/api/query",
            "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
            "BROADSHEET_HTTP_ATTEMPTS": "1",
        }
    )


def snapshots(lake: Lake, source: str = "huggingface") -> list[str]:
    return lake.files("listings", source=source, date=DAY)


def newest(lake: Lake) -> list[Row]:
    name = snapshots(lake)[-1].rpartition("/")[2].removesuffix(".parquet")
    return lake.rows("listings", name, source="huggingface", date=DAY) or []


def take(lake: Lake, *listings: Listing) -> Ingested:
    return ingest(Told(listings), DAY, lake, offline())


class TestSnapshots:
    def test_source_that_lists_nothing_any_more_loses_nothing(
        self, lake: Lake, caplog: pytest.LogCaptureFixture
    ) -> None:
        take(lake, a_listing(1), a_listing(2))
        found = take(lake)
        assert (found.listed, found.is_changed, len(snapshots(lake))) == (2, False, 1)
        assert "keeping its list" in caplog.text

    def test_first_time_writes_a_snapshot(
        self, lake: Lake, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = dt.datetime.now(dt.UTC)
        with caplog.at_level(logging.INFO, logger="broadsheet"):
            found = take(lake, a_listing(1), a_listing(2))
        assert found == Ingested(source="huggingface", date=DAY, listed=2, new=2, is_changed=True)
        first, second = newest(lake)
        assert (first["paper_id"], second["paper_id"]) == ("2601.00001", "2601.00002")
        assert (first["authors"], first["ai_keywords"]) == (["Ada Wind"], ["kites"])
        assert first["published_at"] == a_listing().published_at
        assert first["missing"] == []
        assert isinstance(first["fetched_at"], dt.datetime)
        assert before <= first["fetched_at"] <= dt.datetime.now(dt.UTC)
        assert "ingested 2 papers listed on 2026-01-06 by huggingface (2 new)" in caplog.text

    def test_equal_list_adds_nothing(self, lake: Lake) -> None:
        take(lake, a_listing(1), a_listing(2))
        stored = snapshots(lake)
        found = take(lake, a_listing(1), a_listing(2))
        assert (found.listed, found.new, found.is_changed) == (2, 0, False)
        assert snapshots(lake) == stored

    @pytest.mark.parametrize(
        "change",
        [
            {"upvotes": 8},
            {"upvotes": None},
            {"rank": 3},
            {"title": "Kites"},
            {"version": 2},
            {"code_url": "https://github.com/gale/kites"},
            {"ai_keywords": ()},
            {"payload": '{"note": 1}'},
        ],
    )
    def test_any_change_adds_one_snapshot(self, lake: Lake, change: dict[str, Any]) -> None:
        take(lake, a_listing(1), a_listing(2))
        found = take(lake, a_listing(1, **change), a_listing(2))
        assert (found.listed, found.new, found.is_changed) == (2, 0, True)
        assert len(snapshots(lake)) == 2
        ((name, value),) = change.items()
        stored = newest(lake)[0][name]
        assert stored == (list(value) if isinstance(value, tuple) else value)

    def test_list_that_changed_back_adds_one_too(self, lake: Lake) -> None:
        for upvotes in (7, 8, 7, 7):
            take(lake, a_listing(upvotes=upvotes))
        assert len(snapshots(lake)) == 3

    def test_late_papers_are_counted_new(self, lake: Lake) -> None:
        take(lake, a_listing(1))
        found = take(lake, a_listing(2, rank=1), a_listing(1, rank=2), a_listing(3))
        assert (found.listed, found.new, found.is_changed) == (3, 2, True)

    def test_paper_that_left_the_list_is_in_the_older_snapshot_only(self, lake: Lake) -> None:
        take(lake, a_listing(1), a_listing(2))
        found = take(lake, a_listing(1))
        assert (found.listed, found.new, found.is_changed) == (1, 0, True)
        assert len(newest(lake)) == 1
        assert len(lake.read("listings", source="huggingface", date=DAY)) == 3

    def test_empty_day_is_stored_once_as_empty(self, lake: Lake) -> None:
        assert take(lake).is_changed
        assert not take(lake).is_changed
        assert len(snapshots(lake)) == 1
        assert newest(lake) == []

    def test_dates_and_scopes_do_not_succeed_each_other(self, lake: Lake) -> None:
        paper = a_listing(source="arxiv")
        for scope, date in [("cs.CL", DAY), ("cs.AI", DAY), ("cs.CL", dt.date(2026, 1, 7))]:
            told = Told([paper], "arxiv", scope)
            assert ingest(told, date, lake, offline()).new == 1
            assert not ingest(told, date, lake, offline()).is_changed
        assert len(snapshots(lake, "arxiv")) == 2

    @pytest.mark.parametrize("error", [SourceUnavailable, UnknownShape, NotPublishedYet])
    def test_source_that_fails_leaves_the_lake_unchanged(
        self, lake: Lake, error: type[SourceError]
    ) -> None:
        class Failing(Told):
            def list_day(self, date: dt.date) -> Day:
                raise error("source huggingface failed: as told", "try later")

        take(lake, a_listing())
        before = {path: Path(path).read_bytes() for path in lake.files("listings")}
        with pytest.raises(error):
            ingest(Failing(), DAY, lake, offline())
        assert {path: Path(path).read_bytes() for path in lake.files("listings")} == before

    def test_source_that_is_down_writes_nothing_at_all(self, web: Web, lake: Lake) -> None:
        web.respond = lambda path, query: (503, "busy")
        with pytest.raises(SourceUnavailable):
            ingest(HuggingFace(settings_of(web)), DAY, lake, settings_of(web))
        assert not Path(lake.root).exists()


class TestDamage:
    def damage(self, path: str) -> None:
        Path(path).write_bytes(Path(path).read_bytes()[:-30])

    def quarantined(self, lake: Lake) -> list[str]:
        folder = Path(lake.root).parent / "quarantine"
        return [path.name.removesuffix(".damaged") for path in folder.rglob("*.damaged")]

    def test_damaged_snapshot_is_set_aside_and_the_list_stored_anew(self, lake: Lake) -> None:
        take(lake, a_listing(1))
        (damaged,) = snapshots(lake)
        self.damage(damaged)
        found = take(lake, a_listing(1))
        assert (found.new, found.is_changed) == (1, True)
        assert self.quarantined(lake) == [Path(damaged).name]
        assert [row["paper_id"] for row in newest(lake)] == ["2601.00001"]
        assert len(snapshots(lake)) == 1

    def test_older_snapshot_counts_where_the_newest_is_damaged(self, lake: Lake) -> None:
        take(lake, a_listing(1))
        take(lake, a_listing(1), a_listing(2))
        older, damaged = snapshots(lake)
        self.damage(damaged)
        found = take(lake, a_listing(1), a_listing(2))
        assert (found.new, found.is_changed) == (1, True)
        assert older in snapshots(lake)
        assert len(newest(lake)) == 2
        assert self.quarantined(lake) == [Path(damaged).name]


def hf_entry(number: int) -> dict[str, Any]:
    return {
        "paper": {
            "id": f"2601.{number:05}",
            "authors": [{"name": "Ada Wind", "hidden": False}],
            "title": f"Kite\n{number}",
            "summary": "Kites fly.",
            "publishedAt": "2026-01-05T17:59:59.000Z",
            "upvotes": 7,
        },
        "numComments": 0,
    }


def atom(paper_ids: Sequence[str], version: int) -> str:
    entries = "".join(
        f"<entry><id>http://arxiv.org/abs/{paper_id}v{version}</id><title>Kites</title>"
        "<updated>2026-01-06T09:00:00Z</updated><published>2026-01-05T17:59:59Z</published>"
        '<summary>Kites fly.</summary><category term="cs.CL"/><category term="cs.AI"/></entry>'
        for paper_id in paper_ids
    )
    return (
        '<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns="http://www.w3.org/2005/Atom">'
        f"<opensearch:totalResults>{len(paper_ids)}</opensearch:totalResults>"
        f"<opensearch:startIndex>0</opensearch:startIndex>{entries}</feed>"
    )


def settings_of(web: Web) -> Settings:
    return load_settings(
        {
            "BROADSHEET_HUGGINGFACE_URL": web.url,
            "BROADSHEET_ARXIV_API_URL": f"{web.url}/api/query",
            "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
            "BROADSHEET_HTTP_ATTEMPTS": "2",
        }
    )


class TestEnrichment:
    """What Hugging Face does not say, categories and version, comes from arXiv."""

    listed: list[int]
    unknown: set[str]
    is_arxiv_down: bool
    version: int

    @pytest.fixture(autouse=True)
    def both_sites(self, web: Web) -> None:
        self.listed, self.unknown, self.is_arxiv_down, self.version = [1, 2], set(), False, 3

        def respond(path: str, query: dict[str, str]) -> Answer:
            if path == "/api/daily_papers":
                return 200, json.dumps([hf_entry(number) for number in self.listed])
            if self.is_arxiv_down:
                return 503, "busy"
            ids = [i for i in query["id_list"].split(",") if i not in self.unknown]
            return 200, atom(ids, self.version)

        web.respond = respond

    def take(self, web: Web, lake: Lake) -> Ingested:
        return ingest(HuggingFace(settings_of(web)), DAY, lake, settings_of(web))

    def asked_of_arxiv(self, web: Web) -> list[str]:
        return [query["id_list"] for path, query in web.requests if path == "/api/query"]

    def test_arxiv_fills_categories_and_version(self, web: Web, lake: Lake) -> None:
        assert self.take(web, lake).listed == 2
        for row in newest(lake):
            assert (row["categories"], row["version"]) == (["cs.CL", "cs.AI"], 3)
            assert (row["source"], row["missing"]) == ("huggingface", [])
            assert row["upvotes"] == 7
            assert "paper" in json.loads(str(row["payload"]))

    def test_arxiv_is_asked_only_for_what_lacks(self, web: Web, lake: Lake) -> None:
        self.take(web, lake)
        self.take(web, lake)
        assert self.asked_of_arxiv(web) == ["2601.00001,2601.00002"]
        self.listed, self.version = [1, 2, 3], 4
        self.take(web, lake)
        assert self.asked_of_arxiv(web)[1:] == ["2601.00003"]
        assert [row["version"] for row in newest(lake)] == [3, 3, 4]

    def test_source_that_says_all_is_not_enriched(self, web: Web, lake: Lake) -> None:
        ingest(Told([a_listing()]), DAY, lake, settings_of(web))
        assert web.requests == []

    def test_empty_day_asks_arxiv_nothing(self, web: Web, lake: Lake) -> None:
        self.listed = []
        self.take(web, lake)
        assert self.asked_of_arxiv(web) == []

    def test_day_is_stored_though_arxiv_is_down_and_filled_in_next_time(
        self, web: Web, lake: Lake, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.is_arxiv_down = True
        assert self.take(web, lake) == Ingested(
            source="huggingface", date=DAY, listed=2, new=2, is_changed=True
        )
        assert "2 papers stay without categories" in caplog.text
        for row in newest(lake):
            assert (row["categories"], row["version"]) == (None, None)
            assert row["missing"] == ["categories", "version"]
        assert not self.take(web, lake).is_changed  # still down: nothing to add

        self.is_arxiv_down = False
        found = self.take(web, lake)
        assert (found.new, found.is_changed) == (0, True)
        for row in newest(lake):
            assert (row["categories"], row["version"]) == (["cs.CL", "cs.AI"], 3)
            assert row["missing"] == []
        assert len(snapshots(lake)) == 2

    def test_arxiv_that_went_down_takes_nothing_away(self, web: Web, lake: Lake) -> None:
        self.take(web, lake)
        self.listed, self.is_arxiv_down = [1, 2, 3], True
        self.take(web, lake)
        assert [row["missing"] for row in newest(lake)] == [[], [], ["categories", "version"]]

    def test_paper_that_arxiv_does_not_know_is_stored_as_missing(
        self, web: Web, lake: Lake
    ) -> None:
        self.unknown = {"2601.00002"}
        self.take(web, lake)
        assert [row["missing"] for row in newest(lake)] == [[], ["categories", "version"]]
        assert not self.take(web, lake).is_changed


def ingested(listed: int = 2, source: str = "huggingface") -> Ingested:
    return Ingested(source=source, date=DAY, listed=listed, new=0, is_changed=False)


DOWN = SourceUnavailable("source arxiv is unavailable: HTTP 503", "try later")
NOT_YET = NotPublishedYet("digest of 2026-01-06 cannot be made", "try later")
STRANGE = UnknownShape("source arxiv answered in an unknown shape", "report it")


class TestHear:
    def test_all_that_answered_are_added_up(self) -> None:
        heard = hear(["huggingface", "arxiv"], [ingested(2), ingested(5, "arxiv")])
        assert heard == Heard(listed=7, missing=())

    def test_one_of_two_that_is_down_is_missing(self) -> None:
        names = ["huggingface", "arxiv"]
        assert hear(names, [ingested(2), DOWN]) == Heard(listed=2, missing=("arxiv",))
        assert hear(names, [DOWN, ingested(1)]) == Heard(listed=1, missing=("huggingface",))

    def test_outage_is_raised_where_the_others_listed_nothing(self) -> None:
        with pytest.raises(SourceUnavailable):
            hear(["huggingface", "arxiv"], [DOWN, ingested(0)])

    def test_list_that_is_known_from_before_is_not_missing(self) -> None:
        names = ["huggingface", "arxiv"]
        heard = hear(names, [DOWN, ingested(0)], stored=["huggingface"])
        assert heard == Heard(listed=0, missing=())
        with pytest.raises(SourceUnavailable):
            hear(["huggingface"], [DOWN], stored=["huggingface"])

    @pytest.mark.parametrize("results", [[DOWN], [DOWN, SourceUnavailable("b")]])
    def test_all_down_raises_the_first(self, results: list[BaseException]) -> None:
        with pytest.raises(SourceUnavailable) as caught:
            hear(["huggingface", "arxiv"][: len(results)], results)
        assert caught.value is DOWN

    @pytest.mark.parametrize("grave", [NOT_YET, STRANGE, ValueError("a defect")])
    @pytest.mark.parametrize("other", [ingested(), DOWN])
    def test_anything_graver_than_an_outage_is_raised(
        self, grave: Exception, other: Ingested | BaseException
    ) -> None:
        for results in ([grave, other], [other, grave]):
            with pytest.raises(type(grave)) as caught:
                hear(["huggingface", "arxiv"], results)
            assert caught.value is grave


_TEXT = st.text(max_size=30)
_TEXTS = st.lists(_TEXT, max_size=3).map(tuple)
_LISTINGS = st.builds(
    a_listing,
    number=st.integers(0, 99_999),
    title=_TEXT,
    abstract=_TEXT,
    authors=_TEXTS,
    categories=_TEXTS,
    ai_keywords=_TEXTS,
    version=st.integers(1, 300),
    upvotes=st.none() | st.integers(0, 2**31 - 1),
    comments=st.none() | st.integers(0, 2**31 - 1),
    code_url=st.none() | _TEXT,
    ai_summary=st.none() | _TEXT,
    published_at=st.none()
    | st.datetimes(
        min_value=dt.datetime(1991, 8, 14),
        max_value=dt.datetime(2100, 1, 1),
        timezones=st.just(dt.UTC),
    ),
    payload=st.dictionaries(_TEXT, _TEXT, max_size=2).map(json.dumps),
)
_DAYS = st.lists(_LISTINGS, max_size=6, unique_by=lambda found: found.paper_id)


_files = settings(max_examples=40, deadline=None)  # a disk may be slow at any time


class TestAnyDay:
    @_files
    @given(_DAYS)
    def test_the_same_day_twice_is_the_same_day_once(self, day: list[Listing]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            lake = Lake(folder)
            assert take(lake, *day).is_changed
            once = {path: Path(path).read_bytes() for path in snapshots(lake)}
            found = take(lake, *day)
            assert (found.listed, found.new, found.is_changed) == (len(day), 0, False)
            assert {path: Path(path).read_bytes() for path in snapshots(lake)} == once
            assert [row["title"] for row in newest(lake)] == [known.title for known in day]

    @_files
    @given(st.lists(_DAYS, min_size=2, max_size=4))
    def test_newest_snapshot_is_the_last_list_that_was_not_taken_back(
        self, lists: list[list[Listing]]
    ) -> None:
        kept = [lists[0]]
        for listings in lists[1:]:
            kept.append(listings or kept[-1])  # a list once filled does not become empty
        with tempfile.TemporaryDirectory() as folder:
            lake = Lake(folder)
            for listings in lists:
                take(lake, *listings)
            assert [row["paper_id"] for row in newest(lake)] == [
                known.paper_id for known in kept[-1]
            ]
            changes = sum(now != then for then, now in pairwise(kept))
            assert len(snapshots(lake)) == 1 + changes


class TestManyDays:
    DATES = (DAY, DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=2))

    def read(
        self, source: Told, lake: Lake, settings: Settings
    ) -> dict[dt.date, Ingested | SourceError]:
        return dict(ingest_days(source, self.DATES, lake, settings))

    def test_what_all_lists_lack_is_asked_for_at_once(self, lake: Lake, web: Web) -> None:
        web.respond = lambda path, query: (200, atom(query["id_list"].split(","), 2))
        lacking = [a_listing(number, categories=None, version=None) for number in (1, 2)]
        became = self.read(Told(lacking), lake, settings_of(web))
        assert [query["id_list"] for _, query in web.requests] == ["2601.00001,2601.00002"]
        assert set(became) == set(self.DATES)

    def test_each_list_is_stored_as_one_of_a_single_day(self, lake: Lake) -> None:
        became = self.read(Told([a_listing(1)]), lake, offline())
        assert all(isinstance(one, Ingested) and one.is_changed for one in became.values())
        assert not ingest(Told([a_listing(1)]), self.DATES[1], lake, offline()).is_changed

    def test_a_day_that_fails_stops_no_other(self, lake: Lake) -> None:
        class Failing(Told):
            def list_day(self, date: dt.date) -> Day:
                if date == DAY:
                    raise UnknownShape("strange")
                return super().list_day(date)

        became = self.read(Failing([a_listing(1)]), lake, offline())
        assert isinstance(became[DAY], UnknownShape)
        assert [isinstance(became[date], Ingested) for date in self.DATES[1:]] == [True, True]

    def test_two_at_once_store_a_list_once(self, lake: Lake) -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: take(lake, a_listing(1)), range(8)))
        assert len(snapshots(lake)) == 1


def test_a_stored_list_is_not_read_again_without_refresh(lake: Lake) -> None:
    take(lake, a_listing(1), a_listing(2))
    found = ingest(Told([a_listing(3)]), DAY, lake, offline(), refresh=False)
    assert (found.listed, found.is_changed, len(snapshots(lake))) == (2, False, 1)
