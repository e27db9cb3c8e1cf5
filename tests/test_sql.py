"""Every file of `sql/`: its header is true, and given these rows it answers those."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from broadsheet.doctor import check
from broadsheet.lake import Lake
from broadsheet.resources import project
from broadsheet.rows import to_rows
from broadsheet.schemas import PARTITIONS, SCHEMAS
from broadsheet.warehouse import Query, Warehouse, queries, query

DAY = dt.date(2026, 1, 6)
NOON = dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
HF = {"source": "huggingface", "scope": "", "place": 0}
ARXIV = {"source": "arxiv", "scope": "cs.CV", "place": 1}
POINTS = {"interest": 70, "popularity": 20, "freshness": 10, "fresh_days": 30, "negative": 40}
NAMES = sorted(
    file.relative_to(project("sql")).with_suffix("").as_posix().replace("/", ".")
    for file in project("sql").glob("*/*.sql")
)
CHECKS = [q.name for q in queries("checks")]

Row = dict[str, Any]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    return Lake(str(tmp_path / "home" / "lake"))


def run(lake: Lake, name: str, **params: object) -> list[Row]:
    """The named query's rows."""
    with Warehouse(lake) as warehouse:
        return to_rows(warehouse.run(name, **params))


def rows_of(lake: Lake, view: str, *columns: str) -> list[tuple[Any, ...]]:
    """These columns of the view, ordered by them."""
    with Warehouse(lake) as warehouse:
        rows = warehouse.sql(f"select {', '.join(columns)} from {view} order by all")
    return [tuple(row.values()) for row in to_rows(rows)]


# --- headers -----------------------------------------------------------------------------------


class Header:
    """What the comment at the top of a file says."""

    def __init__(self, sql: str) -> None:
        lines = sql.splitlines()
        end = next(i for i, line in enumerate(lines) if not line.startswith("--"))
        self.lines = lines[:end]
        self.rest = "\n".join(lines[end:])

    def value(self, key: str) -> list[str]:
        """The names after `-- key:`."""
        found = [m[1] for line in self.lines if (m := re.match(rf"-- {key}: +(.+)$", line))]
        return found[0].split(", ") if found else []

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
    known: Row = {
        "asked": [HF],
        "interests": [interest("x")],
        "negative": [interest("y")],
        "points": POINTS,
        "scan": None,
        "at_most": None,
        "profile": "cv",
    }
    dates = ("date", "since", "until", "as_of", "start", "end", "from", "to", "on")
    return {n: known.get(n, DAY if n.endswith(dates) else None if n in known else 7) for n in names}


def _result(file: Query, lake: Lake) -> pa.Table:
    with Warehouse(lake) as warehouse:
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
        names = con.get_table_names(plain, qualified=True)
    assert set(file.reads) == {name.partition(" AS ")[0] for name in names}
    assert list(file.reads) == Header(file.sql).value("reads")


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
    keys: Row = {"source": "arxiv", "profile": "cv", "prefix": "ab", "date": DAY}
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


# --- staging -----------------------------------------------------------------------------------


def paper(paper_id: str, rank: int, **more: object) -> Row:
    """A listing, as ingested at noon."""
    return {
        "paper_id": paper_id,
        "rank": rank,
        "scope": "",
        "title": f"Title of {paper_id}",
        "abstract": "Nothing in particular.",
        "authors": ["A. Author"],
        "categories": ["cs.CV"],
        "missing": [],
        "published_at": NOON,
        "fetched_at": NOON,
        **more,
    }


def write_list(
    lake: Lake,
    *papers: Row,
    source: str = "huggingface",
    scope: str = "",
    date: dt.date = DAY,
    at: dt.datetime = NOON,
) -> None:
    """A snapshot of a list, top first."""
    ranked = [
        {**p, "rank": rank, "scope": scope, "fetched_at": at} for rank, p in enumerate(papers, 1)
    ]
    lake.write("listings", ranked, f"{at:%H%M%S}-{scope}", source=source, date=date)


def test_newest_snapshot_wins(lake: Lake) -> None:
    write_list(lake, paper("a", 1, upvotes=5, title="Old"), at=NOON)
    write_list(lake, paper("a", 1, upvotes=9, title="New"), at=NOON + HOUR)
    write_list(lake, paper("a", 1, upvotes=7, title="Older"), at=NOON - HOUR)
    assert rows_of(lake, "listings", "paper_id", "upvotes", "title", "fetched_at") == [
        ("a", 9, "New", NOON + HOUR)
    ]


def test_a_paper_that_left_the_list_stays_at_its_end(lake: Lake) -> None:
    write_list(lake, paper("gone", 1), paper("a", 2), paper("b", 3))
    write_list(lake, paper("b", 1), paper("new", 2), paper("a", 3), at=NOON + HOUR)
    assert rows_of(lake, "listings", "rank", "paper_id", "is_listed") == [
        (1, "b", True),
        (2, "new", True),
        (3, "a", True),
        (4, "gone", False),
    ]


