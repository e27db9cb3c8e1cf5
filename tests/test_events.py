"""Run history as an operator sees it: events, states, artifacts, assets, and rows of `runs`."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import DAY, NOON, paper, write_list
from conftest import Web

import broadsheet
from broadsheet.config import load_settings
from broadsheet.errors import SourceUnavailable
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.news import EVENTS
from broadsheet.publishing import Published
from broadsheet.sample import SAMPLE_DATE, SampleWorld, serve

DOWN = SourceUnavailable("cannot read huggingface 2026-01-06: 503", "run again later")
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def world(server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleWorld]:
    with serve() as sample:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", sample.huggingface_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", sample.arxiv_api_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_URL", sample.arxiv_url)
        monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
        yield sample


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the events that are emitted, in order; the server stores them seconds later."""
    names: list[str] = []
    monkeypatch.setattr("tasks.events.emit_event", lambda event, **_: names.append(event))
    return names


def make(profile: str = "cv", date: dt.date = SAMPLE_DATE) -> Any:
    from flows.digest import digest

    return digest(profile, date, return_state=True)


def request(path: str, body: object) -> Any:
    """What the Prefect server answers."""
    from prefect import get_client

    with get_client(sync_client=True) as server:
        return server.request("POST", path, json=body).json()


def stored_events(state: Any, *names: str) -> list[dict[str, Any]]:
    """The events of these names that concern the flow run, as soon as the server has all."""
    run = f"prefect.flow-run.{state.state_details.flow_run_id}"
    of_run = {"related": {"id": [run]}, "event": {"name": [*names]}}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = request("/events/filter", {"filter": of_run, "limit": 50})["events"]
        if {event["event"] for event in found} == set(names):
            return sorted(found, key=lambda event: names.index(event["event"]))
        time.sleep(0.2)
    pytest.fail("the server stored no such events")


def artifacts_of(state: Any, key: str) -> list[Any]:
    """The contents of the flow run's artifacts of that key."""
    of_run = {"artifacts": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}
    found = request("/artifacts/filter", of_run)
    return [json.loads(one["data"]) for one in found if one["key"] == key]


def runs() -> list[tuple[Any, ...]]:
    columns = "flow, profile, digest_date, outcome, message, selected"
    return broadsheet.connect().sql(f"select {columns} from runs order by started_at").fetchall()


@pytest.mark.flow
def test_a_digest_is_told_as_an_event_and_is_an_asset_made_from_the_lake(
    world: SampleWorld,
) -> None:
    state = make()
    told, made = stored_events(
        state, "broadsheet.digest.published", "prefect.asset.materialization.succeeded"
    )
    assert told["resource"]["prefect.resource.id"] == f"broadsheet.digest.cv.{SAMPLE_DATE}"
    assert told["resource"]["broadsheet.profile"] == "cv"
    assert told["payload"]["report"] == f"reports/cv/{SAMPLE_DATE}.md"
    assert "flow" in {related["prefect.resource.role"] for related in told["related"]}
    assert made["resource"]["prefect.resource.id"] == "broadsheet://digests/cv"
    assert made["payload"] == {"date": str(SAMPLE_DATE), "outcome": "complete"}
    roles = [(r["prefect.resource.role"], r["prefect.resource.id"]) for r in made["related"]]
    tables = ("analyses", "fulltexts", "listings", "scores")
    upstream = sorted(key for role, key in roles if role == "asset")
    assert upstream == [f"broadsheet://lake/{name}" for name in tables]


@pytest.mark.flow
def test_a_digest_made_again_unchanged_is_not_told_again(
    world: SampleWorld, told: list[str]
) -> None:
    make()
    make()
    assert told == ["broadsheet.digest.published"]


