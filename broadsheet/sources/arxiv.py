"""arXiv's API: papers by id, and by categories for an announcement date.

Source: https://info.arxiv.org/help/api/user-manual.html, through the `arxiv` package, which owns
paging and retries. What it leaves open is closed in `_Session`: a time limit, wait hints, spacing
that counts failed requests too, and pages that look whole but are not.
"""

from __future__ import annotations

import datetime as dt
import html
import json
import logging
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import arxiv
import requests

from broadsheet.config import Settings
from broadsheet.errors import NotPublishedYet, SourceError, UnknownShape
from broadsheet.models import PAPER_ID, Listing
from broadsheet.sources import Day, http

logger = logging.getLogger(__name__)

PAGE_SIZE = 500  # of at most 2000: long pages come back cut more often
_IDS_AT_ONCE = 400  # an address of some 5,000 characters
_NEW_YORK = ZoneInfo("America/New_York")
_ENTRY_ID = re.compile(rf"arxiv\.org/abs/(?P<id>{PAPER_ID})v(?P<version>\d+)$")
Window = tuple[dt.datetime, dt.datetime]
"""From, until; UTC."""
_one_connection = threading.Lock()
_asked_at: dict[str, float] = {}
"""When each endpoint was last asked, by the monotonic clock: the process's, whoever asked."""


class Arxiv:
    """What arXiv announced in some categories, oldest submission first."""

    name = "arxiv"

    def __init__(self, settings: Settings, categories: Sequence[str] = ()) -> None:
        self._settings = settings
        self._categories = sorted(categories)
        self._client = _open_client(settings)

    @property
    def scope(self) -> str:
        """The categories, joined by commas."""
        return ",".join(self._categories)

    def newest_date(self) -> dt.date:
        """The newest date whose announcement has been made."""
        date = dt.datetime.now(dt.UTC).date()
        while submission_window(date) is None or not _is_announced(date):
            date -= dt.timedelta(days=1)
        return date

    def list_day(self, date: dt.date) -> Day:
        """The papers announced on that date; a weekend has none and is not asked for."""
        (_, day), *_ = self.list_days([date])
        if isinstance(day, SourceError):
            raise day
        return day

    def list_days(self, dates: Sequence[dt.date]) -> Iterator[tuple[dt.date, Day | SourceError]]:
        """The papers announced on each date: dates that follow each other in one search."""
        windows = {date: window for date in dates if (window := submission_window(date))}
        future = {date for date in windows if not _is_announced(date)}
        yield from ((date, Day(listings=())) for date in dates if date not in windows)
        yield from ((date, _not_published(date)) for date in sorted(future))
        for span in _spans({d: w for d, w in windows.items() if d not in future}):
            yield from self._list_span(span, windows)

    def _list_span(
        self, span: Sequence[dt.date], windows: Mapping[dt.date, Window]
    ) -> Iterator[tuple[dt.date, Day | SourceError]]:
        """What one search finds, by the date on which it was announced."""
        query = self._query(windows[span[0]][0], windows[span[-1]][1])
        try:
            found = self._ask(arxiv.Search(query=query, max_results=None, **_OLDEST_FIRST))
            yield from _by_day(found, span, [windows[date][0] for date in span]).items()
        except SourceError as error:
            yield from ((date, error) for date in span)

    def by_ids(self, paper_ids: Iterable[str], date: dt.date) -> dict[str, Listing]:
        """What arXiv knows of these papers, by id; a paper that it does not know is absent."""
        ids = sorted(set(paper_ids))
        found: list[arxiv.Result] = []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            batch = ids[start : start + _IDS_AT_ONCE]
            found += self._ask(arxiv.Search(id_list=batch, max_results=None))
        listings = [_listing(result, date) for result in found]
        return {listing.paper_id: listing for listing in listings}

    def _query(self, start: dt.datetime, end: dt.datetime) -> str:
        categories = " OR ".join(f"cat:{category}" for category in self._categories)
        last = end - dt.timedelta(minutes=1)  # both ends of the API's range are included
        return f"({categories}) AND submittedDate:[{start:%Y%m%d%H%M} TO {last:%Y%m%d%H%M}]"

    def _ask(self, search: arxiv.Search) -> list[arxiv.Result]:
        """Every result, on the process's one spaced connection."""
        url = self._settings.arxiv_api_url
        try:
            with _one_connection:
                return list(self._client.results(search))
        except arxiv.HTTPError as error:
            raise http.unavailable(self.name, f"HTTP {error.status}", url) from error
        except (arxiv.ArxivError, requests.RequestException) as error:
            raise http.unavailable(self.name, f"{type(error).__name__}: {error}", url) from error
        except (ValueError, KeyError, AttributeError, TypeError) as error:  # the package's parser
            raise UnknownShape(
                f"source arxiv answered an entry in an unknown shape: {error}",
                "nothing was stored; look for a newer Broadsheet or report it",
            ) from error


_OLDEST_FIRST: dict[str, Any] = {
    "sort_by": arxiv.SortCriterion.SubmittedDate,
    "sort_order": arxiv.SortOrder.Ascending,
}


def submission_window(date: dt.date) -> Window | None:
    """When papers announced on a date were submitted: from, until (UTC); None on weekends.

    Submissions close at 14:00 Eastern and are announced at 20:00, Sunday to Thursday, which is the
    next date in UTC; Friday's to Monday's come together. arXiv's holidays are not known here: their
    papers then belong to the date that they would have been announced on.
    Source: https://info.arxiv.org/help/availability.html
    """
    if date.weekday() >= 5:
        return None
    back = {0: (4, 3), 1: (4, 1)}.get(date.weekday(), (2, 1))
    start, end = (
        dt.datetime.combine(date - dt.timedelta(days=days), dt.time(14), _NEW_YORK) for days in back
    )
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


