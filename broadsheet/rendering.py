"""A digest becomes a page: Markdown and HTML by the style's templates, the same bytes every time.

Titles, abstracts and answers are strangers' text: they go into the templates as values, are never
read as templates, and reach the page with HTML escaped, no images, and links to known hosts only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markdown_it import MarkdownIt
from markupsafe import Markup

from broadsheet.errors import UsageError
from broadsheet.models import Digest, Pick
from broadsheet.styles import Style

LINKED_HOSTS = (
    "arxiv.org",
    "huggingface.co",
    "github.com",
    "doi.org",
    "openreview.net",
    "aclanthology.org",
)
"""Hosts, with all below them, that an answer may link to."""

_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\(\s*<?([^)\s>]*)>?[^)]*\)")
_REFERENCE = re.compile(r"\[(?=[^\]]*\]\s*[:\[])")
_LINE_START = re.compile(
    r"^(\s*)(#{1,6}(?=\s)|>|={2,}|-{3,}|_{3,}|\*{3,}|~{3,}|`{3,})", re.MULTILINE
)
_UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_TAGS = {"p", "br", "strong", "em", "code", "pre", "ul", "ol", "li", "a", "table"}
_TAGS |= {"thead", "tbody", "tr", "th", "td", "blockquote"}


def render_markdown(digest: Digest, style: Style) -> str:
    """The digest's page in Markdown.

    Raises:
        UsageError: a template of the style is broken.
    """
    return _render("digest.md.j2", digest, style)


def render_html(digest: Digest, style: Style) -> str:
    """The digest's page in HTML, one file that needs nothing else; errors as `render_markdown`."""
    return _render("digest.html.j2", digest, style)


def _render(template: str, digest: Digest, style: Style) -> str:
    environment = _environment(style.folder.parent)
    try:
        page = environment.get_template(f"{style.name}/{template}").render(
            digest=digest, sections=style.sections, labels=style.labels, language=style.language
        )
    except TemplateError as error:
        where = f"{getattr(error, 'name', None) or template}:{getattr(error, 'lineno', '?')}"
        raise UsageError(
            f"cannot render style {style.name!r}: {error} ({where})", "mend that template"
        ) from error
    return page.rstrip() + "\n"


@lru_cache
def _environment(styles: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(styles),
        autoescape=_is_html,  # noqa: S701 (the Markdown pages escape by their filters)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": one_line, "prose": prose, "html": html, "url": paper_url}
    return environment


def _is_html(template: str | None) -> bool:
    return template is not None and template.endswith(".html.j2")


def paper_url(pick: Pick) -> str:
    """Where a reader finds the paper: its Hugging Face page if listed there, else arXiv's."""
    if "huggingface" in pick.sources:
        return f"https://huggingface.co/papers/{pick.paper_id}"
    return f"https://arxiv.org/abs/{pick.paper_id}"


def one_line(text: str) -> str:
    """Text as one harmless line of Markdown: a title, a name, a quoted sentence."""
    return re.sub(r"([\[\]`*|])", r"\\\1", _escape(" ".join(_printable(text).split())))


def prose(text: str) -> str:
    """Text as Markdown with emphasis and lists, but no HTML, image, foreign link or heading."""
    return _escape(_harmless(text))


def html(text: str) -> Markup:
    """Text with simple Markdown in it as HTML: HTML of its own arrives escaped."""
    rendered = _markdown().render(_harmless(text))
    clean = nh3.clean(
        rendered, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https"}
    )
    return Markup(clean.strip())  # noqa: S704 (the line above is what makes it safe)


def _harmless(text: str) -> str:
    """The text without images, foreign links, and lines that would shape the page around it."""
    kept = _IMAGE.sub(r"\1", _printable(text).strip())
    kept = _LINK.sub(_known_link, kept)
    kept = _REFERENCE.sub(r"\\[", kept)
    return _LINE_START.sub(r"\1\\\2", kept)


def _known_link(match: re.Match[str]) -> str:
    return match[0] if is_linkable(match[2]) else match[1]


def is_linkable(url: str) -> bool:
    """Whether an answer may link there."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    known = any(host == name or host.endswith(f".{name}") for name in LINKED_HOSTS)
    return parts.scheme in ("http", "https") and known


def _escape(text: str) -> str:
    return text.replace("<", "&lt;")


def _printable(text: str) -> str:
    """The text without control, zero-width and direction-changing characters."""
    return _UNPRINTABLE.sub("", re.sub(r"[^\S\n]", " ", text))


@lru_cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).disable("image")
