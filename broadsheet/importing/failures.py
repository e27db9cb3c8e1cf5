"""Where a page has a provider's error in place of an analysis; its words are never stored."""

from __future__ import annotations

import re

from broadsheet.analysis import reading
from broadsheet.analysis.faults import classify
from broadsheet.errors import FaultKind

WORDS = (
    "api_error",
    "check quota",
    "error code: 429",
    "exceeded your current quota",
    "experiencing high demand",
    "insufficient_quota",
    "model is overloaded",
    "overloaded_error",
    "provider returned error",
    "quota exceeded",
    "rate limit reached",
    "rate_limit_error",
    "rate_limit_exceeded",
    "ratelimiterror",
    "ratelimitexceeded",
    "resource exhausted",
    "resource_exhausted",
)
"""Those of `sql/checks/provider_errors_as_text.sql`: nothing that it would find is stored."""

_READ = 20_000  # characters, as of a provider's words
_STATUS = re.compile(r"\b[45]\d\d\b")
_BEFORE, _AFTER = 40, 100
"""So many characters around an error's first words its status is looked for."""
_FAILED = ("深度分析失败", "分析失败:", "分析失败：", "analysis failed:")
"""How the predecessors began what they printed in place of an analysis."""


def is_error(text: str) -> bool:
    """Whether the text is, or quotes, what a provider says when it does not answer."""
    said = text.casefold()
    return (
        any(words in said for words in WORDS)
        or said.lstrip("*_# \n").startswith(_FAILED)
        or reading.PROVIDER_ERROR.search(text) is not None
    )


def is_refusal(text: str) -> bool:
    """Whether a model declines there to write about the paper."""
    return reading.REFUSAL.search(text) is not None


def kind_of(text: str) -> FaultKind:
    """The kind of fault that the text is about; `malformed` where it says nothing of one."""
    if is_refusal(text):
        return FaultKind.CONTENT
    if not is_error(text):
        return FaultKind.MALFORMED
    said = text[_beginning(text) :][:_READ]
    kind, _ = classify(RuntimeError(said), "gemini/" if "google" in said.casefold() else "")
    return kind


def _beginning(text: str) -> int:
    """Where the error begins, at its status if it has one: what stands before tells nothing."""
    said = text.casefold()
    found = [at for at in map(said.find, (*WORDS, *_FAILED)) if at >= 0]
    if quoted := reading.PROVIDER_ERROR.search(text):
        found.append(quoted.start())
    at = max(0, min(found) - _BEFORE)
    status = _STATUS.search(text, at, at + _BEFORE + _AFTER)
    return status.start() if status else at
