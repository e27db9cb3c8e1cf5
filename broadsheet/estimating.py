"""What a run would ask and pay, found out without asking: `broadsheet run --estimate`.

Lists and texts are read as a run reads them, and kept; nothing is written that says a digest was
made. The engine itself tells what it would ask: whoever asks it for an unstored answer is stopped.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from statistics import mean, median
from typing import cast

import pyarrow as pa

from broadsheet import ingest, planning, scoring, texts
from broadsheet.analysis import answers
from broadsheet.analysis.engine import Assignment, analyze
from broadsheet.analysis.ledger import Ledger
from broadsheet.analysis.prices import price_of, tokens_about, tokens_at_most
from broadsheet.config import Model, Settings, load_profile, load_settings
from broadsheet.editions import Edition, newest_date
from broadsheet.errors import SourceError
from broadsheet.ingest import Heard, Ingested
from broadsheet.lake import Lake, PartitionValue
from broadsheet.models import Answer, FullText, Pick, Question, Section
from broadsheet.planning import Plan
from broadsheet.rows import Row, to_rows
from broadsheet.sources.fulltext import abstract_only
from broadsheet.state import State
from broadsheet.styles import load_style

logger = logging.getLogger(__name__)

_THREADS = 8  # as many texts are read at once as in a run
_LOOK_BACK_DAYS = 14
_TEXTS_TO_READ = 40  # of a range: enough for the usual length, minutes where each is a request
_OBJECTION_TOKENS = 400  # of what is said to an answer that cannot be used, at most
_ALLOWED_CHARS_PER_TOKEN = 8  # English that fills half of what a style allows


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """What one model would be asked about papers that no other model is asked about first.

    At most each is asked twice: a second time where its answer cannot be used. What the next model
    costs where this one fails is not in it. US dollars are None where the price is unknown.
    """

    model: str
    papers: int
    prompt_tokens: int
    prompt_tokens_at_most: int
    completion_tokens: int
    completion_tokens_at_most: int
    cost_usd: float | None
    cost_usd_at_most: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What the digest of one profile and date would ask."""

    profile: str
    date: dt.date
    listed: int
    selected: int
    answered: int
    """Selected papers whose answer is stored, or asked for by a profile before this one."""
    asked: tuple[Asking, ...]
    """By model, in the settings' order; empty where nothing would be asked."""
    missing_sources: tuple[str, ...] = ()
    unread: int = 0
    """Papers to ask about whose text was not read for this: taken to be as long as the others."""

    @property
    def to_ask(self) -> int:
        """Selected papers that a model would be asked about."""
        return sum(asking.papers for asking in self.asked)


class _Unanswered(Exception):
    """A question that is to be put to a model."""

    def __init__(self, question: Question, model: Model) -> None:
        super().__init__(question, model)
        self.question, self.model = question, model


class _Facts(Lake):
    """A lake that keeps what sources said, and nothing that says a digest was made."""

    def write(
        self,
        table: str,
        rows: Iterable[Mapping[str, object]] | pa.Table,
        name: str,
        **partition: PartitionValue,
    ) -> None:
        if table in ("listings", "fulltexts"):
            super().write(table, rows, name, **partition)


class _Draft(Edition):
    """An edition that is not to be published."""

    @cached_property
    def lake(self) -> Lake:
        return _Facts(self.settings.lake_root)


