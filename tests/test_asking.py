"""`broadsheet sql`: what may be asked, with which parameters, and what is refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from builders import DAY, paper, write_digest, write_list
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet import asking
from broadsheet.asking import ask
from broadsheet.errors import BroadsheetError, UsageError, WarehouseError
from broadsheet.lake import Lake
from broadsheet.rows import to_rows
from broadsheet.warehouse import save_views


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one digest of one paper."""
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "home"))
    lake = Lake(str(tmp_path / "home" / "lake"))
    write_list(lake, paper("2601.00001", upvotes=5))
    write_digest(lake, ["2601.00001"])
    return tmp_path / "home"


def rows(text: str, *params: str) -> list[dict[str, object]]:
    return to_rows(ask(text, None, params))


class TestQuestions:
    def test_a_question_is_asked_by_its_name(self) -> None:
        assert [row["paper_id"] for row in rows("featured")] == ["2601.00001"]
        assert rows(" featured; ") == rows("featured")

    def test_a_parameter_that_is_left_out_is_what_the_header_says(self) -> None:
        assert rows("recurring_authors") == []
        [row] = rows("recurring_authors", "least=1")
        assert (row["author"], row["papers_featured"]) == ("A. Author", 1)

    @pytest.mark.parametrize(
        ("params", "message", "remedy"),
        [
            (["lest=1"], "recurring_authors has no parameter lest", "did you mean least?"),
            (["least"], "not a parameter: 'least'", "name=value"),
            (["=1"], "not a parameter: '=1'", "name=value"),
        ],
    )
    def test_a_parameter_it_does_not_take(
        self, params: list[str], message: str, remedy: str
    ) -> None:
        with pytest.raises(UsageError) as refused:
            rows("recurring_authors", *params)
        assert message in str(refused.value)
        assert remedy in refused.value.remedy

    def test_a_parameter_it_lacks(self) -> None:
        with pytest.raises(UsageError, match="story needs paper_id") as refused:
            rows("story")
        assert refused.value.remedy == "add --param paper_id=…"

    def test_a_value_that_does_not_fit_is_told(self) -> None:
        with pytest.raises(WarehouseError, match="Could not convert string 'many'"):
            rows("recurring_authors", "least=many")

    def test_a_misspelt_name_is_answered_with_the_nearest(self) -> None:
        with pytest.raises(UsageError, match="no question named feature") as refused:
            rows("feature")
        assert "did you mean featured?" in refused.value.remedy

    def test_every_question_has_a_line(self) -> None:
        lines = asking.list_questions()
        assert len(lines) >= 15
        assert "least=2" in next(line for line in lines if line.startswith("recurring_authors"))
        assert "paper_id=…" in next(line for line in lines if line.startswith("story"))
        assert all(line.endswith((".", "?")) for line in lines)

    def test_every_question_answers_from_this_lake(self) -> None:
        given_values = {"paper_id": "2601.00001", "q": "title"}
        for question in asking.named():
            values = {k: v for k, v in given_values.items() if k in question.params}
            found = ask(question.name[8:], None, [f"{k}={v}" for k, v in values.items()])
            assert found.column_names == list(question.columns), question.name


class TestSql:
    def test_parameters_are_bound_not_pasted(self) -> None:
        assert rows("select $a as a", "a='; drop table x") == [{"a": "'; drop table x"}]

    def test_a_file_is_asked(self, tmp_path: Path) -> None:
        file = tmp_path / "q.sql"
        file.write_text("select $a::integer + 1 as b")
        assert to_rows(ask(None, file, ["a=41"])) == [{"b": 42}]

    def test_columns_of_equal_names_are_numbered(self) -> None:
        assert rows("select 1 as a, 2 as a") == [{"a": 1, "a_2": 2}]

    def test_an_error_points_at_the_place(self) -> None:
        with pytest.raises(WarehouseError) as failed:
            rows("select titel from papers")
        lines = str(failed.value).splitlines()
        place = next(n for n, line in enumerate(lines) if line.startswith("LINE 1:"))
        at = lines[place].index("titel")
        assert lines[place + 1].index("^") == at
        assert "title" in str(failed.value)  # the nearest name

    def test_the_catalog_has_every_view(self) -> None:
        names = {row["name"] for row in rows("show tables")}
        assert {"papers", "upvote_history", "costs", "topics", "authors", "runs"} <= names
        assert rows("summarize digests")
        assert rows("describe topics")

    @pytest.mark.parametrize(
        "text",
        [
            "explain select 1",
            "explain analyze from digests",
            "explain (format json) from digests",
            "-- why\nexplain select 1",
            "pivot digests on outcome using count(*) group by profile",
            "with a as (select 1) from a",
            "values (1)",
            "with digests_copy as (from digests) from digests_copy where title <> 'copy'",
            "explain analyze from digests where title <> 'insert'",
        ],
    )
    def test_what_only_reads_is_run(self, text: str) -> None:
        assert ask(text, None, []).num_rows >= 1


