"""Prices without litellm's import, tokens without a tokenizer, and what is refused unpriced."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from broadsheet.analysis import prices
from broadsheet.analysis.prices import (
    FREE,
    Price,
    is_free,
    price_of,
    refuse_unpriced,
    tokens_about,
    tokens_at_most,
    worst_case_usd,
)
from broadsheet.config import Model, Settings
from broadsheet.errors import UsageError
from broadsheet.models import Question

LITELLM = Path(importlib.util.find_spec("litellm").submodule_search_locations[0])  # type: ignore[union-attr,index]
PRICED = {"input_usd_per_mtok": 2.0, "output_usd_per_mtok": 10.0}
ENGLISH = "We propose a lantern that counts photons, and it works on twelve of thirteen nights. "
CHINESE = "本文提出一种新的图像复原方法，在十三个夜晚中的十二个取得了成功。"
TABLE = "| 12.75 | 0.003 | 98.1% |\n| --- | --- | --- |\n$x_{i}^{2}+\\alpha$\n"
RARE = "𝑥 ∈ ℝⁿ, ∇ƒ ≤ ½ · ∑ ✓ Ωμέγα Привет 안녕하세요 "
List = Callable[[dict[str, Any]], None]


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[List]:
    """Put a price list of our own in place of litellm's."""

    class Found:
        submodule_search_locations = (str(tmp_path),)

    def write(entries: dict[str, Any]) -> None:
        text = json.dumps(entries, indent=4)
        (tmp_path / "model_prices_and_context_window_backup.json").write_text(text)

    monkeypatch.setattr(prices, "find_spec", lambda name: Found)
    prices._entry.cache_clear()
    yield write
    prices._entry.cache_clear()


def entry(provider: str, input_usd: float | None, output_usd: float | None) -> dict[str, Any]:
    """As litellm's list has it, dollars per token."""
    costs = {"input_cost_per_token": input_usd, "output_cost_per_token": output_usd}
    return {"litellm_provider": provider, "notes": {"a": 1}, **costs}


def a_question(*contents: str, schema: dict[str, object] | None = None) -> Question:
    return Question(
        key="k",
        model="maker/any",
        paper_id="2601.00001",
        style="hf",
        prompt_version="hf-0",
        messages=tuple({"role": "user", "content": content} for content in contents),
        schema=schema or {},
        parameters={},
    )


def test_settings_win_over_every_list() -> None:
    assert price_of(Model(name="openai/gpt-4o-mini", **PRICED)) == Price(2.0, 10.0)
    assert price_of(Model(name="ollama/llama3", **PRICED)) == Price(2.0, 10.0)


def test_a_price_is_per_million_tokens() -> None:
    assert Price(2.0, 10.0).cost_usd(1_000_000, 0) == 2.0
    assert Price(2.0, 10.0).cost_usd(500, 50) == pytest.approx(0.0015)


@pytest.mark.parametrize(
    "name",
    ["ollama/llama3", "ollama_chat/x", "hosted_vllm/x", "lm_studio/x", "openrouter/a/b:free"],
)
def test_ones_own_machine_costs_nothing(name: str) -> None:
    assert price_of(Model(name=name)) == FREE
    assert is_free(Model(name=name))


@pytest.mark.parametrize("name", ["maker/any", "maker/any-elsewhere", "any", "maker_eu/other"])
def test_the_list_has_names_with_and_without_provider(listed: List, name: str) -> None:
    listed(
        {
            "first": entry("x", 9.0, 9.0),
            "maker/any": entry("maker", 3e-7, 2.5e-6),
            "any": entry("maker", 3e-7, 2.5e-6),
            "any-elsewhere": entry("maker-elsewhere", 3e-7, 2.5e-6),
            "maker_eu/other": entry("maker", 3e-7, 2.5e-6),
        }
    )
    assert price_of(Model(name=name)) == Price(0.3, 2.5)
    assert not is_free(Model(name=name))


def test_one_provider_does_not_get_the_price_of_another(
    listed: List,
) -> None:
    listed({"any": entry("maker", 3e-7, 2.5e-6)})
    assert price_of(Model(name="reseller/any")) is None


@pytest.mark.parametrize(("input_usd", "output_usd"), [(0, 0), (1e-6, 0), (None, 1e-6)])
def test_a_price_that_the_list_has_no_two_sides_of_is_unknown(
    listed: List, input_usd: float | None, output_usd: float | None
) -> None:
    listed({"maker/any": entry("maker", input_usd, output_usd)})
    assert price_of(Model(name="maker/any")) is None
    assert not is_free(Model(name="maker/any"))


def test_a_word_inside_an_entry_is_no_model(listed: List) -> None:
    listed({"maker/any": {**entry("maker", 1e-6, 1e-6), "other": "maker/none"}})
    assert price_of(Model(name="maker/none")) is None
    assert price_of(Model(name="maker/an")) is None
    assert price_of(Model(name="maker/.ny")) is None


def test_without_litellm_nothing_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "find_spec", lambda name: None)
    prices._entry.cache_clear()
    assert price_of(Model(name="maker/any")) is None
    prices._entry.cache_clear()


def test_entries_are_those_of_the_whole_list() -> None:
    whole = json.loads((LITELLM / "model_prices_and_context_window_backup.json").read_text())
    names = list(whole)[::150]
    assert len(names) > 20
    for name in names:
        assert prices._entry(name) == whole[name], name


