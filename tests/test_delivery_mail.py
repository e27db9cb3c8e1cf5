"""Mails: encrypted on their way, readable in any program, and nothing in them that a title put."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builders import a_digest, a_pick, an_analysis
from hypothesis import given
from hypothesis import strategies as st
from post import (
    READER,
    TO_READER,
    TODAY,
    PostOffice,
    a_certificate,
    knows_login,
    publish,
    said,
    send,
    stored,
    write_profile,
)

from broadsheet.config import load_settings
from broadsheet.delivery.letters import inlined, letter
from broadsheet.delivery.register import Key
from broadsheet.delivery.sheets import Paper, Sheet
from broadsheet.doctor import examine
from broadsheet.models import Article, Outcome
from broadsheet.rendering import render_html
from broadsheet.resources import project
from broadsheet.styles import load_style

PASSWORD = "correct-horse-9"
HOSTILE = "Kites\r\nBcc: everybody@example.org\r\n\r\n<script>alert(1)</script> & \u202ekites"


def a_sheet(**changed: object) -> Sheet:
    values: dict[str, object] = {
        "profile": "cv",
        "title": "The Kite",
        "date": TODAY,
        "outcome": Outcome.COMPLETE,
        "pending": 0,
        "papers": (Paper(paper_id="2601.00001", title="Kites", score=77),),
        "markdown": "# The Kite\n",
        "html": "<html><head><title>The Kite</title></head><body><p>Kites.</p></body></html>",
        "url": None,
    }
    return Sheet(**values | changed)  # type: ignore[arg-type]


KEY = Key(profile="cv", date=TODAY, target="ab" * 8)
STYLES = project("reports")


Open = Callable[[str], PostOffice]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Open]:
    """Opens a mail server that wants TLS, of that kind, and a login; its certificate is trusted."""
    context, file = a_certificate(tmp_path)
    opened: list[PostOffice] = []
    write_profile(tmp_path / "profiles", TO_READER)

    def open_(kind: str) -> PostOffice:
        tls = {"tls": {"ssl_context": context}, "starttls": {"tls_context": context}}[kind]
        wanted = {"require_starttls": True} if kind == "starttls" else {}
        login = {"authenticator": knows_login, "auth_required": True}
        if kind == "tls":  # aiosmtpd knows no encryption but that which it began itself
            login["auth_require_tls"] = False  # type: ignore[assignment]
        office = PostOffice(**tls, **wanted, **login)
        opened.append(office)
        for name, value in {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(office.port),
            "SMTP_SECURITY": kind,
            "SMTP_USER": "news",
            "SMTP_PASSWORD": PASSWORD,
            "MAIL_FROM": "news@example.org",
            "PROFILES": str(tmp_path / "profiles"),
        }.items():
            monkeypatch.setenv(f"BROADSHEET_{name}", value)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        publish("2601.00001")
        return office

    yield open_
    for office in opened:
        office.close()


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_mail_of_text_and_html_arrives_encrypted(guarded: Open, kind: str) -> None:
    office = guarded(kind)
    assert said(send()) == ["sent"]
    [mail] = office.mails
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail.get_content_type() == "multipart/alternative"
    assert text is not None and "Kites fly." in text.get_content()
    assert html is not None and "<p style=" in html.get_content()
    assert (str(mail["Subject"]), mail["To"]) == (f"The Kite · {TODAY}", READER)
    assert mail["List-Id"] == "<cv.broadsheet.example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.tzinfo is not None


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    guarded: Open, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = guarded(kind)
    monkeypatch.delenv("SSL_CERT_FILE")
    [one] = send()
    assert "certificate is not valid" in one.message
    assert (one.standing.value, office.mails) == ("parked", [])


def test_a_server_without_starttls_gets_neither_mail_nor_password(
    post_office: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_SMTP_SECURITY", "starttls")
    write_profile(tmp_path / "profiles", TO_READER)
    publish("2601.00001")
    [one] = send()
    assert "STARTTLS" in one.message
    assert post_office.mails == []


def test_a_wrong_password_is_said_and_not_shown(
    guarded: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    office = guarded("starttls")
    monkeypatch.setenv("BROADSHEET_SMTP_PASSWORD", "wrong-horse-8")
    with caplog.at_level(logging.DEBUG):
        [one] = send()
    assert "refused the login: 535" in one.message
    everything = f"{one!r} {caplog.text} {stored()} {examine()}"
    assert "wrong-horse-8" not in everything
    assert send() == []
    monkeypatch.setenv("BROADSHEET_SMTP_PASSWORD", PASSWORD)
    assert said(send()) == ["sent"]
    assert len(office.mails) == 1


def test_hostile_titles_make_no_header_and_no_markup(
    post_office: PostOffice, tmp_path: Path
) -> None:
    write_profile(tmp_path / "profiles", TO_READER)
    digest = a_digest(
        "cv",
        "en",
        Article(pick=a_pick(title=HOSTILE), analysis=an_analysis("cv", "en")),
        title=HOSTILE,
    )
    page = render_html(digest, load_style(load_settings(), "cv", "en"))
    mail = letter(a_sheet(title=HOSTILE, html=page), KEY, 0, "news@example.org", READER, STYLES)
    raw = mail.as_bytes()
    head = raw.split(b"\r\n\r\n")[0]
    assert b"\r\nBcc" not in head and b"\nBcc" not in head
    assert "everybody" in str(mail["Subject"])
    html = mail.get_body(("html",))
    assert html is not None and "<script" not in html.get_content()


@pytest.mark.parametrize("name", ["日报, täglich", '"Kite, The"', "", "O'Kite"])
def test_the_sender_may_have_any_name(name: str) -> None:
    sender = f"{name} <news@example.org>" if name else "news@example.org"
    mail = letter(a_sheet(), KEY, 0, sender, READER, STYLES)
    [address] = mail["From"].addresses
    assert (address.display_name, address.addr_spec) == (name.strip('"'), "news@example.org")


@given(title=st.text(max_size=200))
def test_any_title_is_one_header(title: str) -> None:
    mail = letter(a_sheet(title=title), KEY, 0, "news@example.org", READER, STYLES)
    head = mail.as_bytes().partition(b"\r\n\r\n")[0].decode("ascii")
    names = [line.split(":")[0] for line in head.split("\r\n") if line[0] not in " \t"]
    assert [name for name in names if names.count(name) > 1] == []
    assert set(names) == {
        *("From", "To", "Subject", "Date", "Message-ID", "List-Id", "Auto-Submitted"),
        *("MIME-Version", "Content-Type"),
    }


def test_lines_that_begin_with_a_dot_arrive_as_they_are(
    post_office: PostOffice, tmp_path: Path
) -> None:
    write_profile(tmp_path / "profiles", TO_READER)
    page = publish("2601.00001", report_sha256=None)
    page.write_text(".\n..\n.hidden\n\nThe end, in 漢字.\n", encoding="utf-8")
    send()
    [mail] = post_office.mails
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines() == [".", "..", ".hidden", "", "The end, in 漢字."]


def test_every_byte_is_ascii_and_no_line_is_too_long(
    post_office: PostOffice, tmp_path: Path
) -> None:
    write_profile(tmp_path / "profiles", TO_READER, title="日报" * 60)
    publish("2601.00001", html=f"<p>{'漢' * 5000}</p>")
    send()
    [raw] = post_office.raw
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322, 2.1.1
    assert raw.count(b"\n") == raw.count(b"\r\n")


def test_the_pages_styles_and_policies_are_replaced_by_the_mails() -> None:
    digest = a_digest("hf", "en", Article(pick=a_pick(), analysis=an_analysis("hf", "en")))
    page = render_html(digest, load_style(load_settings(), "hf", "en"))
    html = inlined(a_sheet(html=page, url="https://papers.example.org/?a=1&b=2"), STYLES)
    for word in ("<style", "var(--", "@media", "http-equiv", "color-scheme", "<link"):
        assert word in page or word == "<link"
        assert word not in html
    assert '<div class="page" style="' in html
    assert 'href="https://papers.example.org/?a=1&amp;b=2"' in html
    assert "2026-01-06</span>" in html and " · <span>" in html


def test_formulas_are_their_source() -> None:
    formula = "<math><mi>x</mi><annotation encoding='application/x-tex'>x^2</annotation></math>"
    html = inlined(a_sheet(html=f"<html><body><p>so {formula} is</p></body></html>"), STYLES)
    assert ">so x^2 is</p>" in html


def test_styles_of_ones_own_need_no_style_sheet_for_mails(tmp_path: Path) -> None:
    assert "style=" in inlined(a_sheet(), tmp_path)


def test_the_doctor_greets_the_server_and_sends_nothing(
    guarded: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = guarded("starttls")
    [line] = [one for one in examine() if "delivery cv" in one]
    assert line.startswith("ok    delivery cv to reader@example.org: 127.0.0.1:")
    assert line.endswith("answers; last sent: never")
    send()
    [line] = [one for one in examine() if "delivery cv" in one]
    assert line.endswith(f"last sent: {TODAY}")
    assert len(office.mails) == 1
    monkeypatch.setenv("BROADSHEET_SMTP_PORT", "9")
    [line] = [one for one in examine() if "delivery cv" in one]
    assert line.startswith("warn  delivery cv to reader@example.org: cannot mail by")
