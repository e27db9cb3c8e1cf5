"""`broadsheet sql` called bare on a terminal: a prompt with history and completion."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from broadsheet import asking, printing
from broadsheet.config import Settings
from broadsheet.errors import BroadsheetError, UsageError
from broadsheet.queries import query
from broadsheet.views import FRONT_NAMES

HELP = """\
SQL ends with a semicolon. A question is its name and its parameters: trends days=7
.list       the named questions        .format F   table, csv, json or markdown
.tables     what can be read from      .quit       or Ctrl-D"""

_KEYWORDS = (
    "select from where group by order by limit join left join on using having distinct count sum"
    " avg max min as and or not in is null like between case when then else end with union all"
    " asc desc qualify over partition by unnest describe summarize"
)


class Console:
    """What one session at the prompt knows: how it prints, and what it can complete."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._format = settings, "table"

    def run(self, read: Callable[[], str], say: Callable[[str], None] = print) -> None:
        """Answer what is read until it ends; an error is said, and the session goes on.

        Args:
            read: the next line or statement; raises `EOFError` at the end.
            say: shows a line to whoever asks.
        """
        while True:
            try:
                line = read().strip()
                if line in (".quit", ".exit", "exit", "quit"):
                    return
                if line:
                    self._respond(line, say)
            except EOFError:
                return
            except KeyboardInterrupt:
                say("given up; .quit or Ctrl-D to leave")
            except BroadsheetError as error:
                say(f"{error}; {error.remedy}" if error.remedy else str(error))

    def _respond(self, line: str, say: Callable[[str], None]) -> None:
        word, _, rest = line.partition(" ")
        if word == ".format":
            self._choose(rest.strip())
        elif word in _SAID:
            say(_SAID[word]())
        elif word.startswith("."):
            raise UsageError(f"no command {word}", f"there are {', '.join(_SAID)} .format .quit")
        else:
            printing.write(self._answer(line), self._format)

    def _choose(self, format: str) -> None:
        if format not in printing.FORMATS or format == "parquet":
            raise UsageError(f"no format {format!r} for a terminal", "see .help")
        self._format = format

    def _answer(self, line: str) -> pa.Table:
        """The answer to a question with its parameters, or to SQL."""
        names = [question.short_name for question in asking.named()]
        if line.split()[0].rstrip(";") not in names:
            return asking.answer(asking.find(line), {}, self._settings)
        try:
            name, *pairs = shlex.split(line.rstrip(";"))
        except ValueError as error:
            raise UsageError(f"cannot read {line!r}: {error}", "close the quotes") from error
        values = dict(asking.pair(pair) for pair in pairs)
        return asking.answer(asking.find(name), values, self._settings)


class Names(Completer):
    """Completes tables, their columns, questions with their parameters, and SQL's words."""

    def __init__(self) -> None:
        self._questions = {q.short_name: q for q in asking.named()}
        self._words = completions()

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterator[Completion]:
        """What may stand where the cursor is, parameters of a named question first."""
        word = document.get_word_before_cursor(WORD=True).rpartition("(")[2].rpartition(",")[2]
        before = document.text_before_cursor.split()
        if before and before[0] in self._questions and len(before) + (not word) > 1:
            params = self._questions[before[0]].params
            words: Mapping[str, str] = {f"{name}=": "parameter" for name in params}
        else:
            words = self._words
        for known, kind in words.items():
            if word and known.lower().startswith(word.lower()):
                yield Completion(known, start_position=-len(word), display_meta=kind)


def completions() -> Mapping[str, str]:
    """Every word that can be completed, and what it is."""
    words = {question.short_name: "question" for question in asking.named()}
    columns = {column: "column" for view in FRONT_NAMES.values() for column in query(view).columns}
    tables = dict.fromkeys(FRONT_NAMES, "table")
    commands = dict.fromkeys([*_SAID, ".format", ".quit"], "command")
    keywords = dict.fromkeys(_KEYWORDS.split(), "SQL")
    return {**keywords, **columns, **words, **tables, **commands}


def _tables() -> str:
    return "\n".join(f"{name:16}{query(view).about}" for name, view in FRONT_NAMES.items())


_SAID: Mapping[str, Callable[[], str]] = {
    ".help": lambda: HELP,
    ".list": lambda: "\n".join(asking.list_questions()),
    ".tables": _tables,
}


def open_prompt(history: Path) -> PromptSession[str]:
    """A prompt on this terminal: Enter ends a question's name, a command, or SQL with its `;`."""
    history.parent.mkdir(parents=True, exist_ok=True)
    return PromptSession(
        "broadsheet> ",
        history=FileHistory(str(history)),
        completer=Names(),
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation="          . ",
    )


def is_whole(text: str) -> bool:
    """Whether Enter may end it: a command, a question, SQL with its semicolon, or nothing."""
    line = text.strip()
    names = {question.short_name for question in asking.named()}
    first = line.split()[0] if line else ""
    return not line or line[0] == "." or line[-1] == ";" or first in {*names, "exit", "quit"}


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_whole(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys


def start(settings: Settings) -> None:
    """Ask and answer on this terminal until Ctrl-D."""
    prompt = open_prompt(settings.home / "state" / "sql_history")
    print(HELP)
    Console(settings).run(prompt.prompt)
