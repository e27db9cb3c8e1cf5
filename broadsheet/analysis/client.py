"""One request to one language model, through litellm used as thin transport: no retries in it.

litellm costs seconds and 160 MB to import, so it is imported at the first request or by `warm_up`,
and all requests share one event loop in one thread, so that `asyncio.timeout` bounds each as a
whole (litellm's own `timeout` is per read).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

import httpx

from broadsheet.analysis.faults import TREATMENTS, classify
from broadsheet.analysis.prices import FREE, price_of
from broadsheet.config import Model
from broadsheet.errors import ModelError
from broadsheet.models import Answer, Question
from broadsheet.redaction import redact

logger = logging.getLogger(__name__)
T = TypeVar("T")

_MOST_OF_WHAT_WAS_SAID = 500  # characters
_BAD_GATEWAY = 502
_BEFORE_IMPORT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # the word: 1 is ignored
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",  # else the first request to Claude fetches them
    "LITELLM_MODE": "PRODUCTION",  # else it loads a stray .env
    "HF_HUB_OFFLINE": "1",
}
_ANY = Model(name="openai/any", endpoint="http://localhost")  # what all providers have in common


def _nothing() -> None:
    """What is called when nobody wants to know."""


def ask(question: Question, model: Model, on_send: Callable[[], None] = _nothing) -> Answer:
    """The model's answer, raw but for keys that it may repeat.

    Where the provider withheld it, `finish_reason` is `content_filter` and the text may be empty.

    Args:
        question: what is asked.
        model: whom.
        on_send: called once, in a thread of its own, when the request has left for the provider:
            after litellm's preparation and the connecting. Not called where it never left.

    Raises:
        ModelError: the request failed; its `kind` says how (docs/faults.md).
    """
    return _in_loop(_asked(question, model, [on_send]))


def warm_up(models: Iterable[Model] = (_ANY,)) -> None:
    """Import litellm and rehearse a request to each of the models, none of which is sent.

    A first request otherwise prepares for a second or so between taking its slot and being sent,
    a rehearsed one for some milliseconds: each provider's part of litellm is loaded when used.
    """
    _in_loop(_rehearse(models))


async def _rehearse(models: Iterable[Model]) -> None:
    litellm = _litellm()
    for model in models:
        with suppress(Exception):  # a rehearsal always ends with the refusal to send it
            await _complete(litellm, _rehearsal(model.name), model, None)


def _rehearsal(name: str) -> Question:
    return Question(
        key="",
        model=name,
        paper_id="",
        style="",
        prompt_version="",
        messages=({"role": "system", "content": "-"}, {"role": "user", "content": "-"}),
        schema={"type": "object", "properties": {}, "additionalProperties": False},
        parameters={"temperature": 0.0, "max_tokens": 1},
    )


async def _asked(question: Question, model: Model, unsent: list[Callable[[], None]]) -> Answer:
    """The answer; classified here, where an error still has the whole chain of its causes."""
    litellm = _litellm()
    asked_at, started = dt.datetime.now(dt.UTC), time.monotonic()
    try:
        response = await _complete(litellm, question, model, unsent)
        return _answer(question, model, response, asked_at, started)
    except Exception as error:  # noqa: BLE001 (litellm raises some thirty classes of six libraries)
        raise _fault(question, error) from None


async def _complete(
    litellm: Any,  # noqa: ANN401
    question: Question,
    model: Model,
    unsent: list[Callable[[], None]] | None,
) -> Any:  # noqa: ANN401
    _unsent.set(unsent)
    async with asyncio.timeout(model.timeout_seconds):
        return await litellm.acompletion(
            model=question.model,
            messages=[dict(message) for message in question.messages],
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "analysis", "schema": question.schema, "strict": True},
            },
            num_retries=0,
            max_retries=0,
            timeout=model.timeout_seconds,
            drop_params=True,
            **_endpoint(model),
            **question.parameters,
        )


def _endpoint(model: Model) -> dict[str, str]:
    """Where to ask; a stand-in key for an OpenAI-compatible endpoint of one's own may do."""
    base = {"api_base": model.endpoint} if model.endpoint else {}
    is_own = model.name.startswith("openai/") and (base or os.environ.get("OPENAI_API_BASE"))
    key = {"api_key": "none"} if is_own and not os.environ.get("OPENAI_API_KEY") else {}
    return {**base, **key}


def _answer(
    question: Question,
    model: Model,
    response: Any,  # noqa: ANN401
    asked_at: dt.datetime,
    started: float,
) -> Answer:
    choice = response.choices[0]
    text = choice.message.content or ""
    return Answer(
        key=question.key,
        model=question.model,
        paper_id=question.paper_id,
        style=question.style,
        prompt_version=question.prompt_version,
        text=redact(text),
        finish_reason=_finish_reason(choice, text),
        latency_seconds=round(time.monotonic() - started, 3),
        asked_at=asked_at,
        **_usage(response, model),
    )


