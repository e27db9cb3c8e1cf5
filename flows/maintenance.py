"""Maintenance: what keeps an installation quick and small over the years; safe to kill at any time.

set_aside        damaged files of the lake
tidy             small files merged, snapshots dropped by policy, leftovers removed
verify           the queries of sql/checks
forget_runs      old runs on the Prefect server
forget_results   and what they stored on this machine
report           all of it as an artifact; failed, named "Unsound", where an operator is needed
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from broadsheet.maintaining import open_upkeep
from flows.digest import RECORDED
from tasks.upkeep import forget_results, forget_runs, report, set_aside, tidy, verify


def _run_name() -> str:
    return "maintenance, a rehearsal" if flow_run.parameters["is_rehearsal"] else "maintenance"


@flow(name="maintenance", flow_run_name=_run_name, **RECORDED)
def maintenance(is_rehearsal: bool = False) -> State[Any]:
    """Merge small files, drop what the policy lets go, check the lake and forget old runs.

    Args:
        is_rehearsal: Only report what would be done.
    """
    upkeep = open_upkeep(is_rehearsal)
    findings = set_aside(upkeep) + tidy(upkeep) + verify(upkeep)
    findings += forget_runs(upkeep) + forget_results(upkeep)
    return report(upkeep, findings)