def test_ranks_are_renumbered_without_gaps(lake: Lake) -> None:
    for hours, names in enumerate(["abc", "bd", "d"]):
        write_list(lake, *(paper(n, 0) for n in names), at=NOON + hours * HOUR)
    assert rows_of(lake, "listings", "rank", "paper_id") == [(1, "d"), (2, "b"), (3, "a"), (4, "c")]


def test_scopes_sources_and_dates_do_not_mix(lake: Lake) -> None:
    write_list(lake, paper("a", 1), paper("b", 2), source="arxiv", scope="cs.CV")
    write_list(lake, paper("b", 1), source="arxiv", scope="cs.CL", at=NOON + HOUR)
    write_list(lake, paper("b", 1), at=NOON + 2 * HOUR)
    write_list(lake, paper("b", 1), date=DAY + dt.timedelta(days=1), at=NOON + 3 * HOUR)
    found = rows_of(lake, "listings", "source", "scope", "date", "rank", "paper_id", "is_listed")
    assert found == [
        ("arxiv", "cs.CL", DAY, 1, "b", True),
        ("arxiv", "cs.CV", DAY, 1, "a", True),
        ("arxiv", "cs.CV", DAY, 2, "b", True),
        ("huggingface", "", DAY, 1, "b", True),
        ("huggingface", "", dt.date(2026, 1, 7), 1, "b", True),
    ]


def test_a_paper_has_its_newest_title_and_the_most_it_ever_had(lake: Lake) -> None:
    later = DAY + dt.timedelta(days=2)
    write_list(lake, paper("a", 1, title="First", upvotes=50, version=1, code_url="code"))
    write_list(
        lake,
        paper("a", 1, title="Second", version=2, published_at=NOON - HOUR),
        source="arxiv",
        scope="cs.CV",
        date=later,
        at=NOON + 50 * HOUR,
    )
    [row] = run(lake, "staging.papers")
    expected = {
        "paper_id": "a",
        "title": "Second",
        "version": 2,
        "upvotes": 50,
        "code_url": "code",
        "published_at": NOON - HOUR,
        "sources": ["arxiv", "huggingface"],
        "first_listed_on": DAY,
        "last_listed_on": later,
    }
    assert {name: row[name] for name in expected} == expected


def test_the_best_reading_of_the_newest_version_is_the_text(lake: Lake) -> None:
    for number, (version, source) in enumerate(
        [(2, "abstract"), (1, "html"), (2, "html"), (None, "html")]
    ):
        row = {"paper_id": "a", "version": version, "reading_source": source, "chars": number}
        lake.write("fulltexts", [row], str(number), date=DAY)
    assert rows_of(lake, "fulltexts", "paper_id", "version", "reading_source", "chars") == [
        ("a", 2, "html", 2)
    ]


def test_an_answer_is_the_first_one_paid_for(lake: Lake) -> None:
    for hours in (1, 0):
        row = {"key": "abc", "text": str(hours), "asked_at": NOON + hours * HOUR}
        lake.write("answers", [row], f"abc{hours}", prefix="ab")
    assert rows_of(lake, "answers", "key", "text") == [("abc", "0")]


def test_a_complete_analysis_wins_over_a_pending_one(lake: Lake) -> None:
    for day, status in ((5, "pending"), (6, "complete"), (7, "complete")):
        row = {"style": "cv", "paper_id": "a", "question": "q", "status": status}
        lake.write("analyses", [row], "cv", date=dt.date(2026, 1, day))
    assert rows_of(lake, "analyses", "question", "status", "date") == [("q", "complete", DAY)]


def test_a_day_published_empty_is_an_edition_without_papers(lake: Lake) -> None:
    write_digest(lake, [], outcome="empty")
    assert rows_of(lake, "digests", "*") == []
    assert rows_of(lake, "editions", "profile", "date", "outcome", "papers", "pending") == [
        ("cv", DAY, "empty", 0, 0)
    ]


def test_an_edition_counts_papers_and_pending_ones(lake: Lake) -> None:
    write_digest(lake, ["a", "b", "c"], outcome="partial", pending="bc", missing_sources=["arxiv"])
    write_digest(lake, ["a"], profile="hf")
    found = rows_of(lake, "editions", "profile", "papers", "pending", "outcome", "missing_sources")
    assert found == [("cv", 3, 2, "partial", ["arxiv"]), ("hf", 1, 0, "complete", [])]


# --- scores ------------------------------------------------------------------------------------


def interest(name: str, *phrases: str, weight: float = 1.0) -> Row:
    """An interest, its name a phrase where none is given."""
    return {"name": name, "weight": weight, "phrases": list(phrases or (name,))}


def score(
    lake: Lake,
    *interests: Row,
    negative: Sequence[Row] = (),
    asked: Sequence[Mapping[str, object]] = (HF,),
    points: Mapping[str, float] = POINTS,
    scan: int | None = None,
) -> list[Row]:
    """The scores of the day, in the list's order."""
    nothing = [interest("", weight=0.0)]
    return run(
        lake,
        "marts.scores",
        profile="cv",
        date=DAY,
        asked=list(asked),
        interests=list(interests) or nothing,
        negative=list(negative) or nothing,
        points=points,
        scan=scan,
    )


