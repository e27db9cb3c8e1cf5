"""One request through litellm to a real OpenAI-compatible server on loopback; no retries."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Answer as Response
from conftest import Web

from broadsheet.analysis import client
from broadsheet.analysis.faults import TREATMENTS
from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError
from broadsheet.models import Answer, Question

KEY = "made-up-0123456789-credential"
JSON = {"content-type": "application/json"}
SCHEMA = {
    "type": "object",
    "properties": {"area": {"type": "string"}},
    "required": ["area"],
    "additionalProperties": False,
}
QUESTION = Question(
    key="ab" * 32,
    model="openai/any",
    paper_id="2601.00001",
    style="hf",
    prompt_version="hf-12345678",
    messages=({"role": "system", "content": "Read."}, {"role": "user", "content": "A paper."}),
    schema=SCHEMA,
    parameters={"temperature": 0.0, "max_tokens": 777},
)
MODEL = Model(name="openai/any", timeout_seconds=20)


@pytest.fixture(autouse=True)
def endpoint(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is the provider."""
    monkeypatch.setenv("OPENAI_API_BASE", f"{web.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def completion(text: str | None = '{"area": "tests"}', **changed: Any) -> Response:
    """A good answer of the provider, but for what is changed."""
    choice = {"role": "assistant", "content": text}
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "any",
        "choices": [{"index": 0, "message": choice, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 2000, "completion_tokens": 300, "total_tokens": 2300},
    }
    return 200, json.dumps(body | changed), JSON


def refusal(status: int, message: str = "no", **more: str) -> Response:
    """An error as OpenAI words it."""
    return status, json.dumps({"error": {"message": message, "type": "x", **more}}), JSON


def ask(
    web: Web, response: Response, question: Question = QUESTION, model: Model = MODEL
) -> Answer:
    """What becomes of a question that the provider answers so."""
    web.respond = lambda path, query: response
    return client.ask(question, model)


def fault(web: Web, response: Response, model: Model = MODEL) -> ModelError:
    """The error that the provider's answer becomes."""
    with pytest.raises(ModelError) as raised:
        ask(web, response, model=model)
    return raised.value


def test_the_answer_is_kept_raw_with_its_usage(web: Web) -> None:
    answer = ask(web, completion("not even JSON"))
    assert answer.text == "not even JSON"
    assert answer.finish_reason == "stop"
    assert (answer.prompt_tokens, answer.completion_tokens) == (2000, 300)
    assert (answer.key, answer.model) == (QUESTION.key, QUESTION.model)
    assert (answer.paper_id, answer.style) == (QUESTION.paper_id, QUESTION.style)
    assert answer.prompt_version == QUESTION.prompt_version
    assert 0 <= answer.latency_seconds < 20
    assert answer.asked_at.utcoffset() is not None


def test_the_request_carries_messages_schema_and_parameters(web: Web) -> None:
    ask(web, completion())
    assert web.requests == [("/v1/chat/completions", {})]
    sent = json.loads(web.bodies[0])
    assert sent["messages"] == [dict(message) for message in QUESTION.messages]
    assert sent["response_format"]["type"] == "json_schema"
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert (sent["temperature"], sent["max_tokens"]) == (0.0, 777)
    assert web.headers[0]["authorization"] == f"Bearer {KEY}"


def test_an_endpoint_of_ones_own_needs_no_key(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(web, completion()).text == '{"area": "tests"}'


def test_a_model_is_asked_at_its_own_endpoint(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    own = MODEL.model_copy(update={"endpoint": f"{web.url}/own"})
    assert ask(web, completion(), model=own).text == '{"area": "tests"}'
    assert web.requests == [("/own/chat/completions", {})]
    assert web.headers[0]["authorization"] == "Bearer none"


def test_a_key_that_an_answer_repeats_is_not_kept(web: Web) -> None:
    answer = ask(web, completion(f"My key is {KEY}."))
    assert answer.text == "My key is [redacted]."


def test_the_sending_is_told_before_the_answer_comes(web: Web) -> None:
    happened: list[str] = []

    def respond(path: str, query: dict[str, str]) -> Response:
        happened.append("received") if told.wait(10) else None
        return completion()

    def on_send() -> None:
        happened.append("told")
        told.set()

    told = threading.Event()
    web.respond = respond
    client.ask(QUESTION, MODEL, on_send)
    assert happened == ["told", "received"]


def test_sendings_are_told_one_at_a_time(web: Web) -> None:
    """Whoever notes them needs no lock, and notes them in order."""
    web.respond = lambda path, query: completion()
    at_work, most = [0], [0]

    def on_send() -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.01)
        at_work[0] -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: client.ask(QUESTION, MODEL, on_send), range(6)))
    assert most == [1]
    assert len(web.requests) == 6


