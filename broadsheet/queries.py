"""The files of `sql/`: one SELECT each, with a header that says what it is.

Path = name: `sql/staging/papers.sql` is `staging.papers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from broadsheet.errors import WarehouseError
from broadsheet.resources import project


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One file of `sql/`: its name (`staging.papers`), its text, and what it says of itself."""

    name: str
    sql: str

    @property
    def short_name(self) -> str:
        """Its name without the folder: what a question is asked by."""
        return self.name.rpartition(".")[2]

    @property
    def about(self) -> str:
        """What it answers, as the first sentence of its header says."""
        return " ".join(re.findall(r"^-- ?(.*)", self.sql.partition("\n-- grain:")[0], re.M))

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables and views it reads, as its header says."""
        return self._header("reads")

    @property
    def params(self) -> tuple[str, ...]:
        """The `$name` parameters it takes, as its header says."""
        return tuple(param.partition(" = ")[0] for param in self._header("params"))

    @property
    def defaults(self) -> dict[str, str]:
        """Of its parameters those that may be left out, and what they are then."""
        pairs = (param.partition(" = ") for param in self._header("params"))
        return {name: default for name, is_given, default in pairs if is_given}

    @property
    def grain(self) -> tuple[str, ...]:
        """The columns that tell its rows apart, as its header says."""
        return self._header("grain")

    @property
    def columns(self) -> dict[str, str]:
        """Its columns in order, each with what its header says of it."""
        found: dict[str, str] = {}
        for line in self.sql.partition("\n--\n")[2].splitlines():
            if described := re.match(r"-- ([a-z]\w*)  +(\S.*)", line):
                found[described[1]] = described[2]
            elif (more := re.match(r"-- {3,}(\S.*)", line)) and found:
                found[next(reversed(found))] += f" {more[1]}"
            else:
                break
        return found

    @property
    def severity(self) -> str:
        """How bad the rows of a check are, as its header says: `fail` or `warn`."""
        return next(iter(self._header("severity")), "fail")

    def _header(self, key: str) -> tuple[str, ...]:
        found = re.search(rf"^-- {key}: +(.+?(?:,\n-- {{3,}}.+?)*)$", self.sql, re.MULTILINE)
        return tuple(re.split(r", |,\n-- +", found[1])) if found else ()


def query(name: str) -> Query:
    """The query of that name.

    Raises:
        WarehouseError: `sql/` has no such file.
    """
    file = project("sql") / (name.replace(".", "/") + ".sql")
    if not file.is_file():
        raise WarehouseError(f"no query named {name}", "see `broadsheet sql --list`")
    return Query(name=name, sql=file.read_text(encoding="utf-8"))


def queries(schema: str) -> list[Query]:
    """All queries of one folder of `sql/`, by name."""
    files = sorted((project("sql") / schema).glob("*.sql"))
    return [query(f"{schema}.{file.stem}") for file in files]


def in_order(views: Sequence[Query]) -> Iterator[Query]:
    """The views with each one after those it reads."""
    waiting = {view.name: view for view in views}
    while waiting:
        name = next(n for n, v in waiting.items() if not set(v.reads) & set(waiting) - {n})
        yield waiting.pop(name)


def as_text(value: str | Path) -> str:
    """The value as SQL writes a text."""
    return "'" + str(value).replace("'", "''") + "'"


def as_pattern(path: str | Path) -> str:
    """The path as a pattern of files that matches nothing else."""
    return re.sub(r"[*?\[]", r"[\g<0>]", str(path))
