"""The question that a style asks about one paper, and the content key that names it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from broadsheet.config import Model
from broadsheet.errors import UsageError
from broadsheet.models import FullText, Pick, Question, Section
from broadsheet.styles import Style

_DISPENSABLE = re.compile(
    r"^\W*(?:\d+\.?\s+)?(?:appendi|supplement|acknowledge?ment|related work)|^[A-H]\.\d*\s", re.I
)


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


def content_key(*parts: object) -> str:
    """SHA-256 over everything that an answer depends on; equal questions have equal keys."""
    canonical = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def fit(sections: Sequence[Section], max_chars: int) -> str:
    """The sections as one text of at most `max_chars` characters.

    What is dropped are whole sections: first appendices, acknowledgements and related work, then
    from the end, never the first; only a first section that is too long alone is cut at its end.
    """
    kept = dict(enumerate(sections))
    for index in (*_expendable(sections), *range(len(sections) - 1, 0, -1)):
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
    fence = f"=====paper-{content_key(pick.title, text)[:16]}====="
    values = {
        "sections": style.sections,
        "language": style.language,
        "title": pick.title,
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
