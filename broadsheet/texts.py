"""The text that is read of a pick: the stored one, else fetched and stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from broadsheet.editions import Edition
from broadsheet.lake import Lake
from broadsheet.models import FullText, Pick, ReadingSource, Section
from broadsheet.sources.fulltext import FullTexts, abstract_only


def read(edition: Edition, pick: Pick) -> FullText:
    """The paper's text as the profile wants it; what was read once for the date is read again."""
    if text := known(edition, pick):
        return text
    text = edition.fulltexts.fetch(pick)
    _store(edition.lake, edition.date, pick, text)
    return text


def known(edition: Edition, pick: Pick) -> FullText | None:
    """The paper's text where no page has to be fetched for it; else None."""
    if edition.profile.read == "abstract":
        return abstract_only(pick, "not_wanted")
    stored = edition.lake.rows("fulltexts", _name(pick), date=edition.date)
    return _stored(stored[0]) if stored else None


def look_again(lake: Lake, pages: FullTexts, date: dt.date, pick: Pick) -> FullText:
    """The paper's text as arXiv has it now; where there is a page to read, it is the date's text.

    A page that is still not there changes nothing that is stored.
    """
    text = pages.fetch(pick)
    if text.reading_source is ReadingSource.HTML:
        _store(lake, date, pick, text)
    return text


def _store(lake: Lake, date: dt.date, pick: Pick, text: FullText) -> None:
    row = {**asdict(text), "chars": text.chars}
    lake.write("fulltexts", [row], _name(pick), date=date)


def _name(pick: Pick) -> str:
    return pick.paper_id.replace("/", "_")


def _stored(row: Mapping[str, Any]) -> FullText:
    values = {name: row[name] for name in FullText.__dataclass_fields__}
    values["sections"] = tuple(Section(**section) for section in row["sections"])
    values["reading_source"] = ReadingSource(row["reading_source"])
    return FullText(**values)
