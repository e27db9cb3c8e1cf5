"""The HTTP client of the sources: identifies itself, times out, and owns the retries of a page."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from broadsheet.config import Settings
from broadsheet.errors import SourceUnavailable

_STATUSES = (429, 500, 502, 503, 504)


class _Spaced(httpx.HTTPTransport):
    """Sends one request after the other, so many seconds apart, those that are tried again too."""

    def __init__(self, delay_seconds: float, **options: Any) -> None:  # noqa: ANN401 (httpx's own)
        super().__init__(**options)
        self._delay, self._asked_at = delay_seconds, -math.inf

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        time.sleep(max(0.0, self._asked_at + self._delay - time.monotonic()))
        try:
            return super().handle_request(request)
        finally:
            self._asked_at = time.monotonic()


def open_client(
    settings: Settings,
    validate: Callable[[httpx.Response], None] | None = None,
    delay_seconds: float = 0.0,
) -> httpx.Client:
    """A client that retries outages with growing pauses, honouring `Retry-After` up to a minute.

    Args:
        settings: timeout, tries and user agent.
        validate: raises an `httpx.HTTPError` for a body that was cut short, to have it asked again.
        delay_seconds: between two requests, for a client that is used by one thread.
    """
    retry = Retry(
        total=settings.http_attempts - 1,
        backoff_factor=0.5,
        backoff_jitter=0.25,
        max_backoff_wait=60.0,
        total_timeout=180.0,
        status_forcelist=_STATUSES,
        retry_on_exceptions=(httpx.TransportError, httpx.DecodingError),
        validate_response=validate,
    )
    few = httpx.Limits(max_connections=settings.http_connections)
    return httpx.Client(
        transport=RetryTransport(transport=_Spaced(delay_seconds, limits=few), retry=retry),
        timeout=httpx.Timeout(settings.http_timeout_seconds, pool=None),
        headers={"user-agent": settings.user_agent},
        follow_redirects=True,
        # The retries leave the last try's response unread, so it is looked at here.
        event_hooks={"response": [validate] if validate else []},
    )


def get(client: httpx.Client, source: str, url: str, **params: str | int) -> httpx.Response:
    """The response, whatever its status below 500 says; 429 counts as unavailable.

    Raises:
        SourceUnavailable: no usable response after the client's retries.
    """
    try:
        response = client.get(url, params=params or None)
    except httpx.HTTPError as error:
        raise unavailable(source, f"{type(error).__name__}: {error}", url) from error
    if response.status_code in _STATUSES:
        raise unavailable(source, f"HTTP {response.status_code}", url)
    return response


def unavailable(source: str, reason: str, url: str) -> SourceUnavailable:
    """The error for a source that cannot be reached or keeps failing."""
    return SourceUnavailable(
        f"source {source} is unavailable: {reason} from {url}",
        "check the network and try again later; what was published before is untouched",
    )
