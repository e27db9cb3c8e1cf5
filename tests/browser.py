"""What tests of pages use: a browser, a folder served below a path, a crawler, further checks.

The fixture `browser` (conftest.py) is Chromium, started once per test file; mark such tests
`@pytest.mark.browser`. Then:

    with serve(folder) as site:                     # at http://127.0.0.1:<port>/a/b/, nothing above
        found = crawl(browser, site, "index.html")  # every link, page by page, in the browser
        assert not found.problems, found            # prints one line per problem
        found.pages, found.sizes["zh/index.html"]   # what was reached; bytes of all it loads
        found.of("broken link")                     # the problems of one kind, see Kind
        crawl(browser, site, sample=10)             # big sites: all pages parsed, in the browser
                                                    # one of each kind (`chosen`) and 10 more
        inaccessible(browser, site.at("zh/"))       # axe, serious and critical findings: light,
                                                    # dark, phone, desktop
        too_wide(browser, site.at("zh/"))           # elements beyond a phone's right edge
        text(browser, site.at("zh/"))               # what `main` shows with JavaScript off
        with page_of(browser, site) as (page, log): # a page to act on; log.problems fills
            visit(page, site.at("zh/search.html"))  # opens it and waits until it is quiet

All results are empty when all is well, and say what is wrong where they are not. No request leaves
this machine: one to another host is refused and is a problem. A page's console, uncaught errors,
violations of its content security policy and failed requests are problems; links that go elsewhere
are not followed.
"""

from __future__ import annotations

import random
import re
import shutil
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

import httpx
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright
from selectolax.lexbor import LexborHTMLParser

Kind = Literal[
    "broken link", "broken anchor", "console", "page error", "csp", "external request", "bad feed"
]
PHONE, DESKTOP = 390, 1280
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# where a page's own references are: followed or, for the second group, loaded with the page
LINKS = {"a[href]": "href", "area[href]": "href", "form[action]": "action"}
LOADED = {
    "link[rel~=stylesheet]": "href",
    "link[rel~=icon]": "href",
    "link[rel~=manifest]": "href",
    "script[src]": "src",
    "img[src]": "src",
    "source[src]": "src",
    "iframe[src]": "src",
    "object[data]": "data",
}
ELSEWHERE = {"link[rel~=alternate]": "href", "link[rel~=prev]": "href", "link[rel~=next]": "href"}
# what makes a page wider than its window, save what may itself be scrolled
TOO_WIDE = """() => {
  const edge = document.documentElement.clientWidth;
  const end = e => Math.round(e.getBoundingClientRect().right);
  const scrolls = e => e && e !== document.body && e !== document.documentElement
    && (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
  const name = e => [e.localName, ...e.classList].join('.') + (e.id && '#' + e.id);
  const found = [...document.body.querySelectorAll('*')]
    .filter(e => e.offsetWidth !== 0 && end(e) > edge + 1 && !scrolls(e.parentElement))
    .map(e => `${name(e)} ends at ${end(e)}`);
  if (!found.length && document.documentElement.scrollWidth > edge)
    found.push(`text ends at ${document.documentElement.scrollWidth}`);
  return found;
}"""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with one page; `page` is its path in the site."""

    page: str
    kind: Kind
    what: str


@dataclass(frozen=True, kw_only=True)
class Crawl:
    """What a crawl reached: paths in the site, sorted; bytes of all that a page loads, not packed.

    `sizes` has the pages that were opened in the browser.
    """

    pages: tuple[str, ...]
    opened: tuple[str, ...]
    problems: tuple[Problem, ...]
    sizes: Mapping[str, int]

    def of(self, kind: Kind) -> tuple[Problem, ...]:
        """The problems of one kind."""
        return tuple(one for one in self.problems if one.kind == kind)

    def __str__(self) -> str:
        lines = [f"{one.page}: {one.kind}: {one.what}" for one in self.problems]
        return "\n".join([f"{len(self.pages)} pages, {len(lines)} problems", *lines])


@dataclass(frozen=True, kw_only=True)
class Site:
    """A folder that is served at `url`, which ends in a slash."""

    url: str
    folder: Path

    def at(self, path: str) -> str:
        """The address of a path in the site."""
        return urljoin(self.url, path)

    def path(self, url: str) -> str:
        """The path in the site of an address of it, without query and anchor."""
        path = unquote(urlsplit(url).path).removeprefix(urlsplit(self.url).path)
        return path + "index.html" if path.endswith("/") or not path else path

    def has(self, url: str) -> bool:
        """Whether an address is on our host, be it below the site's path or not."""
        return urlsplit(url)[:2] == urlsplit(self.url)[:2]

    def size(self, url: str) -> int:
        """Bytes of the file at an address; 0 where there is none."""
        file = self.folder / self.path(url)
        return file.stat().st_size if file.is_file() else 0


