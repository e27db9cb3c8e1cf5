"""What providers say when they do not answer, told apart; and what becomes of each kind."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from conftest import Web
from hypothesis import example, given
from hypothesis import strategies as st

from broadsheet.analysis import client
from broadsheet.analysis.faults import (
    TREATMENTS,
    Policy,
    backoff_seconds,
    classify,
    day_began,
    page,
    parked_until,
    table,
)
from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError

NOW = dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0


class RateLimitError(Exception):
    """As litellm's: status, headers, perhaps a body."""

    status_code = 429

    def __init__(self, said: str = "", body: object = None, **headers: str) -> None:
        super().__init__(said)
        self.body = body
        self.litellm_response_headers = {n.replace("_", "-"): v for n, v in headers.items()}


def answered(status: int, said: str = "", **headers: str) -> Exception:
    """An error with the provider's response among its causes, under a class that misleads."""
    request = httpx.Request("POST", "http://provider")
    response = httpx.Response(status, text=said, headers=headers, request=request)
    error = type("APIConnectionError", (Exception,), {"status_code": 500})("something happened")
    error.__context__ = httpx.HTTPStatusError("status", request=request, response=response)
    return error


def kind_of(error: Exception, model: str = "openai/any") -> FaultKind:
    return classify(error, model)[0]


DAILY_QUOTA = '"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"'
MINUTE_QUOTA = '"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"'
SPENT = "You exceeded your current quota, please check your plan and billing details."


class TestLimits:
    @pytest.mark.parametrize(
        ("said", "model", "expected"),
        [
            ("", "openai/any", (FaultKind.RATE, None)),
            (f"{SPENT} {MINUTE_QUOTA} retry in 9s", "gemini/a", (FaultKind.RATE, 9)),
            (f"{SPENT} {MINUTE_QUOTA}", "gemini/a", (FaultKind.RATE, None)),
            (f'{DAILY_QUOTA} {MINUTE_QUOTA} "retryDelay": "1s"', "gemini/a", (FaultKind.DAILY, 1)),
            (SPENT, "gemini/a", (FaultKind.DAILY, None)),
            (f"{SPENT} RESOURCE_EXHAUSTED", "openrouter/google/a", (FaultKind.DAILY, None)),
            (SPENT, "openai/any", (FaultKind.CREDIT, None)),
            (
                "Rate limit reached on requests per day (RPD): Limit 200. Try again in 7m12s.",
                "openai/any",
                (FaultKind.DAILY, 432),
            ),
            ("tokens per min (TPM): Limit 9. Try again in 6s", "openai/any", (FaultKind.RATE, 6)),
            ("try again in 114h18m0s", "openai/any", (FaultKind.DAILY, 411480)),
            ("try again in 60m", "openai/any", (FaultKind.RATE, 3600)),
            (
                "Request too large for model on tokens per min",
                "groq/any",
                (FaultKind.CONTEXT, None),
            ),
            ("The engine is overloaded", "moonshot/any", (FaultKind.OVERLOAD, None)),
            ("free-models-per-day. Add 10 credits", "openrouter/a", (FaultKind.DAILY, None)),
        ],
    )
    def test_a_limit_is_told_from_another(
        self, said: str, model: str, expected: tuple[FaultKind, float | None]
    ) -> None:
        nested = json.dumps({"error": {"message": json.dumps({"error": {"message": said}})}})
        for words in (said, nested, str({"error": {"message": said}})):
            assert classify(answered(429, words), model) == expected
            assert classify(RateLimitError(words), model) == expected

    def test_an_empty_account_may_be_told_in_the_body_alone(self) -> None:
        error = RateLimitError("no", body={"code": "insufficient_quota"}, retry_after="1")
        assert kind_of(error) is FaultKind.CREDIT

    def test_a_limit_may_come_as_another_status(self) -> None:
        assert kind_of(answered(400, "rate_limit_exceeded: requests")) is FaultKind.RATE
        assert kind_of(Exception("429 RESOURCE_EXHAUSTED")) is FaultKind.RATE


