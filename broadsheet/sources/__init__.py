"""Where papers come from: one module per place, each a `Source`.

To add one: a module with a class that satisfies `Source`, its name in `config.SourceName`, and a
case in `open_source`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from broadsheet.config import Profile, Settings, SourceName
from broadsheet.errors import SourceError
from broadsheet.models import Listing


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """What a source lists for one date, top first; empty where it said that there is nothing."""

    listings: tuple[Listing, ...]
    skipped: int = 0
    """Entries that could not be used, already logged."""


class Source(Protocol):
    """A place that lists papers by date."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def scope(self) -> str:
        """Which part of the source is asked for; empty: all of it."""

    def newest_date(self) -> dt.date:
        """The newest date that has a list."""

    def list_day(self, date: dt.date) -> Day:
        """The papers listed for that date.

        Raises:
            NotPublishedYet: that date has no list yet.
            SourceUnavailable: no answer after the client's retries.
            UnknownShape: an answer in no known format.
        """

    def list_days(self, dates: Sequence[dt.date]) -> Iterator[tuple[dt.date, Day | SourceError]]:
        """The papers listed for each of these dates, or why there are none; never raises that.

        A source that can tell many days in one answer does; else `day_by_day` is all it takes.
        """


def day_by_day(
    source: Source, dates: Sequence[dt.date], at_once: int
) -> Iterator[tuple[dt.date, Day | SourceError]]:
    """What `Source.list_days` gives, by asking for one day after the other, some at once."""

    def ask(date: dt.date) -> Day | SourceError:
        try:
            return source.list_day(date)
        except SourceError as error:
            return error

    with ThreadPoolExecutor(at_once) as threads:
        yield from zip(dates, threads.map(ask, dates), strict=True)


def open_source(name: SourceName, settings: Settings, profile: Profile) -> Source:
    """The source of that name, asked for what the profile wants."""
    match name:
        case "huggingface":
            from broadsheet.sources.huggingface import HuggingFace

            return HuggingFace(settings)
        case "arxiv":
            from broadsheet.sources.arxiv import Arxiv

            return Arxiv(settings, profile.categories)
