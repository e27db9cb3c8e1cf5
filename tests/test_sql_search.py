"""What a text is found by, and which papers a question finds: given rows, expected rows."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import duckdb
import pytest
from builders import DAY, Row, paper, write_analysis, write_digest, write_list

from broadsheet import search, search_files
from broadsheet.lake import Lake
from broadsheet.queries import query
from broadsheet.rows import to_rows
from broadsheet.warehouse import Warehouse

FLOWS = (
    paper("2601.00001", title="Flow matching for images", abstract="We match flows of light."),
    paper("2601.00002", title="Diffusion", abstract="A matching of some flow, in images."),
    paper("2601.00003", title="Bodies", abstract="Nothing flows; " + "long words " * 50),
    paper("2601.00004", title="流匹配", abstract="用于图像复原的方法。"),
    paper("2601.00005", title="散字", abstract="复图原像。"),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the index is."""
    return tmp_path / "home"


def asked(lake: Lake, home: Path, question: str, **given: object) -> list[Row]:
    """The rows of a named question, after a refresh."""
    search.refresh(lake, home)
    with Warehouse(lake, asks=[question], home=home) as warehouse:
        return to_rows(warehouse.run(question, **query(question).defaults | given))


def found(lake: Lake, home: Path, q: str, **given: object) -> list[str]:
    """The last digits of what a search finds, best first."""
    return [row["paper_id"][-1] for row in asked(lake, home, "history.search", q=q, **given)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Text-to-Image GENERATION", ["text", "image", "generation"]),
        ("studies boxes classes branches flows", ["study", "box", "class", "branch", "flow"]),
        ("analysis corpus class gas", ["analysis", "corpus", "class", "gas"]),
        ("Poincaré naïve Ångström", ["poincare", "naive", "angstrom"]),
        (r"Poincar{\'e} G\"odel $\alpha$-VAE", ["poincare", "godel", "alpha", "vae"]),
        ("ＧＰＵ ﬁne-tuned", ["gpu", "fine", "tuned"]),
        ("图像复原", ["图像", "像复", "复原"]),
        ("用GPU做图像", ["用", "gpu", "做图", "图像"]),
        ("图，像", ["图", "像"]),
        ("the of and", []),
        ("", []),
        ("10^{-3} in 2D", ["10", "3", "2d"]),
        ("a\0flow\x07", ["flow"]),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    with duckdb.connect() as con:
        con.execute(search_files.scalar_macros())
        assert con.execute("select tokens($1)", [text]).fetchone() == (tokens,)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("flow", "123"),  # in the title; in a short text; in a long one
        ("flow matching", "123"),
        ("Bodies", "3"),
        ("body", "3"),
        ('"flow matching"', "1"),
        ('"matching flow"', ""),
        ("“flow matching”", "1"),
        ('"matching of some flow"', "2"),
        ('"images we match"', ""),  # no phrase from the title into the abstract
        ("flow -diffusion", "13"),
        ('flow -"flow matching"', "23"),
        ("-flow", ""),
        ("图像复原", "4"),
        ('"图像复原"', "4"),
        ("流匹配", "4"),
        ("flow nosuchword", "123"),
        ("nosuchword", ""),
        ('"nosuchword flow"', ""),
        ("the of", ""),
        ('"the of" diffusion', "2"),
        ("", ""),
        ('"', ""),
        ('flow "', "123"),
        ("- -- \" '; drop table x; --", ""),
        ("flow\0\x01", "123"),
        ("flow " * 1_000_000, "123"),
    ],
)
def test_what_is_found_and_in_which_order(lake: Lake, home: Path, q: str, expected: str) -> None:
    write_list(lake, *FLOWS)
    assert "".join(found(lake, home, q)) == expected


def test_a_score_is_bm25(lake: Lake, home: Path) -> None:
    write_list(
        lake,
        paper("2601.00001", title="kite", abstract="kite wind", authors=[]),
        paper("2601.00002", title="sun", abstract="wind", authors=[]),
    )
    [best] = asked(lake, home, "history.search", q="kite")
    # idf = ln(1 + (2 - 1 + 0.5) / (1 + 0.5)); frequency 3 + 1, length 5 of 4.5 on average
    expected = 0.6931471805599453 * 4 * 2.2 / (4 + 1.2 * (0.25 + 0.75 * 5 / 4.5))
    assert best["score"] == round(expected, 3)


