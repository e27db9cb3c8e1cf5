"""`broadsheet sql`: a query, a file or a named question, and the answer's rows.

Asked that way the history is read and nothing else: one SELECT at a time, in a DuckDB that is shut
off from everything outside the lake and the search index (`shut_off`).
"""

from __future__ import annotations

import difflib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from broadsheet.config import Settings, load_settings
from broadsheet.errors import BroadsheetError, UsageError, WarehouseError
from broadsheet.lake import Lake
from broadsheet.queries import Query, as_text, queries, query
from broadsheet.warehouse import Warehouse, save_views

logger = logging.getLogger(__name__)

_CATALOG = re.compile(r"\b(show|tables|describe|summarize|information_schema|duckdb_\w+|pg_\w+)\b")
_SEARCH = re.compile(r"(?i)\b(search\s*\.|(search|similar_to)\s*\()")
_EXPLAIN = re.compile(r"(?i)explain\b(\s+analyze\b|\s*\([\w\s,]*\))?")
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI)  # MULTI has a PIVOT
_WRITING = re.compile(r"(?i)\b(copy|create|delete|insert|update)\b")
_WRITER = re.compile(r"(BATCH_)?(COPY|CREATE|DELETE|INSERT|UPDATE)")  # an operator of a plan


def named() -> list[Query]:
    """The named questions, by name."""
    return queries("history")


def list_questions() -> list[str]:
    """A line for each named question: its name, its parameters, what it answers."""
    calls = [(_called(question), question.about) for question in named()]
    width = min(44, max(len(call) for call, _ in calls))
    return [f"{call:{width}}  {about}" for call, about in calls]


def _called(question: Query) -> str:
    """The question's name and its parameters, those that may be left out with what they are."""
    params = [
        f"{name}={question.defaults[name]}" if name in question.defaults else f"{name}=…"
        for name in question.params
    ]
    return " ".join([question.short_name, *params])


def ask(
    text: str | None, file: Path | None, params: Sequence[str], *, is_restricted: bool = True
) -> pa.Table:
    """The answer's rows; columns of equal names are numbered.

    Args:
        text: SQL, or the name of a question.
        file: a file with SQL, instead.
        params: `name=value` each.
        is_restricted: whether only the history can be read; otherwise any one statement is run.

    Raises:
        UsageError: nothing or not only one thing asked, an unreadable file, a parameter that is
            malformed, missing or unknown, or SQL that would do more than read the history.
        WarehouseError: the SQL cannot run.
    """
    values, settings = dict(pair(param) for param in params), load_settings()
    rows = answer(_asked(text, file), values, settings, is_restricted=is_restricted)
    _renew_saved(settings)
    return rows


def _renew_saved(settings: Settings) -> None:
    """See that `broadsheet.duckdb`, where it is, names the files that are there now."""
    if not (settings.home / "broadsheet.duckdb").exists():
        return
    is_relative = settings.warehouse_paths == "relative"
    try:
        save_views(Lake(settings.lake_root), settings.home, is_relative=is_relative)
    except (OSError, BroadsheetError) as error:  # a home that is only read keeps what it has
        logger.debug("broadsheet.duckdb is left as it is: %s", error)


def answer(
    asked: Query, values: Mapping[str, str], settings: Settings, *, is_restricted: bool = True
) -> pa.Table:
    """The question's rows, with these parameters; `ask` says which errors."""
    given = _completed(asked, values)
    with open_for(asked, settings) as warehouse:
        _refuse_several(warehouse.con, asked.sql)
        explain, sql = "", asked.sql
        if is_restricted:
            explain, sql = _refuse_writing(warehouse.con, asked.sql)
            shut_off(warehouse.con, settings)
            _refuse_writing_within(warehouse, sql, given)
        rows = warehouse.sql(explain + sql, **given)
    return rows.rename_columns(_distinct(rows.column_names))


def open_for(asked: Query, settings: Settings) -> Warehouse:
    """A warehouse with the views that the question's SQL names; all, where it asks which.

    Where it searches, the search index is brought up to date first.
    """
    text = "" if _CATALOG.search(asked.sql.lower()) else asked.sql
    lake = Lake(settings.lake_root)
    if _SEARCH.search(asked.sql):
        from broadsheet import search  # only here: most questions search nothing

        search.refresh(lake, settings.home, _say_waiting)
    return Warehouse(lake, text=text, home=settings.home)


def _say_waiting() -> None:
    logger.info("the search index is being made by another process: waiting for it")


