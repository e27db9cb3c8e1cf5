"""Hugging Face Daily Papers: every shape of its answers, and everything that can go wrong."""

from __future__ import annotations

import datetime as dt
import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Answer, Web, in_turn

from broadsheet.config import load_settings
from broadsheet.errors import NotPublishedYet, SourceError, SourceUnavailable, UnknownShape
from broadsheet.lake import Lake
from broadsheet.models import Listing
from broadsheet.sources.huggingface import HuggingFace

DATE = dt.date(2025, 6, 3)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the retries would have waited; nothing sleeps."""
    waited: list[float] = []
    monkeypatch.setattr("httpx_retries.retry.time", SimpleNamespace(sleep=waited.append))
    return waited


def open_at(url: str, **variables: object) -> HuggingFace:
    given = {f"BROADSHEET_{name.upper()}": str(value) for name, value in variables.items()}
    return HuggingFace(load_settings({"BROADSHEET_HUGGINGFACE_URL": url, **given}))


def entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An entry with the keys that every recorded day has; a change to None takes the key away."""
    paper = {
        "id": f"2506.{number:05}",
        "authors": [{"_id": "a1", "name": "Ada Wind", "hidden": False}],
        "title": f"Kite {number}",
        "summary": "Kites fly.",
        "publishedAt": "2025-06-02T17:59:59.000Z",
        "upvotes": 7,
    }
    paper = {k: v for k, v in (paper | changes).items() if v is not None}
    return {
        "paper": paper,
        "title": paper.get("title"),
        "publishedAt": "2025-06-03T02:11:00.000Z",
        "thumbnail": "https://cdn.example/1.png",
        "numComments": 2,
    }


def served(web: Web, entries: list[Any]) -> None:
    """The server pages through the entries as the API does, 50 at a time unless told otherwise."""

    def respond(path: str, query: dict[str, str]) -> Answer:
        limit, page = int(query.get("limit", 50)), int(query.get("p", 0))
        return 200, json.dumps(entries[page * limit : (page + 1) * limit])

    web.respond = respond


def listed(web: Web, *entries: Any) -> tuple[Listing, ...]:
    served(web, list(entries))
    return open_at(web.url).list_day(DATE).listings


GOOD: Answer = (200, json.dumps([entry()]))


class TestPaging:
    @pytest.mark.parametrize(
        ("papers", "pages"), [(0, 1), (1, 1), (99, 1), (100, 2), (101, 2), (200, 3), (230, 3)]
    )
    def test_hundreds_are_asked_for_until_a_page_is_short(
        self, web: Web, papers: int, pages: int
    ) -> None:
        served(web, [entry(number) for number in range(papers)])
        day = open_at(web.url).list_day(DATE)
        assert [listing.paper_id for listing in day.listings] == [
            f"2506.{number:05}" for number in range(papers)
        ]
        assert web.requests == [
            ("/api/daily_papers", {"date": "2025-06-03", "limit": "100", "p": str(page)})
            for page in range(pages)
        ]

    def test_paper_that_moved_to_the_next_page_counts_once(self, web: Web) -> None:
        served(web, [entry(number) for number in [*range(100), 99, 100]])
        listings = open_at(web.url).list_day(DATE).listings
        assert len(listings) == 101
        assert [listing.rank for listing in listings] == list(range(1, 102))
        assert listings[-1].paper_id == "2506.00100"

    def test_paging_without_end_is_an_unknown_shape(self, web: Web) -> None:
        full_page = json.dumps([entry()] * 100)
        web.respond = lambda path, query: (200, full_page)
        with pytest.raises(UnknownShape, match="paging has no end"):
            open_at(web.url).list_day(DATE)
        assert len(web.requests) == 100

    def test_weekend_is_an_empty_day(self, web: Web) -> None:
        web.respond = lambda path, query: (200, "[]")
        day = open_at(web.url).list_day(dt.date(2025, 6, 7))
        assert (day.listings, day.skipped) == ((), 0)

    def test_slash_after_the_base_url_changes_nothing(self, web: Web) -> None:
        served(web, [])
        open_at(web.url + "/").list_day(DATE)
        assert web.requests[0][0] == "/api/daily_papers"

    def test_requests_say_who_asks(self, web: Web) -> None:
        served(web, [])
        open_at(web.url, user_agent="broadsheet (ada@example.org)").list_day(DATE)
        assert web.headers[0]["user-agent"] == "broadsheet (ada@example.org)"


def _may_2024() -> dict[str, Any]:
    return entry() | {"mediaUrl": "https://cdn.example/1.mp4", "isAuthorParticipating": False}


