"""What `prefect.yaml` says of the deployments, for those who do not go through `prefect deploy`."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import yaml
from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Cron, Schedule

from broadsheet.errors import UsageError

FILE = Path("prefect.yaml")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One deployment, as `prefect.yaml` describes it."""

    name: str
    entrypoint: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    concurrency_limit: dict[str, Any]
    schedules: list[dict[str, str]] = field(default_factory=list)
    work_pool: dict[str, Any]

    @property
    def flow(self) -> Flow[..., Any]:
        """The flow it runs."""
        return load_flow_from_entrypoint(self.entrypoint)

    @property
    def pool(self) -> str:
        """The work pool its runs go to."""
        return str(self.work_pool["name"])

    @property
    def environment(self) -> dict[str, str]:
        """What its runs find in their environment beyond their worker's own."""
        return dict(self.work_pool.get("job_variables", {}).get("env", {}))


def read() -> list[Entry]:
    """The deployments of the working directory's `prefect.yaml`, in its order.

    Raises:
        UsageError: no such file, or an entry with an unknown or a missing key.
    """
    try:
        described = yaml.safe_load(FILE.read_text(encoding="utf-8"))["deployments"]
        return [Entry(**entry) for entry in described]
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no {FILE} in {Path.cwd()}", "go to the folder of Broadsheet's checkout"
        ) from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"cannot read {FILE}: {reason}", "mend that entry") from error


def flow_names() -> set[str]:
    """The names of all flows, those that only other flows call among them."""
    import flows

    modules = [import_module(f"flows.{found.name}") for found in iter_modules(flows.__path__)]
    return {
        value.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, Flow)
    }


def serve_all(limit: int) -> None:
    """Run every deployment's due runs from this process until it is interrupted.

    Args:
        limit: how many at once.
    """
    # what Prefect 3.8.8 does at SIGTERM before it exits
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop' was never awaited", RuntimeWarning)
    entries = read()
    for entry in entries:
        os.environ |= entry.environment  # a served run has no job variables: it inherits these
    serve(
        *[to_deployment(entry) for entry in entries],
        limit=limit,
        pause_on_shutdown=False,
        print_starting_message=False,
    )


def to_deployment(entry: Entry) -> RunnerDeployment:
    """The deployment for a process that serves it, which needs no work pool."""
    deployment = entry.flow.to_deployment(
        entry.name,
        description=entry.description,
        parameters=entry.parameters,
        tags=entry.tags,
        concurrency_limit=ConcurrencyLimitConfig.model_validate(entry.concurrency_limit),
        schedules=[_schedule(one) for one in entry.schedules],
    )
    assert isinstance(deployment, RunnerDeployment)  # noqa: S101 (the call may be asynchronous, for mypy)
    return deployment


def _schedule(described: dict[str, str]) -> Schedule:
    return Cron(described["cron"], timezone=described["timezone"])
