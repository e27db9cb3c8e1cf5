"""News: what an operator is to hear of, each change once and not every run that finds it so.

What was last told of each subject is kept in the store that workers share. It is no fact: where it
is lost, what is so now is told once more.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from broadsheet.config import Settings
from broadsheet.delivery.delivering import Delivered
from broadsheet.editions import Edition
from broadsheet.errors import NotPublishedYet, SourceError, StateError
from broadsheet.ingest import Ingested
from broadsheet.models import Outcome
from broadsheet.publishing import Published
from broadsheet.redaction import redact
from broadsheet.state import State, Transaction
from broadsheet.volume import Volume

logger = logging.getLogger(__name__)

DIGEST_EVENTS = {
    Outcome.COMPLETE: "broadsheet.digest.published",
    Outcome.PARTIAL: "broadsheet.digest.partial",
    Outcome.EMPTY: "broadsheet.digest.empty",
    Outcome.FAILED: "broadsheet.digest.failed",
}
"""What each outcome of a digest is told as."""
SOURCE_DOWN, SOURCE_UP = "broadsheet.source.down", "broadsheet.source.up"
VOLUME_LOW = "broadsheet.volume.low"
RUN_FAILED, RUN_RECOVERED = "broadsheet.run.failed", "broadsheet.run.recovered"
DELIVERY_FAILED = "broadsheet.delivery.failed"
DELIVERY_RECOVERED = "broadsheet.delivery.recovered"
EVENTS = (
    *DIGEST_EVENTS.values(),
    SOURCE_DOWN,
    SOURCE_UP,
    VOLUME_LOW,
    RUN_FAILED,
    RUN_RECOVERED,
    DELIVERY_FAILED,
    DELIVERY_RECOVERED,
)
"""The names of all that is told; docs/automations.md lists them."""

_KEPT_SECONDS = 400 * 86400.0
_TABLE = """create table if not exists told (
    subject text primary key, said text not null, told_at double precision not null)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """What is so of one subject, and how it is told."""

    event: str
    """One of `EVENTS`."""
    subject: str
    """What it is about, such as `broadsheet.digest.cv.2026-01-06`."""
    name: str
    """The subject for people."""
    said: str
    """What is so, in a word: it is news where that was not the last thing told."""
    is_usual: bool = False
    """Whether that is how things are, and no news to who was never told of anything else."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What an automation may choose by."""
    payload: Mapping[str, object] = field(default_factory=dict)


def of_digest(published: Published, home: Path) -> News:
    """That a digest has this outcome; a complete one is news also where its page has changed.

    Args:
        published: what became of it.
        home: what the path of its report is told from.
    """
    subject = f"broadsheet.digest.{published.profile}.{published.date}"
    page = published.report.read_bytes() if published.report else b""
    is_complete = published.outcome is Outcome.COMPLETE
    edition = {"profile": published.profile, "date": str(published.date)}
    counts = asdict(published)
    report = published.report.relative_to(home) if published.report else None
    return News(
        event=DIGEST_EVENTS[published.outcome],
        subject=subject,
        name=f"{published.profile} {published.date}",
        said=f"complete {hashlib.sha256(page).hexdigest()}" if is_complete else published.outcome,
        labels=_labels(edition),
        payload={
            **edition,
            **{name: counts[name] for name in _COUNTS},
            "outcome": str(published.outcome),
            "report": report.as_posix() if report else None,
            "message": redact(published.message),
            "remedy": redact(published.remedy),
        },
    )


_COUNTS = ("listed", "selected", "pending", "prompt_tokens", "completion_tokens", "cost_usd")


def of_sources(edition: Edition, results: Sequence[Ingested | BaseException]) -> list[News]:
    """Which of the edition's sources are down and which answer; an error of ours says neither."""
    pairs = zip(edition.profile.sources, results, strict=True)
    told = [_heard_of(name, edition.date, result) for name, result in pairs]
    return [one for one in told if one]


def of_lists(read: Mapping[tuple[str, str, dt.date], Ingested | SourceError]) -> list[News]:
    """As `of_sources`, of many lists: what the last one of each source says of it.

    Args:
        read: what became of each list, by source, scope and date.
    """
    told = {name: _heard_of(name, date, read[name, scope, date]) for name, scope, date in read}
    return [one for one in told.values() if one]