class TestKinds:
    @pytest.mark.parametrize(
        ("status", "said", "kind"),
        [
            (400, "", FaultKind.BAD_REQUEST),
            (400, "API key not valid. Please pass a valid one.", FaultKind.AUTH),
            (400, "Your credit balance is too low", FaultKind.CREDIT),
            (400, "context_length_exceeded", FaultKind.CONTEXT),
            (400, "prompt is too long: 9 tokens > 8 maximum", FaultKind.CONTEXT),
            (400, "The input token count (12) exceeds the maximum", FaultKind.CONTEXT),
            (400, "content_filter", FaultKind.CONTENT),
            (400, '{"promptFeedback": {"blockReason": "OTHER"}}', FaultKind.CONTENT),
            (401, "", FaultKind.AUTH),
            (402, "", FaultKind.CREDIT),
            (403, "", FaultKind.AUTH),
            (404, "model not found, or its context window", FaultKind.BAD_REQUEST),
            (408, "", FaultKind.NETWORK),
            (422, "", FaultKind.BAD_REQUEST),
            (500, "", FaultKind.NETWORK),
            (500, '{"error": {"message": "Overloaded"}}', FaultKind.OVERLOAD),
            (500, "api_key_invalid", FaultKind.NETWORK),
            (502, "", FaultKind.NETWORK),
            (503, "", FaultKind.OVERLOAD),
            (503, "This model is experiencing high demand", FaultKind.OVERLOAD),
            (504, "", FaultKind.NETWORK),
            (529, "", FaultKind.OVERLOAD),
        ],
    )
    def test_the_response_decides_whatever_the_class_says(
        self, status: int, said: str, kind: FaultKind
    ) -> None:
        assert kind_of(answered(status, said)) is kind

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("RateLimitError", FaultKind.RATE),
            ("AuthenticationError", FaultKind.AUTH),
            ("PermissionDeniedError", FaultKind.AUTH),
            ("Timeout", FaultKind.NETWORK),
            ("InternalServerError", FaultKind.NETWORK),
            ("BadGatewayError", FaultKind.NETWORK),
            ("ServiceUnavailableError", FaultKind.OVERLOAD),
            ("ContextWindowExceededError", FaultKind.CONTEXT),
            ("ContentPolicyViolationError", FaultKind.CONTENT),
            ("NotFoundError", FaultKind.BAD_REQUEST),
            ("SomethingElse", FaultKind.BAD_REQUEST),
        ],
    )
    def test_the_class_decides_where_nothing_else_is_known(
        self, name: str, kind: FaultKind
    ) -> None:
        assert kind_of(type(name, (Exception,), {})("no words")) is kind

    @pytest.mark.parametrize(
        "error",
        [TimeoutError(), ConnectionResetError(), httpx.ReadTimeout("slow"), httpx.ReadError("cut")],
    )
    def test_what_never_arrived_is_of_the_network(self, error: Exception) -> None:
        outer = type("InternalServerError", (Exception,), {"status_code": 500})("Connection error.")
        outer.__cause__ = error
        assert kind_of(error) is kind_of(outer) is FaultKind.NETWORK

    @pytest.mark.parametrize(
        "error", [IndexError(), json.JSONDecodeError("no", "", 0), TypeError(), KeyError("content")]
    )
    @pytest.mark.parametrize("status", [200, 422, 500])
    def test_a_body_that_cannot_be_read_is_malformed(self, error: Exception, status: int) -> None:
        said = "Original Response: overloaded, try again in 9s"
        outer = type("APIConnectionError", (Exception,), {"status_code": status})(said)
        outer.__context__ = error
        assert kind_of(error) is FaultKind.MALFORMED
        assert classify(outer, "openai/any") == (FaultKind.MALFORMED, None)

    def test_a_response_outweighs_what_came_before_it(self) -> None:
        error = answered(401)
        assert error.__context__
        error.__context__.__context__ = ConnectionResetError("the first of two connections")
        assert kind_of(error) is FaultKind.AUTH

    def test_where_litellm_stumbled_is_not_what_was_said(self) -> None:
        class InternalServerError(Exception):
            status_code = 500

        said = "no\nTraceback (most recent call last):\n  if is_overloaded('overloaded'):"
        assert kind_of(InternalServerError(said)) is FaultKind.NETWORK

    def test_a_chain_of_causes_may_be_a_ring(self) -> None:
        one, two = RateLimitError("one"), RateLimitError("two")
        one.__cause__, two.__cause__ = two, one
        assert kind_of(one) is FaultKind.RATE


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ASKED = st.from_regex(
    r"(retry|try again|retryDelay|retry-after(-ms)?|x-ratelimit-reset)[\W_]*(in|after)?[ \"':{]*"
    r"[0-9.]{0,30}(ms|s|m|h|d| minutes)?.?"
)


