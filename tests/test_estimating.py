"""`broadsheet run --estimate`: what would be asked and paid; nobody is, nothing is published."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import an_answer
from conftest import Web

from broadsheet.analysis import answers
from broadsheet.analysis.ledger import Ledger
from broadsheet.config import Settings, load_settings
from broadsheet.describing import describe
from broadsheet.errors import SourceUnavailable
from broadsheet.estimating import Asking, Estimate, budgets_left, estimate, estimate_plan
from broadsheet.lake import Lake
from broadsheet.models import Answer
from broadsheet.planning import plan_range
from broadsheet.sample import SAMPLE_DATE, serve
from broadsheet.state import State

PROFILE = 'title = "T"\nstyle = "hf"\nlanguage = "zh"\n'
PRICED = '[[models]]\nname = "openai/{}"\ninput_usd_per_mtok = {}\noutput_usd_per_mtok = {}\n'
MANY = 'sources = ["huggingface", "arxiv"]\ncategories = ["cs.CL"]\n'


@pytest.fixture(autouse=True)
def sample_day(monkeypatch: pytest.MonkeyPatch, web: Web) -> Iterator[None]:
    """The sources are the sample's: eight papers; a model's endpoint is the test's own server."""
    monkeypatch.setenv("OPENAI_API_BASE", web.url)
    with serve() as world:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", world.huggingface_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", world.arxiv_api_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_URL", world.arxiv_url)
        yield


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Write a settings file and profiles, and put them in force."""

    def write(settings: str = "", **profiles: str) -> None:
        (tmp_path / "settings.toml").write_text(settings)
        (tmp_path / "profiles").mkdir(exist_ok=True)
        for name, text in profiles.items():
            (tmp_path / "profiles" / f"{name}.toml").write_text(text)
        monkeypatch.setenv("BROADSHEET_CONFIG", str(tmp_path / "settings.toml"))
        monkeypatch.setenv("BROADSHEET_PROFILES", str(tmp_path / "profiles"))

    return write


def asked_keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the questions whose answers an estimate looks for."""
    keys: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(answers, "find", lambda lake, key: keys.append(key))
        estimate(["a"], SAMPLE_DATE)
    return keys


def store(*stored: Answer) -> None:
    lake = Lake(load_settings().lake_root)
    for answer in stored:
        answers.save(lake, answer)


def written() -> set[str]:
    """What there is below the home, folders of the lake by table."""
    home = load_settings().home
    tops = {path.name for path in home.iterdir()} - {"lake", "state.sqlite.locks"}
    return tops | {path.name for path in (home / "lake").iterdir()}


def test_every_selected_paper_without_an_answer_is_to_be_asked_about(
    configure: Callable[..., None],
) -> None:
    configure(PRICED.format("x", 2.0, 10.0), a=PROFILE)
    [found] = estimate(["a"], SAMPLE_DATE)
    assert (found.profile, found.date) == ("a", SAMPLE_DATE)
    assert (found.listed, found.selected, found.answered, found.to_ask) == (8, 8, 0, 8)
    [asking] = found.asked
    assert (asking.model, asking.papers) == ("openai/x", 8)


def test_without_a_date_it_is_the_newest(configure: Callable[..., None]) -> None:
    configure(a=PROFILE)
    assert [one.date for one in estimate(["a"])] == [SAMPLE_DATE]


def test_only_facts_are_written_and_no_model_is_asked(
    configure: Callable[..., None], web: Web
) -> None:
    configure(PRICED.format("x", 2.0, 10.0), a=PROFILE)
    estimate(["a"], SAMPLE_DATE)
    assert written() == {"listings", "fulltexts"}
    assert web.requests == []


def test_dollars_are_tokens_at_their_price_and_at_most_is_asked_twice(
    configure: Callable[..., None],
) -> None:
    configure(PRICED.format("x", 2.0, 10.0) + "max_output_tokens = 3000\n", a=PROFILE)
    [asking] = estimate(["a"], SAMPLE_DATE)[0].asked
    about = (asking.prompt_tokens * 2.0 + asking.completion_tokens * 10.0) / 1e6
    most = (asking.prompt_tokens_at_most * 2.0 + asking.completion_tokens_at_most * 10.0) / 1e6
    assert asking.cost_usd == pytest.approx(about)
    assert asking.cost_usd_at_most == pytest.approx(most)
    assert asking.completion_tokens_at_most == 2 * 8 * 3000
    assert asking.prompt_tokens_at_most > 2 * asking.prompt_tokens + 8 * 3000
    assert 0 < asking.completion_tokens < 8 * 3000


