"""Every fault of a language model: told apart, and what becomes of it; docs/faults.md lists them.

The class that litellm raises misleads (it makes a 500 of Gemini's 503, and one of a body that it
cannot read), so where the causes of an error hold the HTTP response, that decides; else the status
and the words do. Nothing here waits, asks or imports litellm.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from broadsheet.analysis.waits import asked_wait
from broadsheet.errors import FaultKind

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_READ = 20_000  # characters of what was said, from its beginning
_PACIFIC = ("gemini/", "vertex_ai/")  # reset at midnight Pacific: ai.google.dev rate limits


class Policy(StrEnum):
    """What is done about a fault."""

    WAIT = "wait"
    RETRY = "retry"
    SHORTEN = "shorten"
    REASK = "reask"
    PARK = "park"
    REFUSE = "refuse"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True, slots=True)
class Treatment:
    """What becomes of a fault of one kind; the three texts are a row of docs/faults.md."""

    policy: Policy
    attempts: int
    """How often a question is put again; under WAIT, refusals in a row until it is parked."""
    meaning: str
    what_we_do: str
    remedy: str


TREATMENTS: Mapping[FaultKind, Treatment] = MappingProxyType(
    {
        FaultKind.RATE: Treatment(
            policy=Policy.WAIT,
            attempts=10,
            meaning="more requests or tokens in a minute than the provider allows",
            what_we_do="holds back every worker for as long as the provider asks, else 2, 4, 8 … "
            "60 seconds; after 10 refusals in a row the run leaves the model alone for 15 minutes "
            "and the next one takes over",
            remedy="set rpm and tpm of that model to what the provider allows",
        ),
        FaultKind.DAILY: Treatment(
            policy=Policy.PARK,
            attempts=0,
            meaning="nothing more today: the allowance of the day is used up",
            what_we_do="parks the model until the allowance is renewed; the next one takes over",
            remedy="run `broadsheet repair` tomorrow, or add another model",
        ),
        FaultKind.CREDIT: Treatment(
            policy=Policy.PARK,
            attempts=0,
            meaning="the account with the provider has no money left",
            what_we_do="parks the model for a day, or until its credentials change; a new run "
            "tries it once",
            remedy="top the account up with the provider, then run `broadsheet repair`",
        ),
        FaultKind.OVERLOAD: Treatment(
            policy=Policy.RETRY,
            attempts=4,
            meaning="the provider has more to do than it can, for everyone",
            what_we_do="asks again up to 4 times, after 1, 2, 4 and 8 seconds, then the run "
            "leaves the model alone for 5 minutes",
            remedy="nothing, or add another model",
        ),
        FaultKind.NETWORK: Treatment(
            policy=Policy.RETRY,
            attempts=3,
            meaning="no connection, no answer in time, or the provider broke down",
            what_we_do="asks again up to 3 times, after 1, 2 and 4 seconds, then the run leaves "
            "the model alone for 5 minutes",
            remedy="check the connection, the endpoint and timeout_seconds; then run "
            "`broadsheet repair`",
        ),
        FaultKind.MALFORMED: Treatment(
            policy=Policy.REASK,
            attempts=1,
            meaning="an answer that is not the JSON asked for: broken, cut short, empty",
            what_we_do="asks once more and says what was wrong, then goes on to the next model",
            remedy="raise max_output_tokens of that model, or choose one that keeps to a schema",
        ),
        FaultKind.AUTH: Treatment(
            policy=Policy.PARK,
            attempts=0,
            meaning="the key is missing or wrong, or may not use this model",
            what_we_do="parks the model for a day, or until its credentials change; a new run "
            "tries it once",
            remedy="check the provider's key in the environment",
        ),
        FaultKind.CONTEXT: Treatment(
            policy=Policy.SHORTEN,
            attempts=3,
            meaning="the paper is longer than the model can read",
            what_we_do="asks again with half the text, at most 3 times, and remembers it",
            remedy="lower max_input_chars",
        ),
        FaultKind.CONTENT: Treatment(
            policy=Policy.REFUSE,
            attempts=0,
            meaning="the model or its provider declines to write about this paper",
            what_we_do="remembers it and goes on to the next model; where all refuse, the paper's "
            "own sentences stand in for good",
            remedy="add a model of another provider",
        ),
        FaultKind.BAD_REQUEST: Treatment(
            policy=Policy.STOP,
            attempts=0,
            meaning="the provider knows no such model, or cannot do what was asked of it",
            what_we_do="gives this paper to the next model; after 3 in a row the model is not "
            "asked again in this run",
            remedy="check the model's name and endpoint in the settings; the log has the reason",
        ),
        FaultKind.BUDGET: Treatment(
            policy=Policy.STOP,
            attempts=0,
            meaning="the next request could cost more than your budget has left",
            what_we_do="skips what does not fit, tries the next model, and leaves the rest pending",
            remedy="raise the budget, then run `broadsheet repair`",
        ),
    }
)

_OVERLOADED = ("overloaded", "high demand", "at capacity", "over capacity")
_LIMITED = ("rate_limit", "rate limit", "ratelimit", "too many requests", "resource_exhausted")
_DAILY = ("perday", "per day", "per-day", "per_day", "(rpd)", "(tpd)", "daily limit", "daily quota")
_SPENT = "exceeded your current quota"  # Gemini at the end of a day, OpenAI of an empty account
_WORDS: Mapping[FaultKind, tuple[str, ...]] = MappingProxyType(
    {
        FaultKind.CREDIT: (
            "insufficient_quota",
            "credit balance is too low",
            "insufficient credits",
            "insufficient balance",
            "billing_hard_limit",
            "billing_not_active",
            "key limit exceeded",
        ),
        FaultKind.CONTEXT: (
            "context_length_exceeded",
            "maximum context length",
            "context window",
            "context limit",
            "prompt is too long",
            "request too large",  # beyond a minute's tokens all by itself: no waiting helps
            "request_too_large",
            "token count exceeds the maximum",
        ),
        FaultKind.CONTENT: (
            "content_filter",
            "content_policy",
            "content management policy",
            "blockreason",
            "prohibited_content",
            "finish reason: safety",
            "finish reason: recitation",
            "data_inspection_failed",
            "requires moderation",
        ),
        FaultKind.AUTH: (
            "api key not valid",
            "api_key_invalid",
            "invalid api key",
            "incorrect api key",
            "authentication_error",
        ),
    }
)
_BY_STATUS = {
    401: FaultKind.AUTH,
    402: FaultKind.CREDIT,
    403: FaultKind.AUTH,
    408: FaultKind.NETWORK,
    413: FaultKind.CONTEXT,
    503: FaultKind.OVERLOAD,
    529: FaultKind.OVERLOAD,
}
_STATUS_OF_CLASS = {
    "RateLimitError": 429,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "Timeout": 408,
    "InternalServerError": 500,
    "BadGatewayError": 502,
    "ServiceUnavailableError": 503,
}
_OWN_CLASS = {
    "ContextWindowExceededError": FaultKind.CONTEXT,
    "ContentPolicyViolationError": FaultKind.CONTENT,
}
_NO_KEY = re.compile(r"missing (?:\w+ )?(?:api key|credentials)")  # litellm's own, unasked
_NEVER_ARRIVED = {"TransportError", "ConnectionError", "TimeoutError", "gaierror"}
_TRACEBACK = "Traceback (most recent call last)"  # litellm appends it to what it cannot read
_STUMBLED = {"ValueError", "LookupError", "TypeError", "AttributeError"}  # over a body


def classify(
    error: Exception, model_name: str, *, now: dt.datetime | None = None
) -> tuple[FaultKind, float | None]:
    """The kind of fault, and the seconds for which the provider asked to be left alone.

    The seconds are None where it did not ask, else between 0 and those of 31 days. An instant that
    is given in their place is counted from `now` (aware; the clock's by default).
    """
    causes = list(islice(_causes(error), 20))
    response = next((found for cause in causes if (found := _response(cause)) is not None), None)
    said = _said(error, response)
    wait = asked_wait(said, _headers(error, response), now or dt.datetime.now(dt.UTC))
    if response is None and any(_NEVER_ARRIVED & _ancestry(cause) for cause in causes):
        return FaultKind.NETWORK, wait
    status = _status(error, said) if response is None else response.status_code
    if response is None and _is_unreadable(causes, status, said):
        return FaultKind.MALFORMED, None
    kind = _kind(status, said, model_name, wait) or _OWN_CLASS.get(type(error).__name__)
    if kind is FaultKind.RATE and wait is not None and wait > _HOUR:
        kind = FaultKind.DAILY
    return kind or FaultKind.BAD_REQUEST, wait


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _ancestry(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _response(error: BaseException) -> Any:  # noqa: ANN401
    """What the provider answered: litellm leaves httpx's own error of status among the causes."""
    return getattr(error, "response", None) if "HTTPStatusError" in _ancestry(error) else None


def _said(error: Exception, response: Any) -> str:  # noqa: ANN401
    """All that the provider said, in lower case and without the backslashes of nested quoting."""
    texts = [str(error), str(getattr(error, "body", None) or "")]
    if response is not None:
        texts.insert(0, response.text)
    text = "\n".join(text[:_READ].partition(_TRACEBACK)[0] for text in texts).lower()
    return re.sub(r"\\+n", " ", text).replace("\\", "")


def _headers(error: Exception, response: Any) -> dict[str, str]:  # noqa: ANN401
    """By name in lower case; those of `error.response` are litellm's own invention, and empty."""
    found = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", None)
    return {str(name).lower(): str(told) for name, told in dict(found or {}).items()}


def _status(error: Exception, said: str) -> int | None:
    """The status where there is no response: the error's, or what its words begin with."""
    if _NO_KEY.search(said):
        return 401
    told = getattr(error, "status_code", None)
    quoted = re.match(r"(?:error code: )?([45]\d\d)\b", said)
    if quoted and told in (None, 500):
        return int(quoted[1])
    return told if isinstance(told, int) else _STATUS_OF_CLASS.get(type(error).__name__)


def _is_unreadable(causes: list[BaseException], status: int | None, said: str) -> bool:
    """Whether a success had a body that litellm could not read, of which it makes a 500 or 422."""
    stumbled = any(_STUMBLED & _ancestry(cause) for cause in causes)
    if status in (None, 422, 500):
        return stumbled or "invalid response" in said or "'choices'" in said
    return status == 200


def _kind(status: int | None, said: str, model_name: str, wait: float | None) -> FaultKind | None:
    """By status and words; None where neither is known."""
    status = status or 400
    if status == 429:
        return _limited(said, model_name, wait)
    if status >= 500:
        is_overload = any(words in said for words in _OVERLOADED)
        return FaultKind.OVERLOAD if is_overload else _BY_STATUS.get(status, FaultKind.NETWORK)
    if status == 404:
        return FaultKind.BAD_REQUEST
    if known := _by_words(said, *_WORDS) or _BY_STATUS.get(status):
        return known
    is_limited = any(words in said for words in _LIMITED)
    return _limited(said, model_name, wait) if is_limited else None


def _by_words(said: str, *kinds: FaultKind) -> FaultKind | None:
    plain = re.sub(r" \(\d+\)", "", said)  # Gemini: the input token count (1200000) exceeds …
    return next((kind for kind in kinds if any(words in plain for words in _WORDS[kind])), None)


def _limited(said: str, model_name: str, wait: float | None) -> FaultKind:
    """Which limit a refusal for having asked too much is about."""
    if any(words in said for words in _DAILY):
        return FaultKind.DAILY
    if known := _by_words(said, FaultKind.CREDIT, FaultKind.CONTEXT):
        return known
    if any(words in said for words in _OVERLOADED):
        return FaultKind.OVERLOAD
    if _SPENT not in said or "perminute" in said or wait is not None:
        return FaultKind.RATE
    is_google = model_name.startswith(_PACIFIC) or "resource_exhausted" in said
    return FaultKind.DAILY if is_google else FaultKind.CREDIT


_AGAIN_AFTER = {
    FaultKind.RATE: 15 * _MINUTE,
    FaultKind.OVERLOAD: 5 * _MINUTE,
    FaultKind.NETWORK: 5 * _MINUTE,
}


def parked_until(
    kind: FaultKind, model_name: str, now: dt.datetime, wait_seconds: float | None
) -> dt.datetime:
    """When a parked model may be asked again, UTC; `now` is aware."""
    wait = wait_seconds or 0.0
    if kind is FaultKind.DAILY and wait <= _MINUTE:  # Gemini says "1s" at the end of a day
        return _next_day(model_name, now)
    if kind is not FaultKind.DAILY:
        wait = max(wait, _AGAIN_AFTER[kind]) if kind in _AGAIN_AFTER else _DAY
    return now.astimezone(dt.UTC) + dt.timedelta(seconds=wait)


def day_began(model_name: str, now: dt.datetime) -> dt.datetime:
    """When the provider's day began, UTC; `now` is aware."""
    return _midnight(model_name, now, 0)


def _next_day(model_name: str, now: dt.datetime) -> dt.datetime:
    return _midnight(model_name, now, 1)


def _midnight(model_name: str, now: dt.datetime, days: int) -> dt.datetime:
    zone = ZoneInfo("America/Los_Angeles" if model_name.startswith(_PACIFIC) else "UTC")
    date = now.astimezone(zone).date() + dt.timedelta(days=days)
    return dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC)


