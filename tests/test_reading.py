"""A raw answer is either the style's sections, mended and cleaned, or a fault that says why not."""

from __future__ import annotations

import json
import pickle
import re
from typing import Any

import pytest
from builders import an_answer
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.analysis.reading import Sections, read_answer, was_cut
from broadsheet.config import load_settings
from broadsheet.errors import FaultKind, ModelError, UnusableAnswer
from broadsheet.styles import load_style

HF = load_style(load_settings({}), "hf", "en")
CV = load_style(load_settings({}), "cv", "zh")
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


def fault(text: str, finish_reason: str = "stop") -> UnusableAnswer:
    """Why an answer with that text cannot be used."""
    with pytest.raises(UnusableAnswer) as raised:
        read(text, finish_reason)
    assert "maker/any" in str(raised.value)
    assert "2601.00001" in str(raised.value)
    assert str(raised.value).endswith(f": {raised.value.reason}")
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
        "~~~JSON\n{}\n~~~",
        "Here is the JSON:\n```json\n{}\n```\nAnything else?",
        "Here is the JSON:\n```json\n{}\n```",
        "Here is the JSON: {}",
        "{}\n\nLet me know if you need more.",
        'The set {x, y} and the object {"z": 1} aside: {}',
        '<think>First {"area": "a draft"}.</think>\n{}',
        "```json  \n\n{}\n\n```",
        "```json\n{}",
        "\n  {}\n",
        "\ufeff{}",
        "[{}]",
        "{}{}",
        '{"analysis": {}}',
        '{"note": "as asked", "analysis": [{}]}',
    ],
)
def test_the_one_object_is_found_wherever_it_stands(wrapped: str) -> None:
    for finish_reason in ("stop", ""):
        assert read(wrapped.replace("{}", good()), finish_reason) == read(good())
        indented = json.dumps(GOOD, indent=2)
        assert read(wrapped.replace("{}", indented), finish_reason) == read(good())


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "I am sorry, I cannot do that.",
        "I am sorry, as an AI language model I cannot do that.",
        "### 1. Field\nMeasurement.",
        "The set {area, usage} cannot be filled.",
        good()[: len(good()) // 2],
        good() + good(area="Another."),
        "null",
        "[]",
        "{}",
        f"[{good()}, {good(area='Another.')}]",
        '"area"',
        "7",
        "[" * 100_000,
        '{"a":' * 100_000,
        "{'a':" * 10_000,
        '{"area": ' + "1" * 5000 + "}",
        '{"error": {"code": 429, "message": "You exceeded your current quota"}}',
        '{"error": "Resource has been exhausted (e.g. check quota)."}',
    ],
    ids=lambda text: text[:20],
)
def test_what_is_not_one_whole_object_is_malformed(text: str) -> None:
    error = fault(text)
    assert error.kind is FaultKind.MALFORMED
    assert error.remedy


@pytest.mark.parametrize(
    "broken",
    [
        good()[:-1],
        good()[:-2],
        good()[:-3],
        "```json\n" + good()[:-2],
        "```json\n" + good()[:-2] + "\n```\nAnything else?",
        str(GOOD),
        good()[:-1] + ",}",
        good().replace('", "', '" "'),
        good().replace('"area"', "area"),
        good().replace('{"', '{\n// what it is\n"', 1),
        re.sub('"(.*?)"', r"“\1”", good()),
    ],
    ids=lambda text: text[:12] + text[-12:],
)
def test_broken_json_is_repaired_only_where_the_answer_is_complete(broken: str) -> None:
    for finish_reason in ("stop", "STOP", "end_turn", "eos"):
        assert read(broken, finish_reason) == read(good())
    for finish_reason in ("length", "MAX_TOKENS", "error", ""):
        assert fault(broken, finish_reason).kind is FaultKind.MALFORMED
    assert fault(broken, "content_filter").kind is FaultKind.CONTENT


