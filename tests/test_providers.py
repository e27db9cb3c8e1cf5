"""Five providers in their own wire formats, on loopback: what is sent, what is understood."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from conftest import Web

from broadsheet.analysis import client
from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError
from broadsheet.models import Answer, Question

KEY = "made-up-0123456789-credential"
TEXT = '{"area": "tests"}'
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"area": {"type": "string"}},
    "required": ["area"],
    "additionalProperties": False,
}
Body = dict[str, Any]
Fault = tuple[int, Body, FaultKind]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How one provider is asked and answers."""

    name: str
    path: str
    answer: Callable[[str, str], Body]
    """Text and reason for the end → the body of a success."""
    ends: Mapping[str, str]
    """The provider's words for the end → litellm's."""
    schema: Callable[[Body], Any]
    max_tokens: Callable[[Body], Any]
    faults: Mapping[str, Fault]
    key: str | None = None
    """The environment variable of its key, None where it has none."""
    header: str = "authorization"
    withheld: Mapping[str, Body] = field(default_factory=dict)
    """Successes without an answer, because of what it would have said."""


def chat_completion(text: str, reason: str) -> Body:
    """OpenAI's answer, which OpenRouter copies."""
    choice = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "any",
        "choices": [{"index": 0, "message": choice, "finish_reason": reason}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23},
    }


def gemini_answer(text: str, reason: str) -> Body:
    """Gemini's answer; its reasons are in capitals."""
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": reason}
    return {"candidates": [{**candidate, "index": 0}], "usageMetadata": GEMINI_USAGE}


def claude_answer(text: str, reason: str) -> Body:
    """Anthropic's answer."""
    return claude_message([{"type": "text", "text": text}], reason)


def claude_message(content: list[Body], reason: str) -> Body:
    """Anthropic's answer of any content."""
    usage = {"input_tokens": 20, "output_tokens": 3}
    head = {"id": "1", "type": "message", "role": "assistant", "model": "any"}
    return {**head, "content": content, "stop_reason": reason, "usage": usage}


def ollama_answer(text: str, reason: str) -> Body:
    """Ollama's answer."""
    counts = {"prompt_eval_count": 20, "eval_count": 3}
    message = {"role": "assistant", "content": text}
    end = {"done": True, "done_reason": reason, "created_at": "2026-01-06T00:00:00Z"}
    return {"model": "any", "message": message, **end, **counts}


GEMINI_USAGE = {"promptTokenCount": 20, "candidatesTokenCount": 3, "totalTokenCount": 23}


def gemini_fault(code: int, message: str, kind: FaultKind, **more: Any) -> Fault:
    """An error as Google words it."""
    return code, {"error": {"code": code, "message": message, **more}}, kind


def claude_fault(code: int, name: str, message: str, kind: FaultKind) -> Fault:
    """An error as Anthropic words it."""
    return code, {"type": "error", "error": {"type": name, "message": message}}, kind


def openai_fault(status: int, message: str, kind: FaultKind, code: str | None = None) -> Fault:
    """An error as OpenAI words it."""
    return status, {"error": {"message": message, "type": "x", "code": code}}, kind


def router_fault(code: int, message: str, kind: FaultKind, **metadata: Any) -> Fault:
    """An error as OpenRouter words it."""
    return code, {"error": {"message": message, "code": code, "metadata": metadata}}, kind