WRITES = [
    "create table t (a int)",
    "insert into digests values (1)",
    "delete from digests",
    "copy digests to '{home}/out.csv'",
    "copy (select 1) to '{home}/lake/out.parquet'",
    "explain analyze copy (select 1) to '{home}/lake/out.parquet'",
    "explain (analyze) copy (select 1) to '{home}/lake/out.parquet'",
    "explain /* x */ analyze copy (select 1) to '{home}/lake/out.parquet'",
    "/* x */ explain analyze copy (select 1) to '{home}/lake/out.parquet'",
    "copy (pivot digests on outcome using count(*)) to '{home}/lake/out.parquet'",
    "explain copy (pivot digests on outcome using count(*)) to '{home}/lake/out.parquet'",
    "create table t as pivot digests on outcome using count(*)",
    "with a as (copy digests to '{home}/lake/out.parquet') from a",
    "with a as (copy digests to '{home}/lake/out.parquet') select 1",
    "with a as (copy digests to '{home}/lake/out.parquet') pivot digests on style using count(*)",
    "explain analyze with a as (copy digests to '{home}/lake/out.parquet') from a",
    "explain (analyze --) select 1 /*\n) copy (select 1) to '{home}/lake/out.parquet' --*/",
    "explain (format \"a) select 1 --\") copy (select 1) to '{home}/lake/out.parquet'",
    "/* /* */ explain select 1; copy (select 1) to '{home}/lake/out.parquet'; -- */ from digests",
    "with a as (insert into digests values (1)) select 1",
    "update extensions",
    "attach '{home}/other.db'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "pragma database_list",
    "call pragma_version()",
    "export database '{home}/out'",
    "drop view digests",
    "select 1; select 2",
    "",
    ";",
]
READS_ELSEWHERE = [
    "from read_text('{outside}')",
    "from read_csv('{outside}')",
    "from '{outside}'",
    "from read_blob('{home}/lake/../../outside.csv')",
    "from glob('{outside}')",
    "from sniff_csv('{outside}')",
    "select * from query('copy (select 1) to ''{home}/lake/x.csv''')",
    "from read_parquet('https://example.org/x.parquet')",
    "from secret",
]


class TestRefusals:
    @pytest.mark.parametrize("text", [*WRITES, *READS_ELSEWHERE])
    def test_what_writes_or_reads_elsewhere_is_refused(
        self, text: str, home: Path, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside.csv"
        outside.write_text("kept,out\n")
        secret = [{"kept": "out"}]
        before = sorted(home.rglob("*"))
        with pytest.raises(BroadsheetError):
            rows(text.format(home=home, outside=outside))
        assert sorted(home.rglob("*")) == before
        assert secret

    def test_what_is_run_of_an_explain_is_what_was_looked_at(self, home: Path) -> None:
        copied = home / "lake" / "out.parquet"
        rows(f"/* /* */ explain select 1 -- */ explain analyze copy (select 1) to '{copied}'")
        assert not copied.exists()

    def test_any_statement_is_run_where_that_is_asked_for(self, tmp_path: Path) -> None:
        copied = tmp_path / "digests.csv"
        ask(f"copy (select paper_id from digests) to '{copied}'", None, [], is_restricted=False)
        assert copied.read_text() == "paper_id\n2601.00001\n"

    def test_a_lake_whose_path_has_a_quote_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "it's"))
        write_digest(Lake(str(tmp_path / "it's" / "lake")), ["2601.00002"])
        assert rows("select paper_id from digests") == [{"paper_id": "2601.00002"}]

    @settings(deadline=None)
    @given(text=st.text(max_size=60))
    def test_whatever_is_typed_ends_in_rows_or_one_of_our_errors(self, text: str) -> None:
        try:
            ask(text, None, [])
        except BroadsheetError as error:
            assert str(error)


def test_a_home_that_was_moved_gets_its_saved_file_anew(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_views(Lake(str(home / "lake")), home)
    moved = home.rename(tmp_path / "moved")
    monkeypatch.setenv("BROADSHEET_HOME", str(moved))
    assert len(rows("from digests")) == 1
    with duckdb.connect(str(moved / "broadsheet.duckdb"), read_only=True) as con:
        assert con.sql("select count(*) from digests").fetchall() == [(1,)]


def test_only_the_views_that_are_named_are_made() -> None:
    settings = asking.load_settings()
    [question] = [q for q in asking.named() if q.name == "history.featured"]
    with asking.open_for(question, settings) as warehouse:
        made = warehouse.sql("select view_name from duckdb_views() where not internal").to_pydict()
    assert "digests" in made["view_name"]
    assert "listings" not in made["view_name"]


def test_the_day_of_the_digest_is_a_date() -> None:
    assert rows("select date from digests") == [{"date": DAY}]
