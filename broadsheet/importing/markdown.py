r"""Markdown read line by line: what our own pages escaped, lists, rules, indentation.

Nothing here is a parser of Markdown: pages are taken apart by their lines, in linear time, so that
what others wrote stays as they wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from unicodedata import category

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_ESCAPED = re.compile(
    r"(?P<code>`[^`\n<]+`)|\\(?P<sign>[^A-Za-z0-9\s])|(?P<entity>&(?:lt|amp|#46|#58);)"
)
_ENTITIES = {"&lt;": "<", "&amp;": "&", "&#46;": ".", "&#58;": ":"}
_BULLET = re.compile(r"(?:[-*+•]|(?P<number>\d{1,3}[.)]))(?:\s+|$)")
_RULES = ("-", "=", "_", "*")


def lines_of(text: str) -> list[str]:
    """The lines as a page can show them: spaces for tabs, no characters that no reader sees."""
    return [_seen(line) for line in text.split("\n")]


def _seen(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line.rstrip()
    spaced = "".join(" " if c.isspace() else c for c in line.expandtabs(4))
    return "".join(c for c in spaced if category(c) not in _UNSEEN).rstrip()


def one_line(text: str) -> str:
    """The text on one line, without the spaces around it."""
    return " ".join(_seen(text.replace("\n", " ")).split())


def unescaped(text: str) -> str:
    """The text that `broadsheet.rendering` made this Markdown of."""
    return _ESCAPED.sub(_original, text)


def _original(match: re.Match[str]) -> str:
    if match["code"]:
        return match[0]
    return match["sign"] or _ENTITIES[match[0]]


def is_rule(line: str) -> bool:
    """Whether the line is one of three signs or more and nothing else."""
    bare = line.replace(" ", "")
    return len(bare) >= 3 and bare[0] in _RULES and not bare.strip(bare[0])


def block(lines: Sequence[str]) -> str:
    """The lines as one text, without blank lines and rules around it and without common indent."""
    start, end = 0, len(lines)
    while end > start and (not lines[end - 1].strip() or is_rule(lines[end - 1])):
        end -= 1
    while start < end and (not lines[start].strip() or is_rule(lines[start])):
        start += 1
    return "\n".join(_dedented(lines[start:end])).strip()


def _dedented(lines: Sequence[str]) -> list[str]:
    margin = min((_indent(line) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def items(text: str) -> tuple[str, ...]:
    """The items of a text that is a list and nothing else; one item, the text, of any other."""
    lines = text.split("\n")
    marks = [_BULLET.match(line) for line in lines]
    begins = [mark for line, mark in zip(lines, marks, strict=True) if line and line[0] != " "]
    kinds = {mark["number"] is not None if mark else None for mark in begins}
    if len(kinds) != 1 or None in kinds:
        return (text,) if text else ()
    found: list[list[str]] = []
    for line, mark in zip(lines, marks, strict=True):
        if mark:
            found.append([line[mark.end() :]])
        else:
            found[-1].append(line)
    return tuple(item for item in map(_item, found) if item)


def _item(lines: Iterable[str]) -> str:
    first, *more = lines
    return "\n".join([first.strip(), *_dedented(more)]).strip()
