"""One request to one language model, through litellm used as thin transport: no retries in it.

litellm costs seconds and 160 MB to import, so it is imported at the first request only, and all
requests share one event loop in one thread, so that `asyncio.timeout` bounds each as a whole
(litellm's own `timeout` is per read).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import threading
import time
from functools import lru_cache
from typing import Any

import httpx

from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError
from broadsheet.models import Answer, Question
from broadsheet.redaction import redact

logger = logging.getLogger(__name__)

_BY_CLASS = {
    "RateLimitError": FaultKind.RATE,
    "AuthenticationError": FaultKind.AUTH,
    "PermissionDeniedError": FaultKind.AUTH,
    "Timeout": FaultKind.NETWORK,
    "TimeoutError": FaultKind.NETWORK,
    "APIConnectionError": FaultKind.NETWORK,
    "ServiceUnavailableError": FaultKind.NETWORK,
    "InternalServerError": FaultKind.NETWORK,
    "BadGatewayError": FaultKind.NETWORK,
    "ContextWindowExceededError": FaultKind.CONTEXT,
    "ContentPolicyViolationError": FaultKind.CONTENT,
    "IndexError": FaultKind.MALFORMED,  # `choices` is empty
}
_BY_STATUS = {"403": FaultKind.AUTH, "529": FaultKind.NETWORK}
_BY_CODE = {
    "context_length_exceeded": FaultKind.CONTEXT,
    "content_filter": FaultKind.CONTENT,
    "content_policy_violation": FaultKind.CONTENT,
}
_REMEDIES = {
    FaultKind.RATE: "run again later",
    FaultKind.NETWORK: "run again later",
    FaultKind.AUTH: "check the provider's key in the environment",
    FaultKind.CONTEXT: "lower max_input_chars",
}


def ask(question: Question, model: Model) -> Answer:
    """The model's answer, raw.

    Raises:
        ModelError: the request failed; its `kind` says how.
    """
    litellm = _litellm()
    asked_at, started = dt.datetime.now(dt.UTC), time.monotonic()
    waiting = asyncio.run_coroutine_threadsafe(_complete(litellm, question, model), _loop())
    try:
        return _answer(litellm, question, model, waiting.result(), asked_at, started)
    except Exception as error:  # noqa: BLE001 (litellm raises some thirty classes of six libraries)
        raise _fault(question, error) from None


def _answer(
    litellm: Any,  # noqa: ANN401
    question: Question,
    model: Model,
    response: Any,  # noqa: ANN401
    asked_at: dt.datetime,
    started: float,
) -> Answer:
    choice = response.choices[0]
    return Answer(
        key=question.key,
        model=question.model,
        paper_id=question.paper_id,
        style=question.style,
        prompt_version=question.prompt_version,
        text=choice.message.content or "",
        finish_reason=choice.finish_reason or "",
        latency_seconds=round(time.monotonic() - started, 3),
        asked_at=asked_at,
        **_usage(litellm, response, model),
    )


async def _complete(litellm: Any, question: Question, model: Model) -> Any:  # noqa: ANN401
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
            **_endpoint(question.model),
            **question.parameters,
        )


def _endpoint(model: str) -> dict[str, str]:
    """A stand-in key for an OpenAI-compatible endpoint of one's own, which may ask for none."""
    is_own = model.startswith("openai/") and os.environ.get("OPENAI_API_BASE")
    return {"api_key": "none"} if is_own and not os.environ.get("OPENAI_API_KEY") else {}


def _usage(litellm: Any, response: Any, model: Model) -> dict[str, Any]:  # noqa: ANN401
    usage = response.usage
    counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    return {**counts, "cost_usd": _cost(litellm, model, **counts)}


def _cost(litellm: Any, model: Model, prompt_tokens: int, completion_tokens: int) -> float | None:  # noqa: ANN401
    """US dollars by the settings' prices, else by litellm's; None where neither knows.

    litellm prices a name that it merely finds similar at 0, which therefore counts as unknown.
    """
    if model.input_usd_per_mtok is not None and model.output_usd_per_mtok is not None:
        spent = prompt_tokens * model.input_usd_per_mtok
        return (spent + completion_tokens * model.output_usd_per_mtok) / 1e6
    known = litellm.model_cost
    prices = known.get(model.name) or known.get(model.name.partition("/")[2]) or {}
    input_usd, output_usd = (prices.get(f"{side}_cost_per_token") for side in ("input", "output"))
    if not input_usd or not output_usd:
        return None
    return float(prompt_tokens * input_usd + completion_tokens * output_usd)


def _fault(question: Question, error: Exception) -> ModelError:
    """The error as one of ours: classified, and without keys that a provider may have echoed."""
    name, kind = type(error).__name__, _kind(error)
    said = redact(" ".join(str(error).split()) or "no whole answer in time")[:500]
    return ModelError(
        f"request to {question.model} about {question.paper_id} failed ({kind}): {name}: {said}",
        _REMEDIES.get(kind, "see the run's log"),
        kind,
    )


def _kind(error: Exception) -> FaultKind:
    """What went wrong; the class alone misleads: litellm makes a 500 of a body it cannot read."""
    name, body = type(error).__name__, getattr(error, "body", None)
    if name in ("InternalServerError", "APIConnectionError") and not _is_http(error):
        return FaultKind.MALFORMED
    code = body.get("code") if isinstance(body, dict) else None
    status = getattr(error, "status_code", None)
    known = _BY_CODE.get(str(code)) or _BY_CLASS.get(name) or _BY_STATUS.get(str(status))
    return known or FaultKind.BAD_REQUEST


def _is_http(error: BaseException | None) -> bool:
    """Whether the error began as one of transport or status."""
    while error is not None and not isinstance(error, httpx.HTTPError):
        error = error.__cause__ or error.__context__
    return error is not None


@lru_cache
def _litellm() -> Any:  # noqa: ANN401
    """litellm, told before its import to stay off the network, the `.env` file and the terminal."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import litellm

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return litellm


_starting = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    with _starting:
        return _running_loop()


@lru_cache
def _running_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="broadsheet-models", daemon=True).start()
    return loop