def test_json_is_repaired_with_its_latex_and_its_quotes_intact() -> None:
    broken = r"{'area': 'It\'s \alpha and \frac{1}{2}', 'contribution': 'a \"b\" c'"
    rest = "".join(f", '{key}': {GOOD[key]}" for key in ("usage", "innovations", "results"))
    sections = read(broken + rest)
    assert sections["area"] == r"It's \alpha and \frac{1}{2}"
    assert sections["contribution"] == 'a "b" c'


@pytest.mark.parametrize("finish_reason", ["length", "max_tokens", "MAX_TOKENS"])
def test_a_cut_answer_is_malformed_even_where_it_can_be_read(finish_reason: str) -> None:
    error = fault(good(), finish_reason)
    assert error.kind is FaultKind.MALFORMED
    assert error.reason == "it was cut short"
    assert "max_output_tokens" in error.remedy
    assert was_cut(an_answer(finish_reason=finish_reason))
    assert not was_cut(an_answer(finish_reason="stop"))


@pytest.mark.parametrize("finish_reason", ["content_filter", "SAFETY", "refusal"])
def test_a_withheld_answer_is_the_contents_fault(finish_reason: str) -> None:
    assert fault("", finish_reason).kind is FaultKind.CONTENT
    assert fault(good(), finish_reason).kind is FaultKind.CONTENT


def test_an_answer_kept_as_a_fault_is_that_fault() -> None:
    with pytest.raises(UnusableAnswer) as raised:
        read_answer(an_answer(text="", fault="context"), HF)
    assert raised.value.kind is FaultKind.CONTEXT


def test_an_empty_or_broken_off_answer_says_so() -> None:
    assert fault("\n").reason == "it is empty"
    assert "broke it off" in fault(good(), "error").reason


def test_why_an_answer_is_unusable_survives_pickling() -> None:
    error = fault("")
    again = pickle.loads(pickle.dumps(error))
    assert (again.reason, again.kind, again.remedy) == (error.reason, error.kind, error.remedy)
    assert isinstance(again, ModelError)


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
        ("area", None),
        ("area", 7),
        ("area", True),
        ("area", {"text": "x"}),
        ("area", []),
        ("area", [["x"]]),
        ("area", ""),
        ("area", " \n"),
        ("area", "---"),
        ("area", "…"),
        ("area", "## 1. Field of application"),
        ("area", "Here is the analysis:"),
        ("area", "x" * 601),
        ("usage", []),
        ("usage", [""]),
        ("usage", [1]),
        ("usage", ["1.", "---", None]),
        ("usage", ["x", {"name": "y"}]),
        ("usage", [["x"]]),
        ("usage", None),
        ("usage", ["x"] * 13),
        ("usage", ["x" * 1001]),
        ("area", "\ud800"),
        ("area", "x\ud800"),
    ],
)
def test_a_section_that_cannot_be_used_is_named(key: str, value: object) -> None:
    error = fault(json.dumps(GOOD | {key: value}))
    assert error.kind is FaultKind.MALFORMED
    assert f"cannot be used: {key}: it " in str(error)
    assert str(error).count(": it ") == 1


def test_all_that_is_wrong_is_named_in_the_order_of_the_style() -> None:
    error = fault(json.dumps({"results": ["x"] * 99, "area": "x", "usage": [" "]}))
    assert error.reason == (
        "contribution: it is missing; usage: it is empty; innovations: it is missing;"
        " results: it has far too many items"
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("area", ["At night.", "By day."], "At night.\n\nBy day."),
        ("area", ["- At night.", None, "- By day.", ""], "At night.\n\nBy day."),
        ("area", "1. At night.\n2. By day.", "At night.\n\nBy day."),
        ("usage", "one text", ("one text",)),
        ("usage", "Light it.\nRead it.", ("Light it.", "Read it.")),
        ("usage", "1. Light it.\n2. Read it.", ("Light it.", "Read it.")),
        (
            "usage",
            "* Light it:\n  * dark\n  light\n* Read it.",
            ("Light it:\n  * dark\n  light", "Read it."),
        ),
        ("usage", "## How to use it\n\n  - Light it.\n  - Read it.", ("Light it.", "Read it.")),
        ("usage", ["Light it.", None, 12.50, ""], ("Light it.", "12.5")),
        ("usage", ["Usage:", "Light it."], ("Light it.",)),
        ("usage", ["Sure! Here is the analysis:", "1. Usage: Light it."], ("Light it.",)),
    ],
)
def test_a_value_of_a_near_type_is_taken(key: str, value: object, expected: object) -> None:
    assert read(good(**{key: value}))[key] == expected