def _june_2024() -> dict[str, Any]:
    return entry() | {
        "mediaUrls": ["https://cdn.example/1.mp4"],
        "submittedBy": {"_id": "u1", "fullname": "Bo Gale", "name": "bo", "type": "user"},
    }


def _march_2025() -> dict[str, Any]:
    return entry(ai_keywords=["kites", " ", "wind"]) | {"summary": "Kites fly."}


def _october_2025() -> dict[str, Any]:
    extra: dict[str, Any] = {
        "submittedOnDailyAt": "2025-06-03T00:34:10.000Z",
        "submittedOnDailyBy": {"_id": "u1", "name": "bo"},
        "ai_summary": "Kites, it says, fly.",
        "ai_keywords": ["kites"],
        "githubStars": 12,
    }
    return entry(**extra) | {"summary": "Kites fly.", "submitterOrganization": {"name": "gale"}}


def _january_2026() -> dict[str, Any]:
    found = entry(
        githubRepo="https://github.com/gale/kites",
        projectPage="https://kites.example",
        organization={"_id": "o1", "name": "gale", "fullname": "Gale Lab"},
        discussionId="d1",
    )
    return found | {"organization": {"name": "gale"}}


class TestShapes:
    @pytest.mark.parametrize(
        "shape", [_may_2024, _june_2024, _march_2025, _october_2025, _january_2026]
    )
    def test_every_shape_since_may_2024_is_read(
        self, web: Web, shape: Callable[[], dict[str, Any]]
    ) -> None:
        given = shape()
        (listing,) = listed(web, given)
        assert (listing.source, listing.date, listing.rank) == ("huggingface", DATE, 1)
        assert (listing.paper_id, listing.title, listing.abstract) == (
            "2506.00001",
            "Kite 1",
            "Kites fly.",
        )
        assert listing.authors == ("Ada Wind",)
        assert (listing.upvotes, listing.comments) == (7, 2)
        assert listing.published_at == dt.datetime(2025, 6, 2, 17, 59, 59, tzinfo=dt.UTC)
        assert json.loads(listing.payload) == given
        assert listing.code_url == given["paper"].get("githubRepo")
        assert listing.project_url == given["paper"].get("projectPage")
        assert listing.ai_summary == given["paper"].get("ai_summary")

    def test_absent_keys_become_none(self, web: Web) -> None:
        bare = entry()
        del bare["numComments"]
        (listing,) = listed(web, bare)
        absent = ("comments", "code_url", "project_url", "ai_summary", "categories", "version")
        assert {name: getattr(listing, name) for name in absent} == dict.fromkeys(absent)
        assert listing.ai_keywords == ()

    def test_blank_keywords_are_left_out(self, web: Web) -> None:
        assert listed(web, _march_2025())[0].ai_keywords == ("kites", "wind")

    def test_top_level_posting_time_is_not_the_submission(self, web: Web) -> None:
        (listing,) = listed(web, entry(publishedAt="2025-06-02T20:00:00+02:00"))
        assert str(listing.published_at) == "2025-06-02 18:00:00+00:00"

    def test_line_breaks_in_title_and_abstract_collapse(self, web: Web) -> None:
        (listing,) = listed(web, entry(title="A\n  Kite\tflies ", summary="\n Up.\r\n\n Down.\n"))
        assert (listing.title, listing.abstract) == ("A Kite flies", "Up. Down.")

    def test_hidden_and_nameless_authors_are_left_out(self, web: Web) -> None:
        authors = [{"name": "Ada", "hidden": True}, {"name": ""}, {"_id": "x"}, {"name": "Bo"}]
        assert listed(web, entry(authors=authors))[0].authors == ("Bo",)

    def test_664_authors_are_all_there(self, web: Web) -> None:
        authors = [{"name": f"Author {number}"} for number in range(664)]
        (listing,) = listed(web, entry(authors=authors))
        assert len(listing.authors) == 664
        assert listing.authors[-1] == "Author 663"

    def test_no_upvotes_are_zero_upvotes(self, web: Web) -> None:
        assert listed(web, entry(upvotes=0))[0].upvotes == 0

    @pytest.mark.parametrize("paper_id", ["astro-ph/0601001", "math.GT/0309136", "0704.0001"])
    def test_old_identifiers_are_identifiers(self, web: Web, paper_id: str) -> None:
        assert listed(web, entry(id=paper_id))[0].paper_id == paper_id

    @pytest.mark.parametrize("escape", [r"\ud800", r"\udc00\ud800", r"\ude00", r"\u0000"])
    def test_text_that_has_no_bytes_is_stored_all_the_same(
        self, web: Web, tmp_path: Path, escape: str
    ) -> None:
        raw = json.dumps([entry(title="Kite MARK flies", ai_summary="MARK", note="MARK")])
        web.respond = lambda path, query: (200, raw.replace("MARK", escape))
        (listing,) = open_at(web.url).list_day(DATE).listings
        assert listing.title.startswith("Kite ")
        assert listing.title.endswith(" flies")
        lake = Lake(str(tmp_path / "lake"))
        row = {"paper_id": listing.paper_id, "title": listing.title, "payload": listing.payload}
        lake.write("listings", [row], "one", source="huggingface", date=DATE)
        (stored,) = lake.rows("listings", "one", source="huggingface", date=DATE) or []
        assert {name: stored[name] for name in row} == row

    def test_escaped_pairs_are_the_character_they_spell(self, web: Web) -> None:
        web.respond = lambda path, query: (200, json.dumps([entry(title="Kite \U0001fa81")]))
        assert open_at(web.url).list_day(DATE).listings[0].title == "Kite \U0001fa81"


