"""Kills and races: never two mails of one digest, and none that is lost without a word."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Web
from post import (
    READER,
    TO_CHAT,
    TO_READER,
    TODAY,
    PostOffice,
    let_time_pass,
    publish,
    said,
    send,
    write_profile,
)

from broadsheet import news
from broadsheet.config import load_settings
from broadsheet.delivery.delivering import Delivered
from broadsheet.doctor import examine

KILLED = """
import os, sys
from broadsheet.config import load_settings
from broadsheet.delivery.delivering import Request, deliver
from broadsheet.delivery.register import Register

stage = sys.argv[1]
hand_over, sent = Register.hand_over, Register.sent

def die_before(*arguments):
    os.kill(os.getpid(), 9)

def die_after(*arguments):
    hand_over(*arguments)
    os.kill(os.getpid(), 9)

if stage == "claimed":
    Register.hand_over = die_before
if stage == "handing over":
    Register.hand_over = die_after
if stage == "sent":
    Register.sent = die_before
deliver(Request(settings=load_settings()))
"""


def killed(stage: str) -> None:
    """A worker that is killed there."""
    done = subprocess.run([sys.executable, "-c", KILLED, stage], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


@pytest.fixture(params=["mail", "chat"])
def arrived(
    request: pytest.FixtureRequest,
    post_office: PostOffice,
    web: Web,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[object]:
    """What has arrived of one published digest, in a mailbox or in a chat."""
    web.respond = lambda path, query: (200, "ok")
    monkeypatch.setenv("CV_CHAT", web.url.replace("http://", "json://"))
    is_mail = request.param == "mail"
    write_profile(tmp_path / "profiles", TO_READER if is_mail else TO_CHAT)
    publish("2601.00001")
    return post_office.readers if is_mail else web.bodies  # type: ignore[return-value]


def test_killed_before_it_was_handed_over_it_is_sent_when_the_claim_ends(
    arrived: list[object],
) -> None:
    killed("claimed")
    assert (send(), arrived) == ([], [])  # the worker may still live
    let_time_pass()
    assert said(send()) == ["sent"]
    let_time_pass()
    assert send() == []
    assert len(arrived) == 1


def is_told(found: list[Delivered]) -> bool:
    """Whether it is news, and the doctor knows it."""
    [event] = news.unheard([news.of_delivery(one) for one in found], load_settings())
    [line] = [one for one in examine() if one.startswith(f"warn  delivery cv {TODAY}")]
    return event.event == "broadsheet.delivery.failed" and "--again" in line


@pytest.mark.parametrize(("stage", "count"), [("handing over", 0), ("sent", 1)])
def test_killed_while_handing_over_it_is_told_and_not_sent_without_being_asked(
    arrived: list[object], stage: str, count: int
) -> None:
    killed(stage)
    assert send() == []
    let_time_pass()
    unknown = send()
    assert said(unknown) == ["handing over"]
    assert "may have arrived" in str(unknown[0]) and "--again" in str(unknown[0])
    assert is_told(unknown)
    assert len(arrived) == count
    assert said(send(is_again=True)) == ["sent"]
    assert len(arrived) == count + 1


def test_one_that_is_sent_anew_after_a_kill_can_be_recognised(
    post_office: PostOffice, tmp_path: Path
) -> None:
    write_profile(tmp_path / "profiles", TO_READER)
    publish("2601.00001")
    killed("sent")
    let_time_pass()
    send(is_again=True)
    first, second = (mail["Message-ID"] for mail in post_office.mails)
    assert first == second


def test_a_server_that_is_silent_after_the_mails_end_gets_no_second_one(
    post_office: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(tmp_path / "profiles", TO_READER)
    publish("2601.00001")
    monkeypatch.setattr("broadsheet.delivery.mailing._TIMEOUT_SECONDS", 0.5)

    def slow() -> str:
        time.sleep(1.5)
        return "250 OK"

    post_office.at_end = slow
    [one] = send()
    assert (one.standing.value, "may have arrived" in one.message) == ("handing over", True)
    let_time_pass()
    assert said(send()) == ["handing over"]
    time.sleep(1.5)
    assert post_office.readers == [READER]


def _deliver_now(start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    send()


def test_of_many_workers_at_once_one_sends(post_office: PostOffice, tmp_path: Path) -> None:
    write_profile(tmp_path / "profiles", TO_READER)
    publish("2601.00001")

    def slow() -> str:
        time.sleep(0.3)
        return "250 OK"

    post_office.at_end = slow
    context = multiprocessing.get_context("spawn")
    start = time.time() + 4
    workers = [context.Process(target=_deliver_now, args=(start,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert post_office.readers == [READER]


def test_a_worker_that_was_suspended_past_its_claim_sends_nothing(
    post_office: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from broadsheet.delivery.register import Register

    write_profile(tmp_path / "profiles", TO_READER)
    publish("2601.00001")
    hand_over = Register.hand_over

    def suspended(*arguments: object) -> None:
        monkeypatch.setattr(Register, "hand_over", hand_over)
        let_time_pass()
        assert said(send()) == ["sent"]  # another worker
        hand_over(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Register, "hand_over", suspended)
    assert send() == []
    assert post_office.readers == [READER]