def score_one(lake: Lake, *interests: Row, **more: Any) -> Row:
    """The score of the one paper with that title, abstract and so on."""
    given = {key: more.pop(key) for key in list(more) if key in SCHEMAS["listings"].names}
    write_list(lake, paper("a", 1, **given))
    [row] = score(lake, *interests, **more)
    return row


def gives(interest_sum: float, points: float = 70) -> float:
    """The points of that sum of matches, as documented."""
    return round(points * (1 - math.exp(-1.2 * interest_sum)), 2)


def matches(lake: Lake, phrase: str, text: str) -> bool:
    """Whether the phrase is found in a title of that text."""
    return score_one(lake, interest("it", phrase), title=text)["reason"].startswith("it")


@pytest.mark.parametrize(
    ("title", "abstract", "hits"),
    [
        ("Flow Matching", "None.", 2),
        ("None", "Flow matching.", 1),
        ("None", "Flow matching and flow matching.", 2),
        ("Flow Matching", "Flow matching and flow matching.", 4),
        ("None", "None.", 0),
    ],
)
def test_a_title_counts_twice_an_abstract_once_with_less_for_each_more(
    lake: Lake, title: str, abstract: str, hits: int
) -> None:
    row = score_one(lake, interest("flow matching"), title=title, abstract=abstract)
    assert row["interest_points"] == gives(1 - 2**-hits)


def test_weights_and_interests_add_up(lake: Lake) -> None:
    interests = interest("diffusion", weight=1.5), interest("restoration", weight=0.5)
    row = score_one(lake, *interests, title="Diffusion", abstract="Restoration.")
    assert row["interest_points"] == gives(1.5 * 0.75 + 0.5 * 0.5)


def test_interest_points_never_pass_their_share(lake: Lake) -> None:
    many = [interest(word, weight=10) for word in ("one", "two", "three")]
    row = score_one(lake, *many, title="One two three one two three")
    assert 69.9 < row["interest_points"] <= 70


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("agent", "An Agent"),
        ("agent", "agents, many"),
        ("agent", "multi-agent"),
        ("Super-Resolution", "super resolution at last"),
        ("super resolution", "SUPER—RESOLUTION"),
        ("text to image", "Text-to-Image: a survey"),
        ("diffusion model", "(diffusion   models)"),
        ("denois*", "Denoising"),
        ("denois*", "a denoiser"),
        ("flow match*", "flow matching"),
        ("GRPO", "grpo++"),
        ("流匹配", "基于 流匹配 的生成"),
        ("über", "ÜBER alles"),
    ],
)
def test_a_phrase_matches_its_words(lake: Lake, phrase: str, text: str) -> None:
    assert matches(lake, phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("agent", "reagents"),
        ("agent", "agentic"),
        ("agent*", "reagent"),
        ("flow matching", "matching flow"),
        ("flow matching", "flow and matching"),
        ("flow match", "flow matching"),
        ("masked autoregressive", "masked"),
        ("diffusion", "diffusionless"),
        (".*", "anything"),
        ("*", "anything"),
        ("%", "100 percent"),
        ("a_ent", "agent"),
    ],
)
def test_a_phrase_matches_nothing_else(lake: Lake, phrase: str, text: str) -> None:
    assert not matches(lake, phrase, text)


def test_neighbours_of_the_same_word_count_each(lake: Lake) -> None:
    row = score_one(lake, interest("agent"), title="Agent agent agents")
    assert row["reason"] == "agent ×3"


def test_a_title_and_an_abstract_do_not_run_together(lake: Lake) -> None:
    row = score_one(lake, interest("flow matching"), title="Flow", abstract="Matching.")
    assert row["reason"] == "no match"


def test_negative_keywords_take_points_off(lake: Lake) -> None:
    plain = score_one(lake, interest("diffusion"), title="Diffusion of speech")
    row = score_one(
        lake, interest("diffusion"), negative=[interest("speech")], title="Diffusion of speech"
    )
    assert row["negative_points"] == gives(0.75, points=40)
    assert row["score"] == round(plain["interest_points"] + 10 - row["negative_points"])
    assert row["interest_points"] == plain["interest_points"]
    assert row["reason"] == "diffusion, not: speech"


def test_popularity_is_the_share_of_papers_with_fewer_upvotes(lake: Lake) -> None:
    votes = {"a": 45, "b": 45, "c": 10, "d": 0, "e": None}
    write_list(lake, *(paper(name, 0, upvotes=count) for name, count in votes.items()))
    found = {row["paper_id"]: row["popularity_points"] for row in score(lake)}
    assert found == {"a": 15.0, "b": 15.0, "c": 10.0, "d": 5.0, "e": 0.0}


def test_papers_without_upvotes_have_no_popularity(lake: Lake) -> None:
    write_list(lake, paper("a", 1), paper("b", 2))
    assert [row["popularity_points"] for row in score(lake)] == [0.0, 0.0]
    assert {row["reason"] for row in score(lake)} == {"no match"}


def test_popularity_is_within_the_whole_day_whatever_is_scanned(lake: Lake) -> None:
    write_list(lake, *(paper(name, 0, upvotes=count) for count, name in enumerate("cba")))
    [row] = score(lake, scan=1)
    assert (row["paper_id"], row["popularity_points"], row["listed"]) == ("c", 0.0, 3)


