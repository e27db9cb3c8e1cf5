"""The data dictionary: every view and every named question, from what its SQL says of itself.

python -m broadsheet.dictionary > docs/data-dictionary.md
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence

from broadsheet.lake import Lake
from broadsheet.queries import Query, queries, query
from broadsheet.views import FRONT_NAMES
from broadsheet.warehouse import Warehouse

_OPENING = """\
# Data dictionary

Made from the headers of `sql/` by `make dictionary`; a test holds it to them.

`broadsheet sql`, `broadsheet.connect()` and `broadsheet.duckdb` have these views without a
schema. The files as they lie in the lake are `lake.<table>` ([lake.md](lake.md))."""


def lines() -> Iterator[str]:
    """The page, line by line."""
    yield _OPENING
    yield ""
    yield "| view | one row per | what it is |"
    yield "|---|---|---|"
    for name, view in FRONT_NAMES.items():
        yield f"| [`{name}`](#{name}) | {', '.join(query(view).grain)} | {query(view).about} |"
    with tempfile.TemporaryDirectory() as nothing, Warehouse(Lake(nothing)) as warehouse:
        for name, view in FRONT_NAMES.items():
            described = warehouse.sql(f"describe {view}").to_pydict()
            types = dict(zip(described["column_name"], described["column_type"], strict=True))
            yield from _of_view(name, query(view), types)
    yield from _of_questions(queries("history"))


def _of_view(name: str, view: Query, types: Mapping[str, str]) -> Iterator[str]:
    yield f"\n## {name}\n"
    yield f"{view.about} `{view.name}`; one row per {', '.join(view.grain)}.\n"
    yield "| column | type | |"
    yield "|---|---|---|"
    for column, said in view.columns.items():
        yield f"| `{column}` | {types[column].lower()} | {_escaped(said)} |"


def _of_questions(questions: Sequence[Query]) -> Iterator[str]:
    yield "\n## Named questions\n"
    yield "`broadsheet sql NAME --param k=v`; a parameter with `=` may be left out."
    for question in questions:
        yield f"\n### {question.short_name}\n"
        yield f"{question.about} One row per {', '.join(question.grain)}.\n"
        if question.params:
            yield f"Parameters: {', '.join(_param(question, p) for p in question.params)}.\n"
        yield "| column | |"
        yield "|---|---|"
        for column, said in question.columns.items():
            yield f"| `{column}` | {_escaped(said)} |"


def _param(question: Query, name: str) -> str:
    default = question.defaults.get(name)
    return f"`{name}`" if default is None else f"`{name} = {default}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    print("\n".join(lines()))
