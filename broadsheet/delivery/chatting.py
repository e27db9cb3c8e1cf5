"""Chatting: one message to one chat, by Apprise, which knows how more than a hundred take it.

Apprise says whether it was taken, and only in its log why not. That log holds tokens: it is read
here for what it says of the connection and the status, and goes nowhere else.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from broadsheet.delivery.notices import notice
from broadsheet.delivery.register import Key
from broadsheet.delivery.sheets import Sheet
from broadsheet.delivery.targets import Target
from broadsheet.errors import DeliveryError, NotSent
from broadsheet.redaction import hide

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 30.0
_SHARE = 0.8  # of a chat's limit: some write a character as several
_SHORTEST_SECRET = 8
_ADDRESS = re.compile(r"\d+(\.\d+){3}")  # no secret, and in many other messages
_NEVER_LEFT = re.compile(
    r"NewConnectionError|ConnectTimeout|NameResolutionError|Connection refused|SSLError|ProxyError"
)
_STATUS = re.compile(r"error=(\d{3})\b")
_TRY_AGAIN = {408, 425, 429, 500, 502, 503}
_REFUSED, _GATEWAY_TIMEOUT = 400, 504


def send(target: Target, sheet: Sheet, key: Key, on_handing_over: Callable[[], None]) -> None:
    """Post the message.

    Args:
        target: which chat.
        sheet: what it tells of.
        key: of the delivery.
        on_handing_over: called before the request.

    Raises:
        DeliveryError: the chat did not take it, or may have.
    """
    import apprise

    chat = open_chat(target)
    title, text = notice(sheet, key, int(chat.body_maxlen * _SHARE) - len(sheet.heading) - 20)
    messenger = apprise.Apprise()
    messenger.add(chat)
    with _overheard() as said:
        on_handing_over()
        is_sent = messenger.notify(text, title, body_format=apprise.NotifyFormat.TEXT)
    if not is_sent:
        raise _failure(said)


def open_chat(target: Target) -> Any:  # noqa: ANN401 (Apprise ships no types for its plugins)
    """The chat as Apprise knows it.

    Raises:
        DeliveryError: its variable is not set, or holds what Apprise does not know, or several.
    """
    import apprise

    url = os.environ.get(target.name, "").strip()
    if not url:
        raise DeliveryError(
            f"cannot send to {target}: that variable is not set",
            "set it to the Apprise URL of a chat",
            NotSent.PERMANENT,
        )
    _hide(url)
    # in our name, and without pictures from somebody else's site
    ours = apprise.AppriseAsset(app_id="Broadsheet", image_url_mask="", image_url_logo="")
    with _overheard():
        chat = apprise.Apprise.instantiate(url, asset=ours)
    if chat is None or len(chat) != 1:
        reason = "no chat that Apprise knows" if chat is None else "several chats, or retries"
        raise DeliveryError(
            f"cannot send to {target}: its URL names {reason}",
            "give one chat per delivery, without retry; docs/delivery.md has examples",
            NotSent.PERMANENT,
        )
    chat.socket_connect_timeout, chat.socket_read_timeout = _CONNECT_SECONDS, _ANSWER_SECONDS
    return chat


def _hide(url: str) -> None:
    """Keep the URL, and the tokens in it, out of every log and error."""
    for part in (url, *re.split(r"[/?&=@:#]+", url)):
        if len(part) >= _SHORTEST_SECRET and not part.isalpha() and not _ADDRESS.fullmatch(part):
            hide(part)


def _failure(said: _Said) -> DeliveryError:
    """Why it was not sent, from the last that Apprise said of it."""
    if said.connection:
        if said.connection == "open":
            return _unknown("did not answer")
        return DeliveryError("the chat cannot be reached", "see its service", NotSent.UNREACHABLE)
    if said.status == _GATEWAY_TIMEOUT:
        return _unknown("answered 504")
    if said.status is None or said.status < _REFUSED or said.status in _TRY_AGAIN:
        told = f" with status {said.status}" if said.status else ""
        return DeliveryError(f"the chat's service refused the message{told}", "see its URL")
    return DeliveryError(
        f"the chat's service refused the message with status {said.status}",
        "see whether its URL is still valid",
        NotSent.PERMANENT,
    )


def _unknown(what: str) -> DeliveryError:
    return DeliveryError(
        f"the chat's service {what}; the message may have arrived",
        kind=NotSent.UNKNOWN,
    )


class _Said(logging.Handler):
    """What Apprise says in this thread, as far as it is wanted: no text of it is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self.connection: str | None = None
        """`none` where no connection was made, `open` where one broke off."""
        self.status: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread != self._thread:
            return
        message = record.getMessage()
        if message.startswith("Socket Exception"):
            self.connection = "none" if _NEVER_LEFT.search(message) else "open"
        elif found := _STATUS.search(message):
            self.status = int(found[1])


@contextmanager
def _overheard() -> Iterator[_Said]:
    import apprise  # noqa: F401 (it makes the logger what it is)

    log, said = logging.getLogger("apprise"), _Said()
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addHandler(said)
    try:
        yield said
    finally:
        log.removeHandler(said)
