"""What a reader of a page could see: how text looks, and which characters show at all.

Text can be on a page without being visible: white on white, one pixel high, far outside the window,
or written in characters that have no glyph. A person reads past it and a language model does not,
so whoever feeds pages to one has to know. No browser is needed for that, nor a whole cascade:
LaTeXML writes what differs from the theme as attributes, and pages that hide text do it there or by
a rule of their own. What is `aria-hidden` is kept from screen readers only, and so is visible.

Sources: https://www.w3.org/TR/CSS22/, as far as it decides whether a reader sees anything;
https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from colorsys import hls_to_rgb
from functools import lru_cache
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser

_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_ZERO_WIDTH = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060\u3164\ufeff\uffa0"
_UNSEEN = re.compile(
    f"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u200e\u200f\u202a-\u202e\u2061-\u206f"
    f"\u2800\ud800-\udfff\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    f"{_ZERO_WIDTH}{_SELECTORS}]"
)
_REGION_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f")
"""Scotland's flag and the like: the one use that tag characters have."""
_MESSAGE = re.compile(
    f"[\U000e0001-\U000e007f\u202d\u202e]|[{_SELECTORS}]{{2}}|[{_ZERO_WIDTH}]{{4}}"
)
_STRAY = re.compile(f"(?<=[\x20-\u024f{_ZERO_WIDTH}])[{_ZERO_WIDTH}{_SELECTORS}]")
_STRAYS = 16
"""Of one text; two bytes, where each is a bit. Copied web addresses hold a few to break at."""


def visible(text: str) -> str:
    """The text without the characters that no reader sees; spaces of all kinds stay."""
    return _UNSEEN.sub("", text)


def hides_message(text: str) -> bool:
    """Whether characters without a glyph say something, more than a font or a script needs.

    They do where there are tag characters (a copy of ASCII without glyphs), letters that override
    the direction of reading, two variation selectors or four zero-width characters in a row, or 16
    of these after Latin letters. Joiners inside Persian, Hindi or an emoji are writing.
    """
    text = _REGION_FLAG.sub("", text)
    return bool(_MESSAGE.search(text)) or len(_STRAY.findall(text)) >= _STRAYS


_Colour = tuple[int, int, int]
_CLEAR = (-1, -1, -1)
_BLANK = (255, 255, 255)
_NAMED = {"black": (0, 0, 0), "transparent": _CLEAR, "none": _CLEAR}
_NAMED |= {"blue": (0, 0, 255), "green": (0, 128, 0), "navy": (0, 0, 128), "red": (255, 0, 0)}
_NAMED |= dict.fromkeys(("gray", "grey"), (128, 128, 128))
_NAMED |= dict.fromkeys(("aliceblue", "azure", "floralwhite", "ghostwhite", "honeydew"), _BLANK)
_NAMED |= dict.fromkeys(("ivory", "lavenderblush", "mintcream", "seashell", "snow"), _BLANK)
_NAMED |= dict.fromkeys(("white", "whitesmoke"), _BLANK)


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


class Rule(NamedTuple):
    """A rule of the page's own: declarations for elements of a tag (any: ""), classes and ids."""

    tag: str
    names: frozenset[str]
    """`.class` and `#id`, all of which the element must have."""
    declarations: str

    def fits(self, tag: str, attributes: Mapping[str, str | None]) -> bool:
        """Whether the rule is about an element with that tag and these attributes."""
        has = {f".{name}" for name in (attributes.get("class") or "").split()}
        has.add(f"#{attributes.get('id')}")
        return self.tag in ("", tag) and self.names <= has


_PRESENTATION = {
    "bgcolor": "background-color",
    "display": "display",
    "font-size": "font-size",
    "mathbackground": "background-color",
    "mathcolor": "color",
    "mathsize": "font-size",
    "opacity": "opacity",
    "visibility": "visibility",
}
"""Attributes of HTML, MathML and SVG that say what a style could."""


def look_inside(
    around: Look, tag: str, attributes: Mapping[str, str | None], rules: Sequence[Rule]
) -> Look:
    """How text inside an element appears; what the element does not say is as around it.

    Args:
        around: the look of the element's parent.
        tag: the element's name, lower case.
        attributes: as in the page.
        rules: the page's own `page_rules`.
    """
    # A box drawn behind the text is a path in a drawing, so its colour is not known.
    look = around._replace(paper=None) if tag == "svg" else around
    is_closed = tag == "dialog" and "open" not in attributes
    if "hidden" in attributes or tag == "mphantom" or is_closed:
        look = look._replace(is_gone=True)
    said = [
        f"{_PRESENTATION[name]}:{attributes[name]}" for name in _PRESENTATION & attributes.keys()
    ]
    if tag == "font":
        said.append(f"color:{attributes.get('color')}")
    elif tag in ("text", "tspan") and attributes.get("fill") in ("none", "transparent"):
        said.append("color:transparent")
    said += [rule.declarations for rule in rules if rule.fits(tag, attributes)]
    style = ";".join([*said, attributes.get("style") or ""])
    return _styled(look, style) if style else look


