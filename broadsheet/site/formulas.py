"""Formulas in texts, from LaTeX to MathML: drawn by browsers without a script or a font of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from xml.etree import ElementTree

from markupsafe import Markup

_FORMULA = re.compile(
    r"\$\$(?P<block>[^$]{1,2000}?)\$\$"
    r"|\\\[(?P<bracket>.{1,2000}?)\\\]"
    r"|\\\((?P<paren>.{1,1000}?)\\\)"
    # as pandoc reads dollars, so that prices are no formulas
    r"|(?<![\\$])\$(?P<dollar>(?=[^\s$])[^$\n]{1,500}?(?<=[^\s\\]))\$(?!\d)",
    re.DOTALL,
)
_FIRST = 0xF0000  # a plane of private use: nothing printable, and taken out of what strangers wrote
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
_STANDING_IN = re.compile("[\U000f0000-\U000ffffd]")
_TAG = re.compile(
    r"math|semantics|none|merror|mrow|mstyle|mpadded|mphantom|mspace|mtext|m[ions]|mfrac|msqrt"
    r"|mroot|msu[bp]|msubsup|munder|mover|munderover|mmultiscripts|mprescripts|mtable|mt[rd]"
)
_ATTRIBUTE = re.compile(
    r"accent|accentunder|column(align|lines|spacing)|depth|dir|display|displaystyle|fence|form"
    r"|height|largeop|linethickness|lspace|mathvariant|maxsize|minsize|movablelimits"
    r"|row(lines|spacing)|rspace|scriptlevel|separator|stretchy|symmetric|voffset|width"
)


def with_formulas(text: str, shown: Callable[[str], Markup]) -> Markup:
    """The text as HTML by `shown`, its formulas as MathML.

    What cannot be read as a formula, or would be more than one, stays as it was written.
    """
    found: list[Markup] = []

    def stand_in(match: re.Match[str]) -> str:
        drawn = as_mathml(next(filter(None, match.groups())), is_block=_is_block(match))
        if drawn is None:
            return match[0]
        found.append(drawn)
        return chr(_FIRST + len(found) - 1)

    clean = _FORMULA.sub(stand_in, _PRIVATE.sub("", text))
    html = str(shown(clean))
    # each character was put there above, and stands for what `as_mathml` has checked
    return Markup(_STANDING_IN.sub(lambda m: str(found[ord(m[0]) - _FIRST]), html))  # noqa: S704


def _is_block(match: re.Match[str]) -> bool:
    return match["block"] is not None or match["bracket"] is not None


@lru_cache(maxsize=4096)
def as_mathml(latex: str, *, is_block: bool = False) -> Markup | None:
    """The formula as MathML Core; None where it cannot be read or would hold anything else.

    It says in `alttext` what it was made from, for whoever reads or copies it as text.
    """
    from math_core import LatexError, LatexToMathML  # only here: most pages have no formula

    try:
        drawn = LatexToMathML().convert_with_local_state(latex, displaystyle=is_block)
        math = ElementTree.fromstring(drawn)  # noqa: S314 (the converter writes no entities)
    except (LatexError, ElementTree.ParseError):
        return None
    for element in math.iter():
        # colours and spacing that the pages' policy would refuse
        for name in ("style", "class"):
            element.attrib.pop(name, None)
        if not _TAG.fullmatch(element.tag) or not all(map(_ATTRIBUTE.fullmatch, element.attrib)):
            return None
    math.set("alttext", " ".join(latex.split()))
    return Markup(ElementTree.tostring(math, encoding="unicode"))  # noqa: S704 (checked above)
