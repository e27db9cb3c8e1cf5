"""The question that a style asks about one paper, and the content key that names it.

A paper is a stranger's text: what no reader sees of it is left out, and the rest goes in as data
between fences that it cannot contain, never read as a template.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from broadsheet.analysis.reading import was_cut
from broadsheet.config import Model
from broadsheet.errors import UsageError
from broadsheet.models import Answer, FullText, Pick, Question, Section
from broadsheet.sources import visibility
from broadsheet.styles import Style

_DISPENSABLE = re.compile(
    r"^\W*(?:\d+\.?\s+)?(?:appendi|supplement|acknowledge?ment|related work)|^[A-H]\.\d*\s", re.I
)
_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_MAX_QUOTED_CHARS = 4000
"""So much of an unusable answer is shown to the model that gave it."""


def ask_about(pick: Pick, text: FullText, style: Style, model: Model, max_chars: int) -> Question:
    """The question of the style about the paper, for one model.

    Args:
        pick: the paper.
        text: the text to read.
        style: which sections, in which language.
        model: whom to ask.
        max_chars: longest text to put into the question; whole sections are dropped beyond it.

    Raises:
        UsageError: the style's prompt template is broken.
    """
    messages = _messages(pick, fit(text.sections, max_chars), style)
    parameters = {"temperature": 0.0, "max_tokens": model.max_output_tokens}
    key = content_key(model.name, style.version, messages, style.schema, parameters)
    return Question(
        key=key,
        model=model.name,
        paper_id=pick.paper_id,
        style=style.name,
        prompt_version=style.version,
        messages=messages,
        schema=style.schema,
        parameters=parameters,
    )


def ask_again(question: Question, answer: Answer, reason: str) -> Question:
    """The one question that follows an unusable answer: the same, that answer, and what is wrong.

    Args:
        question: the one that was answered.
        answer: what the model said.
        reason: why that cannot be used, as `UnusableAnswer.reason` says it.
    """
    said = visible(answer.text).strip()[:_MAX_QUOTED_CHARS]
    quoted = [{"role": "assistant", "content": said}] if said else []
    asked = {"role": "user", "content": _objection(question, answer, visible(reason))}
    messages = (*question.messages, *quoted, asked)
    parts = (question.model, question.prompt_version, messages)
    key = content_key(*parts, question.schema, question.parameters)
    return replace(question, key=key, messages=messages)


def _objection(question: Question, answer: Answer, reason: str) -> str:
    keys = question.schema.get("properties")
    named = f" ({', '.join(keys)})" if isinstance(keys, Mapping) else ""
    briefer = (
        " Be much briefer than before: one short sentence per string, only the most telling items"
        " of a list."
    )
    return (
        f"Your answer cannot be used: {' '.join(reason.split())}. Give the whole JSON object again,"
        f" with every key filled{named}, in the language asked for, and nothing before or after it."
        f"{briefer if was_cut(answer) else ''}"
    )


def visible(text: str) -> str:
    """The text without characters that no reader sees; line breaks of any kind become one kind."""
    return visibility.visible(_LINE_END.sub("\n", text))


def content_key(*parts: object) -> str:
    """SHA-256 over everything that an answer depends on; equal questions have equal keys."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def fit(sections: Sequence[Section], max_chars: int) -> str:
    """The sections as one text of at most `max_chars` characters, all of them visible.

    What is dropped are whole sections: first appendices, acknowledgements and related work, then
    from the end, never the first; only a first section that is too long alone is cut at its end.
    """
    seen = [replace(s, heading=visible(s.heading), text=visible(s.text)) for s in sections]
    kept = dict(enumerate(seen))
    for index in (*_expendable(seen), *range(len(seen) - 1, 0, -1)):
        if len(_joined(kept.values())) <= max_chars:
            break
        kept.pop(index, None)
    return _joined(kept.values())[:max_chars]


def _expendable(sections: Sequence[Section]) -> list[int]:
    """Where the sections stand that matter least, with their subsections; the last comes first."""
    found: list[int] = []
    level: int | None = None
    for index, section in enumerate(sections):
        if level is None or section.level <= level:
            level = section.level if _DISPENSABLE.match(section.heading) else None
        if level is not None and index > 0:
            found.append(index)
    return found[::-1]


def _joined(sections: Iterable[Section]) -> str:
    return "\n\n".join(f"{section.heading}\n\n{section.text}".strip() for section in sections)


def _messages(pick: Pick, text: str, style: Style) -> tuple[Mapping[str, str], ...]:
    """System and user message; the paper stands between fences that its text cannot contain."""
    title = " ".join(visible(pick.title).split())
    fence = f"=====paper-{content_key(title, text)[:16]}====="
    values = {
        "sections": style.sections,
        "language": style.language,
        "title": title,
        "text": text,
        "fence": fence,
    }
    try:
        template = _environment(style.folder).get_template("prompt.md.j2")
        blocks = {
            role: "".join(template.blocks[role](template.new_context(values))).strip()
            for role in ("system", "user")
        }
    except (TemplateError, KeyError) as error:
        raise UsageError(
            f"cannot fill {style.folder / 'prompt.md.j2'}: {error}",
            "mend that template; it needs the blocks system and user",
        ) from error
    return tuple({"role": role, "content": content} for role, content in blocks.items())


@lru_cache
def _environment(folder: Path) -> Environment:
    return Environment(  # noqa: S701 (a prompt is plain text; nothing in it is HTML)
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
