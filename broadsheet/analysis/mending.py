r"""What models do to a text around its content, undone: lost backslashes, chatter, headings.

LaTeX in JSON goes wrong in two ways: `"\alpha"` is no JSON, and `"\frac"` is JSON for a form feed
and `rac`. `with_stray_backslashes` mends the first before parsing, `with_commands` the second
after it, which also mends what a provider decoded itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_ESCAPE = re.compile(r"""\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt]|(?P<quote>')|(?P<stray>))""")
_LETTERS = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
_LOST = re.compile(r"([\b\f\n\r\t])([A-Za-z]+)")
_COMMAND = re.compile(
    "backslash|bar|barwedge|because|begin|beta|beth|between|bf|[bB]ig[lr]?|[bB]igg[lr]?"
    "|big(?:cap|cup|oplus|otimes|sqcup|vee|wedge)|binom|bm|bmod|bold|boldmath|boldsymbol|bot"
    "|bowtie|boxed|brace|bracket|breve|bullet"
    "|fbox|flat|footnote|footnotesize|forall|frac|frak|frown"
    "|nabla|natural|nearrow|neg|newcommand|newline|ngeq|nleq|nolimits|nonumber|norm|normalsize"
    "|not|notin|nrightarrow|nsubseteq|nwarrow"
    "|rVert|rangle|rbrace|rbrack|rceil|ref|renewcommand|rfloor|rho|rhd|right|rightarrow"
    "|rightharpoonup|rightleftharpoons|rm|root|rtimes|rule|rvert"
    "|tanh|tau|tbinom|tensor|text[a-z]*|tfrac|therefore|theta|thickapprox|thicksim|thinspace|tilde"
    "|times|tiny|title|top|toprule|triangle(?:left|q|right)?|tt"
)
_SHORT = re.compile(r"(?:neq|nu|to)(?![-.'’][A-Za-z]|\.\s?\(?\d)|ne(?=[\s\\])")
"""Commands unless what follows makes the rest a word: a line may begin with `u-net` or `eq. 3`."""
_MATHS = re.compile(
    r"(?<![\\$])\$(?! )[^$]{1,300}?(?<! )\$(?!\d)|\\\(.{1,300}?\\\)|\\\[.+?\\\]", re.S
)
_IN_MATHS = re.compile(
    "[bfrt][A-Za-z]+|n(?:cong|e|equiv|exists|i|less|mid|parallel|prec|sim|subset|succ|supset|u)"
)
"""Those of them with n are words that a line of prose may well begin with."""


def with_stray_backslashes(json_text: str) -> str:
    r"""The JSON with every backslash doubled that begins no escape (`\'`, JavaScript's, is one)."""
    return _ESCAPE.sub(_escaped, json_text)


def _escaped(match: re.Match[str]) -> str:
    if match["quote"]:
        return "\\u0027"
    return match[0] if match["stray"] is None else "\\\\"


def with_commands(text: str) -> str:
    """The text with LaTeX commands where a control character and the rest of one stand.

    A line break stays one before whatever could be a word, but for a few in mathematics.
    """
    if not _LOST.search(text):
        return text
    in_maths = _MATHS.sub(lambda maths: _LOST.sub(_command_in_maths, maths[0]), text)
    return _LOST.sub(_command, in_maths)


def _command(match: re.Match[str]) -> str:
    name = _LETTERS[match[1]] + match[2]
    following = match.string[match.end() : match.end() + 4]
    is_command = _COMMAND.fullmatch(name)
    if not is_command and (short := _SHORT.match(name + following)):
        is_command = short if short.end() == len(name) else None
    return f"\\{name}" if is_command else match[0]


def _command_in_maths(match: re.Match[str]) -> str:
    name = _LETTERS[match[1]] + match[2]
    return f"\\{name}" if _IN_MATHS.fullmatch(name) else match[0]


_HEADING = re.compile(r"^[^\S\n]*#{1,6}(?:[^\S\n]+(.*))?$", re.MULTILINE)
_RULE = re.compile(r"^[^\S\n]*[-=_*]{3,}[^\S\n]*$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
_DIGITS = r"[（(]?\d{1,2}(?:[.)](?!\d)|、(?!\d)|[．）])"
_MARK = re.compile(
    r"\s*(?:[-*·]\s+|[•●○◦▪‣①-⑳]\s*|[–—]\s+(?!\d)"
    rf"|{_DIGITS}\s*|\[(?:\d{{1,2}}|[xX✓ ])\]\s+"
    r"|[（(]?[一二三四五六七八九十]{1,2}(?:、(?![一二三四五六七八九十])|[）)])\s*"
    r"|[（(](?:[a-h]|i{1,3}|iv|v)[)）]\s+)"
)
_BOLD_NUMBER = re.compile(rf"\A\s*(\*\*|__)\s*{_DIGITS}\s*(\1\s*)?")


def without_headings(text: str) -> str:
    """The text without heading lines and rules; a text of nothing else loses only the signs."""
    bare = _RULE.sub("", text)
    left = _trimmed(_HEADING.sub("", bare))
    return left or _trimmed(_HEADING.sub(lambda heading: heading[1] or "", bare))


def _trimmed(text: str) -> str:
    """Without blank lines around it; the first line keeps its indentation, as `items` needs it."""
    return _BLANK_LINES.sub("", text.rstrip())


def is_marked(text: str) -> bool:
    """Whether the text begins with a bullet or a number, as a list does."""
    return _MARK.match(text) is not None or _BOLD_NUMBER.match(text) is not None


def without_marks(text: str) -> str:
    """The text without the bullets and numbers that it begins with."""
    while mark := _MARK.match(text):
        text = text[mark.end() :]
    return _BOLD_NUMBER.sub(lambda number: "" if number[2] else number[1], text, count=1).strip()


def items(text: str) -> list[str]:
    """A list that was written as one text, item by item; what is indented stays with its item."""
    lines = [line for line in text.expandtabs().split("\n") if line.strip()]
    marked = [_indent(line) for line in lines if is_marked(line)]
    if not marked:
        return [line.strip() for line in lines]
    found: list[list[str]] = []
    for line in lines:
        begins = is_marked(line) and _indent(line) <= min(marked)
        if begins or not found:
            found.append([])
        found[-1].append(line)
    return ["\n".join(item).strip() for item in found]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


_ZH = r"(?:“[^”\n]*”|《[^》\n]*》|「[^」\n]*」|\"[^\"\n]*\"|[^。：:\n“《「\"])"
_ZH_COLON = r"(?:：|:(?=\s|$))"
_ZH_TOPIC = (
    "(?:分析|解析|解读|总结|概括|概述|评述|点评|评价|看法|理解|报告|回答|整理|说明|介绍|JSON|要点|摘要)"
    r"(?:一下|结果|报告|内容|要点|对象|格式|如下|是)*\s*"
)
_ZH_EXPERT = (
    "作为(?:一[名位个])?[^，。：:\n]{0,40}?"
    r"(?:专家|助手|助理|研究员|研究者|学者|工程师|AI)[，,]\s*"
)
_EN = r"(?:\"[^\"\n]*\"|“[^”\n]*”|\.(?=[!-~])|[^.:\n\"“])"
_EN_COLON = r":(?![!-~])"
_EN_TOPIC = (
    r"(?:analys[ei]s|summar(?:y|ies)|overview|breakdown|report|answer|response|JSON|explanation"
    r"|review)\b"
)
_EN_EXPERT = (
    rf"As an? {_EN}{{0,80}}?"
    r"(?:expert|assistant|researcher|reviewer|specialist|scientist|engineer|professor|model),\s+"
)
_EN_I = r"(?:I(?:['’]ll|['’]ve| will| have)?|Let me|Let['’]s)(?: now)?"
_EN_WRITE = r"(?:analy[sz]|summari[sz]|review|provid|giv|present|explain)"
_EN_SURE = r"(?:Sure(?: thing)?|Certainly|Of course|Absolutely|Okay|OK|Gladly|No problem|Great)"
_EN_OPENS = r"(?:here\b|below\b|the following\b|this is\b|I\b|let\b|as requested\b)"
_CHATTER = [
    re.compile(rf"\s*(?:{pattern})", re.IGNORECASE)
    for pattern in (
        rf"{_ZH_EXPERT}我们?(?:认为|觉得)[，,]?",
        rf"{_ZH_EXPERT}我{_ZH}{{0,200}}?{_ZH_TOPIC}{_ZH_COLON}",
        rf"{_ZH_EXPERT}我{_ZH}{{0,200}}?{_ZH_COLON}(?=\s*\n|\s*$)",
        rf"{_ZH_EXPERT}我们?(?:将|来|会|已)?(?:对|就|针对|为|从|按){_ZH}{{0,200}}?{_ZH_TOPIC}{_ZH}{{0,200}}?。",
        rf"{_ZH_EXPERT}{_ZH}{{0,120}}?(?:以下|如下){_ZH}{{0,30}}?{_ZH_COLON}",
        "(?:好的|没问题|收到|明白了?|当然可以)[，,。！!]|当然[！!。]",
        "当然[，,](?=以下|下面|这是|这里|我将|我会|我来|根据)",
        r"(?:根据[^，。：:\n]{0,40}[，,]\s*)?(?:以下|下面|这里是|这是|我将|我会|我来)"
        rf"{_ZH}{{0,120}}?{_ZH_TOPIC}{_ZH_COLON}",
        rf"(?:以下|下面|这)[是为]{_ZH}{{0,120}}?{_ZH_TOPIC}。",
        rf"{_EN_SURE}\s*(?:!|[,.—–-]+\s*(?={_EN_OPENS}))",
        rf"{_EN_SURE},\s+{_EN}{{0,80}}?{_EN_TOPIC}{_EN}{{0,120}}?{_EN_COLON}",
        r"(?:Here(?:['’]s| is| are)|Below (?:is|are)|(?:This|The following|Following) is)"
        r" (?:(?:the|an?|my|your|our) )?(?:[\w-]+ ){0,4}?"
        rf"{_EN_TOPIC}{_EN}{{0,150}}?{_EN_COLON}",
        r"Here (?:it is|you go|you are|is what you (?:asked for|requested))\s*[:.!,]",
        rf"{_EN_EXPERT}{_EN_OPENS}{_EN}{{0,200}}?{_EN_COLON}",
        rf"{_EN_EXPERT}{_EN_I} {_EN_WRITE}{_EN}{{0,200}}?\.(?![!-~])",
        rf"{_EN_I} {_EN_WRITE}{_EN}{{0,200}}?{_EN_COLON}",
        rf"(?:Based on|According to) (?:the|this|your) {_EN}{{0,80}}?,\s+"
        rf"(?:here|below|the following){_EN}{{0,150}}?{_EN_COLON}",
    )
]


def without_preamble(text: str, names: Iterable[str]) -> str:
    """The text without what stands before its content: chatter, and the section's own heading.

    Args:
        text: of the section, or its first item.
        names: what the section is called, in any language.
    """
    openings = (*_CHATTER, _label(tuple(names)))
    before = None
    while before != text:
        before = text
        for opening in openings:
            if found := opening.match(text):
                left = text[found.end() :]
                text = left if found[0].endswith("\n") else left.lstrip(" \t")
    return _trimmed(text)


@lru_cache
def _label(names: Sequence[str]) -> re.Pattern[str]:
    """A section's heading before a colon, a dash or the end of its line, numbered or bold or not.

    In brackets behind it may stand its name again, or, behind a Chinese one, words in English.
    """
    any_name = "|".join(
        re.escape(name).replace(r"\ ", r"\s+") for name in sorted(names, key=len, reverse=True)
    )
    again = (
        rf"\s*[（(][^()（）\n]{{0,20}}(?:{any_name})[^()（）\n]{{0,60}}[)）]"
        r"|(?<=[^\x00-\x7f])\s*[（(](?-i:[A-Z][a-z]+(?: [A-Za-z]+)*)[)）]"
    )
    number = rf"(?:{_DIGITS}\s*)?"
    name = rf"{number}[【「\[]?(?:{any_name})s?[】」\]]?(?:{again})?"
    after = r"\s*(?:[：:]|\s[-–—]\s|\s*\n|\s*$)"
    bold = rf"{number}(?P<bold>\*\*|__)\s*{name}\s*(?:[：:]\s*(?P=bold)|(?P=bold){after})"
    return re.compile(rf"\s*(?:{bold}|{name}{after})", re.IGNORECASE)