def test_a_number_stays_as_it_was_written() -> None:
    assert read(good().replace('"Read it."', "12.50"))["usage"] == ("Light it.", "12.50")


@pytest.mark.parametrize(
    "rename",
    [
        str.upper,
        str.title,
        lambda key: f" **{key}** ",
        lambda key: f"### {key}:",
        lambda key: next(s.heading["en"] for s in HF.sections if s.id == key),
        lambda key: next(s.heading["zh"] for s in HF.sections if s.id == key),
        lambda key: f"1. {next(s.heading['zh'] for s in HF.sections if s.id == key)}",
    ],
)
def test_keys_may_be_written_otherwise_or_be_headings(rename: Any) -> None:
    assert read(json.dumps({rename(key): value for key, value in GOOD.items()})) == read(good())


def test_a_key_as_asked_for_wins_over_one_alike() -> None:
    assert read(json.dumps({"Area": "no"} | GOOD | {"AREA": "no"})) == read(good())


@pytest.mark.parametrize(
    "text",
    [
        "429 You exceeded your current quota, please check your plan and billing details.",
        "Error code: 429 - {'error': {'message': 'Rate limit reached'}}",
        "Error: 503 Service Unavailable",
        "Resource has been exhausted (e.g. check quota).",
        "深度分析失败: 429 Too Many Requests",
        "Internal Server Error",
        '{"error": {"code": 500}}',
        "I'm sorry, as an AI language model I cannot do that.",
        "I’m sorry, but I can’t help with that.",
        "I am unable to read the paper.",
        "As an AI language model, I cannot read papers.",
        "Sure! I cannot access the paper.",
        "抱歉，我无法阅读这篇论文。",
        "作为AI助手，我无法访问这篇论文。",
        "我无法提供分析。",
    ],
)
def test_an_error_or_a_refusal_in_place_of_content_is_malformed(text: str) -> None:
    for key, value in (("area", text), ("usage", [text, "Light it."])):
        error = fault(good(**{key: value}))
        assert error.kind is FaultKind.MALFORMED
        assert error.reason == f"{key}: it reads like an error or a refusal"


@pytest.mark.parametrize(
    "text",
    [
        "429 nights were counted.",
        "Error rates fall to 5.03 %.",
        "500 services were asked.",
        "It answers 429 Too Many Requests to every tenth lantern.",
        "The lantern says “I am sorry” when it is dark.",
        "作为一种 AI 助手，灯笼无法回答问题。",
        "模型我无法评价。",
    ],
)
def test_a_text_about_errors_is_no_error(text: str) -> None:
    assert read(good(area=text))["area"] == text


def test_a_fault_does_not_quote_the_answer() -> None:
    unusable = (
        "a secret of the provider",
        good(area={"secret": "of the provider"}),
        good(area="429 Too Many Requests: a secret"),
        json.dumps({"secret": "of the provider", "area": "secret"}),
    )
    for text in unusable:
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
        ("[x] Counting.", "Counting."),
        ("[12] Counting.", "Counting."),
        ("- [ ] Counting.", "Counting."),
        ("（1）计数。", "计数。"),
        ("① 计数。", "计数。"),
        ("二、计数。", "计数。"),
        ("一、二阶矩。", "一、二阶矩。"),
        ("(b) Counting.", "Counting."),
        ("- 1. Counting.", "Counting."),
        ("**1. Counting**: by hand.", "**Counting**: by hand."),
        ("**1.** Counting.", "Counting."),
        ("It is **1. counted**.", "It is **1. counted**."),
        ("**12.5%** of nights.", "**12.5%** of nights."),
        ("*Counting* by hand.", "*Counting* by hand."),
        ("[1](https://arxiv.org/abs/2601.00001) counts.",) * 2,
        ("# Counting.", "Counting."),
    ],
)
def test_an_item_loses_its_own_numbering_and_headings_and_nothing_else(
    written: str, kept: str
) -> None:
    assert read(good(usage=["First.", written]))["usage"] == ("First.", kept)


