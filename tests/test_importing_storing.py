"""What importing leaves in the lake: each digest once, nothing of ours replaced, checks clean."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from builders import paper as listed
from builders import rows_of, write_digest, write_list
from made_up_pages import (
    CV_ANALYSIS,
    QUOTA,
    cv_article,
    cv_page,
    hf_block,
    hf_page,
    table_page,
    table_row,
)
from test_cli import broadsheet as command

from broadsheet.config import Settings, load_settings
from broadsheet.doctor import check
from broadsheet.errors import UsageError
from broadsheet.importing.arrivals import Arrival, import_all, line
from broadsheet.importing.storing import Became
from broadsheet.lake import Lake
from broadsheet.planning import plan_range
from broadsheet.rendering import render_html, render_markdown
from broadsheet.repairing import open_published, recall_digest

DATE = dt.date(2026, 1, 29)
TWO = cv_page(cv_article(1, QUOTA), cv_article(2, score="88/100"))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A file to import: two papers, one without an analysis."""
    return written(tmp_path, TWO)


def written(folder: Path, text: str, name: str = "page.md") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def imported(*paths: Path, profile: str | None = None, **changed: Any) -> list[Arrival]:
    return list(import_all(paths, load_settings(), profile, **changed))


def fates(*paths: Path, **changed: Any) -> list[Became]:
    return [became for a in imported(*paths, **changed) for _, _, became in a.digests]


def home_bytes() -> dict[str, tuple[int, bytes]]:
    """Every file of the lake, with its time and bytes."""
    root = Path(load_settings().lake_root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def said(rows: Any) -> list[dict[str, Any]]:
    """The rows without the instants of their writing."""
    return [{k: v for k, v in r.items() if k not in ("published_at", "analyzed_at")} for r in rows]


def test_an_imported_digest_is_rows_like_any_other(page: Path, lake: Lake) -> None:
    assert fates(page) == [Became.WRITTEN]
    columns = ("paper_id", "position", "score", "status", "outcome", "origin", "run_id")
    assert rows_of(lake, "staging.digests", *columns) == [
        ("2601.00001", 1, 92, "pending", "partial", "imported", None),
        ("2601.00002", 2, 88, "complete", "partial", "imported", None),
    ]
    assert rows_of(lake, "marts.editions", "profile", "date", "papers", "pending", "scanned") == [
        ("cv", DATE, 2, 1, 15)
    ]
    assert rows_of(
        lake, "staging.analyses", "paper_id", "status", "pending_reason", "model", "claims"
    ) == [
        ("2601.00001", "pending", "rate", "extractive", 0),
        ("2601.00002", "complete", None, "unknown", 0),
    ]


def test_no_word_of_the_error_is_in_the_lake(page: Path, lake: Lake) -> None:
    imported(page)
    rows = [*(lake.rows("analyses", "cv", date=DATE) or [])]
    rows += lake.rows("digests", "digest", profile="cv", date=DATE) or []
    assert "quota" not in json.dumps(rows, default=str).lower()


def test_all_checks_are_clean_after_an_import(page: Path, lake: Lake, tmp_path: Path) -> None:
    hf = written(tmp_path, hf_page(hf_block(1), hf_block(2, "")), "hf.md")
    table = written(tmp_path, table_page(table_row(1), table_row(2, "2026-01-05")), "table.md")
    assert set(fates(page, hf, table)) == {Became.WRITTEN}
    findings = check(lake)
    assert findings and all(finding.startswith("ok") for finding in findings)


def test_a_table_list_is_digests_without_analyses(lake: Lake, tmp_path: Path) -> None:
    table = written(tmp_path, table_page(table_row(1), table_row(2, "2026-01-05")))
    assert fates(table) == [Became.WRITTEN] * 2
    columns = ("profile", "date", "paper_id", "question", "status", "outcome", "score")
    assert rows_of(lake, "staging.digests", *columns) == [
        ("paper-lanterns", dt.date(2026, 1, 5), "2601.00002", None, None, "complete", None),
        ("paper-lanterns", dt.date(2026, 1, 6), "2601.00001", None, None, "complete", None),
    ]
    assert lake.files("analyses") == []


def test_the_same_page_again_writes_nothing(page: Path) -> None:
    imported(page)
    before = home_bytes()
    assert fates(page) == [Became.THERE]
    assert home_bytes() == before


def test_a_dry_run_says_the_same_and_writes_nothing(page: Path) -> None:
    [arrival] = imported(page, is_dry=True)
    assert arrival.counts == {Became.WRITTEN: 1}
    assert "would be written" in line(arrival, is_dry=True)
    assert home_bytes() == {}


def test_a_corrected_page_replaces_the_imported_digest(page: Path, lake: Lake) -> None:
    imported(page)
    page.write_text(TWO.replace("88/100", "77/100").replace("灯笼", "蜡烛"), encoding="utf-8")
    assert fates(page) == [Became.REPLACED]
    assert rows_of(lake, "staging.digests", "paper_id", "score") == [
        ("2601.00001", 92),
        ("2601.00002", 77),
    ]
    [(sections,)] = rows_of(lake, "staging.analyses where status = 'complete'", "sections")
    assert "蜡烛" in sections and "灯笼" not in sections


@pytest.mark.parametrize("origin", ["made", "sample"])
def test_a_digest_of_our_own_is_left_as_it_is(origin: str, page: Path, lake: Lake) -> None:
    write_digest(lake, ["2601.00009"], date=DATE, origin=origin)
    before = home_bytes()
    [arrival] = imported(page)
    assert arrival.counts == {Became.MADE: 1}
    assert "left out" in line(arrival)
    assert home_bytes() == before
    assert fates(page, profile="others") == [Became.WRITTEN]


def test_an_imported_digest_of_another_style_is_left(page: Path, tmp_path: Path) -> None:
    imported(page, profile="mine")
    other = written(tmp_path, hf_page(hf_block(), date=str(DATE)), "hf.md")
    assert fates(other, profile="mine") == [Became.OTHER]


def test_topics_under_one_profile_are_one_digest_per_date(lake: Lake, tmp_path: Path) -> None:
    page = table_page(table_row(1)) + "## Kites\n\n" + table_row(2) + "\n" + table_row(1) + "\n"
    [arrival] = imported(written(tmp_path, page), profile="lists")
    assert rows_of(lake, "staging.digests", "profile", "position", "paper_id") == [
        ("lists", 1, "2601.00001"),
        ("lists", 2, "2601.00002"),
    ]
    assert "1 repeated" in line(arrival)


def test_a_topic_without_letters_takes_the_name_of_the_file(tmp_path: Path) -> None:
    page = written(tmp_path, table_page(table_row(1), topic="灯笼"), "Night Lists.md")
    [arrival] = imported(page)
    assert [profile for profile, _, _ in arrival.digests] == ["night-lists"]


def test_an_analysis_that_was_paid_for_stays(page: Path, lake: Lake) -> None:
    imported(page)
    rows = lake.rows("analyses", "cv", date=DATE) or []
    paid = {**rows[1], "question": "paid for", "asked_at": dt.datetime.now(dt.UTC)}
    lake.write("analyses", [*rows, paid], "cv", date=DATE)
    page.write_text(TWO.replace("灯笼", "蜡烛"), encoding="utf-8")
    assert fates(page) == [Became.REPLACED]
    questions = {row["question"] for row in lake.rows("analyses", "cv", date=DATE) or []}
    assert "paid for" in questions and rows[1]["question"] not in questions


def test_an_imported_digest_counts_as_complete_and_its_papers_as_featured(
    lake: Lake, tmp_path: Path
) -> None:
    imported(written(tmp_path, cv_page(cv_article(1))))
    plan = plan_range(DATE, DATE, ["cv"])
    assert (plan.keys, plan.complete) == ((), frozenset({("cv", DATE)}))
    columns = ("paper_id", "date")
    assert rows_of(lake, "staging.digests where profile = 'cv'", *columns) == [("2601.00001", DATE)]


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        ("cv", TWO),
        ("hf", hf_page(hf_block(1), hf_block(2, CV_ANALYSIS), hf_block(3, read="ArXiv Abs"))),
        ("hf", hf_page(hf_block(1, title="<b>*x*</b> [y](z) _a_"))),
    ],
)
def test_a_page_imported_rendered_and_imported_again_is_the_same_rows(
    profile: str, text: str, lake: Lake, tmp_path: Path
) -> None:
    [first] = imported(written(tmp_path, text))
    date = first.digests[0][1].date
    edition = open_published(profile, date)
    digest = recall_digest(edition)
    assert render_html(digest, edition.style).startswith("<!")
    again = written(tmp_path, render_markdown(digest, edition.style), "again.md")
    before = said(lake.rows("analyses", profile, date=date) or [])
    assert before and fates(again) == [Became.THERE]
    elsewhere = Settings(home=tmp_path / "elsewhere")
    list(import_all([again], elsewhere))
    other = Lake(elsewhere.lake_root)
    assert said(other.rows("analyses", profile, date=date) or []) == before
    where: Any = {"profile": profile, "date": date}
    assert said(other.rows("digests", "digest", **where) or []) == said(
        lake.rows("digests", "digest", **where) or []
    )


