"""Chats: one short message per digest, by Apprise; its tokens go nowhere."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Web, in_turn
from post import (
    TO_CHAT,
    TODAY,
    PostOffice,
    let_time_pass,
    publish,
    said,
    send,
    stored,
    write_profile,
)
from test_delivery_mail import KEY, a_sheet

from broadsheet.delivery.chatting import open_chat
from broadsheet.delivery.notices import harmless, notice
from broadsheet.delivery.sheets import Paper
from broadsheet.delivery.targets import Target
from broadsheet.doctor import examine
from broadsheet.models import Outcome
from broadsheet.redaction import REDACTED, redact_logs

TOKEN = "T0ken-9f8e7d6c5b4a"
CHAT = Target(kind="chat", name="CV_CHAT")


@pytest.fixture
def chat(post_office: PostOffice, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A chat of a published digest."""
    web.respond = lambda path, query: (200, "ok")
    monkeypatch.setenv("CV_CHAT", f"{web.url.replace('http://', 'json://')}/hook/{TOKEN}")
    write_profile(tmp_path / "profiles", TO_CHAT)
    publish("2601.00001")
    return web


def test_a_message_has_title_papers_scores_links_and_the_page(
    chat: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_SITE_URL", "https://papers.example.org/")
    assert said(send()) == ["sent"]
    assert send() == []
    [body] = chat.bodies
    message = json.loads(body)
    assert message["title"] == f"The Kite · {TODAY}"
    assert message["message"].split("\n") == [
        "50 · Title of 2601.00001",
        "https://arxiv.org/abs/2601.00001",
        "",
        f"https://papers.example.org/cv/{TODAY}.html",
    ]
    assert [path for path, _ in chat.requests] == [f"/hook/{TOKEN}"]
    assert chat.headers[0]["user-agent"] == "Broadsheet"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_service_in_trouble_is_tried_again_later(chat: Web, status: int) -> None:
    chat.respond = in_turn((status, "later"), (200, "ok"))
    assert said(send()) == ["failed"]
    assert send() == []
    let_time_pass()
    assert said(send()) == ["sent"]
    assert len(chat.bodies) == 2


def test_a_url_that_is_refused_waits_for_another(
    chat: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.respond = lambda path, query: (404, "no such hook") if TOKEN in path else (200, "ok")
    [one] = send()
    assert (one.standing.value, "status 404" in one.message) == ("parked", True)
    let_time_pass()
    assert send() == []
    monkeypatch.setenv("CV_CHAT", f"{chat.url.replace('http://', 'json://')}/hook/new")
    assert said(send()) == ["sent"]


def test_a_service_that_is_not_there_is_tried_again(
    chat: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{chat.url.replace('http://', 'json://')}/hook/{TOKEN}"
    monkeypatch.setenv("CV_CHAT", f"json://127.0.0.1:9/{TOKEN}")
    assert said(send()) == ["failed"]
    monkeypatch.setenv("CV_CHAT", url)
    let_time_pass()
    assert said(send()) == ["sent"]


def test_a_gateway_that_gave_up_may_have_passed_it_on(chat: Web) -> None:
    chat.respond = lambda path, query: (504, "gateway timeout")
    assert said(send()) == ["handing over"]


def test_a_service_that_breaks_off_may_have_it(chat: Web) -> None:
    def break_off(path: str, query: dict[str, str]) -> tuple[int, str]:
        raise ConnectionAbortedError

    chat.respond = break_off
    [one] = send()
    assert (one.standing.value, "may have arrived" in one.message) == ("handing over", True)
    let_time_pass()
    chat.respond = lambda path, query: (200, "ok")
    assert said(send()) == ["handing over"]
    assert len(chat.bodies) == 1


@pytest.fixture
def redacted() -> Iterator[None]:
    """Logs as they are in every command and flow run."""
    make = logging.getLogRecordFactory()
    redact_logs()
    yield
    logging.setLogRecordFactory(make)


@pytest.mark.parametrize("is_there", [True, False])
def test_the_token_is_shown_nowhere(
    chat: Web,
    redacted: None,
    is_there: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if not is_there:
        monkeypatch.setenv("CV_CHAT", f"json://user:{TOKEN}@127.0.0.1:9/{TOKEN}")
    chat.respond = lambda path, query: (500, f"what is {TOKEN}?")
    with caplog.at_level(logging.DEBUG):
        [one] = send()
        found = examine()
    assert REDACTED in caplog.text  # urllib3 and Apprise have said it
    assert TOKEN not in f"{one!r} {caplog.text} {stored()} {found}"


def test_what_apprise_logs_reaches_no_handler_of_others(chat: Web) -> None:
    send()
    assert not logging.getLogger("apprise").propagate


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "is not set"),
        ("what is this", "no chat that Apprise knows"),
        ("tgram://123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHI/1/2", "several chats"),
        ("json://127.0.0.1/?retry=3", "several chats, or retries"),
    ],
)
def test_what_names_no_single_chat_is_said(
    chat: Web, url: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CV_CHAT")
    if url:
        monkeypatch.setenv("CV_CHAT", url)
    [one] = send()
    assert (one.standing.value, message in one.message) == ("parked", True)
    assert [line for line in examine() if line.startswith("FAIL  delivery cv to CV_CHAT")]


def documented() -> list[str]:
    text = (Path(__file__).parents[1] / "docs" / "delivery.md").read_text(encoding="utf-8")
    return re.findall(r"^    export \w+='(\S+)'$", text, re.MULTILINE)


def test_the_documented_urls_each_name_one_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = documented()
    assert len(urls) >= 4
    for url in urls:
        monkeypatch.setenv("CV_CHAT", url)
        assert open_chat(CHAT).service_name


@pytest.mark.parametrize("limit", [200, 1600, 30000])
def test_a_message_is_as_long_as_the_chat_takes(limit: int) -> None:
    papers = tuple(Paper(paper_id=f"2601.{n:05}", title="Kite " * 30, score=n) for n in range(60))
    _, text = notice(a_sheet(papers=papers, url="https://papers.example.org/x"), KEY, limit)
    assert len(text) <= min(limit, 3500)
    shown = text.count("arxiv.org")
    assert f"… +{60 - shown}" in text
    assert text.endswith("https://papers.example.org/x")


def test_a_partial_digest_says_so_and_an_empty_message_is_none() -> None:
    sheet = a_sheet(outcome=Outcome.PARTIAL, pending=2)
    assert notice(sheet, KEY, 2000)[1].endswith("(partial: 2 pending)")
    assert notice(a_sheet(papers=()), KEY, 2000)[1] == "–"


@pytest.mark.parametrize(
    "title",
    ["@everyone", "<!channel> <@U1>", '<at user_id="all">', "[a](http://b.c)", "`x` http://b.c"],
)
def test_a_title_pings_nobody_and_links_nowhere(title: str) -> None:
    shown = harmless(title)
    assert not re.search(r"[@<>`]|\]\(|://", shown)
    assert harmless("Recall\r\n/tg me\u202e") == "Recall /tg me"
