"""A style is a folder: its questions make the schema, the model and the page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from builders import a_digest, a_fulltext, a_pick, an_analysis
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from broadsheet.analysis.prompt import ask_about
from broadsheet.config import Model, load_settings
from broadsheet.errors import FaultKind, UsageError
from broadsheet.models import (
    Article,
)
from broadsheet.rendering import render_html, render_markdown
from broadsheet.resources import project
from broadsheet.styles import Style, load_style

STYLES = ("cv", "hf")
LANGUAGES = ("zh", "en")


def style_of(name: str, language: str = "en", styles: Path | None = None) -> Style:
    """The style, of the shipped ones or of another folder."""
    environ = {} if styles is None else {"BROADSHEET_STYLES": str(styles)}
    return load_style(load_settings(environ), name, language)


SHIPPED = {name: style_of(name) for name in STYLES}


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    """A folder of styles of one's own, with the shipped ones in it."""
    return Path(shutil.copytree(project("reports"), tmp_path / "styles"))


def change(file: Path, old: str, new: str) -> None:
    """Replace what must be there."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def conforms(value: object, schema: dict[str, Any]) -> bool:
    """Whether the value has the JSON schema's shape."""
    if schema["type"] == "string":
        return isinstance(value, str)
    if schema["type"] == "array":
        return isinstance(value, list) and all(conforms(item, schema["items"]) for item in value)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    return (
        isinstance(value, dict)
        and set(schema["required"]) <= set(value) <= set(schema["properties"])
        and all(conforms(value[name], schema["properties"][name]) for name in value)
    )


def good(style: Style) -> dict[str, Any]:
    """An answer that every section accepts."""
    return {s.id: "words" if s.kind == "text" else ["one", "two"] for s in style.sections}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STYLES)
def test_the_schema_asks_for_every_section_strictly(name: str, language: str) -> None:
    style = style_of(name, language)
    ids = [section.id for section in style.sections]
    assert list(style.schema["properties"]) == ids == style.schema["required"]
    assert style.schema["additionalProperties"] is False
    assert list(style.answer_model.model_fields) == ids
    for section in style.sections:
        asked = style.schema["properties"][section.id]
        limit = f"(at most {section.max_chars} characters)"
        assert asked["description"] == f"{section.instruction[language]} {limit}"
        assert asked["type"] == {"text": "string", "list": "array"}[section.kind]


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=30),
    st.lists(st.text(max_size=30) | st.integers(), max_size=14),
)


@pytest.mark.parametrize("name", STYLES)
@given(data=st.data())
@settings(deadline=None)
def test_what_the_model_accepts_has_the_shape_of_the_schema(name: str, data: st.DataObject) -> None:
    style = SHIPPED[name]
    answer = good(style) | data.draw(
        st.dictionaries(st.sampled_from([*good(style), "more"]), values, max_size=3)
    )
    try:
        accepted = style.answer_model.model_validate(answer)
    except ValidationError:
        return
    assert conforms(accepted.model_dump(), style.schema)


words = st.text("ab字", min_size=1, max_size=20)


@pytest.mark.parametrize("name", STYLES)
@given(data=st.data())
@settings(deadline=None)
def test_what_fills_the_schema_with_words_is_accepted(name: str, data: st.DataObject) -> None:
    style = SHIPPED[name]
    kinds = {"text": words, "list": st.lists(words, min_size=1, max_size=4)}
    answer = data.draw(st.fixed_dictionaries({s.id: kinds[s.kind] for s in style.sections}))
    assert conforms(answer, style.schema)
    assert style.answer_model.model_validate(answer).model_dump() == answer


@pytest.mark.parametrize("name", STYLES)
def test_an_answer_may_be_twice_as_long_as_asked_for_and_no_longer(name: str) -> None:
    style = style_of(name)
    for section in style.sections:
        longest = "x" * (2 * section.max_chars)
        many = ["x"] * (2 * section.max_items)
        fine = [longest] if section.kind == "text" else [[longest], many]
        bad = [longest + "x", ""] if section.kind == "text" else [[longest + "x"], [*many, "x"], []]
        for value in fine:
            assert style.answer_model.model_validate(good(style) | {section.id: value})
        for value in bad:
            with pytest.raises(ValidationError, match=section.id):
                style.answer_model.model_validate(good(style) | {section.id: value})


@pytest.mark.parametrize("name", STYLES)
def test_the_version_names_the_style_and_is_the_same_in_every_language(name: str) -> None:
    versions = {style_of(name, language).version for language in LANGUAGES}
    assert len(versions) == 1
    assert versions.pop().startswith(f"{name}-")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("sections.toml", "max_items = 6", "max_items = 7"),
        ("sections.toml", "提出了什么", "做了什么"),
        ("prompt.md.j2", "research papers", "papers"),
    ],
)
def test_the_version_changes_with_what_is_asked(
    styles: Path, file: str, old: str, new: str
) -> None:
    before = style_of("cv", styles=styles).version
    change(styles / "cv" / file, old, new)
    assert style_of("cv", styles=styles).version != before


