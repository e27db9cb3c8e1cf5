"""What an estimate says, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from broadsheet.config import load_settings
from broadsheet.estimating import Asking, Estimate, budgets_left

_LISTED_ONE_BY_ONE = 20  # digests; beyond, their sum is told


def describe(estimates: Sequence[Estimate]) -> list[str]:
    """The estimates in words, the total, and what the budgets leave of it: a line each.

    Raises:
        UsageError: settings that cannot be used.
        StateError: what was spent before cannot be looked up.
    """
    settings = load_settings()
    askings = [asking for one in estimates for asking in one.asked]
    lines = [line for one in estimates for line in _described(one)]
    if len(estimates) > _LISTED_ONE_BY_ONE:
        lines = [_in_one_line(estimates), *map(_asking_line, _by_model(askings))]
    if unread := sum(one.unread for one in estimates):
        lines.append(f"{unread} papers were not read for this: taken to be as long as the others")
    if not settings.models:
        return [*lines, "no model is configured: nothing would be asked, nothing paid"]
    if not askings:
        return [*lines, "total: nothing to ask, nothing to pay"]
    lines.append(f"total: {sum(asking.papers for asking in askings)} papers, {_dollars(askings)}")
    left = [f"${usd:.4f} per {period}" for period, usd in budgets_left(settings).items()]
    return [*lines, f"budgets leave {', '.join(left)}"] if left else lines


def _described(one: Estimate) -> Iterator[str]:
    lacking = f", without {', '.join(one.missing_sources)}" if one.missing_sources else ""
    yield (
        f"{one.profile} {one.date}: {one.listed} listed{lacking}, {one.selected} selected,"
        f" {one.answered} answered already, {one.to_ask} to ask"
    )
    yield from map(_asking_line, one.asked)


def _in_one_line(estimates: Sequence[Estimate]) -> str:
    return (
        f"{len(estimates)} digests from {min(one.date for one in estimates)} to"
        f" {max(one.date for one in estimates)}: {sum(one.selected for one in estimates)} papers"
        f" selected, {sum(one.answered for one in estimates)} answered already,"
        f" {sum(one.to_ask for one in estimates)} to ask"
    )


def _asking_line(asking: Asking) -> str:
    return (
        f"  {asking.model}: {asking.papers} papers, {asking.prompt_tokens:,} tokens in (at most"
        f" {asking.prompt_tokens_at_most:,}), {asking.completion_tokens:,} out (at most"
        f" {asking.completion_tokens_at_most:,}), {_dollars([asking])}"
    )


def _by_model(askings: Sequence[Asking]) -> list[Asking]:
    """The askings of each model as one; its dollars are unknown where one of them is."""
    models = dict.fromkeys(asking.model for asking in askings)
    return [_summed([one for one in askings if one.model == model]) for model in models]


def _summed(askings: Sequence[Asking]) -> Asking:
    columns = {
        name: [getattr(one, name) for one in askings]
        for name in Asking.__dataclass_fields__
        if name != "model"
    }
    sums: dict[str, Any] = {n: None if None in each else sum(each) for n, each in columns.items()}
    return Asking(model=askings[0].model, **sums)


def _dollars(askings: Sequence[Asking]) -> str:
    about = [asking.cost_usd for asking in askings if asking.cost_usd is not None]
    at_most = [asking.cost_usd_at_most or 0.0 for asking in askings]
    unpriced = sum(asking.papers for asking in askings if asking.cost_usd is None)
    if not about:
        return "price unknown"
    known = f"about ${sum(about):.4f}, at most ${sum(at_most):.4f}"
    return f"{known}, and {unpriced} papers at an unknown price" if unpriced else known
