"""A profile against the whole history: the scores its digests would have, best first."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pyarrow as pa
import pytest
from builders import DAY, Row, an_interest, paper, scoring_of, write_list
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadsheet.config import Interest, Profile, load_settings
from broadsheet.errors import UsageError
from broadsheet.lake import Lake
from broadsheet.matching import Matching
from broadsheet.queries import query
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse

READER = Profile(name="cv", title="CV", style="cv", interests=(Interest(name="flow matching", phrases=("flow matching",)),))  # fmt: skip  # noqa: E501


def write_archive(lake: Lake, year: int, *papers: Row) -> None:
    rows = [{"rank": n, "date": dt.date(year, 3, 4), **p} for n, p in enumerate(papers, 1)]
    lake.write("archive", rows, "papers", year=year)


def best(top: int = 9, **options: object) -> list[tuple[object, ...]]:
    tried = Matching(settings=load_settings(), profile=READER, **options)  # type: ignore[arg-type]
    rows = to_rows(tried.best(top))
    return [(row["paper_id"], row["date"], row["reason"]) for row in rows]


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """Two years of the archive, and a list."""
    write_archive(lake, 2020, paper("2003.00001", title="Flow matching"), paper("2003.00002"))
    write_archive(lake, 2026, paper("2601.00001", title="Flow matching, flow matching"))
    write_list(lake, paper("2601.00001", title="Flow matching, flow matching", upvotes=3))
    return lake


def test_the_whole_history_is_scored_best_first_each_paper_once(filled: Lake) -> None:
    assert [row[0] for row in best()] == ["2601.00001", "2003.00001", "2003.00002"]
    assert [row[0] for row in best(top=1)] == ["2601.00001"]


def test_dates_and_sources_are_kept_to(filled: Lake) -> None:
    assert [row[0] for row in best(until=dt.date(2020, 12, 31))] == ["2003.00001", "2003.00002"]
    assert best(since=dt.date(2020, 3, 5), until=dt.date(2020, 12, 31)) == []
    assert [row[:2] for row in best(source="huggingface")] == [("2601.00001", DAY)]
    assert dt.date(2026, 3, 4) in {row[1] for row in best(source="arxiv")}


def test_a_question_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown source"):
        best(source="viXra")
    with pytest.raises(UsageError, match="is after"):
        best(since=DAY, until=DAY - dt.timedelta(days=1))


def test_small_years_come_together_and_large_ones_each_by_itself(
    filled: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = Matching(settings=load_settings(), profile=READER)
    together = [*tried.every()]
    assert [len(rows) for rows in together] == [1, 3]
    monkeypatch.setattr("broadsheet.matching._BYTES_AT_ONCE", 1)
    alone = [*tried.every()]
    assert [len(rows) for rows in alone] == [1, 2, 1]
    assert pa.concat_tables(alone).equals(pa.concat_tables(together))


WORDS = st.sampled_from(
    [
        "Flow",
        "MATCHING",
        "matchings",
        "é",
        "reflow",
        "-",
        "\n",
        " ",
        "  ",
        "流",
        "匹配",
        "İ",
        "x2",
        ".",
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map("".join)


@given(
    texts=st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=6),
    phrases=st.lists(TEXTS.filter(bool) | st.just("flow match*"), min_size=1, max_size=3),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_looking_only_where_a_phrase_can_be_changes_no_score(
    tmp_path: Path, texts: list[tuple[str, str | None]], phrases: list[str]
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    papers = [paper(f"p{n}", title=t, abstract=a) for n, (t, a) in enumerate(texts)]
    write_list(lake, *papers)
    given_ = scoring_of(interests=[an_interest("it", *phrases)])
    text = query("marts.scores").sql
    everywhere, count = re.subn(
        r"regexp_matches\(\s+lower\(concat_ws.*?\) as is_sought",
        "true as is_sought",
        text,
        flags=re.S,
    )
    assert count == 1
    with Warehouse(lake, asks=["marts.scores"]) as warehouse:
        for name in [name for name in given_ if f"${name}" not in everywhere]:
            raise AssertionError(name)
        assert warehouse.sql(text, **given_).equals(warehouse.sql(everywhere, **given_))