def test_a_price_costs_no_import_of_litellm() -> None:
    code = (
        "import sys; from broadsheet.config import Model\n"
        "from broadsheet.analysis.prices import price_of\n"
        "print(price_of(Model(name='gemini/gemini-2.5-flash')).output_usd_per_mtok > 0)\n"
        "print('litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def settings(*models: Model, **changed: Any) -> Settings:
    return Settings(models=models, **changed)


def test_a_paid_model_without_price_is_refused_with_name_and_keys() -> None:
    with pytest.raises(UsageError, match="maker/unheard-of") as refused:
        refuse_unpriced(settings(Model(name="ollama/x"), Model(name="maker/unheard-of")))
    assert "input_usd_per_mtok" in refused.value.remedy
    assert "output_usd_per_mtok" in refused.value.remedy


def test_priced_and_free_models_are_not_refused() -> None:
    models = (
        Model(name="maker/unheard-of", **PRICED),
        Model(name="maker/free", input_usd_per_mtok=0.0, output_usd_per_mtok=0.0),
        Model(name="ollama/llama3"),
        Model(name="gemini/gemini-2.5-flash"),
    )
    refuse_unpriced(settings(*models, budget_usd_per_day=1.0))
    refuse_unpriced(settings())


@pytest.mark.parametrize("side", ["input_usd_per_mtok", "output_usd_per_mtok"])
def test_one_price_of_two_is_refused(side: str) -> None:
    with pytest.raises(UsageError, match="one of its two prices"):
        refuse_unpriced(settings(Model(name="ollama/llama3", **{side: 1.0})))


OWN = [
    (Model(name="openai/mine"), "OPENAI_API_BASE"),
    (Model(name="openai/mine"), "OPENAI_BASE_URL"),
    (Model(name="anthropic/mine"), "ANTHROPIC_API_BASE"),
    (Model(name="maker/mine", endpoint="http://127.0.0.1:1"), "UNRELATED"),
]


@pytest.mark.parametrize(("model", "variable"), OWN)
def test_an_endpoint_of_ones_own_needs_no_price(
    monkeypatch: pytest.MonkeyPatch, model: Model, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    refuse_unpriced(settings(model))


@pytest.mark.parametrize("budget", ["run", "day", "month"])
def test_a_budget_needs_a_price_everywhere(monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="a budget cannot be kept without a price"):
        refuse_unpriced(settings(Model(name="openai/mine"), **{f"budget_usd_per_{budget}": 0.0}))


def test_another_providers_endpoint_excuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1")
    with pytest.raises(UsageError, match="maker/mine"):
        refuse_unpriced(settings(Model(name="maker/mine")))


def test_an_address_that_every_customer_has_excuses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_API_BASE", "https://mine.example")
    with pytest.raises(UsageError, match="azure/mine"):
        refuse_unpriced(settings(Model(name="azure/mine")))


def tokenizers() -> dict[str, Callable[[str], int]]:
    folder = LITELLM / "litellm_core_utils" / "tokenizers"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    import tiktoken
    from tokenizers import Tokenizer

    claude = Tokenizer.from_file(str(folder / "anthropic_tokenizer.json"))
    counts: dict[str, Callable[[str], int]] = {"claude": lambda text: len(claude.encode(text).ids)}
    for name in ("cl100k_base", "o200k_base"):
        encoding = tiktoken.get_encoding(name)
        counts[name] = lambda text, e=encoding: len(e.encode(text))  # type: ignore[misc]
    return counts


def abstracts() -> list[str]:
    text = (files("broadsheet") / "sample" / "daily_papers.json").read_text("utf-8")
    return [entry["paper"]["summary"] for entry in json.loads(text)]


def test_token_counts_hold_against_real_tokenizers() -> None:
    schema: dict[str, object] = {"type": "object", "properties": {"方法": {"type": "string"}}}
    plain = [*abstracts(), ENGLISH * 50, CHINESE * 20]
    for name, count in tokenizers().items():
        for text in (*plain, TABLE * 30, RARE * 30, "a", "0x9f" * 200, " " * 300):
            question = a_question("You answer.", text, schema=schema)
            parts = ("You answer.", text, json.dumps(schema, ensure_ascii=False))
            true = sum(map(count, parts)) + 3 * 2 + 3
            assert tokens_at_most(question) >= true, (name, text[:40])
            if text in plain:
                assert 0.75 < tokens_about(question) / true < 1.6, (name, text[:40])


def test_the_schema_and_every_message_count() -> None:
    one = a_question(ENGLISH)
    for more in (a_question(ENGLISH, ENGLISH), a_question(ENGLISH, schema={"type": "object"})):
        assert tokens_about(more) > tokens_about(one)
        assert tokens_at_most(more) > tokens_at_most(one)


def test_the_worst_case_is_all_tokens_at_their_price() -> None:
    question, model = a_question(ENGLISH), Model(name="maker/any", max_output_tokens=1000, **PRICED)
    expected = (tokens_at_most(question) * 2.0 + 1000 * 10.0) / 1e6
    assert worst_case_usd(question, model) == pytest.approx(expected)


def test_the_worst_case_of_a_free_model_is_nothing_and_of_an_unpriced_one_unknown() -> None:
    assert worst_case_usd(a_question(ENGLISH), Model(name="ollama/x")) == 0.0
    assert worst_case_usd(a_question(ENGLISH), Model(name="maker/unheard-of")) is None
