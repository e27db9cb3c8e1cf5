"""A digest becomes a page: Markdown and HTML by the style's templates, the same bytes every time.

Titles, abstracts and answers are strangers' text: they go into the templates as values, are never
read as templates, and reach the page with HTML escaped, no images, and links to known hosts only.
What Markdown would read as structure is escaped in one pass, so that no escape can undo another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from unicodedata import category

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markdown_it import MarkdownIt
from markupsafe import Markup

from broadsheet.analysis.evidence import find_claims
from broadsheet.errors import UsageError
from broadsheet.models import Digest, Flag, Pick
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

DAGGER = "†"
"""Stands after a claim that the text read does not have."""

_HOSTS = "|".join(re.escape(host) for host in LINKED_HOSTS)
_URL = (
    rf"(?:https?://(?:[A-Za-z0-9-]+\.)*(?:{_HOSTS})(?=[/?#\s]|\)(?=[\s.,;]|$)|$)"
    r"(?:[/?#](?:(?!://)[A-Za-z0-9_./?=&%#:~+,;@-])*)?)"
)
_PLAIN = rf"(?<![A-Za-z0-9])(?P<url>{_URL})|(?P<scheme>://)|(?P<mark>[\\\[\]`~|<]|&(?=#?\w+;)|(?<=www)\.)"
_LINE = re.compile(rf"{_PLAIN}|(?P<emphasis>\*|(?<![^\W_])_|_(?![^\W_]))", re.I)
_PROSE = re.compile(
    r"(?P<code>`(?:(?!!\[)[^`\n<])+`)"
    r"|!\[(?P<alt>[^\[\]\n]*)\]\([^()\n]*\)"
    r"|\[(?P<label>[^\[\]\n]*)\]\([ \t]*<?(?P<target>[^\s()<>]*)[^()\n]*\)"
    rf"|{_PLAIN}",
    re.I,
)
_ENTITIES = {"<": "&lt;", "&": "&amp;", ".": "&#46;", "://": "&#58;//"}
_LINE_START = re.compile(
    r"^( *(?:(?:[-+*]|\d{1,9}[.)]) +)*)(?=#{1,6}(?: |$)|>|[-=_*][-=_* ]*$)", re.MULTILINE
)
_EMPHASIS = re.compile(r"[*_]+")
_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
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
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": one_line, "prose": prose, "html": html, "url": paper_url}
    environment.filters |= {"daggered": daggered, "unfound": unfound}
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
    line = _LINE.sub(_written, " ".join(printable(text).split()))
    return _LINE_START.sub(r"\1\\", line)


def prose(text: str) -> str:
    """Text as Markdown with emphasis, code and lists; no HTML, image, foreign link or heading."""
    return _LINE_START.sub(r"\1\\", _PROSE.sub(_written, printable(text).strip()))


def html(text: str) -> Markup:
    """The same as HTML."""
    clean = nh3.clean(
        _markdown().render(prose(text)),
        tags=_TAGS,
        attributes={"a": {"href"}},
        attribute_filter=lambda tag, name, value: value if is_linkable(value) else None,
    )
    return Markup(clean.strip())  # noqa: S704 (the lines above are what makes it safe)


def daggered(text: str, flags: Iterable[Flag], section: str) -> str:
    """The section's text with a dagger after every place of its flagged claims.

    The text is still to be escaped. A dagger that would change how the Markdown around it reads is
    left out: the footnote (`unfound`) names the claim all the same.
    """
    flagged = {flag.claim for flag in flags if flag.section == section}
    if not flagged:
        return text
    ends = sorted({c.end for c in find_claims(text) if c.text in flagged}, reverse=True)
    if not ends:
        return text
    everywhere = _with_daggers(text, [_after_emphasis(text, end) for end in ends])
    if _reads_alike(everywhere, text):
        return everywhere
    marked = text
    for end in ends:
        tried = (_with_daggers(marked, [at]) for at in (_after_emphasis(marked, end), end))
        marked = next((t for t in tried if _reads_alike(t, text)), marked)
    return marked


def unfound(flags: Iterable[Flag]) -> list[str]:
    """The flagged claims, each once, in the order of the sections."""
    return list(dict.fromkeys(flag.claim for flag in flags))


def _after_emphasis(text: str, end: int) -> int:
    """Behind the asterisks there: most close an emphasis, which a dagger inside would keep open."""
    marks = _EMPHASIS.match(text, end)
    return marks.end() if marks else end


def _with_daggers(text: str, places: Iterable[int]) -> str:
    """`places` from the last to the first."""
    for place in places:
        text = text[:place] + DAGGER + text[place:]
    return text


def _reads_alike(marked: str, text: str) -> bool:
    return all(
        str(read(marked)).replace(DAGGER, "") == str(read(text)).replace(DAGGER, "")
        for read in (prose, html)
    )


def is_linkable(url: str) -> bool:
    """Whether an answer may link there."""
    return re.fullmatch(_URL, url, re.I) is not None


def _written(match: re.Match[str]) -> str:
    """What is special in Markdown, so that it is read as itself; what may stay special, as is."""
    found = match.groupdict()
    if found.get("alt") is not None:
        return _PROSE.sub(_written, found["alt"])
    if found.get("label") is not None:
        label, target = _PROSE.sub(_written, found["label"]), found["target"]
        return f"[{label}]({target.replace('&', '&amp;')})" if is_linkable(target) else label
    if found["url"] or found.get("code"):
        return match[0]
    return _ENTITIES.get(match[0], f"\\{match[0]}")


def printable(text: str) -> str:
    """The text without control, zero-width and direction-changing characters."""
    if text.isprintable():
        return text
    spaced = re.sub(r"[^\S\n]", " ", text)
    return "".join(c for c in spaced if c == "\n" or category(c) not in _UNPRINTABLE)


def _shown(value: object) -> object:
    """Whatever a template prints, printable."""
    is_text = isinstance(value, str) and not isinstance(value, Markup)
    return printable(str(value)) if is_text else value


@lru_cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).disable(
        ["image", "heading", "lheading", "code"]
    )