def test_an_item_of_nothing_but_marks_is_left_out() -> None:
    assert read(good(usage=["First.", "1.", "---", "**", "Last."]))["usage"] == ("First.", "Last.")


def test_a_text_loses_headings_and_rules_of_its_own() -> None:
    text = "# Field of application\n\nMeasurement.\n\n---\n\nAt night.\n## "
    area = read(good(area=text))["area"]
    assert isinstance(area, str)
    assert area.split() == ["Measurement.", "At", "night."]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "作为计算机视觉专家，我对这篇论文《灯笼: 一种计数器》进行深度解析：\n\n---\n\n",
        "好的，以下是对该论文的分析：\n\n",
        "Sure! Here is the analysis:\n\n",
    ],
)
@pytest.mark.parametrize(
    "heading",
    [
        "### 1. **核心创新点 (Key Contribution)**\n\n",
        "1. **核心创新点**\n   ",
        "**核心创新点 (Key Contribution)**：",
        "**核心创新点：**",
        "核心创新点：\n",
        "1. Key contribution: ",
        "KEY CONTRIBUTION\n",
    ],
)
def test_every_way_to_begin_a_section_comes_to_the_same(before: str, heading: str) -> None:
    body = {
        "innovation": "灯笼会计数。",
        **{key: ["一。", "二。"] for key in ("method", "takeaway")},
    }
    answer = {
        **body,
        "innovation": f"{before}{heading}灯笼会计数。",
        "limitations": f"{before}1. 仅限夜间。",
    }
    read_as = read_answer(an_answer(text=json.dumps(answer)), CV)
    assert read_as["innovation"] == "灯笼会计数。"
    assert read_as["limitations"] == ("仅限夜间。",)


COMMANDS = re.split(
    " ",
    r"\alpha \beta \frac{1}{2} \theta \nabla \rho \times \text{x} \nu \to \neq \ne \(x\) \bar{x}"
    r" \forall \right) \tau \, \{ \mathbf{b} \not \tfrac \boldsymbol{u} \_ \underline{x} \eta_t",
)
words = st.sampled_from([*COMMANDS, "计数", "count", "x_1", "=", "“night”", "(see", "e.g.)"])


@given(st.lists(words, min_size=1, max_size=12), st.booleans())
@settings(deadline=None)
def test_latex_reads_back_whatever_the_model_did_to_its_backslashes(
    text: list[str], is_maths: bool
) -> None:
    written = f"We take {'$' if is_maths else ''}{' '.join(text)}{'$' if is_maths else ''} here."
    escaped = good(area=written)
    unescaped = escaped.replace("\\\\", "\\")
    assert read(escaped)["area"] == read(unescaped)["area"] == written


plain = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\\$\b\f\r\t#-=_*"), max_size=80
)


@given(plain.filter(lambda text: not re.search(r"\n[a-z]", text)))
@settings(deadline=None)
def test_a_text_without_latex_reads_back_equal(text: str) -> None:
    written = f"Here, {text.strip()} is."
    for ascii_only in (True, False):
        answer = json.dumps(GOOD | {"area": written}, ensure_ascii=ascii_only)
        assert read(answer)["area"] == written


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


@given(st.text(min_size=1, max_size=200))
@settings(deadline=None)
def test_cleaning_never_leaves_an_empty_item(text: str) -> None:
    sections = read(good(usage=["First.", text]))
    assert sections["usage"][0] == "First."
    assert all(map(str.strip, sections["usage"]))