class _Reader:
    """Reads texts as a run does until it has fetched so many, and from then on makes them up."""

    def __init__(self, settings: Settings, at_most: float = math.inf) -> None:
        self._settings, self._left = settings, at_most
        self._unread: set[tuple[dt.date, str]] = set()
        self._tokens: list[int] = []

    def read(self, edition: Edition, pick: Pick) -> FullText:
        """The paper's text; one as long as a model is given where it would have to be fetched."""
        if text := texts.known(edition, pick):
            return text
        self._left -= 1
        if self._left >= 0:
            return texts.read(edition, pick)
        self._unread.add((edition.date, pick.paper_id))
        longest = self._settings.max_input_chars
        made_up = (f"{pick.abstract} " * (longest // max(1, len(pick.abstract)) + 1))[:longest]
        abstract = abstract_only(pick, "not_read")
        return replace(abstract, sections=(Section(heading="", text=made_up, level=1),))

    def is_unread(self, edition: Edition, question: Question) -> bool:
        """Whether the question's text was made up."""
        return (edition.date, question.paper_id) in self._unread

    def tokens_about(self, edition: Edition, questions: Sequence[Question]) -> int:
        """Tokens of these questions; one with a text that was made up counts as the usual one."""
        read = [tokens_about(q) for q in questions if not self.is_unread(edition, q)]
        self._tokens += read
        unread = [tokens_about(q) for q in questions if self.is_unread(edition, q)]
        usual = round(mean(self._tokens)) if self._tokens else None
        return sum(read) + (sum(unread) if usual is None else usual * len(unread))


def estimate(profiles: Sequence[str], date: dt.date | None = None) -> list[Estimate]:
    """What the digests of these profiles would ask, one by one; no model is asked.

    Args:
        profiles: their names.
        date: of the lists; the newest that the first profile's first source has, without one.

    Raises:
        UsageError: settings, profile or style that cannot be used.
        SourceError: as a run would fail.
        LakeError: the lake cannot be read or written.
    """
    day = date or newest_date(profiles[0])
    seen: set[str] = set()
    reader = _Reader(load_settings())
    return [_estimate(_draft(name, day), seen, reader) for name in profiles]


def estimate_plan(plan: Plan) -> list[Estimate]:
    """What the digests of a plan would ask, oldest first; no model is asked.

    Their lists are read ahead; of their texts, that are not stored, the first few.

    Raises:
        UsageError: settings, profile or style that cannot be used.
        LakeError: the lake cannot be read or written.
    """
    lists = planning.read_lists(plan)
    wanted = planning.narrowed(plan, lists)
    missing = planning.out_of_reach(wanted, lists)
    for key, error in missing.items():
        logger.warning("no estimate for %s %s: %s", *key, error)
    seen: set[str] = set()
    reader = _Reader(plan.settings, at_most=_TEXTS_TO_READ)
    return [
        _estimate(_draft(name, date), seen, reader, refresh=False)
        for name, date in sorted(
            set(wanted.keys) - missing.keys(), key=lambda key: (key[1], key[0])
        )
    ]


def budgets_left(settings: Settings) -> dict[str, float]:
    """US dollars that a new run may spend by each budget that is set: run, day, month.

    Raises:
        StateError: what was spent cannot be looked up.
    """
    caps = (settings.budget_usd_per_run, settings.budget_usd_per_day, settings.budget_usd_per_month)
    if all(cap is None for cap in caps):
        return {}  # and no state is made
    spending = Ledger(State(settings.state_store), settings, run="estimate").spending()
    return {
        period: max(0.0, cap - spent.spent - spent.reserved)
        for period, (spent, cap) in spending.items()
        if cap is not None
    }


def _draft(name: str, date: dt.date) -> Edition:
    """The edition by the settings in force, where models may lack the price that a run demands."""
    settings = load_settings()
    profile = load_profile(settings, name)
    style = load_style(settings, profile.style, profile.language)
    return _Draft(settings=settings, profile=profile, style=style, date=date)


def _estimate(
    edition: Edition, seen: set[str], reader: _Reader, *, refresh: bool = True
) -> Estimate:
    heard = _listen(edition, refresh)
    scores = scoring.score(edition)
    picks = scoring.select(edition, scores)
    unanswered = _unanswered(edition, picks, reader) if edition.settings.models else []
    new = [one for one in unanswered if one.question.key not in seen]
    seen.update(one.question.key for one in new)
    return Estimate(
        profile=edition.profile.name,
        date=edition.date,
        listed=scores["listed"][0].as_py() if len(scores) else 0,
        selected=len(picks),
        answered=len(picks) - len(new) if edition.settings.models else 0,
        asked=tuple(_askings(edition, new, reader)),
        missing_sources=heard.missing,
        unread=sum(reader.is_unread(edition, one.question) for one in new),
    )


def _listen(edition: Edition, refresh: bool) -> Heard:
    """The sources' lists, in the lake; raises what `broadsheet.ingest.hear` raises."""
    results: list[Ingested | SourceError] = []
    for source in edition.sources:
        try:
            found = ingest.ingest(
                source, edition.date, edition.lake, edition.settings, refresh=refresh
            )
            results.append(found)
        except SourceError as error:
            results.append(error)
    known = [s.name for s in edition.sources if ingest.is_stored(s, edition.date, edition.lake)]
    return ingest.hear(edition.profile.sources, results, known)


def _unanswered(edition: Edition, picks: Sequence[Pick], reader: _Reader) -> list[_Unanswered]:
    """The first question about each pick that has no answer yet, in the digest's order."""
    found: list[_Unanswered] = []
    with ThreadPoolExecutor(_THREADS) as threads:
        readings = threads.map(partial(reader.read, edition), picks)
        for done, (pick, text) in enumerate(zip(picks, readings, strict=True), start=1):
            counts = {"done": done, "total": len(picks)}
            logger.info(
                "read %d/%d for %s: %s", done, len(picks), edition, pick.paper_id, extra=counts
            )
            found += _first_question(edition, pick, text)
    return found


def _first_question(edition: Edition, pick: Pick, text: FullText) -> list[_Unanswered]:
    """What the engine would ask about the paper, at most one; empty: it has all answers."""
    paper = Assignment(
        pick=pick,
        text=text,
        style=edition.style,
        max_chars=edition.settings.max_input_chars,
        ask=partial(_stored_answer, edition),
    )
    try:
        analyze(paper, edition.settings.models)
    except _Unanswered as unanswered:
        return [unanswered]
    return []


def _stored_answer(edition: Edition, question: Question, model: Model) -> Answer:
    if answer := answers.find(edition.lake, question.key):
        return answer
    raise _Unanswered(question, model)


def _askings(
    edition: Edition, unanswered: Sequence[_Unanswered], reader: _Reader
) -> Iterator[Asking]:
    for model in dict.fromkeys(edition.settings.models):
        questions = [one.question for one in unanswered if one.model == model]
        if questions:
            yield _asking(edition, model, questions, reader)


def _asking(
    edition: Edition, model: Model, questions: Sequence[Question], reader: _Reader
) -> Asking:
    papers, longest, price = len(questions), model.max_output_tokens, price_of(model)
    usual = papers * _usual_tokens(edition, model)
    about = reader.tokens_about(edition, questions), usual
    # The second request holds the first one's answer too, and what is wrong with it.
    again = longest + _OBJECTION_TOKENS
    at_most = sum(2 * tokens_at_most(q) + again for q in questions), 2 * papers * longest
    return Asking(
        model=model.name,
        papers=papers,
        prompt_tokens=about[0],
        prompt_tokens_at_most=at_most[0],
        completion_tokens=about[1],
        completion_tokens_at_most=at_most[1],
        cost_usd=price.cost_usd(*about) if price else None,
        cost_usd_at_most=price.cost_usd(*at_most) if price else None,
    )


def _usual_tokens(edition: Edition, model: Model) -> int:
    """Tokens of the model's answers in this style lately, else of one such as the style allows."""
    wanted = (model.name, edition.style.name, edition.style.language)
    used = [
        cast("int", row["completion_tokens"])
        for days in range(_LOOK_BACK_DAYS)
        for row in _analyses(edition, edition.date - dt.timedelta(days=days))
        if (row["model"], row["style"], row["language"]) == wanted
    ]
    if used:
        return round(median(used))
    chars = sum(
        s.max_chars * (s.max_items if s.kind == "list" else 1) for s in edition.style.sections
    )
    return min(chars // _ALLOWED_CHARS_PER_TOKEN, model.max_output_tokens)


def _analyses(edition: Edition, date: dt.date) -> list[Row]:
    columns = ["model", "style", "language", "completion_tokens"]
    return to_rows(edition.lake.read("analyses", date=date).select(columns))