def backoff_seconds(kind: FaultKind, strike: int) -> float:
    """How long to wait after so many faults in a row (1, 2, 3 …) where the provider does not say.

    2, 4, 8 … 60 for `rate`, 1, 2, 4, 8 for `overload` and `network`, 0 for all that do not wait.
    """
    doubled = 2.0 ** min(strike, 10)
    policy = TREATMENTS[kind].policy
    return {Policy.WAIT: min(doubled, 60.0), Policy.RETRY: min(doubled / 2, 8.0)}.get(policy, 0.0)


def table() -> str:
    """All kinds of fault as a Markdown table, in the order of `FaultKind`."""
    rows = (
        f"| `{kind}` | {TREATMENTS[kind].meaning} | {TREATMENTS[kind].what_we_do} "
        f"| {TREATMENTS[kind].remedy} |"
        for kind in FaultKind
    )
    head = "| kind | what it means | what Broadsheet does | what you can do |"
    return "\n".join([head, "|---|---|---|---|", *rows])


_PAGE = """# When a language model does not answer

Every fault of a model is one of the kinds below, and each kind has one policy. A paper that no
model has answered for yet is `pending`: it is published with its own sentences, and
`broadsheet repair` finishes it. `broadsheet sql` knows the kind as `pending_reason`. What the
provider said is in the run's log, never in a report.

*Parked* means: not asked until then, by any worker; the next model of the list is asked instead.
A wait of more than an hour counts as `daily`, whatever the provider calls it. The day ends at
midnight Pacific time for Gemini and Vertex AI, at midnight UTC elsewhere.

<!-- faults: printed by `python -m broadsheet.analysis.faults > docs/faults.md` -->
{table}
<!-- /faults -->
"""


def page() -> str:
    """The whole of docs/faults.md."""
    return _PAGE.format(table=table())


if __name__ == "__main__":
    sys.stdout.write(page())
