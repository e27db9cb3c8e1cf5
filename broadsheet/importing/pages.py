"""What the layouts of the report styles share: facts beside a title, provenance, the analysis.

Pages that `broadsheet.rendering` made are told by their line of provenance: what stands there was
escaped, and says itself which model wrote it, what is pending and why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from broadsheet.config import Settings
from broadsheet.errors import FaultKind, UnknownShape, UsageError
from broadsheet.importing.digests import ImportedPaper, failed_paper
from broadsheet.importing.failures import is_error, is_refusal, kind_of
from broadsheet.importing.markdown import one_line, unescaped
from broadsheet.importing.sections import Headings
from broadsheet.models import EXTRACTIVE, PAPER_ID, ReadingSource, Status
from broadsheet.styles import Style, load_style

LANGUAGES = ("zh", "en")
HEAD = 4_000
"""Characters from a page's beginning in which it says that it has no papers."""

_LINK = re.compile(r"/(?:papers|abs|pdf|html)/(?P<id>[^\s?#)\]>]{1,40})")
_VERSION = re.compile(r"v\d{1,3}$")
_DATE = re.compile(r"(?<!\d)(\d{4}-\d\d-\d\d)(?!\d)")
_SHOWN = 60  # characters of a title in a message


@dataclass(frozen=True)
class Words:
    """What pages of one style say, in all languages that it has."""

    style: str
    headings: Headings
    labels: Mapping[str, Mapping[str, str]]
    """By language."""

    @cached_property
    def fact_names(self) -> dict[str, tuple[str, str]]:
        """Key and language by a fact's label."""
        keys = ("source", "score", "link", "why", "made_by", "reading_source")
        return {
            words[key]: (key, language)
            for language, words in self.labels.items()
            for key in keys
            if key in words
        }

    def said(self, key: str) -> set[str]:
        """The label in every language."""
        return {words[key] for words in self.labels.values() if key in words}

    @cached_property
    def reasons(self) -> dict[str, FaultKind]:
        """The kind of fault by what a page says of it."""
        return {
            words[f"reason_{kind}"]: kind
            for words in self.labels.values()
            for kind in FaultKind
            if f"reason_{kind}" in words
        }


def words_of(settings: Settings, style: str) -> Words | None:
    """What pages of that style say; None where the style is not installed."""
    styles: dict[str, Style] = {}
    for language in LANGUAGES:
        with suppress(UsageError):
            styles[language] = load_style(settings, style, language)
    if not styles:
        return None
    specs = next(iter(styles.values())).sections
    labels = {language: one.labels for language, one in styles.items()}
    return Words(style=style, headings=Headings(specs), labels=labels)


@dataclass(frozen=True, kw_only=True)
class Article:
    """The lines of one paper on a page, taken apart."""

    words: Words
    heading: str
    """The title as it stands there."""
    facts: Mapping[str, str]
    """What is said beside the title, by label's key."""
    body: Sequence[str]
    language: str
    waiting: Mapping[str, FaultKind] = field(default_factory=dict)
    """Papers that the page lists as pending, by id."""

    @property
    def is_ours(self) -> bool:
        """Whether our own rendering made it."""
        return "made_by" in self.facts

    @property
    def title(self) -> str:
        """The paper's title, one line."""
        return self.original(one_line(self.heading))

    def original(self, text: str) -> str:
        """The text that was rendered, where it was."""
        return unescaped(text) if self.is_ours else text


def article(
    words: Words, heading: str, lines: Sequence[str], waiting: Mapping[str, FaultKind]
) -> Article:
    """The article below a heading."""
    facts: dict[str, str] = {}
    languages: list[str] = []
    at = 0
    for at, line in enumerate([*lines, "end"]):  # noqa: B007 (read after the loop)
        found = list(_facts(words, line))
        if line and not found:
            break
        for key, language, value in found:
            facts.setdefault(key, value)
            languages.append(language)
    language = max(languages, key=languages.count, default=LANGUAGES[0])
    return Article(
        words=words,
        heading=heading,
        facts=facts,
        body=lines[at:],
        language=language,
        waiting=waiting,
    )


def _facts(words: Words, line: str) -> list[tuple[str, str, str]]:
    """Key, language and value of `**Label**: value`, of which a line may have several."""
    found = []
    for part in line.removeprefix("- ").split(" | "):
        if part.startswith("**"):
            label, _, value = part[2:].partition("**")
            known = words.fact_names.get(label.rstrip(":： "))
            if known:
                found.append((*known, value.lstrip(":： ").strip()))
    return found


def paper_id(link: str, title: str) -> str:
    """The arXiv identifier in a link, without version.

    Raises:
        UnknownShape: it has none.
    """
    found = _LINK.search(link[:400]) or re.match(r"\[?(?P<id>[^\s\])]{1,40})", link)
    # old identifiers have a slash of their own
    name = _VERSION.sub("", found["id"].removesuffix(".pdf")) if found else ""
    if not re.fullmatch(PAPER_ID, name):
        raise UnknownShape(
            f"the link of {shown(title)} has no arXiv identifier: {one_line(link)[:80] or 'none'}",
            "mend that line: only papers of arXiv are imported",
        )
    return name


