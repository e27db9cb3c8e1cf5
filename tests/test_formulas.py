"""Formulas in texts: drawn as MathML, never more than that, and prices are no formulas."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from selectolax.lexbor import LexborHTMLParser

from broadsheet.rendering import html
from broadsheet.site.formulas import as_mathml, with_formulas
from broadsheet.site.press import line


@pytest.mark.parametrize(
    "text", ["$x^2$", "\\(x^2\\)", "\\[x^2\\]", "$$x^2$$", "in **bold $x^2$** words"]
)
def test_every_way_to_write_a_formula_is_drawn(text: str) -> None:
    assert "<msup><mi>x</mi><mn>2</mn></msup></math>" in with_formulas(text, html)


@pytest.mark.parametrize(
    "text",
    [
        "costs $5 and $10",
        "$5-$10",
        "from $ 5 to $ 6",
        "a \\$x\\$ b",
        "just one $x",
        "$$",
        "US$ 3, A$4",
    ],
)
def test_prices_stay_prices(text: str) -> None:
    assert "<math" not in with_formulas(text, html) and "$" in with_formulas(text, html)


def test_a_block_stands_by_itself() -> None:
    assert 'display="block"' in with_formulas("$$x$$", html)
    assert "display" not in with_formulas("$x$", html)


def test_what_cannot_be_read_stays_as_it_was_written() -> None:
    assert str(line("$\\unknown{x}$ & $x$")).startswith("$\\unknown{x}$ &amp; <math")


def test_a_formula_says_what_it_was_made_from() -> None:
    drawn = as_mathml("a<b \\text{\"'}")
    assert drawn is not None
    tree = LexborHTMLParser(str(drawn)).css_first("math")
    assert tree.attributes["alttext"] == "a<b \\text{\"'}"


def test_colours_and_spacing_that_the_policy_refuses_are_left_out() -> None:
    for latex in ("\\textcolor{red}{a}", "\\begin{cases}a & b\\\\ c\\end{cases}"):
        drawn = as_mathml(latex)
        assert drawn is not None and " style=" not in drawn


def test_characters_that_stand_in_cannot_be_forged() -> None:
    assert with_formulas("\U000f0000\ue000 $x$", html).count("<math") == 1
    assert "\U000f0000" not in with_formulas("\U000f0000", html)


PIECES = r"""
$ $$ \( \) \[ \] { } ^ _ & \\ x ** ` </math> <!-- ]]> <script> <img/src=x/onerror=alert(1)>
\text{ \href{javascript:x}{ \class{x}{ \style{ \textcolor{red}{ \begin{array}{c}
"""
pieces = st.sampled_from([*PIECES.split(), "\n", " ", "\U000f0000"])


@given(st.lists(pieces, max_size=14).map("".join))
@example("$\\text{</math><script>}$")
@settings(max_examples=300, deadline=None)
def test_no_text_becomes_more_than_text_and_formulas(text: str) -> None:
    allowed = {"p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "a", "blockquote", "hr"}
    tree = LexborHTMLParser(str(with_formulas(text, html)))
    for node in tree.css("body *"):
        is_math = re.fullmatch(r"math|m\w+|semantics|none", node.tag)
        assert node.tag in allowed or is_math, node.tag
        assert not {"style", "class", "id", "src"} & node.attributes.keys()
        assert not any(name.startswith("on") for name in node.attributes)


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_a_line_is_never_markup_but_for_formulas(text: str) -> None:
    shown = with_formulas(text, Markup.escape)
    assert not re.search(r"<(?!/?m|/?semantics|/?none)", shown)
