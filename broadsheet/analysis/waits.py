"""How long a provider asks to be left alone: read from its headers and its words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

LONGEST = 31 * 86400.0
"""Seconds; no provider counts over more than a month, so beyond it we misread."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(
    r"(\d{1,15}(?:\.\d{1,15})?)\s*"
    r"(?:(ms|milliseconds?)|(s|secs?|seconds?)|(m|mins?|minutes?)|(h|hrs?|hours?)|(d|days?))?"
    r"(?![a-z])(?:,|\s|and)*"
)
"""One number of a duration and its unit: `7.66s`, `12 minutes and`."""

_ASKED = re.compile(
    r"(?<![a-z])(?:retry|try|wait)(?:[ _-]?(?:again|delay|after|in|for))*\W{1,6}"
    r"(?:seconds\W{1,6})?(?=\d)"
)
"""What stands before a duration: `"retrydelay": "`, `try again in `, `retry_delay { seconds: `."""

_HEADER = re.compile(
    r"""(retry-after-ms|retry-after|x-ratelimit-(?:reset|remaining)[a-z-]*)["']?\s*[:=]\s*"""
    r"""["']?([^"'}\n]{1,40})"""
)
"""A header that a gateway has copied into the body."""


def asked_wait(said: str, headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """The longest wait that is asked for, in seconds; None where none is.

    A header in whole seconds may be what the words say, rounded up; the words then count. When the
    quota is renewed (`x-ratelimit-reset-…`) counts only where nothing asks outright.

    Args:
        said: the provider's words, in lower case.
        headers: by name in lower case.
        now: what an instant given in place of a duration is counted from.
    """
    found = {**dict(_HEADER.findall(said)), **headers}
    told, headed = list(_asked_outright(said)), list(_in_retry_headers(found, now))
    if told:
        headed = [seconds for seconds in headed if seconds > max(told) + 1]
    waits = told + headed or list(_until_renewal(found, now))
    return min(max(waits), LONGEST) if waits else None


def _asked_outright(said: str) -> Iterator[float]:
    for asked in _ASKED.finditer(said):
        if (seconds := _duration(said, asked.end())) is not None:
            yield seconds


def _duration(text: str, start: int = 0) -> float | None:
    """The seconds of `1h2m3.5s`, `120ms`, `12 minutes`, or a bare number of them."""
    total, at = None, start
    while part := _PART.match(text, at):
        unit = next((u for u, name in zip(_SECONDS, part.groups()[1:], strict=True) if name), "")
        if total is not None and not unit:  # the next number of the sentence
            break
        total = (total or 0.0) + float(part[1]) * _SECONDS.get(unit, 1.0)
        at = part.end()
        if not unit:
            break
    return None if total is None or text[at : at + 1] in tuple("-/:") else total


def _in_retry_headers(headers: Mapping[str, str], now: dt.datetime) -> Iterator[float]:
    milliseconds = _duration(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        yield milliseconds / 1000
    elif (seconds := _duration_or_instant(headers.get("retry-after", ""), now)) is not None:
        yield seconds


def _until_renewal(headers: Mapping[str, str], now: dt.datetime) -> Iterator[float]:
    """Of what is used up, where the headers say what is; else of everything counted."""
    prefix = "x-ratelimit-reset"
    counted = {name.removeprefix(prefix): told for name, told in headers.items() if prefix in name}
    spent = [of for of in counted if headers.get(f"x-ratelimit-remaining{of}") == "0"]
    for of in spent or counted:
        if (seconds := _duration_or_instant(counted[of], now)) is not None:
            yield seconds


def _duration_or_instant(told: str, now: dt.datetime) -> float | None:
    """Seconds from a duration, a date as HTTP or ISO writes it, or seconds or ms since 1970."""
    told = told.strip()
    if (instant := _instant(told)) is not None:
        return max((instant - now).total_seconds(), 0.0)
    return _duration(told)


def _instant(told: str) -> dt.datetime | None:
    if re.fullmatch(r"1\d{9}|1\d{12}", told):
        seconds = int(told) / (1000 if len(told) > 10 else 1)
        return dt.datetime.fromtimestamp(seconds, dt.UTC)
    for read in (parsedate_to_datetime, dt.datetime.fromisoformat):
        try:
            found = read(told.upper())
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return None
