"""Text of an arXiv HTML page (LaTeXML): sections in page order, every formula once. No I/O.

The article is walked once, with an explicit stack because generated pages nest deeply. The walk
leaves control characters where blocks, cells and sections begin and end; `_render` turns those into
lines and paragraphs. What a reader of the page could not see (`visibility` tells) is left out, and
reported.

Source: class names and what they look like,
https://github.com/brucemiller/LaTeXML/blob/master/lib/LaTeXML/resources/CSS/LaTeXML.css
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from broadsheet.models import Section
from broadsheet.sources.visibility import (
    Look,
    Rule,
    hides_message,
    look_inside,
    page_rules,
    visible,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """What one page of arXiv's HTML says.

    `sections` has the abstract first, under the heading "Abstract", then the body in page order,
    appendices included; it is what could be read, also where there is a problem. A body that
    stands in no section (a letter's) has an empty heading.
    """

    sections: tuple[Section, ...]
    problem: str
    """`shell`, `fatal_conversion` or `not_latexml`; empty when the page can be read."""
    version: int | None
    """The arXiv version the page renders, None where it does not say."""
    has_hidden_text: bool
    """Invisible prose was found, and dropped."""


def read_page(html: str) -> Page:
    """The page's text by section; never raises, a truncated page is read as far as it goes."""
    page = LexborHTMLParser(_until_too_deep(html).encode("utf-8", "replace").decode())
    article = page.css_first("article.ltx_document")
    walk = _Walk(page_rules(page))
    if article is not None:
        walk.over(article)
    sections = _sections("".join(walk.pieces))
    return Page(
        sections=sections,
        problem=_problem(page, article, sections),
        version=_version(page),
        has_hidden_text=walk.has_hidden_text,
    )


def _problem(
    page: LexborHTMLParser, article: LexborNode | None, sections: tuple[Section, ...]
) -> str:
    if any("Fatal error" in error.text() for error in page.css(".ltx_ERROR")):
        return "fatal_conversion"
    if article is None:
        return "not_latexml"
    has_body = any(section.text for section in sections if section.heading != _ABSTRACT)
    return "" if has_body else "shell"


_STAMPED = re.compile(r"(?:\d{4}\.\d{4,5}|[a-z-]+(?:\.[A-Z]{2})?/\d{7})v(\d{1,3})(?!\d)")
"""https://info.arxiv.org/help/arxiv_identifier.html, with the version."""


def _version(page: LexborHTMLParser) -> int | None:
    watermark, base = page.css_first("#watermark-tr"), page.css_first("base[href]")
    canonical = page.css_first('link[rel="canonical"][href]')
    stamps = [watermark.text() if watermark is not None else ""]
    stamps += [node.attributes["href"] or "" for node in (base, canonical) if node is not None]
    found = filter(None, map(_STAMPED.search, stamps))
    return next((int(stamp[1]) for stamp in found), None)


# A parser looks through all open elements at every block, which takes minutes for 400,000 nested
# ones. Left out are elements that cannot hold others, and those whose end tag may be missing.
_TAG = re.compile(
    r"<(/?)(?!(?:area|base|br|circle|col|colgroup|dd|dt|ellipse|embed|hr|img|input|li|line"
    r"|link|meta|optgroup|option|p|path|polygon|polyline|rect|source|stop|tbody|td|tfoot|th"
    r"|thead|tr|track|use|wbr)[\s/>])([a-z][^\s/>]*)",
    re.IGNORECASE,
)
_DEEPEST = 500
"""Open elements at once; real pages stay below 20."""


def _until_too_deep(html: str) -> str:
    open_by_tag: dict[str, int] = {}
    depth = 0
    for tag in _TAG.finditer(html):
        name = tag[2].lower()
        if name != "math" and open_by_tag.get("math"):
            continue
        count = open_by_tag.get(name, 0)
        # An end tag counts for its own name only: a parser ignores one that closes nothing.
        step = 1 if not tag[1] else -1 if count else 0
        open_by_tag[name] = count + step
        depth += step
        if depth > _DEEPEST:
            return html[: tag.start()]
    return html


# Marks the walk leaves in the text: control characters, which are taken out of the page's own text.
_PARAGRAPH, _LINE, _CELL, _ITEM, _ITEM_TAG_END = "\x01", "\x02", "\x03", "\x04", "\x0f"
_SECTION, _SUBSECTION, _HEADING_END, _NOTE, _NOTE_END = "\x05", "\x06", "\x07", "\x08", "\x0e"
_ABSTRACT = "Abstract"

_Flow = Literal["blocks", "line", "verbatim"]


class _Shape(NamedTuple):
    """What an element does to the text; `flow` is None where its children flow as it does."""

    opening: str = ""
    closing: str = ""
    flow: _Flow | None = None
    is_dropped: bool = False


_DROPPED = re.compile(
    r"annotation|annotation-xml|audio|button|canvas|desc|footer|form|head|header|iframe|img|input"
    r"|label|nav|noscript|object|script|select|style|template|textarea|title|video"
    r"|ltx_(?:ERROR|TOC|authors|bibliography|biblist|classification|creator|dates?|index|keywords"
    r"|listing_data|nodisplay|note_mark|note_type|page_footer|page_header|page_logo|page_navbar"
    r"|pagination|rdf|role_footnotemark|subtitle|tag_listingline|tag_note|title_abstract"
    r"|title_document)|package-alerts|sr-only"
)
"""Tags and classes that are no part of the article's text."""
_BLOCK = re.compile(
    r"article|blockquote|div|dl|figcaption|figure|h[1-6]|ol|p|section|svg|table|ul"
    r"|ltx_(?:block|enumerate|itemize|listing|p|para|tabular|title)"
)
_HEADING = _Shape(_SECTION, _HEADING_END, "line")
_ITEM_TAG = _Shape("", _ITEM_TAG_END, "line")
_TABLE_CELL = _Shape("", _CELL, "line")
_OWN_LINE = _Shape(_LINE, _LINE)
# By tag and by class, first match. The text of a described item has its term's class `ltx_item`,
# so its tag comes before; LaTeXML writes lists and tables as spans where HTML allows no blocks.
_SHAPES = {
    "dd": _Shape(" ", _LINE),
    "pre": _Shape(_PARAGRAPH, _PARAGRAPH, "verbatim"),
    "ltx_verbatim": _Shape(flow="verbatim"),
    "ltx_title_part": _HEADING,
    "ltx_title_chapter": _HEADING,
    "ltx_title_section": _HEADING,
    "ltx_title_appendix": _HEADING,
    "ltx_title_subsection": _Shape(_SUBSECTION, _HEADING_END, "line"),
    "ltx_title": _Shape(_PARAGRAPH, _PARAGRAPH, "line"),
    "ltx_abstract": _Shape(_SECTION + _ABSTRACT + _HEADING_END, _SECTION + _HEADING_END),
    "ltx_note": _Shape(_NOTE, _NOTE_END, "line"),
    "ltx_tag_item": _ITEM_TAG,
    "ltx_tag_description": _ITEM_TAG,
    "ltx_tag": _Shape("", " "),
    "ltx_eqn_cell": _Shape("", " ", "line"),
    "ltx_td": _TABLE_CELL,
    "td": _TABLE_CELL,
    "th": _TABLE_CELL,
    "ltx_item": _Shape(_ITEM, _LINE),
    "dt": _Shape(_ITEM, _LINE),
    "li": _Shape(_ITEM, _LINE),
    "br": _Shape(_LINE),
    "foreignObject": _OWN_LINE,
    "ltx_listingline": _OWN_LINE,
    "ltx_tr": _OWN_LINE,
    "tr": _OWN_LINE,
}


@lru_cache(maxsize=4096)
def _shape(tag: str, class_names: str) -> _Shape:
    names = {tag, *class_names.split()}
    if any(map(_DROPPED.fullmatch, names)):
        return _Shape(is_dropped=True)
    is_block = any(map(_BLOCK.fullmatch, names))
    fallback = _Shape(_PARAGRAPH, _PARAGRAPH) if is_block else _Shape()
    return next((shape for name, shape in _SHAPES.items() if name in names), fallback)


_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_WORDS = re.compile(f"[{_CJK}]{{2}}|[^\\W\\d_{_CJK}]+")
"""Words; where they are written without spaces between, two characters count as one."""
_COMMANDS = re.compile(
    r"\\(?:begin|end|color|label|ref)\b(?:\[[^\]]*\])?\{[^{}]*\}|\\[a-zA-Z]+|\\."
)
_PLAIN = Look()
_UNREAD = ("noscript", "template")
"""What LaTeXML never writes, and no reader sees. Comments are left out of both: LaTeXML writes the
source's own."""


class _Walk:
    """One walk over an article: its text with marks in `pieces`, and whether prose was hidden."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.pieces: list[str] = []
        self.has_hidden_text = False
        self._rules = rules
        self._hidden_words: list[str] = []

    def over(self, *nodes: LexborNode, look: Look = _PLAIN, flow: _Flow = "blocks") -> None:
        """Adds the text of the nodes and below them."""
        # A closing mark waits on the stack below the children it comes after.
        stack: list[tuple[LexborNode | str, Look, _Flow]] = [
            (node, look, flow) for node in reversed(nodes)
        ]
        while stack:
            node, look, flow = stack.pop()
            if isinstance(node, str):
                self._mark(node, flow)
            elif node.is_text_node:
                self._say(node.text_content or "", look, flow)
            elif node.is_element_node:
                stack.extend(self._enter(node, look, flow))

    def _enter(
        self, node: LexborNode, look: Look, flow: _Flow
    ) -> Iterator[tuple[LexborNode | str, Look, _Flow]]:
        tag, attributes = node.tag or "", node.attributes
        shape = _shape(tag, attributes.get("class") or "")
        if shape.is_dropped:
            if tag in _UNREAD:
                self._suspect(*_WORDS.findall(re.sub(r"<[^>]*>", " ", node.html or "")))
            return
        look = look_inside(look, tag, attributes, self._rules)
        if tag == "math" and (source := attributes.get("alttext")):
            if not look.is_invisible:
                self.pieces.append(self._formula(node, source, look))
            return
        self._mark(shape.opening, flow)
        yield shape.closing, look, flow
        inner = flow if flow == "line" else shape.flow or flow
        for child in reversed(list(node.iter(include_text=True))):
            yield child, look, inner

    def _formula(self, node: LexborNode, source: str, look: Look) -> str:
        """The formula's source; where that has words that the formula does not show, what it shows.

        The source is an attribute, which no reader sees; it is taken because it reads better.
        """
        self._listen(source)
        # LaTeXML wraps a long formula as TeX does, with a comment sign at the line's end.
        source = visible(source).replace("%\n", "").strip()
        words = {word for word in _WORDS.findall(_COMMANDS.sub(" ", source)) if len(word) > 1}
        if len(words) >= 3:
            inside = _Walk(self._rules)
            inside.over(*node.iter(include_text=True), look=look, flow="line")
            shown = unicodedata.normalize("NFKC", "".join(inside.pieces))
            if sum(word not in shown for word in words) >= 3:
                self.has_hidden_text = True
                return shown
        return f"${source}$"

    def _mark(self, mark: str, flow: _Flow) -> None:
        is_kept = flow != "line" or mark in (_NOTE, _NOTE_END)
        self.pieces.append(mark if is_kept or not mark else " ")

    def _say(self, text: str, look: Look, flow: _Flow) -> None:
        self._listen(text)
        text = visible(text)
        if look.is_invisible:
            self._hidden_words += _WORDS.findall(text)
            self._suspect(*self._hidden_words)
        elif text:
            self.pieces.append(text.replace("\n", _LINE) if flow == "verbatim" else text)
            if not text.isspace():
                self._hidden_words.clear()

    def _listen(self, text: str) -> None:
        if not text.isascii() and hides_message(text):
            self.has_hidden_text = True

    def _suspect(self, *words: str) -> None:
        # A phantom that holds a column open is a word at most; three in a row are prose.
        if len(words) >= 3 or sum(map(len, words)) >= 20:
            self.has_hidden_text = True
            self._hidden_words.clear()


_REFERENCES = re.compile(
    r"(?:[\dA-Z]+\.? )?(?:(?:bibliographical |language resource )?references|bibliography)",
    re.IGNORECASE,
)
_FRONT_MATTER_CHARS = 2000
"""Text outside sections is authors and teasers up to this length; a letter's body is longer."""


def _sections(marked: str) -> tuple[Section, ...]:
    parts = re.split(f"([{_SECTION}{_SUBSECTION}])", _SECTION + _HEADING_END + marked)
    sections = []
    for mark, part in zip(parts[1::2], parts[2::2], strict=True):
        title, _, body = part.partition(_HEADING_END)
        heading = _render(re.sub(f"{_NOTE}[^{_NOTE_END}]*{_NOTE_END}?", " ", title))
        text = _render(body)
        is_kept = heading or len(text) >= _FRONT_MATTER_CHARS
        if is_kept and not _REFERENCES.fullmatch(heading):
            level = 2 if mark == _SUBSECTION else 1
            sections.append(Section(heading=heading, text=text, level=level))
    return tuple(sorted(sections, key=lambda section: section.heading != _ABSTRACT))


_BREAK = f"[{_PARAGRAPH}{_LINE}\\s]"
_BREAKS = re.compile(f"{_BREAK}+")
_ITEM_START = re.compile(
    f"{_BREAK}?{_ITEM}{_BREAK}?"
    f"(?:([^{_PARAGRAPH}-{_NOTE}{_NOTE_END}{_ITEM_TAG_END}]*){_ITEM_TAG_END}{_BREAK}?)?"
)


def _render(marked: str) -> str:
    """Paragraphs separated by a blank line; list items and table rows on lines of their own."""
    marked = marked.replace(_NOTE, " [Note: ").replace(_NOTE_END, "]").replace(" [Note: ]", "")
    marked = _BREAKS.sub(_strongest_break, marked)
    marked = _ITEM_START.sub(_item_start, marked).replace(_ITEM_TAG_END, " ")
    paragraphs = (
        "\n".join(filter(None, map(_row, paragraph.split(_LINE))))
        for paragraph in marked.split(_PARAGRAPH)
    )
    return "\n\n".join(filter(None, paragraphs))


def _strongest_break(found: re.Match[str]) -> str:
    return next((mark for mark in (_PARAGRAPH, _LINE) if mark in found[0]), " ")


def _item_start(found: re.Match[str]) -> str:
    # A bullet is a sign or a formula; numbers and labels are referred to, so they stay.
    tag = found[1] or ""
    is_label = "$" not in tag and any(map(str.isalnum, tag))
    return f"{_LINE}- {tag.strip()} " if is_label else f"{_LINE}- "


def _row(line: str) -> str:
    cells = [cell.strip() for cell in line.split(_CELL)]
    if len(cells) > 1 and not cells[-1]:
        cells.pop()
    text = " ".join(" | ".join(cells).split())
    return "" if text == "-" or not any(cells) else text
