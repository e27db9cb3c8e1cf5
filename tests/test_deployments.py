"""prefect.yaml: every deployment loads, is scheduled and limited as meant, and has a form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from broadsheet.config import load_profile, load_settings
from broadsheet.errors import UsageError

PROJECT = Path(__file__).parents[1]
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((PROJECT / "prefect.yaml").read_text())[
    "deployments"
]
NAMED = {deployment["name"]: deployment for deployment in DEPLOYMENTS}


def form(entrypoint: str) -> dict[str, Any]:
    """The JSON schema that the UI draws the form of a flow's parameters from."""
    from prefect.flows import load_flow_from_entrypoint
    from prefect.utilities.callables import parameter_schema

    return parameter_schema(load_flow_from_entrypoint(entrypoint)).properties


@pytest.fixture(autouse=True)
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_entrypoint_loads_and_takes_its_parameters(deployment: dict[str, Any]) -> None:
    given = deployment.get("parameters", {})
    assert set(given) <= set(form(deployment["entrypoint"]))
    for profile in given.get("profiles", []):
        assert load_profile(load_settings(), profile)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_every_parameter_is_described(deployment: dict[str, Any]) -> None:
    for name, field in form(deployment["entrypoint"]).items():
        assert field.get("description"), name


def test_there_are_the_deployments_an_operator_needs() -> None:
    assert list(NAMED) == ["daily-cv", "daily-hf", "backfill", "repair", "maintenance"]
    assert [name for name in NAMED if "schedules" not in NAMED[name]] == ["backfill"]


def test_schedules_say_their_time_zone() -> None:
    schedules = [one for d in DEPLOYMENTS for one in d.get("schedules", [])]
    assert all(set(one) == {"cron", "timezone"} for one in schedules) and len(schedules) == 4


def test_what_would_be_lost_waits_and_what_comes_again_is_cancelled() -> None:
    limits = {name: d["concurrency_limit"] for name, d in NAMED.items()}
    assert {limit["limit"] for limit in limits.values()} == {1}
    assert {n for n, limit in limits.items() if limit["collision_strategy"] == "CANCEL_NEW"} == {
        "repair",
        "maintenance",
    }


def test_what_is_pending_is_repaired_every_hour() -> None:
    [schedule] = NAMED["repair"]["schedules"]
    assert schedule["cron"].split()[1:] == ["*"] * 4


def test_one_line_moves_all_deployments_to_another_pool() -> None:
    text = (PROJECT / "prefect.yaml").read_text()
    moved, lines = re.subn(r"(?m)^    name: broadsheet\b", "    name: other", text)
    pools = {d["work_pool"]["name"] for d in yaml.safe_load(moved)["deployments"]}
    assert (lines, pools) == (1, {"other"})


def test_runs_give_the_signs_of_life_that_the_watchdog_waits_for() -> None:
    from flows.watchdog import SILENT_SECONDS

    for deployment in DEPLOYMENTS:
        environment = deployment["work_pool"]["job_variables"]["env"]
        assert 3 * int(environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) == SILENT_SECONDS


def test_dates_have_a_calendar() -> None:
    backfill, daily = form("flows/backfill.py:backfill"), form("flows/daily.py:daily")
    assert backfill["start"]["format"] == backfill["end"]["format"] == "date"
    assert {"format": "date", "type": "string"} in daily["date"]["anyOf"]


def test_profiles_are_chosen_from_those_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text('title = "x"\nstyle = "cv"\n')
    monkeypatch.setenv("BROADSHEET_PROFILES", str(tmp_path))
    for entrypoint in ("flows/backfill.py:backfill", "flows/repair.py:repair"):
        field = form(entrypoint)["profiles"]
        assert (field["type"], field["items"]["enum"], field["default"]) == ("array", ["mine"], [])


def test_settings_that_cannot_be_read_leave_a_form_without_a_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROADSHEET_NO_SUCH_SETTING", "1")
    assert form("flows/repair.py:repair")["profiles"]["items"] == {"type": "string"}


def test_choices_and_bounds_are_in_the_form() -> None:
    fields = form("flows/backfill.py:backfill")
    assert fields["order"]["enum"] == ["newest first", "oldest first"]
    assert (fields["parallel"]["minimum"], fields["parallel"]["maximum"]) == (1, 32)
    assert fields["refresh"]["type"] == "boolean"


@pytest.mark.flow
def test_unknown_profile_is_refused_in_our_words(server: None) -> None:
    from flows.repair import repair

    with pytest.raises(UsageError, match="unknown profile 'cvv'") as caught:
        repair(["cvv"])
    assert "did you mean cv?" in caught.value.remedy


def test_served_deployments_are_those_of_the_file() -> None:
    from flows import deployments

    for entry in deployments.read():
        served, described = deployments.to_deployment(entry), NAMED[entry.name]
        limit = described["concurrency_limit"]
        assert (served.name, served.tags) == (entry.name, described["tags"])
        assert served.parameters == described.get("parameters", {})
        assert (served.concurrency_limit, served.work_pool_name) == (limit["limit"], None)
        assert served.concurrency_options
        assert served.concurrency_options.collision_strategy == limit["collision_strategy"]
        assert [str(one.schedule.cron) for one in served.schedules or []] == [
            one["cron"] for one in described.get("schedules", [])
        ]


def test_file_that_is_not_there_or_broken_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import deployments

    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"there is no prefect\.yaml"):
        deployments.read()
    (tmp_path / "prefect.yaml").write_text("deployments: [{name: x}]")
    with pytest.raises(UsageError, match="entrypoint"):
        deployments.read()
