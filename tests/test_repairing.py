"""A repair finishes what a published digest lacks, changes nothing else, and twice is once."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pytest
from builders import (
    DAY,
    HOUR,
    SECTIONS,
    WAITING,
    Row,
    a_fulltext,
    a_pick,
    an_analysis,
    paper,
    write_list,
    write_scores,
)
from conftest import Web
from made_up_pages import QUOTA, cv_article, cv_page, hf_block, hf_page
from test_cli import broadsheet as command
from test_flows import answer, completion, home_bytes, make

import broadsheet
from broadsheet.config import load_profile, load_settings
from broadsheet.editions import Edition
from broadsheet.errors import LakeError, SourceUnavailable, UsageError
from broadsheet.importing.arrivals import import_all
from broadsheet.ingest import Heard
from broadsheet.lake import Lake
from broadsheet.models import Analysis, Digest, Outcome, Pick, ReadingSource, Status
from broadsheet.publishing import Published, compose, publish
from broadsheet.repairing import (
    amend,
    find_editions,
    find_missed,
    open_published,
    open_repair,
    preferred,
    read_issue,
    recall_digest,
    republish,
)
from broadsheet.sample import SAMPLE_DATE, SampleWorld, serve
from broadsheet.styles import load_style

ABSTRACT = ReadingSource.ABSTRACT
NEXT_DAY = DAY + dt.timedelta(days=1)


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own with the profiles that are shipped."""
    shipped, folder = load_settings().profiles, tmp_path / "profiles"
    folder.mkdir()
    for file in shipped.glob("*.toml"):
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("BROADSHEET_PROFILES", str(folder))
    return folder


@pytest.fixture
def edition() -> Edition:
    """The shipped profile `hf` of one day, below the test's own home."""
    return an_edition("hf")


def an_edition(name: str, date: dt.date = DAY) -> Edition:
    settings = load_settings()
    profile = load_profile(settings, name)
    style = load_style(settings, profile.style, profile.language)
    return Edition(settings=settings, profile=profile, style=style, date=date)


def analyzed(number: int, **changed: Any) -> Analysis:
    """The complete analysis of that pick by a model."""
    values = {"paper_id": f"2601.0000{number}", "question": f"{number}" * 64}
    return an_analysis(**values | changed)


def waiting(number: int, **changed: Any) -> Analysis:
    """The analysis of that pick while no model has answered."""
    return analyzed(number, **WAITING | changed)


def quoted(number: int, **changed: Any) -> Analysis:
    """The paper's own sentences where no model was to be asked."""
    return waiting(number, **{"status": Status.COMPLETE, "pending_reason": None} | changed)


def picks_of(analyses: Sequence[Analysis]) -> list[Pick]:
    numbers = [int(analysis.paper_id[-1]) for analysis in analyses]
    return [replace(a_pick(n), position=at) for at, n in enumerate(numbers, 1)]


def write_stored(edition: Edition, picks: Sequence[Pick], *late: Row) -> None:
    """The list and the scores that the picks were made from, and papers that came later."""
    kept = ("paper_id", "version", "title", "abstract", "authors", "categories", "upvotes")
    rows = [paper(**{name: getattr(pick, name) for name in kept}) for pick in picks]
    for row in rows:
        row |= {"authors": list(row["authors"]), "categories": list(row["categories"])}
    write_list(edition.lake, *late, *rows, date=edition.date)
    scores = [
        {"paper_id": p.paper_id, "position": p.position, "upvotes": 7, "sources": list(p.sources)}
        for p in picks
    ]
    write_scores(edition.lake, *scores, profile=edition.profile.name, date=edition.date)


def published(
    edition: Edition, *analyses: Analysis, missing: tuple[str, ...] = (), run_id: str = "run-1"
) -> Digest:
    """A digest of those analyses as it is published after a list of nine papers, five scanned."""
    picks = picks_of(analyses)
    scores = pa.table({"listed": pa.array([9] * 5, pa.int32())})
    digest = compose(edition, Heard(listed=9, missing=missing), scores, picks, analyses)
    write_stored(edition, picks)
    publish(edition, digest, run_id)
    return digest


def repaired(edition: Edition, *made: Analysis) -> Digest:
    """The digest as a later run amends it, published."""
    later = replace(edition)  # with none of what the first one has read
    issue = read_issue(later)
    republish(later, issue, made, "run-2")
    return amend(later, issue, made)