def shut_off(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Let the connection read the lake and the search index, and nothing else, for good.

    DuckDB then refuses other files, URLs, ATTACH, extensions, and to loosen this again; Python's
    variables are out of its sight. What it may read it could also write: that only SELECT runs
    is the part of `_refuse_writing` and `_refuse_writing_within`. Source:
    https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
    """
    folders = [Lake(settings.lake_root).root, str(settings.home / "search")]
    listed = ", ".join(as_text(f"{folder}/") for folder in folders)
    con.execute("set python_enable_replacements = false")
    con.execute(f"set allowed_directories = [{listed}]")
    con.execute("set enable_external_access = false")
    con.execute("set lock_configuration = true")


def _asked(text: str | None, file: Path | None) -> Query:
    if (text is None) == (file is None):
        raise UsageError("nothing asked, or twice", "give a query, a name, or -f FILE")
    if file is not None:
        try:
            return Query(name=str(file), sql=file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {file}: {error}", "give a readable file") from error
    assert text is not None  # noqa: S101 (one of the two is there)
    return find(text)


def find(text: str) -> Query:
    """The question of that name, or the SQL as a question.

    Raises:
        UsageError: one word that is no question's name.
    """
    names = [question.short_name for question in named()]
    word = text.strip().rstrip(";").strip()
    if word in names:
        return query(f"history.{word}")
    if re.fullmatch(r"[\w-]+", word):
        nearest = _nearest(word, names)
        hint = f"did you mean {nearest}? " if nearest else ""
        raise UsageError(
            f"no question named {word}", f"{hint}--list shows all; SQL reads: from {word}"
        )
    return Query(name="query", sql=text)


def pair(param: str) -> tuple[str, str]:
    """The name and the value of `name=value`."""
    name, equals, value = param.partition("=")
    if not equals or not name:
        raise UsageError(f"not a parameter: {param!r}", "write it as --param name=value")
    return name, value


def _completed(asked: Query, values: Mapping[str, str]) -> dict[str, object]:
    """The values with what the question's header says of those left out."""
    if not asked.name.startswith("history."):
        return dict(values)
    unknown = next((name for name in values if name not in asked.params), None)
    if unknown is not None:
        nearest = _nearest(unknown, asked.params)
        has = f"it takes {', '.join(asked.params)}" if asked.params else "it takes none"
        hint = f"did you mean {nearest}? " if nearest else ""
        raise UsageError(f"{asked.short_name} has no parameter {unknown}", f"{hint}{has}")
    given = {**asked.defaults, **values}
    missing = [name for name in asked.params if name not in given]
    if missing:
        needed = " ".join(f"--param {name}=…" for name in missing)
        raise UsageError(f"{asked.short_name} needs {', '.join(missing)}", f"add {needed}")
    return dict(given)


def _nearest(word: str, words: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(words), n=1)), None)


def _refuse_several(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    if len(_statements(con, sql)) != 1:
        raise UsageError("only one statement at a time is run", "give them one by one")


def _refuse_writing(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, str]:
    """`explain …` where the SQL begins so, and the SELECT: that is run, since that was looked at.

    Raises for what is no SELECT, nor EXPLAIN of one: EXPLAIN ANALYZE runs what it explains. What
    holds a PIVOT may be a COPY or CREATE of one; its plan is not asked for, since DuckDB runs a
    part of it for that.
    """
    explain, kinds = "", _kinds(con, sql)
    if kinds == [duckdb.StatementType.EXPLAIN] and (found := _EXPLAIN.match(_bare(sql))):
        explain, sql = found[0], _bare(sql)[found.end() :]
        kinds = _kinds(con, sql)
    is_writing = duckdb.StatementType.MULTI in kinds and _WRITING.search(sql)
    if len(kinds) != 1 or kinds[0] not in _READING or is_writing:
        raise _only_read()
    return explain, sql


def _refuse_writing_within(warehouse: Warehouse, sql: str, given: Mapping[str, object]) -> None:
    """Raise for a SELECT whose WITH writes: `with a as (copy … to …)` is of DuckDB 2.0.

    None can without the word; where it is there, DuckDB's plan says whether it is meant.
    """
    if _WRITING.search(sql):
        plan = warehouse.sql(f"explain (format json)\n{sql}", **given)
        operators = _operators(json.loads(plan["explain_value"][0].as_py()))
        if any(_WRITER.match(operator) for operator in operators):
            raise _only_read()


def _operators(nodes: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for node in nodes:
        yield node["name"]
        yield from _operators(node["children"])


def _kinds(con: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.StatementType | None]:
    return [_kind(statement) for statement in _statements(con, sql)]


def _kind(statement: duckdb.Statement) -> duckdb.StatementType | None:
    """None for a kind that DuckDB's Python package does not know: UPDATE EXTENSIONS."""
    try:
        return statement.type
    except ValueError:
        return None


def _only_read() -> UsageError:
    return UsageError(
        "only SELECT is run: the history is read, not written", "--unrestricted runs any statement"
    )


def _bare(sql: str) -> str:
    """The SQL without comments before its first word."""
    return re.sub(r"\A(\s+|--[^\n]*(\n|\Z)|/\*.*?\*/)+", "", sql, flags=re.DOTALL)


def _statements(con: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    try:
        return con.extract_statements(sql)
    except duckdb.Error as error:
        raise WarehouseError(f"cannot run query: {error}", "check the SQL") from error


def _distinct(names: Sequence[str]) -> list[str]:
    """The column names, a repeated one with a number, for formats that know columns by name."""
    seen = Counter[str]()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct
