"""One small recorded day served over HTTP on this machine, so that everything runs with no network.

The ordinary clients are pointed at it and notice no difference: the same routes, parameters, page
limits and error answers as Hugging Face and arXiv, for eight listed papers and two more on arXiv.
Identifiers, titles, authors, dates and counts are those of the real day. Abstracts, summaries and
full texts were written for the sample: they are not the authors' words.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from socketserver import TCPServer
from typing import TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

SAMPLE_DATE = dt.date(2026, 1, 6)
"""The one date that has papers; it is also the newest."""

_Query: TypeAlias = Mapping[str, str]

_DAILY_LIMIT, _DAILY_LIMIT_MAX = 50, 100
_ARXIV_LIMIT = 10
_IDENTIFIER = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})(v\d+)?")
_SUBMITTED = re.compile(r"submittedDate:\s*\[\s*(\d{8,14})\s+TO\s+(\d{8,14})\s*\]")
_CATEGORY = re.compile(r"cat:([\w.*-]+)")


@dataclass(frozen=True, kw_only=True)
class SampleWorld:
    """Base URLs of the sample, as the three environment variables `BROADSHEET_*_URL` want them."""

    huggingface_url: str
    """`/api/daily_papers` is below it."""
    arxiv_api_url: str
    """The query endpoint itself."""
    arxiv_url: str
    """`/html/<id>` and `/abs/<id>` are below it."""


@contextmanager
def serve() -> Iterator[SampleWorld]:
    """The sample's URLs, answered on a free loopback port until the context ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sample", daemon=True
    )
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        yield SampleWorld(huggingface_url=base, arxiv_api_url=f"{base}/api/query", arxiv_url=base)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True, kw_only=True)
class _Answer:
    body: str
    content_type: str
    status: HTTPStatus = HTTPStatus.OK


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        # HTTPServer asks DNS for this machine's name, which can take seconds with no network.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        answer = _answer(unquote(url.path), query)
        body = answer.body.encode()
        with suppress(ConnectionError):  # the client hung up: nobody to tell
            self.send_response(answer.status)
            self.send_header("Content-Type", f"{answer.content_type}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a reader of the sample wants a digest, not a request log."""


def _answer(path: str, query: _Query) -> _Answer:
    """What the world says to one request; reads the sample's files and writes nothing."""
    for pattern, route in _ROUTES.items():
        if match := re.fullmatch(pattern, path):
            try:
                return route(query, *match.groups())
            except ValueError as error:
                return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
    return _json({"error": f"no such route {path}"}, HTTPStatus.NOT_FOUND)


# Hugging Face


def _daily_papers(query: _Query) -> _Answer:
    date = dt.date.fromisoformat(query.get("date", SAMPLE_DATE.isoformat()))
    if date > SAMPLE_DATE:
        raise ValueError(f'"date" must be less than or equal to "{SAMPLE_DATE}T23:59:59.999Z"')
    entries = json.loads(_read("daily_papers.json")) if date == SAMPLE_DATE else []
    limit = min(_count(query, "limit", _DAILY_LIMIT), _DAILY_LIMIT_MAX)
    first = _count(query, "p", 0) * limit
    return _json(entries[first : first + limit])


# The arXiv API (https://info.arxiv.org/help/api/user-manual.html)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    paper_id: str
    identifier: str
    """The `paper_id` with its version."""
    submitted: str
    """The instant of submission as 14 digits, UTC: the form in which the API filters."""
    categories: tuple[str, ...]
    xml: str

    def text(self, element: str) -> str:
        """An element's text, still escaped."""
        return _found(rf"<{element}>(.*?)</{element}>", self.xml)[1]


def _arxiv_query(query: _Query) -> _Answer:
    try:
        start, size = _count(query, "start", 0), _count(query, "max_results", _ARXIV_LIMIT)
        if query.get("id_list"):
            found = _by_identifier(query["id_list"])
        else:
            found = _by_search(query.get("search_query", ""))
    except ValueError as error:
        return _arxiv_error(str(error))
    if query.get("sortBy") in ("submittedDate", "lastUpdatedDate"):
        is_descending = query.get("sortOrder", "descending") == "descending"
        found = sorted(found, key=lambda entry: entry.submitted, reverse=is_descending)
    return _feed([entry.xml for entry in found[start : start + size]], len(found), start, size)


def _by_identifier(id_list: str) -> list[_Entry]:
    identifiers = [text.strip() for text in id_list.split(",") if text.strip()]
    for identifier in identifiers:
        if not _IDENTIFIER.fullmatch(identifier):
            raise ValueError(f"incorrect id format for {identifier}")
    return [entry for identifier in identifiers if (entry := _entry(identifier))]


def _by_search(search_query: str) -> list[_Entry]:
    unknown = _CATEGORY.sub(" ", _SUBMITTED.sub(" ", search_query))
    if re.sub(r"\b(AND|OR)\b|[()\s]", "", unknown):
        raise ValueError("the sample answers only cat: and submittedDate: queries")
    period = _SUBMITTED.search(search_query)
    first, last = (period[1].ljust(14, "0"), period[2].ljust(14, "9")) if period else ("0", "9")
    wanted = _CATEGORY.findall(search_query) or ["*"]
    return [
        entry
        for entry in _entries()
        if first <= entry.submitted <= last
        and any(fnmatchcase(have, want) for have in entry.categories for want in wanted)
    ]


def _entry(identifier: str) -> _Entry | None:
    """The entry of an identifier with or without version; None where there is none."""
    return next((e for e in _entries() if identifier in (e.paper_id, e.identifier)), None)


@cache
def _entries() -> tuple[_Entry, ...]:
    """All entries, newest submission first."""
    return tuple(
        _parsed(xml) for xml in re.findall(r"<entry>.*?</entry>", _read("arxiv.xml"), re.S)
    )


def _parsed(xml: str) -> _Entry:
    identifier = _found(r"<id>http://arxiv\.org/abs/((.+)v\d+)</id>", xml)
    return _Entry(
        paper_id=identifier[2],
        identifier=identifier[1],
        submitted=re.sub(r"\D", "", _found(r"<published>(.*?)</published>", xml)[1]),
        categories=tuple(re.findall(r'<category term="(.*?)"', xml)),
        xml=xml,
    )


def _arxiv_error(reason: str) -> _Answer:
    url = "https://arxiv.org/api/errors#" + escape(reason.replace(" ", "_"))
    entry = (
        f"<entry><id>{url}</id><title>Error</title><updated>{SAMPLE_DATE}T12:00:00Z</updated>"
        f'<link href="{url}" rel="alternate" type="text/html"/><summary>{escape(reason)}</summary>'
        "<author><name>arXiv api core</name></author></entry>"
    )
    return _feed([entry], 1, 0, 1, HTTPStatus.BAD_REQUEST)


def _feed(
    entries: Sequence[str], total: int, start: int, size: int, status: HTTPStatus = HTTPStatus.OK
) -> _Answer:
    head = _found(r".*?(?=\s*<opensearch:)", _read("arxiv.xml"))[0]
    counts = {"itemsPerPage": size, "totalResults": total, "startIndex": start}
    lines = [f"  <opensearch:{name}>{n}</opensearch:{name}>" for name, n in counts.items()]
    body = "\n".join([head, *lines, *(f"  {entry}" for entry in entries), "</feed>\n"])
    return _Answer(body=body, content_type="application/atom+xml", status=status)


# arXiv's pages


def _full_text(_: _Query, identifier: str) -> _Answer:
    entry = _entry(identifier)
    page = resources.files(__name__).joinpath("html", f"{entry.paper_id}.html") if entry else None
    if page and page.is_file():
        return _html(page.read_text("utf-8"))
    title = f"No HTML for '{escape(identifier, quote=False)}'"
    return _html(
        f"<html><head><title>{title}</title></head><body><h1>{title}</h1>"
        "<p>HTML is not available for the source.</p></body></html>\n",
        HTTPStatus.NOT_FOUND,
    )


def _abstract_page(_: _Query, identifier: str) -> _Answer:
    entry = _entry(identifier)
    if not entry:
        return _html("<html><body><h1>Article not found</h1></body></html>\n", HTTPStatus.NOT_FOUND)
    title, abstract = entry.text("title"), entry.text("summary")
    return _html(
        f"<html><head><title>[{entry.paper_id}] {title}</title></head><body>"
        f'<h1 class="title mathjax">{title}</h1>'
        f'<blockquote class="abstract mathjax">{abstract}</blockquote></body></html>\n'
    )


_ROUTES: Mapping[str, Callable[..., _Answer]] = {
    "/api/daily_papers": _daily_papers,
    "/api/query": _arxiv_query,
    "/html/(.+)": _full_text,
    "/abs/(.+)": _abstract_page,
}


# Reading and wording


@cache
def _read(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text("utf-8")


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text, re.S)
    if not match:
        raise LookupError(f"the sample's data lack {pattern}")
    return match


def _count(query: _Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal():
        raise ValueError(f'"{name}" must be a non-negative integer')
    return int(text)


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> _Answer:
    body = json.dumps(value, ensure_ascii=False)
    return _Answer(body=body, content_type="application/json", status=status)


def _html(page: str, status: HTTPStatus = HTTPStatus.OK) -> _Answer:
    return _Answer(body=page, content_type="text/html", status=status)
