"""The text that is read of a pick: the stored one, else fetched and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from broadsheet.editions import Edition
from broadsheet.models import FullText, Pick, ReadingSource, Section
from broadsheet.sources.fulltext import abstract_only


def read(edition: Edition, pick: Pick) -> FullText:
    """The paper's text as the profile wants it; what was read once for the date is read again."""
    if edition.profile.read == "abstract":
        return abstract_only(pick, "not_wanted")
    name = pick.paper_id.replace("/", "_")
    stored = edition.lake.rows("fulltexts", name, date=edition.date)
    if stored:
        return _stored(stored[0])
    text = edition.fulltexts.fetch(pick)
    row = {**asdict(text), "chars": text.chars}
    edition.lake.write("fulltexts", [row], name, date=edition.date)
    return text


def _stored(row: Mapping[str, Any]) -> FullText:
    values = {name: row[name] for name in FullText.__dataclass_fields__}
    values["sections"] = tuple(Section(**section) for section in row["sections"])
    values["reading_source"] = ReadingSource(row["reading_source"])
    return FullText(**values)
