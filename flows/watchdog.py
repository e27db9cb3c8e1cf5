"""Runs whose process is gone: Prefect marks them crashed, which frees their deployment's slot.

A worker reports that a run of its own died. Nobody does when the worker dies with it, so the server
waits for the run's heartbeats: https://docs.prefect.io/v3/advanced/detect-zombie-flows
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from prefect import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

SILENT_SECONDS = 90
"""Three heartbeats, at the 30 seconds that are Prefect's least."""

PENDING_SECONDS = 600
"""Longest from the start of a run's process to its first word: a container pulls its image."""


def watchdogs(flows: Iterable[str]) -> list[AutomationCore]:
    """The automations that mark runs of these flows, and of no other, as crashed."""
    names = sorted(flows)
    silent = f"no heartbeat seen for {SILENT_SECONDS} s: taken for dead; the next run goes on"
    stuck = f"not started within {PENDING_SECONDS} s: its process is gone; the next run goes on"
    return [
        # another heartbeat or any end, whose names are ours (Partial, Empty); but not Running,
        # which may be told after the first heartbeat
        _crash("heartbeat", ["heartbeat"], "[!R]*", SILENT_SECONDS, silent, names),
        _crash("start", ["Pending", "Submitting"], "[!PS]*", PENDING_SECONDS, stuck, names),
    ]


def _crash(
    what: str, after: list[str], unless: str, seconds: int, message: str, flows: list[str]
) -> AutomationCore:
    return AutomationCore(
        name=f"broadsheet: crashed without a {what} for {seconds} s",
        description="Kept by `broadsheet up`. Makes room for the next run of the deployment.",
        trigger=EventTrigger(
            after={f"prefect.flow-run.{name}" for name in after},
            expect={f"prefect.flow-run.{unless}"},
            match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": "flow", "prefect.resource.name": flows}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=dt.timedelta(seconds=seconds),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
    )


def keep(automations: Iterable[AutomationCore]) -> int:
    """Make the server have these automations, each once; how many it lacked or had otherwise."""
    changed = 0
    with get_client(sync_client=True) as server:
        for wanted in automations:
            found = server.read_automations_by_name(wanted.name)
            if len(found) == 1 and _same(found[0], wanted):
                continue
            for old in found:
                server.delete_automation(old.id)
            server.create_automation(wanted)
            changed += 1
    return changed


def _same(found: AutomationCore, wanted: AutomationCore) -> bool:
    def told(automation: AutomationCore) -> dict[str, object]:
        # not as JSON: the names of events are sets, whose order is another in every process
        return automation.model_dump(include={"description", "trigger", "actions"})

    return told(found) == told(wanted)