def _heard_of(name: str, date: dt.date, result: Ingested | BaseException) -> News | None:
    is_up = isinstance(result, Ingested | NotPublishedYet)
    if isinstance(result, Ingested) and not result.is_asked:
        return None
    if is_up or isinstance(result, SourceError):
        return _of_source(name, date, "" if is_up else str(result))
    return None


def of_newest_date(name: str, result: dt.date | SourceError) -> News:
    """That a source is down, or answers, when it was asked for its newest date."""
    if isinstance(result, SourceError):
        return _of_source(name, None, str(result))
    return _of_source(name, result, "")


def _of_source(name: str, date: dt.date | None, message: str) -> News:
    return News(
        event=SOURCE_DOWN if message else SOURCE_UP,
        subject=f"broadsheet.source.{name}",
        name=name,
        said="down" if message else "up",
        is_usual=not message,
        labels=_labels({"source": name}),
        payload={"source": name, "date": str(date) if date else None, "message": message},
    )


def of_volume(volume: Volume) -> News:
    """That a list is thin."""
    labels = {"source": volume.source, "date": str(volume.date)}
    scope = hashlib.sha256(volume.scope.encode()).hexdigest()[:8] if volume.scope else "all"
    return News(
        event=VOLUME_LOW,
        subject=f"broadsheet.list.{volume.source}.{scope}.{volume.date}",
        name=f"{volume.source} {volume.date}",
        said="low",
        labels=_labels(labels),
        payload={**asdict(volume), "date": str(volume.date), "message": str(volume)},
    )


def of_run(subject: str, name: str, error: BaseException | None) -> News:
    """That a flow run which is no digest's came to nothing, or that it did not this time."""
    return News(
        event=RUN_FAILED if error else RUN_RECOVERED,
        subject=f"broadsheet.run.{subject}",
        name=name,
        said="failed" if error else "ended",
        is_usual=error is None,
        payload={"run": name, "message": redact(str(error) or repr(error)) if error else ""},
    )


def of_delivery(delivered: Delivered) -> News:
    """That a digest did not reach a reader, or may not have; or that it did after all."""
    edition = {"profile": delivered.profile, "date": str(delivered.date)}
    return News(
        event=DELIVERY_RECOVERED if delivered.is_sent else DELIVERY_FAILED,
        subject=f"broadsheet.delivery.{delivered.profile}.{delivered.date}.{delivered.target.key}",
        name=f"{delivered.profile} {delivered.date} to {delivered.target}",
        said=str(delivered.standing),
        is_usual=delivered.is_sent,
        labels=_labels(edition),
        payload={
            **edition,
            "target": delivered.target.name,
            "standing": str(delivered.standing),
            "message": redact(delivered.message),
            "remedy": redact(delivered.remedy),
        },
    )


def unheard(news: Iterable[News | None], settings: Settings | None) -> list[News]:
    """Those that are news, which count as told from now on.

    Where nobody knows what was told before (no settings, no store), all that is not usual is news.
    """
    told = [one for one in news if one]
    unusual = [one for one in told if not one.is_usual]
    if not told or settings is None:
        return unusual
    try:
        with State(settings.state_store).transaction() as transaction:
            return _take_note(transaction, told)
    except StateError as error:
        logger.warning("cannot see what was told before: %s; %s", error, error.remedy)
        return unusual


def _take_note(transaction: Transaction, news: Sequence[News]) -> list[News]:
    transaction.run(_TABLE)
    unheard = []
    for one in news:
        before = transaction.run("select said from told where subject = ?", one.subject)
        if before == [(one.said,)] or (not before and one.is_usual):
            continue
        unheard.append(one)
        transaction.run(
            "insert into told values (?, ?, ?) on conflict (subject)"
            " do update set said = excluded.said, told_at = excluded.told_at",
            one.subject,
            one.said,
            transaction.now,
        )
    if unheard:
        transaction.run("delete from told where told_at < ?", transaction.now - _KEPT_SECONDS)
    return unheard


def _labels(values: Mapping[str, str]) -> dict[str, str]:
    return {f"broadsheet.{name}": value for name, value in values.items()}