def _spans(windows: Mapping[dt.date, Window]) -> list[list[dt.date]]:
    """The dates in runs whose windows follow each other without a gap."""
    spans: list[list[dt.date]] = []
    for date in sorted(windows):
        if spans and windows[spans[-1][-1]][1] == windows[date][0]:
            spans[-1].append(date)
        else:
            spans.append([date])
    return spans


def _by_day(
    found: Iterable[arxiv.Result], span: Sequence[dt.date], opened: Sequence[dt.datetime]
) -> dict[dt.date, Day]:
    """The results by the date whose window had last opened when they were submitted, each once."""
    listings: dict[dt.date, dict[str, Listing]] = {date: {} for date in span}
    for result in found:
        date = span[max(0, bisect_right(opened, result.published) - 1)]
        listing = _listing(result, date)
        listings[date][listing.paper_id] = listing
    return {date: Day(listings=_ranked(unique.values())) for date, unique in listings.items()}


def _ranked(listings: Iterable[Listing]) -> tuple[Listing, ...]:
    return tuple(replace(listing, rank=rank) for rank, listing in enumerate(listings, start=1))


def _not_published(date: dt.date) -> NotPublishedYet:
    return NotPublishedYet(
        f"digest of {date} cannot be made: its list on arXiv is not published yet",
        "try again later, or leave out --date for the newest list",
    )


def _is_announced(date: dt.date) -> bool:
    evening_before = dt.datetime.combine(date - dt.timedelta(days=1), dt.time(20), _NEW_YORK)
    return evening_before <= dt.datetime.now(dt.UTC)


_CUT_SHORT = (
    requests.ReadTimeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""What the package's client does not ask again for, unlike a `ConnectionError`."""


class _Session(requests.Session):
    """What the arxiv package's client sends its requests with."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401
        """The response; a page that is not whole raises what the client retries."""
        kwargs["headers"] = {"user-agent": self._settings.user_agent}
        kwargs["timeout"] = self._settings.http_timeout_seconds
        self._wait_for_turn()
        try:
            response = super().request(method, url, **kwargs)
        except _CUT_SHORT as error:
            raise requests.ConnectionError(str(error)) from error
        finally:
            _asked_at[self._settings.arxiv_api_url] = time.monotonic()
        if response.status_code in (429, 503):
            _wait_as_told(response)
        elif response.status_code == 400:
            raise _rejected(response)
        elif response.ok:
            _refuse_cut_feed(response)
        return response

    def _wait_for_turn(self) -> None:
        asked_at = _asked_at.get(self._settings.arxiv_api_url)
        if asked_at is not None:
            ready_at = asked_at + self._settings.arxiv_delay_seconds
            time.sleep(max(0.0, ready_at - time.monotonic()))


def _wait_as_told(response: requests.Response) -> None:
    """Sit out a `Retry-After` in seconds, a minute at most; the client's own pause comes on top."""
    hint = response.headers.get("retry-after", "")
    time.sleep(min(float(hint), 60.0) if hint.isdigit() else 0.0)


def _rejected(response: requests.Response) -> SourceError:
    """What arXiv did not like, as it says in an entry titled Error."""
    feed = response.content.decode("utf-8", "replace")
    said = re.search(r"<entry>.*?<summary>(.*?)</summary>", feed, re.DOTALL)
    reason = html.unescape(said[1]).strip() if said else "HTTP 400"
    return SourceError(
        f"source arxiv rejected the query: {reason}", "check the profile's categories"
    )


def _refuse_cut_feed(response: requests.Response) -> None:
    body = response.content.rstrip()
    if not body.endswith(b"</feed>"):
        raise requests.ConnectionError("the feed was cut short")
    total = re.search(rb"totalResults[^>]*>(\d+)<", body)
    start = re.search(rb"startIndex[^>]*>(\d+)<", body)
    if total and start and b"<entry" not in body and int(total[1]) > int(start[1]):
        raise arxiv.UnexpectedEmptyPageError(response.url, 0, None)


def _open_client(settings: Settings) -> arxiv.Client:
    """The package's client for the settings' endpoint; the spacing is the session's."""
    client = arxiv.Client(PAGE_SIZE, 0.0, settings.http_attempts - 1)
    client.query_url_format = settings.arxiv_api_url + "?{}"
    client._session = _Session(settings)
    return client


def _listing(result: arxiv.Result, date: dt.date) -> Listing:
    matched = _ENTRY_ID.search(result.entry_id)
    if matched is None:
        raise SourceError(
            f"source arxiv answered an entry without an identifier: {result.entry_id!r}",
            "report this as a defect",
        )
    return Listing(
        source=Arxiv.name,
        date=date,
        paper_id=matched["id"],
        rank=0,
        title=" ".join(result.title.split()),
        abstract=" ".join(result.summary.split()),
        authors=tuple(author.name for author in result.authors),
        version=int(matched["version"]),
        categories=tuple(result.categories),
        published_at=result.published,
        payload=_payload(result),
    )


def _payload(result: arxiv.Result) -> str:
    """The entry as the package parsed it, JSON."""
    entry = {
        "entry_id": result.entry_id,
        "updated": result.updated.isoformat(),
        "published": result.published.isoformat(),
        "title": result.title,
        "summary": result.summary,
        "authors": [author.name for author in result.authors],
        "comment": result.comment,
        "journal_ref": result.journal_ref,
        "doi": result.doi,
        "primary_category": result.primary_category,
        "categories": result.categories,
    }
    return json.dumps(entry, ensure_ascii=False, sort_keys=True)
