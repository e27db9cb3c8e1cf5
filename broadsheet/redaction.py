"""Secrets out of text: what a provider echoes of a key never reaches a log, a table or a page.

A secret is known by its value, where the environment holds it; by where it stands, in a header, an
assignment or a URL; or by its shape. What only might be one has to hold a digit, or to be longer
than any word, so that prose about keys, tokens and authorization is left alone.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import TracebackType
from urllib.parse import quote, unquote

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(?:^|_)[A-Z]*(?:KEYS?|TOKEN|SECRET|PASSWO?R?D|PASSPHRASE|(?<!APPLICATION_)CREDENTIALS?|AUTH_STRING)(?:_|\d|$)"
    r"(?!.*(?:FILE|PATH|DIR|SOCK|URL|URI|NAME|HOST)$)",
    re.IGNORECASE,
)
_SHORTEST = 8  # characters; anything shorter would blot out ordinary words
_STAND_INS = {"anything", "whatever", "something", "changeme", "not-needed", "undefined"}
"""What people give an endpoint that asks for no key, and texts may hold."""

_CHARS = r"[A-Za-z0-9._~+/=-]"
_OPAQUE = rf"(?:(?=[^\s\"'\\]*(?:\d|(?-i:[a-z][A-Z]))){_CHARS}{{8,}}|{_CHARS}{{24,}})"
_IS = r"(?:\\?[\"']?\s*[:=]\s*b?\\?[\"']?|[\"']\s*,\s*b?[\"'])"  # x: 1, x=1, "x": "1", ('x', b'1')
_STANDING = re.compile(
    rf"(?P<name>\bauthorization{_IS}(?:(?:basic|token)\s+)?|(?<![\w-])bearer\s+"
    rf"|api[-_ ]?key(?: provided)?{_IS}"
    r"|[?&](?:key|sig|signature|auth)=|(?:token|secret)=\\?[\"']?"
    rf"|(?:token|secret)\\?[\"']\s*:\s*\\?[\"']){_OPAQUE}"
    r"|(?P<password>\b(?:password|passwd|pwd)(?:=[\"']?|[\"']\s*:\s*[\"']))"
    r"(?!\[redacted)[^\s\"'&;,\\]{3,}"
    r"|(?P<user>\b[a-z][a-z0-9+.-]{1,30}://[^\s/@:\"'<>]{0,200}:)"
    r"(?!\[redacted)[^\s/\"'<>]{1,200}(?=@)"
    r"|(?P<scheme>\bhttps?://)[A-Za-z0-9_-]{16,}(?=@)",
    re.IGNORECASE,
)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?:ant|proj|or|svcacct|admin)-[A-Za-z0-9_-]{8,}"  # Anthropic, OpenAI, OpenRouter
    r"|sk-(?:(?=[A-Za-z]*\d)[A-Za-z0-9]{12,}|[A-Za-z0-9]{24,})"  # OpenAI, DeepSeek, Moonshot
    r"|AIza[A-Za-z0-9_-]{10,}|ya29\.[A-Za-z0-9_-]{10,}"  # Google
    r"|(?:gsk_|hf_|gh[pousr]_|r8_|fw_|xai-|csk-|pplx-|pn[ub]_)[A-Za-z0-9]{20,}"
    r"|(?:github_pat_|glpat-|nvapi-|xox[abps]-)[A-Za-z0-9_-]{20,}"
    r"|A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"  # AWS
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"  # JSON web tokens
    r")"
)


def redact(text: str) -> str:
    """The text with `[redacted]` for values of secret environment variables, and what looks so."""
    if known := _values(tuple(_secrets())):
        text = known.sub(REDACTED, text)
    text = _SHAPES.sub(REDACTED, text)
    return _STANDING.sub(_keep_the_name, text)


def hide(secret: str) -> None:
    """Let `redact` know a secret that the environment holds under a name which does not say so."""
    _hidden.add(secret)


_hidden: set[str] = set()


def _keep_the_name(found: re.Match[str]) -> str:
    return f"{next(filter(None, found.groups()))}{REDACTED}"


_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s]+)@")


def _secrets() -> Iterator[str]:
    """What is told to be secret, and what the environment keeps so, passwords in URLs included."""
    yield from sorted(_hidden)
    for name, value in os.environ.items():
        if len(value) < _SHORTEST:
            continue
        if "://" in value:
            yield from _PASSWORD.findall(value)
        elif _SECRET_NAME.search(name):
            yield value


@lru_cache(maxsize=8)
def _values(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds any of them, as they are or written into a URL."""
    written = {form for one in secrets for form in (one.strip(), quote(one, ""), unquote(one))}
    long = sorted(
        (form for form in written if len(form) >= _SHORTEST and form not in _STAND_INS),
        key=lambda form: (-len(form), form),
    )
    return re.compile("|".join(map(re.escape, long))) if long else None


def redact_logs() -> None:
    """From now on no record of this process's logs holds a secret, whoever writes it and whereto.

    The place is where records are made: Prefect sets its handlers up anew when it likes, other
    libraries bring their own, and a filter on a logger does not see what its children write.
    https://docs.python.org/3/library/logging.html#logging.setLogRecordFactory
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Redacting):
        logging.setLogRecordFactory(_Redacting(make))


class _Redacting:
    """A record factory whose records have message, traceback and stack redacted."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: object, **named: object) -> logging.LogRecord:
        record = self._make(*args, **named)
        # What holds no secret stays as it is: some formatters read the arguments.
        if (clean := redact(said := _message(record))) != said:
            record.msg, record.args = clean, None
        if record.exc_info and (clean := redact(said := _traceback(record.exc_info))) != said:
            record.exc_text, record.exc_info = clean, None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return record


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 (arguments of a stranger's type; the handler reports it)
        return f"{record.msg} {record.args}"


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def _traceback(exc_info: _ExcInfo) -> str:
    return logging.Formatter().formatException(exc_info) if exc_info[0] else ""
