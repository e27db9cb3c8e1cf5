"""arXiv's OAI-PMH: every page of what changed, politely, into the archive."""

from __future__ import annotations

import datetime as dt
import json
from types import SimpleNamespace
from xml.sax.saxutils import escape

import pytest
from builders import rows_of
from conftest import Answer, Web, in_turn

from broadsheet import archive
from broadsheet.config import Settings, load_settings
from broadsheet.errors import SourceError, SourceUnavailable, UnknownShape
from broadsheet.lake import Lake
from broadsheet.sources import oai

START, END = dt.date(2026, 1, 5), dt.date(2026, 1, 6)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the retries would have waited; nothing sleeps."""
    waited: list[float] = []
    monkeypatch.setattr("httpx_retries.retry.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def settings(web: Web, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("BROADSHEET_ARXIV_OAI_URL", f"{web.url}/oai")
    return load_settings()


def record(paper_id: str = "2601.00001", versions: int = 1, title: str = "Kites") -> str:
    """A record as arXiv answers it in its format arXivRaw."""
    told = "".join(
        f'<version version="v{n}"><date>Mon, 05 Jan 2026 0{n}:00:00 GMT</date></version>'
        for n in range(1, versions + 1)
    )
    return f"""<record><header><identifier>oai:arXiv.org:{paper_id}</identifier>
<datestamp>2026-01-06</datestamp><setSpec>cs:cs:CV</setSpec></header><metadata>
<arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>{paper_id}</id><submitter>A. Wind</submitter>
{told}<title>{escape(title)}
  in the wind</title><authors>A. Wind, B. Kite</authors><categories>cs.CV cs.LG</categories>
<comments>9 pages</comments><license>http://x</license><abstract>  Kites fly &amp; land.
</abstract></arXivRaw></metadata></record>"""


def deleted(paper_id: str) -> str:
    return f"""<record><header status="deleted"><identifier>oai:arXiv.org:{paper_id}</identifier>
