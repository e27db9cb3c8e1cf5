"""The press: what a page says, set by its template of `reports/_site` in the page's language."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from broadsheet.models import Analysis
from broadsheet.rendering import daggered, html, printable, unfound
from broadsheet.resources import project
from broadsheet.site.formulas import with_formulas
from broadsheet.styles import Style

FOLDER = project("reports") / "_site"
_WEB = re.compile(r"https?://[\w.-]+(:\d+)?([/?#]\S*)?", re.IGNORECASE)
ASSETS = ("site.css", "search.css", "search.js", "keys.js", "icon.svg")
"""Files of that folder that pages load as they are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """One section of an analysis, ready to be set."""

    heading: str
    kind: str
    is_numbered: bool
    paragraphs: tuple[Markup, ...]
    """The text, or the items of the list."""


@dataclass(frozen=True, kw_only=True)
class Press:
    """Sets pages; two of equal `signature` set the same page from the same facts."""

    title: str
    """Of the whole site."""
    url: str
    """Where the site is published, absolute, ending in a slash."""
    profiles: tuple[tuple[str, str, str], ...]
    """Name, title and language of every profile that has digests."""
    languages: tuple[str, ...]
    """Of the interface, the main one first."""
    styles: Mapping[tuple[str, str], Style]

    @cached_property
    def words(self) -> Mapping[str, Mapping[str, str]]:
        """The interface's words by language."""
        files = (FOLDER / name for name in ("words.toml", "search-words.toml"))
        ours, search = (tomllib.loads(file.read_text(encoding="utf-8")) for file in files)
        return {language: {**ours[language], **search[language]} for language in ours}

    @cached_property
    def signature(self) -> str:
        """A hash of everything but the facts that has a part in what pages look like."""
        told = [self.title, self.url, self.profiles, self.languages, sorted(self.styles.items())]
        files = sorted(FOLDER.iterdir())
        parts = [repr(told).encode(), *(file.read_bytes() for file in files if file.is_file())]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def set(self, template: str, path: str, language: str, facts: Mapping[str, Any]) -> str:
        """The page; `path` is where it will be, from the site's root."""
        words = self.words[language]
        return self._environment.get_template(template).render(
            press=self,
            path=path,
            root="../" * path.count("/"),
            language=language,
            words=words,
            **facts,
        )

    @cached_property
    def _environment(self) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "written": self.written,
            "plain": lambda analysis, style, language: self.written(
                analysis, style, language, is_plain=True
            ),
            "line": line,
            "band": _band,
            "is_web": lambda url: bool(url and _WEB.fullmatch(url)),
            "month": lambda date, words: words["months"].split()[date.month - 1],
            "paper_path": paper_path,
            "slug": slug,
            "unfound": unfound,
            "usd": _usd,
        }
        return environment

    def written(
        self, analysis: Analysis, style: str, language: str, *, is_plain: bool = False
    ) -> Sequence[Written]:
        """The sections of an analysis, in the style's order; those it no longer has come last.

        Args:
            analysis: may have no sections.
            style: its name.
            language: of the headings.
            is_plain: leave formulas as they were written, for readers that know no MathML.
        """
        key = (analysis.question, analysis.paper_id, style, language, is_plain)
        if key not in self._written:
            known = self.styles.get((style, language))
            self._written[key] = tuple(_sections(analysis, known, language, is_plain=is_plain))
        return self._written[key]

    @cached_property
    def _written(self) -> dict[tuple[object, ...], tuple[Written, ...]]:
        """Sections once set: a paper's page and its digest's show the same."""
        return {}


def _sections(
    analysis: Analysis, style: Style | None, language: str, *, is_plain: bool
) -> Iterator[Written]:
    specs = {section.id: section for section in style.sections} if style else {}
    rest = [name for name in analysis.sections if name not in specs]
    for name in filter(analysis.sections.__contains__, [*specs, *rest]):
        value, spec = analysis.sections[name], specs.get(name)
        items = (value,) if isinstance(value, str) else value
        marked = (daggered(item, analysis.flags, name) for item in items)
        yield Written(
            heading=spec.heading[language] if spec else name.replace("_", " "),
            kind="text" if isinstance(value, str) else "list",
            is_numbered=spec.is_numbered if spec else False,
            paragraphs=tuple(html(m) if is_plain else passage(m) for m in marked),
        )


@lru_cache(maxsize=65_536)
def passage(text: str) -> Markup:
    """A stranger's text as HTML, with its formulas."""
    return with_formulas(text, html)


@lru_cache(maxsize=65_536)
def line(text: str) -> Markup:
    """A stranger's plain line as HTML, with its formulas: a title, an abstract, a sentence."""
    return with_formulas(printable(text), Markup.escape)


def paper_path(paper_id: str, language: str) -> str:
    """Where the paper's page is, from the site's root."""
    return f"{language}/papers/{paper_id.replace('/', '_')}.html"


def slug(name: str) -> str:
    """A file name for a topic or an author: no two names share one."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:60].strip("-")
    mark = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
    return f"{words}-{mark}" if words else mark


def _band(score: int | None) -> str:
    """The ten points that a score lies in, as the search's filter shows them."""
    if score is None:
        return "–"
    return "90+" if score >= 90 else f"{score // 10 * 10}–{score // 10 * 10 + 9}"


def _usd(amount: float | None) -> str:
    return "?" if amount is None else f"${amount:,.4f}"


def _shown(value: object) -> object:
    """Whatever a template prints, printable; instants without their fractions."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value
