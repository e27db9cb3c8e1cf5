"""The five real digests of the predecessors: every paper, score and source, and back again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broadsheet.config import Settings, load_settings
from broadsheet.doctor import check
from broadsheet.importing.arrivals import import_all, line
from broadsheet.importing.storing import Became
from broadsheet.lake import Lake
from broadsheet.rendering import render_html, render_markdown
from broadsheet.repairing import open_published, recall_digest
from broadsheet.rows import to_rows

pytestmark = pytest.mark.real

CV = {
    dt.date(2026, 1, 29): [("2601.19798", 92), ("2601.15968", 89)],
    dt.date(2026, 1, 31): [("2601.16914", 95), ("2601.18005", 82)],
    dt.date(2026, 2, 20): [("2602.07345", 90)],
    dt.date(2026, 2, 24): [("2602.15727", 92), ("2602.18432", 88)],
}
HF_DATE = dt.date(2026, 1, 6)
HF = [
    "2601.02358",
    "2601.01425",
    "2601.02356",
    "2601.02314",
    "2601.01046",
    "2512.23035",
    "2601.01739",
    "2512.24138",
    "2512.24601",
    "2601.01836",
    "2601.02346",
    "2512.21472",
    "2601.01576",
    "2601.02256",
    "2601.02204",
    "2512.20578",
]
READ_ABSTRACTS = {"2601.01425", "2601.01576"}
FAILED = "2601.19798"


@pytest.fixture
def seeds(shared: Path, lake: Lake) -> Iterator[Path]:
    """The folder of the seeds, which are imported."""
    folder = shared / "seeds"
    arrivals = list(import_all([folder], load_settings()))
    assert [arrival.error for arrival in arrivals] == [None] * 5
    yield folder


def rows(lake: Lake, table: str) -> list[dict[str, Any]]:
    """The table's rows without the instants of their writing."""
    told = ("published_at", "analyzed_at")
    return [{k: v for k, v in row.items() if k not in told} for row in to_rows(lake.read(table))]


def test_every_paper_has_its_place_score_source_and_date(seeds: Path, lake: Lake) -> None:
    digests = rows(lake, "digests")
    assert len(digests) == 23
    for profile, date, papers in [
        *(("cv", date, papers) for date, papers in CV.items()),
        ("hf", HF_DATE, [(name, None) for name in HF]),
    ]:
        found = [row for row in digests if (row["profile"], row["date"]) == (profile, date)]
        assert [(row["paper_id"], row["score"]) for row in found] == papers
        assert [row["position"] for row in found] == list(range(1, len(papers) + 1))
        assert {row["scanned"] for row in found} == {15 if profile == "cv" else 16}
        assert {row["origin"] for row in found} == {"imported"}
        assert {tuple(row["sources"]) for row in found} == {("huggingface",)}
        partial = profile == "cv" and date == dt.date(2026, 1, 29)
        assert {row["outcome"] for row in found} == {"partial" if partial else "complete"}


def test_titles_are_those_of_the_headings(seeds: Path, lake: Lake) -> None:
    written = "\n".join(file.read_text(encoding="utf-8") for file in sorted(seeds.iterdir()))
    for row in rows(lake, "digests"):
        assert any(
            heading.endswith(row["title"])
            for heading in written.splitlines()
            if heading.startswith(("## 📄 ", "### <a id="))
        )


def test_the_one_failed_analysis_is_recognised_and_its_text_dropped(
    seeds: Path, lake: Lake
) -> None:
    analyses = rows(lake, "analyses")
    waiting = [row for row in analyses if row["status"] != "complete"]
    assert [(row["paper_id"], row["pending_reason"]) for row in waiting] == [(FAILED, "rate")]
    assert "quota" not in json.dumps(analyses, default=str)


def test_every_other_analysis_has_all_its_sections_in_the_words_of_the_seed(
    seeds: Path, lake: Lake
) -> None:
    written = "".join(
        "".join(file.read_text(encoding="utf-8").split()) for file in sorted(seeds.iterdir())
    )
    complete = [row for row in rows(lake, "analyses") if row["status"] == "complete"]
    assert len(complete) == 22
    for row in complete:
        sections = json.loads(row["sections"])
        assert len(sections) == (4 if row["style"] == "cv" else 5)
        for value in sections.values():
            texts = [value] if isinstance(value, str) else value
            assert texts and all("".join(text.split()) in written for text in texts)
        assert "作为计算机视觉专家" not in row["sections"]
        is_abstract = row["style"] == "cv" or row["paper_id"] in READ_ABSTRACTS
        assert row["reading_source"] == ("abstract" if is_abstract else "html")


def test_nothing_of_an_analysis_is_left_out(seeds: Path, lake: Lake) -> None:
    """Of the long lines only what a model said about its own doing is not in the rows."""
    held = "\n".join(
        text
        for row in rows(lake, "analyses")
        for value in json.loads(row["sections"]).values()
        for text in ([value] if isinstance(value, str) else value)
    )
    left_out = []
    for file in sorted(seeds.iterdir()):
        whole = file.read_text(encoding="utf-8")
        analyses = whole.partition("### <a id='item-1'")[2] if "深度分析失败" in whole else whole
        for written in analyses.splitlines():
            is_fact = written.startswith(("#", ">", "=", "**来源", "**原文链接", "**S", "- "))
            text = written.lstrip(" *-0123456789.").partition("**：")[2] or written.strip(
                " *-.0123456789"
            )
            if len(text) > 40 and not is_fact and text not in held:
                left_out.append(text)
    assert len(left_out) == 5
    assert all("深度解析" in text for text in left_out)


def test_imported_again_nothing_is_written(seeds: Path, lake: Lake) -> None:
    before = rows(lake, "digests") + rows(lake, "analyses")
    arrivals = list(import_all([seeds], load_settings()))
    assert [arrival.counts for arrival in arrivals] == [{Became.THERE: 1}] * 5
    assert all("already there" in line(arrival) for arrival in arrivals)
    assert rows(lake, "digests") + rows(lake, "analyses") == before


def test_rendered_and_imported_again_they_are_the_same_rows(
    seeds: Path, lake: Lake, tmp_path: Path
) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for profile, date in [*(("cv", date) for date in CV), ("hf", HF_DATE)]:
        edition = open_published(profile, date)
        digest = recall_digest(edition)
        page = render_markdown(digest, edition.style)
        (pages / f"{profile}-{date}.md").write_text(page, encoding="utf-8")
        assert "429" not in render_html(digest, edition.style)
        if date != dt.date(2026, 1, 29):
            headings = [n for n in page.splitlines() if n.startswith("### ") and "<a id" not in n]
            assert len(set(headings)) == len(edition.style.sections)
    elsewhere = Settings(home=tmp_path / "elsewhere")
    assert all(arrival.error is None for arrival in import_all([pages], elsewhere))
    other = Lake(elsewhere.lake_root)
    assert rows(other, "analyses") == rows(lake, "analyses")
    assert rows(other, "digests") == rows(lake, "digests")


def test_all_checks_are_clean_after_the_seeds(seeds: Path, lake: Lake) -> None:
    findings = check(lake)
    assert findings and all(finding.startswith("ok") for finding in findings)