def write_text(edition: Edition, number: int, reason: str) -> None:
    """The text that was read of that pick for the edition's date; `ok` is its page."""
    name = f"2601.0000{number}"
    source = "html" if reason == "ok" else "abstract"
    text = a_fulltext(paper_id=name, reading_source=source, reason=reason)
    edition.lake.write("fulltexts", [asdict(text)], name, date=edition.date)


def home(edition: Edition) -> dict[str, tuple[int, bytes]]:
    """Every file that was written, with its time and bytes."""
    files = sorted(path for path in edition.settings.home.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def page(edition: Edition) -> str:
    return (edition.settings.reports / "hf" / f"{edition.date}.md").read_text(encoding="utf-8")


def test_picks_are_those_published(edition: Edition) -> None:
    digest = published(edition, analyzed(2), waiting(1))
    issue = read_issue(edition)
    assert issue.picks == tuple(article.pick for article in digest.articles)
    assert [pick.paper_id for pick in issue.open_picks] == ["2601.00001"]


def test_papers_listed_later_are_not_its_business(edition: Edition) -> None:
    digest = published(edition, analyzed(1), waiting(2))
    write_stored(edition, picks_of([analyzed(1), analyzed(2)]), paper("2601.00009", upvotes=999))
    done = repaired(edition, analyzed(2))
    assert [a.pick for a in done.articles] == [a.pick for a in digest.articles]
    assert (done.listed, done.scanned) == (digest.listed, digest.scanned) == (9, 5)


def test_nothing_made_leaves_the_same_bytes(edition: Edition) -> None:
    digest = published(edition, analyzed(1), waiting(2), missing=("arxiv",))
    before = home(edition)
    assert repaired(edition) == digest
    assert home(edition) == before


def test_only_the_finished_article_changes_on_the_page(edition: Edition) -> None:
    published(edition, analyzed(1), waiting(2), analyzed(3))
    before = page(edition).split("## 📄")
    assert repaired(edition, analyzed(2)).outcome is Outcome.COMPLETE
    after = page(edition).split("## 📄")
    assert [one == other for one, other in zip(before, after, strict=True)][:3] == [
        True,
        True,
        False,
    ]
    assert before[3].startswith(after[3].rstrip())
    assert "待完成" in before[3] and "待完成" not in after[3]


def test_an_article_that_stays_keeps_its_prompt_of_then(edition: Edition) -> None:
    published(edition, analyzed(1, prompt_version="hf-of-old"), waiting(2))
    before = edition.lake.rows("analyses", "hf", date=DAY) or []
    repaired(edition, analyzed(2))
    assert "hf-of-old" in page(edition)
    assert (edition.lake.rows("analyses", "hf", date=DAY) or [])[0] == before[0]


def test_a_source_that_was_missing_stays_missing(edition: Edition) -> None:
    published(edition, waiting(1), missing=("arxiv",))
    done = repaired(edition, analyzed(1))
    assert (done.missing_sources, done.pending, done.outcome) == (("arxiv",), (), Outcome.PARTIAL)


def test_a_page_that_appeared_opens_the_article_and_the_old_analysis_stays(
    edition: Edition,
) -> None:
    published(edition, analyzed(1, reading_source=ABSTRACT), analyzed(2))
    write_text(edition, 1, "ok")
    assert [pick.paper_id for pick in read_issue(edition).open_picks] == ["2601.00001"]
    repaired(edition, analyzed(1, question="of the page"))
    rows = edition.lake.rows("analyses", "hf", date=DAY) or []
    assert {(row["question"], row["reading_source"]) for row in rows} == {
        ("1" * 64, "abstract"),
        ("of the page", "html"),
        ("2" * 64, "html"),
    }
    assert read_issue(replace(edition)).open_picks == []


def test_an_analysis_that_was_lost_is_made_again(edition: Edition) -> None:
    published(edition, analyzed(1), analyzed(2))
    edition.lake.write("analyses", [], "hf", date=DAY)
    assert [p.paper_id for p in read_issue(edition).open_picks] == ["2601.00001", "2601.00002"]


PAGE_BY_MODEL = analyzed(1, question="of the page")
ABSTRACT_BY_MODEL = analyzed(1, reading_source=ABSTRACT)
REFUSED = {"status": Status.REFUSED, "pending_reason": "content"}


@pytest.mark.parametrize(
    ("earlier", "made", "is_replaced"),
    [
        (None, waiting(1), True),
        (waiting(1), PAGE_BY_MODEL, True),
        (quoted(1), PAGE_BY_MODEL, True),
        (waiting(1, **REFUSED), PAGE_BY_MODEL, True),
        (ABSTRACT_BY_MODEL, PAGE_BY_MODEL, True),
        (ABSTRACT_BY_MODEL, waiting(1), False),
        (ABSTRACT_BY_MODEL, quoted(1), False),
        (ABSTRACT_BY_MODEL, waiting(1, **REFUSED), False),
        (waiting(1), waiting(1, pending_reason="daily"), True),
        (waiting(1), waiting(1, **REFUSED), True),
        (waiting(1), quoted(1), False),
        (quoted(1), quoted(1, question="of the page"), True),
        (quoted(1), waiting(1), False),
        (waiting(1, **REFUSED), waiting(1), False),
    ],
)
def test_what_a_repair_publishes_is_never_less_than_before(
    earlier: Analysis | None, made: Analysis, is_replaced: bool
) -> None:
    assert preferred(earlier, made) is (made if is_replaced else earlier)


def test_a_digest_whose_list_is_lost_is_not_repaired(edition: Edition) -> None:
    published(edition, waiting(1))
    for file in edition.lake.files("listings"):
        Path(file).unlink()
    with pytest.raises(LakeError, match=r"hf 2026-01-06.*2601\.00001") as raised:
        read_issue(edition)
    assert "broadsheet run" in raised.value.remedy


def test_a_digest_that_was_never_published_is_not_repaired(edition: Edition) -> None:
    with pytest.raises(LakeError, match="hf 2026-01-06"):
        read_issue(edition)


def test_a_digest_of_other_sections_is_not_mixed_with_new_ones(edition: Edition) -> None:
    published(edition, analyzed(1), waiting(2))
    fewer = replace(edition.style, sections=edition.style.sections[:-1])
    read_issue(replace(edition, style=fewer))
    last = edition.style.sections[-1]
    other = last.model_copy(update={"id": "caveats"})
    more = replace(edition.style, sections=(*edition.style.sections, other))
    with pytest.raises(UsageError, match=r"2601\.00001"):
        read_issue(replace(edition, style=more))


def test_a_digest_published_meanwhile_is_not_overwritten(edition: Edition) -> None:
    published(edition, waiting(1), waiting(2))
    issue = read_issue(edition)
    published(edition, analyzed(3), waiting(2), run_id="run-of-the-day")
    before = home(edition)
    with pytest.raises(LakeError, match="meanwhile"):
        republish(edition, issue, [analyzed(1)], "run-2")
    assert home(edition) == before


def test_digests_to_repair_come_oldest_first_each_once(profiles: Path) -> None:
    published(an_edition("hf", NEXT_DAY), waiting(1))
    published(an_edition("hf"), waiting(1), waiting(2))
    published(an_edition("agents"), analyzed(1, language="en"))
    assert find_editions(open_repair()) == [("hf", DAY), ("hf", NEXT_DAY)]
    assert find_editions(open_repair(since=NEXT_DAY)) == [("hf", NEXT_DAY)]
    assert find_editions(open_repair(["agents", "cv"])) == []
    assert find_editions(open_repair(["cv", "hf"], NEXT_DAY)) == [("hf", NEXT_DAY)]


def test_an_unknown_profile_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'cvv'"):
        open_repair(["hf", "cvv"])


def test_a_digest_without_its_profile_is_skipped_and_said(
    profiles: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published(an_edition("hf"), waiting(1))
    (profiles / "hf.toml").unlink()
    assert find_editions(open_repair()) == []
    [said] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "hf 2026-01-06" in said and "no longer exists" in said


def test_a_digest_of_another_style_or_language_is_skipped_and_said(
    profiles: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published(an_edition("hf"), waiting(1))
    text = (profiles / "hf.toml").read_text(encoding="utf-8")
    (profiles / "hf.toml").write_text(text.replace('"zh"', '"en"'), encoding="utf-8")
    assert find_editions(open_repair()) == []
    assert "style hf in zh" in caplog.text


def test_a_malformed_profile_is_left_for_its_own_run_to_tell(profiles: Path) -> None:
    published(an_edition("hf"), waiting(1))
    (profiles / "hf.toml").write_text("title = ", encoding="utf-8")
    assert find_editions(open_repair()) == [("hf", DAY)]


def test_a_missed_page_is_looked_for_once_per_date(lake: Lake) -> None:
    for name, language in (("hf", "zh"), ("agents", "en")):
        edition = an_edition(name)
        published(edition, analyzed(1, language=language, reading_source=ABSTRACT))
    write_text(edition, 1, "not_found")
    [missed] = find_missed(open_repair())
    assert (missed.date, missed.pick.paper_id, missed.pick.version) == (DAY, "2601.00001", 1)
    assert find_editions(open_repair()) == []


def test_a_profile_that_reads_abstracts_misses_no_page() -> None:
    published(
        an_edition("cv"), analyzed(1, style="cv", sections=SECTIONS["cv"], reading_source=ABSTRACT)
    )
    published(an_edition("hf"), analyzed(1))
    for reason in ("not_found", "ok"):
        write_text(an_edition("hf"), 1, reason)
        assert find_missed(open_repair()) == []
        assert find_editions(open_repair()) == []


def test_a_page_is_not_looked_for_after_thirty_days(edition: Edition) -> None:
    published(edition, analyzed(1, reading_source=ABSTRACT))
    write_text(edition, 1, "not_found")
    opened = open_repair()
    late = opened.opened_at + dt.timedelta(days=30) + HOUR
    assert len(find_missed(opened)) == 1
    assert find_missed(replace(opened, opened_at=late)) == []


ARXIV_OF_SAMPLE = Path(broadsheet.__file__).parent / "sample" / "arxiv.xml"
IMPORTED_ON = dt.date(2026, 1, 29)


def imported(tmp_path: Path, text: str, profile: str | None = None) -> None:
    """A page that others made, in the history."""
    file = tmp_path / "page.md"
    file.write_text(text, encoding="utf-8")
    [arrival] = import_all([file], load_settings(), profile)
    assert arrival.error is None


def atom(*numbers: int) -> str:
    """What arXiv answers of these papers."""
    entries = (
        f"<entry><id>http://arxiv.org/abs/2601.{n:05}v3</id><title>Of arXiv {n}</title>"
        f"<updated>2026-01-28T00:00:00Z</updated><published>2026-01-27T00:00:00Z</published>"
        f"<summary>We count photons, {n} of them.</summary><author><name>Ada Wind</name></author>"
        f'<arxiv:primary_category term="cs.CV"/><category term="cs.CV"/></entry>'
        for n in numbers
    )
    return (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom" '
        'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/"><title>q</title><id>q</id>'
        f"<opensearch:totalResults>{len(numbers)}</opensearch:totalResults>"
        "<opensearch:startIndex>0</opensearch:startIndex>"
        f"<opensearch:itemsPerPage>{len(numbers)}</opensearch:itemsPerPage>"
        f"{''.join(entries)}</feed>"
    )


@pytest.fixture
def arxiv(web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """An arXiv that knows the first paper."""
    monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", f"{web.url}/api/query")
    web.respond = lambda path, query: (200, atom(1))
    return web


def cv_analysis(paper_id: str = "2601.00001") -> Analysis:
    return an_analysis("cv", paper_id=paper_id, sections=SECTIONS["cv"], reading_source=ABSTRACT)


FAILED_FIRST = cv_page(cv_article(1, QUOTA), cv_article(2))


def test_of_an_imported_digest_what_failed_is_finished(tmp_path: Path, arxiv: Web) -> None:
    imported(tmp_path, FAILED_FIRST)
    assert find_missed(open_repair()) == []
    assert find_editions(open_repair()) == [("cv", IMPORTED_ON)]
    edition = open_published("cv", IMPORTED_ON)
    stored = edition.lake.rows("analyses", "cv", date=IMPORTED_ON) or []
    issue = read_issue(edition)
    [pick] = issue.open_picks
    assert (pick.title, pick.score) == ("Counting Photons by Lantern 1", 92)
    assert (pick.abstract, pick.version) == ("We count photons, 1 of them.", 3)
    assert (pick.sources, pick.categories) == (("huggingface",), ("cs.CV",))
    assert [query["id_list"] for _, query in arxiv.requests] == ["2601.00001"]
    done = republish(edition, issue, [cv_analysis()], "run-2")
    assert (done.outcome, done.pending) == (Outcome.COMPLETE, 0)
    text = (edition.settings.reports / "cv" / f"{IMPORTED_ON}.md").read_text(encoding="utf-8")
    assert "maker/model-1" in text and "待完成" not in text
    rows = edition.lake.rows("analyses", "cv", date=IMPORTED_ON) or []
    assert stored[1] in rows and stored[0] not in rows
    assert find_editions(open_repair()) == []


def test_the_file_imported_again_does_not_undo_a_repair(tmp_path: Path, arxiv: Web) -> None:
    imported(tmp_path, FAILED_FIRST)
    edition = open_published("cv", IMPORTED_ON)
    republish(edition, read_issue(edition), [cv_analysis()], "run-2")
    before = published_bytes()
    imported(tmp_path, FAILED_FIRST)
    assert published_bytes() == before


def test_an_imported_paper_that_arxiv_does_not_know_stays_pending(
    tmp_path: Path, arxiv: Web, caplog: pytest.LogCaptureFixture
) -> None:
    imported(tmp_path, cv_page(cv_article(1, QUOTA), cv_article(2, QUOTA)))
    issue = read_issue(open_published("cv", IMPORTED_ON))
    assert [pick.paper_id for pick in issue.open_picks] == ["2601.00001"]
    assert "2601.00002" in caplog.text and "does not know" in caplog.text
    assert len(arxiv.requests) == 1


def test_an_imported_digest_waits_while_arxiv_is_down(
    tmp_path: Path, arxiv: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_HTTP_ATTEMPTS", "1")
    imported(tmp_path, FAILED_FIRST)
    arxiv.respond = lambda path, query: (500, "down")
    edition = open_published("cv", IMPORTED_ON)
    before = home(edition)
    with pytest.raises(SourceUnavailable):
        read_issue(edition)
    assert home(edition) == before


def test_an_imported_digest_needs_no_profile_file(tmp_path: Path, arxiv: Web) -> None:
    imported(tmp_path, FAILED_FIRST, profile="elsewhere")
    assert find_editions(open_repair()) == [("elsewhere", IMPORTED_ON)]
    edition = open_published("elsewhere", IMPORTED_ON)
    assert (edition.profile.name, edition.style.name, edition.style.language) == (
        "elsewhere",
        "cv",
        "zh",
    )
    republish(edition, read_issue(edition), [cv_analysis()], "run-2")
    page = edition.settings.reports / "elsewhere" / f"{IMPORTED_ON}.md"
    assert page.read_text(encoding="utf-8").startswith("# 🚀 elsewhere | 2026-01-29")


def test_an_imported_digest_keeps_its_style_whatever_its_profile_has(
    tmp_path: Path, profiles: Path, arxiv: Web
) -> None:
    imported(tmp_path, FAILED_FIRST, profile="agents")
    assert find_editions(open_repair()) == [("agents", IMPORTED_ON)]
    edition = open_published("agents", IMPORTED_ON)
    assert (edition.style.name, edition.profile.language) == ("cv", "zh")
    assert edition.profile.title == "Agents & Reasoning"


def test_a_digest_of_our_own_is_opened_as_its_profile_says(edition: Edition) -> None:
    published(edition, waiting(1))
    assert open_published("hf", DAY).profile == edition.profile
    with pytest.raises(UsageError, match="'cvv'"):
        open_published("cvv", DAY)


def test_a_digest_is_recalled_as_it_was_published(edition: Edition) -> None:
    digest = published(edition, analyzed(1), waiting(2))
    assert recall_digest(replace(edition)) == digest


def test_a_digest_whose_analysis_is_lost_is_not_recalled(edition: Edition) -> None:
    published(edition, analyzed(1))
    edition.lake.write("analyses", [], "hf", date=DAY)
    with pytest.raises(LakeError, match=r"2601\.00001"):
        recall_digest(replace(edition))


@pytest.fixture
def world(server: None, web: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[SampleWorld]:
    """The sample day, with a model that fills every section and no page at arXiv yet."""
    web.respond = lambda path, query: (200, completion(answer()))
    with serve() as sample:
        for name, value in {
            "BROADSHEET_HUGGINGFACE_URL": sample.huggingface_url,
            "BROADSHEET_ARXIV_API_URL": sample.arxiv_api_url,
            "BROADSHEET_ARXIV_URL": "http://127.0.0.1:9",
            "BROADSHEET_HTTP_ATTEMPTS": "1",
            "BROADSHEET_MODELS": "openai/any",
            "OPENAI_API_BASE": f"{web.url}/v1",
        }.items():
            monkeypatch.setenv(name, value)
        yield sample


def fails(path: str, query: dict[str, str]) -> tuple[int, str]:
    """A provider that refuses every request, and is not to be left alone for it."""
    return 400, '{"error": {"message": "no such parameter"}}'


def repair(*profiles: str, since: dt.date | None = None) -> Any:
    from flows.repair import repair as flow

    return flow(list(profiles), since, return_state=True)


def outcomes(state: Any) -> list[tuple[str, Outcome, int]]:
    """Profile, outcome and pending papers of every digest that was repaired."""
    results: list[Published] = state.result(raise_on_failure=False)
    return [(one.profile, one.outcome, one.pending) for one in results]


def ask(query: str) -> list[tuple[Any, ...]]:
    return broadsheet.connect().sql(query).fetchall()


@pytest.mark.flow
def test_only_the_pending_paper_is_asked_about_when_the_model_works_again(
    world: SampleWorld, web: Web
) -> None:
    works, once = web.respond, Lock()
    web.respond = lambda path, query: (fails if once.acquire(False) else works)(path, query)
    assert make().name == "Partial"
    [(title,)] = ask("select title from digests where status = 'pending'")
    web.respond, before = works, len(web.requests)
    state = repair()
    assert outcomes(state) == [("hf", Outcome.COMPLETE, 0)]
    assert state.is_completed()
    [body] = web.bodies[before:]
    assert str(title).split()[0] in json.loads(body)["messages"][-1]["content"]
    assert ask("select pending, outcome from editions") == [(0, "complete")]


@pytest.mark.flow
def test_a_repair_twice_writes_and_asks_nothing_the_second_time(
    world: SampleWorld, web: Web
) -> None:
    works, web.respond = web.respond, fails
    make()
    web.respond = works
    assert outcomes(repair()) == [("hf", Outcome.COMPLETE, 0)]
    runs = ask("select count(*) from runs where profile is not null")
    before, asked = home_bytes(), len(web.requests)
    assert outcomes(repair()) == []
    assert (home_bytes(), len(web.requests)) == (before, asked)
    assert ask("select count(*) from runs where profile is not null") == runs


@pytest.mark.flow
def test_a_model_that_still_fails_leaves_the_digest_partial_and_the_same(
    world: SampleWorld, web: Web
) -> None:
    web.respond = fails
    make()
    repair()
    before = published_bytes()
    state = repair()
    assert (state.name, outcomes(state)) == ("Partial", [("hf", Outcome.PARTIAL, 8)])
    assert published_bytes() == before


@pytest.mark.flow
def test_a_page_that_appears_is_read_and_the_abstracts_analysis_kept(
    world: SampleWorld, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    assert ask("select distinct reading_source from analyses") == [("abstract",)]
    monkeypatch.setenv("BROADSHEET_ARXIV_URL", world.arxiv_url)
    assert outcomes(repair()) == [("hf", Outcome.COMPLETE, 0)]
    assert len(web.requests) == 8 + 3  # so many of the sample have a page
    readings = "select reading_source, count(*) from analyses group by all order by all"
    assert ask(readings) == [("abstract", 8), ("html", 3)]
    report = load_settings().reports / "hf" / f"{SAMPLE_DATE}.md"
    assert report.read_text(encoding="utf-8").count(": HTML") == 3
    before = home_bytes()
    assert outcomes(repair()) == []
    assert (home_bytes(), len(web.requests)) == (before, 11)


@pytest.mark.flow
def test_an_analysis_of_the_abstract_stays_until_a_model_reads_the_page(
    world: SampleWorld, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    make()
    pages, works = reports(), web.respond
    web.respond = fails
    monkeypatch.setenv("BROADSHEET_ARXIV_URL", world.arxiv_url)
    assert outcomes(repair()) == [("hf", Outcome.COMPLETE, 0)]
    assert reports() == pages
    web.respond = works
    repair()
    assert reports() != pages
    assert outcomes(repair()) == []


def reports() -> dict[str, bytes]:
    """The pages of all digests."""
    return {name: raw for name, raw in published_bytes().items() if name.startswith("reports")}


def published_bytes() -> dict[str, bytes]:
    """What lake and reports hold; not what was asked of whom, which a failed try changes too."""
    return {n: raw for n, raw in home_bytes().items() if n.startswith(("lake/", "reports/"))}


@pytest.mark.flow
def test_papers_that_came_to_the_lake_later_are_not_added(world: SampleWorld, web: Web) -> None:
    works, web.respond = web.respond, fails
    make()
    lake = Lake(load_settings().lake_root)
    where: Any = {"source": "huggingface", "date": SAMPLE_DATE}
    [file] = lake.files("listings", **where)
    rows = lake.rows("listings", Path(file).stem, **where) or []
    now = dt.datetime.now(dt.UTC)
    late = {**rows[0], "paper_id": "2601.99999", "rank": 9, "upvotes": 999}
    lake.write("listings", [{**row, "fetched_at": now} for row in [*rows, late]], "late", **where)
    web.respond = works
    assert outcomes(repair()) == [("hf", Outcome.COMPLETE, 0)]
    assert ask("select listed, scanned, papers from editions") == [(8, 8, 8)]
    assert ask("select count(*) from digests where paper_id = '2601.99999'") == [(0,)]


@pytest.mark.flow
def test_one_failing_digest_stops_no_other(world: SampleWorld, web: Web, profiles: Path) -> None:
    text = (profiles / "hf.toml").read_text(encoding="utf-8")
    (profiles / "broken.toml").write_text(text, encoding="utf-8")
    works, web.respond = web.respond, fails
    make("broken")
    make("hf")
    web.respond = works
    (profiles / "broken.toml").write_text("title = ", encoding="utf-8")
    state = repair()
    assert state.is_failed()
    assert outcomes(state) == [("broken", Outcome.FAILED, 0), ("hf", Outcome.COMPLETE, 0)]


@pytest.mark.flow
def test_each_digest_has_a_run_of_its_own_with_name_tags_and_row(
    world: SampleWorld, web: Web
) -> None:
    from prefect import get_client

    works, web.respond = web.respond, fails
    make()
    web.respond = works
    repair("hf", since=SAMPLE_DATE)
    row = "select run_id, name, outcome, prompt_tokens from runs where flow = 'repair-digest'"
    [(run_id, name, outcome, tokens)] = ask(row)
    assert (name, outcome, tokens) == (f"repair hf {SAMPLE_DATE}", "complete", 800)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
    assert run.name == name
    assert {"profile:hf", f"date:{SAMPLE_DATE}"} <= set(run.tags)


@pytest.mark.flow
def test_a_flow_for_an_unknown_profile_fails_before_anything(world: SampleWorld) -> None:
    state = repair("cvv")
    assert isinstance(state.result(raise_on_failure=False), UsageError)


def test_the_command_refuses_an_unknown_profile_and_a_text_that_is_no_date() -> None:
    for wrong in (("--profile", "cvv"), ("--since", "2026-02-30")):
        done = command("repair", *wrong)
        assert done.returncode == 2
        assert wrong[1] in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.flow
def test_a_repair_finishes_an_imported_digest_through_arxiv(
    world: SampleWorld, tmp_path: Path
) -> None:
    [known, *_] = re.findall(r"abs/([0-9.]+)v", ARXIV_OF_SAMPLE.read_text(encoding="utf-8"))
    link = f"https://huggingface.co/papers/{known}"
    imported(tmp_path, hf_page(hf_block(1, QUOTA, link=link), hf_block(2), date="2026-01-29"))
    assert outcomes(repair()) == [("hf", Outcome.COMPLETE, 0)]
    assert ask("select outcome, origin, papers from editions") == [("complete", "imported", 2)]
    page = load_settings().reports / "hf" / "2026-01-29.md"
    assert "openai/any" in page.read_text(encoding="utf-8")
    before = published_bytes()
    assert outcomes(repair()) == []
    assert published_bytes() == before


PATIENT = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120"}


@pytest.mark.flow
def test_the_command_says_what_it_repaired(tmp_path: Path, lake: Lake) -> None:
    env = {"PREFECT_HOME": str(tmp_path / "prefect"), **PATIENT}
    done = command("repair", **env)
    assert (done.returncode, done.stdout) == (0, "nothing to repair\n")
    published(an_edition("hf"), analyzed(1, reading_source=ABSTRACT), missing=("arxiv",))
    write_text(an_edition("hf"), 1, "ok")
    done = command("repair", "--profile", "hf", **env)
    report = load_settings().reports / "hf" / f"{DAY}.md"
    assert done.stdout == f"hf {DAY}: partial, 1 papers: {report}\n", done.stderr
    assert done.returncode == 3
