"""The table `runs`: one row per flow run, whatever became of it."""

from __future__ import annotations

import datetime as dt

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
    profile: str,
    date: dt.date,
    started_at: dt.datetime,
    result: Published | BaseException,
) -> None:
    """Write the run's row, and see that the views are those of the lake as it is now.

    Args:
        run_id: of the flow run.
        flow: the flow's name.
        name: the flow run's name.
        profile: whose digest.
        date: of the list.
        started_at: UTC.
        result: what was published, or what failed.

    Raises:
        LakeError: the lake cannot be written.
    """
    published = result if isinstance(result, Published) else failed(profile, date, result)
    ended_at = dt.datetime.now(dt.UTC)
    row = _counts(published) | {
        "run_id": run_id,
        "flow": flow,
        "name": name,
        "profile": profile,
        "digest_date": date,
        "outcome": published.outcome,
        "message": published.message or None,
        "started_at": started_at,
        "ended_at": ended_at,
        "duration_seconds": round((ended_at - started_at).total_seconds(), 3),
    }
    settings = load_settings()
    lake = Lake(settings.lake_root)
    lake.write("runs", [row], run_id, date=started_at.date())
    save_views(lake, settings.home)


def _counts(published: Published) -> dict[str, object]:
    """The run's counts; none of them where it failed."""
    has_failed = published.outcome is Outcome.FAILED
    return {name: None if has_failed else getattr(published, name) for name in _COUNTS}


_COUNTS = (
    "listed",
    "scanned",
    "selected",
    "pending",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
)
