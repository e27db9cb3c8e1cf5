"""Analyses in other processes: what an edition takes along, and a digest on a Dask cluster."""

from __future__ import annotations

import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from builders import DAY
from conftest import Web
from test_flows import answer, completion, make, published

import broadsheet
from broadsheet import editions
from broadsheet.config import Settings, load_profile, load_settings
from broadsheet.editions import Edition, open_edition
from broadsheet.errors import LakeError, Stopped, UsageError
from broadsheet.models import Outcome
from broadsheet.sample import serve
from broadsheet.state import State
from broadsheet.styles import load_style

MODEL = {"name": "openai/any", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 4.0}


def an_edition(**changed: Any) -> Edition:
    """An edition whose lake is there, with everything opened and worked out."""
    settings = load_settings(models=[MODEL], **changed)
    Path(settings.lake_root).mkdir(parents=True, exist_ok=True)
    profile = load_profile(settings, "hf")
    style = load_style(settings, profile.style, profile.language)
    edition = Edition(settings=settings, profile=profile, style=style, date=DAY)
    assert all((edition.desk, edition.lake, edition.sources, edition.fulltexts, style.answer_model))
    return edition


def elsewhere(edition: Edition) -> Edition:
    """The edition as another process has it."""
    reopened = pickle.loads(pickle.dumps(edition))
    assert isinstance(reopened, Edition)
    return reopened


def test_an_edition_pickles_with_what_is_decided_and_reopens_the_rest() -> None:
    edition = an_edition()
    there = elsewhere(edition)
    decided = {f.name for f in fields(Edition)} - {"settings"}
    assert all(getattr(there, name) == getattr(edition, name) for name in decided)
    assert there.desk is not edition.desk
    assert there.lake.rows("analyses", "hf", date=DAY) is None


def test_a_process_opens_an_edition_once_however_many_papers_it_is_given() -> None:
    edition = an_edition()
    first, second, other = elsewhere(edition), elsewhere(edition), elsewhere(an_edition())
    assert first is second
    assert other is not first


def test_a_process_forgets_editions_that_are_long_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editions, "_KEPT", 2)
    edition = an_edition()
    first = elsewhere(edition)
    assert elsewhere(an_edition()) and elsewhere(edition) is first
    assert elsewhere(an_edition()) and elsewhere(edition) is not first


def test_places_are_the_same_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = elsewhere(an_edition(home=Path("data")))
    assert there.settings.home == tmp_path / "data"
    assert there.settings.lake_root == str(tmp_path / "data" / "lake")
    assert there.settings.state_store == str(tmp_path / "data" / "state.sqlite")
    url = "postgresql://nobody@127.0.0.1:9/none"
    assert elsewhere(an_edition(state=url)).settings.state_store == url


def test_a_worker_that_does_not_see_the_lake_says_so() -> None:
    edition = an_edition()
    shutil.rmtree(edition.settings.lake_root)
    with pytest.raises(LakeError, match="there is no such folder") as raised:
        elsewhere(edition)
    assert "mount" in raised.value.remedy


def test_a_stopped_run_asks_nothing_more_whether_it_is_open_here_or_not_yet() -> None:
    open_here, not_yet, going_on = an_edition(), an_edition(), an_edition()
    assert elsewhere(open_here)
    for edition in (open_here, not_yet):
        editions.stop(edition.run)
        with pytest.raises(Stopped):
            elsewhere(edition).desk.refuse(edition.settings.models[0])
    elsewhere(going_on).desk.refuse(going_on.settings.models[0])


def test_a_runner_that_is_not_installed_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(editions, "find_spec", lambda name: None)
    monkeypatch.setenv("BROADSHEET_TASK_RUNNER", "dask")
    with pytest.raises(UsageError, match="prefect-dask is not installed") as raised:
        open_edition("hf", DAY)
    assert raised.value.remedy == "pip install 'broadsheet[dask]'"