def test_a_stored_list_gives_an_imported_paper_its_abstract(lake: Lake, page: Path) -> None:
    imported(page)
    write_list(lake, listed("2601.00001", abstract="Stored."), date=DATE)
    first, second = recall_digest(open_published("cv", DATE)).articles
    assert (first.pick.abstract, second.pick.abstract) == ("Stored.", "")
    assert first.pick.sources == second.pick.sources == ("huggingface",)


def test_a_folder_is_imported_whole_and_others_are_only_named(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    written(folder, TWO, "deep/a.md")
    written(folder, "# Notes", "notes.md")
    written(folder, TWO, ".hidden/a.md")
    (folder / "image.png").write_bytes(b"\x89PNG\0")
    done = command("import", str(folder))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and "deep/a.md: cv, cv 2026-01-29, 2 papers" in lines[0]
    assert lines[1].startswith("2 files no digest: ") and "notes.md" in lines[1]


def test_a_bad_file_stops_no_other_and_is_an_error(tmp_path: Path, page: Path) -> None:
    notes = written(tmp_path, "# Notes", "notes.md")
    bad = written(tmp_path, hf_page(hf_block(link="http://x.test")), "bad.md")
    done = command("import", str(notes), str(bad), str(page))
    assert done.returncode == 1
    assert "page.md: cv" in done.stdout and "(rate): written" in done.stdout
    first, second = done.stderr.splitlines()
    assert "notes.md: not imported: it is no digest" in first and "## 📄" in first
    assert "bad.md: not imported: hf: the link of" in second
    assert command("import", str(page)).stdout.endswith("already there\n")


@pytest.mark.parametrize("args", [["no-such-file.md"], [], ["--profile", "Not A Name", "."]])
def test_what_cannot_be_started_is_a_usage_error(args: list[str], tmp_path: Path) -> None:
    done = command("import", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_missing_path_stops_all_before_anything(page: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        imported(page, tmp_path / "missing.md")
    assert home_bytes() == {}


def test_an_import_adds_no_list_and_no_answer(page: Path, lake: Lake) -> None:
    imported(page)
    assert lake.files("answers") == lake.files("listings") == lake.files("scores") == []