@pytest.mark.parametrize(
    ("age_days", "points"), [(0, 10.0), (3, 9.0), (15, 5.0), (30, 0.0), (300, 0.0), (-2, 10.0)]
)
def test_freshness_falls_evenly_to_nothing(lake: Lake, age_days: int, points: float) -> None:
    row = score_one(lake, published_at=NOON - dt.timedelta(days=age_days))
    assert row["freshness_points"] == points


def test_a_paper_of_unknown_age_is_not_fresh(lake: Lake) -> None:
    assert score_one(lake, published_at=None)["freshness_points"] == 0.0


def test_a_score_stays_within_0_and_100(lake: Lake) -> None:
    everything = {"interest": 100, "popularity": 20, "freshness": 10, "fresh_days": 30}
    points = {**everything, "negative": 100}
    write_list(
        lake,
        paper("good", 1, title="good good good good good", upvotes=2),
        paper("bad", 2, title="bad bad bad bad", upvotes=1, published_at=None),
    )
    sought, shunned = interest("good", weight=10), interest("bad", weight=10)
    rows = score(lake, sought, negative=[shunned], points=points)
    assert [(row["paper_id"], row["score"]) for row in rows] == [("good", 100), ("bad", 0)]


def test_scan_looks_at_the_top_of_the_merged_list_only(lake: Lake) -> None:
    write_list(lake, paper("a", 0), paper("b", 0), paper("c", 0))
    assert [row["paper_id"] for row in score(lake, scan=2)] == ["a", "b"]
    assert [row["paper_id"] for row in score(lake, scan=None)] == ["a", "b", "c"]
    assert [row["rank"] for row in score(lake, scan=99)] == [1, 2, 3]


def test_the_reason_names_interests_by_weight_then_upvotes(lake: Lake) -> None:
    row = score_one(
        lake,
        interest("diffusion"),
        interest("flow matching", weight=1.2),
        title="Flow Matching",
        abstract="Flow matching, flow matching; diffusion.",
        upvotes=45,
    )
    assert row["reason"] == "flow matching ×3, diffusion; 45 upvotes"


def test_in_the_reason_weight_goes_before_hits(lake: Lake) -> None:
    liked, loved = interest("diffusion"), interest("flow matching", weight=2)
    row = score_one(lake, liked, loved, title="Diffusion, flow matching", abstract="Diffusion.")
    assert row["reason"] == "flow matching, diffusion ×2"


def test_sources_are_merged_in_the_order_asked_each_paper_once(lake: Lake) -> None:
    write_list(lake, paper("x", 0, title="From HF", upvotes=3), paper("both", 0, title="From HF"))
    write_list(
        lake,
        paper("both", 0, title="From arXiv", version=2),
        paper("y", 0),
        source="arxiv",
        scope="cs.CV",
    )
    rows = score(lake, asked=[HF, ARXIV])
    assert [(r["paper_id"], r["rank"], r["sources"]) for r in rows] == [
        ("x", 1, ["huggingface"]),
        ("both", 2, ["huggingface", "arxiv"]),
        ("y", 3, ["arxiv"]),
    ]
    assert (rows[1]["title"], rows[1]["version"]) == ("From HF", 2)
    turned = score(lake, asked=[{**ARXIV, "place": 0}, {**HF, "place": 1}])
    assert [(r["paper_id"], r["sources"]) for r in turned] == [
        ("both", ["arxiv", "huggingface"]),
        ("y", ["arxiv"]),
        ("x", ["huggingface"]),
    ]


def test_only_the_lists_asked_for_count(lake: Lake) -> None:
    write_list(lake, paper("hf", 0))
    write_list(lake, paper("cl", 0), source="arxiv", scope="cs.CL")
    write_list(lake, paper("old", 0), date=DAY - dt.timedelta(days=1))
    assert [row["paper_id"] for row in score(lake, asked=[HF, ARXIV])] == ["hf"]


def test_an_empty_day_scores_nothing(lake: Lake) -> None:
    write_list(lake)
    assert score(lake, interest("x")) == []


@pytest.mark.parametrize("seed", range(8))
def test_scores_do_not_depend_on_the_order_of_rows(lake: Lake, seed: int) -> None:
    shuffled = random.Random(seed)
    words = ["diffusion", "agents", "flow matching", "speech", "a", "restoration"]
    rng = random.Random(0)
    papers = [
        paper(
            f"p{n:02}",
            0,
            title=" ".join(rng.choices(words, k=3)),
            abstract=" ".join(rng.choices(words, k=9)),
            upvotes=rng.choice([None, 1, 1, 5]),
        )
        for n in range(12)
    ]
    interests = [
        interest(w, weight=weight) for w, weight in zip(words, (1, 1, 0.7, 2), strict=False)
    ]
    write_list(lake, *papers)
    expected = score(lake, *interests, asked=[HF, ARXIV], negative=[interest("speech")])
    path = lake.files("listings")[0].rpartition("/")[2].removesuffix(".parquet")
    stored = lake.rows("listings", path, source="huggingface", date=DAY) or []
    shuffled.shuffle(stored)
    shuffled.shuffle(interests)
    lake.write("listings", stored, path, source="huggingface", date=DAY)
    again = score(lake, *interests, asked=[ARXIV, HF], negative=[interest("speech")])
    assert again == expected
    assert len({row["score"] for row in expected}) > 3


