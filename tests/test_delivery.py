"""Deliveries: each once, however often it is run; what fails is tried again and stops nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from builders import DAY
from post import (
    OTHER,
    READER,
    TO_BOTH,
    TO_READER,
    TODAY,
    PostOffice,
    let_time_pass,
    publish,
    said,
    send,
    stored,
    write_profile,
)

from broadsheet import news
from broadsheet.config import load_profile, load_settings
from broadsheet.delivery.register import PATIENCE_SECONDS, WAITS_SECONDS, Entry, Standing, verdict
from broadsheet.errors import NotSent, UsageError
from broadsheet.models import Outcome


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    return tmp_path / "profiles"


def test_a_digest_is_mailed_once_however_often_it_is_run(
    post_office: PostOffice, profiles: Path
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    assert said(send()) == ["sent"]
    assert send() == []
    assert send(date=TODAY) == []
    assert post_office.readers == [READER]


def test_sent_again_on_request_it_is_another_mail(post_office: PostOffice, profiles: Path) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    send()
    send(is_again=True)
    first, second = (mail["Message-ID"] for mail in post_office.mails)
    assert first != second


@pytest.mark.parametrize(
    ("more", "count"),
    [
        ({"outcome": "empty"}, 0),
        ({"origin": "imported"}, 0),
        ({"origin": "sample"}, 0),
        ({"date": TODAY - dt.timedelta(days=4)}, 0),
        ({"date": TODAY - dt.timedelta(days=3)}, 1),
        ({"report_sha256": "0" * 64}, 0),  # killed between lake and page
    ],
)
def test_only_what_is_made_here_recent_and_whole_is_delivered_by_itself(
    post_office: PostOffice, profiles: Path, more: dict[str, object], count: int
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001", **more)  # type: ignore[arg-type]
    send()
    assert len(post_office.mails) == count


def test_an_old_digest_is_delivered_when_its_date_is_given(
    post_office: PostOffice, profiles: Path
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001", date=DAY)
    assert send() == []
    assert said(send(date=DAY)) == ["sent"]


def test_a_dry_run_says_what_is_due_and_sends_nothing(
    post_office: PostOffice, profiles: Path
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    [one] = send(is_dry=True)
    assert str(one) == f"cv {TODAY} to {READER}: to be sent"
    assert post_office.mails == []
    assert said(send()) == ["sent"]


def test_what_failed_for_a_while_arrives_once_when_it_is_due(
    post_office: PostOffice, profiles: Path
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    post_office.at_end = lambda: "451 try again later"
    assert said(send()) == ["failed"]
    post_office.at_end = lambda: "250 OK"
    assert send() == []  # not due yet
    let_time_pass()
    assert said(send()) == ["sent"]
    let_time_pass()
    assert send() == []
    assert post_office.readers == [READER]


def test_a_server_that_is_down_is_tried_once_and_all_arrives_later(
    post_office: PostOffice, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(profiles, TO_BOTH)
    publish("2601.00001")
    with monkeypatch.context() as outage:
        outage.setenv("BROADSHEET_SMTP_PORT", "9")
        assert said(send()) == ["failed"]
    let_time_pass()
    assert said(send()) == ["sent", "sent"]
    assert sorted(post_office.readers) == [OTHER, READER]


def test_a_refused_reader_stops_no_other_and_waits_for_a_change(
    post_office: PostOffice, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(profiles, TO_BOTH)
    publish("2601.00001")
    post_office.answers[OTHER] = "550 no such user"
    refused, sent = send()
    assert (refused.standing, sent.standing) == (Standing.PARKED, Standing.SENT)
    assert "550 no such user" in str(refused)
    let_time_pass()
    assert send() == []  # for good
    post_office.answers.clear()
    monkeypatch.setenv("BROADSHEET_MAIL_FROM", "elsewhere@example.org")
    assert said(send()) == ["sent"]
    assert post_office.readers == [READER, OTHER]


def test_what_is_not_set_is_said_and_waits_until_it_is(
    post_office: PostOffice, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    with monkeypatch.context() as unset:
        unset.delenv("BROADSHEET_MAIL_FROM")
        [one] = send()
    assert (one.standing, one.message) == (Standing.PARKED, "cannot mail: mail_from is not set")
    assert said(send()) == ["sent"]


@pytest.mark.parametrize(("is_resent", "subjects"), [("false", 1), ("true", 2)])
def test_a_partial_digest_that_completes_is_sent_again_only_if_wished_for(
    post_office: PostOffice,
    profiles: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_resent: str,
    subjects: int,
) -> None:
    monkeypatch.setenv("BROADSHEET_RESEND_COMPLETED", is_resent)
    write_profile(profiles, TO_READER)
    publish("2601.00001", outcome="partial", pending=["2601.00001"])
    send()
    send()
    assert len(post_office.mails) == 1
    publish("2601.00001")
    send()
    send()
    told = [f"The Kite · {TODAY}", f"The Kite · {TODAY} · complete"]
    assert [str(mail["Subject"]) for mail in post_office.mails] == told[:subjects]
    assert len({mail["Message-ID"] for mail in post_office.mails}) == subjects


def test_a_partial_digest_that_completes_after_its_time_is_still_sent_again(
    post_office: PostOffice, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_RESEND_COMPLETED", "true")
    write_profile(profiles, TO_READER)
    publish("2601.00001", date=DAY, outcome="partial", pending=["2601.00001"])
    send(date=DAY)
    publish("2601.00001", date=DAY)
    assert said(send()) == ["sent"]
    assert send() == []


def test_one_that_could_not_be_sent_while_partial_is_sent_once_when_complete(
    post_office: PostOffice, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_RESEND_COMPLETED", "true")
    write_profile(profiles, TO_READER)
    publish("2601.00001", outcome="partial", pending=["2601.00001"])
    post_office.at_end = lambda: "451 later"
    send()
    post_office.at_end = lambda: "250 OK"
    publish("2601.00001")
    let_time_pass()
    send()
    send()
    assert len(post_office.mails) == 1


def test_what_was_begun_is_tried_whatever_its_age_and_nothing_else_of_that_day(
    post_office: PostOffice, profiles: Path
) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001", date=DAY)
    post_office.at_end = lambda: "451 later"
    send(date=DAY)
    post_office.at_end = lambda: "250 OK"
    write_profile(profiles, TO_BOTH)
    let_time_pass()
    send()
    assert post_office.readers == [READER]


def an_entry(attempts: int = 1, began_at: float = 0.0) -> Entry:
    return Entry(Standing.CLAIMED, Outcome.COMPLETE, "me", 0.0, attempts, 0, began_at, 0.0)


def test_waits_grow_and_end_after_five_days() -> None:
    waits = [verdict(an_entry(n), NotSent.TEMPORARY, 100.0)[1] - 100.0 for n in range(1, 8)]
    assert waits == [*WAITS_SECONDS, WAITS_SECONDS[-1], WAITS_SECONDS[-1]]
    late = verdict(an_entry(9), NotSent.TEMPORARY, PATIENCE_SECONDS + 1)
    assert late[0] is Standing.PARKED
    assert verdict(an_entry(), NotSent.PERMANENT, 0.0)[0] is Standing.PARKED
    assert verdict(an_entry(), NotSent.UNKNOWN, 0.0)[0] is Standing.HANDING


def test_a_clock_that_was_put_back_holds_no_claim() -> None:
    entry = Entry(Standing.CLAIMED, Outcome.COMPLETE, "me", 5000.0, 1, 0, 4100.0, 4100.0)
    assert entry.is_due(1000.0, "")
    assert not entry.is_due(4200.0, "")


def test_a_failure_is_told_once_and_so_is_its_end(post_office: PostOffice, profiles: Path) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    post_office.at_end = lambda: "451 later"
    told = []
    for _ in range(2):
        let_time_pass() if told else None
        told.append(unheard())
    post_office.at_end = lambda: "250 OK"
    let_time_pass()
    told.append(unheard())
    assert told == [["broadsheet.delivery.failed"], [], ["broadsheet.delivery.recovered"]]


def unheard() -> list[str]:
    found = [news.of_delivery(one) for one in send()]
    return [one.event for one in news.unheard(found, load_settings())]


def test_what_is_delivered_as_usual_is_no_news(post_office: PostOffice, profiles: Path) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    assert unheard() == []


def test_one_profile_that_cannot_be_used_stops_no_other(
    post_office: PostOffice, profiles: Path
) -> None:
    write_profile(profiles, TO_READER)
    write_profile(profiles, "[[delivery]]\nto = []\n", name="broken")
    publish("2601.00001")
    assert said(send()) == ["sent"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("two = ['a@b.org']", "nearest valid name: to"),
        ("to = ['no address']", "delivery"),
        ('to = ["a@b.org\\r\\nBcc: x@b.org"]', "delivery"),
        ("to = ['a@b.org']\nurl_variable = 'X'", "either to or url_variable"),
        ("url_variable = 'slack://token'", "delivery"),
        ("url_variable = 'BROADSHEET_X'", "another name"),
    ],
)
def test_a_delivery_that_cannot_be_is_refused(
    post_office: PostOffice, profiles: Path, table: str, message: str
) -> None:
    write_profile(profiles, f"[[delivery]]\n{table}\n")
    with pytest.raises(UsageError) as refused:
        load_profile(load_settings(), "cv")
    assert message in f"{refused.value} {refused.value.remedy}"


def test_the_password_is_refused_in_a_file_and_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('smtp_password = "correct-horse-9"')
    with pytest.raises(UsageError) as refused:
        load_settings({"BROADSHEET_CONFIG": str(file)})
    assert "BROADSHEET_SMTP_PASSWORD" in refused.value.remedy
    assert "horse" not in str(refused.value)
    given = load_settings({"BROADSHEET_SMTP_PASSWORD": "correct-horse-9"})
    assert "horse" not in repr(given)


def test_a_login_needs_encryption() -> None:
    with pytest.raises(UsageError, match="starttls or tls"):
        load_settings({"BROADSHEET_SMTP_USER": "news", "BROADSHEET_SMTP_SECURITY": "none"})


def test_the_register_holds_no_address(post_office: PostOffice, profiles: Path) -> None:
    write_profile(profiles, TO_READER)
    publish("2601.00001")
    send()
    assert READER not in repr(stored())


def test_the_register_is_the_same_in_postgres(
    post_office: PostOffice, profiles: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_STATE", postgres)
    write_profile(profiles, TO_BOTH)
    publish("2601.00001")
    post_office.answers[OTHER] = "550 no such user"
    assert said(send()) == ["parked", "sent"]
    assert send() == []
    assert said(send(is_again=True)) == ["parked", "sent"]
