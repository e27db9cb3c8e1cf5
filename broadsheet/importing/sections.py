"""The sections of an analysis, found by their headings however these are written.

`### 1. **X (Key Contribution)**`, `### 1. X`, `1. **X**: text`, `**1. X**`, `X：` are all the
heading X of a style's `sections.toml`, in any of its languages. What stands before the first one is
chatter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from broadsheet.importing.markdown import block, items
from broadsheet.styles import SectionSpec

Sections = Mapping[str, str | tuple[str, ...]]

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "innovation": ("核心创新", "核心贡献", "创新点", "Key Contributions", "Core Innovation"),
    "method": ("技术原理", "方法", "技术方法", "Methods", "Technical Details"),
    "takeaway": ("启发", "借鉴意义", "Takeaways", "Inspiration"),
    "limitations": ("潜在缺陷与局限", "缺陷", "局限性", "局限", "Limitation", "Weaknesses"),
    "area": ("研究领域", "应用场景", "Application Area", "Field"),
    "contribution": ("核心贡献", "一句话贡献", "Core Contribution", "In one sentence"),
    "usage": ("使用方法", "使用说明", "Usage", "Usage Guide"),
    "innovations": ("创新点", "核心创新点", "Innovations", "Main Innovations"),
    "results": ("实验结果", "实验效果与结果", "Experimental Results", "Experiments"),
}
"""Other words for a heading, by section's id; each counts in its own style only."""

_LONGEST = 120  # characters of a heading
_COLONS = (":", "：")
_MARKS = re.compile(
    r"(?P<hashes>#{1,6}\s*)?(?P<outer>\*\*|__)?\s*(?P<number>[（(]?\d{1,2}\s*[.、)）:：]\s*)?"
    r"(?P<inner>\*\*|__)?\s*"
)
_BRACKET = re.compile(r"\s*[（(][^()（）]*[)）]\s*$")
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Headings:
    """The headings of one style, in all its languages."""

    specs: tuple[SectionSpec, ...]

    @cached_property
    def _ids(self) -> dict[str, tuple[str, str]]:
        """Section's id and language by what a heading says."""
        found: dict[str, tuple[str, str]] = {}
        for spec in self.specs:
            for language, heading in spec.heading.items():
                found |= {_plain(name): (spec.id, language) for name in _names(heading)}
        for spec in self.specs:
            for name in SYNONYMS.get(spec.id, ()):
                found.setdefault(_plain(name), (spec.id, "en" if name.isascii() else "zh"))
        return found

    def read(
        self, lines: Sequence[str], original: Callable[[str], str] = lambda text: text
    ) -> tuple[dict[str, str | tuple[str, ...]], str | None]:
        """The sections by id, all of them where there is any, and the headings' language.

        Args:
            lines: those of one analysis.
            original: what undoes the escaping of a text, where a page has any.
        """
        found: dict[str, list[str]] = {}
        languages: Counter[str] = Counter()
        openings: dict[str, str] = {}
        current: list[str] = []  # what stands before the first heading is left there
        for line in lines:
            heading = self._heading(line)
            if heading is None or heading[0] in found:
                current.append(line)
                continue
            name, language, openings[name] = heading
            languages[language] += 1
            current = found[name] = []
        texts = {name: _joined(openings[name], found[name]) for name in found}
        if not any(c.isalnum() for text in texts.values() for c in text):
            return {}, None
        made = {spec.id: _value(spec, texts.get(spec.id, ""), original) for spec in self.specs}
        return made, languages.most_common(1)[0][0]

    def _heading(self, line: str) -> tuple[str, str, str] | None:
        """Section's id, language and what follows on the line, where the line is a heading."""
        start = line.lstrip(" ")
        if not start or len(line) - len(start) > 3:
            return None
        marks = _MARKS.match(start)
        is_marked = marks is not None and any(marks.groups())
        bold = (marks["inner"] or marks["outer"]) if marks else None
        name, after, is_apart = _parted(start[marks.end() :] if marks else start, bold)
        if len(name) > _LONGEST or (after and not (is_marked and is_apart)):
            return None
        known = self._ids.get(_plain(name)) or self._ids.get(_plain(_BRACKET.sub("", name)))
        return (*known, after) if known else None


def _parted(rest: str, bold: str | None) -> tuple[str, str, bool]:
    """The name, what follows it, and whether a colon stands between."""
    name, _, after = rest.partition(bold) if bold else _at_colon(rest)
    name, after = name.strip(), after.strip()
    is_apart = name.endswith(_COLONS) or after.startswith(_COLONS) or not bold
    return name.rstrip(":： "), after.lstrip(":： ") if bold else after, is_apart


def _at_colon(rest: str) -> tuple[str, str, str]:
    signs = [at for at in map(rest.find, _COLONS) if at >= 0]
    at = min(signs, default=len(rest))
    return rest[:at], rest[at : at + 1], rest[at + 1 :]


def _names(heading: str) -> tuple[str, ...]:
    """A heading whole, without its brackets, and what stands in them."""
    before, bracket, within = heading.partition("(")
    return (heading, before, within.rstrip(") ")) if bracket else (heading,)


def _plain(name: str) -> str:
    return _NO_LETTERS.sub("", name).casefold()


def _joined(opening: str, lines: Sequence[str]) -> str:
    """What stands on a heading's line, and the block below it."""
    below = block(lines)
    return f"{opening}\n{below}".strip() if opening else below


def _value(spec: SectionSpec, text: str, original: Callable[[str], str]) -> str | tuple[str, ...]:
    if spec.kind == "text":
        return original(text)
    return tuple(original(item) for item in items(text))
