"""Every error Broadsheet raises on purpose, as one tree.

    BroadsheetError
    ├── UsageError              bad arguments or configuration; nothing was started (exit code 2)
    ├── SourceError             a place papers come from
    │   ├── NotPublishedYet     it answered: this date's list does not exist yet
    │   ├── SourceUnavailable   it could not be reached, or kept failing
    │   └── UnknownShape        it answered something no known version of it ever did
    ├── LakeError               Parquet files that cannot be read or written
    ├── WarehouseError          SQL that cannot run
    ├── SiteError               the built site cannot be written or indexed
    ├── Stopped                 work that was given up because its run ends
    ├── StateError              quotas and money that workers share: the store cannot be used
    ├── DeliveryError           a digest that did not reach a mailbox or chat, or may not have
    └── ModelError              a language model's call that gave no usable answer
        └── UnusableAnswer      it answered, but not what was asked

A message reads ``<what failed> <which>: <reason>``, and ``remedy`` says what to do about it.
All of them pickle, so that they survive in a run's recorded state.
"""

from __future__ import annotations

from enum import StrEnum

from broadsheet.redaction import redact


class BroadsheetError(Exception):
    """The root: `str()` is the message, `remedy` the next step for whoever reads it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message = redact(message)
        self.remedy = redact(remedy)
        super().__init__(self.message, self.remedy)

    def __str__(self) -> str:
        return self.message


class UsageError(BroadsheetError):
    """Arguments or configuration that cannot be used; nothing was started."""


class SourceError(BroadsheetError):
    """A place papers come from did not deliver."""


class NotPublishedYet(SourceError):
    """The source answered that the date asked for has no list yet."""


class SourceUnavailable(SourceError):
    """The source could not be reached or kept failing after its client's retries."""


class UnknownShape(SourceError):
    """The source's answer fits no known version of its format."""


class LakeError(BroadsheetError):
    """A lake file could not be read or written."""


class WarehouseError(BroadsheetError):
    """A query could not be run."""


class SiteError(BroadsheetError):
    """The web pages, or the index for searching them, could not be made."""


class Stopped(BroadsheetError):
    """Work that was given up because its run ends."""


class StateError(BroadsheetError):
    """The store of what workers share of quotas and money cannot be used."""


class NotSent(StrEnum):
    """What a failed delivery means for the next try."""

    TEMPORARY = "temporary"
    """It did not arrive, and may another time."""
    UNREACHABLE = "unreachable"
    """As temporary: there was no connection, and there is none for others there either."""
    PERMANENT = "permanent"
    """It did not arrive, and will not before something is changed."""
    UNKNOWN = "unknown"
    """It may have arrived."""


class DeliveryError(BroadsheetError):
    """A published digest did not reach a mailbox or a chat, or nobody knows; `kind` says which."""

    def __init__(self, message: str, remedy: str = "", kind: NotSent = NotSent.TEMPORARY) -> None:
        super().__init__(message, remedy)
        self.args = (self.message, self.remedy, kind)
        self.kind = kind


class FaultKind(StrEnum):
    """Why a model gave no usable answer; stored in `analyses.pending_reason` (docs/faults.md)."""

    RATE = "rate"
    DAILY = "daily"
    CREDIT = "credit"
    OVERLOAD = "overload"
    NETWORK = "network"
    MALFORMED = "malformed"
    AUTH = "auth"
    CONTEXT = "context"
    CONTENT = "content"
    BAD_REQUEST = "bad_request"
    BUDGET = "budget"


class ModelError(BroadsheetError):
    """A language model gave no usable answer; `kind` says why.

    `wait_seconds` is how long the provider asked to be left alone, None where it did not say.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        kind: FaultKind = FaultKind.BAD_REQUEST,
        wait_seconds: float | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.args = (self.message, self.remedy, kind, wait_seconds)
        self.kind = kind
        self.wait_seconds = wait_seconds


class UnusableAnswer(ModelError):
    """A model answered, but not what was asked.

    `reason` is a short sentence that says why and is safe to log and to show to a model: of the
    answer it names at most keys.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        kind: FaultKind = FaultKind.MALFORMED,
        wait_seconds: float | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(message, remedy, kind, wait_seconds)
        self.args = (self.message, self.remedy, kind, wait_seconds, reason)
        self.reason = reason