class _BrokenOff(Exception):
    """The provider ended a choice, inside a success, with an error of its own."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        super().__init__(str(said.get("message", "the provider broke the answer off")))
        code = said.get("code")
        self.status_code = code if isinstance(code, int) else _BAD_GATEWAY
        self.body = said


def _finish_reason(choice: Any, text: str) -> str:  # noqa: ANN401
    """As litellm names it, but for two endings that it takes for `stop`.

    Raises:
        _BrokenOff: the provider itself calls the choice an error.
    """
    own = getattr(choice, "provider_specific_fields", None) or {}
    if own.get("native_finish_reason") == "error":
        said = own.get("error")
        raise _BrokenOff(said if isinstance(said, Mapping) else {})
    told = getattr(choice.message, "provider_specific_fields", None) or {}
    if told.get("refusal") and not text:
        return "content_filter"
    return choice.finish_reason or ""


def _usage(response: Any, model: Model) -> dict[str, Any]:  # noqa: ANN401
    """Tokens and cost; a paid answer whose usage is not told has an unknown cost."""
    used, price = response.usage, price_of(model)
    counts = {"prompt_tokens": used.prompt_tokens, "completion_tokens": used.completion_tokens}
    is_known = price is not None and (price == FREE or all(counts.values()))
    return {**counts, "cost_usd": price.cost_usd(**counts) if price and is_known else None}


def _fault(question: Question, error: Exception) -> ModelError:
    """The error as one of ours: classified, and without keys that a provider may have echoed."""
    kind, wait_seconds = classify(error, question.model)
    name, words = type(error).__name__, " ".join(str(error).split())
    said = redact(words or "no whole answer in time")[:_MOST_OF_WHAT_WAS_SAID]
    return ModelError(
        f"request to {question.model} about {question.paper_id} failed ({kind}): {name}: {said}",
        TREATMENTS[kind].remedy,
        kind,
        wait_seconds,
    )


_unsent: ContextVar[list[Callable[[], None]] | None] = ContextVar("unsent", default=None)
"""Whom to tell that the request at hand has left, emptied then; None: it is not to leave."""

_teller = ThreadPoolExecutor(1, "broadsheet-sent")  # one thread: told in the order of sending


async def _before_sending(request: httpx.Request) -> None:
    """Every request's hook: lets no rehearsal out, and has the transport report on the others."""
    if _unsent.get() is None:
        raise httpx.ConnectError("a rehearsal is not sent", request=request)
    request.extensions["trace"] = _trace


async def _trace(event: str, info: Mapping[str, Any]) -> None:
    """Tell that the request is out: the transport begins to wait for what comes back.

    A proxy's CONNECT is no request of ours, a redirection no new one.
    https://www.encode.io/httpcore/extensions/#trace
    """
    is_out = event.endswith("receive_response_headers.started")
    if is_out and info["request"].method == b"POST" and (unsent := _unsent.get()):
        await asyncio.get_running_loop().run_in_executor(_teller, _tell, unsent.pop())


def _tell(on_send: Callable[[], None]) -> None:
    try:
        on_send()
    except Exception:  # a note that fails must not lose an answer that is being paid for
        logger.exception("could not note that a request was sent")


@lru_cache
def _litellm() -> Any:  # noqa: ANN401
    """litellm, told before its import to stay off the network, the `.env` file and the terminal."""
    for name, value in _BEFORE_IMPORT.items():
        os.environ.setdefault(name, value)
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.ERROR)
    _report_sending(litellm)
    return litellm


def _report_sending(litellm: Any) -> None:  # noqa: ANN401
    """Put the hook into each HTTP client that litellm makes, for whichever provider.

    Its own parameters reach some providers only: `client` breaks those asked through OpenAI's
    library, `shared_session` is not heeded for Gemini and Anthropic.
    """
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    make = AsyncHTTPHandler.create_client

    def create_client(*args: Any, **named: Any) -> httpx.AsyncClient:  # noqa: ANN401
        made: httpx.AsyncClient = make(*args, **named)
        made.event_hooks["request"].append(_before_sending)
        return made

    AsyncHTTPHandler.create_client = create_client  # type: ignore[method-assign]
    litellm.disable_aiohttp_transport = True  # it cannot say when a request is out
    litellm.aclient_session = AsyncHTTPHandler().client  # what OpenAI's library is given


def _in_loop(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()


_starting = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    with _starting:
        return _running_loop()


@lru_cache
def _running_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="broadsheet-models", daemon=True).start()
    return loop