class TestAnything:
    @given(
        said=st.text() | ASKED,
        body=JSON_VALUES,
        status=JSON_VALUES | st.integers(0, 600),
        header=st.text() | ASKED | st.integers().map(str),
    )
    @example(said="", body=None, status=429, header="Fri, 31 Dec 9999 23:59:59 -2359")
    @example(said="", body=None, status=429, header="٣")
    def test_nothing_that_is_said_is_too_much(
        self, said: str, body: object, status: object, header: str
    ) -> None:
        for name in ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests"):
            error = RateLimitError(said, body)
            error.status_code = status  # type: ignore[assignment]
            error.litellm_response_headers = {name: header}
            for fault in (error, answered(429, said)):
                kind, wait = classify(fault, "gemini/any")
                assert kind is not FaultKind.BUDGET
                assert wait is None or 0 <= wait <= 31 * DAY
                assert parked_until(kind, "gemini/any", NOW, wait) >= NOW


class TestTreatments:
    def test_every_kind_has_one(self) -> None:
        assert set(TREATMENTS) == set(FaultKind)
        for treatment in TREATMENTS.values():
            texts = [getattr(treatment, field.name) for field in fields(treatment)]
            assert all(text for text in texts if isinstance(text, str))
            assert not re.search(r"quota|error|429", " ".join(map(str, texts)))

    @pytest.mark.parametrize(
        ("kind", "policy", "attempts"),
        [
            (FaultKind.RATE, Policy.WAIT, 10),
            (FaultKind.DAILY, Policy.PARK, 0),
            (FaultKind.CREDIT, Policy.PARK, 0),
            (FaultKind.AUTH, Policy.PARK, 0),
            (FaultKind.OVERLOAD, Policy.RETRY, 4),
            (FaultKind.NETWORK, Policy.RETRY, 3),
            (FaultKind.MALFORMED, Policy.REASK, 1),
            (FaultKind.CONTEXT, Policy.SHORTEN, 3),
            (FaultKind.CONTENT, Policy.REFUSE, 0),
            (FaultKind.BAD_REQUEST, Policy.STOP, 0),
            (FaultKind.BUDGET, Policy.STOP, 0),
        ],
    )
    def test_a_kind_has_its_policy(self, kind: FaultKind, policy: Policy, attempts: int) -> None:
        assert (TREATMENTS[kind].policy, TREATMENTS[kind].attempts) == (policy, attempts)

    @pytest.mark.parametrize(
        ("kind", "waits"),
        [
            (FaultKind.RATE, [2, 4, 8, 16, 32, 60, 60]),
            (FaultKind.OVERLOAD, [1, 2, 4, 8, 8]),
            (FaultKind.NETWORK, [1, 2, 4, 8, 8]),
            (FaultKind.AUTH, [0, 0]),
        ],
    )
    def test_each_strike_waits_longer(self, kind: FaultKind, waits: list[float]) -> None:
        assert [backoff_seconds(kind, strike) for strike in range(1, len(waits) + 1)] == waits
        assert backoff_seconds(kind, 10**6) == waits[-1]


class TestParking:
    @pytest.mark.parametrize(
        ("kind", "wait", "seconds"),
        [
            (FaultKind.RATE, None, 15 * MINUTE),
            (FaultKind.RATE, 20.0, 15 * MINUTE),
            (FaultKind.RATE, 1000.0, 1000),
            (FaultKind.OVERLOAD, None, 5 * MINUTE),
            (FaultKind.NETWORK, 400.0, 400),
            (FaultKind.CREDIT, None, DAY),
            (FaultKind.AUTH, 5.0, DAY),
            (FaultKind.DAILY, 432.0, 432),
            (FaultKind.DAILY, 1.0, 12 * HOUR),
            (FaultKind.DAILY, None, 12 * HOUR),
        ],
    )
    def test_a_model_rests(self, kind: FaultKind, wait: float | None, seconds: float) -> None:
        until = parked_until(kind, "openai/any", NOW, wait)
        assert until == NOW + dt.timedelta(seconds=seconds)
        assert until.tzinfo is dt.UTC

    @pytest.mark.parametrize(
        ("now", "until"),
        [
            ("2026-01-06T07:59:59Z", "2026-01-06T08:00:00Z"),
            ("2026-01-06T08:00:00Z", "2026-01-07T08:00:00Z"),
            ("2026-01-06T20:00:00+09:00", "2026-01-07T08:00:00Z"),
            ("2026-07-01T12:00:00Z", "2026-07-02T07:00:00Z"),
            ("2026-03-08T09:00:00Z", "2026-03-09T07:00:00Z"),  # a day of 23 hours
            ("2026-11-01T08:00:00Z", "2026-11-02T08:00:00Z"),  # a day of 25
        ],
    )
    @pytest.mark.parametrize("model", ["gemini/any", "vertex_ai/any"])
    def test_googles_day_ends_in_california(self, model: str, now: str, until: str) -> None:
        at = dt.datetime.fromisoformat(now)
        expected = dt.datetime.fromisoformat(until)
        assert parked_until(FaultKind.DAILY, model, at, 1.0) == expected


