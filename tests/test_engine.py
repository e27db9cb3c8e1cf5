"""Models are asked in order; where none answers, the paper's own words stand in."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import SECTIONS, a_fulltext, a_pick, an_analysis, an_answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet.analysis import answers
from broadsheet.analysis.engine import Assignment, Recall, analyze
from broadsheet.config import Model, load_settings
from broadsheet.errors import FaultKind, ModelError
from broadsheet.lake import Lake
from broadsheet.models import (
    EXTRACTIVE,
    Analysis,
    Answer,
    FullText,
    Question,
    ReadingSource,
    Section,
    Status,
)
from broadsheet.styles import load_style

NOW = dt.datetime(2026, 1, 6, 5, 6, 7, 89, tzinfo=dt.UTC)
HF = load_style(load_settings({}), "hf", "en")
SENTENCE = "We propose a lantern that counts photons one by one."
PICK = a_pick(abstract=SENTENCE)
TEXT = a_fulltext(
    Section(heading="Abstract", text=SENTENCE),
    reading_source=ReadingSource.ABSTRACT,
    reason="not_found",
)
GOOD = json.dumps(SECTIONS["hf"])
FIRST, SECOND, THIRD = (Model(name=f"maker/{name}") for name in ("one", "two", "three"))


def answer_to(question: Question, text: str = GOOD, finish_reason: str = "stop") -> Answer:
    """An answer to the question."""
    asked = {"key": question.key, "model": question.model, "prompt_version": HF.version}
    return an_answer(**asked, text=text, finish_reason=finish_reason)


Behave = Callable[[Question], Answer]


class Models:
    """Models that behave as told, by name; `asked` are the questions in order."""

    def __init__(self, **behaviours: Behave) -> None:
        self.behaviours = behaviours
        self.asked: list[Question] = []

    def __call__(self, question: Question, model: Model) -> Answer:
        assert question.model == model.name
        self.asked.append(question)
        return self.behaviours[model.name.partition("/")[2]](question)

    @property
    def names(self) -> list[str]:
        """Which models were asked."""
        return [question.model for question in self.asked]


def out_of(kind: FaultKind) -> Behave:
    """A model that fails so."""

    def fail(question: Question) -> Answer:
        raise ModelError(f"request to {question.model} failed", "run again later", kind)

    return fail


def analyzed(
    ask: Models, *models: Model, text: FullText = TEXT, recall: Recall = lambda: None
) -> Analysis:
    """The analysis of our paper."""
    paper = Assignment(pick=PICK, text=text, style=HF, max_chars=60_000, ask=ask, recall=recall)
    return analyze(paper, models)


def test_the_first_model_that_answers_is_the_last_asked() -> None:
    ask = Models(one=answer_to, two=answer_to)
    analysis = analyzed(ask, FIRST, SECOND)
    assert ask.names == ["maker/one"]
    assert (analysis.status, analysis.model) == (Status.COMPLETE, "maker/one")


def test_a_complete_analysis_says_where_it_comes_from() -> None:
    ask = Models(one=answer_to)
    analysis = analyzed(ask, FIRST)
    assert analysis.question == ask.asked[0].key
    assert analysis.prompt_version == HF.version
    assert (analysis.style, analysis.language) == ("hf", "en")
    assert analysis.reading_source is ReadingSource.ABSTRACT
    assert (analysis.source_sha256, analysis.source_fetched_at) == (TEXT.sha256, TEXT.fetched_at)
    assert (analysis.prompt_tokens, analysis.completion_tokens) == (1000, 200)
    assert analysis.cost_usd == 0.25
    assert analysis.sections == SECTIONS["hf"]
    assert (analysis.extract, analysis.pending_reason) == ((), None)


@pytest.mark.parametrize("kind", [k for k in FaultKind if k is not FaultKind.CONTEXT])
def test_after_a_fault_the_next_model_is_asked(
    kind: FaultKind, caplog: pytest.LogCaptureFixture
) -> None:
    ask = Models(one=out_of(kind), two=answer_to, three=answer_to)
    with caplog.at_level(logging.WARNING):
        analysis = analyzed(ask, FIRST, SECOND, THIRD)
    assert ask.names == ["maker/one", "maker/two"]
    assert (analysis.status, analysis.model) == (Status.COMPLETE, "maker/two")
    assert analysis.question == ask.asked[1].key
    assert "maker/one" in caplog.text
    assert "run again later" in caplog.text


def test_an_answer_that_cannot_be_read_is_a_fault_too() -> None:
    ask = Models(one=lambda q: answer_to(q, "I am sorry."), two=answer_to)
    analysis = analyzed(ask, FIRST, SECOND)
    assert ask.names == ["maker/one", "maker/one", "maker/two"]
    assert analysis.model == "maker/two"


def test_an_answer_that_cannot_be_read_is_asked_for_once_more_with_the_reason() -> None:
    replies = iter(["I am sorry.", GOOD])
    ask = Models(one=lambda q: answer_to(q, next(replies)), two=answer_to)
    analysis = analyzed(ask, FIRST, SECOND)
    assert ask.names == ["maker/one", "maker/one"]
    first, second = ask.asked
    assert second.key != first.key
    assert second.messages[: len(first.messages)] == first.messages
    assert (analysis.status, analysis.question) == (Status.COMPLETE, second.key)


def test_the_cost_of_a_paper_is_that_of_all_its_answers() -> None:
    replies = iter(["I am sorry.", "Again, I am sorry.", GOOD])
    ask = Models(
        one=lambda q: answer_to(q, next(replies)), two=lambda q: answer_to(q, next(replies))
    )
    analysis = analyzed(ask, FIRST, SECOND)
    assert (analysis.prompt_tokens, analysis.completion_tokens) == (3000, 600)
    assert analysis.cost_usd == 0.75


def test_what_was_paid_for_in_vain_is_counted_too() -> None:
    analysis = analyzed(Models(one=lambda q: answer_to(q, "I am sorry.")), FIRST)
    assert (analysis.status, analysis.pending_reason) == (Status.PENDING, "malformed")
    assert (analysis.prompt_tokens, analysis.cost_usd) == (2000, 0.5)


def test_a_text_that_is_too_long_is_halved_until_it_fits() -> None:
    long = replace(
        TEXT,
        sections=tuple(Section(heading=f"{n}", text="Photons count. " * 50) for n in range(16)),
    )

    def small(question: Question) -> Answer:
        if len(question.messages[1]["content"]) > 6000:
            return replace(answer_to(question, ""), fault="context")
        return answer_to(question)

    ask = Models(one=small)
    analysis = analyzed(ask, FIRST, text=long)
    lengths = [len(question.messages[1]["content"]) for question in ask.asked]
    assert len(lengths) == 3
    assert lengths == sorted(lengths, reverse=True)
    assert analysis.status is Status.COMPLETE


def test_a_text_that_never_fits_goes_to_the_next_model_after_four_questions() -> None:
    ask = Models(one=out_of(FaultKind.CONTEXT), two=answer_to)
    assert analyzed(ask, FIRST, SECOND).model == "maker/two"
    assert ask.names == ["maker/one"] * 4 + ["maker/two"]


@pytest.mark.parametrize(
    ("kinds", "status", "reason"),
    [
        (("content",), Status.REFUSED, "content"),
        (("content", "content"), Status.REFUSED, "content"),
        (("content", "daily"), Status.PENDING, "daily"),
        (("daily", "content"), Status.PENDING, "daily"),
    ],
)
def test_a_paper_is_refused_where_every_model_declines(
    kinds: tuple[str, ...], status: Status, reason: str
) -> None:
    behaviours = zip(("one", "two"), (out_of(FaultKind(kind)) for kind in kinds), strict=False)
    analysis = analyzed(Models(**dict(behaviours)), *(FIRST, SECOND)[: len(kinds)])
    assert (analysis.status, analysis.pending_reason) == (status, reason)
    assert analysis.extract == (SENTENCE,)


def test_claims_are_held_against_the_text_that_was_read() -> None:
    sections = {**SECTIONS["hf"], "results": ("It gains 987.65% on 12 of 13 nights.",)}
    text = replace(TEXT, sections=(Section(heading="", text="It works on 12 of 13 nights."),))
    analysis = analyzed(Models(one=lambda q: answer_to(q, json.dumps(sections))), FIRST, text=text)
    assert [flag.claim for flag in analysis.flags if flag.section == "results"] == ["987.65%"]
    assert analysis.claims - analysis.claims_found == len(analysis.flags)


def test_where_no_model_answers_the_paper_speaks_for_itself_and_waits() -> None:
    ask = Models(one=out_of(FaultKind.RATE), two=out_of(FaultKind.AUTH))
    analysis = analyzed(ask, FIRST, SECOND)
    assert ask.names == ["maker/one", "maker/two"]
    assert analysis.status is Status.PENDING
    assert analysis.pending_reason == "rate"
    assert analysis.model == EXTRACTIVE
    assert analysis.sections == {}
    assert analysis.extract == (SENTENCE,)
    assert analysis.question == ask.asked[0].key
    assert analysis.cost_usd == 0


def test_without_models_the_papers_own_words_are_complete() -> None:
    ask = Models()
    analysis = analyzed(ask)
    assert ask.asked == []
    assert analysis.status is Status.COMPLETE
    assert analysis.pending_reason is None
    assert (analysis.model, analysis.extract) == (EXTRACTIVE, (SENTENCE,))
    assert analysis.prompt_version == ""


def test_the_question_of_an_extract_changes_with_the_text_only() -> None:
    other = replace(TEXT, sha256="ef" * 32)
    keys = [analyzed(Models(), text=text).question for text in (TEXT, TEXT, other)]
    assert keys[0] == keys[1] != keys[2]


def test_what_a_provider_said_is_in_no_analysis() -> None:
    def talkative(question: Question) -> Answer:
        raise ModelError("429 You exceeded your quota", "wait", FaultKind.RATE)

    assert "quota" not in repr(analyzed(Models(one=talkative), FIRST))


replies = st.text() | st.sampled_from([GOOD, GOOD[:-3], "", "[" * 50_000, f"```json\n{GOOD}\n```"])


@given(
    st.lists(
        st.tuples(replies, st.sampled_from(["stop", "length", "content_filter", ""]))
        | st.sampled_from(list(FaultKind)),
        max_size=3,
    )
)
@settings(deadline=None)
def test_whatever_the_models_say_there_is_an_analysis(
    behaviours: list[tuple[str, str] | FaultKind],
) -> None:
    def behave(told: tuple[str, str] | FaultKind) -> Behave:
        if isinstance(told, FaultKind):
            return out_of(told)
        return lambda question: answer_to(question, *told)

    names = ("one", "two", "three")
    ask = Models(**{name: behave(told) for name, told in zip(names, behaviours, strict=False)})
    analysis = analyzed(ask, *(FIRST, SECOND, THIRD)[: len(behaviours)])
    assert bool(analysis.sections) != bool(analysis.extract)
    assert (analysis.status is not Status.COMPLETE) == bool(analysis.extract and behaviours)
    assert (analysis.pending_reason is not None) == (analysis.status is not Status.COMPLETE)


@given(st.text(max_size=300), st.text(max_size=20))
@settings(deadline=None)
def test_whatever_a_paper_says_there_is_an_analysis(text: str, heading: str) -> None:
    paper = replace(TEXT, sections=(Section(heading=heading, text=text),))
    for models in ((), (FIRST,)):
        analysis = analyzed(Models(one=out_of(FaultKind.RATE)), *models, text=paper)
        assert analysis.paper_id == PICK.paper_id


def stored(key: str = "ab" * 32) -> Answer:
    """An answer to store."""
    return an_answer(key=key, cost_usd=None, asked_at=NOW)


def test_an_answer_reads_back_equal(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for answer in (stored(), replace(stored("cd" * 32), cost_usd=0.001234, text="")):
        answers.save(lake, answer)
        assert answers.find(lake, answer.key) == answer


def test_a_question_that_was_never_asked_has_no_answer(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert answers.find(lake, "ab" * 32) is None
    answers.save(lake, stored())
    assert answers.find(lake, "ab" * 31 + "cd") is None


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_answer_is_kept_to_the_letter(tmp_path: Path, text: str) -> None:
    lake = Lake(str(tmp_path))
    answer = replace(stored(), text=text)
    answers.save(lake, answer)
    assert answers.find(lake, answer.key) == answer


def test_an_earlier_analysis_of_the_same_text_stands_in_for_models_that_fail() -> None:
    earlier = an_analysis(model="openai/earlier")
    failing = Models(one=out_of(FaultKind.RATE))
    assert analyzed(failing, FIRST, recall=lambda: earlier) is earlier
    assert analyzed(Models(), recall=lambda: earlier) is earlier
