"""arXiv's OAI-PMH: every record that changed within some dates, in the form of its snapshot.

Sources: https://info.arxiv.org/help/oa/index.html, https://www.openarchives.org/OAI/2.0/
openarchivesprotocol.htm. The metadata format `arXivRaw` has the versions with their dates, and
plain categories, as the snapshot has.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import httpx

from broadsheet.config import Settings
from broadsheet.errors import SourceError, UnknownShape
from broadsheet.sources import http

logger = logging.getLogger(__name__)

NAME = "arxiv's OAI-PMH"
_OAI = "{http://www.openarchives.org/OAI/2.0/}"
_RAW = "{http://arxiv.org/OAI/arXivRaw/}"
_FIELDS = (
    *("id", "submitter", "authors", "title", "comments", "journal-ref", "doi", "report-no"),
    *("categories", "license", "abstract"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of the records."""

    lines: tuple[str, ...]
    """Each a record as a line of the snapshot, without its newline."""
    deleted: tuple[str, ...]
    """Papers whose record arXiv has taken back."""


def pages(settings: Settings, start: dt.date, end: dt.date | None = None) -> Iterator[Page]:
    """The records that were added or changed from one UTC date to another, both included.

    Args:
        settings: endpoint, spacing, tries.
        start: the first date.
        end: the last date; today, without.

    Raises:
        SourceUnavailable: no usable answer after the client's retries.
        SourceError: arXiv refuses the request; the message says why.
        UnknownShape: an answer that is no OAI-PMH.
    """
    query = {"verb": "ListRecords", "metadataPrefix": "arXivRaw", "from": start.isoformat()}
    if end is not None:
        query["until"] = end.isoformat()
    delay = settings.arxiv_delay_seconds
    with http.open_client(settings, _refuse_cut, delay_seconds=delay) as client:
        while query:
            answer = http.get(client, NAME, settings.arxiv_oai_url, **query)
            page, token = _read(answer)
            if page:
                yield page
            query = {"verb": "ListRecords", "resumptionToken": token} if token else {}


def _refuse_cut(response: httpx.Response) -> None:
    """Raise where an answer stops before its end, to have it asked for again."""
    response.read()
    is_whole = response.content.rstrip().endswith(b"</OAI-PMH>")
    if response.is_success and b"<OAI-PMH" in response.content[:1000] and not is_whole:
        raise httpx.RemoteProtocolError("the answer was cut short", request=response.request)


def _read(answer: httpx.Response) -> tuple[Page | None, str]:
    """The page, None where no record matches, and the token of the next one, or nothing."""
    root = _parsed(answer)
    if (error := root.find(f"{_OAI}error")) is not None:
        if error.get("code") == "noRecordsMatch":
            return None, ""
        said = " ".join((error.text or "").split())
        raise SourceError(
            f"source {NAME} refused: {error.get('code')}: {said}",
            "check the dates and run it again; a long harvest may be split",
        )
    listed = root.find(f"{_OAI}ListRecords")
    if listed is None:
        raise _unknown(f"HTTP {answer.status_code} without records")
    records = listed.findall(f"{_OAI}record")
    deleted = [r for r in records if r.find(f"{_OAI}header[@status='deleted']") is not None]
    page = Page(
        lines=tuple(_line(record) for record in records if record not in deleted),
        deleted=tuple(_identifier(record) for record in deleted),
    )
    return page, (listed.findtext(f"{_OAI}resumptionToken") or "").strip()


def _parsed(answer: httpx.Response) -> ET.Element:
    """The answer's XML; one that declares entities, which can be bombs, is refused."""
    if b"<!DOCTYPE" in answer.content or b"<!ENTITY" in answer.content:
        raise _unknown("a document type")
    try:
        root = ET.fromstring(answer.content)  # noqa: S314 (no entities: see above)
    except ET.ParseError as error:
        raise _unknown(f"HTTP {answer.status_code}, {error}") from error
    if root.tag != f"{_OAI}OAI-PMH":
        raise _unknown(f"<{root.tag}>")
    return root


def _unknown(what: str) -> UnknownShape:
    return UnknownShape(
        f"source {NAME} answered in an unknown shape: {what}",
        "nothing was stored; check BROADSHEET_ARXIV_OAI_URL, or report it",
    )


def _identifier(record: ET.Element) -> str:
    """`0704.0001` of `oai:arXiv.org:0704.0001`."""
    return (record.findtext(f"{_OAI}header/{_OAI}identifier") or "").rpartition(":")[2].strip()


def _line(record: ET.Element) -> str:
    """The record as the snapshot has it; what it lacks is null, and found out when it is loaded."""
    raw = record.find(f"{_OAI}metadata/{_RAW}arXivRaw")
    fields: dict[str, object] = dict.fromkeys(_FIELDS)
    if raw is not None:
        fields |= {name: raw.findtext(f"{_RAW}{name}") for name in _FIELDS}
        fields["versions"] = [
            {"version": version.get("version"), "created": version.findtext(f"{_RAW}date")}
            for version in raw.findall(f"{_RAW}version")
        ]
    fields["update_date"] = record.findtext(f"{_OAI}header/{_OAI}datestamp")
    return json.dumps(fields, ensure_ascii=False)
