"""What providers say about how long to wait, in words and in headers."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import pytest

from broadsheet.analysis.faults import classify
from broadsheet.analysis.waits import LONGEST

NOW = dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
IN_A_MINUTE = int(NOW.timestamp()) + 60


class RateLimitError(Exception):
    """As litellm's: status and headers."""

    status_code = 429

    def __init__(self, said: str = "", **headers: str) -> None:
        super().__init__(said)
        self.litellm_response_headers = {
            name.replace("_", "-").title(): value for name, value in headers.items()
        }


def wait_after(said: str = "", **headers: str) -> float | None:
    """The seconds that are asked for so."""
    return classify(RateLimitError(said, **headers), "openai/any", now=NOW)[1]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Please try again in 20s.", 20),
        ("try again in 1h2m3.5s", 3723.5),
        ("Please try again in 114h18m0s.", 411480),
        ("try again in 120ms", 0.12),
        ("Try again in 7m12s. Visit 3 pages", 432),
        ("Please retry in 48.057616213s.", 48.057616213),
        ("Retry after 12 minutes and 5 seconds", 725),
        ("wait 30 seconds", 30),
        ("Rate limited, retry in 5.", 5),
        ('"retryDelay": "48s"', 48),
        ('\\"retryDelay\\": \\"1.5s\\"', 1.5),
        ("'retryDelay': '48s'", 48),
        ("retry_delay {\n  seconds: 48\n}", 48),
        ('Please retry in 48.05s. "retryDelay": "48s"', 48.05),
        ('"retry-after": "20"', 20),
        ("'Retry-After': 20,", 20),
        ('"retry-after-ms": "1500"', 1.5),
        (f"'X-RateLimit-Reset': '{IN_A_MINUTE}000'", 60),
        ("Please try again later", None),
        ("registry: 5, await 3", None),
        ("Retry shortly, or after the 24th", None),
        ("limit: 5, model: gemini-2.5-flash", None),
        ("retry after 2026-01-06", None),
        ("", None),
    ],
)
def test_the_words_ask_for_a_wait(said: str, seconds: float | None) -> None:
    assert wait_after(said) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "0"}, 0),
        ({"retry_after": format_datetime(NOW + dt.timedelta(seconds=90), usegmt=True)}, 90),
        ({"retry_after": format_datetime(NOW - dt.timedelta(seconds=90), usegmt=True)}, 0),
        ({"retry_after_ms": "2500"}, 2.5),
        ({"retry_after_ms": "2500", "retry_after": "3"}, 2.5),
        ({"x_ratelimit_reset_requests": "6m0s"}, 360),
        ({"x_ratelimit_reset_tokens": "120ms"}, 0.12),
        ({"x_ratelimit_reset": str(IN_A_MINUTE)}, 60),
        ({"x_ratelimit_reset": f"{IN_A_MINUTE}000"}, 60),
        ({"x_ratelimit_reset": "2026-01-06T12:01:00Z"}, 60),
        ({"x_ratelimit_reset_requests": "2m", "retry_after": "3"}, 3),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": ""}, None),
    ],
)
def test_the_headers_ask_for_a_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_after(**headers) == seconds


def test_the_longer_of_words_and_headers_wins() -> None:
    assert wait_after("retry in 48s", retry_after="50") == 50
    assert wait_after("retry in 48s", retry_after="40") == 48


def test_a_header_that_is_the_words_rounded_up_does_not_count() -> None:
    assert wait_after("try again in 5.17s", retry_after="6") == 5.17
    assert wait_after("try again in 5.17s", retry_after="7") == 7


def test_what_is_used_up_says_when_it_is_renewed() -> None:
    spent = {"x_ratelimit_remaining_requests": "3", "x_ratelimit_remaining_tokens": "0"}
    renewed = {"x_ratelimit_reset_requests": "20m", "x_ratelimit_reset_tokens": "8s"}
    assert wait_after(**spent, **renewed) == 8
    assert wait_after(**renewed) == 1200


def test_no_wait_is_longer_than_a_month() -> None:
    assert wait_after("try again in 99999999999s") == LONGEST == 31 * 86400
