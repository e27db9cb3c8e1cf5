"""What a question costs: prices by the settings or litellm's list, tokens without a tokenizer.

litellm is not imported, which would take seconds: of its price list, a JSON file, the one entry is
read (`benchmarks/tokens.py` measures how long that takes and how good the counts are).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from broadsheet.config import Model, Settings
from broadsheet.errors import UsageError
from broadsheet.models import Question

_LOCAL = frozenset(
    {
        "docker_model_runner",
        "hosted_vllm",
        "lemonade",
        "llamafile",
        "lm_studio",
        "ollama",
        "ollama_chat",
        "oobabooga",
        "vllm",
        "xinference",
    }
)
_ADDRESSES = ("API_BASE", "BASE_URL")
# Every customer of these has an address of their own, and pays.
_ADDRESSED = frozenset({"azure", "azure_ai", "databricks", "snowflake", "watsonx"})
_LIST = "model_prices_and_context_window_backup.json"

_WORD = re.compile(r" ?([A-Za-z]+)")
_ABOUT = (0.55, 0.6, 1 / 3)  # tokens per third of a word, per sign, per other byte
_PER_MESSAGE = 8
"""Tokens that role and delimiters of a message cost at most; OpenAI documents 3 and 3 at the end.

Source: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
"""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float

    def cost_usd(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        spent = prompt_tokens * self.input_usd_per_mtok
        return (spent + completion_tokens * self.output_usd_per_mtok) / 1e6


FREE = Price(0.0, 0.0)


def price_of(model: Model) -> Price | None:
    """The model's price: by the settings, else none on one's own machine, else by litellm's list.

    It is that of ordinary requests: a provider's discount for what it has cached is not in it, nor
    what some charge more for prompts above 100,000 tokens. None: unknown.
    """
    if model.input_usd_per_mtok is not None and model.output_usd_per_mtok is not None:
        return Price(model.input_usd_per_mtok, model.output_usd_per_mtok)
    if _provider(model.name) in _LOCAL or model.name.endswith(":free"):
        return FREE
    return _listed(model.name)


def is_free(model: Model) -> bool:
    """Whether the model is known to cost nothing."""
    return price_of(model) == FREE


def refuse_unpriced(settings: Settings) -> None:
    """Nothing, where the price of every model is known that needs one.

    At an endpoint of one's own a model may have no known price while no budget has to be kept.

    Raises:
        UsageError: a model that costs nobody knows what, or has one of its two prices only.
    """
    budgets = (
        settings.budget_usd_per_run,
        settings.budget_usd_per_day,
        settings.budget_usd_per_month,
    )
    has_budget = any(budget is not None for budget in budgets)
    for model in settings.models:
        if (model.input_usd_per_mtok is None) != (model.output_usd_per_mtok is None):
            raise _unpriced(model, "one of its two prices is set")
        if price_of(model) is None and has_budget:
            raise _unpriced(model, "a budget cannot be kept without a price")
        if price_of(model) is None and not _is_own(model):
            raise _unpriced(model, "it is paid for, and litellm lists no price")


def _unpriced(model: Model, reason: str) -> UsageError:
    return UsageError(
        f"cannot price model {model.name}: {reason}",
        "set input_usd_per_mtok and output_usd_per_mtok in its [[models]] entry, 0 if it is free",
    )


def _provider(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _is_own(model: Model) -> bool:
    """Whether requests go to an address that the user chose instead of the provider's."""
    provider = _provider(model.name)
    if provider in _ADDRESSED:
        return False
    given = any(os.environ.get(f"{provider.upper()}_{suffix}") for suffix in _ADDRESSES)
    return model.endpoint is not None or (bool(provider) and given)


def _listed(name: str) -> Price | None:
    """By litellm's list, under the name or, if it is that provider's, the name without it.

    litellm lists names whose price it does not know at 0, which therefore counts as unknown.
    """
    entry = _entry(name)
    if entry is None and (provider := _provider(name)):
        entry = _entry(name.partition("/")[2])
        # "vertex_ai-language-models" is of vertex_ai; "gpt-4o", OpenAI's, is not github's.
        if entry and not str(entry.get("litellm_provider")).startswith(provider):
            return None
    sides = [(entry or {}).get(f"{side}_cost_per_token") for side in ("input", "output")]
    input_usd, output_usd = (round(float(usd or 0) * 1e6, 6) for usd in sides)
    return Price(input_usd, output_usd) if input_usd and output_usd else None


@lru_cache
def _entry(name: str) -> Mapping[str, Any] | None:
    """The name's entry in litellm's list; only this part of three megabytes is parsed, and kept."""
    found = find_spec("litellm")
    folders = found.submodule_search_locations if found else None
    if not folders:
        return None
    text = Path(folders[0], _LIST).read_text(encoding="utf-8")
    place = re.search(rf"{re.escape(json.dumps(name))}:\s*(?={{)", text)
    return json.JSONDecoder().raw_decode(text, place.end())[0] if place else None


def tokens_about(question: Question) -> int:
    """Tokens of the question's messages and schema, near what the common tokenizers count."""
    counts = zip(_ABOUT, _counts(question), strict=True)
    return round(sum(each * count for each, count in counts)) + 4 * len(question.messages)


def tokens_at_most(question: Question) -> int:
    """Tokens of the question's messages and schema, more than any common tokenizer counts.

    The letters of an English word are taken three to a token; all else counts a token per byte,
    which is the most that a tokenizer makes of it.
    """
    return sum(_counts(question)) + _PER_MESSAGE * len(question.messages)


def _counts(question: Question) -> tuple[int, int, int]:
    """Thirds of words, each begun one whole; ASCII signs between them; bytes of all other text."""
    parts = [message["content"] for message in question.messages]
    text = "\n".join([*parts, json.dumps(question.schema, ensure_ascii=False)])
    thirds = sum(-(-len(word) // 3) for word in _WORD.findall(text))
    between = _WORD.sub("", text)
    signs = sum(map(str.isascii, between))
    return thirds, signs, len(between.encode()) - signs


def worst_case_usd(question: Question, model: Model) -> float | None:
    """The most that one request with the question can cost; None where the price is unknown."""
    price = price_of(model)
    return price.cost_usd(tokens_at_most(question), model.max_output_tokens) if price else None