PER_MINUTE = {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}
OPENAI = Shape(
    name="openai/any",
    path="/chat/completions",
    key="OPENAI_API_KEY",
    answer=chat_completion,
    ends={"stop": "stop", "length": "length", "content_filter": "content_filter"},
    schema=lambda sent: sent["response_format"]["json_schema"]["schema"],
    max_tokens=lambda sent: sent["max_tokens"],
    faults={
        "rate": openai_fault(429, "Rate limit reached on requests per min (RPM)", FaultKind.RATE),
        "auth": openai_fault(401, "Incorrect API key", FaultKind.AUTH, "invalid_api_key"),
        "context": openai_fault(
            400, "This model's maximum context length is 8192 tokens.", FaultKind.CONTEXT
        ),
        "content": openai_fault(400, "Rejected", FaultKind.CONTENT, "content_policy_violation"),
    },
)
GEMINI = Shape(
    name="gemini/gemini-2.5-flash",
    path="/models/gemini-2.5-flash:generateContent",
    key="GEMINI_API_KEY",
    header="x-goog-api-key",
    answer=gemini_answer,
    ends={"STOP": "stop", "MAX_TOKENS": "length"},
    schema=lambda sent: sent["generationConfig"]["response_json_schema"],
    max_tokens=lambda sent: sent["generationConfig"]["max_output_tokens"],
    withheld={
        "prompt": {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": GEMINI_USAGE},
        **{
            reason: {
                "candidates": [{"finishReason": reason, "index": 0}],
                "usageMetadata": GEMINI_USAGE,
            }
            for reason in ("SAFETY", "RECITATION", "PROHIBITED_CONTENT")
        },
    },
    faults={
        "rate": gemini_fault(
            429, "Quota exceeded", FaultKind.RATE, details=[{"violations": [PER_MINUTE]}]
        ),
        "auth": gemini_fault(400, "API key not valid. Please pass a valid one.", FaultKind.AUTH),
        "context": gemini_fault(
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (9).",
            FaultKind.CONTEXT,
        ),
        "model": gemini_fault(404, "models/x is not found for API v1beta", FaultKind.BAD_REQUEST),
        "overload": gemini_fault(503, "The model is overloaded.", FaultKind.OVERLOAD),
    },
)
ANTHROPIC = Shape(
    name="anthropic/claude-sonnet-4-5",
    path="/v1/messages",
    key="ANTHROPIC_API_KEY",
    header="x-api-key",
    answer=claude_answer,
    ends={"end_turn": "stop", "max_tokens": "length"},
    schema=lambda sent: sent["output_format"]["schema"],
    max_tokens=lambda sent: sent["max_tokens"],
    withheld={"refusal": claude_message([], "refusal")},
    faults={
        "rate": claude_fault(429, "rate_limit_error", "input tokens per minute", FaultKind.RATE),
        "auth": claude_fault(401, "authentication_error", "invalid x-api-key", FaultKind.AUTH),
        "context": claude_fault(
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            FaultKind.CONTEXT,
        ),
        "too large": claude_fault(413, "request_too_large", "Too large", FaultKind.CONTEXT),
        "credit": claude_fault(
            400, "invalid_request_error", "Your credit balance is too low", FaultKind.CREDIT
        ),
        "overload": claude_fault(529, "overloaded_error", "Overloaded", FaultKind.OVERLOAD),
        "model": claude_fault(404, "not_found_error", "model: claude-x", FaultKind.BAD_REQUEST),
        "content": claude_fault(
            400,
            "invalid_request_error",
            "Output blocked by content filtering policy",
            FaultKind.CONTENT,
        ),
    },
)
OLLAMA = Shape(
    name="ollama_chat/any",
    path="/api/chat",
    answer=ollama_answer,
    ends={"stop": "stop", "length": "length"},
    schema=lambda sent: sent["format"],
    max_tokens=lambda sent: sent["options"]["num_predict"],
    faults={
        "model": (404, {"error": "model 'any' not found, try pulling it"}, FaultKind.BAD_REQUEST),
        "busy": (
            503,
            {"error": "server busy, please try again. maximum pending requests exceeded"},
            FaultKind.OVERLOAD,
        ),
        "auth": (401, {"error": "unauthorized"}, FaultKind.AUTH),
        "broken": (500, {"error": "llama runner process has terminated"}, FaultKind.NETWORK),
    },
)
OPENROUTER = Shape(
    name="openrouter/maker/any",
    path="/chat/completions",
    key="OPENROUTER_API_KEY",
    answer=chat_completion,
    ends=OPENAI.ends,
    schema=OPENAI.schema,
    max_tokens=OPENAI.max_tokens,
    faults={
        "rate": router_fault(
            429, "Provider returned error", FaultKind.RATE, raw="temporarily rate-limited upstream"
        ),
        "daily": router_fault(429, "Rate limit exceeded: free-models-per-day", FaultKind.DAILY),
        "auth": router_fault(401, "User not found.", FaultKind.AUTH),
        "credit": router_fault(402, "Insufficient credits", FaultKind.CREDIT),
        "context": router_fault(
            400, "This endpoint's maximum context length is 8192 tokens.", FaultKind.CONTEXT
        ),
        "content": router_fault(
            403, "The model requires moderation and your input was flagged", FaultKind.CONTENT
        ),
    },
)
SHAPES = (OPENAI, GEMINI, ANTHROPIC, OLLAMA, OPENROUTER)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every provider that asks for a key has one."""
    for shape in SHAPES:
        if shape.key:
            monkeypatch.setenv(shape.key, KEY)


def ask(web: Web, name: str, status: int, body: Body | str) -> Answer:
    """What becomes of a question that the provider answers so; it is told once to have left.

    Besides, litellm asks Ollama about the model, at `/api/show`.
    """
    raw = body if isinstance(body, str) else json.dumps(body)
    web.respond = lambda path, query: (status, raw, {"content-type": "application/json"})
    question = Question(
        key="ab" * 32,
        model=name,
        paper_id="2601.00001",
        style="hf",
        prompt_version="hf-12345678",
        messages=({"role": "system", "content": "Read."}, {"role": "user", "content": "A paper."}),
        schema=SCHEMA,
        parameters={"temperature": 0.0, "max_tokens": 777},
    )
    told: list[str] = []
    try:
        return client.ask(question, Model(name=name, endpoint=web.url), lambda: told.append("sent"))
    finally:
        assert told == ["sent"]
        assert [path for path, _ in web.requests if path != "/api/show"] == [web.requests[0][0]]


@shapes
def test_the_question_is_put_as_the_provider_wants_it(web: Web, shape: Shape) -> None:
    ask(web, shape.name, 200, shape.answer(TEXT, next(iter(shape.ends))))
    assert web.requests[0] == (shape.path, {})
    sent = json.loads(web.bodies[0])
    assert "Read." in web.bodies[0].decode()
    assert "A paper." in web.bodies[0].decode()
    assert {**shape.schema(sent), "additionalProperties": False} == SCHEMA
    assert shape.max_tokens(sent) == 777
    if shape.key:
        assert web.headers[0][shape.header].removeprefix("Bearer ") == KEY


@shapes
def test_the_answer_is_understood(web: Web, shape: Shape) -> None:
    answer = ask(web, shape.name, 200, shape.answer(TEXT, next(iter(shape.ends))))
    assert json.loads(answer.text) == json.loads(TEXT)
    assert answer.finish_reason == "stop"
    assert (answer.prompt_tokens, answer.completion_tokens) == (20, 3)


@pytest.mark.parametrize(
    ("shape", "said", "meant"),
    [
        pytest.param(s, said, meant, id=f"{s.name}-{said}")
        for s in SHAPES
        for said, meant in s.ends.items()
    ],
)
def test_the_reason_for_the_end_is_understood(
    web: Web, shape: Shape, said: str, meant: str
) -> None:
    assert ask(web, shape.name, 200, shape.answer(TEXT, said)).finish_reason == meant


@pytest.mark.parametrize(
    ("shape", "body"),
    [pytest.param(s, b, id=f"{s.name}-{why}") for s in SHAPES for why, b in s.withheld.items()],
)
def test_an_answer_that_is_withheld_says_so(web: Web, shape: Shape, body: Body) -> None:
    answer = ask(web, shape.name, 200, body)
    assert (answer.text, answer.finish_reason) == ("", "content_filter")
    assert answer.prompt_tokens == 20


@pytest.mark.parametrize(
    ("shape", "fault"),
    [pytest.param(s, f, id=f"{s.name}-{why}") for s in SHAPES for why, f in s.faults.items()],
)
def test_a_fault_in_the_providers_own_words_is_told_apart(
    web: Web, shape: Shape, fault: Fault
) -> None:
    status, body, kind = fault
    with pytest.raises(ModelError) as raised:
        ask(web, shape.name, status, body)
    assert raised.value.kind is kind
    assert raised.value.wait_seconds is None


@shapes
@pytest.mark.parametrize("body", ["", '{"id": "1", "choi', "<html>hello</html>", "{}", "[]"])
def test_a_success_that_cannot_be_read_is_malformed(web: Web, shape: Shape, body: str) -> None:
    with pytest.raises(ModelError) as raised:
        ask(web, shape.name, 200, body)
    assert raised.value.kind is FaultKind.MALFORMED


@shapes
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (402, FaultKind.CREDIT),
        (403, FaultKind.AUTH),
        (408, FaultKind.NETWORK),
        (413, FaultKind.CONTEXT),
        (429, FaultKind.RATE),
        (500, FaultKind.NETWORK),
        (502, FaultKind.NETWORK),
        (503, FaultKind.OVERLOAD),
        (504, FaultKind.NETWORK),
        (529, FaultKind.OVERLOAD),
    ],
)
def test_a_bare_status_is_told_apart(web: Web, shape: Shape, status: int, kind: FaultKind) -> None:
    """Whatever class litellm makes of it: APIError, InternalServerError, BadRequestError …"""
    with pytest.raises(ModelError) as raised:
        ask(web, shape.name, status, "")
    assert raised.value.kind is kind


@shapes
def test_a_header_says_how_long_to_wait(web: Web, shape: Shape) -> None:
    web.respond = lambda path, query: (429, "{}", {"retry-after": "17"})
    question = replace(client._rehearsal(shape.name), schema=SCHEMA)
    with pytest.raises(ModelError) as raised:
        client.ask(question, Model(name=shape.name, endpoint=web.url))
    assert (raised.value.kind, raised.value.wait_seconds) == (FaultKind.RATE, 17)


def test_an_older_claude_answers_through_a_forced_call(web: Web) -> None:
    call = {"type": "tool_use", "id": "1", "name": "json_tool_call", "input": json.loads(TEXT)}
    answer = ask(
        web, "anthropic/claude-3-5-haiku-20241022", 200, claude_message([call], "tool_use")
    )
    sent = json.loads(web.bodies[0])
    assert sent["tools"][0]["input_schema"] == SCHEMA
    assert sent["tool_choice"]["name"] == "json_tool_call"
    assert json.loads(answer.text) == json.loads(TEXT)
    assert answer.finish_reason == "stop"


def test_a_gemini_that_litellm_does_not_know_is_told_the_schema_in_words(web: Web) -> None:
    ask(web, "gemini/gemini-of-tomorrow", 200, gemini_answer(TEXT, "STOP"))
    sent = json.loads(web.bodies[0])
    assert sent["generationConfig"]["response_mime_type"] == "application/json"
    assert "'area': {'type': 'string'}" in str(sent["contents"])


@pytest.mark.parametrize("shape", [s for s in SHAPES if s.key], ids=lambda shape: shape.name)
def test_a_key_that_is_missing_is_a_fault_of_auth(
    web: Web, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shape.key
    monkeypatch.delenv(shape.key)
    web.respond = lambda path, query: (401, "{}")
    with pytest.raises(ModelError) as raised:
        client.ask(client._rehearsal(shape.name), Model(name=shape.name, endpoint=web.url))
    assert raised.value.kind is FaultKind.AUTH


@shapes
def test_a_provider_that_is_not_there_is_a_fault_of_the_network(shape: Shape) -> None:
    with pytest.raises(ModelError) as raised:
        client.ask(
            client._rehearsal(shape.name), Model(name=shape.name, endpoint="http://127.0.0.1:9")
        )
    assert raised.value.kind is FaultKind.NETWORK


@shapes
def test_a_provider_that_is_silent_is_not_waited_for(web: Web, shape: Shape) -> None:
    client.warm_up([Model(name=shape.name, endpoint=web.url)])
    silence = threading.Event()
    web.respond = lambda path, query: (200, str(silence.wait(30)))
    model, started = Model(name=shape.name, endpoint=web.url, timeout_seconds=0.5), time.monotonic()
    with pytest.raises(ModelError) as raised:
        client.ask(client._rehearsal(shape.name), model)
    assert raised.value.kind is FaultKind.NETWORK
    assert time.monotonic() - started < 10
    silence.set()
