"""What a reader of an HTML page could see: how text looks, from its style attributes and classes.

Text can be on a page without being visible: white on white, one pixel high, far outside the window.
A person reads past it and a language model does not, so whoever feeds pages to one has to know. No
browser is needed for that, nor a whole cascade: LaTeXML writes what differs from the theme as style
attributes, and pages that hide text do it there or by a class of their own.

Source: https://www.w3.org/TR/CSS22/, as far as it decides whether a reader sees anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser

_Colour = tuple[int, int, int]
_CLEAR = (-1, -1, -1)
_BLANK = (255, 255, 255)
_NAMED = {"black": (0, 0, 0), "transparent": _CLEAR} | dict.fromkeys(
    ("azure", "ghostwhite", "ivory", "snow", "white", "whitesmoke"), _BLANK
)


class Look(NamedTuple):
    """How text inside an element appears; `Look()` is that of a page that styles nothing."""

    ink: _Colour | None = None
    """The colour of the letters, None where it is not known."""
    paper: _Colour | None = _BLANK
    """The colour behind them, None where it is not known."""
    size: float = 10.0
    """Points; LaTeXML writes sizes in percent of the text around."""
    is_shown: bool = True
    """The one thing besides colour and size that a child can set back."""
    is_gone: bool = False
    """An element around it is not there, see-through or outside the page: no child comes back."""

    @property
    def is_invisible(self) -> bool:
        """Nobody looking at the page would see text here."""
        is_tiny = self.size <= 2
        return self.is_gone or not self.is_shown or is_tiny or _is_alike(self.ink, self.paper)


def look_inside(
    around: Look, tag: str | None, attributes: Mapping[str, str | None], rules: Mapping[str, str]
) -> Look:
    """How text inside an element appears; what the element does not say is as around it.

    Args:
        around: the look of the element's parent.
        tag: the element's name, lower case.
        attributes: as in the page; `class`, `style` and `hidden` count.
        rules: the page's own `class_rules`.
    """
    # A box drawn behind the text is a path in a drawing, so its colour is not known.
    look = around._replace(paper=None) if tag == "svg" else around
    if "hidden" in attributes:
        look = look._replace(is_gone=True)
    style = attributes.get("style") or ""
    if rules:
        names = (attributes.get("class") or "").split()
        style = ";".join([*(rules.get(name, "") for name in names), style])
    return _styled(look, style) if style else look


def class_rules(page: LexborHTMLParser) -> Mapping[str, str]:
    """Declarations by class name, from the plain `.class {…}` rules of the page's style blocks.

    Empty for most pages. Rules inside @media or @supports are left out (a print or dark-theme rule
    says nothing about the page as it is read), and so are LaTeXML's own classes: those are the
    site's theme, which shows footnotes on hover.
    """
    rules: dict[str, str] = {}
    for style in page.css("style"):
        for selectors, declarations in _plain_rules(style.text()):
            for selector in selectors.split(","):
                if plain := re.fullmatch(r"\s*[a-z]*\.((?!ltx_)[\w-]+)\s*", selector):
                    rules[plain[1]] = rules.get(plain[1], "") + declarations + ";"
    return rules


def _plain_rules(css: str) -> Iterator[tuple[str, str]]:
    depth, selectors, before = 0, "", ""
    for part in re.split(r"([{}])", re.sub(r"/\*.*?(?:\*/|\Z)", "", css, flags=re.DOTALL)):
        if part == "{":
            depth += 1
            selectors = before if depth == 1 else ""
        elif part == "}":
            if depth == 1 and selectors:
                yield selectors.rpartition(";")[2], before
            depth = max(0, depth - 1)
        before = part


def _is_alike(ink: _Colour | None, paper: _Colour | None) -> bool:
    if ink == _CLEAR:
        return True
    if ink is None or paper is None:
        return False
    return all(abs(a - b) <= 24 for a, b in zip(ink, paper, strict=True))


@lru_cache(maxsize=4096)
def _styled(look: Look, style: str) -> Look:
    for declaration in style.lower().split(";"):
        name, _, value = declaration.partition(":")
        look = _declared(look, name.strip(), value.replace("!important", "").strip())
    return look


def _declared(look: Look, name: str, value: str) -> Look:
    match name:
        case "color" | "--ltx-fg-color":
            return look._replace(ink=_colour(value))
        case "background" | "background-color" | "--ltx-bg-color":
            paper = _colour(value)
            return look if paper == _CLEAR else look._replace(paper=paper)
        case "font-size":
            return look._replace(size=_font_size(value, look.size))
        case "visibility":
            return look._replace(is_shown=value not in ("hidden", "collapse"))
    return look._replace(is_gone=True) if _takes_away(name, value) else look


def _takes_away(name: str, value: str) -> bool:
    match name:
        case "display":
            return value == "none"
        case "opacity":
            return _number(value, default=1.0) <= (5 if value.endswith("%") else 0.05)
        case "transform":
            _, found, scale = value.partition("scale(")
            return bool(found) and abs(_number(scale, default=1.0)) <= 0.1
        case "bottom" | "left" | "margin-left" | "margin-top" | "right" | "text-indent" | "top":
            # Relative units end in m, %, w or h: 100 em, or all of the width there is.
            is_relative = value.endswith(("m", "%", "w", "h"))
            return _number(value, default=0.0) <= (-100 if is_relative else -500)
    return False


_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))")


def _number(value: str, default: float) -> float:
    found = _NUMBER.match(value)
    return float(found[1]) if found else default


def _font_size(value: str, around: float) -> float:
    unit = {"%": around / 100, "rem": 10.0, "em": around}
    factor = next((factor for end, factor in unit.items() if value.endswith(end)), 1.0)
    number = _number(value, default=-1.0)
    return number * factor if number >= 0 else around


_HEX = re.compile(r"#([0-9a-f]{3,8})\b")
_RGB = re.compile(r"rgba?\(([^()]*)\)")


def _colour(value: str) -> _Colour | None:
    if found := _HEX.search(value):
        digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
        channels = [int(digits[at : at + 2], 16) for at in range(0, len(digits) - 1, 2)]
        alpha = channels[3] / 255 if len(channels) > 3 else 1.0
    elif found := _RGB.search(value):
        parts = found[1].replace(",", " ").replace("/", " ").split()
        scale = 2.55 if found[1].count("%") > 2 else 1.0
        channels = [round(min(255, scale * _number(part, default=0.0))) for part in parts]
        alpha = _number(parts[3], default=1.0) if len(parts) > 3 else 1.0
    else:
        return _NAMED.get(value.split(" ")[0])
    red, green, blue = [*channels, 0, 0, 0][:3]
    return (red, green, blue) if alpha > 0.05 else _CLEAR
