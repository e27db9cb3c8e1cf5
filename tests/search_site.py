"""A small site to search in: papers' pages as they must be, and a search page of each language."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined

from broadsheet.resources import project

ASSETS = project("reports") / "_site"
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'"
)
COLORS = """
:root { --ink: #1b1a17; --soft: #6b6660; --line: #d9d4ca; --paper: #fbfaf6; --accent: #8a2b13 }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e5dc; --soft: #a49d92; --line: #3a3732;
  --paper: #171614; --accent: #e59a7f; color-scheme: dark } }
* { box-sizing: border-box }
body { background: var(--paper); color: var(--ink); margin: 1rem } a { color: inherit }"""
FRAME = """<!doctype html>
<html lang="{{ "zh-Hans" if language == "zh" else language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{{ policy }}">
<title>{{ title }}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{{ root }}colors.css">
<link rel="stylesheet" href="{{ root }}search.css">
<script src="{{ root }}search.js" defer></script>
<script src="{{ root }}keys.js" defer></script>
{% block head %}{% endblock %}
</head>
<body>
{% block body %}{% endblock %}
<footer>{% include "keys.html.j2" %}</footer>
</body>
</html>"""
SEARCH = """{% extends "frame" %}
{% block body %}<main><h1>{{ title }}</h1>{% include "search.html.j2" %}</main>{% endblock %}"""
PAPER = """{% extends "frame" %}
{% block head %}
{% for one in paper.profiles %}<meta data-pagefind-filter="profile[content]" content="{{ one }}">
{% endfor %}
{% for one in paper.topics %}<meta data-pagefind-filter="topic[content]" content="{{ one }}">
{% endfor %}
<meta data-pagefind-filter="month[content]" content="{{ paper.date[:7] }}">
<meta data-pagefind-filter="score[content]" content="{{ paper.band }}">
<meta data-pagefind-sort="date[content]" content="{{ paper.date }}">
<meta data-pagefind-sort="score[content]" content="{{ paper.score if paper.score else -1 }}">
<meta data-pagefind-meta="date[content]" content="{{ paper.date }}">
{% if paper.score %}<meta data-pagefind-meta="score[content]" content="{{ paper.score }}">
{% endif %}
{% endblock %}
{% block body %}
<nav><a href="../search.html" rel="search">{{ words.search_submit }}</a></nav>
<main data-pagefind-body>
<article>
<h1 data-pagefind-meta="title">{{ paper.title }}</h1>
<p data-pagefind-ignore>{{ paper.date }} · ignoredfacts</p>
<p>{{ paper.text }}</p>
</article>
</main>
{% endblock %}"""


@dataclass(frozen=True, kw_only=True)
class PaperPage:
    """What is on a paper's page."""

    paper_id: str
    title: str
    text: str
    date: str = "2026-01-06"
    score: int | None = 80
    profiles: Sequence[str] = ("cv",)
    topics: Sequence[str] = ()

    @property
    def band(self) -> str:
        """The filter of the score."""
        if self.score is None:
            return "–"
        return "90+" if self.score >= 90 else "80–89" if self.score >= 80 else "0–79"


def words(language: str) -> dict[str, str]:
    """The texts of a language."""
    found: dict[str, str] = tomllib.loads((ASSETS / "search-words.toml").read_text())[language]
    return found


def write_site(folder: Path, papers: Mapping[str, Sequence[PaperPage]]) -> None:
    """A site with the papers of each language; nothing is indexed."""
    own = DictLoader({"frame": FRAME, "search": SEARCH, "paper": PAPER})
    loader = ChoiceLoader([own, FileSystemLoader(ASSETS)])
    pages = Environment(autoescape=True, loader=loader, undefined=StrictUndefined)
    for language, of_language in papers.items():
        room = folder / language
        (room / "papers").mkdir(parents=True)
        shared = {"language": language, "words": words(language), "policy": POLICY}
        search = pages.get_template("search").render(shared, root="../", title="Search")
        (room / "search.html").write_text(search)
        for paper in of_language:
            page = pages.get_template("paper").render(
                shared, root="../../", title=paper.title, paper=paper
            )
            (room / "papers" / f"{paper.paper_id}.html").write_text(page)
    for asset in ("search.js", "search.css", "keys.js"):
        shutil.copy(ASSETS / asset, folder / asset)
    (folder / "colors.css").write_text(COLORS)
