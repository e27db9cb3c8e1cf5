"""One paper's analysis: the models in order, and the paper's own sentences where none answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from broadsheet.analysis import evidence
from broadsheet.analysis.extractive import extract
from broadsheet.analysis.faults import TREATMENTS
from broadsheet.analysis.prompt import ask_about, ask_again, content_key, visible
from broadsheet.analysis.reading import Sections, read_answer
from broadsheet.config import Model
from broadsheet.errors import FaultKind, ModelError, UnusableAnswer
from broadsheet.models import EXTRACTIVE, Analysis, Answer, FullText, Pick, Question, Status
from broadsheet.styles import Style

logger = logging.getLogger(__name__)

Ask = Callable[[Question, Model], Answer]
"""Brings the answer to a question, from the store or the model; raises `ModelError`."""

Recall = Callable[[], Analysis | None]
"""Brings the complete analysis that a model made of the paper before, if one did."""


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One paper to be analyzed in one style; `answers` fills with all that were given to it."""

    pick: Pick
    text: FullText
    style: Style
    max_chars: int
    """Longest text to put into a question."""
    ask: Ask
    recall: Recall = lambda: None
    answers: list[Answer] = field(default_factory=list)


def analyze(paper: Assignment, models: Sequence[Model]) -> Analysis:
    """The analysis of one paper; raises no `ModelError`.

    Where no model answers it is an earlier one of the same text and prompt, by whatever model, else
    the paper's own sentences: `refused` where every model declined, `pending` where one may yet
    answer.
    """
    faults: list[ModelError] = []
    for model in models:
        try:
            return _complete(paper, _sections_by(paper, model))
        except ModelError as fault:
            logger.warning("%s; %s", fault, fault.remedy)
            faults.append(fault)
    key = _first_key(paper, models)
    return paper.recall() or _extracted(paper, key, faults)


def _sections_by(paper: Assignment, model: Model) -> Sections:
    """What the model writes about the paper, asked a second time where it cannot be used."""
    question, answer = _ask_shortening(paper, model)
    try:
        return read_answer(answer, paper.style)
    except UnusableAnswer as unusable:
        if unusable.kind is not FaultKind.MALFORMED:
            raise
        logger.info("%s; asking once more", unusable)
        again = ask_again(question, answer, unusable.reason)
    return read_answer(_answer(paper, again, model), paper.style)


def _ask_shortening(paper: Assignment, model: Model) -> tuple[Question, Answer]:
    """The first question that is not too long for the model, and its answer."""
    chars = paper.max_chars
    for _ in range(TREATMENTS[FaultKind.CONTEXT].attempts):
        question = ask_about(paper.pick, paper.text, paper.style, model, chars)
        try:
            return question, _answer(paper, question, model)
        except ModelError as fault:
            if fault.kind is not FaultKind.CONTEXT:
                raise
            chars = min(chars, paper.text.chars) // 2
    question = ask_about(paper.pick, paper.text, paper.style, model, chars)
    return question, _answer(paper, question, model)


def _answer(paper: Assignment, question: Question, model: Model) -> Answer:
    answer = paper.ask(question, model)
    paper.answers.append(answer)
    if answer.fault:
        raise ModelError(
            f"{answer.model} does not answer the question about {answer.paper_id}",
            TREATMENTS[FaultKind(answer.fault)].remedy,
            FaultKind(answer.fault),
        )
    return answer


def _first_key(paper: Assignment, models: Sequence[Model]) -> str:
    """The content key of the question that is to be answered."""
    if not models:
        return content_key(EXTRACTIVE, paper.text.sha256)
    return ask_about(paper.pick, paper.text, paper.style, models[0], paper.max_chars).key


def _complete(paper: Assignment, sections: Sections) -> Analysis:
    parts = [paper.pick.title, *(f"{s.heading}\n{s.text}" for s in paper.text.sections)]
    found = evidence.check(sections, visible("\n".join(parts)))
    answer = paper.answers[-1]
    return _analysis(
        paper,
        question=answer.key,
        status=Status.COMPLETE,
        model=answer.model,
        prompt_version=answer.prompt_version,
        sections=sections,
        claims=found.claims,
        claims_found=found.claims_found,
        flags=found.flags,
    )


def _extracted(paper: Assignment, key: str, faults: Sequence[ModelError]) -> Analysis:
    """The paper's own sentences, in place of an answer."""
    curable = [fault.kind for fault in faults if fault.kind is not FaultKind.CONTENT]
    status = Status.PENDING if curable else Status.REFUSED if faults else Status.COMPLETE
    reason = curable[0] if curable else FaultKind.CONTENT if faults else None
    return _analysis(
        paper,
        question=key,
        status=status,
        pending_reason=reason.value if reason else None,
        model=EXTRACTIVE,
        prompt_version="",
        sections={},
        extract=extract(paper.text.sections),
    )


def _analysis(paper: Assignment, **made: object) -> Analysis:
    """The analysis, with where it comes from and what all the paper's answers have cost."""
    text, answers = paper.text, paper.answers
    costs = [answer.cost_usd for answer in answers]
    return Analysis(
        paper_id=text.paper_id,
        style=paper.style.name,
        language=paper.style.language,
        reading_source=text.reading_source,
        source_sha256=text.sha256,
        source_fetched_at=text.fetched_at,
        has_hidden_text=text.has_hidden_text,
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        completion_tokens=sum(answer.completion_tokens for answer in answers),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        asked_at=answers[-1].asked_at if answers else None,
        **made,  # type: ignore[arg-type]
    )
