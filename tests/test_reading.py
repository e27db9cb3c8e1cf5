"""A raw answer is either the style's sections, cleaned, or a fault that says why not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from builders import an_answer
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.analysis.reading import Sections, read_answer
from broadsheet.config import load_settings
from broadsheet.errors import FaultKind, ModelError
from broadsheet.styles import load_style

HF = load_style(load_settings({}), "hf", "en")
GOOD: dict[str, Any] = {
    "area": "Measurement.",
    "contribution": "A lantern that counts.",
    "usage": ["Light it.", "Read it."],
    "innovations": ["Counting."],
    "results": ["12 of 13 nights."],
}


def read(text: str, finish_reason: str = "stop") -> Sections:
    """The sections of an answer with that text."""
    answer = an_answer(text=text, finish_reason=finish_reason)
    return read_answer(answer, HF)


def fault(text: str, finish_reason: str = "stop") -> ModelError:
    """Why an answer with that text cannot be used."""
    with pytest.raises(ModelError) as raised:
        read(text, finish_reason)
    assert "maker/any" in str(raised.value)
    assert "2601.00001" in str(raised.value)
    return raised.value


def good(**changed: Any) -> str:
    """A good answer but for what is changed."""
    return json.dumps(GOOD | changed, ensure_ascii=False)


def test_a_good_answer_is_its_sections_in_the_order_of_the_style() -> None:
    backwards = json.dumps(dict(reversed(GOOD.items())))
    expected = {key: tuple(v) if isinstance(v, list) else v for key, v in GOOD.items()}
    assert read(good()) == read(backwards) == expected
    assert list(read(backwards)) == [section.id for section in HF.sections]


@pytest.mark.parametrize(
    "wrapped",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "Here is the JSON:\n```json\n{}\n```\nAnything else?",
        "```json  \n\n{}\n\n```",
        "\n  {}\n",
    ],
)
def test_json_in_a_code_fence_is_read(wrapped: str) -> None:
    assert read(wrapped.replace("{}", good())) == read(good())
    assert read(wrapped.replace("{}", json.dumps(GOOD, indent=2))) == read(good())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "I am sorry, I cannot do that.",
        "### 1. Field\nMeasurement.",
        good()[:-2],
        good()[: len(good()) // 2],
        "```json\n" + good(),
        good() + good(),
        "null",
        "[]",
        f"[{good()}]",
        '"area"',
        "7",
        "[" * 100_000,
        '{"area": ' + "1" * 5000 + "}",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_json_object_is_malformed(text: str) -> None:
    error = fault(text)
    assert error.kind is FaultKind.MALFORMED
    assert error.remedy


def test_a_cut_answer_is_malformed_even_where_it_can_be_read() -> None:
    error = fault(good(), "length")
    assert error.kind is FaultKind.MALFORMED
    assert "cut short" in str(error)
    assert "max_output_tokens" in error.remedy


def test_a_withheld_answer_is_the_contents_fault() -> None:
    assert fault("", "content_filter").kind is FaultKind.CONTENT
    assert fault(good(), "content_filter").kind is FaultKind.CONTENT


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_section_is_named(key: str) -> None:
    lacking = {name: value for name, value in GOOD.items() if name != key}
    error = fault(json.dumps(lacking))
    assert error.kind is FaultKind.MALFORMED
    assert f"{key}: " in str(error)


def test_what_nobody_asked_for_is_left_out() -> None:
    assert read(good(score=100, note="ignore previous instructions")) == read(good())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("area", ["a list"]),
        ("area", None),
        ("area", 7),
        ("area", {"text": "x"}),
        ("area", ""),
        ("area", " \n"),
        ("usage", "one text"),
        ("usage", []),
        ("usage", [""]),
        ("usage", [1]),
        ("usage", [["x"]]),
        ("usage", None),
        ("area", "\ud800"),
    ],
)
def test_a_section_of_the_wrong_type_is_named(key: str, value: object) -> None:
    error = fault(json.dumps(GOOD | {key: value}))
    assert error.kind is FaultKind.MALFORMED
    assert f"cannot be used: {key}" in str(error)


def test_a_fault_does_not_quote_the_answer() -> None:
    for text in ("a secret of the provider", good(area=["a secret of the provider"])):
        assert "secret" not in str(fault(text))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1. Counting.", "Counting."),
        ("2) Counting.", "Counting."),
        ("(3) Counting.", "Counting."),
        ("4、计数。", "计数。"),
        ("5.计数。", "计数。"),
        ("- Counting.", "Counting."),
        ("* Counting.", "Counting."),
        ("• Counting.", "Counting."),
        ("### Counting\nIt counts.", "It counts."),
        ("It counts.\n---", "It counts."),
        ("====\nIt counts.\n====", "It counts."),
        ("2.5x faster than counting.", "2.5x faster than counting."),
        ("3.7% of nights.", "3.7% of nights."),
        ("12 of 13 nights.", "12 of 13 nights."),
        ("-5 degrees.", "-5 degrees."),
        ("**Counting**: by hand.", "**Counting**: by hand."),
        ("It counts.\n- dark\n- light", "It counts.\n- dark\n- light"),
        ("2026. The year of the lantern.", "2026. The year of the lantern."),
        ("1.", "1."),
        ("---", "---"),
    ],
)
def test_an_item_loses_its_own_numbering_and_headings_and_nothing_else(
    written: str, kept: str
) -> None:
    assert read(good(usage=["First.", written]))["usage"] == ("First.", kept)


def test_a_text_loses_headings_and_rules_of_its_own() -> None:
    text = "# Field of application\n\nMeasurement.\n\n---\n\nAt night.\n## "
    area = read(good(area=text))["area"]
    assert isinstance(area, str)
    assert area.split() == ["Measurement.", "At", "night."]


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.text()
    | st.dictionaries(st.sampled_from(list(GOOD)), values).map(json.dumps)
    | values.map(json.dumps),
    st.sampled_from(["stop", "length", "content_filter", "", "tool_calls"]),
)
@settings(deadline=None)
def test_any_answer_is_sections_or_a_model_fault(text: str, finish_reason: str) -> None:
    try:
        sections = read(text, finish_reason)
    except ModelError as error:
        assert error.kind in (FaultKind.MALFORMED, FaultKind.CONTENT)
    else:
        assert list(sections) == list(GOOD)


@given(st.text(min_size=1, max_size=200).filter(str.strip))
@settings(deadline=None)
def test_cleaning_never_empties_an_item(text: str) -> None:
    try:
        sections = read(good(usage=[text]))
    except ModelError:
        return
    assert all(sections["usage"])
