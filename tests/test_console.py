"""The prompt of `broadsheet sql`: it answers, completes, says what is wrong, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import write_digest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from broadsheet import console
from broadsheet.config import load_settings
from broadsheet.lake import Lake


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one digest."""
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path))
    write_digest(Lake(str(tmp_path / "lake")), ["2601.00001"])
    return tmp_path


def session(*lines: str | type[BaseException]) -> list[str]:
    """What a session says to these lines, beside the answers."""
    waiting: Iterator[str | type[BaseException]] = iter([*lines, EOFError])
    said: list[str] = []

    def read() -> str:
        line = next(waiting)
        if isinstance(line, str):
            return line
        raise line

    console.Console(load_settings()).run(read, said.append)
    return said


def test_sql_and_questions_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        session("select 40 + 2 as n;", "story paper_id='2601.00001'", ".format csv", "overlap")
        == []
    )
    shown = capsys.readouterr().out
    assert "42" in shown
    assert "featured" in shown
    assert "profile,other,papers" in shown


def test_an_error_is_said_and_the_session_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    said = session(
        "nonsense", "select x;", "story", "trends 'x", ".nothing", ".format pdf", "select 1;"
    )
    assert [line.split("\n")[0].split(":")[0] for line in said] == [
        "no question named nonsense; --list shows all; SQL reads",
        "cannot run query",
        "story needs paper_id; add --param paper_id=…",
        'cannot read "trends \'x"',
        "no command .nothing; there are .help, .list, .tables .format .quit",
        "no format 'pdf' for a terminal; see .help",
    ]
    assert "1" in capsys.readouterr().out


def test_ctrl_c_gives_up_the_line_and_quit_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert session(KeyboardInterrupt, ".quit", "select 1;") == [
        "given up; .quit or Ctrl-D to leave"
    ]
    assert capsys.readouterr().out == ""


def test_help_tables_and_questions_are_told() -> None:
    said = "\n".join(session(".help", ".tables", ".list"))
    assert "semicolon" in said
    assert "upvote_history" in said
    assert "recurring_authors" in said


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("from upvote_h", "upvote_history"),
        ("select count(papers_f", None),
        ("select reading_so", "reading_source"),
        ("recurr", "recurring_authors"),
        ("trends da", "days="),
        (".form", ".format"),
        ("sel", "select"),
    ],
)
def test_names_are_completed(typed: str, offered: str | None) -> None:
    found = [c.text for c in console.Names().get_completions(Document(typed), CompleteEvent())]
    assert (offered in found) if offered else found == []


@pytest.mark.parametrize(
    ("typed", "is_whole"),
    [
        ("select 1", False),
        ("select 1;", True),
        ("trends days=7", True),
        (".list", True),
        ("", True),
        ("from\n", False),
    ],
)
def test_enter_ends_what_is_whole(typed: str, is_whole: bool) -> None:
    assert console.is_whole(typed) is is_whole


def test_the_prompt_reads_lines_and_remembers_them(home: Path) -> None:
    from prompt_toolkit.application import create_app_session

    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        prompt = console.open_prompt(home / "state" / "sql_history")
        keys.send_text("select\r1;\r")
        assert prompt.prompt() == "select\n1;"
    assert "+select" in (home / "state" / "sql_history").read_text()
