"""Digests while models refuse, fail, invent and run out: replayed quotas and recorded faults."""

from __future__ import annotations

import datetime as dt
import html
import re
from pathlib import Path
from typing import Any

import pytest
from builders import DAY
from conftest import World

import broadsheet
from broadsheet.analysis import desk, pacer
from broadsheet.config import load_settings
from broadsheet.models import Outcome
from broadsheet.publishing import Published
from broadsheet.state import State

pytestmark = [pytest.mark.real, pytest.mark.flow]

LONGEST = dt.date(2026, 1, 30)
PROVIDER_TALK = re.compile(r"\b429\b|quota|\berror\b|traceback|RESOURCE_EXHAUSTED|litellm", re.I)


def make(profile: str, date: dt.date = DAY) -> Published:
    """The digest, made by the flow."""
    from flows.digest import digest

    state: Any = digest(profile, date, return_state=True)
    result = state.result()
    assert isinstance(result, Published)
    return result


def repair() -> list[Published]:
    """What the flow `repair` published."""
    from flows.repair import repair as flow

    state: Any = flow(return_state=True)
    return list(state.result(raise_on_failure=False))


def answer(sql: str) -> list[tuple[Any, ...]]:
    """The rows of that query on the lake."""
    return broadsheet.connect().sql(sql).fetchall()


def use_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *entries: str) -> None:
    """Have these entries of `[[models]]` in force."""
    config = tmp_path / "broadsheet.toml"
    config.write_text("\n".join(f"[[models]]\n{entry}" for entry in entries), encoding="utf-8")
    monkeypatch.setenv("BROADSHEET_CONFIG", str(config))


def tomorrow() -> None:
    """Let the parked models' time be over."""
    with State(load_settings().state_store).transaction() as transaction:
        transaction.run("update models set parked_until = 0")


@pytest.mark.parametrize("shape", ["openai", "gemini", "bare"])
def test_a_minutes_quota_is_used_to_the_brim(
    world: World, shape: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = 'name = "openai/any"\nrpm = 5\nwindow_seconds = 3\nmax_concurrency = 8'
    use_models(monkeypatch, tmp_path, entry)
    world.set(rpm=5, window=3.0, shape429=shape)
    published = make("hf")
    stats = world.stats
    assert (published.outcome, published.selected) == (Outcome.COMPLETE, 24)
    assert (stats["by"]["llm 200"], stats["llm_repeats"]) == (24, 0)
    assert stats["by"].get("llm 429", 0) <= 1
    used = stats["llm_times"][-1] - stats["llm_times"][0]
    assert 12.0 <= used < 12.0 / 0.8  # of 24, five per window, the last go after four windows


def test_a_quota_that_nobody_told_costs_few_refusals_and_no_paper(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    world.set(rpm=5, window=2.0)
    assert make("hf").outcome is Outcome.COMPLETE
    stats = world.stats
    assert (stats["by"]["llm 200"], stats["llm_repeats"]) == (24, 0)
    assert stats["by"].get("llm 429", 0) <= 20  # not one per worker and window


DAILY = {
    "error": {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota. Please retry in 1.2s.",
        "details": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
    }
}


def out_for_today(*names: str) -> dict[str, object]:
    """The fault of models that are done for the day."""
    return {"route": "llm", "match": f"^({'|'.join(names)})\\n", "status": 429, "body": DAILY}


def test_a_model_that_is_done_for_the_day_is_asked_once_and_the_next_finishes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/first,openai/second")
    world.set(faults=[out_for_today("first")])
    assert make("hf").outcome is Outcome.COMPLETE
    assert (world.stats["by"]["llm 429"], world.stats["by"]["llm 200"]) == (1, 24)
    assert answer("select distinct model from analyses") == [("openai/second",)]


def test_when_all_models_are_done_the_report_is_whole_and_the_next_day_finishes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/first,openai/second")
    world.set(faults=[out_for_today("first", "second")])
    published = make("hf")
    assert (published.outcome, published.pending) == (Outcome.PARTIAL, 24)
    assert world.model_requests == 2
    refuse_provider_talk(published)
    world.set(faults=[])
    assert [one.outcome for one in repair()] == [Outcome.PARTIAL]
    assert world.model_requests == 2
    tomorrow()
    assert [one.outcome for one in repair()] == [Outcome.COMPLETE]
    assert (world.stats["by"]["llm 200"], world.stats["llm_repeats"]) == (24, 0)
    assert repair() == []


def test_what_is_invented_is_flagged_in_every_analysis(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    world.set(mode="hallucinate")
    published = make("hf")
    flags = answer("select paper_id, [f.claim for f in flags] from analyses")
    assert len(flags) == 24
    assert all("987.65%" in claims for _, claims in flags)
    assert published.report
    assert published.report.read_text(encoding="utf-8").count("987.65%†") >= 24 * 5


def test_what_is_true_is_hardly_ever_flagged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    make("hf", LONGEST)
    make("hf")
    claims, found = answer("select sum(claims), sum(claims_found) from analyses")[0]
    assert claims > 100
    assert found / claims >= 0.98


BODIES = {  # the recorded body: HTTP status, kind; whether it is met once only, as it passes
    "01": (429, "daily"),
    "02": (429, None),
    "04": (429, "daily"),
    "05": (429, None),
    "06": (429, None),
    "07": (429, "daily"),
    "08": (503, "overload"),
    "09": (503, "overload"),
    "11": (429, "credit"),
    "12": (429, None),
    "13": (429, None),
    "15": (529, "overload"),
    "16": (500, "overload"),
    "18": (429, None),
}


def test_every_recorded_body_but_arxivs_is_known_here(shared: Path) -> None:
    recorded = {file.name[:2] for file in (shared / "data" / "llm_errors").iterdir()}
    assert recorded == set(BODIES) | {"20"}


@pytest.mark.parametrize("number", BODIES)
def test_no_recorded_fault_reaches_a_page(
    world: World, shared: Path, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    for module in (desk, pacer):
        monkeypatch.setattr(module, "backoff_seconds", lambda kind, strike: 0.01)
    status, kind = BODIES[number]
    (file,) = (shared / "data" / "llm_errors").glob(f"{number}_*")
    body = file.read_text(encoding="utf-8").replace("48", "0")  # seconds to wait
    fault: dict[str, object] = {"route": "llm", "status": status, "body": body}
    world.set(faults=[fault if kind else fault | {"times": 1}])
    published = make("cv")
    assert published.outcome is (Outcome.PARTIAL if kind else Outcome.COMPLETE)
    reasons = {reason for (reason,) in answer("select pending_reason from analyses")}
    assert reasons == {kind}
    refuse_provider_talk(published, body)


def refuse_provider_talk(published: Published, body: str = "") -> None:
    """Fail where a page holds a provider's words; the papers' own are no matter."""
    assert published.report
    own = " ".join(text for (text,) in answer("select title || ' ' || abstract from papers"))
    own += " ".join(f"{sections}" for (sections,) in answer("select sections from fulltexts"))
    for page in (published.report, published.report.with_suffix(".html")):
        text = page.read_text(encoding="utf-8")
        for line in text.splitlines():
            said = html.unescape(re.sub(r"^[>\s]+|<[^>]+>|\\", "", line))
            assert not PROVIDER_TALK.search(said) or said in own
        for said in re.findall(r"[A-Za-z][\w .,:/-]{30,}", body):
            assert said not in text