def test_all_words_go_before_one_word_often(lake: Lake, home: Path) -> None:
    write_list(
        lake,
        paper("2601.00001", title="Kite, kite, kite", abstract="Kites of kites."),
        paper("2601.00002", title="Nothing", abstract="A kite and a lantern."),
        paper("2601.00003", title="Nothing", abstract="The moon."),
    )
    assert found(lake, home, "kite lantern") == ["2", "1"]


def test_authors_and_analyses_are_found(lake: Lake, home: Path) -> None:
    write_list(lake, *FLOWS)
    sections = {"idea": "一个新的灯笼。", "steps": ["Count [photons].", "[Write] them down"]}
    write_analysis(lake, "2601.00002", sections=json.dumps(sections))
    write_analysis(lake, "2601.00003", sections='{"idea": "secret"}', status="pending")
    assert found(lake, home, "灯笼") == ["2"]
    assert found(lake, home, '"count photons"') == ["2"]
    assert found(lake, home, "write") == ["2"]
    assert found(lake, home, "idea steps secret") == []
    assert len(found(lake, home, "author")) == 5


def test_what_is_told_of_a_paper(lake: Lake, home: Path) -> None:
    write_list(lake, *FLOWS)
    write_digest(lake, ["2601.00001"])
    write_digest(lake, ["2601.00001"], profile="hf", date=DAY + dt.timedelta(days=1))
    [first, second, *_] = asked(lake, home, "history.search", q="flow matching")
    assert {name: first[name] for name in ("rank", "paper_id", "title", "first_listed_on")} == {
        "rank": 1,
        "paper_id": "2601.00001",
        "title": "Flow matching for images",
        "first_listed_on": DAY,
    }
    assert first["featured"] == ["cv 2026-01-06", "hf 2026-01-07"]
    assert (second["rank"], second["featured"]) == (2, None)


def test_a_search_can_be_narrowed(lake: Lake, home: Path) -> None:
    write_list(lake, *FLOWS[1:])
    write_list(lake, FLOWS[0], date=DAY + dt.timedelta(days=1))
    write_digest(lake, ["2601.00002"])
    assert found(lake, home, "flow", profile="cv") == ["2"]
    assert found(lake, home, "flow", since="2026-01-07") == ["1"]
    assert found(lake, home, "flow", until="2026-01-06") == ["2", "3"]
    assert found(lake, home, "flow", n="1") == ["1"]
    assert found(lake, home, "flow", n="0") == []


def test_equals_come_newest_first(lake: Lake, home: Path) -> None:
    same = [paper(f"2601.0000{n}", title="Kite", abstract="Wind.") for n in range(1, 6)]
    write_list(lake, *same)
    assert found(lake, home, "kite", n="3") == ["5", "4", "3"]


def test_a_paper_of_the_archive_is_found(lake: Lake, home: Path) -> None:
    row = {**paper("2001.00001", title="Kites"), "date": dt.date(2020, 1, 1)}
    lake.write("archive", [row], "papers", year=2020)
    [found_one] = asked(lake, home, "history.search", q="kite")
    assert found_one["first_listed_on"] == dt.date(2020, 1, 1)


def test_similar_papers_share_the_telling_words(lake: Lake, home: Path) -> None:
    write_list(
        lake,
        paper("2601.00001", title="Lanterns at night", abstract="Photons of a paper lantern."),
        paper("2601.00002", title="Paper boats", abstract="A boat of paper."),
        paper("2601.00003", title="Photons", abstract="A lantern gives photons at night."),
        paper("2601.00004", title="Kites", abstract="Wind."),
    )
    rows = asked(lake, home, "history.similar", paper_id="2601.00001")
    assert [row["paper_id"][-1] for row in rows] == ["3", "2"]
    assert [row["rank"] for row in rows] == [1, 2]
    assert len(asked(lake, home, "history.similar", paper_id="2601.00001", n="1")) == 1
    assert asked(lake, home, "history.similar", paper_id="no such' paper") == []


def test_a_lake_of_nothing_has_nothing_to_find(lake: Lake, home: Path) -> None:
    assert found(lake, home, "kite") == []
    assert asked(lake, home, "history.similar", paper_id="2601.00001") == []