@pytest.mark.parametrize("address", ["tcp://10.0.0.5:8786", "scheduler:8786", "ray://head:10001"])
def test_workers_on_other_machines_need_a_state_that_they_share(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_TASK_RUNNER", "dask")
    monkeypatch.setenv("BROADSHEET_TASK_RUNNER_ADDRESS", address)
    with pytest.raises(UsageError, match=address) as raised:
        open_edition("hf", DAY)
    assert "BROADSHEET_STATE" in raised.value.remedy
    monkeypatch.setenv("BROADSHEET_STATE", "postgresql://nobody@127.0.0.1:9/none")
    assert open_edition("hf", DAY).settings.task_runner_address == address


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:1"])
def test_workers_on_this_machine_share_a_file(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_TASK_RUNNER", "dask")
    monkeypatch.setenv("BROADSHEET_TASK_RUNNER_ADDRESS", address)
    assert open_edition("hf", DAY).settings.task_runner_address == address


@pytest.mark.parametrize("address", ["127.0.0.1:9", "tcp://127.0.0.1:9", "nonsense"])
def test_an_address_without_a_cluster_is_named_with_what_to_do(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tasks import runners

    monkeypatch.setattr(runners, "_CONNECTING_SECONDS", 0.2)
    settings = Settings(task_runner="dask", task_runner_address=address)
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(UsageError, match=f"cannot reach Dask scheduler at {address}: ") as raised,
        runners.open_runner(settings, 1),
    ):
        pass
    assert "task_runner_address" in raised.value.remedy


def test_workers_need_a_prefect_server_that_all_of_them_reach() -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from tasks import runners

    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(UsageError, match="no Prefect server") as raised,
        runners.open_runner(Settings(task_runner="dask"), 1),
    ):
        pass
    assert "PREFECT_API_URL" in raised.value.remedy


def test_a_digest_without_papers_needs_no_cluster() -> None:
    from tasks import runners

    settings = Settings(task_runner="dask", task_runner_address="127.0.0.1:9")
    with runners.open_runner(settings, 0) as runner:
        assert runner.name == "threadpool"


@pytest.mark.flow
def test_as_many_papers_are_worked_on_at_once_as_the_settings_say(server: None) -> None:
    from prefect import task

    from tasks import runners

    most, together, counting = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal most, together
        with counting:
            together += 1
            most = max(most, together)
        time.sleep(0.5)
        with counting:
            together -= 1

    with runners.open_runner(Settings(task_workers=3), 9) as runner:
        futures: list[Any] = [runner.submit(task(work), {}) for _ in range(9)]
        for future in futures:
            future.result()
    assert most == 3


def test_shared_slots_are_all_used_and_never_more(tmp_path: Path) -> None:
    from tasks.slots import SharedSlot

    state = State(str(tmp_path / "state.sqlite"))
    model = load_settings(models=[{**MODEL, "max_concurrency": 3}]).models[0]
    most, together, counting = 0, 0, threading.Lock()

    def use() -> None:
        nonlocal most, together
        with SharedSlot(state, model, lambda: None):
            with counting:
                together += 1
                most = max(most, together)
            time.sleep(0.2)
            with counting:
                together -= 1

    threads = [threading.Thread(target=use) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, together) == (3, 0)


def test_who_waits_for_a_shared_slot_gives_up_with_the_run(tmp_path: Path) -> None:
    from tasks.slots import SharedSlot

    state = State(str(tmp_path / "state.sqlite"))
    model = load_settings(models=[{**MODEL, "max_concurrency": 1}]).models[0]

    def refuse() -> None:
        raise Stopped("asking was given up", "run again")

    with SharedSlot(state, model, refuse), pytest.raises(Stopped):
        SharedSlot(state, model, refuse).__enter__()


@pytest.fixture(scope="module")
def cluster(server: None) -> Iterator[None]:
    """Two processes that the digests of this module share; the first of them starts them."""
    from tasks import runners

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        yield
    runners.close()


@pytest.fixture
def dask(
    cluster: None, web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[pytest.MonkeyPatch]:
    """The sample day, a model with a price and two slots, and Dask to work on it."""
    web.respond = lambda path, query: (200, completion(answer()))
    config = tmp_path / "broadsheet.toml"
    # the workers' environment is not this test's: what they are to know comes with the edition
    told = {**MODEL, "endpoint": f"{web.url}/v1", "max_concurrency": 2}
    entry = "\n".join(f"{key} = {value!r}" for key, value in told.items())
    config.write_text(f"task_workers = 8\n[[models]]\n{entry}\n")
    monkeypatch.setenv("BROADSHEET_CONFIG", str(config))
    monkeypatch.setenv("BROADSHEET_TASK_RUNNER", "dask")
    with serve() as sample:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", sample.huggingface_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", sample.arxiv_api_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_URL", sample.arxiv_url)
        monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
        yield monkeypatch


def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *homes: str) -> None:
    """Homes that know the day's lists and texts, from the same instants, and no answer."""
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "before"))
    monkeypatch.setenv("BROADSHEET_MODELS", "extractive")
    assert published(make()).outcome is Outcome.COMPLETE
    monkeypatch.delenv("BROADSHEET_MODELS")
    for table in ("analyses", "digests", "runs"):
        shutil.rmtree(tmp_path / "before" / "lake" / table)
    for home in homes:
        shutil.copytree(tmp_path / "before", tmp_path / home)


OWN = {"run_id", "name", "started_at", "ended_at", "duration_seconds", "published_at"}
OWN |= {"analyzed_at", "asked_at", "latency_seconds"}
"""Columns that differ between two runs of one digest."""


