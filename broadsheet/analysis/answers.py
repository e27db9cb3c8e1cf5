"""The answer store: what a model answered is kept raw, by content key, before anything reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from broadsheet.lake import Lake
from broadsheet.models import Answer


def find(lake: Lake, key: str) -> Answer | None:
    """The stored answer to the question of that key; None where it was never answered."""
    rows = lake.rows("answers", key, prefix=key[:2])
    return _answer(rows[0]) if rows else None


def save(lake: Lake, answer: Answer) -> None:
    """Make the answer durable."""
    lake.write("answers", [asdict(answer)], answer.key, prefix=answer.key[:2])


def _answer(row: Mapping[str, object]) -> Answer:
    return Answer(**{name: row[name] for name in Answer.__dataclass_fields__})  # type: ignore[arg-type]