# --- selection ---------------------------------------------------------------------------------


def select(
    lake: Lake,
    scores: Mapping[str, int],
    *,
    minimum_score: int = 0,
    at_most: int | None = None,
    repeat_after_days: int = 90,
) -> list[Row]:
    """The scored papers, in their list's order, with those selected marked."""
    names = list(scores)
    write_list(lake, *(paper(name, 0) for name in names))
    with Warehouse(lake) as warehouse:
        params = {**_given(query("marts.scores").params), "asked": [HF]}
        table = warehouse.run("marts.scores", **params)
        points = pa.array([scores[p.as_py()] for p in table["paper_id"]], pa.int32())
        put = table.set_column(table.schema.get_field_index("score"), "score", points)
        warehouse.put("marts.scores", put)
        return to_rows(
            warehouse.run(
                "marts.selection",
                profile="cv",
                date=DAY,
                minimum_score=minimum_score,
                at_most=at_most,
                repeat_after_days=repeat_after_days,
            )
        )


def selected(lake: Lake, scores: Mapping[str, int], **rules: Any) -> list[tuple[str, int]]:
    """The papers that make the digest, and their positions."""
    rows = select(lake, scores, **rules)
    assert [row["paper_id"] for row in rows if row["is_selected"]] == [
        row["paper_id"] for row in rows if row["position"] is not None
    ]
    return [(row["paper_id"], row["position"]) for row in rows if row["is_selected"]]


def write_digest(
    lake: Lake,
    papers: Sequence[str],
    *,
    profile: str = "cv",
    date: dt.date = DAY,
    outcome: str = "complete",
    pending: Sequence[str] = (),
    **more: object,
) -> None:
    """A published digest; without papers, one published empty."""
    row = {
        "style": "cv",
        "outcome": outcome,
        "listed": len(papers) + 2 if papers else 0,
        "scanned": len(papers) + 2 if papers else 0,
        "missing_sources": [],
        "origin": "made",
        "published_at": NOON,
        **more,
    }
    rows = [
        {
            "paper_id": name,
            "position": position,
            "score": 50,
            "title": f"Title of {name}",
            "question": f"question-{name}",
            "status": "pending" if name in pending else "complete",
            **row,
        }
        for position, name in enumerate(papers, 1)
    ]
    lake.write("digests", rows or [row], "digest", profile=profile, date=date)


def test_the_minimum_is_enough(lake: Lake) -> None:
    found = selected(lake, {"a": 40, "b": 39, "c": 41}, minimum_score=40)
    assert found == [("c", 1), ("a", 2)]


def test_at_most_keeps_the_best(lake: Lake) -> None:
    scores = {"a": 10, "b": 30, "c": 20}
    assert selected(lake, scores, at_most=2) == [("b", 1), ("c", 2)]
    assert selected(lake, scores, at_most=None) == [("b", 1), ("c", 2), ("a", 3)]


def test_ties_are_kept_in_the_order_of_the_list(lake: Lake) -> None:
    assert selected(lake, {"z": 50, "b": 50, "a": 50}, at_most=2) == [("z", 1), ("b", 2)]


def test_every_scored_paper_is_there_selected_first(lake: Lake) -> None:
    rows = select(lake, {"a": 10, "b": 5, "c": 20, "d": 1}, at_most=1)
    assert [(r["paper_id"], r["is_selected"], r["position"]) for r in rows] == [
        ("c", True, 1),
        ("a", False, None),
        ("b", False, None),
        ("d", False, None),
    ]


@pytest.mark.parametrize(
    ("days_before", "repeat_after_days", "is_selected"),
    [
        (1, 90, False),
        (90, 90, False),
        (91, 90, True),
        (1, 0, True),
        (1, 1, False),
        (2, 1, True),
        (0, 90, True),
        (-1, 90, True),
    ],
)
def test_a_paper_comes_again_only_after_so_many_days(
    lake: Lake, days_before: int, repeat_after_days: int, is_selected: bool
) -> None:
    date = DAY - dt.timedelta(days=days_before)
    write_digest(lake, ["a"], date=date)
    [row] = select(lake, {"a": 50}, repeat_after_days=repeat_after_days)
    assert row["is_selected"] is is_selected
    assert row["featured_on"] == (None if is_selected else date)


def test_another_profile_may_have_featured_it(lake: Lake) -> None:
    write_digest(lake, ["a"], profile="hf", date=DAY - dt.timedelta(days=1))
    assert selected(lake, {"a": 50}) == [("a", 1)]


def test_a_paper_left_out_as_repeated_makes_room_for_the_next(lake: Lake) -> None:
    for days in (3, 5):
        write_digest(lake, ["a"], date=DAY - dt.timedelta(days=days))
    rows = select(lake, {"a": 90, "b": 50, "c": 40}, at_most=1)
    assert [(r["paper_id"], r["position"]) for r in rows] == [("b", 1), ("a", None), ("c", None)]
    assert rows[1]["featured_on"] == DAY - dt.timedelta(days=3)


