"""A model's raw answer → the style's sections, validated; or a `ModelError` that says why not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic import ValidationError

from broadsheet.errors import FaultKind, ModelError
from broadsheet.models import Answer
from broadsheet.styles import Style

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n?\s*```", re.DOTALL)
_HEADING_LINE = re.compile(r"^[^\S\n]*(?:#{1,6}(?:[^\S\n].*)?|[-=_*]{3,}[^\S\n]*)$", re.MULTILINE)
_NUMBER = re.compile(r"^\s*(?:[-*•]\s+|\(?\d{1,2}(?:[.)](?!\d)|、)\s*)")

Sections = Mapping[str, str | tuple[str, ...]]


def read_answer(answer: Answer, style: Style) -> Sections:
    """The sections that the answer fills, by id, in the style's order.

    Raises:
        ModelError: cut short, refused, no JSON object, or one that lacks a section.
    """
    if answer.finish_reason == "length":
        raise _malformed(answer, "it was cut short", "raise max_output_tokens of that model")
    if answer.finish_reason == "content_filter":
        raise ModelError(
            f"answer of {answer.model} on {answer.paper_id}: withheld by the provider's filter",
            "choose another model",
            FaultKind.CONTENT,
        )
    try:
        parsed = style.answer_model.model_validate(_json_object(answer.text))
    except (ValueError, RecursionError) as error:
        raise _malformed(answer, _reason(error), "choose another model") from error
    values = parsed.model_dump()
    return {section.id: _cleaned(values[section.id]) for section in style.sections}


def _json_object(text: str) -> object:
    """The one JSON object in the text: all of it, or what a code fence holds."""
    fenced = _FENCED.search(text)
    return json.loads(fenced[1] if fenced else text)


def _cleaned(value: str | list[str]) -> str | tuple[str, ...]:
    """Without headings, rules and numbering of its own: those are the page's."""
    if isinstance(value, str):
        return _HEADING_LINE.sub("", value).strip() or value
    return tuple(_NUMBER.sub("", _HEADING_LINE.sub("", item).strip()) or item for item in value)


def _reason(error: Exception) -> str:
    """Why it cannot be used, without quoting the answer."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return "it is no JSON object"


def _malformed(answer: Answer, reason: str, remedy: str) -> ModelError:
    return ModelError(
        f"answer of {answer.model} on {answer.paper_id} cannot be used: {reason}",
        remedy,
        FaultKind.MALFORMED,
    )