class TestPage:
    def test_the_page_is_what_the_code_says(self) -> None:
        """To write it anew: `.venv/bin/python -m broadsheet.analysis.faults > docs/faults.md`."""
        written = Path(__file__).parents[1] / "docs" / "faults.md"
        assert written.read_text(encoding="utf-8") == page()

    def test_every_kind_is_a_row_of_four_cells(self) -> None:
        rows = [row.strip("| ").split(" | ") for row in table().splitlines()[2:]]
        assert [row[0].strip("`") for row in rows] == [str(kind) for kind in FaultKind]
        assert {len(row) for row in rows} == {4}


# By file name: the kind and the wait that its words ask for. Number 20 is about arXiv, no model:
# tests/test_arxiv.py has its 429 and 503.
REAL: dict[str, tuple[FaultKind, float | None]] = {
    "01": (FaultKind.DAILY, 1.68122827),
    "02": (FaultKind.RATE, 48.057616213),
    "04": (FaultKind.DAILY, None),
    "05": (FaultKind.RATE, None),
    "06": (FaultKind.RATE, None),
    "07": (FaultKind.DAILY, None),
    "08": (FaultKind.OVERLOAD, None),
    "09": (FaultKind.OVERLOAD, None),
    "11": (FaultKind.CREDIT, None),
    "12": (FaultKind.RATE, None),
    "13": (FaultKind.RATE, None),
    "15": (FaultKind.OVERLOAD, None),
    "16": (FaultKind.OVERLOAD, None),
    "18": (FaultKind.RATE, None),
}
ASKED_AS = {
    "gemini": "gemini/gemini-2.5-flash",
    "vertex": "gemini/gemini-2.5-flash",
    "openai": "openai/any",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "openrouter": "openrouter/maker/any",
}


@pytest.mark.real
def test_every_recorded_body_has_its_kind(shared: Path) -> None:
    names = {path.name[:2] for path in (shared / "data" / "llm_errors").iterdir()}
    assert names == {*REAL, "20"}


@pytest.mark.real
@pytest.mark.parametrize("number", REAL)
def test_a_recorded_body_is_told_apart(
    web: Web, shared: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    (file,) = (shared / "data" / "llm_errors").glob(f"{number}_*")
    _, provider, status, *_ = file.stem.split("_")
    json_headers = {"content-type": "application/json"}
    web.respond = lambda path, query: (int(status), file.read_bytes(), json_headers)
    for name in ("GEMINI", "OPENAI", "ANTHROPIC", "OPENROUTER"):
        monkeypatch.setenv(f"{name}_API_KEY", "made-up-0123456789-credential")
    model = Model(name=ASKED_AS[provider], endpoint=web.url)
    with pytest.raises(ModelError) as raised:
        client.ask(client._rehearsal(model.name), model)
    assert (raised.value.kind, raised.value.wait_seconds) == REAL[number]
    assert len(web.requests) == 1


def test_a_day_in_california_may_have_25_hours() -> None:
    noon = dt.datetime(2026, 11, 1, 20, tzinfo=dt.UTC)
    began = day_began("gemini/any", noon)
    assert began == dt.datetime(2026, 11, 1, 7, tzinfo=dt.UTC)
    ends = parked_until(FaultKind.DAILY, "gemini/any", noon, None)
    assert ends - began == dt.timedelta(hours=25)
    assert day_began("openai/any", noon) == dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
