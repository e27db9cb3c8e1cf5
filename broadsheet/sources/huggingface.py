"""Hugging Face Daily Papers: a curated list per day, sorted by upvotes.

Source: `GET /api/daily_papers?date=&limit=&p=`, undocumented; its shapes since May 2024 are those
of the recorded payloads. Keys come and go over the years, absent rather than null.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import httpx
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from broadsheet.config import Settings
from broadsheet.errors import NotPublishedYet, SourceError, UnknownShape
from broadsheet.models import PAPER_ID, Listing
from broadsheet.sources import Day, day_by_day, http

logger = logging.getLogger(__name__)

PAGE_SIZE = 100  # the API's maximum; its default of 50 truncates long days without a word

Count = Annotated[int, Field(ge=0, lt=2**31)]


class _Author(BaseModel):
    name: str | None = None
    hidden: bool = False


class _Paper(BaseModel):
    id: Annotated[str, Field(pattern=f"^{PAPER_ID}$")]
    title: str
    summary: str
    authors: list[_Author]
    upvotes: Count
    publishedAt: AwareDatetime  # noqa: N815 (the API's own name)
    submittedOnDailyAt: AwareDatetime | None = None  # noqa: N815
    ai_summary: str | None = None
    ai_keywords: list[str] | None = None
    githubRepo: str | None = None  # noqa: N815
    projectPage: str | None = None  # noqa: N815


class _Entry(BaseModel):
    paper: _Paper
    numComments: Count | None = None  # noqa: N815


class HuggingFace:
    """The Daily Papers list."""

    name = "huggingface"
    scope = ""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.huggingface_url.rstrip('/')}/api/daily_papers"
        self._client = http.open_client(settings, _refuse_cut_json)
        self._at_once = settings.http_connections

    def newest_date(self) -> dt.date:
        """The date of the list served when none is asked for; today where it does not say."""
        try:
            listed_at = _Entry.model_validate(self._page(limit=1)[0]).paper.submittedOnDailyAt
        except (IndexError, ValidationError):
            listed_at = None
        return (listed_at or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).date()

    def list_day(self, date: dt.date) -> Day:
        """Every page of the date's list, top first."""
        entries: list[Any] = []
        for page in range(100):
            got = self._page(date=date.isoformat(), limit=PAGE_SIZE, p=page)
            entries += got
            if len(got) < PAGE_SIZE:
                return _day(date, entries)
        raise UnknownShape(
            f"source huggingface lists over {len(entries)} papers for {date}: paging has no end",
            "report this as a defect, with the date",
        )

    def list_days(self, dates: Sequence[dt.date]) -> Iterator[tuple[dt.date, Day | SourceError]]:
        """Each date's list; the API knows no ranges, so several are asked for at once."""
        return day_by_day(self, dates, self._at_once)

    def _page(self, **params: str | int) -> list[Any]:
        response = http.get(self._client, self.name, self._url, **params)
        if response.status_code == 400:
            raise _refusal(str(params.get("date", "")), response.text)
        if response.status_code != 200:
            raise SourceError(
                f"source huggingface refused {response.url}: HTTP {response.status_code}",
                "check BROADSHEET_HUGGINGFACE_URL",
            )
        body = _storable(response.json())
        if not isinstance(body, list):
            raise _unknown_shape(f"the answer is no list but {type(body).__name__}")
        return body


def _refuse_cut_json(response: httpx.Response) -> None:
    """Raise for a body that is not whole JSON, so that the page is asked for again."""
    if response.status_code == 200:
        try:
            json.loads(response.read())
        except (ValueError, RecursionError) as error:
            raise httpx.DecodingError(f"not whole JSON ({error})") from error


def _storable(body: object) -> object:
    """The answer with question marks for lone surrogates: JSON may escape them, UTF-8 has none."""
    return json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))


def _refusal(date: str, body: str) -> SourceError:
    """HTTP 400 means a date past the newest list; anything else it means is told as it is."""
    if "less than or equal" in body:
        return NotPublishedYet(
            f"digest of {date} cannot be made: its list on Hugging Face is not published yet",
            "try again later, or leave out --date for the newest list",
        )
    return SourceError(f"source huggingface refused date {date}: {body[:200]}", "check the date")


def _unknown_shape(reason: str) -> UnknownShape:
    return UnknownShape(
        f"source huggingface answered in an unknown shape: {reason}",
        "nothing was stored; the format may have changed: look for a newer Broadsheet or report it",
    )


def _day(date: dt.date, entries: Iterable[Any]) -> Day:
    """The usable entries as listings, in order; a paper repeated across pages counts once."""
    listings: dict[str, Listing] = {}
    reasons: list[str] = []
    for entry in entries:
        try:
            parsed = _Entry.model_validate(entry)
        except ValidationError as error:
            reasons.append(_why(error))
            continue
        listings.setdefault(parsed.paper.id, _listing(date, len(listings) + 1, parsed, entry))
    if len(reasons) > len(listings):
        raise _unknown_shape(f"{len(reasons)} entries cannot be used, first: {reasons[0]}")
    if reasons:
        logger.warning(
            "skipped %d of %d entries listed on %s by huggingface, first: %s",
            len(reasons),
            len(reasons) + len(listings),
            date,
            reasons[0],
        )
    return Day(listings=tuple(listings.values()), skipped=len(reasons))


def _why(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


def _listing(date: dt.date, rank: int, entry: _Entry, payload: object) -> Listing:
    paper = entry.paper
    return Listing(
        source=HuggingFace.name,
        date=date,
        paper_id=paper.id,
        rank=rank,
        title=" ".join(paper.title.split()),
        abstract=" ".join(paper.summary.split()),
        authors=tuple(a.name for a in paper.authors if a.name and not a.hidden),
        upvotes=paper.upvotes,
        comments=entry.numComments,
        published_at=paper.publishedAt.astimezone(dt.UTC),
        code_url=paper.githubRepo,
        project_url=paper.projectPage,
        ai_summary=paper.ai_summary,
        ai_keywords=tuple(k for k in paper.ai_keywords or [] if k.strip()),
        payload=json.dumps(payload, ensure_ascii=False, sort_keys=True),
    )