_SIMPLE = re.compile(r"([a-z][a-z0-9]*)?((?:[.#](?!ltx_)[\w-]+)*)", re.IGNORECASE)


def page_rules(page: LexborHTMLParser) -> tuple[Rule, ...]:
    """The plain rules (`b`, `.class`, `#id`) of the page's style blocks, the strongest last.

    Empty for most pages. Rules for another medium, theme or state than the page as it is read are
    left out, and so are LaTeXML's own classes: those are the site's theme, which shows footnotes on
    hover.
    """
    rules = [
        Rule(simple[1].lower() if simple[1] else "", _names(simple[2]), declarations)
        for style in page.css("style")
        for selectors, declarations in _plain_rules(style.text())
        for selector in selectors.split(",")
        if (simple := _SIMPLE.fullmatch(selector.strip())) and simple[0]
    ]
    return tuple(sorted(rules, key=_strength))


def _names(selector: str) -> frozenset[str]:
    return frozenset(re.findall(r"[.#][\w-]+", selector))


def _strength(rule: Rule) -> tuple[int, int]:
    return sum(name.startswith("#") for name in rule.names), len(rule.names)


_ON_SCREEN = re.compile(r"@media\s+(?:only\s+)?(?:all|screen|not\s+print)|@layer\b.*", re.I | re.S)


def _plain_rules(css: str) -> Iterator[tuple[str, str]]:
    blocks: list[str] = []
    before = ""
    for part in re.split(r"([{}])", _COMMENT.sub("", css)):
        if part == "{":
            blocks.append(before.rpartition(";")[2].strip())
        elif part == "}" and blocks:
            selectors = blocks.pop()
            if selectors[:1] not in ("", "@") and all(map(_ON_SCREEN.fullmatch, blocks)):
                yield selectors, before
        before = "" if part in "{}" else part


def _is_alike(ink: _Colour | None, paper: _Colour | None) -> bool:
    if ink == _CLEAR:
        return True
    if ink is None or paper is None:
        return False
    return all(abs(a - b) <= 24 for a, b in zip(ink, paper, strict=True))


_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)


@lru_cache(maxsize=4096)
def _styled(look: Look, style: str) -> Look:
    declared = [
        (name.strip(), value.replace("!important", "").strip())
        for name, _, value in (
            declaration.partition(":")
            for declaration in sorted(
                _COMMENT.sub("", style).lower().split(";"), key=lambda one: "!important" in one
            )
        )
    ]
    for name, value in declared:
        look = _declared(look, name, value)
    return look._replace(is_gone=True) if _is_shut(dict(declared)) else look


_AS_AROUND = ("", "currentcolor", "inherit", "revert", "revert-layer", "unset")


def _declared(look: Look, name: str, value: str) -> Look:
    if value in _AS_AROUND:
        return look
    match name:
        case "color" | "--ltx-fg-color" | "-webkit-text-fill-color":
            return look._replace(ink=_colour(value))
        case "background" | "background-color" | "--ltx-bg-color":
            paper = _CLEAR if value in ("0", "0 0", "initial") else _colour(value)
            return look if paper == _CLEAR else look._replace(paper=paper)
        case "font-size":
            return look._replace(size=_font_size(value, look.size))
        case "font":
            size = re.search(r"(?:^|\s)(0|[\d.]+(?:%|[a-z]+))(?=[\s/]|$)", value)
            return look._replace(size=_font_size(size[1], look.size)) if size else look
        case "visibility":
            return look._replace(is_shown=value not in ("hidden", "collapse"))
    return look._replace(is_gone=True) if _takes_away(name, value) else look


def _takes_away(name: str, value: str) -> bool:
    match name:
        case "display":
            return value == "none"
        case "content-visibility":
            return value == "hidden"
        case "opacity":
            return _is_clear(value)
        case "filter":
            _, found, amount = value.partition("opacity(")
            return bool(found) and _is_clear(amount.partition(")")[0])
        case "transform":
            return any(_moves_away(*one) for one in re.findall(r"([\w-]+)\(([^()]*)\)", value))
        case "scale" | "translate":
            return _moves_away(name, value)
        case "clip" | "clip-path":
            shape, _, arguments = value.partition("(")
            return _cuts_all(shape, arguments)
        case "bottom" | "left" | "right" | "top" | "text-indent" | "padding-left":
            return _is_outside(value)
    return name.startswith(("inset", "margin")) and _is_outside(value)