class TestRefusals:
    def test_date_past_the_newest_list_is_not_published_yet(self, web: Web) -> None:
        said = {"error": '"date" must be less than or equal to "2025-06-02T23:59:59.999Z"'}
        web.respond = lambda path, query: (400, json.dumps(said))
        with pytest.raises(NotPublishedYet, match="digest of 2025-06-03") as caught:
            open_at(web.url).list_day(DATE)
        assert "leave out --date" in caught.value.remedy
        assert len(web.requests) == 1

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (400, '{"error": "\\"date\\" must be a valid date"}', "must be a valid date"),
            (404, "no such page", "HTTP 404"),
            (403, "blocked", "HTTP 403"),
        ],
    )
    def test_other_refusals_are_told_as_they_are(
        self, web: Web, status: int, body: str, said: str
    ) -> None:
        web.respond = lambda path, query: (status, body)
        with pytest.raises(SourceError, match=said) as caught:
            open_at(web.url).list_day(DATE)
        assert type(caught.value) is SourceError
        assert caught.value.remedy
        assert len(web.requests) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            {"papers": [entry()]},
            "papers",
            None,
            [1, "two", None, []],
            [{"paper": {}}],
            [entry(1, upvotes=None), entry(2, upvotes=None)],
            [entry(id="hf.co/kites")],
            [entry(1), entry(2, title=None), entry(3, summary=None)],
        ],
    )
    def test_answer_of_no_known_shape_is_loud(self, web: Web, answer: object) -> None:
        web.respond = lambda path, query: (200, json.dumps(answer))
        with pytest.raises(UnknownShape) as caught:
            open_at(web.url).list_day(DATE)
        assert "nothing was stored" in caught.value.remedy

    def test_what_the_shape_lacks_is_named(self, web: Web) -> None:
        web.respond = lambda path, query: (200, json.dumps([entry(upvotes=None)]))
        with pytest.raises(UnknownShape, match=r"paper\.upvotes: Field required"):
            open_at(web.url).list_day(DATE)

    def test_one_bad_entry_is_skipped_counted_and_logged(
        self, web: Web, caplog: pytest.LogCaptureFixture
    ) -> None:
        served(web, [entry(1), entry(2, id=None), entry(3)])
        with caplog.at_level(logging.WARNING, logger="broadsheet"):
            day = open_at(web.url).list_day(DATE)
        assert [(found.paper_id, found.rank) for found in day.listings] == [
            ("2506.00001", 1),
            ("2506.00003", 2),
        ]
        assert day.skipped == 1
        assert [record.getMessage() for record in caplog.records] == [
            "skipped 1 of 3 entries listed on 2025-06-03 by huggingface, first: "
            "paper.id: Field required"
        ]


