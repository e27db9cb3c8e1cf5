"""The flow `maintenance` says what it found, and forgets our old runs and nobody else's."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest
from builders import DAY, write_digest
from prefect import flow, get_client, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.runtime import flow_run
from small_files import age, fill, seen

from broadsheet.config import load_settings
from broadsheet.lake import Lake
from broadsheet.maintaining import Upkeep
from flows.maintenance import maintenance
from tasks import upkeep as upkeep_tasks
from tasks.upkeep import OUR_FLOWS, forget_runs

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("server")]


def keep(monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> State[Any]:
    """The flow's final state; nothing is waited for."""
    monkeypatch.setattr("broadsheet.maintaining._SETTLE_SECONDS", 0.0)
    state: State[Any] = maintenance(**parameters, return_state=True)
    return state


def findings(state: State[Any]) -> list[str]:
    """What the flow found."""
    found: list[str] = state.result(raise_on_failure=False)
    return found


def test_a_lake_is_tidied_and_found_sound(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake, days=2)
    age(lake)
    before = {**seen(lake), "runs": []}
    state = keep(monkeypatch)
    assert (state.name, state.message) == (
        "Completed",
        f"{len(findings(state))} findings, none bad",
    )
    assert "ok    lake: merged 27 files into 7, dropped 2 snapshots, removed 0 leftover files" in (
        findings(state)
    )
    assert {**seen(lake), "runs": []} == before  # but the run's own row


def test_a_rehearsal_reports_and_changes_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lake, days=1)
    age(lake)
    before = changed_at(lake)
    state = keep(monkeypatch, is_rehearsal=True)
    assert state.name == "Rehearsed"
    assert any("would merge" in line for line in findings(state))
    assert any("would be forgotten" in line for line in findings(state))
    assert changed_at(lake) == before


def changed_at(lake: Lake) -> dict[Path, int]:
    """When each file was written, but those of runs: each run is a row there."""
    files = [path for path in Path(lake.root).rglob("*.parquet") if "/runs/" not in str(path)]
    return {path: path.stat().st_mtime_ns for path in files}


def test_what_a_check_finds_fails_the_run_by_name(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_digest(lake, ["a"])
    state = keep(monkeypatch)
    assert (state.type.value, state.name) == ("FAILED", "Unsound")
    assert "checks.digests_without_analysis: 1 rows" in (state.message or "")
    assert any("runs:" in line for line in findings(state))


def test_damage_fails_the_run_and_names_the_date(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(lake, days=1)
    path = Path(lake.files("listings", date=DAY, source="huggingface")[0])
    path.write_bytes(b"PAR1 nothing")
    state = keep(monkeypatch)
    assert (state.name, path.exists()) == ("Unsound", False)
    assert "run 2026-01-06 again" in (state.message or "")


# What Prefect keeps


@task
def _noted() -> None:
    get_run_logger().info("noted")
    create_markdown_artifact("of the task", key="noted")


def _run(name: str) -> str:
    """The id of a run of a flow of that name, with a task, a log line and two artifacts."""

    def noting() -> str:
        _noted()
        create_markdown_artifact("of the flow", key="noted")
        return str(flow_run.id)

    noting_flow: Flow[[], str] = flow(name=name)(noting)
    return noting_flow()


def _left(run: str) -> dict[str, int]:
    """How much the server has of a run."""
    artifacts = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    runs = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as server:
        task_runs = server.request(
            "POST", "/task_runs/filter", json={"flow_runs": runs.model_dump(mode="json")}
        )
        return {
            "runs": server.count_flow_runs(flow_run_filter=runs),
            "tasks": len(task_runs.json()),
            "artifacts": len(server.read_artifacts(artifact_filter=artifacts)),
            "logs": len(
                server.request(
                    "POST", "/logs/filter", json={"logs": logs.model_dump(mode="json")}
                ).json()
            ),
        }


def _await(run: str, **wanted: int) -> dict[str, int]:
    """What the server has of the run, once it is that much: logs and tasks come and go late."""
    deadline = time.monotonic() + 30
    while (left := _left(run)) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def test_our_old_runs_are_forgotten_whole_and_nobody_elses() -> None:
    ours, other = _run("digest"), _run("someone's digest")
    everything = {"runs": 1, "tasks": 1, "artifacts": 2}
    for run in (ours, other):
        logged = _left(run) | everything
        assert _await(run, **logged)["tasks"] == 1
    today = Upkeep(settings=load_settings())
    assert forget_runs.fn(today)[0].startswith("ok    runs: 0 older than")
    later = Upkeep(settings=load_settings(), now=today.now + dt.timedelta(days=91))
    assert forget_runs.fn(later)[0].startswith("ok    runs: ")
    nothing = {"runs": 0, "tasks": 0, "artifacts": 0, "logs": 0}
    assert _await(ours, **nothing) == nothing
    assert _left(other) | {"logs": 0} == everything | {"logs": 0}
    assert forget_runs.fn(later)[0].startswith("ok    runs: 0 older than")


def test_runs_are_forgotten_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        _run("repair")
    later = Upkeep(settings=load_settings(), now=dt.datetime.now(dt.UTC) + dt.timedelta(days=91))
    rehearsal = Upkeep(settings=later.settings, now=later.now, is_rehearsal=True)
    assert forget_runs.fn(rehearsal)[0].startswith("ok    runs: 3 older")
    monkeypatch.setattr(upkeep_tasks, "_PAGE", 1)
    monkeypatch.setattr(upkeep_tasks, "_MOST_PAGES", 2)
    assert forget_runs.fn(later)[0].startswith("ok    runs: 2 older")
    assert forget_runs.fn(later)[0].startswith("ok    runs: 1 older")


def test_a_run_that_somebody_else_deletes_meanwhile_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = _run("daily")
    artifacts = upkeep_tasks._forget_artifacts

    def meanwhile(server: Any, run_id: Any) -> None:
        artifacts(server, run_id)
        server.delete_flow_run(run_id)

    monkeypatch.setattr(upkeep_tasks, "_forget_artifacts", meanwhile)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=91)
    forget_runs.fn(Upkeep(settings=load_settings(), now=later))
    with get_client(sync_client=True) as server, pytest.raises(ObjectNotFound):
        server.read_flow_run(run)  # type: ignore[arg-type]


def test_every_flow_of_ours_is_known_to_be_ours() -> None:
    import importlib

    modules = [f"flows.{file.stem}" for file in Path("flows").glob("[a-z]*.py")]
    found = {
        value.name
        for module in modules
        for value in vars(importlib.import_module(module)).values()
        if isinstance(value, Flow)
    }
    assert found - set(OUR_FLOWS) == set()