def test_a_digest_published_empty_keeps_nothing_out(lake: Lake) -> None:
    write_digest(lake, [], outcome="empty", date=DAY - dt.timedelta(days=1))
    assert selected(lake, {"a": 50}) == [("a", 1)]


# --- checks ------------------------------------------------------------------------------------


def write_scores(lake: Lake, *rows: Row, profile: str = "cv", date: dt.date = DAY) -> None:
    """The scores of an edition."""
    whole = [
        {
            "rank": rank,
            "score": 50,
            "interest_points": 45.25,
            "popularity_points": 20.0,
            "freshness_points": 4.5,
            "negative_points": 20.0,
            "is_selected": row.get("position") is not None,
            **row,
        }
        for rank, row in enumerate(rows, 1)
    ]
    lake.write("scores", whole, "scores", profile=profile, date=date)


def write_analysis(lake: Lake, name: str, **more: object) -> None:
    """The analysis of a paper by a model."""
    row = {
        "style": "cv",
        "paper_id": name,
        "question": f"question-{name}",
        "status": "complete",
        "model": "a/model",
        "sections": json.dumps({"idea": "A good one.", "steps": ["One.", "Two."]}),
        "extract": [],
        **more,
    }
    lake.write("analyses", [row], f"cv-{row['paper_id']}", date=DAY)


@pytest.fixture
def healthy(lake: Lake) -> Lake:
    """A lake with everything a lake may have: nothing in it is bad."""
    day = dt.timedelta(days=1)
    write_list(lake, *(paper(name, 0, upvotes=9) for name in "abcd"))
    write_list(lake, *(paper(name, 0, upvotes=9) for name in "dab"), at=NOON + HOUR)
    write_list(lake, paper("a", 0), source="arxiv", scope="cs.CV")
    for name, source, reason in (("a", "html", "ok"), ("b", "abstract", "not_found")):
        row = {"paper_id": name, "reading_source": source, "reason": reason, "chars": 900}
        lake.write("fulltexts", [row], name, date=DAY)
    lake.write("answers", [{"key": "abc", "text": "{}"}], "abc", prefix="ab")
    write_analysis(lake, "a")
    extracted = {"sections": "{}", "extract": ["It says so."]}
    write_analysis(lake, "b", status="pending", model="extractive", **extracted)
    write_analysis(lake, "c", model="extractive", **extracted)
    write_scores(
        lake,
        {"paper_id": "a", "position": 1},
        {"paper_id": "b", "position": 2},
        {"paper_id": "c", "score": 100, "interest_points": 120.0},
        {"paper_id": "d", "score": 0, "negative_points": 100.0},
    )
    write_digest(lake, ["a", "b"], outcome="partial", pending="b")
    write_digest(lake, [], date=DAY + day, outcome="empty")
    write_digest(lake, [], date=DAY + 2 * day, outcome="complete", listed=5, scanned=5)
    write_digest(
        lake, [], date=DAY + 3 * day, outcome="partial", listed=5, missing_sources=["arxiv"]
    )
    write_scores(lake, {"paper_id": "a", "position": 1}, date=DAY + 91 * day)
    write_digest(lake, ["a"], date=DAY + 91 * day)
    imported = {"origin": "imported", "listed": None, "scanned": 15, "question": None}
    write_digest(lake, ["z"], date=DAY - day, **imported)
    write_digest(lake, ["z"], date=DAY - 2 * day, **imported)
    for date in (DAY, DAY + day):
        write_scores(lake, {"paper_id": "a", "position": 1}, profile="hf", date=date)
        write_digest(lake, ["a"], profile="hf", date=date, scanned=1)
    lake.write("runs", [{"run_id": "r", "started_at": NOON}], "r", date=DAY)
    return lake


LATER = dt.date(2026, 2, 6)
_EMPTIED: Row = {"sections": "{}", "extract": []}


def _move(lake: Lake, table: str, old: str, new: str) -> None:
    """Put the table's file into another folder, as a careless copy does."""
    path = Path(lake.files(table)[0])
    moved = Path(str(path).replace(old, new))
    moved.parent.mkdir(parents=True)
    path.rename(moved)


def _rewrite(lake: Lake, change: Callable[[list[Row]], None]) -> None:
    """Change the rows of the day's newest list of Hugging Face."""
    name = f"{NOON + HOUR:%H%M%S}-"
    rows = lake.rows("listings", name, source="huggingface", date=DAY) or []
    change(rows)
    lake.write("listings", rows, name, source="huggingface", date=DAY)


def _write_run_twice(lake: Lake) -> None:
    lake.write("runs", [{"run_id": "r", "started_at": NOON}], "again", date=DAY)


def _write_digest_twice(lake: Lake) -> None:
    rows = lake.rows("digests", "digest", profile="cv", date=DAY + dt.timedelta(days=1)) or []
    lake.write("digests", rows, "again", profile="cv", date=DAY + dt.timedelta(days=1))


def _score(**points: object) -> Callable[[Lake], None]:
    return lambda lake: write_scores(lake, {"paper_id": "a", **points}, date=LATER)