@pytest.mark.parametrize("name", ["openai/unheard-of", "paid-maker/unheard-of"])
def test_an_unknown_price_makes_the_dollars_unknown(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    configure("budget_usd_per_day = 1.0\n", a=PROFILE)
    monkeypatch.setenv("BROADSHEET_MODELS", name)
    [asking] = estimate(["a"], SAMPLE_DATE)[0].asked
    assert (asking.cost_usd, asking.cost_usd_at_most) == (None, None)
    assert asking.prompt_tokens > 0


def test_what_is_answered_already_costs_nothing(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(PRICED.format("x", 2.0, 10.0), a=PROFILE)
    keys = asked_keys(monkeypatch)
    store(*(an_answer(key=key) for key in keys[:5]))
    [found] = estimate(["a"], SAMPLE_DATE)
    assert (found.selected, found.answered, found.to_ask) == (8, 5, 3)
    store(*(an_answer(key=key) for key in keys))
    [found] = estimate(["a"], SAMPLE_DATE)
    assert (found.answered, found.asked) == (8, ())


def test_a_model_that_has_declined_is_not_asked_but_the_next_one_is(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(PRICED.format("x", 2.0, 10.0) + PRICED.format("y", 0.0, 0.0), a=PROFILE)
    store(*(an_answer(key=key, text="", fault="content") for key in asked_keys(monkeypatch)[:3]))
    [found] = estimate(["a"], SAMPLE_DATE)
    assert [(asking.model, asking.papers) for asking in found.asked] == [
        ("openai/x", 5),
        ("openai/y", 3),
    ]
    assert found.asked[1].cost_usd_at_most == 0.0


def test_an_answer_that_cannot_be_used_is_asked_for_again(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(PRICED.format("x", 2.0, 10.0), a=PROFILE)
    store(an_answer(key=asked_keys(monkeypatch)[0], text="no JSON"))
    [found] = estimate(["a"], SAMPLE_DATE)
    assert (found.answered, found.to_ask) == (0, 8)


def test_a_question_that_two_profiles_ask_is_counted_once(configure: Callable[..., None]) -> None:
    configure(PRICED.format("x", 2.0, 10.0), a=PROFILE, b=PROFILE)
    first, second = estimate(["a", "b"], SAMPLE_DATE)
    assert (first.to_ask, first.answered) == (8, 0)
    assert (second.to_ask, second.answered) == (0, 8)


def test_a_range_beyond_the_first_texts_is_taken_to_be_like_them(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(PRICED.format("one", 1, 1), a=PROFILE)
    plan = plan_range(SAMPLE_DATE, SAMPLE_DATE, ["a"])
    monkeypatch.setattr("broadsheet.estimating._TEXTS_TO_READ", 3)
    [some] = estimate_plan(plan)
    assert (some.unread, some.asked[0].papers) == (5, 8)
    monkeypatch.setattr("broadsheet.estimating._TEXTS_TO_READ", 100)
    [all_read] = estimate_plan(plan)
    assert (all_read.unread, all_read.to_ask) == (0, 8)
    mean_of_first = some.asked[0].prompt_tokens / 8
    assert 0.3 < mean_of_first / (all_read.asked[0].prompt_tokens / 8) < 3
    assert some.asked[0].prompt_tokens_at_most >= all_read.asked[0].prompt_tokens_at_most


def test_a_long_range_is_described_by_its_sum(configure: Callable[..., None]) -> None:
    configure(PRICED.format("one", 1, 1), a=PROFILE)
    many = describe([an_estimate(an_asking())] * 21)
    assert many[0].startswith("21 digests from ")
    assert many[1].startswith(f"  {an_asking().model}: {21 * an_asking().papers} papers")
    assert len(many) == 3


def test_without_a_model_no_text_is_read_and_nothing_asked(
    configure: Callable[..., None],
) -> None:
    configure(a=PROFILE)
    [found] = estimate(["a"], SAMPLE_DATE)
    assert (found.selected, found.answered, found.asked) == (8, 0, ())
    assert written() == {"listings"}


def test_answers_are_as_long_as_lately(configure: Callable[..., None]) -> None:
    configure(PRICED.format("x", 2.0, 10.0), a=PROFILE)
    usual: dict[str, Any] = {"model": "openai/x", "style": "hf", "language": "zh"}
    rows = [{**usual, "paper_id": str(n), "completion_tokens": n} for n in (70, 700, 900)]
    others = [
        {**usual, "completion_tokens": 5, "paper_id": "m", "model": "openai/y"},
        {**usual, "completion_tokens": 5, "paper_id": "s", "style": "cv"},
        {**usual, "completion_tokens": 5, "paper_id": "l", "language": "en"},
    ]
    Lake(load_settings().lake_root).write("analyses", [*rows, *others], "a", date=SAMPLE_DATE)
    [asking] = estimate(["a"], SAMPLE_DATE)[0].asked
    assert asking.completion_tokens == 8 * 700


def test_a_source_that_is_down_is_the_error_of_a_run(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    configure("http_attempts = 1\n", a=PROFILE)
    web.respond = lambda path, query: (503, "down")
    monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", web.url)
    with pytest.raises(SourceUnavailable):
        estimate(["a"], SAMPLE_DATE)


def test_one_of_two_sources_that_is_down_is_told(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, web: Web
) -> None:
    configure("http_attempts = 1\n", a=PROFILE + MANY)
    web.respond = lambda path, query: (503, "down")
    monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", web.url)
    [found] = estimate(["a"], SAMPLE_DATE)
    assert (found.missing_sources, found.listed) == (("arxiv",), 8)
    assert "8 listed, without arxiv, 8 selected" in describe([found])[0]


def test_budgets_leave_what_is_neither_spent_nor_reserved(tmp_path: Path) -> None:
    caps = {"budget_usd_per_run": 0.3, "budget_usd_per_day": 1.0, "budget_usd_per_month": 0.6}
    settings = Settings(home=tmp_path, **caps)
    ledger = Ledger(State(settings.state_store), settings, "another run")
    ledger.settle(ledger.reserve("maker/any", 0.2, 60.0), 0.25)
    ledger.reserve("maker/any", 0.05, 60.0)
    assert budgets_left(settings) == {
        "run": 0.3,
        "day": pytest.approx(0.7),
        "month": pytest.approx(0.3),
    }


def test_without_a_budget_nothing_is_left_and_no_state_made(tmp_path: Path) -> None:
    assert budgets_left(Settings(home=tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []


def an_asking(cost_usd: float | None = 0.02, **changed: Any) -> Asking:
    values: dict[str, Any] = {
        "model": "openai/x",
        "papers": 3,
        "prompt_tokens": 12_000,
        "prompt_tokens_at_most": 60_000,
        "completion_tokens": 2400,
        "completion_tokens_at_most": 24_576,
        "cost_usd": cost_usd,
        "cost_usd_at_most": None if cost_usd is None else 5 * cost_usd,
    }
    return Asking(**values | changed)


def an_estimate(*asked: Asking) -> Estimate:
    return Estimate(profile="a", date=SAMPLE_DATE, listed=20, selected=7, answered=1, asked=asked)


def test_words_tell_papers_tokens_dollars_total_and_budgets(
    configure: Callable[..., None],
) -> None:
    configure("budget_usd_per_day = 1.5\n" + PRICED.format("x", 2.0, 10.0))
    free = an_asking(0.0, model="openai/y")
    assert describe([an_estimate(an_asking(), free), an_estimate()]) == [
        "a 2026-01-06: 20 listed, 7 selected, 1 answered already, 6 to ask",
        "  openai/x: 3 papers, 12,000 tokens in (at most 60,000), 2,400 out (at most 24,576),"
        " about $0.0200, at most $0.1000",
        "  openai/y: 3 papers, 12,000 tokens in (at most 60,000), 2,400 out (at most 24,576),"
        " about $0.0000, at most $0.0000",
        "a 2026-01-06: 20 listed, 7 selected, 1 answered already, 0 to ask",
        "total: 6 papers, about $0.0200, at most $0.1000",
        "budgets leave $1.5000 per day",
    ]


def test_words_own_up_to_unknown_prices(configure: Callable[..., None]) -> None:
    configure(PRICED.format("x", 2.0, 10.0))
    mixed = describe([an_estimate(an_asking(), an_asking(None))])
    assert mixed[2].endswith("2,400 out (at most 24,576), price unknown")
    assert mixed[3] == (
        "total: 6 papers, about $0.0200, at most $0.1000, and 3 papers at an unknown price"
    )
    assert describe([an_estimate(an_asking(None))])[-1] == "total: 3 papers, price unknown"


def test_words_for_nothing(configure: Callable[..., None]) -> None:
    configure(PRICED.format("x", 2.0, 10.0))
    assert describe([an_estimate()])[-1] == "total: nothing to ask, nothing to pay"
    configure()
    assert "no model is configured" in describe([an_estimate()])[-1]


def command(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from broadsheet import cli\n"
        "try: cli.main()\n"
        "finally: print(sorted({'prefect', 'litellm'} & set(sys.modules)))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "run", "--estimate", *args],
        env={**os.environ, **env},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_prints_an_estimate_without_prefect_or_litellm() -> None:
    done = command("--sample", "--profile", "hf", BROADSHEET_MODELS="gemini/gemini-2.5-flash")
    assert done.returncode == 0, done.stderr
    first, model, total, loaded = done.stdout.splitlines()
    assert first == "hf 2026-01-06: 8 listed, 8 selected, 0 answered already, 8 to ask"
    assert model.startswith("  gemini/gemini-2.5-flash: 8 papers, ")
    assert total.startswith("total: 8 papers, about $0.0")
    assert loaded == "[]"
    assert "selected 8 of 8 papers for hf 2026-01-06" in done.stderr
    assert "read 8/8 for hf 2026-01-06" in done.stderr


def test_the_command_fails_as_a_run_where_a_source_is_down(web: Web) -> None:
    web.respond = lambda path, query: (503, json.dumps({"error": "down"}))
    down = {"BROADSHEET_HUGGINGFACE_URL": web.url, "BROADSHEET_HTTP_ATTEMPTS": "1"}
    done = command("--profile", "hf", "--date", "2026-01-06", **down)
    assert done.returncode == 1
    assert done.stderr.startswith("broadsheet: source huggingface is unavailable: HTTP 503")
    assert done.stderr.count("\n") == 1