def test_a_request_that_is_sent_on_is_told_once(web: Web) -> None:
    told: list[str] = []
    moved = (307, "", {"location": f"{web.url}/v2/chat/completions"})
    web.respond = lambda path, query: completion() if path.startswith("/v2") else moved
    client.ask(QUESTION, MODEL, lambda: told.append("sent"))
    assert (len(web.requests), told) == (2, ["sent"])


@pytest.mark.parametrize(("method", "calls"), [(b"CONNECT", 0), (b"POST", 1)])
def test_a_tunnel_through_a_proxy_is_not_told(method: bytes, calls: int) -> None:
    told: list[str] = []

    async def send() -> None:
        client._unsent.set([lambda: told.append("sent")])
        info = {"request": SimpleNamespace(method=method)}
        await client._trace("http11.receive_response_headers.started", info)

    asyncio.run(send())
    assert len(told) == calls


def test_litellm_is_kept_off_the_network(web: Web) -> None:
    ask(web, completion())
    fetched = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")
    assert [os.environ.get(name) for name in fetched] == ["True", "True"]
    assert os.environ.get("HF_HUB_OFFLINE") == "1"


def test_a_request_that_never_leaves_is_not_told(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    told: list[str] = []
    with pytest.raises(ModelError):
        client.ask(QUESTION, MODEL, lambda: told.append("sent"))
    assert told == []


def test_an_answer_survives_a_note_that_fails(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    web.respond = lambda path, query: completion()
    assert client.ask(QUESTION, MODEL, lambda: 1 / 0).text == '{"area": "tests"}'
    assert "could not note that a request was sent" in caplog.text


def test_warming_up_sends_nothing_and_spoils_nothing(web: Web) -> None:
    client.warm_up()
    client.warm_up([MODEL, MODEL.model_copy(update={"name": "nobody/knows"})])
    assert web.requests == []
    assert ask(web, completion()).text == '{"area": "tests"}'


def ending(reason: str, text: str | None = None, **more: Any) -> Response:
    """An answer whose only choice ends so."""
    message = {"role": "assistant", "content": text, "refusal": more.pop("refusal", None)}
    return completion(choices=[{"index": 0, "message": message, "finish_reason": reason, **more}])


def test_a_refusal_in_so_many_words_counts_as_filtered(web: Web) -> None:
    answer = ask(web, ending("stop", refusal="I cannot help with that"))
    assert (answer.finish_reason, answer.text) == ("content_filter", "")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, FaultKind.NETWORK),
        ({"code": 502, "message": "Upstream is overloaded"}, FaultKind.OVERLOAD),
        ({"code": 429, "message": "Slow down"}, FaultKind.RATE),
        ({"code": "server_error"}, FaultKind.NETWORK),
    ],
)
def test_a_choice_that_ends_in_a_fault_is_one(
    web: Web, said: dict[str, Any], kind: FaultKind
) -> None:
    assert fault(web, ending("error", "", error=said)).kind is kind


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_finish_reason_other_than_stop_is_kept(web: Web, reason: str) -> None:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": None},
        "finish_reason": reason,
    }
    answer = ask(web, completion(choices=[choice]))
    assert (answer.finish_reason, answer.text) == (reason, "")


FAULTS = {
    "rate limit": (refusal(429, "Rate limit reached. Try again in 20s."), FaultKind.RATE),
    "spent quota": (refusal(429, "quota", code="insufficient_quota"), FaultKind.CREDIT),
    "wrong key": (refusal(401, "Incorrect API key"), FaultKind.AUTH),
    "forbidden": (refusal(403, "This project may not use the model"), FaultKind.AUTH),
    "unknown model": (refusal(404, "no such model"), FaultKind.BAD_REQUEST),
    "bad request": (refusal(400, "unknown parameter"), FaultKind.BAD_REQUEST),
    "too long": (
        refusal(400, "the limit is 8192 tokens", code="context_length_exceeded"),
        FaultKind.CONTEXT,
    ),
    "policy": (refusal(400, "rejected", code="content_policy_violation"), FaultKind.CONTENT),
    "filter": (refusal(400, "rejected", code="content_filter"), FaultKind.CONTENT),
    "broken": (refusal(500, "The server had an error"), FaultKind.NETWORK),
    "bad gateway": ((502, "<html>bad gateway</html>"), FaultKind.NETWORK),
    "overloaded": (refusal(503, "overloaded"), FaultKind.OVERLOAD),
    "overloaded, as Anthropic says it": (refusal(529, "Overloaded"), FaultKind.OVERLOAD),
    "cut body": ((200, '{"id": "chatcmpl-1", "choi', JSON), FaultKind.MALFORMED),
    "no body": ((200, "", JSON), FaultKind.MALFORMED),
    "a web page": (
        (200, "<html>hello</html>", {"content-type": "text/html"}),
        FaultKind.MALFORMED,
    ),
    "no choices": (completion(choices=[]), FaultKind.MALFORMED),
    "choices of null": (completion(choices=None), FaultKind.MALFORMED),
    "no message": (
        completion(choices=[{"index": 0, "message": None, "finish_reason": "stop"}]),
        FaultKind.MALFORMED,
    ),
}