class Handler(SimpleHTTPRequestHandler):
    """The files of a folder below a path; all else is 404, listings too."""

    under = "/"
    more: Mapping[str, str] = {}

    def send_head(self) -> Any:
        if not self.path.startswith(self.under):
            return self.send_error(404)
        self.path = "/" + self.path[len(self.under) :]
        return super().send_head()

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def end_headers(self) -> None:
        for name, value in self.more.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Says nothing of a browser that goes away in the middle of an answer."""

    def handle_error(self, request: Any, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def serve(
    folder: Path, under: str = "/a/b/", headers: Mapping[str, str] | None = None
) -> Iterator[Site]:
    """A folder served on loopback below a path, with more headers where given."""
    kind = type("Below", (Handler,), {"under": under, "more": headers or {}})
    server = Server(("127.0.0.1", 0), partial(kind, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Site(url=f"http://127.0.0.1:{server.server_port}{under}", folder=folder)
    finally:
        server.shutdown()
        server.server_close()


def program() -> str | None:
    """Where Chromium is on this machine, None where it is not."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextmanager
def launched(executable: str) -> Iterator[Browser]:
    """A browser; while it runs, no other event loop can in this thread."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield found
        found.close()


@dataclass(kw_only=True)
class Log:
    """What one page did wrong, and what it asked for."""

    site: Site
    problems: list[Problem] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)
    page: str = ""

    def add(self, kind: Kind, what: str) -> None:
        """Note a problem of the page that is open."""
        self.problems.append(Problem(page=self.page, kind=kind, what=what))

    def console(self, message: ConsoleMessage) -> None:
        """Errors and warnings; what the browser says of a failed request is told by `response`."""
        if message.type not in ("error", "warning") or "Failed to load resource" in message.text:
            return
        is_policy = "Content Security Policy" in message.text
        self.add("csp" if is_policy else "console", f"{message.type}: {message.text}")

    def request(self, request: Request) -> None:
        """Every request, also to ourselves."""
        if urlsplit(request.url).scheme in ("data", "blob", "about"):
            return
        if self.site.has(request.url):
            self.requests.add(urldefrag(request.url).url)
        else:
            self.add("external request", request.url)

    def response(self, response: Response) -> None:
        """Answers that are no success."""
        if response.status >= 400:
            self.add("broken link", f"{response.status} {response.url}")


@contextmanager
def page_of(
    browser: Browser, site: Site, *, width: int = DESKTOP, scripts: bool = True
) -> Iterator[tuple[Page, Log]]:
    """A page in a fresh profile, and the log of what goes wrong in it."""
    context = browser.new_context(
        viewport={"width": width, "height": 844}, java_script_enabled=scripts
    )
    context.route(lambda url: not site.has(url), lambda route: route.abort())
    log = Log(site=site)
    context.on("request", log.request)
    context.on("response", log.response)
    page = context.new_page()
    page.on("console", log.console)
    page.on("pageerror", lambda error: log.add("page error", str(error)))
    page.on("framenavigated", lambda frame: setattr(log, "page", site.path(page.url)))
    try:
        yield page, log
    finally:
        context.close()


def visit(page: Page, url: str) -> None:
    """Open an address and return once the page asks for nothing more.

    A page that asks for nothing after it has loaded is not waited for: `networkidle` takes half a
    second.
    """
    asked, ended = list[Request](), list[Request]()
    page.on("request", lambda one: asked.append(one))
    page.on("requestfinished", lambda one: ended.append(one))
    page.on("requestfailed", lambda one: ended.append(one))
    page.goto(url)
    before = len(asked)
    page.wait_for_timeout(50)
    if len(asked) > min(before, len(ended)):
        page.wait_for_load_state("networkidle")


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """One answer of the site: what it refers to (absolute), which anchors it has."""

    status: int
    is_page: bool = False
    links: tuple[str, ...] = ()
    loads: tuple[str, ...] = ()
    anchors: frozenset[str] = frozenset()
    is_bad_feed: bool = False


def parsed(client: httpx.Client, url: str) -> Parsed:
    """What is at an address, read without a browser."""
    answer = client.get(url)
    kind = answer.headers.get("content-type", "")
    if answer.is_error:
        return Parsed(status=answer.status_code)
    if "html" in kind:
        return _html(answer.text, url)
    if "xml" in kind:
        return _feed(answer.content, url)
    return Parsed(status=200)


def _html(source: str, url: str) -> Parsed:
    tree = LexborHTMLParser(source)

    def refs(where: Mapping[str, str]) -> Iterator[str]:
        for selector, attribute in where.items():
            for node in tree.css(selector):
                yield urljoin(url, (node.attributes.get(attribute) or "").strip())

    named = [node.attributes.get("id") for node in tree.css("[id]")]
    named += [node.attributes.get("name") for node in tree.css("a[name]")]
    return Parsed(
        status=200,
        is_page=True,
        links=tuple(dict.fromkeys(refs(LINKS | ELSEWHERE))),
        loads=tuple(dict.fromkeys(refs(LOADED))),
        anchors=frozenset(name for name in named if name),
    )


def _feed(source: bytes, url: str) -> Parsed:
    """A feed's or sitemap's references: `href` and `url`, and the text of `link` and `loc`."""
    try:
        elements = list(ElementTree.fromstring(source).iter())
    except ElementTree.ParseError:
        return Parsed(status=200, is_bad_feed=True)
    found = [element.get(name) for element in elements for name in ("href", "url")]
    found += [one.text for one in elements if one.tag.rpartition("}")[2] in ("link", "loc")]
    return Parsed(status=200, links=tuple({urljoin(url, one.strip()) for one in found if one}))


def crawl(browser: Browser, site: Site, start: str = "", sample: int | None = None) -> Crawl:
    """Every page that links lead to from a start, and all that is wrong with them.

    Every page is parsed. All are opened in the browser too or, with a sample, one of each kind and
    so many more.
    """
    answers: dict[str, Parsed] = {}
    with httpx.Client() as client:
        problems = _follow(client, site, [site.at(start)], answers)
        pages = {site.path(url): url for url, one in answers.items() if one.is_page}
        opened = sorted(pages) if sample is None else chosen(sorted(pages), sample)
        seen, sizes = _open(browser, site, [(path, pages[path]) for path in opened])
        problems += seen
    return Crawl(
        pages=tuple(sorted(pages)),
        opened=tuple(opened),
        problems=tuple(dict.fromkeys(problems)),
        sizes=sizes,
    )


def _follow(
    client: httpx.Client, site: Site, start: Iterable[str], answers: dict[str, Parsed]
) -> list[Problem]:
    """Read all that is linked, breadth first; the problems that reading shows."""
    waiting, problems = deque((url, url) for url in start), list[Problem]()
    wanted: list[tuple[str, str]] = []
    while waiting:
        origin, link = waiting.popleft()
        url = urldefrag(link).url.partition("?")[0]
        wanted.append((origin, link))
        if url in answers:
            continue
        answers[url] = found = parsed(client, url)
        ours = (one for one in (*found.links, *found.loads) if site.has(one))
        waiting += [(url, one) for one in ours]
        outside = (one for one in found.loads if urlsplit(one).scheme in ("http", "https"))
        problems += [
            Problem(page=site.path(url), kind="external request", what=one)
            for one in outside
            if not site.has(one)
        ]
    return problems + [one for pair in wanted if (one := _wrong(site, answers, *pair))]


def _wrong(site: Site, answers: Mapping[str, Parsed], origin: str, link: str) -> Problem | None:
    """What is wrong with one link, None where it leads somewhere."""
    url, anchor = urldefrag(link)
    found = answers[url.partition("?")[0]]
    page = site.path(origin)
    if found.status >= 400:
        return Problem(page=page, kind="broken link", what=f"{found.status} {url}")
    if found.is_bad_feed:
        return Problem(page=page, kind="bad feed", what=url)
    is_known = not anchor or anchor == "top" or unquote(anchor) in found.anchors
    if found.is_page and not is_known:
        return Problem(page=page, kind="broken anchor", what=link)
    return None


def chosen(pages: list[str], sample: int, few: int = 8) -> list[str]:
    """One page of each kind and a sample of the rest, always the same.

    Pages of a folder are of one kind where there are more than a few; digits make no difference.
    """
    folders: dict[str, list[str]] = {}
    for page in pages:
        folders.setdefault(re.sub(r"\d+", "0", page.rpartition("/")[0]), []).append(page)
    firsts = {
        page for among in folders.values() for page in among[: few if len(among) <= few else 1]
    }
    firsts |= {page for page in pages if page.endswith(("index.html", "search.html"))}
    rest = [page for page in pages if page not in firsts]
    return sorted(firsts | set(random.Random(0).sample(rest, min(sample, len(rest)))))


def _open(
    browser: Browser, site: Site, pages: Iterable[tuple[str, str]]
) -> tuple[list[Problem], dict[str, int]]:
    """Open pages one by one: what goes wrong, and the bytes of all that each loads."""
    problems: list[Problem] = []
    sizes: dict[str, int] = {}
    for path, url in pages:
        with page_of(browser, site) as (page, log):
            log.page = path
            visit(page, url)
            sizes[path] = sum(site.size(one) for one in log.requests)
        problems += log.problems
    return problems, sizes


def inaccessible(browser: Browser, url: str) -> tuple[str, ...]:
    """Serious and critical findings of axe, at two widths, in light and in dark."""
    found: list[str] = []
    page = browser.new_page()
    try:
        visit(page, url)
        for width in (PHONE, DESKTOP):
            for scheme in ("light", "dark"):
                page.set_viewport_size({"width": width, "height": 844})
                page.emulate_media(color_scheme=scheme)
                found += [f"{one} ({scheme}, {width} px)" for one in axe(page)]
    finally:
        page.close()
    return tuple(found)


def axe(page: Page) -> tuple[str, ...]:
    """Serious and critical findings of axe in a page as it is now, each with an element."""
    violations = Axe().run(page).response["violations"]
    return tuple(
        f"{one['impact']} {one['id']}: {node['html'][:120]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    )


def too_wide(browser: Browser, url: str, width: int = PHONE) -> tuple[str, ...]:
    """The elements of a page that end beyond the window's right edge and cannot be scrolled in."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    try:
        visit(page, url)
        return tuple(page.evaluate(TOO_WIDE))
    finally:
        page.close()


def text(browser: Browser, url: str, selector: str = "main", *, scripts: bool = False) -> str:
    """What a part of a page shows, as a rule with JavaScript off."""
    context = browser.new_context(java_script_enabled=scripts)
    try:
        page = context.new_page()
        visit(page, url)
        return page.inner_text(selector)
    finally:
        context.close()