<datestamp>2026-01-06</datestamp></header></record>"""


def page(*records: str, token: str = "") -> Answer:
    more = f'<resumptionToken cursor="0">{token}</resumptionToken>'
    return answer(f"<ListRecords>{''.join(records)}{more}</ListRecords>")


def answer(inside: str) -> Answer:
    return (
        200,
        f"""<?xml version="1.0" encoding="UTF-8"?>
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-01-06T01:00:00Z
</responseDate>{inside}</OAI-PMH>
""",
    )


def lines(settings: Settings) -> list[str]:
    found = [line for one in oai.pages(settings, START, END) for line in one.lines]
    return [json.loads(line)["id"] for line in found]


def test_all_pages_are_asked_for_by_date_and_then_by_token(web: Web, settings: Settings) -> None:
    web.respond = in_turn(page(record(), token="next one|1"), page(record("2601.00002")))
    assert lines(settings) == ["2601.00001", "2601.00002"]
    assert web.requests == [
        (
            "/oai",
            {
                "verb": "ListRecords",
                "metadataPrefix": "arXivRaw",
                "from": "2026-01-05",
                "until": "2026-01-06",
            },
        ),
        ("/oai", {"verb": "ListRecords", "resumptionToken": "next one|1"}),
    ]
    assert "broadsheet" in web.headers[0]["user-agent"]


def test_an_end_that_is_not_given_is_not_asked_for(web: Web, settings: Settings) -> None:
    web.respond = in_turn(page(record()))
    assert len(list(oai.pages(settings, START))) == 1
    assert "until" not in web.requests[0][1]


def test_a_busy_server_is_waited_for_as_it_says(
    web: Web, settings: Settings, waits: list[float]
) -> None:
    busy: Answer = (503, "busy", {"retry-after": "11"})
    web.respond = in_turn(busy, page(record()))
    assert lines(settings) == ["2601.00001"]
    assert waits == [11]


def test_requests_keep_their_distance(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("broadsheet.sources.http.time.sleep", slept.append)
    monkeypatch.setenv("BROADSHEET_ARXIV_OAI_URL", f"{web.url}/oai")
    monkeypatch.setenv("BROADSHEET_ARXIV_DELAY_SECONDS", "3")
    web.respond = in_turn(page(record(), token="t"), (500, "oops"), page(record("2601.00002")))
    assert lines(load_settings()) == ["2601.00001", "2601.00002"]
    assert len(slept) == 3
    assert slept[0] == 0
    assert all(2.5 < seconds <= 3 for seconds in slept[1:])


def test_a_page_that_was_cut_short_is_asked_for_again(web: Web, settings: Settings) -> None:
    whole = page(record())
    web.respond = in_turn((200, str(whole[1])[:-60]), whole)
    assert lines(settings) == ["2601.00001"]
    assert len(web.requests) == 2


def test_dates_without_records_are_no_error(web: Web, settings: Settings) -> None:
    web.respond = in_turn(answer('<error code="noRecordsMatch">none</error>'))
    assert list(oai.pages(settings, START, END)) == []
    found, left = archive.harvest(settings, START, END)
    assert (found.papers, found.bad, left) == (0, 0, 0)


def test_a_refusal_says_why(web: Web, settings: Settings) -> None:
    web.respond = in_turn(answer('<error code="badResumptionToken">it\n expired</error>'))
    with pytest.raises(SourceError, match="refused: badResumptionToken: it expired"):
        lines(settings)


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>hello</body></html>",
        "no xml",
        "{}",
        "<OAI-PMH xmlns='http://www.openarchives.org/OAI/2.0/'><Identify/></OAI-PMH>",
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><OAI-PMH>&b;</OAI-PMH>',
    ],
)
def test_another_answer_is_an_unknown_shape(web: Web, settings: Settings, body: str) -> None:
    web.respond = in_turn((200, body))
    with pytest.raises(UnknownShape):
        lines(settings)


def test_a_server_that_is_down_is_unavailable_and_nothing_is_stored(
    web: Web, settings: Settings, lake: Lake
) -> None:
    web.respond = in_turn(page(record(), token="t"), (503, "down"))
    with pytest.raises(SourceUnavailable, match="HTTP 503"):
        archive.harvest(settings, START, END)
    assert lake.tables() == []


def test_a_harvest_adds_and_changes_papers(web: Web, settings: Settings, lake: Lake) -> None:
    web.respond = in_turn(page(record(), record("2601.00002")))
    archive.harvest(settings, START, END)
    web.respond = in_turn(page(record(versions=2, title="Kites <again>"), record("2601.00003")))
    found, left = archive.harvest(settings, START, END)
    assert (found.papers, found.bad, found.years, left) == (2, 0, (2026,), 0)
    assert rows_of(lake, "archive", "paper_id", "version", "title", "abstract", "authors") == [
        ("2601.00001", 2, "Kites <again> in the wind", "Kites fly & land.", ["A. Wind", "B. Kite"]),
        ("2601.00002", 1, "Kites in the wind", "Kites fly & land.", ["A. Wind", "B. Kite"]),
        ("2601.00003", 1, "Kites in the wind", "Kites fly & land.", ["A. Wind", "B. Kite"]),
    ]
    assert not (settings.home / "state" / "archive" / "harvest").exists()


def test_a_paper_whose_record_was_taken_back_leaves(
    web: Web, settings: Settings, lake: Lake
) -> None:
    web.respond = in_turn(page(record(), record("2601.00002")))
    archive.harvest(settings, START, END)
    web.respond = in_turn(page(deleted("2601.00001"), deleted("9901.00001")))
    _, left = archive.harvest(settings, START, END)
    assert left == 1
    assert rows_of(lake, "archive", "paper_id", "rank") == [("2601.00002", 1)]


def test_a_record_without_its_metadata_is_counted(web: Web, settings: Settings, lake: Lake) -> None:
    bare = deleted("2601.00009").replace(' status="deleted"', "")
    web.respond = in_turn(page(record(), bare))
    found, _ = archive.harvest(settings, START, END)
    assert (found.papers, found.faults) == (1, ("line 2: no id",))