class TestOutages:
    def test_three_outages_and_an_answer_are_an_answer(self, web: Web, waits: list[float]) -> None:
        web.respond = in_turn((503, ""), (502, ""), (500, ""), GOOD)
        assert len(open_at(web.url).list_day(DATE).listings) == 1
        assert len(web.requests) == 4
        assert waits == sorted(waits)
        assert 0.5 < waits[0] < waits[-1] <= 4

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    def test_outage_without_end_is_source_unavailable(self, web: Web, status: int) -> None:
        web.respond = lambda path, query: (status, "busy")
        with pytest.raises(SourceUnavailable, match=f"huggingface is unavailable: HTTP {status}"):
            open_at(web.url, http_attempts=3).list_day(DATE)
        assert len(web.requests) == 3

    def test_one_attempt_asks_once(self, web: Web) -> None:
        web.respond = lambda path, query: (503, "busy")
        with pytest.raises(SourceUnavailable):
            open_at(web.url, http_attempts=1).list_day(DATE)
        assert len(web.requests) == 1

    def test_refused_connection_is_source_unavailable(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            with pytest.raises(SourceUnavailable, match="ConnectError") as caught:
                open_at(url, http_attempts=2).list_day(DATE)
        assert "check the network and try again later" in caught.value.remedy

    def test_silence_is_a_timeout_and_asked_again(self, web: Web) -> None:
        def respond(path: str, query: dict[str, str]) -> Answer:
            time.sleep(0.3)
            return GOOD

        web.respond = respond
        with pytest.raises(SourceUnavailable, match="ReadTimeout") as caught:
            open_at(web.url, http_attempts=2, http_timeout_seconds=0.05).list_day(DATE)
        assert len(web.requests) == 2
        assert caught.value.remedy

    @pytest.mark.parametrize("cut", [str(GOOD[1])[:-20], "", "<html>busy</html>", b"[\xff]"])
    def test_cut_answer_is_asked_for_again(self, web: Web, cut: str | bytes) -> None:
        web.respond = in_turn((200, cut), GOOD)
        assert len(open_at(web.url).list_day(DATE).listings) == 1
        assert len(web.requests) == 2

    @pytest.mark.parametrize(
        "how", [{"content-encoding": "gzip"}, {"transfer-encoding": "chunked"}]
    )
    def test_answer_that_breaks_off_is_asked_for_again(self, web: Web, how: dict[str, str]) -> None:
        web.respond = in_turn((200, "ff\r\n[", how), GOOD)
        assert len(open_at(web.url).list_day(DATE).listings) == 1
        assert len(web.requests) == 2

    @pytest.mark.parametrize("attempts", [1, 3])
    def test_answer_that_stays_cut_is_source_unavailable(self, web: Web, attempts: int) -> None:
        web.respond = lambda path, query: (200, str(GOOD[1])[:-20])
        with pytest.raises(SourceUnavailable, match="not whole JSON"):
            open_at(web.url, http_attempts=attempts).list_day(DATE)
        assert len(web.requests) == attempts

    def test_retry_after_is_waited_for(self, web: Web, waits: list[float]) -> None:
        web.respond = in_turn(
            (429, "", {"retry-after": "7"}), (429, "", {"retry-after": "0"}), GOOD
        )
        open_at(web.url).list_day(DATE)
        assert waits[0] == 7

    def test_a_minute_is_the_longest_wait(self, web: Web, waits: list[float]) -> None:
        web.respond = in_turn((503, "", {"retry-after": "86400"}), GOOD)
        open_at(web.url).list_day(DATE)
        assert waits == [60]


class TestNewestDate:
    def test_it_is_the_date_of_the_list_that_is_served(self, web: Web) -> None:
        served(web, [_october_2025(), entry(2)])
        assert open_at(web.url).newest_date() == dt.date(2025, 6, 3)
        assert web.requests == [("/api/daily_papers", {"limit": "1"})]

    def test_it_is_a_date_in_utc(self, web: Web) -> None:
        served(web, [entry(submittedOnDailyAt="2025-06-03T22:00:00-05:00")])
        assert open_at(web.url).newest_date() == dt.date(2025, 6, 4)

    @pytest.mark.parametrize(
        "entries", [[], [entry()], [None], [{"paper": "x"}], [entry(submittedOnDailyAt="soon")]]
    )
    def test_it_is_today_where_the_list_does_not_say(self, web: Web, entries: list[Any]) -> None:
        served(web, entries)
        before = dt.datetime.now(dt.UTC).date()
        found = open_at(web.url).newest_date()
        assert before <= found <= dt.datetime.now(dt.UTC).date()


@pytest.mark.real
@pytest.mark.parametrize("recording", ["hf_early", "hf_late"])
def test_every_recorded_day_is_read_with_nothing_skipped(
    web: Web, shared: Path, recording: str
) -> None:
    files = sorted((shared / "world" / "data" / recording).glob("*.json"))
    days = {file.stem: json.loads(file.read_bytes()) for file in files}
    assert days

    def respond(path: str, query: dict[str, str]) -> Answer:
        limit, page = int(query["limit"]), int(query["p"])
        return 200, json.dumps(days[query["date"]][page * limit : (page + 1) * limit])

    web.respond = respond
    source = open_at(web.url)
    for name, entries in days.items():
        day = source.list_day(dt.date.fromisoformat(name))
        assert day.skipped == 0, name
        assert [found.paper_id for found in day.listings] == list(
            dict.fromkeys(recorded["paper"]["id"] for recorded in entries)
        ), name
        assert all(found.title and found.abstract and found.authors for found in day.listings), name
        assert all(found.published_at for found in day.listings), name
