"""One paper's analysis: the models in order, and the paper's own sentences where none answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from broadsheet.analysis.extractive import extract
from broadsheet.analysis.prompt import ask_about, content_key
from broadsheet.analysis.reading import Sections, read_answer
from broadsheet.config import Model
from broadsheet.errors import ModelError
from broadsheet.models import EXTRACTIVE, Analysis, Answer, FullText, Pick, Question, Status
from broadsheet.styles import Style

logger = logging.getLogger(__name__)

Ask = Callable[[Question, Model], Answer]
"""Brings the answer to a question, from the store or the model; raises `ModelError`."""

Recall = Callable[[], Analysis | None]
"""Brings the complete analysis that a model made of the same text before, if one did."""


def analyze(
    pick: Pick,
    text: FullText,
    style: Style,
    models: Sequence[Model],
    ask: Ask,
    max_chars: int,
    recall: Recall = lambda: None,
) -> Analysis:
    """The analysis of one paper; raises no `ModelError`.

    Where no model answers it is an earlier one of the same text and prompt, by whatever model, else
    the paper's own sentences: `pending` where a model was asked.
    """
    faults: list[ModelError] = []
    first_key = ""
    for model in models:
        question = ask_about(pick, text, style, model, max_chars)
        first_key = first_key or question.key
        try:
            answer = ask(question, model)
            return _complete(text, style, answer, read_answer(answer, style))
        except ModelError as fault:
            logger.warning("%s; %s", fault, fault.remedy)
            faults.append(fault)
    return recall() or _extracted(text, style, first_key, faults[0] if faults else None)


def _complete(text: FullText, style: Style, answer: Answer, sections: Sections) -> Analysis:
    return Analysis(
        paper_id=text.paper_id,
        style=style.name,
        language=style.language,
        question=answer.key,
        status=Status.COMPLETE,
        model=answer.model,
        prompt_version=answer.prompt_version,
        reading_source=text.reading_source,
        sections=sections,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cost_usd=answer.cost_usd,
        asked_at=answer.asked_at,
        source_sha256=text.sha256,
        source_fetched_at=text.fetched_at,
    )


def _extracted(text: FullText, style: Style, key: str, fault: ModelError | None) -> Analysis:
    """The paper's own sentences: complete where no model was to be asked, else pending."""
    return Analysis(
        paper_id=text.paper_id,
        style=style.name,
        language=style.language,
        question=key or content_key(EXTRACTIVE, text.sha256),
        status=Status.PENDING if fault else Status.COMPLETE,
        pending_reason=fault.kind.value if fault else None,
        model=EXTRACTIVE,
        prompt_version="",
        reading_source=text.reading_source,
        sections={},
        extract=extract(text.sections),
        source_sha256=text.sha256,
        source_fetched_at=text.fetched_at,
    )
