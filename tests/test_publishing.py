"""A digest is published whole or not at all, and the same digest twice leaves the same bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from builders import DAY, NOON, SECTIONS, WAITING, a_fulltext, a_pick, an_analysis, an_answer

from broadsheet import history
from broadsheet.config import load_profile, load_settings
from broadsheet.editions import Edition
from broadsheet.errors import LakeError, SourceUnavailable
from broadsheet.ingest import Heard
from broadsheet.lake import Lake
from broadsheet.models import Analysis, Digest, Outcome
from broadsheet.publishing import Published, compose, failed, publish, recall
from broadsheet.rows import Row
from broadsheet.styles import load_style

LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
"""After any run of today: when the answers below were asked for."""


@pytest.fixture
def edition() -> Edition:
    """The shipped profile `hf` of one day, below the test's own home."""
    settings = load_settings()
    profile = load_profile(settings, "hf")
    style = load_style(settings, profile.style, profile.language)
    return Edition(settings=settings, profile=profile, style=style, date=DAY)


def analyzed(number: int, **changed: Any) -> Analysis:
    """The complete analysis of that pick, and what it cost."""
    cost = {"prompt_tokens": 1000, "completion_tokens": 200, "cost_usd": 0.25, "asked_at": LATER}
    values = {"paper_id": f"2601.0000{number}", "question": f"{number}" * 64, **cost}
    return an_analysis(**values | changed)


def waiting(number: int) -> Analysis:
    """The analysis of that pick while no model has answered."""
    return analyzed(
        number, **WAITING, prompt_tokens=0, completion_tokens=0, cost_usd=0.0, asked_at=None
    )


def composed(edition: Edition, *analyses: Analysis, listed: int = 3) -> Digest:
    """The digest of those analyses."""
    numbers = [int(analysis.paper_id[-1]) for analysis in analyses]
    picks = [a_pick(number, f"Lantern {number}") for number in numbers]
    scores = pa.table({"listed": pa.array([listed] * listed, pa.int32())})
    return compose(edition, Heard(listed=listed, missing=()), scores, picks, analyses)


