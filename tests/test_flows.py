"""The flows as Prefect runs them, against the sample day and a model that answers as told."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Web

import broadsheet
from broadsheet.analysis import pacer
from broadsheet.config import load_settings
from broadsheet.errors import NotPublishedYet, SourceUnavailable
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.publishing import Published
from broadsheet.sample import SAMPLE_DATE, SampleWorld, serve
from broadsheet.schemas import SCHEMAS

pytestmark = pytest.mark.flow
SATURDAY = dt.date(2026, 1, 3)


@pytest.fixture
def world(server: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleWorld]:
    with serve() as sample:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", sample.huggingface_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", sample.arxiv_api_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_URL", sample.arxiv_url)
        monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
        yield sample


@pytest.fixture
def model(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """An OpenAI-compatible model that fills every section with its name."""
    web.respond = lambda path, query: (200, completion(answer()))
    monkeypatch.setenv("OPENAI_API_BASE", f"{web.url}/v1")
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    return web


def answer(**changed: object) -> str:
    sections = {"area": "The area.", "contribution": "The contribution."}
    lists = {name: [f"One of {name}.", "Two."] for name in ("usage", "innovations", "results")}
    return json.dumps({**sections, **lists, **changed})


def completion(text: str, finish: str = "stop") -> str:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "any"}
    return json.dumps({**whole, "choices": [choice], "usage": usage})


def make(profile: str = "hf", date: dt.date = SAMPLE_DATE) -> Any:
    from flows.digest import digest

    return digest(profile, date, return_state=True)


def published(state: Any) -> Published:
    result = state.result()
    assert isinstance(result, Published)
    return result


def home_bytes() -> dict[str, bytes]:
    home = load_settings().home
    files = [p for p in home.rglob("*") if p.is_file() and "/runs/" not in str(p)]
    kept = [p for p in files if "state.sqlite" not in str(p)]  # what workers share, no result
    return {str(p.relative_to(home)): p.read_bytes() for p in kept}


def count(table: str) -> int:
    return int(broadsheet.connect().sql(f"select count(*) from lake.{table}").fetchall()[0][0])


def test_same_date_twice_leaves_the_same_bytes(world: SampleWorld) -> None:
    first = published(make())
    before = home_bytes()
    second = published(make())
    assert first.outcome is Outcome.COMPLETE
    assert (first.selected, second.selected) == (8, 8)
    assert home_bytes() == before


def test_every_table_is_filled_by_a_digest_with_a_model(world: SampleWorld, model: Web) -> None:
    assert published(make()).outcome is Outcome.COMPLETE
    empty = {table for table in SCHEMAS if count(table) == 0}
    assert empty == {"archive"}  # that is loaded, not made


def test_model_is_asked_once_per_paper_however_often_it_runs(
    world: SampleWorld, model: Web
) -> None:
    done = published(make())
    assert (len(model.requests), done.prompt_tokens) == (8, 800)
    page = done.report.read_text() if done.report else ""
    assert page.count("### 2. 一句话核心贡献") == 8
    again = published(make())
    assert len(model.requests) == 8
    assert again.report and again.report.read_text() == page


def test_paid_answer_shows_as_cached_in_the_run_history(world: SampleWorld, model: Web) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import TaskRunSort

    make()
    run_id = make().state_details.flow_run_id
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    deadline = time.monotonic() + 30  # task runs reach the server in batches
    names: list[str | None] = []
    while names.count("Cached") < 8 and time.monotonic() < deadline:
        time.sleep(0.2)
        with get_client(sync_client=True) as server:
            runs = server.read_task_runs(
                flow_run_filter=of_run, sort=TaskRunSort.END_TIME_DESC, limit=200
            )
        names = [run.state_name for run in runs if run.name.startswith("ask openai/any about")]
    assert names == ["Cached"] * 8


def test_a_digest_of_stored_answers_imports_no_litellm(
    world: SampleWorld, model: Web, tmp_path: Path
) -> None:
    assert published(make()).outcome is Outcome.COMPLETE
    asked = len(model.requests)
    code = (
        "import sys; from broadsheet.cli import main\n"
        "try: main()\n"
        "finally: print('litellm' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "--profile", "hf", "--date", str(SAMPLE_DATE)],
        env=os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    assert len(model.requests) == asked


def test_failed_calls_leave_papers_pending_with_their_extract(
    world: SampleWorld, model: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacer, "backoff_seconds", lambda kind, strike: 0.01)
    model.respond = lambda path, query: (429, '{"error": {"message": "QUOTA-TEXT"}}')
    state = make()
    done = published(state)
    assert (state.name, done.outcome, done.pending) == ("Partial", Outcome.PARTIAL, 8)
    page = done.report.read_text() if done.report else ""
    assert "QUOTA-TEXT" not in page and "429" not in page
    assert page.count("### 原文摘录") == 8 and "## 待完成" in page


def test_pending_papers_are_finished_by_the_next_run(world: SampleWorld, model: Web) -> None:
    good = model.respond
    model.respond = lambda path, query: (503, "down")
    assert published(make()).pending == 8
    model.respond = good
    done = published(make())
    assert (done.outcome, done.pending) == (Outcome.COMPLETE, 0)
    assert done.report and "待完成" not in done.report.read_text()


@pytest.mark.parametrize("text", ["I cannot do that.", "", '{"area": "cut', '{"area": "only"}'])
def test_unusable_answers_never_reach_the_page(world: SampleWorld, model: Web, text: str) -> None:
    model.respond = lambda path, query: (200, completion(text))
    done = published(make())
    assert done.pending == 8
    assert done.report and (not text or text not in done.report.read_text())


def test_day_without_papers_is_published_as_empty_without_a_model_call(
    world: SampleWorld, model: Web
) -> None:
    state = make(date=SATURDAY)
    done = published(state)
    assert (state.name, done.outcome) == ("Empty", Outcome.EMPTY)
    assert model.requests == []
    rows = Lake(load_settings().lake_root).rows("digests", "digest", profile="hf", date=SATURDAY)
    assert rows and [row["paper_id"] for row in rows] == [None]


def test_date_without_a_list_yet_fails_and_publishes_nothing(world: SampleWorld) -> None:
    state = make(date=dt.date(2030, 1, 1))
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), NotPublishedYet)
    assert not (load_settings().reports / "hf").exists()


def test_source_down_leaves_the_previous_report_untouched(
    world: SampleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    before = home_bytes()
    monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", "http://127.0.0.1:9")
    state = make()
    assert isinstance(state.result(raise_on_failure=False), SourceUnavailable)
    assert home_bytes() == before
    outcomes = broadsheet.connect().sql("select outcome from runs order by started_at").fetchall()
    assert outcomes == [("complete",), ("failed",)]


def test_one_source_down_of_two_is_partial_and_named_in_the_report(
    world: SampleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", "http://127.0.0.1:9/api/query")
    done = published(make("agents"))
    assert (done.outcome, done.pending) == (Outcome.PARTIAL, 0)
    assert done.report and "did not answer: arxiv" in done.report.read_text()


def test_run_has_names_tags_and_artifacts(world: SampleWorld) -> None:
    from prefect import get_client

    run_id = make("cv").state_details.flow_run_id
    of_run = {"artifacts": {"flow_run_id": {"any_": [str(run_id)]}}}
    with get_client(sync_client=True) as server:
        run = server.read_flow_run(run_id)
        artifacts = server.request("POST", "/artifacts/filter", json=of_run).json()
    assert run.name == f"cv {SAMPLE_DATE}"
    assert {"profile:cv", f"date:{SAMPLE_DATE}"} <= set(run.tags)
    assert {a["key"] for a in artifacts} >= {"digest-cv", "scores-cv"}
    assert {a["type"] for a in artifacts} == {"markdown", "table", "progress"}


def test_one_failing_profile_stops_no_other(
    world: SampleWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flows.daily import daily

    profiles = tmp_path / "profiles"
    profiles.mkdir()
    for name in ("cv", "hf"):
        text = (load_settings().profiles / f"{name}.toml").read_text()
        (profiles / f"{name}.toml").write_text(text)
    (profiles / "bad.toml").write_text('title = "x"\nstyle = "hf"\nlanguage = "xx"\n')
    monkeypatch.setenv("BROADSHEET_PROFILES", str(profiles))
    state: Any = daily(["bad", "hf"], SAMPLE_DATE, return_state=True)
    results = state.result(raise_on_failure=False)
    assert state.is_failed()
    assert [r.outcome for r in results] == [Outcome.FAILED, Outcome.COMPLETE]


def test_newest_date_is_taken_where_none_is_given(world: SampleWorld) -> None:
    from flows.daily import daily

    state: Any = daily(["hf"], return_state=True)
    assert [r.date for r in state.result()] == [SAMPLE_DATE]


def test_paper_featured_before_is_not_featured_again(
    world: SampleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    done = published(make("cv"))
    lake = Lake(settings.lake_root)
    rows = lake.rows("digests", "digest", profile="cv", date=SAMPLE_DATE)
    earlier = SAMPLE_DATE - dt.timedelta(days=5)
    lake.write(
        "digests",
        [{**r, "date": earlier} for r in rows or []],
        "digest",
        profile="cv",
        date=earlier,
    )
    again = published(make("cv"))
    before = {row["paper_id"] for row in rows or []}
    now = lake.rows("digests", "digest", profile="cv", date=SAMPLE_DATE) or []
    assert done.selected == 2
    assert not before & {row["paper_id"] for row in now}
    assert again.selected == len([row for row in now if row["paper_id"]])


def test_two_runs_at_once_pay_each_answer_once(world: SampleWorld, model: Web) -> None:
    from concurrent.futures import ThreadPoolExecutor

    good = model.respond

    def slow(path: str, query: dict[str, str]) -> Any:
        time.sleep(0.05)
        return good(path, query)

    model.respond = slow
    with ThreadPoolExecutor(2) as runs:
        states = list(runs.map(lambda _: make(), range(2)))
    assert [published(state).outcome for state in states] == [Outcome.COMPLETE] * 2
    assert len(model.requests) == 8


def test_paid_analyses_stay_in_the_report_when_the_model_is_taken_away(
    world: SampleWorld, model: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(make())
    page = first.report.read_bytes() if first.report else b""
    monkeypatch.delenv("BROADSHEET_MODELS")
    again = published(make())
    assert again.report and again.report.read_bytes() == page


def test_run_counts_what_it_asked_for_and_a_cached_one_nothing(
    world: SampleWorld, model: Web
) -> None:
    make()
    make()
    spent = broadsheet.connect().sql("select prompt_tokens from runs order by started_at")
    assert spent.fetchall() == [(800,), (0,)]
