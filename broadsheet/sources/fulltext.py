"""The text of a paper: arXiv's HTML where there is one, else the abstract, and which of the two.

Source: `/html/<id>` pages made by LaTeXML (https://info.arxiv.org/about/accessible_HTML.html).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import threading

import httpx

from broadsheet.config import Settings
from broadsheet.errors import SourceUnavailable
from broadsheet.models import FullText, Pick, ReadingSource, Section
from broadsheet.sources import http
from broadsheet.sources.latexml import read_page
from broadsheet.sources.visibility import hides_message, visible

logger = logging.getLogger(__name__)

_parsing = threading.Lock()  # a page's tree takes tens of megabytes, and threads gain nothing here


class FullTexts:
    """arXiv's HTML pages; one instance serves any number of threads."""

    name = "arxiv html"

    def __init__(self, settings: Settings) -> None:
        self._url = settings.arxiv_url.rstrip("/")
        self._client = http.open_client(settings, _refuse_cut_page)

    def fetch(self, pick: Pick) -> FullText:
        """The paper's text; never fails: where there is no page to read it is the abstract."""
        versioned = f"{pick.paper_id}v{pick.version}" if pick.version else pick.paper_id
        try:
            response = http.get(self._client, self.name, f"{self._url}/html/{versioned}")
        except SourceUnavailable as error:
            logger.warning("full text of %s: %s; reading the abstract", pick.paper_id, error)
            return abstract_only(pick, "unavailable")
        if response.status_code != 200:
            return abstract_only(
                pick, "not_found" if response.status_code == 404 else "unavailable"
            )
        with _parsing:
            page = read_page(response.text)
        if page.problem:
            return abstract_only(pick, page.problem, page.has_hidden_text)
        return _full_text(
            pick,
            "ok",
            page.sections,
            version=page.version or pick.version,
            fetched_at=dt.datetime.now(dt.UTC),
            has_hidden_text=page.has_hidden_text,
        )


def abstract_only(pick: Pick, reason: str, has_hidden_text: bool = False) -> FullText:
    """The reading that falls back to, or is content with, the abstract; `reason` says which.

    The lists are stored as received, so this is where what no reader sees is taken out.
    """
    return _full_text(
        pick,
        reason,
        (Section(heading="Abstract", text=visible(pick.abstract)),),
        version=pick.version,
        fetched_at=pick.fetched_at,
        has_hidden_text=has_hidden_text,
    )


def _full_text(
    pick: Pick,
    reason: str,
    sections: tuple[Section, ...],
    *,
    version: int | None,
    fetched_at: dt.datetime,
    has_hidden_text: bool,
) -> FullText:
    content = json.dumps([[s.heading, s.text] for s in sections], ensure_ascii=False)
    return FullText(
        paper_id=pick.paper_id,
        version=version,
        reading_source=ReadingSource.HTML if reason == "ok" else ReadingSource.ABSTRACT,
        reason=reason,
        sections=sections,
        sha256=hashlib.sha256(content.encode()).hexdigest(),
        has_hidden_text=has_hidden_text or any(map(hides_message, (pick.title, pick.abstract))),
        fetched_at=fetched_at,
    )


def _refuse_cut_page(response: httpx.Response) -> None:
    """Raise for a page that ends before its article does, so that it is asked for again.

    A page without an article, as one of a failed conversion is, ends with the document itself.
    """
    if response.status_code == 200:
        body = response.read()
        if b"</article>" not in body and b"</html>" not in body:
            raise httpx.DecodingError("the page was cut short")