def home(edition: Edition) -> dict[str, tuple[int, bytes]]:
    """Every file that was written, with its time and bytes."""
    files = sorted(path for path in edition.settings.home.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def analyses_of(edition: Edition) -> list[Row]:
    """The edition's rows of `analyses`."""
    return edition.lake.rows("analyses", "hf", date=DAY) or []


def digest_of(edition: Edition) -> list[Row]:
    """The edition's rows of `digests`."""
    return edition.lake.rows("digests", "digest", profile="hf", date=DAY) or []


def test_what_is_published_is_told(edition: Edition) -> None:
    edition.desk.bought.append(an_answer())
    published = publish(edition, composed(edition, analyzed(1), waiting(2)), "run-1")
    assert published == Published(
        profile="hf",
        date=DAY,
        outcome=Outcome.PARTIAL,
        report=edition.settings.reports / "hf" / "2026-01-06.md",
        listed=3,
        scanned=3,
        selected=2,
        pending=1,
        prompt_tokens=1000,
        completion_tokens=200,
        cost_usd=0.25,
    )
    assert published.report is not None
    assert "Lantern 1" in published.report.read_text(encoding="utf-8")
    assert "Lantern 1" in published.report.with_suffix(".html").read_text(encoding="utf-8")


def test_a_runs_spending_is_what_it_bought_used_or_not(edition: Edition) -> None:
    edition.desk.bought.extend([an_answer(), an_answer(text="no use")])
    published = publish(edition, composed(edition, analyzed(1)), "run-1")
    assert (published.prompt_tokens, published.cost_usd) == (2000, 0.5)
    again = publish(replace(edition), composed(edition, analyzed(1)), "run-2")
    assert (again.prompt_tokens, again.cost_usd) == (0, 0)


def test_a_complete_analysis_of_the_same_text_is_recalled(edition: Edition) -> None:
    made = analyzed(1, prompt_version=edition.style.version)
    publish(edition, composed(edition, made), "run-1")
    text = replace(a_fulltext(), paper_id=made.paper_id, sha256=made.source_sha256)
    assert recall(edition, text) == made
    assert recall(edition, replace(text, paper_id="2601.00009")) is None


def test_an_analysis_of_the_abstract_is_recalled_where_there_is_none_of_the_page(
    edition: Edition,
) -> None:
    of_abstract = analyzed(1, prompt_version=edition.style.version, source_sha256="a")
    publish(edition, composed(edition, of_abstract), "run-1")
    page = replace(a_fulltext(), paper_id=of_abstract.paper_id, sha256="b")
    assert recall(edition, page) == of_abstract
    of_page = replace(of_abstract, question="ef" * 32, source_sha256="b")
    publish(edition, composed(edition, of_page), "run-2")
    fresh = replace(edition)
    assert recall(fresh, page) == of_page
    assert recall(fresh, replace(page, sha256="a")) == of_abstract


def test_neither_pending_nor_extractive_ones_are_recalled(edition: Edition) -> None:
    pending = replace(waiting(1), prompt_version=edition.style.version)
    publish(edition, composed(edition, pending), "run-1")
    text = replace(a_fulltext(), paper_id=pending.paper_id, sha256=pending.source_sha256)
    assert recall(edition, text) is None


def test_an_unknown_cost_makes_the_sum_unknown(edition: Edition) -> None:
    edition.desk.bought.extend([an_answer(), an_answer(cost_usd=None)])
    digest = composed(edition, analyzed(1), analyzed(2))
    assert publish(edition, digest, "run-1").cost_usd is None


def test_the_lake_says_what_was_published(edition: Edition) -> None:
    publish(edition, composed(edition, analyzed(1), waiting(2)), "run-1")
    first, second = digest_of(edition)
    assert (first["paper_id"], first["position"], first["score"]) == ("2601.00001", 1, 89)
    assert (first["status"], second["status"]) == ("complete", "pending")
    assert {row["outcome"] for row in (first, second)} == {"partial"}
    assert {row["run_id"] for row in (first, second)} == {"run-1"}
    assert first["question"] == "1" * 64
    complete, pending = analyses_of(edition)
    assert json.loads(str(complete["sections"])) == json.loads(json.dumps(SECTIONS["hf"]))
    assert complete["profile"] == "hf"
    assert (pending["pending_reason"], pending["extract"]) == ("rate", list(WAITING["extract"]))


def test_the_same_digest_twice_writes_nothing_the_second_time(edition: Edition) -> None:
    digest = composed(edition, analyzed(1), waiting(2))
    first = publish(edition, digest, "run-1")
    before = home(edition)
    assert publish(edition, digest, "run-2") == first
    assert home(edition) == before


def test_a_changed_pick_keeps_the_analyses_that_were_complete(edition: Edition) -> None:
    publish(edition, composed(edition, analyzed(1), analyzed(2), waiting(4)), "run-1")
    before = {row["paper_id"]: row for row in analyses_of(edition)}
    publish(edition, composed(edition, analyzed(1), analyzed(3)), "run-2")
    after = {row["paper_id"]: row for row in analyses_of(edition)}
    assert set(after) == {"2601.00001", "2601.00002", "2601.00003"}
    assert after["2601.00001"] == before["2601.00001"]
    assert after["2601.00002"] == before["2601.00002"]
    assert [row["paper_id"] for row in digest_of(edition)] == ["2601.00001", "2601.00003"]
    settled = home(edition)
    publish(edition, composed(edition, analyzed(1), analyzed(3)), "run-3")
    assert home(edition) == settled


def test_a_row_that_did_not_change_keeps_its_run_and_instant(edition: Edition) -> None:
    publish(edition, composed(edition, analyzed(1)), "run-1")
    (before,) = digest_of(edition)
    publish(edition, composed(edition, analyzed(1), analyzed(2)), "run-2")
    first, second = digest_of(edition)
    assert first.pop("report_sha256") == second["report_sha256"] != before.pop("report_sha256")
    assert first == before
    assert second["run_id"] == "run-2"


def test_the_stored_hash_is_that_of_the_page(edition: Edition) -> None:
    published = publish(edition, composed(edition, analyzed(1)), "run-1")
    assert published.report is not None
    page = hashlib.sha256(published.report.read_bytes()).hexdigest()
    assert [row["report_sha256"] for row in digest_of(edition)] == [page]


def test_pending_is_replaced_by_complete(edition: Edition) -> None:
    publish(edition, composed(edition, waiting(1)), "run-1")
    published = publish(edition, composed(edition, analyzed(1)), "run-2")
    assert published.outcome is Outcome.COMPLETE
    (analysis,) = analyses_of(edition)
    assert (analysis["status"], analysis["pending_reason"]) == ("complete", None)
    (row,) = digest_of(edition)
    assert (row["status"], row["outcome"], row["run_id"]) == ("complete", "complete", "run-2")


def test_profiles_do_not_touch_each_other(edition: Edition) -> None:
    publish(edition, composed(edition, analyzed(1)), "run-1")
    before = home(edition)
    other = replace(edition, profile=edition.profile.model_copy(update={"name": "other"}))
    publish(other, composed(other, analyzed(2)), "run-2")
    after = home(edition)
    reports_and_lake = {name for name in before if "duckdb" not in name}
    assert {name: after[name] for name in reports_and_lake} == {
        name: before[name] for name in reports_and_lake
    }


def test_an_empty_day_leaves_one_row_without_a_paper(edition: Edition) -> None:
    published = publish(edition, composed(edition, listed=0), "run-1")
    assert published.outcome is Outcome.EMPTY
    (row,) = digest_of(edition)
    assert row["paper_id"] is None
    assert (row["outcome"], row["listed"], row["scanned"]) == ("empty", 0, 0)
    assert analyses_of(edition) == []
    before = home(edition)
    publish(edition, composed(edition, listed=0), "run-2")
    assert home(edition) == before


def test_a_day_that_fills_up_is_empty_no_more(edition: Edition) -> None:
    publish(edition, composed(edition, listed=0), "run-1")
    publish(edition, composed(edition, analyzed(1)), "run-2")
    assert [row["paper_id"] for row in digest_of(edition)] == ["2601.00001"]


def test_a_sample_says_so(edition: Edition) -> None:
    settings = edition.settings.model_copy(update={"is_sample": True})
    sample = replace(edition, settings=settings)
    publish(sample, composed(sample, analyzed(1)), "run-1")
    assert digest_of(sample)[0]["origin"] == "sample"


def test_a_reports_folder_that_cannot_be_written_is_a_lake_error(edition: Edition) -> None:
    edition.settings.home.mkdir(parents=True)
    edition.settings.reports.write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(LakeError, match=r"2026-01-06\.md") as raised:
        publish(edition, composed(edition, analyzed(1)), "run-1")
    assert raised.value.remedy
    assert digest_of(edition) == []


@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_a_full_disk_leaves_the_previous_report_untouched(
    edition: Edition, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    publish(edition, composed(edition, waiting(1)), "run-1")
    reports = edition.settings.reports
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, method, full)
        with pytest.raises(LakeError, match="No space left"):
            publish(edition, composed(edition, analyzed(1)), "run-2")
    assert {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()} == before
    publish(edition, composed(edition, analyzed(1)), "run-3")
    assert digest_of(edition)[0]["status"] == "complete"
    assert "12 of 13" in (reports / "hf" / "2026-01-06.md").read_text(encoding="utf-8")


def test_a_lake_that_cannot_be_written_leaves_the_previous_report_untouched(
    edition: Edition,
) -> None:
    publish(edition, composed(edition, waiting(1)), "run-1")
    report = edition.settings.reports / "hf" / "2026-01-06.md"
    before = report.read_bytes()
    folder = Path(edition.lake.directory("digests", profile="hf", date=DAY))
    folder.rename(folder.with_name("away"))
    folder.write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(LakeError):
        publish(edition, composed(edition, analyzed(1)), "run-2")
    assert report.read_bytes() == before
    assert [path.name for path in sorted(report.parent.iterdir())] == [
        "2026-01-06.html",
        "2026-01-06.md",
    ]


def test_a_report_that_someone_damaged_is_made_anew(edition: Edition) -> None:
    digest = composed(edition, analyzed(1))
    publish(edition, digest, "run-1")
    report = edition.settings.reports / "hf" / "2026-01-06.md"
    before = report.read_bytes()
    report.write_bytes(b"\xff\xfe")
    publish(edition, digest, "run-2")
    assert report.read_bytes() == before


def recorded(result: Published | BaseException) -> Row:
    """The row of a run that ended so."""
    history.record(
        run_id="run-1",
        flow="digest",
        name="brave-lantern",
        profile="hf",
        date=DAY,
        started_at=NOON,
        result=result,
    )
    (row,) = Lake(load_settings().lake_root).rows("runs", "run-1", date=NOON.date()) or []
    return row


def test_a_run_that_published_is_recorded_with_its_counts(edition: Edition) -> None:
    edition.desk.bought.append(an_answer())
    row = recorded(publish(edition, composed(edition, analyzed(1), waiting(2)), "run-1"))
    assert (row["run_id"], row["flow"], row["name"]) == ("run-1", "digest", "brave-lantern")
    assert (row["profile"], row["digest_date"], row["outcome"]) == ("hf", DAY, "partial")
    assert (row["listed"], row["scanned"], row["selected"], row["pending"]) == (3, 3, 2, 1)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (1000, 200)
    assert (row["cost_usd"], row["message"]) == (0.25, None)
    assert row["started_at"] == NOON
    assert isinstance(row["duration_seconds"], float)


def test_a_run_that_failed_is_recorded_with_its_message_and_no_counts() -> None:
    error = SourceUnavailable("cannot read huggingface 2026-01-06: 503", "run again later")
    row = recorded(error)
    assert (row["outcome"], row["message"]) == ("failed", str(error))
    assert row["digest_date"] == DAY
    assert {row[name] for name in ("listed", "scanned", "selected", "pending", "cost_usd")} == {
        None
    }


def test_a_failure_without_words_is_named_by_its_class() -> None:
    assert failed("hf", DAY, KeyboardInterrupt()).message == "KeyboardInterrupt"
    remedy = failed("hf", DAY, LakeError("cannot write", "make room")).remedy
    assert remedy == "make room"


def test_a_run_recorded_again_replaces_its_row(edition: Edition) -> None:
    recorded(SourceUnavailable("down"))
    row = recorded(publish(edition, composed(edition, analyzed(1)), "run-1"))
    assert row["outcome"] == "complete"
