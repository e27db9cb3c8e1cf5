"""Deliveries as flows and the command make them: after publishing, and never in its way."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders import DAY
from conftest import Web
from post import (
    OTHER,
    READER,
    TO_BOTH,
    TO_READER,
    TODAY,
    PostOffice,
    let_time_pass,
    publish,
    write_profile,
)
from test_events import an_openai_answer

from broadsheet.errors import StateError
from broadsheet.models import Outcome
from broadsheet.sample import SAMPLE_DATE, SampleWorld, serve
from broadsheet.services import program


@pytest.fixture
def world(
    server: None, post_office: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SampleWorld]:
    """The sample day, of which one profile's digest is to be mailed, as if it were today."""
    write_profile(tmp_path / "profiles", TO_READER)
    style = tmp_path / "profiles" / "cv.toml"
    style.write_text(style.read_text().replace("'cv'", "'hf'"))
    monkeypatch.setattr("broadsheet.delivery.delivering._recent", lambda _: {SAMPLE_DATE})
    with serve() as sample:
        monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", sample.huggingface_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", sample.arxiv_api_url)
        monkeypatch.setenv("BROADSHEET_ARXIV_URL", sample.arxiv_url)
        yield sample


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the events that are emitted, in order."""
    names: list[str] = []
    monkeypatch.setattr("tasks.events.emit_event", lambda event, **_: names.append(event))
    return names


def make() -> Any:
    from flows.digest import digest

    return digest("cv", SAMPLE_DATE, return_state=True)


def mend() -> Any:
    from flows.repair import repair

    return repair(return_state=True)


@pytest.mark.flow
def test_a_digest_run_twice_and_repaired_is_mailed_once(
    world: SampleWorld, post_office: PostOffice
) -> None:
    assert make().name == "Completed"
    make()
    mend()
    assert post_office.readers == [READER]


@pytest.mark.flow
def test_a_mail_server_that_is_down_fails_no_digest_and_the_next_repair_sends_it(
    world: SampleWorld, post_office: PostOffice, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        outage.setenv("BROADSHEET_SMTP_PORT", "9")
        assert make().result().outcome is Outcome.COMPLETE
    mend()  # not due yet
    assert post_office.readers == []
    let_time_pass()
    assert mend().type.value == "COMPLETED"
    assert post_office.readers == [READER]
    deliveries = [event for event in told if "delivery" in event]
    assert deliveries == ["broadsheet.delivery.failed", "broadsheet.delivery.recovered"]


@pytest.mark.flow
@pytest.mark.parametrize("error", [StateError("cannot use state"), RuntimeError("a defect")])
def test_whatever_goes_wrong_fails_no_digest(
    world: SampleWorld,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("broadsheet.delivery.delivering.deliver", fail)
    with caplog.at_level(logging.WARNING):
        assert make().result().outcome is Outcome.COMPLETE
    assert f"cannot deliver: {error}" in caplog.text


@pytest.mark.flow
@pytest.mark.parametrize(("is_resent", "count"), [("false", 1), ("true", 2)])
def test_a_digest_that_repair_completes_is_mailed_again_only_if_wished_for(
    world: SampleWorld,
    post_office: PostOffice,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    is_resent: str,
    count: int,
) -> None:
    monkeypatch.setenv("BROADSHEET_RESEND_COMPLETED", is_resent)
    monkeypatch.setenv("OPENAI_API_BASE", f"{web.url}/v1")
    monkeypatch.setenv("BROADSHEET_MODELS", "openai/any")
    web.respond = lambda path, query: (400, "no")
    assert make().result().outcome is Outcome.PARTIAL
    assert len(post_office.mails) == 1
    web.respond = lambda path, query: (200, an_openai_answer())
    [mended] = mend().result()
    assert mended.outcome is Outcome.COMPLETE
    mend()
    subjects = [f"The Kite · {SAMPLE_DATE}", f"The Kite · {SAMPLE_DATE} · complete"]
    assert [str(mail["Subject"]) for mail in post_office.mails] == subjects[:count]


def command(*arguments: str) -> tuple[int, str]:
    """The exit code of `broadsheet deliver` and what it says."""
    done = subprocess.run(
        [program("broadsheet"), "deliver", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_command_says_a_line_of_each_and_ends_with_1_where_one_failed(
    post_office: PostOffice, tmp_path: Path
) -> None:
    write_profile(tmp_path / "profiles", TO_BOTH)
    publish("2601.00001")
    publish("2601.00002", date=DAY)
    post_office.answers[OTHER] = "550 no such user"
    waiting = f"cv {TODAY} to {OTHER}: to be sent\ncv {TODAY} to {READER}: to be sent\n"
    assert command("--dry-run") == (0, waiting)
    code, said = command()
    refused, sent = said.splitlines()
    assert code == 1
    assert refused.startswith(f"cv {TODAY} to {OTHER}: failed: the mail server refused the reader")
    assert sent == f"cv {TODAY} to {READER}: sent"
    assert command() == (0, "nothing to deliver\n")
    post_office.answers.clear()
    assert command("--date", str(DAY), "--profile", "cv")[0] == 0
    assert post_office.readers == [READER, OTHER, READER]
    assert command("--again")[0] == 0
    assert len(post_office.readers) == 5


def test_the_command_imports_neither_prefect_nor_apprise(
    post_office: PostOffice, tmp_path: Path
) -> None:
    write_profile(tmp_path / "profiles", TO_READER)
    publish("2601.00001")
    script = (
        "import sys; from broadsheet.cli import app; app(['deliver'], standalone_mode=False);"
        " assert not {'prefect', 'apprise', 'litellm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(post_office.mails) == 1