@pytest.mark.flow
def test_a_source_that_is_down_and_the_digest_it_fails_are_told_once(
    world: SampleWorld, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        outage.setenv("BROADSHEET_HUGGINGFACE_URL", NOBODY)
        state = make()
        make()
    assert told == ["broadsheet.source.down", "broadsheet.digest.failed"]
    [[row]] = artifacts_of(state, "sources-cv")
    assert (row["source"], row["listed"]) == ("huggingface", "")
    assert "unavailable" in row["error"]
    make()
    assert told[2:] == ["broadsheet.source.up", "broadsheet.digest.published"]


@pytest.mark.flow
def test_an_event_that_cannot_be_emitted_fails_no_digest(
    world: SampleWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: object) -> None:
        raise ConnectionError("nobody listens")

    monkeypatch.setattr("tasks.events.emit_event", refuse)
    assert make().result().outcome is Outcome.COMPLETE
    assert "cannot tell broadsheet.digest.published" in caplog.text


@pytest.mark.flow
def test_sources_and_money_are_artifacts_where_there_is_any(
    world: SampleWorld, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = make()
    monkeypatch.setenv("OPENAI_API_BASE", f"{web.url}/v1")
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    web.respond = lambda path, query: (200, an_openai_answer())
    paid = make("hf")
    [[row]] = artifacts_of(free, "sources-cv")
    assert (row["source"], row["listed"], row["error"]) == ("huggingface", 8, "")
    assert artifacts_of(free, "money-cv") == []
    [[money]] = artifacts_of(paid, "money-hf")
    assert (money["model"], money["questions"], money["prompt tokens"]) == ("openai/any", 8, 800)


def an_openai_answer() -> str:
    lists = {name: [f"One of {name}."] for name in ("usage", "innovations", "results")}
    text = json.dumps({"area": "The area.", "contribution": "The contribution.", **lists})
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "any", "usage": usage}
    return json.dumps({**whole, "choices": [{"index": 0, "message": message}]})


def write_usual_weeks(date: dt.date, papers: int) -> None:
    """Lists of so many papers in the weeks before."""
    lake = Lake(load_settings().lake_root)
    for weeks in range(1, 6):
        day = date - dt.timedelta(weeks=weeks)
        write_list(lake, *(paper(f"{weeks}-{n}") for n in range(papers)), date=day)


@pytest.mark.flow
def test_far_fewer_papers_than_usual_end_in_a_state_an_event_and_a_row(
    world: SampleWorld, told: list[str]
) -> None:
    write_usual_weeks(SAMPLE_DATE, 40)
    state = make()
    said = f"huggingface lists 8 papers on {SAMPLE_DATE}, where a Tuesday usually has 40"
    assert (state.type.value, state.name) == ("COMPLETED", "Thin")
    assert said in state.message
    assert told == ["broadsheet.volume.low", "broadsheet.digest.published"]
    assert [row[3:5] for row in runs()] == [("complete", said)]


@pytest.mark.flow
def test_an_empty_list_on_a_day_that_usually_has_papers_is_empty_and_warned_about(
    world: SampleWorld, told: list[str]
) -> None:
    saturday = dt.date(2026, 1, 3)
    quiet = make(date=saturday)
    write_usual_weeks(saturday, 20)
    loud = make(date=saturday)
    assert (quiet.name, loud.name) == ("Empty", "Empty")
    assert "usually has" not in quiet.message
    assert "huggingface lists 0 papers" in loud.message
    assert told == ["broadsheet.digest.empty", "broadsheet.volume.low"]


def a_flow(body: Callable[[], Any]) -> Any:
    """A flow that is no digest's, recorded like all."""
    from prefect import flow

    from tasks.digests import record_run

    ends = ("on_completion", "on_failure", "on_crashed", "on_cancellation")
    hooks: dict[str, Any] = {end: [record_run] for end in ends}
    return flow(body, name="nightly", flow_run_name="nightly", **hooks)


def a_digest(outcome: str, message: str = "") -> Published:
    return Published(profile="cv", date=DAY, outcome=Outcome(outcome), selected=3, message=message)


@pytest.mark.flow
def test_a_run_above_others_has_a_row_with_the_worst_of_them(server: None) -> None:
    from prefect.states import Completed

    from tasks.digests import sum_up

    digests = [a_digest("complete"), a_digest("complete", "a thin list"), a_digest("partial")]
    states = [Completed(data=one) for one in digests]

    def thin() -> Any:
        return sum_up([("cv", DAY)] * 2, states[:2])

    def partial() -> Any:
        return sum_up([("cv", DAY)] * 3, states)

    ended = [a_flow(body)(return_state=True) for body in (thin, partial)]
    assert [(state.name, state.message) for state in ended] == [
        ("Thin", "2 complete; a thin list"),
        ("Partial", "2 complete, 1 partial; a thin list"),
    ]
    assert [row[3:] for row in runs()] == [
        ("complete", "a thin list", None),
        ("partial", "a thin list", None),
    ]


@pytest.mark.flow
@pytest.mark.parametrize("returned", [None, "3 tables", ["a", "b"]])
def test_a_run_that_makes_no_digest_has_a_row(
    server: None, told: list[str], returned: object
) -> None:
    def nightly() -> object:
        return returned

    a_flow(nightly)()
    assert runs() == [("nightly", None, None, "complete", None, None)]
    assert told == []


@pytest.mark.flow
def test_a_run_that_fails_by_itself_is_told_until_it_recovers(
    server: None, told: list[str]
) -> None:
    errors: list[BaseException | None] = [DOWN, DOWN, None]

    def nightly() -> str:
        if error := errors.pop(0):
            raise error
        return "done"

    for _ in range(3):
        a_flow(nightly)(return_state=True)
    assert told == ["broadsheet.run.failed", "broadsheet.run.recovered"]
    assert [row[3:5] for row in runs()] == [
        ("failed", str(DOWN)),
        ("failed", str(DOWN)),
        ("complete", None),
    ]


@pytest.mark.flow
def test_settings_that_cannot_be_used_are_told_too(
    server: None, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_USUAL_SHARE", "much")
    a_flow(lambda: load_settings())(return_state=True)
    assert told == ["broadsheet.run.failed"]


@pytest.mark.flow
def test_a_run_that_crashed_has_a_row_and_is_told(server: None, told: list[str]) -> None:
    def nightly() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        a_flow(nightly)()
    [(flow, _, _, outcome, message, _)] = runs()
    assert (flow, outcome, told) == ("nightly", "failed", ["broadsheet.run.failed"])
    assert message


def end(state: Any) -> None:
    """Run the hook on a digest's run that has come to this state."""
    from tasks.digests import record_run

    run = {"id": "run-1", "name": "cv", "start_time": NOON, "deployment_id": None}
    parameters = {"profile": "cv", "date": str(DAY)}
    flow_run: Any = SimpleNamespace(**run, parameters=parameters)
    flow: Any = SimpleNamespace(name="digest")
    record_run(flow, flow_run, state)


def test_who_cancels_a_run_is_told_nothing_but_finds_it_in_runs(told: list[str]) -> None:
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelling, State

    for state in (Cancelling(), State(type=StateType.CANCELLED, message="cancelled")):
        end(state)
        [(flow, profile, date, outcome, message, _)] = runs()
        assert (flow, profile, date, outcome) == ("digest", "cv", DAY, "failed")
        assert "cancelled" in message
    assert told == []


def test_a_digest_that_a_killed_worker_left_is_told_failed(told: list[str]) -> None:
    """The hook then runs elsewhere, without a result."""
    from prefect.states import Crashed

    end(Crashed(message="exited with code -9"))
    assert [row[3:5] for row in runs()] == [("failed", "exited with code -9")]
    assert told == ["broadsheet.digest.failed"]


def test_a_lake_that_cannot_be_written_silences_no_event(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.states import Crashed

    from broadsheet.errors import LakeError

    def refuse(*_: object, **__: object) -> None:
        raise LakeError("cannot write table runs: no space left")

    monkeypatch.setattr(Lake, "write", refuse)
    with pytest.raises(LakeError):
        end(Crashed(message="exited with code -9"))
    assert told == ["broadsheet.digest.failed"]


def documented(file: str) -> str:
    return (Path(__file__).parents[1] / "docs" / file).read_text(encoding="utf-8")


def test_the_documented_automation_hears_events_that_are_told() -> None:
    import yaml

    [automation] = yaml.safe_load(documented("automations/notify.yaml"))["automations"]
    expected = set(automation["trigger"]["expect"])
    assert {"broadsheet.digest.partial", "broadsheet.digest.failed"} <= expected <= set(EVENTS)


def test_every_event_is_documented_and_no_other() -> None:
    lines = documented("automations.md").splitlines()
    listed = [line.split("`")[1] for line in lines if line.startswith("| `broadsheet.")]
    assert sorted(listed) == sorted(EVENTS)


@pytest.mark.flow
def test_the_documented_automation_notifies(
    world: SampleWorld, web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    web.respond = lambda path, query: (200, "thank you")
    block = a_notification_block(f"{web.url}/hook")
    file = tmp_path / "notify.yaml"
    file.write_text(documented("automations/notify.yaml").replace("NOTIFICATION_BLOCK", block))
    prefect("automation", "create", "--from-file", str(file))
    monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", NOBODY)
    try:
        deadline = time.monotonic() + 90
        date = SAMPLE_DATE
        while not web.bodies and time.monotonic() < deadline:
            make(date=date)  # the server learns of a new automation within seconds
            time.sleep(1)
            date -= dt.timedelta(days=1)
    finally:
        prefect("automation", "delete", "broadsheet-notify")
    texts = [json.loads(body)["text"] for body in web.bodies]
    [text] = [text for text in texts if text.startswith("broadsheet.digest.failed: cv ")][:1]
    assert "source huggingface is unavailable" in text
    assert "Flow run cv " in text


def a_notification_block(url: str) -> str:
    """The id of a block that posts to that address."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    whole = {"text": "{{subject}}\n{{body}}"}
    block = CustomWebhookNotificationBlock(name="test", url=url, json_data=whole)
    return str(block.save("broadsheet-operators", overwrite=True))


def prefect(*arguments: str) -> None:
    """Run Prefect's command line against the test's server."""
    from prefect.settings import PREFECT_API_URL

    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        env=os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
