"""How a profile's interests meet the papers of many dates, scored as its digests score a day's.

Some years are scored at a time, so that memory is that of these: the daily lists of the profile's
sources as its digests had them, then those of other sources, then the archive.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq

from broadsheet import archive
from broadsheet.config import Profile, Settings, SourceName
from broadsheet.errors import UsageError
from broadsheet.lake import Lake, Stored
from broadsheet.queries import query
from broadsheet.scoring import NOTHING, parameters
from broadsheet.sources import open_source
from broadsheet.views import Partition
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

_BYTES_AT_ONCE = 150 * 2**20
"""Of files that are scored together: 250,000 papers, and half a gigabyte of memory."""
_SCORES = "from marts.scores"
_EVERY = (
    f"select * exclude (abstract, authors, code_url, project_url) {_SCORES} order by date, rank"
)


@dataclass(frozen=True, kw_only=True)
class _Lists:
    """What is scored together: lists whose papers are merged on each date."""

    asked: tuple[dict[str, object], ...]
    is_archive: bool = False


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """Years that are scored together, and what is to be read of them."""

    first: int
    last: int
    only: dict[str, list[Partition]]

    def __str__(self) -> str:
        """`1991` or `1991 to 2003`."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, kw_only=True)
class Matching:
    """A profile and the dates that it is tried on.

    Args:
        settings: where the lake is.
        profile: whose interests.
        since: the first date; the first there is, without.
        until: the last date; the last there is, without.
        source: only what this source listed, the archive being arXiv's; all of them, without.

    Raises:
        UsageError: an unknown source, or dates the wrong way round.
    """

    settings: Settings
    profile: Profile
    since: dt.date = dt.date.min
    until: dt.date = dt.date.max
    source: str | None = None

    def __post_init__(self) -> None:
        if self.source not in (None, *get_args(SourceName)):
            known = ", ".join(get_args(SourceName))
            raise UsageError(f"unknown source {self.source!r}", f"sources: {known}")
        if self.since > self.until:
            raise UsageError(f"{self.since} is after {self.until}", "give the earlier date first")

    @cached_property
    def lake(self) -> Lake:
        """What is scored."""
        return Lake(self.settings.lake_root)

    def best(self, top: int) -> pa.Table:
        """The papers with the highest scores, best first, each once.

        **Shape**: columns of `sql/marts/best.sql`; empty where there is nothing to score.
        """
        found = [*self._each(query("marts.best").sql, top=top)]
        with Warehouse(self.lake, NOTHING, ["marts.best"]) as warehouse:
            warehouse.put("marts.scores", pa.concat_tables([*found, self._none(top)]))
            return warehouse.run("marts.best", top=top)

    def every(self) -> Iterator[pa.Table]:
        """The scores of every paper on every date, some years at a time.

        **Shape**: grain profile, date, paper_id and, where other sources are scored, sources;
        columns of `sql/marts/scores.sql` but the long ones.
        """
        return self._each(_EVERY)

    def _none(self, top: int) -> pa.Table:
        """No row, with the columns of the others."""
        lists = _Lists(asked=({"source": "", "scope": "", "place": 0},))
        nothing = _Pass(first=dt.date.min.year, last=dt.date.min.year, only=NOTHING)
        return self._scored(query("marts.best").sql, lists, nothing, top=top)

    def _each(self, text: str, **params: object) -> Iterator[pa.Table]:
        for lists in self._all_lists():
            for years in self._passes(lists):
                scored = self._scored(text, lists, years, **params)
                logger.info("scored %s%s", years, ", the archive" * lists.is_archive)
                yield scored

    def _scored(self, text: str, lists: _Lists, years: _Pass, **params: object) -> pa.Table:
        """What the text makes of the scores of these years."""
        scores = query("marts.scores").sql
        with Warehouse(self.lake, years.only, ["marts.scores"]) as warehouse:
            archive.bound(warehouse.con, self.settings.home / "state" / "archive" / "scratch")
            return warehouse.sql(
                text.replace(_SCORES, f"from ({scores}) as scores"),
                since=max(self.since, dt.date(years.first, 1, 1)),
                until=min(self.until, dt.date(years.last, 12, 31)),
                asked=list(lists.asked),
                scan=None,
                **parameters(self.profile),
                **params,
            )

    def _all_lists(self) -> Iterator[_Lists]:
        own = [name for name in self.profile.sources if self.source in (None, name)]
        other = [
            name
            for name in get_args(SourceName)
            if name not in self.profile.sources and self.source in (None, name)
        ]
        for names in [own, *([name] for name in other)]:
            if names:
                yield _Lists(asked=self._asked(names))
        if self.source in (None, "arxiv"):
            asked = {"source": "arxiv", "scope": "", "place": 0}
            yield _Lists(asked=(asked,), is_archive=True)

    def _asked(self, names: Sequence[SourceName]) -> tuple[dict[str, object], ...]:
        sources = [open_source(name, self.settings, self.profile) for name in names]
        return tuple(
            {"source": source.name, "scope": source.scope, "place": place}
            for place, source in enumerate(sources)
        )

    def _passes(self, lists: _Lists) -> Iterator[_Pass]:
        """The years to score, ascending; together while their files are small enough."""
        table = "archive" if lists.is_archive else "listings"
        passes: list[_Pass] = []
        held = 0
        for year, (parts, size) in sorted(self._years(lists).items()):
            held += size
            if passes and held <= _BYTES_AT_ONCE:
                first, parts = passes[-1].first, passes[-1].only[table] + parts
                passes.pop()
            else:
                first, held = year, size
            passes.append(_Pass(first=first, last=year, only={**NOTHING, table: parts}))
        yield from passes

    def _years(self, lists: _Lists) -> dict[int, tuple[list[Partition], int]]:
        """Of each year the partitions to read, and how large their files are."""
        found: dict[int, dict[str, Partition]] = {}
        sizes: dict[int, int] = {}
        for file, part, year in self._files(lists):
            found.setdefault(year, {})[file.folder] = part
            sizes[year] = sizes.get(year, 0) + file.bytes
        return {year: (list(parts.values()), sizes[year]) for year, parts in found.items()}

    def _files(self, lists: _Lists) -> Iterator[tuple[Stored, Partition, int]]:
        """The files of the dates asked for, each with its partition and year."""
        if lists.is_archive:
            for file in self.lake.stored("archive"):
                year = int(_value(file, "year"))
                if self.since.year <= year <= self.until.year:
                    yield file, {"year": year}, year
            return
        names = sorted({str(asked["source"]) for asked in lists.asked})
        for name in names:
            for file in self.lake.stored("listings", [{"source": name}]):
                date = dt.date.fromisoformat(_value(file, "date"))
                if self.since <= date <= self.until:
                    yield file, {"source": name, "date": date}, date.year


def _value(file: Stored, key: str) -> str:
    """Of the partition that the file is in."""
    return dict(level.partition("=")[::2] for level in file.folder.split("/"))[key]


def write_every(tried: Matching, format: str) -> None:
    """Put all scores on standard output, a year at a time.

    Raises:
        UsageError: the format is not Parquet, or standard output is a terminal.
    """
    if format != "parquet" or sys.stdout.isatty():
        raise UsageError(
            "all scores are millions of rows",
            "write them to a file: --top 0 --format parquet > scores.parquet",
        )
    writer = None
    for rows in tried.every():
        if writer is None:
            out = pa.PythonFile(sys.stdout.buffer, mode="w")
            writer = pq.ParquetWriter(out, rows.schema, compression="zstd")
        writer.write_table(rows)
    if writer is None:
        raise UsageError("there is nothing to score", "load the snapshot: docs/archive.md")
    writer.close()
