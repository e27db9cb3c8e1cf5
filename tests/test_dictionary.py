"""`docs/data-dictionary.md` says what the headers of `sql/` say now."""

from __future__ import annotations

from broadsheet.dictionary import lines
from broadsheet.queries import queries
from broadsheet.resources import project
from broadsheet.views import FRONT_NAMES

PAGE = project("sql").parent / "docs" / "data-dictionary.md"


def test_the_page_is_what_the_headers_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == "\n".join(lines()) + "\n", "run `make dictionary`"


def test_every_view_and_question_has_its_place() -> None:
    page = "\n".join(lines())
    assert all(f"\n## {name}\n" in page for name in FRONT_NAMES)
    assert all(f"\n### {question.name[8:]}\n" in page for question in queries("history"))
