"""prefect.yaml: every deployment's flow loads and takes the parameters it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from broadsheet.config import load_profile, load_settings

PROJECT = Path(__file__).parents[1]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((PROJECT / "prefect.yaml").read_text())[
    "deployments"
]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_entrypoint_loads_and_takes_its_parameters(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(PROJECT)
    flow: Any = load_flow_from_entrypoint(deployment["entrypoint"])
    assert set(deployment["parameters"]) <= set(flow.parameters.properties)
    for profile in deployment["parameters"].get("profiles", []):
        assert load_profile(load_settings(), profile)


def test_what_is_pending_is_repaired_every_hour() -> None:
    [repair] = [d for d in DEPLOYMENTS if d["name"] == "repair"]
    [schedule] = repair["schedules"]
    assert schedule["cron"].split()[1:] == ["*"] * 4
    assert repair["concurrency_limit"]["limit"] == 1
