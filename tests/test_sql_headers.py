"""Every file of `sql/` keeps the house rules, and what its header says is true."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import pytest
from builders import DAY, Row, an_interest, rows_of, run, scoring_of

from broadsheet import search_files, snapshots
from broadsheet.lake import Lake
from broadsheet.queries import Query, queries, query
from broadsheet.resources import project
from broadsheet.schemas import PARTITIONS, SCHEMAS
from broadsheet.warehouse import Warehouse

NAMES = sorted(
    file.relative_to(project("sql")).with_suffix("").as_posix().replace("/", ".")
    for file in project("sql").glob("*/*.sql")
)
INCOMING = {
    "incoming.lines": snapshots.SCHEMA,
    **{
        f"incoming.{name}": pa.schema([(column, kind) for column, kind in columns.items()])
        for name, columns in {
            "changed": {"paper_id": pa.string()},
            "gone": {"paper_id": pa.string()},
            "fresh": {"doc": pa.int32(), "paper_id": pa.string()},
            "drafts": {
                "doc": pa.int32(),
                "paper_id": pa.string(),
                "title": pa.string(),
                "body": pa.string(),
                "first_listed_on": pa.date32(),
                "content": pa.int64(),
            },
            "positions": {
                "term": pa.string(),
                "doc": pa.int32(),
                "position": pa.int32(),
                "weight": pa.uint8(),
                "length": pa.int32(),
            },
            "postings": {"term": pa.string(), "doc": pa.int32()},
        }.items()
    },
    "incoming.papers": SCHEMAS["archive"].append(pa.field("line", pa.int64())),
}
CHECKS = [q.name for q in queries("checks")]


class Header:
    """What the comment at the top of a file says."""

    def __init__(self, sql: str) -> None:
        lines = sql.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.startswith("--"))
        self.lines = lines[:end]
        self.rest = "\n".join(lines[end:])

    def value(self, key: str) -> list[str]:
        """The names after `-- key:`."""
        text = re.sub(r",\n-- {3,}", ", ", "\n".join(self.lines))
        found = re.search(rf"^-- {key}: +(.+)$", text, re.M)
        return found[1].split(", ") if found else []

    @property
    def columns(self) -> list[str]:
        """The documented columns, in order."""
        table = self.lines[self.lines.index("--") + 1 :]
        return [m[1] for line in table if (m := re.match(r"-- ([a-z]\w*)  +\S", line))]


@pytest.fixture(params=NAMES)
def file(request: pytest.FixtureRequest) -> Query:
    """A file of `sql/`."""
    return query(request.param)


def _statement(file: Query) -> duckdb.Statement:
    with duckdb.connect() as con:
        [statement] = con.extract_statements(file.sql)
        return statement


def _given(names: Sequence[str]) -> Row:
    """A value that fits each parameter."""
    sought = {"interests": [an_interest("x")], "negative": [an_interest("y")]}
    words: Row = {
        "gone": ["x"],
        "kind": "keyword",
        "profile": "cv",
        "q": "kites",
        "paper_id": "2601.00001",
        "first": "2601",
    }
    known = {**scoring_of(**sought), "at_most": None, "beyond": None, **words}
    dates = ("date", "since", "until", "as_of", "start", "end", "from", "to", "on")
    return {n: known.get(n, DAY if n.endswith(dates) else 7) for n in names}


def _result(file: Query, lake: Lake) -> pa.Table:
    with Warehouse(lake) as warehouse:
        for name in (name for name in file.reads if name.startswith("incoming.")):
            warehouse.con.execute("create schema if not exists incoming")
            warehouse.put(name, INCOMING[name].empty_table())
        if "marts.scores" in file.reads:
            scores = query("marts.scores")
            warehouse.put("marts.scores", warehouse.run(scores.name, **_given(scores.params)))
        return warehouse.run(file.name, **_given(file.params))


def test_the_header_starts_with_a_sentence(file: Query) -> None:
    assert re.match(r"-- [A-Z].{20,}", file.sql.splitlines()[0])
    prose = " ".join(line[3:] for line in Header(file.sql).lines).split(" grain:")[0]
    assert prose.strip().endswith((".", "?"))


def test_a_file_is_one_select(file: Query) -> None:
    assert _statement(file).type == duckdb.StatementType.SELECT


def test_reads_are_the_tables_it_reads(file: Query) -> None:
    # a parser of names alone: it knows no parameters, and says an alias too
    plain = re.sub(r"\$(\w+)", r"given_\1", file.sql)
    with duckdb.connect() as con:
        con.execute(search_files.scalar_macros())
        names = con.get_table_names(plain, qualified=True)
    assert set(file.reads) == {name.partition(" AS ")[0].replace('"', "") for name in names}
    assert list(file.reads) == Header(file.sql).value("reads")


def test_what_may_be_left_out_is_a_parameter_with_words_for_it(file: Query) -> None:
    assert all(name in file.params and default for name, default in file.defaults.items())


def test_params_are_the_parameters_it_takes(file: Query) -> None:
    assert set(file.params) == _statement(file).named_parameters


def test_the_grain_is_its_first_columns(file: Query, lake: Lake) -> None:
    grain = Header(file.sql).value("grain")
    assert grain
    assert sorted(_result(file, lake).column_names[: len(grain)]) == sorted(grain)


def test_documented_columns_are_the_columns_in_order(file: Query, lake: Lake) -> None:
    assert Header(file.sql).columns == _result(file, lake).column_names


def test_lines_fit_and_the_last_select_names_its_columns(file: Query) -> None:
    assert max(len(line) for line in file.sql.splitlines()) <= 88
    last = file.sql.rpartition("\nselect\n")[2]
    assert last
    assert not re.match(r"\s*\*", last)


def test_a_check_says_how_severe_it_is() -> None:
    assert CHECKS
    for name in CHECKS:
        assert Header(query(name).sql).value("severity") in (["fail"], ["warn"]), name


@pytest.mark.parametrize("table", sorted(SCHEMAS))
def test_a_staging_view_of_every_table_keeps_its_grain(lake: Lake, table: str) -> None:
    """Where rows come twice, the view has one of them, or a check tells."""
    keys: Row = {"source": "arxiv", "profile": "cv", "prefix": "ab", "date": DAY, "year": 2026}
    given = {f.name: "x" if f.type == pa.string() else None for f in SCHEMAS[table]}
    place = {key: keys[key] for key in PARTITIONS[table]}
    for name in ("a", "b"):
        lake.write(table, [{**given, **place}], name, **place)
    view = query(f"staging.{table}")
    grain = Header(view.sql).value("grain")
    repeated = len(run(lake, view.name)) > 1
    told = {row["relation"].partition(".")[2] for row in run(lake, "checks.duplicate_keys")}
    assert len(set(rows_of(lake, view.name, *grain))) == 1
    assert repeated <= (table in told)