def _feature(*papers: str, **more: Any) -> Callable[[Lake], None]:
    return lambda lake: write_digest(lake, papers, **{"date": LATER, "profile": "new", **more})


def _select(*papers: Row) -> Callable[[Lake], None]:
    return lambda lake: write_scores(lake, *papers, date=LATER, profile="new")


def _both(first: Callable[[Lake], None], then: Callable[[Lake], None]) -> Callable[[Lake], None]:
    def plant(lake: Lake) -> None:
        first(lake)
        then(lake)

    return plant


def _analyze(name: str, **more: object) -> Callable[[Lake], None]:
    return lambda lake: write_analysis(lake, name, **more)


def _read(**more: object) -> Callable[[Lake], None]:
    row = {"paper_id": "x", "reading_source": "abstract", "reason": "shell", "chars": 9, **more}
    return lambda lake: lake.write("fulltexts", [row], "x", date=DAY)


def _list(change: Callable[[list[Row]], None]) -> Callable[[Lake], None]:
    return lambda lake: _rewrite(lake, change)


def _set(place: int, **values: object) -> Callable[[Lake], None]:
    return _list(lambda rows: rows[place].update(values))


PLANTED: list[tuple[str, Callable[[Lake], None], list[Row]]] = [
    ("duplicate_keys", _write_run_twice, [{"relation": "staging.runs", "key": "r", "copies": 2}]),
    (
        "duplicate_keys",
        _write_digest_twice,
        [{"relation": "lake.digests", "key": "cv 2026-01-07", "copies": 2}],
    ),
    (
        "duplicate_keys",
        lambda lake: write_scores(lake, {"paper_id": "a"}, {"paper_id": "a"}, date=LATER),
        [{"relation": "staging.scores", "key": "cv 2026-02-06 a", "copies": 2}],
    ),
    (
        "duplicate_keys",
        _set(0, paper_id="a"),
        [{"relation": "lake.listings", "copies": 2}],
    ),
    (
        "misplaced_rows",
        lambda lake: _move(lake, "answers", "prefix=ab", "prefix=zz"),
        [{"relation": "lake.answers", "key": "abc", "folder": "zz", "belongs": "ab"}],
    ),
    (
        "misplaced_rows",
        lambda lake: _move(lake, "runs", "date=2026-01-06", "date=2026-01-07"),
        [{"key": "r", "folder": "2026-01-07", "belongs": "2026-01-06"}],
    ),
    ("scores_that_do_not_add_up", _score(score=51), [{"score": 51, "points": 49.75}]),
    ("scores_that_do_not_add_up", _score(score=49), [{"score": 49, "points": 49.75}]),
    ("scores_that_do_not_add_up", _score(score=120, interest_points=120.0), [{"score": 120}]),
    ("scores_that_do_not_add_up", _score(score=-20, negative_points=90.0), [{"score": -20}]),
    ("scores_that_do_not_add_up", _score(score=None), [{"paper_id": "a", "score": None}]),
    ("scores_that_do_not_add_up", _score(interest_points=None), [{"points": None}]),
    (
        "digests_unlike_their_scores",
        _select({"paper_id": "a", "position": 1}),
        [{"paper_id": "a", "selected_position": 1, "published_position": None}],
    ),
    (
        "digests_unlike_their_scores",
        _feature("a", profile="cv", date=DAY + dt.timedelta(days=1)),
        [{"paper_id": "a", "selected_position": None, "published_position": 1}],
    ),
    (
        "digests_unlike_their_scores",
        _both(
            _feature("a", "b"),
            _select({"paper_id": "b", "position": 1}, {"paper_id": "a", "position": 2}),
        ),
        [
            {"paper_id": "a", "selected_position": 2, "published_position": 1},
            {"paper_id": "b", "selected_position": 1, "published_position": 2},
        ],
    ),
    (
        "digests_unlike_their_scores",
        _both(_feature("a"), _select({"paper_id": "a", "position": 1, "score": 49})),
        [{"paper_id": "a", "selected_score": 49, "published_score": 50}],
    ),
    ("positions_with_gaps", _feature("a", position=2), [{"position": 2, "counted": 1}]),
    (
        "positions_with_gaps",
        _feature("a", "b", position=1),
        [{"paper_id": "b", "position": 1, "counted": 2}],
    ),
    ("positions_with_gaps", _feature("a", position=None), [{"position": None, "counted": 1}]),
    (
        "digests_without_analysis",
        _feature("a", question="another"),
        [{"profile": "new", "paper_id": "a", "question": "another", "stored": None}],
    ),
    ("digests_without_analysis", _feature("a", style="hf"), [{"paper_id": "a", "stored": None}]),
    ("digests_without_analysis", _feature("a", question=None), [{"question": None}]),
    (
        "digests_without_analysis",
        _feature("b", status="complete"),
        [{"paper_id": "b", "status": "complete", "stored": "pending"}],
    ),
    (
        "outcomes_unlike_their_papers",
        _feature("a", "b", pending="b", outcome="complete"),
        [{"profile": "new", "outcome": "complete", "pending": 1}],
    ),
    (
        "outcomes_unlike_their_papers",
        _feature("a", missing_sources=["arxiv"]),
        [{"outcome": "complete", "missing_sources": ["arxiv"]}],
    ),
    ("outcomes_unlike_their_papers", _feature("a", outcome="empty"), [{"papers": 1}]),
    ("outcomes_unlike_their_papers", _feature("a", outcome="partial"), [{"pending": 0}]),
    ("outcomes_unlike_their_papers", _feature(outcome="complete"), [{"papers": 0, "listed": 0}]),
    ("outcomes_unlike_their_papers", _feature(outcome="empty", listed=3), [{"listed": 3}]),
    ("outcomes_unlike_their_papers", _feature("a", outcome=None), [{"outcome": None}]),
    ("analyses_without_text", _analyze("x", **_EMPTIED), [{"paper_id": "x", "style": "cv"}]),
    ("analyses_without_text", _analyze("x", sections=None, extract=None), [{"paper_id": "x"}]),
    ("analyses_without_text", _analyze("x", sections="no JSON"), [{"status": "complete"}]),
    ("analyses_without_text", _analyze("x", sections='{"a": " ", "b": [""]}'), [{"paper_id": "x"}]),
    ("analyses_without_text", _analyze("x", sections="{}", extract=[" "]), [{"paper_id": "x"}]),
    (
        "provider_errors_as_text",
        _analyze("x", sections='{"idea": "429 You exceeded your current quota, please check"}'),
        [{"paper_id": "x", "model": "a/model", "found": "exceeded your current quota"}],
    ),
    (
        "provider_errors_as_text",
        _analyze("x", sections='{"idea": ["status: RESOURCE_EXHAUSTED"]}'),
        [{"paper_id": "x", "found": "resource_exhausted"}],
    ),
    ("abstracts_without_reason", _read(reason=None), [{"paper_id": "x", "reason": None}]),
    ("abstracts_without_reason", _read(reason=" "), [{"paper_id": "x"}]),
    ("abstracts_without_reason", _read(reason="ok"), [{"reading_source": "abstract"}]),
    ("abstracts_without_reason", _read(chars=0), [{"paper_id": "x", "chars": 0}]),
    ("listings_without_text", _set(1, title=" "), [{"paper_id": "a", "title": " "}]),
    ("listings_without_text", _set(1, abstract=None), [{"paper_id": "a", "abstract": None}]),
    (
        "ranks_with_gaps",
        _list(lambda rows: rows.pop(0)),
        [
            {"paper_id": "a", "rank": 2, "counted": 1},
            {"paper_id": "b", "rank": 3, "counted": 2},
        ],
    ),
    ("ranks_with_gaps", _set(2, rank=2), [{"paper_id": "b", "rank": 2, "counted": 3}]),
    (
        "papers_featured_twice",
        _feature("a", profile="cv"),
        [{"date": LATER, "paper_id": "a", "featured_on": DAY}, {"featured_on": LATER}],
    ),
    (
        "papers_featured_twice",
        _feature("z", profile="cv"),
        [{"paper_id": "z", "featured_on": DAY - dt.timedelta(days=1)}],
    ),
]


