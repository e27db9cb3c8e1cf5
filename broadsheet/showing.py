"""What a run's page shows beside its digest: how the sources did, and what was paid."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Sequence

from broadsheet.analysis.ledger import Ledger
from broadsheet.editions import Edition
from broadsheet.errors import StateError
from broadsheet.ingest import Ingested
from broadsheet.models import EXTRACTIVE, Analysis, Answer, Status
from broadsheet.redaction import redact
from broadsheet.state import State

Table = list[dict[str, object]]


def source_table(
    edition: Edition,
    results: Sequence[Ingested | BaseException],
    ended_at: Sequence[dt.datetime],
) -> Table:
    """How each source did; seconds are from the run's start until its list was in the lake.

    Args:
        edition: whose sources.
        results: what became of each source's list.
        ended_at: when that was known, UTC.
    """
    return [
        {"source": name, **_health(result), "seconds": round(_seconds(edition, instant), 1)}
        for name, result, instant in zip(edition.profile.sources, results, ended_at, strict=True)
    ]


def _health(result: Ingested | BaseException) -> dict[str, object]:
    if isinstance(result, BaseException):
        said = redact(str(result)) or type(result).__name__
        return {"listed": "", "new": "", "skipped": "", "changed": "", "error": said}
    return {
        "listed": result.listed,
        "new": result.new,
        "skipped": result.skipped,
        "changed": result.is_changed,
        "error": "",
    }


def _seconds(edition: Edition, instant: dt.datetime) -> float:
    return max(0.0, (instant - edition.opened_at).total_seconds())


def money_table(bought: Sequence[Answer], analyses: Sequence[Analysis]) -> Table:
    """What each model was asked and paid for; no rows where none was asked.

    Args:
        bought: the answers to what was asked.
        analyses: of the digest; those of models that were not asked for them are counted as paid
            before.
    """
    if not bought:
        return []
    asked: dict[str, list[Answer]] = defaultdict(list)
    for answer in bought:
        asked[answer.model].append(answer)
    now = {answer.key for answer in bought}
    paid_before = Counter(
        a.model
        for a in analyses
        if a.status is Status.COMPLETE and a.model != EXTRACTIVE and a.question not in now
    )
    return [
        {"model": model, **_sums(asked[model]), "paid before": paid_before[model]}
        for model in dict.fromkeys([*asked, *paid_before])
    ]


def _sums(answers: Sequence[Answer]) -> dict[str, object]:
    costs = [answer.cost_usd for answer in answers if answer.cost_usd is not None]
    is_known = len(costs) == len(answers)
    return {
        "questions": len(answers),
        "prompt tokens": sum(answer.prompt_tokens for answer in answers),
        "completion tokens": sum(answer.completion_tokens for answer in answers),
        "cost_usd": round(sum(costs), 6) if is_known else "price unknown",
    }


def budgets_left(edition: Edition) -> str:
    """What is left of each budget, in a few words; empty where there is none."""
    ledger = Ledger(State(edition.settings.state_store), edition.settings, edition.run)
    try:
        budgets = ledger.spending()
    except StateError as error:  # what was made is not to be lost for it
        return str(error)
    left = [
        f"${max(0.0, cap - spending.spent - spending.reserved):.4f} of ${cap:g} per {name}"
        for name, (spending, cap) in budgets.items()
        if cap is not None
    ]
    return f"left of the budget: {', '.join(left)}" if left else ""
