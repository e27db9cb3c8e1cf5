"""arXiv's API: papers by id and by announcement date, its manners and its moods."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.sax.saxutils import escape

import pytest
from conftest import Answer, Respond, Web, in_turn

from broadsheet.config import load_settings
from broadsheet.errors import NotPublishedYet, SourceError, SourceUnavailable
from broadsheet.sources import Day
from broadsheet.sources.arxiv import Arxiv, submission_window

DATE = dt.date(2026, 1, 7)  # a Wednesday


def open_at(web: Web, *categories: str, **variables: object) -> Arxiv:
    given = {f"BROADSHEET_{name.upper()}": str(value) for name, value in variables.items()}
    settings = load_settings(
        {
            "BROADSHEET_ARXIV_API_URL": f"{web.url}/api/query",
            "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
            **given,
        }
    )
    return Arxiv(settings, categories)


def entry(
    paper_id: str,
    version: int = 1,
    title: str = "Kites",
    categories: str = "cs.CL",
    published: str = "2026-01-05T20:15:00Z",
) -> str:
    tags = "".join(f'<category term="{name}"/>' for name in categories.split())
    return (
        f"<entry><id>http://arxiv.org/abs/{paper_id}v{version}</id><title>{title}</title>"
        "<updated>2026-01-06T09:00:00Z</updated><summary>  Kites\n  fly. </summary>"
        f"{tags}<published>{published}</published>"
        f'<arxiv:primary_category term="{categories.split()[0]}"/>'
        "<author><name>Ada Wind</name></author><author><name>Bo Gale</name></author></entry>"
    )


def feed(entries: Sequence[str], total: int | None = None, start: int = 0) -> str:
    total = len(entries) if total is None else total
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" '
        'xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns="http://www.w3.org/2005/Atom">'
        "<id>https://arxiv.org/api/x</id><title>arXiv Query</title>"
        f"<opensearch:itemsPerPage>100</opensearch:itemsPerPage>"
        f"<opensearch:totalResults>{total}</opensearch:totalResults>"
        f"<opensearch:startIndex>{start}</opensearch:startIndex>{''.join(entries)}</feed>\n"
    )


def error_feed(reason: str) -> str:
    return feed(
        [
            f"<entry><id>https://arxiv.org/api/errors#x</id><title>Error</title>"
            f"<updated>2026-04-12T22:59:06Z</updated><summary>{escape(reason)}</summary></entry>"
        ]
    )


def ids(count: int) -> list[str]:
    return [f"2601.{number:05}" for number in range(count)]


def paged(total: int, size: int = 100) -> Respond:
    """A server of `total` papers that gives at most `size` of them at once."""

    def respond(path: str, query: dict[str, str]) -> Answer:
        start = int(query["start"])
        page = ids(total)[start : start + min(size, int(query["max_results"]))]
        return 200, feed([entry(paper_id) for paper_id in page], total, start)

    return respond


def clock(monkeypatch: pytest.MonkeyPatch, now: str) -> None:
    """Set what time it is, UTC, for the module alone."""

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC).astimezone(tz)

    fake = SimpleNamespace(datetime=Clock, date=dt.date, time=dt.time, timedelta=dt.timedelta)
    fake.UTC = dt.UTC
    monkeypatch.setattr("broadsheet.sources.arxiv.dt", fake)


GOOD: Answer = (200, feed([entry("2601.00001")]))


class TestByIds:
    def test_version_categories_and_text_are_read(self, web: Web) -> None:
        given = entry("2601.00001", 3, "Kites\n  &amp; wind", "cs.CL cs.AI stat.ML")
        web.respond = lambda path, query: (200, feed([given]))
        (listing,) = open_at(web).by_ids(["2601.00001"], DATE).values()
        assert (listing.source, listing.date, listing.paper_id) == ("arxiv", DATE, "2601.00001")
        assert (listing.version, listing.categories) == (3, ("cs.CL", "cs.AI", "stat.ML"))
        assert (listing.title, listing.abstract) == ("Kites & wind", "Kites fly.")
        assert listing.authors == ("Ada Wind", "Bo Gale")
        assert listing.published_at == dt.datetime(2026, 1, 5, 20, 15, tzinfo=dt.UTC)
        assert listing.upvotes is None
        payload = json.loads(listing.payload)
        assert payload["entry_id"] == "http://arxiv.org/abs/2601.00001v3"
        assert payload["primary_category"] == "cs.CL"

    @pytest.mark.parametrize("paper_id", ["astro-ph/0601001", "math.GT/0309136", "0704.0001"])
    def test_old_identifiers_are_asked_for_and_read(self, web: Web, paper_id: str) -> None:
        web.respond = lambda path, query: (200, feed([entry(paper_id, 2)]))
        found = open_at(web).by_ids([paper_id], DATE)
        assert found[paper_id].version == 2
        assert web.requests[0][1]["id_list"] == paper_id

    def test_four_hundred_are_asked_for_at_once(self, web: Web) -> None:
        def respond(path: str, query: dict[str, str]) -> Answer:
            return 200, feed([entry(paper_id) for paper_id in query["id_list"].split(",")])

        web.respond = respond
        asked = ids(930)
        found = open_at(web).by_ids(reversed([*asked, *asked]), DATE)
        assert sorted(found) == asked
        batches = [query["id_list"].split(",") for _, query in web.requests]
        assert [len(batch) for batch in batches] == [400, 400, 130]
        assert list(chain.from_iterable(batches)) == asked

    def test_paper_that_arxiv_does_not_know_is_absent(self, web: Web) -> None:
        web.respond = lambda path, query: GOOD
        assert list(open_at(web).by_ids(["2601.00001", "2601.99999"], DATE)) == ["2601.00001"]
        assert len(web.requests) == 1

    def test_no_known_paper_at_all_is_an_empty_answer(self, web: Web) -> None:
        web.respond = lambda path, query: (200, feed([]))
        assert open_at(web).by_ids(["0000.0000"], DATE) == {}
        assert len(web.requests) == 1

    def test_nothing_asked_for_is_no_request(self, web: Web) -> None:
        assert open_at(web).by_ids([], DATE) == {}
        assert web.requests == []


class TestDays:
    def test_query_names_categories_and_submission_window(self, web: Web) -> None:
        web.respond = paged(0)
        open_at(web, "cs.CL", "cs.AI").list_day(DATE)
        (path, query), *more = web.requests
        assert (path, more) == ("/api/query", [])
        assert query == {
            "search_query": "(cat:cs.AI OR cat:cs.CL) AND "
            "submittedDate:[202601051900 TO 202601061859]",
            "id_list": "",
            "sortBy": "submittedDate",
            "sortOrder": "ascending",
            "start": "0",
            "max_results": "500",
        }

    def test_scope_is_the_categories_in_one_order(self, web: Web) -> None:
        assert open_at(web, "cs.CL", "cs.AI").scope == open_at(web, "cs.AI", "cs.CL").scope
        assert open_at(web, "cs.CL", "cs.AI").scope == "cs.AI,cs.CL"

    def test_papers_are_ranked_oldest_first_and_dated_as_asked(self, web: Web) -> None:
        web.respond = paged(3)
        day = open_at(web, "cs.CL").list_day(DATE)
        assert [(found.rank, found.paper_id) for found in day.listings] == list(
            enumerate(ids(3), start=1)
        )
        assert {found.date for found in day.listings} == {DATE}

    @pytest.mark.parametrize("date", [dt.date(2026, 1, 10), dt.date(2026, 1, 11)])
    def test_weekend_is_empty_and_asks_nothing(self, web: Web, date: dt.date) -> None:
        assert open_at(web, "cs.CL").list_day(date).listings == ()
        assert web.requests == []

    def test_date_without_papers_is_an_empty_day(self, web: Web) -> None:
        web.respond = paged(0)
        assert open_at(web, "cs.CL").list_day(DATE).listings == ()

    def test_date_that_is_not_announced_is_not_published_yet(
        self, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        web.respond = paged(1)
        source = open_at(web, "cs.CL")
        clock(monkeypatch, "2026-01-07T00:59:00")  # 19:59 in New York
        with pytest.raises(NotPublishedYet, match="digest of 2026-01-07") as caught:
            source.list_day(DATE)
        assert "try again later" in caught.value.remedy
        assert web.requests == []
        clock(monkeypatch, "2026-01-07T01:00:00")
        assert len(source.list_day(DATE).listings) == 1

    def test_a_range_is_one_search_and_each_paper_belongs_to_its_announcement(
        self, web: Web
    ) -> None:
        submitted = {
            "2601.00001": "2026-01-02T20:00:00Z",  # Friday afternoon: announced for Tuesday
            "2601.00002": "2026-01-05T18:59:59Z",  # Monday, a second before the deadline
            "2601.00003": "2026-01-05T19:00:00Z",  # at the deadline: Wednesday's
            "2601.00004": "2026-01-06T20:00:00Z",  # Tuesday after it: Thursday's
        }
        found = [entry(paper_id, published=at) for paper_id, at in submitted.items()]
        web.respond = lambda path, query: (200, feed(found))
        source = open_at(web, "cs.CL")
        days = dict(source.list_days([dt.date(2026, 1, 6) + dt.timedelta(n) for n in range(7)]))
        assert [
            query["search_query"].partition("submittedDate:")[2] for _, query in web.requests
        ] == ["[202601021900 TO 202601091859]"]
        ids_of = {
            date.day: [found.paper_id for found in day.listings]
            for date, day in days.items()
            if isinstance(day, Day)
        }
        assert ids_of == {
            6: ["2601.00001", "2601.00002"],
            7: ["2601.00003"],
            8: ["2601.00004"],
            9: [],
            10: [],
            11: [],
            12: [],
        }

    def test_a_gap_in_a_range_is_not_asked_for(self, web: Web) -> None:
        web.respond = paged(0)
        list(open_at(web, "cs.CL").list_days([dt.date(2026, 1, 6), dt.date(2026, 1, 20)]))
        assert len(web.requests) == 2

    def test_dates_to_come_are_told_one_by_one(
        self, web: Web, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        web.respond = paged(0)
        source = open_at(web, "cs.CL")
        clock(monkeypatch, "2026-01-07T12:00:00")
        days = dict(source.list_days([dt.date(2026, 1, 7), dt.date(2026, 1, 8)]))
        assert days[dt.date(2026, 1, 7)] == Day(listings=())
        assert isinstance(days[dt.date(2026, 1, 8)], NotPublishedYet)

    @pytest.mark.parametrize(
        ("now", "newest"),
        [
            ("2026-01-07T00:59:00", "2026-01-06"),
            ("2026-01-07T01:00:00", "2026-01-07"),
            ("2026-07-07T23:59:00", "2026-07-07"),
            ("2026-07-08T00:00:00", "2026-07-08"),  # 20:00 in New York, in summer
            ("2026-01-11T12:00:00", "2026-01-09"),  # a Sunday
            ("2026-01-12T00:30:00", "2026-01-09"),
            ("2026-01-12T01:30:00", "2026-01-12"),
        ],
    )
    def test_newest_date_is_the_last_announcement(
        self, web: Web, monkeypatch: pytest.MonkeyPatch, now: str, newest: str
    ) -> None:
        clock(monkeypatch, now)
        assert open_at(web, "cs.CL").newest_date().isoformat() == newest
        assert web.requests == []


class TestWindows:
    @pytest.mark.parametrize(
        ("date", "start", "end"),
        [
            ("2026-01-05", "2026-01-01T19:00", "2026-01-02T19:00"),  # Monday: Thursday to Friday
            ("2026-01-06", "2026-01-02T19:00", "2026-01-05T19:00"),  # Tuesday: Friday to Monday
            ("2026-01-07", "2026-01-05T19:00", "2026-01-06T19:00"),
            ("2026-01-09", "2026-01-07T19:00", "2026-01-08T19:00"),
            ("2026-07-08", "2026-07-06T18:00", "2026-07-07T18:00"),  # summer time
            ("2026-03-10", "2026-03-06T19:00", "2026-03-09T18:00"),  # it begins in between
            ("2026-11-03", "2026-10-30T18:00", "2026-11-02T19:00"),  # it ends in between
        ],
    )
    def test_window_is_from_deadline_to_deadline(self, date: str, start: str, end: str) -> None:
        window = submission_window(dt.date.fromisoformat(date))
        assert window is not None
        assert [f"{moment:%Y-%m-%dT%H:%M%z}" for moment in window] == [
            f"{start}+0000",
            f"{end}+0000",
        ]

    def test_windows_of_two_years_leave_no_gap_and_do_not_overlap(self) -> None:
        days = (dt.date(2025, 1, 6) + dt.timedelta(days=n) for n in range(730))
        windows = [window for day in days if (window := submission_window(day))]
        assert len(windows) == 730 // 7 * 5 + 2
        assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]


class TestManners:
    def test_requests_are_spaced_across_pages_and_sources(self, web: Web) -> None:
        asked_at: list[float] = []
        page = paged(2, size=1)

        def respond(path: str, query: dict[str, str]) -> Answer:
            asked_at.append(time.monotonic())
            return page(path, query)

        web.respond = respond
        open_at(web, "cs.CL", arxiv_delay_seconds=0.3).list_day(DATE)
        open_at(web, "cs.AI", arxiv_delay_seconds=0.3).list_day(DATE)
        gaps = [later - earlier for earlier, later in pairwise(asked_at)]
        assert len(gaps) == 3
        assert min(gaps) >= 0.3
        assert max(gaps) < 2

    @pytest.mark.parametrize("first", [(503, ""), (200, "<feed>"), (200, feed([], total=5))])
    def test_second_tries_are_spaced_too(self, web: Web, first: Answer) -> None:
        asked_at: list[float] = []
        answer = in_turn(first, GOOD)

        def respond(path: str, query: dict[str, str]) -> Answer:
            asked_at.append(time.monotonic())
            return answer(path, query)

        web.respond = respond
        open_at(web, arxiv_delay_seconds=0.3).by_ids(["2601.00001"], DATE)
        assert len(asked_at) == 2
        assert asked_at[1] - asked_at[0] >= 0.3

    def test_requests_say_who_asks(self, web: Web) -> None:
        web.respond = lambda path, query: GOOD
        source = open_at(web, user_agent="broadsheet (ada@example.org)")
        source.by_ids(["2601.00001"], DATE)
        assert web.headers[0]["user-agent"] == "broadsheet (ada@example.org)"


class TestMoods:
    def test_rejected_query_is_told_at_once_in_arxivs_words(self, web: Web) -> None:
        web.respond = lambda path, query: (400, error_feed("incorrect id format for <abc>"))
        with pytest.raises(SourceError, match="incorrect id format for <abc>") as caught:
            open_at(web).by_ids(["abc"], DATE)
        assert type(caught.value) is SourceError
        assert caught.value.remedy
        assert len(web.requests) == 1

    def test_rejection_without_a_reason_says_so(self, web: Web) -> None:
        web.respond = lambda path, query: (400, "")
        with pytest.raises(SourceError, match="rejected the query: HTTP 400"):
            open_at(web).by_ids(["abc"], DATE)

    def test_error_entry_that_comes_as_a_success_is_no_paper(self, web: Web) -> None:
        web.respond = lambda path, query: (200, error_feed("x").replace("<summary>", _DATED))
        with pytest.raises(SourceError, match="without an identifier"):
            open_at(web).by_ids(["2601.00001"], DATE)

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_one_refusal_is_overcome(self, web: Web, status: int) -> None:
        web.respond = in_turn((status, "busy"), GOOD)
        assert len(open_at(web).by_ids(["2601.00001"], DATE)) == 1
        assert len(web.requests) == 2

    @pytest.mark.parametrize("status", [429, 503])
    def test_refusal_without_end_is_source_unavailable(self, web: Web, status: int) -> None:
        web.respond = lambda path, query: (status, "busy")
        with pytest.raises(SourceUnavailable, match=f"arxiv is unavailable: HTTP {status}") as e:
            open_at(web, http_attempts=3).by_ids(["2601.00001"], DATE)
        assert len(web.requests) == 3
        assert "try again later" in e.value.remedy

    @pytest.mark.parametrize(
        ("hint", "waited"),
        [("7", [7.0]), ("86400", [60.0]), ("Fri, 01 Jan 2100 00:00:00 GMT", [0.0]), ("", [0.0])],
    )
    def test_retry_after_is_waited_for_up_to_a_minute(
        self, web: Web, monkeypatch: pytest.MonkeyPatch, hint: str, waited: list[float]
    ) -> None:
        waits: list[float] = []
        fake = SimpleNamespace(sleep=waits.append, monotonic=lambda: 0.0)
        monkeypatch.setattr("broadsheet.sources.arxiv.time", fake)
        web.respond = in_turn((429, "", {"retry-after": hint}), GOOD)
        open_at(web).by_ids(["2601.00001"], DATE)
        assert [wait for wait in waits if wait] == [wait for wait in waited if wait]

    def test_empty_first_page_of_many_results_is_asked_for_again(self, web: Web) -> None:
        web.respond = in_turn((200, feed([], total=2)), (200, feed([], total=2)), *_two_pages())
        assert len(open_at(web, "cs.CL").list_day(DATE).listings) == 2
        assert [query["start"] for _, query in web.requests] == ["0", "0", "0", "1"]

    def test_pages_that_stay_empty_are_source_unavailable(self, web: Web) -> None:
        web.respond = lambda path, query: (200, feed([], total=2))
        with pytest.raises(SourceUnavailable, match="UnexpectedEmptyPage"):
            open_at(web, "cs.CL", http_attempts=3).list_day(DATE)
        assert len(web.requests) == 3

    def test_reading_goes_on_where_a_short_page_stopped(self, web: Web) -> None:
        web.respond = paged(230, size=70)
        listings = open_at(web, "cs.CL").list_day(DATE).listings
        assert [found.paper_id for found in listings] == ids(230)
        assert [query["start"] for _, query in web.requests] == ["0", "70", "140", "210"]

    def test_empty_page_in_the_middle_is_asked_for_again(self, web: Web) -> None:
        first, second = _two_pages()
        web.respond = in_turn(first, (200, feed([], total=2, start=1)), second)
        assert len(open_at(web, "cs.CL").list_day(DATE).listings) == 2
        assert [query["start"] for _, query in web.requests] == ["0", "1", "1"]

    def test_paper_that_moved_to_the_next_page_counts_once(self, web: Web) -> None:
        pages = [["2601.00001"], ["2601.00001"], ["2601.00002"]]
        feeds = [feed([entry(i) for i in page], 3, n) for n, page in enumerate(pages)]
        web.respond = in_turn(*((200, page) for page in feeds))
        listings = open_at(web, "cs.CL").list_day(DATE).listings
        assert [(found.rank, found.paper_id) for found in listings] == [
            (1, "2601.00001"),
            (2, "2601.00002"),
        ]

    @pytest.mark.parametrize("keep", [0, 400, -10])
    def test_cut_feed_is_asked_for_again(self, web: Web, keep: int) -> None:
        web.respond = in_turn((200, str(GOOD[1])[:keep]), GOOD)
        assert len(open_at(web).by_ids(["2601.00001"], DATE)) == 1
        assert len(web.requests) == 2

    def test_feed_that_stays_cut_is_source_unavailable(self, web: Web) -> None:
        web.respond = lambda path, query: (200, "<feed>")
        with pytest.raises(SourceUnavailable, match="cut short"):
            open_at(web, http_attempts=2).by_ids(["2601.00001"], DATE)
        assert len(web.requests) == 2

    @pytest.mark.parametrize(
        "how", [{"content-encoding": "gzip"}, {"transfer-encoding": "chunked"}]
    )
    def test_answer_that_breaks_off_is_asked_for_again(self, web: Web, how: dict[str, str]) -> None:
        web.respond = in_turn((200, "ff\r\n<feed>", how), GOOD)
        assert len(open_at(web).by_ids(["2601.00001"], DATE)) == 1
        assert len(web.requests) == 2

    def test_silence_is_asked_again(self, web: Web) -> None:
        def respond(path: str, query: dict[str, str]) -> Answer:
            if len(web.requests) == 1:
                time.sleep(0.4)
            return GOOD

        web.respond = respond
        source = open_at(web, http_timeout_seconds=0.2)
        assert len(source.by_ids(["2601.00001"], DATE)) == 1
        assert len(web.requests) == 2

    def test_server_that_is_not_there_is_source_unavailable(self, web: Web) -> None:
        source = open_at(web, http_attempts=2)
        web.close()
        with pytest.raises(SourceUnavailable, match="ConnectionError"):
            source.by_ids(["2601.00001"], DATE)


_DATED = "<published>2026-01-05T20:15:00Z</published><summary>"


def _two_pages() -> tuple[Answer, Answer]:
    return (
        (200, feed([entry("2601.00001")], total=2)),
        (200, feed([entry("2601.00002")], total=2, start=1)),
    )


_ENTRY = re.compile(r"<id>http://arxiv\.org/abs/(.+?)v(\d+)</id>")


@pytest.mark.real
def test_every_recorded_feed_is_read_whole(web: Web, shared: Path) -> None:
    files = sorted((shared / "data" / "arxiv_atom").glob("*.xml"))
    assert files
    source = open_at(web)
    for file in files:
        text = file.read_text("utf-8")
        expected = {found[1]: int(found[2]) for found in _ENTRY.finditer(text)}
        # One page is recorded of what may be thousands; say that it is all there is.
        whole = re.sub(r"(totalResults[^>]*>)\d+<", rf"\g<1>{len(expected)}<", text)
        status = 400 if file.stem.endswith("http400") else 200
        web.respond = in_turn((status, whole))
        if status == 400:
            with pytest.raises(SourceError, match="incorrect id format for abc"):
                source.by_ids(["2601.00001"], DATE)
            continue
        found = source.by_ids(["2601.00001"], DATE)
        assert {name: listing.version for name, listing in found.items()} == expected, file.name
        for listing in found.values():
            assert listing.title, file.name
            assert listing.abstract, file.name
            assert listing.authors, file.name
            assert listing.categories, file.name
            assert "\n" not in listing.title + listing.abstract, file.name
            assert listing.published_at is not None, file.name
            assert listing.published_at.utcoffset() == dt.timedelta(0), file.name