def test_a_healthy_lake_passes_every_check(healthy: Lake) -> None:
    assert check(healthy) == [f"ok    {name}" for name in CHECKS]


def test_an_empty_lake_passes_every_check(lake: Lake) -> None:
    assert check(lake) == [f"ok    {name}" for name in CHECKS]


def test_every_check_has_bad_rows_planted_for_it() -> None:
    assert sorted({f"checks.{name}" for name, _, _ in PLANTED}) == CHECKS


@pytest.mark.parametrize(("name", "plant", "expected"), PLANTED, ids=[p[0] for p in PLANTED])
def test_a_check_returns_the_bad_rows_and_no_others(
    healthy: Lake, name: str, plant: Callable[[Lake], None], expected: list[Row]
) -> None:
    plant(healthy)
    rows = run(healthy, f"checks.{name}")
    found = [{k: row[k] for k in e} for row, e in zip(rows, expected, strict=True)]
    assert found == expected


def test_the_doctor_tells_a_failure_from_a_warning(healthy: Lake) -> None:
    _feature("a", position=2)(healthy)
    lines = {line.split(":")[0].split()[-1]: line for line in check(healthy)}
    assert lines["checks.positions_with_gaps"].startswith("FAIL  checks.positions_with_gaps: 1 row")
    assert lines["checks.digests_unlike_their_scores"].startswith("warn")
    assert lines["checks.duplicate_keys"].startswith("ok")


@pytest.mark.real
def test_every_recorded_error_of_a_provider_is_told(lake: Lake, shared: Path) -> None:
    bodies = {
        file.stem: file.read_text(encoding="utf-8")
        for file in (shared / "data" / "llm_errors").iterdir()
        if not re.search("arxiv|headers", file.stem)
    }
    assert bodies
    for stem, body in bodies.items():
        write_analysis(lake, stem, sections=json.dumps({"idea": body}))
    told = {row["paper_id"] for row in run(lake, "checks.provider_errors_as_text")}
    assert sorted(told) == sorted(bodies)
