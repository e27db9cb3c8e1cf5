"""A model's raw answer → the style's sections, validated and cleaned; or the reason why not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from broadsheet.analysis.mending import (
    is_marked,
    items,
    with_commands,
    with_stray_backslashes,
    without_headings,
    without_marks,
    without_preamble,
)
from broadsheet.errors import FaultKind, UnusableAnswer
from broadsheet.models import Answer
from broadsheet.styles import SectionSpec, Style

Sections = Mapping[str, str | tuple[str, ...]]

_WHOLE = re.compile(
    "stop|end_turn|eos|eos_token|stop_sequence|completed?|tool_calls|tool_use", re.I
)
_CUT = re.compile("length|max_tokens|model_length|model_context_window_exceeded", re.I)
_WITHHELD = re.compile(
    "content_filter(?:ed)?|safety|recitation|refusal|prohibited_content|blocklist|spii"
    "|guardrail_intervened",
    re.I,
)
"""Why an answer ended, as litellm says it or as providers do."""
_MAX_STARTS = 64
"""So many braces are tried as the beginning of the object."""
_MAX_REPAIR_CHARS = 100_000
"""Mending broken JSON takes 0.4 s for so long a text, and longer answers are none."""
_START = re.compile(r"""\{(?=\s*["'“/])""")
_LOOSE_START = re.compile(r"\{(?=\s*\w)")
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_BRACKETS = re.compile("[()（）]")
_KEY_NUMBER = re.compile(r"\A\W*\d{1,2}\W+")
_NO_LETTERS = re.compile(r"[\W_]+")
_SAYS = re.compile(r"[^\W_]")
PROVIDER_ERROR = re.compile(
    r"exceeded your current quota|resource has been exhausted|insufficient_quota|quota_metric"
    r"|深度分析失败|\"error\"\s*:\s*\{"
    r"|\A\W*(?:(?:api )?error(?: code)?\W*)?(?:401|403|429|5[0-2]\d)\W+(?:you exceeded|too many"
    r"|(?:client|internal|server) |bad gateway|gateway time|service unavailable|unauthorized\b"
    r"|forbidden\b|resource(?:_| has)|quota |rate limit|\{)"
    r"|\A\W*(?:internal server error|rate limit (?:reached|exceeded)|an error occurred"
    r"|the model is overloaded|traceback \(most|litellm\.)",
    re.I,
)
REFUSAL = re.compile(
    r"\A\W*(?:as an ai\b|i(?: am|['’]m) (?:(?:very |so )?sorry|unable to|not able to)"
    r"|i apologi[sz]e|i can(?: ?not|['’]t) (?:assist|help|fulfil|comply|provide|answer|do|access)"
    r"|很?抱歉|对不起|(?:作为(?:一[个名])?(?:AI|人工智能)[^，。\n]{0,10}，)?我(?:无法|不能)"
    r"(?:回答|提供|协助|完成|访问|阅读|分析))",
    re.I,
)
_REASONS = {
    "missing": "it is missing",
    "string_too_short": "it is empty",
    "too_short": "it is empty",
    "string_too_long": "it is far too long",
    "too_long": "it has far too many items",
    "string_type": "it is no text",
    "list_type": "it is no list of texts",
    "string_unicode": "it holds broken characters",
}


def read_answer(answer: Answer, style: Style) -> Sections:
    """The sections that the answer fills, by id, in the style's order.

    What models add or break around the content is mended; broken JSON only where the model said
    that its answer is complete, since a truncated list can be closed into a valid shorter one.

    Raises:
        UnusableAnswer: cut short, refused, no JSON object, one that lacks a section or fills it
            with what is no text about a paper.
    """
    _refuse_incomplete(answer)
    found = _found(answer, style.sections)
    values = {
        spec.id: _section(found[spec.id], spec) for spec in style.sections if spec.id in found
    }
    try:
        parsed = style.answer_model.model_validate(values).model_dump()
    except ValidationError as error:
        raise _unusable(answer, _reason(error)) from None
    sections = {key: tuple(v) if isinstance(v, list) else v for key, v in parsed.items()}
    for key, value in sections.items():
        texts = (value,) if isinstance(value, str) else value
        if any(PROVIDER_ERROR.search(text) or REFUSAL.search(text) for text in texts):
            raise _unusable(answer, f"{key}: it reads like an error or a refusal")
    return sections


def was_cut(answer: Answer) -> bool:
    """Whether the answer ended because it reached the limit of output tokens."""
    return _CUT.fullmatch(answer.finish_reason) is not None


def _refuse_incomplete(answer: Answer) -> None:
    if answer.fault or _WITHHELD.fullmatch(answer.finish_reason):
        kind = FaultKind(answer.fault or FaultKind.CONTENT)
        raise _unusable(answer, "the provider withheld it", kind=kind)
    if was_cut(answer):
        raise _unusable(answer, "it was cut short", "raise max_output_tokens of that model")
    if answer.finish_reason.casefold() == "error":
        raise _unusable(answer, "the provider broke it off", "run again later")
    if not answer.text.strip():
        raise _unusable(answer, "it is empty")


def _found(answer: Answer, specs: Sequence[SectionSpec]) -> Mapping[str, object]:
    """The values of the one object in the answer that fills sections, by section's id."""
    text = _THOUGHT.sub("", answer.text)
    is_whole = bool(_WHOLE.fullmatch(answer.finish_reason))
    for objects in (_objects, _repaired)[: 1 + is_whole]:
        fitting: list[Mapping[str, object]] = []
        for found in objects(text):
            named = _by_section(found, specs)
            if named and named not in fitting:
                fitting.append(named)
        if len(fitting) > 1:
            raise _unusable(answer, "it holds more than one JSON object")
        if fitting:
            return fitting[0]
    raise _unusable(answer, "it holds no JSON object with the keys asked for")


_DECODER = json.JSONDecoder(
    strict=False, parse_int=str, parse_float=str, parse_constant=lambda name: None
)
"""Takes line breaks within strings, and leaves numbers as they are written."""


def _objects(text: str) -> Iterator[Mapping[str, object]]:
    """The JSON objects in the text, be it all JSON, or JSON in a fence or amid chatter."""
    json_text, position = with_stray_backslashes(text), 0
    for _ in range(_MAX_STARTS):
        start = _START.search(json_text, position)
        if start is None:
            return
        try:
            found, position = _DECODER.raw_decode(json_text, start.start())
        except (ValueError, RecursionError):
            position = start.end()
        else:
            yield found


def _repaired(text: str) -> Iterator[Mapping[str, object]]:
    """The same of broken JSON: quotes of another kind, lost commas, an end left out."""
    json_text = with_stray_backslashes(text)
    start = _START.search(json_text) or _LOOSE_START.search(json_text)
    if start is None or len(json_text) > _MAX_REPAIR_CHARS:
        return
    import json_repair

    broken = json_text[start.start() :].partition("\n```")[0].rstrip().removesuffix("```")
    try:
        found = json_repair.loads(broken, skip_json_loads=True)
    except (ValueError, RecursionError):
        return
    yield from (
        each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)
    )


def _by_section(found: Mapping[str, object], specs: Sequence[SectionSpec]) -> dict[str, object]:
    """What the object says, by section's id; its keys may be headings, or all stand one deeper."""
    ids = {_plain(name): spec.id for spec in reversed(specs) for name in _names(spec)}
    for candidate in (found, *_inner(found)):
        by_name = {ids[_plain(k)]: v for k, v in candidate.items() if _plain(k) in ids}
        by_id = {spec.id: candidate[spec.id] for spec in specs if spec.id in candidate}
        if by_name or by_id:
            return by_name | by_id
    return {}


def _inner(found: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The object within, where there is one: under one key, or alone in the list there."""
    values = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in found.values()]
    inner: list[Mapping[str, object]] = [value for value in values if isinstance(value, dict)]
    return inner if len(inner) == 1 else []


def _names(spec: SectionSpec) -> tuple[str, ...]:
    """What a section may be called: its id, and its headings with and without their brackets."""
    names = {spec.id.replace("_", " ")}
    for heading in spec.heading.values():
        names |= {heading, *_BRACKETS.split(heading)}
    return tuple(sorted(name.strip() for name in names if name.strip()))


def _plain(key: str) -> str:
    """The key's letters and digits, without a number before them."""
    return _NO_LETTERS.sub("", _KEY_NUMBER.sub("", key)).casefold()


def _section(value: object, spec: SectionSpec) -> object:
    """The value as the section's kind wants it, cleaned; one of a type that cannot be, as it is."""
    texts = _texts(value)
    if texts is None:
        return value
    texts = _opened([without_headings(with_commands(text)) for text in texts], _names(spec))
    if isinstance(value, str) and texts and (spec.kind == "list" or is_marked(texts[0])):
        texts = items(texts[0])
    texts = [text for text in map(without_marks, texts) if _SAYS.search(text)]
    if not any(map(str.isalpha, "".join(texts))):
        texts = []
    return texts if spec.kind == "list" else "\n\n".join(texts)


def _texts(value: object) -> list[str] | None:
    """The text or texts, numbers as they are written, without nulls; None for anything else."""
    values = [each for each in (value if isinstance(value, list) else [value]) if each is not None]
    if not all(
        isinstance(each, str | int | float) and not isinstance(each, bool) for each in values
    ):
        return None
    return [str(each).replace("\r\n", "\n") for each in values]


def _opened(texts: Sequence[str], names: Sequence[str]) -> list[str]:
    """The texts from the first on that holds more than a preamble, without it."""
    for index, text in enumerate(texts):
        if left := without_preamble(text, names):
            return [left, *texts[index + 1 :]]
    return []


def _reason(error: ValidationError) -> str:
    """What is wrong with which sections, without quoting the answer."""
    wrong = {
        str(each["loc"][0]): _REASONS.get(each["type"], "it cannot be used")
        for each in reversed(error.errors(include_url=False, include_input=False))
    }
    return "; ".join(f"{key}: {why}" for key, why in reversed(wrong.items()))


def _unusable(
    answer: Answer,
    reason: str,
    remedy: str = "choose another model",
    kind: FaultKind = FaultKind.MALFORMED,
) -> UnusableAnswer:
    return UnusableAnswer(
        f"answer of {answer.model} on {answer.paper_id} cannot be used: {reason}",
        remedy,
        kind,
        reason=reason,
    )