@pytest.mark.parametrize(("response", "kind"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_apart_after_one_request(
    web: Web, response: Response, kind: FaultKind
) -> None:
    error = fault(web, response)
    assert error.kind is kind
    assert len(web.requests) == 1
    assert "openai/any" in str(error)
    assert "2601.00001" in str(error)
    assert error.remedy == TREATMENTS[kind].remedy


def test_the_wait_that_is_asked_for_is_told(web: Web) -> None:
    assert fault(web, refusal(429, "Rate limit reached. Try again in 20s.")).wait_seconds == 20


def test_what_was_said_is_cut_to_500_characters(web: Web) -> None:
    assert "x" * 400 in str(fault(web, refusal(400, "x" * 9000)))
    assert len(str(fault(web, refusal(400, "x" * 9000)))) < 700


def test_a_fault_met_while_handling_another_is_still_told_apart(web: Web) -> None:
    try:
        raise ConnectionError("of someone else")
    except ConnectionError:
        assert fault(web, refusal(503, "later")).kind is FaultKind.OVERLOAD


def test_a_server_that_does_not_answer_in_time_is_a_network_fault(web: Web) -> None:
    ask(web, completion())  # litellm is imported now, and does not count

    def silent(path: str, query: dict[str, str]) -> Response:
        threading.Event().wait()
        raise AssertionError

    web.respond = silent
    started = time.monotonic()
    with pytest.raises(ModelError, match="in time") as raised:
        client.ask(QUESTION, MODEL.model_copy(update={"timeout_seconds": 0.3}))
    assert raised.value.kind is FaultKind.NETWORK
    assert time.monotonic() - started < 1.2
    assert len(web.requests) == 2


def test_an_endpoint_that_is_not_there_is_a_network_fault(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    assert fault(web, completion()).kind is FaultKind.NETWORK


@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize(
    "echo",
    [
        f"Incorrect API key provided: {KEY}",
        f"header authorization: Bearer {KEY}",
        "Incorrect API key provided: sk-proj-abcdefghijklmnop",
        "x" * 470 + KEY,
    ],
)
def test_a_key_that_the_provider_echoes_is_not_repeated(
    web: Web, status: int, echo: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "broadsheet"):
        error = fault(web, refusal(status, echo))
    shown = (
        "".join(traceback.format_exception(error))
        + caplog.text
        + repr(pickle.loads(pickle.dumps(error)))
    )
    for secret in (KEY, "abcdefghijklmnop", KEY[:20]):
        assert secret not in shown
    assert "redacted" in str(error) or len(echo) > 450


def test_cost_is_by_the_settings_prices(web: Web) -> None:
    prices = {"input_usd_per_mtok": 0.30, "output_usd_per_mtok": 2.50}
    answer = ask(web, completion(), model=MODEL.model_copy(update=prices))
    assert answer.cost_usd == pytest.approx(2000 * 0.30e-6 + 300 * 2.50e-6)


def test_a_price_of_zero_in_the_settings_is_believed(web: Web) -> None:
    free = MODEL.model_copy(update={"input_usd_per_mtok": 0.0, "output_usd_per_mtok": 0.0})
    assert ask(web, completion(), model=free).cost_usd == 0


def test_an_unknown_price_is_unknown_not_zero(web: Web) -> None:
    assert ask(web, completion()).cost_usd is None


def test_a_price_that_litellm_knows_needs_no_setting(web: Web) -> None:
    name = "openai/gpt-4o-mini"
    answer = ask(
        web, completion(), replace(QUESTION, model=name), MODEL.model_copy(update={"name": name})
    )
    assert answer.cost_usd is not None
    assert 0 < answer.cost_usd < 0.01


def test_a_paid_answer_without_usage_has_an_unknown_cost(web: Web) -> None:
    prices = {"input_usd_per_mtok": 0.30, "output_usd_per_mtok": 2.50}
    priced, free = (MODEL.model_copy(update=p) for p in (prices, dict.fromkeys(prices, 0.0)))
    assert ask(web, completion(usage=None), model=priced).cost_usd is None
    assert ask(web, completion(usage=None), model=free).cost_usd == 0


def test_usage_that_is_not_told_counts_no_tokens(web: Web) -> None:
    answer = ask(web, completion(usage=None))
    assert (answer.prompt_tokens, answer.completion_tokens) == (0, 0)
