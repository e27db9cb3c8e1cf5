"""Report styles: folders of `reports/`, data that needs no Python.

`sections.toml` says what every paper is asked; the JSON schema that a model gets and the pydantic
model that validates its answer are both made from it.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
    field_validator,
)

from broadsheet.config import Settings
from broadsheet.errors import UsageError

_SLACK = 2
"""An answer may be so many times as long as asked for before it counts as malformed."""

_LENGTHS = (
    (150, "one sentence"),
    (300, "one or two sentences"),
    (450, "two or three sentences"),
    (700, "a short paragraph"),
)
_LONG = "a paragraph or two"
_COUNTS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def _counted(items: int) -> str:
    if items == 1:
        return "one item"
    return f"{_COUNTS[items - 1] if items <= len(_COUNTS) else items} items"


class SectionSpec(BaseModel):
    """One question asked of every paper; `heading` and `instruction` are by language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: Literal["text", "list"]
    max_chars: Annotated[int, Field(ge=20)]
    """Of the text, or of one item of the list."""
    max_items: Annotated[int, Field(ge=1)] = 6
    is_numbered: bool = False
    """Whether a list is printed with numbers instead of bullets."""
    heading: dict[str, str]
    instruction: dict[str, str]

    @property
    def extent(self) -> str:
        """What fills it, in words: a model that repeats them states no number of its own."""
        length = next((words for chars, words in _LENGTHS if self.max_chars <= chars), _LONG)
        if self.kind == "text":
            return length
        return f"a list of at most {_counted(self.max_items)}, each {length}"


class _Sections(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sections: Annotated[tuple[SectionSpec, ...], Field(min_length=1)]
    labels: dict[str, dict[str, str]]

    @field_validator("sections")
    @classmethod
    def _ids_differ(cls, sections: tuple[SectionSpec, ...]) -> tuple[SectionSpec, ...]:
        if len({section.id for section in sections}) < len(sections):
            raise ValueError("two sections have the same id")
        return sections


@dataclass(frozen=True)
class Style:
    """One report style in one language."""

    name: str
    language: str
    folder: Path
    sections: tuple[SectionSpec, ...]
    labels: dict[str, str]
    """The page's own words in that language."""
    version: str
    """Of the prompt and the sections: `<name>-<hash>`; changes when what is asked does."""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of an answer, in the strict form that every provider takes."""
        return {
            "type": "object",
            "properties": {section.id: self._property(section) for section in self.sections},
            "required": [section.id for section in self.sections],
            "additionalProperties": False,
        }

    @cached_property
    def answer_model(self) -> type[BaseModel]:
        """The pydantic model that an answer must satisfy."""
        fields: dict[str, Any] = {s.id: (_annotation(s), ...) for s in self.sections}
        return create_model("Answer", __config__=ConfigDict(extra="ignore"), **fields)

    def _property(self, section: SectionSpec) -> dict[str, Any]:
        limit = f"at most {section.max_chars} characters"
        said = {"description": f"{section.instruction[self.language]} ({limit})"}
        if section.kind == "text":
            return {"type": "string", **said}
        return {"type": "array", "items": {"type": "string"}, **said}


def _annotation(section: SectionSpec) -> object:
    text = Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=_SLACK * section.max_chars
        ),
    ]
    if section.kind == "text":
        return text
    return Annotated[list[text], Field(min_length=1, max_length=_SLACK * section.max_items)]


def load_style(settings: Settings, name: str, language: str) -> Style:
    """The style of that name, in that language.

    Raises:
        UsageError: no such style (the message names those there are), a malformed `sections.toml`,
            or one without that language.
    """
    folder = settings.styles / name
    known = sorted(f.parent.name for f in settings.styles.glob("[!_]*/sections.toml"))
    if name not in known:
        raise UsageError(
            f"unknown style {name!r}: no {folder}", f"known styles: {', '.join(known)}"
        )
    file = folder / "sections.toml"
    try:
        spec = _Sections.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
        prompt = (folder / "prompt.md.j2").read_bytes()
    except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}", "mend that file") from error
    except OSError as error:
        raise UsageError(f"cannot read style {name!r}: {error}", "put that file there") from error
    if not _speaks(spec, language):
        raise UsageError(
            f"style {name!r} has no {language!r}: a heading, instruction or label lacks it",
            f"add it to {file}, or choose another language in the profile",
        )
    return Style(
        name=name,
        language=language,
        folder=folder,
        sections=spec.sections,
        labels=spec.labels[language],
        version=f"{name}-{_asked(prompt, spec.sections)}",
    )


def _speaks(spec: _Sections, language: str) -> bool:
    sections = [text for s in spec.sections for text in (s.heading, s.instruction)]
    return language in spec.labels and all(language in text for text in sections)


def _asked(prompt: bytes, sections: tuple[SectionSpec, ...]) -> str:
    """A hash of all that models are asked; headings and labels are only the page's."""
    asked = [section.model_dump_json(exclude={"heading", "is_numbered"}) for section in sections]
    return hashlib.sha256(b"\0".join([prompt, *map(str.encode, asked)])).hexdigest()[:8]