def rows(table: str) -> list[dict[str, Any]]:
    found = broadsheet.connect().sql(f"from lake.{table} order by all").arrow().read_all()
    kept = [name for name in found.column_names if name not in OWN]
    return sorted(found.select(kept).to_pylist(), key=str)


@pytest.mark.flow
def test_a_digest_on_a_local_dask_cluster_is_the_one_that_threads_make(
    dask: pytest.MonkeyPatch, web: Web, tmp_path: Path
) -> None:
    together: list[int] = []
    under_way, counting = set[int](), threading.Lock()

    def slow(path: str, query: dict[str, str]) -> Any:
        with counting:
            under_way.add(threading.get_ident())
            together.append(len(under_way))
        time.sleep(0.3)
        with counting:
            under_way.discard(threading.get_ident())
        return 200, completion(answer())

    web.respond = slow
    prepared(dask, tmp_path, "threads", "dask")
    pages: dict[str, bytes] = {}
    tables: dict[str, list[list[dict[str, Any]]]] = {}
    for runner in ("threads", "dask"):
        dask.setenv("BROADSHEET_HOME", str(tmp_path / runner))
        dask.setenv("BROADSHEET_TASK_RUNNER", runner)
        asked = len(web.requests)
        done = published(make())
        assert (done.outcome, len(web.requests) - asked) == (Outcome.COMPLETE, 8)
        assert (done.prompt_tokens, done.cost_usd) == (800, pytest.approx(8 * 180e-6))
        assert done.report
        pages[runner] = done.report.read_bytes() + done.report.with_suffix(".html").read_bytes()
        tables[runner] = [rows(t) for t in ("answers", "analyses", "scores", "digests", "runs")]
    assert pages["dask"] == pages["threads"]
    assert tables["dask"] == tables["threads"]
    assert max(together) == 2
    again = published(make())
    assert (len(web.requests), again.prompt_tokens, again.cost_usd) == (16, 0, 0.0)


@pytest.mark.flow
def test_a_paper_that_a_model_fails_at_leaves_the_digest_partial_on_a_cluster_too(
    dask: pytest.MonkeyPatch, web: Web, tmp_path: Path
) -> None:
    from tasks import runners

    # the cluster is reached as one that runs elsewhere would be
    dask.setenv("BROADSHEET_TASK_RUNNER_ADDRESS", runners._own_dask(8).scheduler_address)
    config = tmp_path / "broadsheet.toml"  # one after the other: the newest body is this request's
    config.write_text(config.read_text().replace("max_concurrency = 2", "max_concurrency = 1"))

    def fails_at_one(path: str, query: dict[str, str]) -> Any:
        is_it = b"Recursive Language Models" in web.bodies[-1]
        return 200, completion("I cannot." if is_it else answer())

    web.respond = fails_at_one
    state = make()
    done = published(state)
    assert (state.name, done.outcome, done.pending) == ("Partial", Outcome.PARTIAL, 1)
    assert len(web.requests) == 9  # it is asked a second time
    assert done.prompt_tokens == 900


@pytest.mark.flow
def test_an_interrupted_run_asks_nothing_more_on_a_cluster_and_keeps_what_was_paid(
    dask: pytest.MonkeyPatch, web: Web
) -> None:
    from tasks import analyses, runners

    stopped = threading.Event()

    def slow(path: str, query: dict[str, str]) -> Any:
        stopped.wait(60)
        return 200, completion(answer())

    def interrupted(*args: object) -> None:
        while not web.requests:
            time.sleep(0.05)
        raise RuntimeError("interrupted")

    def stop(*args: Any) -> None:
        runners.stop(*args)
        stopped.set()

    web.respond = slow
    dask.setattr(analyses, "_show_progress", interrupted)
    dask.setattr(analyses, "stop", stop)
    state = make()
    assert state.is_failed()
    assert 1 <= len(web.requests) <= 2
    assert len(rows("answers")) == len(web.requests)


@pytest.mark.flow
def test_lines_from_workers_are_the_flow_runs_and_hold_no_secret(
    dask: pytest.MonkeyPatch, web: Web
) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    secret = "sk-" + "a1b2c3d4e5f6" * 2
    web.respond = lambda path, query: (401, f'{{"error": {{"message": "bad key {secret}"}}}}')
    run_id = make().state_details.flow_run_id
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
    said = ""
    deadline = time.monotonic() + 30  # lines reach the server in batches
    while "openai/any" not in said and time.monotonic() < deadline:
        time.sleep(0.5)
        with get_client(sync_client=True) as server:
            lines = server.read_logs(of_run, limit=200)
        said = "\n".join(line.message for line in lines if line.task_run_id)
    assert "openai/any" in said
    assert secret not in said
