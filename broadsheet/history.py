"""The table `runs`: one row per flow run, whatever became of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

from broadsheet.config import load_settings
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.publishing import Published, failed
from broadsheet.warehouse import save_views


def record(
    *,
    run_id: str,
    flow: str,
    name: str,
    started_at: dt.datetime,
    result: object,
    profile: str | None = None,
    date: dt.date | None = None,
) -> None:
    """Write the run's row, and see that the views are those of the lake as it is now.

    Args:
        run_id: of the flow run.
        flow: the flow's name.
        name: the flow run's name.
        started_at: UTC.
        result: what was published, or of each digest that the run had made in runs of their own,
            or what failed; anything else counts as done.
        profile: whose digest; None where the run is no digest's.
        date: of the list.

    Raises:
        LakeError: the lake cannot be written.
    """
    ended_at = dt.datetime.now(dt.UTC)
    row = _what_became(result, profile, date) | {
        "run_id": run_id,
        "flow": flow,
        "name": name,
        "profile": profile,
        "digest_date": date,
        "started_at": started_at,
        "ended_at": ended_at,
        "duration_seconds": round((ended_at - started_at).total_seconds(), 3),
    }
    settings = load_settings()
    lake = Lake(settings.lake_root)
    lake.write("runs", [row], run_id, date=started_at.date())
    save_views(lake, settings.home, is_relative=settings.warehouse_paths == "relative")


def _what_became(result: object, profile: str | None, date: dt.date | None) -> dict[str, object]:
    """Outcome, message and counts; a failed run has no counts, nor one whose digests have."""
    if isinstance(result, BaseException):
        result = failed(profile or "", date, result)
    if not isinstance(result, Published):
        digests = digests_of(result)
        return {"outcome": worst(digests), "message": message_of(digests) or None}
    counts = {} if result.outcome is Outcome.FAILED else _COUNTS
    return {
        "outcome": result.outcome,
        "message": result.message or None,
        **{name: getattr(result, name) for name in counts},
    }


_COUNTS = (
    "listed",
    "scanned",
    "selected",
    "pending",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
)


def digests_of(result: object) -> list[Published]:
    """The digests that a run's result tells of; none where it tells of something else."""
    results = result if isinstance(result, list | tuple) else [result]
    return [one for one in results if isinstance(one, Published)]


def worst(digests: Collection[Published]) -> Outcome:
    """The outcome of all together: `empty` where all are, `complete` where there is none."""
    outcomes = {one.outcome for one in digests}
    for outcome in (Outcome.FAILED, Outcome.PARTIAL):
        if outcome in outcomes:
            return outcome
    return Outcome.EMPTY if outcomes == {Outcome.EMPTY} else Outcome.COMPLETE


def message_of(digests: Sequence[Published]) -> str:
    """What is wrong with the worst of them; empty where nothing is."""
    gravest = sorted(digests, key=lambda one: one.outcome is not Outcome.FAILED)
    return next((one.message for one in gravest if one.message), "")