@pytest.mark.parametrize("old", ["[labels.zh]", "Key contribution"])
def test_the_version_is_the_same_where_only_the_page_changes(styles: Path, old: str) -> None:
    before = style_of("cv", styles=styles).version
    change(
        styles / "cv" / "sections.toml", old, f"{old}".replace("Key", "Main") + "\n" * ("[" in old)
    )
    assert style_of("cv", styles=styles).version == before


@pytest.mark.parametrize("file", ["hf/digest.md.j2", "hf/digest.html.j2", "cv/prompt.md.j2"])
def test_the_version_is_not_that_of_the_page_or_of_another_style(styles: Path, file: str) -> None:
    before = style_of("hf", styles=styles).version
    with (styles / file).open("a", encoding="utf-8") as stream:
        stream.write("\n")
    assert style_of("hf", styles=styles).version == before


@pytest.mark.parametrize("name", STYLES)
def test_every_language_has_the_same_labels_and_a_reason_for_every_fault(name: str) -> None:
    zh, en = (style_of(name, language).labels for language in ("zh", "en"))
    assert zh.keys() == en.keys()
    assert {f"reason_{kind}" for kind in [*FaultKind, "other"]} <= en.keys()
    assert {"claims_found", "not_found", "hidden_text", "refused_note"} <= en.keys()
    assert all(value.strip() for labels in (zh, en) for value in labels.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", STYLES)
def test_no_label_talks_as_a_provider_does(name: str, language: str) -> None:
    said = " ".join(style_of(name, language).labels.values()).lower()
    assert not [word for word in ("429", "quota", "error", "traceback") if word in said]


@pytest.mark.parametrize("name", ["hff", "_layout", "../reports/hf", "", "hf/"])
def test_an_unknown_style_names_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match="unknown style") as raised:
        style_of(name)
    assert all(known in raised.value.remedy for known in STYLES)
    assert "_layout" not in raised.value.remedy


def test_a_language_that_a_style_lacks_is_named(styles: Path) -> None:
    with pytest.raises(UsageError, match=r"'hf' has no 'fr'"):
        style_of("hf", "fr", styles)
    change(styles / "hf" / "sections.toml", ', en = "Results"', "")
    with pytest.raises(UsageError, match=r"'hf' has no 'en'") as raised:
        style_of("hf", "en", styles)
    assert "sections.toml" in raised.value.remedy
    assert style_of("hf", "zh", styles)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[[sections]]", "[[sections"),
        ('kind = "text"', 'kind = "table"'),
        ('id = "area"', 'id = "Area 1"'),
        ('id = "area"', 'id = "results"'),
        ("max_chars = 300", "max_chars = 3"),
        ("max_items", "maximum_items"),
        ("[[sections]]", "[[section]]"),
    ],
)
def test_a_malformed_style_names_its_file(styles: Path, old: str, new: str) -> None:
    change(styles / "hf" / "sections.toml", old, new)
    with pytest.raises(UsageError, match=r"hf/sections\.toml") as raised:
        style_of("hf", styles=styles)
    assert raised.value.remedy


def test_a_style_without_a_prompt_names_the_file_it_lacks(styles: Path) -> None:
    (styles / "hf" / "prompt.md.j2").unlink()
    with pytest.raises(UsageError, match=r"'hf'.*prompt\.md\.j2"):
        style_of("hf", styles=styles)


def test_a_new_folder_is_a_new_style_from_the_question_to_the_page(styles: Path) -> None:
    shutil.copytree(styles / "hf", styles / "brief")
    change(styles / "brief" / "sections.toml", 'en = "Results"', 'en = "What was measured"')
    change(styles / "brief" / "sections.toml", 'id = "results"', 'id = "measured"')
    style = style_of("brief", styles=styles)
    assert style.version.startswith("brief-")

    pick = a_pick()
    question = ask_about(pick, a_fulltext(), style, Model(name="maker/any"), 10_000)
    assert "measured" in question.schema["properties"]  # type: ignore[operator]
    assert question.style == "brief"
    assert "- measured (a list of" in question.messages[1]["content"]

    sections = style.answer_model.model_validate(good(style)).model_dump()
    analysis = an_analysis("brief", "en", sections=sections)
    digest = a_digest("brief", "en", Article(pick=pick, analysis=analysis))
    assert "### 5. What was measured" in render_markdown(digest, style)
    assert "5. What was measured</h3>" in render_html(digest, style)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kind": "text", "max_chars": 150}, "one sentence"),
        ({"kind": "text", "max_chars": 400}, "two or three sentences"),
        ({"kind": "text", "max_chars": 5000}, "a paragraph or two"),
        ({"max_items": 1}, "a list of at most one item, each one or two sentences"),
        ({"max_items": 12}, "a list of at most twelve items, each one or two sentences"),
        ({"max_items": 20}, "a list of at most 20 items, each one or two sentences"),
    ],
)
def test_what_fills_a_section_is_said_in_words(changed: dict[str, Any], words: str) -> None:
    spec = (
        SHIPPED["hf"].sections[0].model_copy(update={"kind": "list", "max_chars": 300, **changed})
    )
    assert spec.extent == words
