"""The search index's files: Parquet in `<home>/search/`, and the views and macros that read them.

    search/current → 7            the generation that is read; it changes with one rename
    search/7/documents-000001.parquet, postings-…, positions-…, terms-…     the segments
    search/7/superseded.parquet, totals.parquet
    search/state.json             what of the lake is in it

A segment's files never change: generations share them as hard links. So a reader always sees one
whole generation, and views name the same paths for ever. All of it can be deleted.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
from filelock import FileLock

from broadsheet.queries import as_pattern, as_text
from broadsheet.resources import project
from broadsheet.stores import aside_name

SEGMENTED = {
    "documents": "doc integer, paper_id varchar, title varchar, first_listed_on date,"
    " length integer, content uhugeint",
    "postings": "term varchar, doc integer, frequency integer, length integer",
    "positions": "term varchar, doc integer, position integer, weight utinyint, length integer",
    "terms": "term varchar, documents integer",
}
"""Tables that each segment has a file of, and their columns."""
WHOLE = {"superseded": "doc integer", "totals": "documents bigint, length bigint"}
"""Tables that each generation has one file of."""
CURRENT = "current"
NONE = "000000"
"""The segment of an index without documents; no other has it, as DuckDB plans by the first file."""


def folder(home: Path) -> Path:
    """Where the index is."""
    return home.absolute() / "search"


def views(home: Path | None) -> dict[str, str]:
    """The index's views, each after those it reads; without rows where there is no index.

    Args:
        home: below which the index is; None: there is none.
    """
    return views_of(None if home is None else folder(home) / CURRENT)


def views_of(whole: Path | None) -> dict[str, str]:
    """The views of one generation, by its folder; without rows where it is not there."""
    if whole is None or not whole.exists():
        stored = {name: _nothing(columns) for name, columns in (SEGMENTED | WHOLE).items()}
    else:
        stored = {name: f"from {_files(whole, f'{name}-*')}" for name in SEGMENTED}
        stored |= {name: f"from {_files(whole, name)}" for name in WHOLE}
    return {
        "search.superseded": stored["superseded"],
        "search.totals": stored["totals"],
        "search.stored_documents": stored["documents"],
        "search.documents": "from search.stored_documents anti join search.superseded using (doc)",
        "search.positions": stored["positions"],
        "search.terms": stored["terms"],
        "search.postings": stored["postings"],
    }


def scalar_macros() -> str:
    """What makes words of a text: `sql/macros.sql`."""
    return (project("sql") / "macros.sql").read_text(encoding="utf-8")


def table_macro(name: str, sql: str, params: tuple[str, ...], defaults: dict[str, str]) -> str:
    """The statement that makes a table macro of a named question.

    A parameter that is called as a column is has `the_` before its name.
    """
    select = re.sub(r"^--.*\n", "", sql, flags=re.MULTILINE)
    given = []
    for param in params:
        is_column = re.search(rf"(?<!\$)\b{param}\b", select) is not None
        name_here = f"the_{param}" if is_column else param
        select = re.sub(rf"\${param}\b", name_here, select)
        given.append(f"{name_here} := '{defaults[param]}'" if param in defaults else name_here)
    return f"create or replace macro {name}({', '.join(given)}) as table {select}"


def _nothing(columns: str) -> str:
    typed = ", ".join(
        f"null::{kind} as {name}" for name, kind in (one.split() for one in columns.split(", "))
    )
    return f"select {typed} where false"


def _files(whole: Path, name: str) -> str:
    return f"read_parquet({as_text(f'{as_pattern(whole)}/{name}.parquet')})"


def lock(home: Path) -> FileLock:
    """What whoever changes the index holds."""
    folder(home).mkdir(parents=True, exist_ok=True)
    return FileLock(folder(home) / "lock")


def ensure(home: Path) -> None:
    """See that there is an index, an empty one at least, so that views of it can be made."""
    if not (folder(home) / CURRENT).exists():
        with lock(home):
            make_empty(home)


def make_empty(home: Path) -> None:
    """Make an index without documents, where there is none; the lock is held."""
    place = folder(home)
    if (place / CURRENT).exists():
        return
    number = 1 + max((int(old.name) for old in place.iterdir() if old.name.isdigit()), default=-1)
    aside = place / aside_name(str(number))
    aside.mkdir()
    nothing = {f"{name}-{NONE}": _nothing(columns) for name, columns in SEGMENTED.items()}
    nothing |= {"superseded": _nothing(WHOLE["superseded"])}
    nothing |= {"totals": "select 0::bigint as documents, 0::bigint as length"}
    with duckdb.connect() as con:
        for name, select in nothing.items():
            con.execute(f"copy ({select}) to {as_text(aside / f'{name}.parquet')}")
    switch(home, aside, number)


def switch(home: Path, aside: Path, number: int) -> None:
    """Let the generation that was made aside be the one that is read, from one moment to the next.

    The one before stays until the next switch, for readers that have begun. The lock is held.
    """
    place = folder(home)
    before = str(generation(home))
    whole = aside.rename(place / str(number))
    link = place / aside_name(CURRENT)
    link.symlink_to(whole.name)
    link.replace(place / CURRENT)
    for old in place.iterdir():
        is_ours = old.name.isdigit() or old.name.endswith(".aside")
        if is_ours and old.name not in (before, whole.name):
            shutil.rmtree(old, ignore_errors=True)


def generation(home: Path) -> int:
    """The number of the generation that is read."""
    link = folder(home) / CURRENT
    return int(link.readlink().name) if link.is_symlink() else 0


def segment(table: str, number: int) -> str:
    """The name of a segment's file."""
    return f"{table}-{number:06}.parquet"