def _is_clear(value: str) -> bool:
    return _number(value, default=1.0) <= (5 if value.endswith("%") else 0.05)


def _is_outside(value: str) -> bool:
    return any(length <= -500 or length >= 5000 for length in _lengths(value))


def _moves_away(function: str, arguments: str) -> bool:
    lengths = _lengths(arguments)
    match function:
        case "scale" | "scalex" | "scaley" | "scale3d":
            return any(abs(length) <= 0.1 for length in lengths)
        case "translate" | "translatex" | "translatey" | "translate3d":
            return any(abs(length) >= 2000 for length in lengths)
        case "rotatex" | "rotatey":
            return any(abs(length) in (90, 270) for length in lengths)
        case "matrix" if len(lengths) >= 4:
            return abs(lengths[0] * lengths[3] - lengths[1] * lengths[2]) <= 0.01
    return False


def _cuts_all(shape: str, arguments: str) -> bool:
    lengths = _lengths(arguments)
    match shape:
        case "rect" if len(lengths) == 4:
            top, right, bottom, left = lengths
            return bottom - top <= 1 or right - left <= 1
        case "inset":
            return any(length >= 50 * _UNITS["%"] for length in lengths)
        case "circle" | "ellipse":
            return lengths[:1] == [0]
        case "polygon":
            return not any(lengths)
    return False


def _is_shut(values: Mapping[str, str]) -> bool:
    """A box of no size that shows nothing of what flows over."""
    overflow = " ".join(value for name, value in values.items() if name.startswith("overflow"))
    if "hidden" not in overflow and "clip" not in overflow:
        return False
    sides = ("height", "width", "max-height", "max-width", "block-size", "inline-size")
    return any(_lengths(values[side])[:1] in ([0], [1]) for side in sides if side in values)


_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([a-z%]*)")
_UNITS = {"%": 5.0, "vw": 5.0, "vh": 5.0, "vmin": 5.0, "vmax": 5.0, "rem": 10.0, "em": 10.0}
_UNITS |= {"ex": 5.0, "ch": 5.0, "pc": 12.0, "in": 72.0, "cm": 28.3, "mm": 2.83}
"""Points, roughly; those of relative units in a text of 10 points in a window of 500."""


def _lengths(value: str) -> list[float]:
    return [float(number) * _UNITS.get(unit, 1.0) for number, unit in _NUMBER.findall(value)]


def _number(value: str, default: float) -> float:
    found = _NUMBER.match(value.strip())
    return float(found[1]) if found else default


def _font_size(value: str, around: float) -> float:
    found = _NUMBER.match(value.removeprefix("calc(").strip())
    if found is None or found[1].startswith("-"):
        return around
    factor = {"%": around / 100, "em": around, "ex": around / 2, "ch": around / 2}
    return float(found[1]) * factor.get(found[2], _UNITS.get(found[2], 1.0))


_HEX = re.compile(r"#([0-9a-f]{3,8})\b")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")


def _colour(value: str) -> _Colour | None:
    if found := _HEX.search(value):
        digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
        channels = [int(digits[at : at + 2], 16) for at in range(0, len(digits) - 1, 2)]
        alpha = channels[3] / 255 if len(channels) > 3 else 1.0
    elif found := _FUNCTION.search(value):
        parts = found[2].replace(",", " ").replace("/", " ").split()
        channels = _channels(found[1], [_number(part, default=0.0) for part in parts], found[2])
        alpha = 0.0 if len(parts) > 3 and _is_clear(parts[3]) else 1.0
    else:
        return _NAMED.get(value.split(" ")[0])
    red, green, blue = [*channels, 0, 0, 0][:3]
    return (red, green, blue) if alpha > 0.05 else _CLEAR


def _channels(function: str, numbers: Sequence[float], written: str) -> list[int]:
    if function == "rgb":
        scale = 2.55 if written.count("%") > 2 else 1.0
        return [round(min(255, scale * number)) for number in numbers[:3]]
    hue, saturation, lightness = [*numbers, 0.0, 0.0, 0.0][:3]
    shares = hls_to_rgb(hue / 360 % 1, min(1, lightness / 100), min(1, saturation / 100))
    return [round(255 * share) for share in shares]
