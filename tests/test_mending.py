"""What models do to a text around its content is undone; the content stays as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet import sample
from broadsheet.analysis.mending import (
    is_marked,
    items,
    with_commands,
    with_stray_backslashes,
    without_headings,
    without_marks,
    without_preamble,
)

NAMES = ("核心创新点 (Key Contribution)", "核心创新点", "Key Contribution", "innovation", "area")


@given(st.recursive(st.text() | st.integers() | st.none(), st.lists))
def test_json_that_is_whole_is_not_changed(value: object) -> None:
    for ascii_only in (True, False):
        written = json.dumps(value, ensure_ascii=ascii_only)
        assert with_stray_backslashes(written) == written


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"\alpha", r"\alpha"),
        (r"\\alpha", r"\alpha"),
        (r"\(x\) \[y\] \{z\} a\_b 5\% \, \;", r"\(x\) \[y\] \{z\} a\_b 5\% \, \;"),
        (r"\underline \uparrow \u", r"\underline \uparrow \u"),
        (r"\u00e9 \u4E2D", "é 中"),
        (r"\"so\" \/ \\", '"so" / \\'),
        (r"It\'s", "It's"),
        (r"\n\nx", "\n\nx"),
        (r"\\\alpha", r"\\alpha"),
        (r"C:\\new\\table", r"C:\new\table"),
    ],
)
def test_backslashes_that_begin_no_escape_are_kept(written: str, text: str) -> None:
    assert json.loads(with_stray_backslashes(f'"{written}"')) == text


@pytest.mark.parametrize(
    "command",
    [
        *("frac{1}{2}", "forall x", "beta", "bar{x}", "begin{a}", "boldsymbol{u}", "big(", "binom"),
        *("nabla_x", "nu", "nu.", "nu)", "neq 0", "ne 0", "neg p", "not=", "rho", "right)"),
        *("rangle", "theta", "times", "text{x}", "textbf{x}", "tau", "tilde{x}", "to 0", "tfrac12"),
        *("rightarrow", "triangleq", "tanh(x)", "notin A", "theta是", "nu_1"),
    ],
)
def test_a_command_that_became_a_control_character_is_one_again(command: str) -> None:
    decoded = json.loads(f'"x \\{command}"')
    assert "\\" not in decoded
    assert with_commands(decoded) == f"x \\{command}"
    assert with_commands(f"x \\{command}") == f"x \\{command}"


@pytest.mark.parametrize("command", ["nexists x", "ni x", "nless y", "tan x", "bx", "top", "fx"])
def test_within_mathematics_more_are_commands(command: str) -> None:
    lost = json.loads(f'"\\{command}"')
    for before, after in (("$y = ", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        text = f"{before}{lost}{after} ends."
        assert with_commands(text) == f"{before}\\{command}{after} ends."
    if lost[0] == "\n":
        assert with_commands(f"x {lost}") == f"x {lost}"


@pytest.mark.parametrize(
    "text",
    [
        "One.\nThe next.",
        "One.\nnote that",
        "One.\ntheory",
        "One.\nu-net counts.",
        "One.\ne.g. two.",
        "See\neq. (3).",
        "See\neq. 3.",
        "It costs $5.\nless than $6.",
        "It costs $5\nmodels cost $ 6.",
        "One.\n- dark\n- light",
        "a\tb\tc",
        "one\r\ntwo",
        "$x$\nexists",
    ],
)
def test_a_line_break_stays_one(text: str) -> None:
    assert with_commands(text) == text


def test_a_line_may_begin_with_any_word_of_prose() -> None:
    listed = json.loads(
        (Path(sample.__file__).parent / "daily_papers.json").read_text(encoding="utf-8")
    )
    text = json.dumps(listed, ensure_ascii=False).replace("\\n", " ")
    words = set(re.findall(r"(?<= )[A-Za-z][a-z'-]*", text))
    assert len(words) > 500
    assert {word for word in words if with_commands(f".\n{word} x") != f".\n{word} x"} == set()


@given(st.text())
def test_a_text_without_control_characters_is_not_changed(text: str) -> None:
    shown = re.sub(r"[\x00-\x1f]", " ", text)
    assert with_commands(shown) == shown


@pytest.mark.parametrize(
    "preamble",
    [
        "作为计算机视觉专家，我对这篇论文摘要进行深度解析：",
        "作为一名计算机视觉专家，我将对《灯笼: 夜间计数》进行解读，重点是计数（如光子）。",
        "作为计算机视觉专家，我的看法是：",
        "作为做图像复原的研究员，这篇论文的启示体现在以下几个方面：",
        "作为AI助手，我来总结一下：",
        "作为计算机视觉专家，我认为，",
        "好的，以下是对该论文的分析：",
        "好的！",
        "当然，下面是总结：",
        "没问题。以下是 JSON：",
        "根据您提供的摘要，以下是论文的主要内容要点：",
        "以下是对这篇论文的深度解析。",
        "这是“灯笼: 夜间”的分析结果：",
        "Here is the analysis:",
        "Here's a brief summary of the paper “Lanterns: A Count”:",
        "Here is the requested JSON for v1.5 of the paper:",
        "Sure! ",
        "Sure! Here is the analysis:",
        "Certainly, here is what you asked for. Here is the answer:",
        "Certainly, the analysis you asked for:",
        "Of course! Below is a structured overview:",
        "OK. Here it is: ",
        "As a computer vision expert, I will analyze this paper as follows:",
        "As an AI language model, I have reviewed the paper.",
        "I will summarise the paper below:",
        "Based on the abstract, here are the main points:",
    ],
)
def test_chatter_before_the_content_goes(preamble: str) -> None:
    for gap in ("", " ", "\n\n"):
        for content in ("计数器会数光子。", "It counts: one by one."):
            is_glued = not gap and preamble[-1] in ":." and content[0] == "I"
            if not is_glued:
                assert without_preamble(preamble + gap + content, NAMES).strip() == content
    assert not without_preamble(preamble, NAMES).strip() or preamble.endswith("，")


@pytest.mark.parametrize(
    "text",
    [
        "Here the authors count photons.",
        "Here is the idea: count by hand.",
        "Here are three lanterns: red, green and blue.",
        "As a result, this is cheap: 3 ms.",
        "As a lantern, it counts: one by one.",
        "Based on the text, it counts: one by one.",
        "Sure, it is dark.",
        "Certainly, it is dark.",
        "Great lanterns count.",
        "I count: one, two.",
        "This is the first lantern: it counts.",
        "**Counting**: by hand.",
        "**Areas of use**: night.",
        "The area: night.",
        "Area under the curve: 0.9.",
        "innovation is slow.",
        "**Innovation** is slow.",
        "好的初始化能加快收敛。",
        "当然，该方法也有局限。",
        "以下三个数据集：甲、乙、丙。",
        "作为一种数据驱动的模型，它的分析能力有限。",
        "作为图像复原研究员，可以借鉴两点：一是计数。",
        "根据摘要，它会计数：一、二。",
        "这是第一个灯笼：它会计数。",
        "核心创新点在于计数：一、二。",
    ],
)
def test_content_that_merely_begins_alike_stays(text: str) -> None:
    assert without_preamble(text, NAMES) == text


@pytest.mark.parametrize(
    "label",
    [
        "**核心创新点 (Key Contribution)**：",
        "1. Key contribution: ",
        "核心创新点：",
        "核心创新点 (Main Idea)：",
        "核心创新点（Key Contribution for Lanterns）\n",
        "【核心创新点】：",
        "**核心创新点：** ",
        "**1. Key Contribution:** ",
        "1. **Key Contribution** - ",
        "__Innovation__: ",
        "Key Contributions:\n\n",
        "AREA\n",
        "核心创新点\n核心创新点：",
    ],
)
def test_the_sections_own_heading_goes_in_any_dress(label: str) -> None:
    for content in ("会计数。", "**Counting**: by hand.", "(A) lantern."):
        assert without_preamble(label + content, NAMES) == content


def test_what_stands_in_brackets_behind_a_label_is_content_unless_it_is_its_name() -> None:
    assert without_preamble("Area (PSNR): 30 dB", NAMES) == "Area (PSNR): 30 dB"
    assert without_preamble("核心创新点 (PSNR)：30 dB", NAMES) == "核心创新点 (PSNR)：30 dB"


@given(st.text())
def test_without_preamble_twice_is_without_preamble_once(text: str) -> None:
    once = without_preamble(text, NAMES)
    assert without_preamble(once, NAMES) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- one\n- two", ["- one", "- two"]),
        ("1. one\nmore\n2. two", ["1. one\nmore", "2. two"]),
        ("  * one\n    * deeper\n  * two", ["* one\n    * deeper", "* two"]),
        ("Two:\n- one\n\n- two", ["Two:", "- one", "- two"]),
        ("one\n\ntwo\nthree", ["one", "two", "three"]),
        ("**1. one**: x\n**2. two**: y", ["**1. one**: x", "**2. two**: y"]),
        ("", []),
        ("\n \n", []),
    ],
)
def test_a_list_written_as_a_text_is_its_items(text: str, expected: list[str]) -> None:
    assert items(text) == expected


@given(st.text())
def test_marks_are_gone_once_taken_off(text: str) -> None:
    bare = without_marks(text)
    assert bare == bare.strip()
    assert bare in text
    assert is_marked(text) or bare == text.strip()


def test_a_text_of_headings_alone_keeps_their_words() -> None:
    assert without_headings("## Counting.\n---\n### Writing.") == "Counting.\n\nWriting."
    assert without_headings("## Counting.\nIt counts.") == "It counts."
    assert without_headings("#hashtag") == "#hashtag"
    assert without_headings("## \n---") == ""