def shown(title: str) -> str:
    """A title as an error quotes it."""
    line = one_line(title)
    return repr(line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…")


def date_in(text: str) -> str | None:
    """The first date written as 2026-01-31."""
    found = _DATE.search(text)
    return found[1] if found else None


def waiting_in(words: Words, lines: Sequence[str]) -> dict[str, FaultKind]:
    """The papers that one of our pages lists as pending at its end, by id."""
    found: dict[str, FaultKind] = {}
    for line in lines:
        before, _, reason = line.rpartition("): ")
        name = before.rpartition("(")[2]
        if line.startswith("- ") and re.fullmatch(PAPER_ID, name):
            found[name] = words.reasons.get(reason.strip(), FaultKind.MALFORMED)
    return found


def pending_part(words: Words, lines: Sequence[str]) -> tuple[int, dict[str, FaultKind]]:
    """Where the papers of one of our pages end, and which of them it lists as pending."""
    titles = {f"## {label}" for label in words.said("pending")}
    end = next((at for at, line in enumerate(lines) if line in titles), len(lines))
    return end, waiting_in(words, lines[end:])


def spans(starts: Sequence[int], end: int) -> list[tuple[int, int]]:
    """Where each paper's lines begin and end, of those that begin before the end of all."""
    stops = [*(min(start, end) for start in starts[1:]), end]
    return [(a, b) for a, b in zip(starts, stops, strict=False) if a < b]


def missing_sources(words: Words, head: Sequence[str]) -> tuple[str, ...]:
    """The sources that one of our pages says did not answer."""
    notes = tuple(f"> {label}" for label in words.said("missing"))
    found = [line.replace("：", ":").partition(":")[2] for line in head if line.startswith(notes)]
    return tuple(name.strip() for names in found for name in names.split(",") if name.strip())


def language(found: Sequence[str], words: Words, head: Sequence[str]) -> str:
    """The language of most papers; of the page's own words where there are none."""
    if found:
        return max(dict.fromkeys(found), key=found.count)
    notes = {w[k]: lang for lang, w in words.labels.items() for k in ("empty", "nothing_selected")}
    return next((notes[line] for line in head if line in notes), LANGUAGES[0])


def refuse_sample(words: Words, head: Sequence[str]) -> None:
    """Raise for a page of the sample day, whose texts nobody found in a paper."""
    if any(line == f"> {note}" for line in head for note in words.said("sample")):
        raise UnknownShape("it is a page of the sample day", "import the pages of real days")


def refuse_nothing(papers: Sequence[ImportedPaper], *, is_known: bool) -> None:
    """Raise for a page without papers, unless it says itself that there were none."""
    if not papers and not is_known:
        raise UnknownShape("it has no papers", "the file seems to be cut short: fetch it again")


def refuse_untitled(one: Article) -> None:
    """Raise where a paper has no title."""
    if not one.title:
        link = one_line(one.facts.get("link", ""))[:80]
        raise UnknownShape(f"a paper has no title: {link or 'nor a link'}", "mend that heading")


def read_article(one: Article, known: ImportedPaper) -> tuple[ImportedPaper, str]:
    """The paper with its analysis, and the language that this is written in.

    Args:
        one: what the page has below the paper's title.
        known: the paper without it.
    """
    reading = _reading_source(one.facts.get("reading_source", ""))
    paper = replace(known, reading_source=reading)
    if one.is_ours:
        paper = _with_provenance(paper, one)
    body = _without_daggers(one.body, one.words) if one.is_ours else one.body
    sections, language = one.words.headings.read(body, one.original)
    texts = [t for v in sections.values() for t in ((v,) if isinstance(v, str) else v)]
    if sections and not any(is_error(text) or is_refusal(text) for text in texts):
        return replace(paper, sections=sections), language or one.language
    quoted = tuple(one.original(line[2:]) for line in body if line.startswith("> "))
    extract = tuple(q for q in quoted if not is_error(q)) if one.is_ours else ()
    paper = replace(paper, sections={}, extract=extract)
    if one.is_ours and paper.model == EXTRACTIVE and paper.status is not Status.PENDING and extract:
        return paper, one.language
    said = next((text for text in texts if is_error(text)), "\n".join(body).strip())
    why = one.waiting.get(paper.paper_id) or kind_of(said)
    return replace(paper, **failed_paper(paper, why)), one.language  # type: ignore[arg-type]


def _reading_source(said: str) -> ReadingSource:
    """What a page calls the text that was read; the abstract where it does not say."""
    is_page = "html" in said.casefold() or "全文" in said
    return ReadingSource.HTML if is_page else ReadingSource.ABSTRACT


def _with_provenance(paper: ImportedPaper, one: Article) -> ImportedPaper:
    """The paper with what our own line of provenance says of its analysis."""
    parts = one.facts["made_by"].split(" · ")
    labels = one.words.labels[one.language]
    changed: dict[str, object] = {"prompt_version": ""}
    for status, label in ((Status.PENDING, "pending_note"), (Status.REFUSED, "refused_note")):
        if parts[0] == labels[label]:
            changed |= {"status": status, "model": EXTRACTIVE}
    if parts[0] == labels["extractive"]:
        changed["model"] = EXTRACTIVE
    for part in parts:
        for key, label in (("model", "model"), ("prompt_version", "prompt")):
            if part.startswith(f"{labels[label]} "):
                changed[key] = one_line(one.original(part[len(labels[label]) + 1 :]))
        if part.startswith(f"{labels['reading_source']} "):
            changed["reading_source"] = _reading_source(part)
    return replace(paper, **changed)  # type: ignore[arg-type]


def _without_daggers(lines: Sequence[str], words: Words) -> list[str]:
    """The lines of our own page without the marks of claims and their footnote."""
    notes = tuple(f"† {note}" for note in words.said("not_found"))
    if not any(line.startswith(notes) for line in lines):
        return list(lines)
    return [line.replace("†", "") for line in lines if not line.startswith(notes)]
