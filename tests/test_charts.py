"""`broadsheet chart`: named questions drawn, the same every time, whatever strangers wrote."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from builders import DAY, Row, an_answer, paper, write_list, write_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from broadsheet import charts
from broadsheet.asking import answer
from broadsheet.charts.figures import spec
from broadsheet.charts.labels import label, labels
from broadsheet.charts.lines import spread
from broadsheet.cli import app
from broadsheet.config import load_settings
from broadsheet.errors import UsageError
from broadsheet.lake import Lake

THEMES = (charts.LIGHT, charts.DARK)
WEEK = dt.timedelta(days=7)
MONDAY = dt.date(2026, 1, 5)
MONTH = dt.date(2026, 1, 1)
HOSTILE = "<b>&\"'$x^2$ \x00\x1b[31m\u202eזה 论文 🙂 ]]> https://example.org"
ODD = (
    HOSTILE,
    "__proto__",
    "constructor",
    "null",
    "datum.x",
    "\x7f\uffff",
    "e\u0301" * 99,
    "ש" * 99,
)
SVG = "{http://www.w3.org/2000/svg}"
HARMLESS = {"svg", "title", "desc", "g", "path", "line", "text", "rect", "tspan"}

# How colours are seen by those who lack red or green: Machado, Oliveira and Fernandes 2009,
# https://doi.org/10.1109/TVCG.2009.113
EYES = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def linear(color: str) -> list[float]:
    channels = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it, 1 to 21."""
    light = [dot((0.2126, 0.7152, 0.0722), linear(c)) for c in (one, other)]
    return (max(light) + 0.05) / (min(light) + 0.05)


def lab(color: str, eye: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """The colour as that eye sees it, in CIELAB, where distances are about as they look."""
    seen = [min(max(dot(row, linear(color)), 0.0), 1.0) for row in eye]
    x, y, z = (
        dot(row, seen)
        for row in ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8729))
    )
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def topic(name: str = "kites", week: dt.date = MONDAY, papers: int = 1, listed: int = 4) -> Row:
    return {"week": week, "topic": name, "papers": papers, "listed": listed, "share": 0.25}


def bill(model: str = "maker/any", cost_usd: float | None = 0.5, **more: Any) -> Row:
    row = {"month": MONTH, "model": model, "requests": 2, "requests_unpriced": 0}
    return {**row, "cost_usd": cost_usd, **more}


def score(profile: str = "cv", score: int = 60, upvotes: int = 3, picked: bool = False) -> Row:
    row = {"profile": profile, "date": DAY, "paper_id": "2601.00001", "score": score}
    return {**row, "upvotes": upvotes, "is_selected": picked}


def bin_of(profile: str = "cv", score_from: int = 90, papers: int = 5, picked: int = 2) -> Row:
    return {"profile": profile, "score_from": score_from, "papers": papers, "picked": picked}


def delay(source: str = "arxiv", month: dt.date = MONTH) -> Row:
    days = {"median_days": 2.0, "p90_days": 6.5, "most_days": 9}
    return {"month": month, "source": source, "papers": 3, **days}


def reading(style: str = "cv", papers: int = 4) -> Row:
    return {
        "month": MONTH,
        "style": style,
        "papers": papers,
        "papers_html": 2,
        "papers_abstract": 1,
    }


def ending(flow: str = "digest", week: dt.date = MONDAY, **more: int) -> Row:
    counts = {"runs": 3, "complete": 1, "partial": 1, "failed": 1, **more}
    return {"week": week, "flow": flow, **counts}


ROWS: dict[str, Any] = {
    "costs": bill,
    "delays": delay,
    "outcomes": ending,
    "reading_sources": reading,
    "score_and_upvotes": score,
    "score_distribution": bin_of,
    "topics_by_week": topic,
}


def drawn(name: str, rows: Sequence[Row], **how: Any) -> str:
    return charts.draw(name, pa.Table.from_pylist(list(rows)), **how).decode()


def texts(svg: str) -> list[str]:
    """Every line of text that is seen."""
    shown = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return [part.text or "" for one in shown for part in (list(one) or [one])]


def test_every_chart_has_rows_to_be_tested_with() -> None:
    assert set(ROWS) == set(charts.CHARTS)


@pytest.mark.parametrize("name", charts.CHARTS)
class TestEveryChart:
    @pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
    def test_one_row_is_enough_on_either_paper(self, name: str, theme: charts.Theme) -> None:
        svg = drawn(name, [ROWS[name]()], theme=theme)
        assert texts(svg)[-1].endswith(f"broadsheet sql {name}")
        assert theme.ink in svg and theme.paper not in svg

    def test_it_says_in_words_what_it_shows(self, name: str) -> None:
        svg = drawn(name, [ROWS[name]("some name")])
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert root.get("aria-label") == root[0].text in texts(svg)
        assert root[1].tag == f"{SVG}desc"
        assert re.search(r"\d", root[1].text or "")

    def test_a_strangers_name_is_text_and_nothing_else(self, name: str) -> None:
        root = ElementTree.fromstring(drawn(name, [ROWS[name](HOSTILE), ROWS[name]("plain")]))
        said = "".join(root.itertext())
        assert "<b>&\"'$x^2" in said
        assert not {"\x00", "\x1b", "\u202e", "\ud800"} & set(said)

    def test_nothing_is_loaded_and_nothing_runs(self, name: str) -> None:
        for one in ElementTree.fromstring(drawn(name, [ROWS[name](HOSTILE)])).iter():
            assert one.tag.removeprefix(SVG) in HARMLESS
            assert not [name for name in one.attrib if "href" in name or name.startswith("on")]
            assert "url(" not in " ".join(one.attrib.values())

    @pytest.mark.parametrize("format", charts.FORMATS)
    def test_the_same_rows_are_the_same_bytes(self, name: str, format: str) -> None:
        table = pa.Table.from_pylist([ROWS[name]("a"), ROWS[name]("b")])
        first, again = (charts.draw(name, table, format=format) for _ in range(2))
        assert first == again

    def test_without_rows_there_is_no_picture_but_a_remedy(self, name: str) -> None:
        none = pa.Table.from_pylist([ROWS[name]()]).slice(0, 0)
        with pytest.raises(UsageError, match=f"nothing to draw for {name}") as raised:
            charts.draw(name, none)
        assert "broadsheet run" in raised.value.remedy

    def test_a_crowd_is_cut_and_said(self, name: str) -> None:
        said = texts(drawn(name, [ROWS[name](f"number {n:02}") for n in range(60)]))
        assert any(text.startswith("and 5") or text.endswith("other models") for text in said)

    def test_its_question_answers_with_the_columns_it_reads(self, name: str, lake: Lake) -> None:
        known = answer(charts.question(name), {}, load_settings()).column_names
        assert set(ROWS[name]()) - {"share"} <= set(known)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(max_size=60) | st.sampled_from(ODD), min_size=1, max_size=9, unique=True))
def test_any_names_make_well_formed_xml_with_a_label_for_each(names: list[str]) -> None:
    rows = [topic(name.encode(errors="replace").decode()) for name in names]
    named = labels({row["topic"]: None for row in rows})
    shown = texts(drawn("topics_by_week", rows))
    told = [text for text in shown if text in set(named.values())]
    assert len(told) >= min(len(named), len(charts.LIGHT.series))


@given(st.text())
def test_a_label_is_one_short_line(name: str) -> None:
    short = label(name)
    assert 0 < len(short) <= 80
    assert len(short.splitlines()) == 1
    assert label(short) == short


def test_labels_that_would_be_alike_are_told_apart() -> None:
    same = "a name that is so long that only its very end differs: "
    assert len(set(labels([same + "1", same + "2", same + "3"]).values())) == 3


def test_chinese_is_cut_by_its_width() -> None:
    assert label("论文" * 30) == "论文" * 8 + "…"


def test_names_at_the_lines_ends_never_touch() -> None:
    places = spread([300.0, 299.0, 10.0, 298.5], gap=15, end=300)
    assert places == [300.0, 285.0, 10.0, 270.0]


def test_what_has_no_room_is_not_moved() -> None:
    assert spread([100.0, 20.0, 60.0]) == [100.0, 20.0, 60.0]


class TestTopics:
    def test_shares_are_of_what_was_listed(self) -> None:
        rows = [topic(papers=1, listed=4), topic(week=MONDAY + WEEK, papers=3, listed=4)]
        assert "kites 25 to 75" in drawn("topics_by_week", rows)

    def test_hundreds_of_weeks_are_drawn_several_together(self) -> None:
        rows = [topic(week=MONDAY + n * WEEK, papers=n % 2, listed=2) for n in range(600)]
        assert "kites 25 to 25" in drawn("topics_by_week", rows)
        assert "% of 10 weeks' new papers" in texts(drawn("topics_by_week", rows))

    def test_the_dates_are_in_the_subtitle(self) -> None:
        said = texts(drawn("topics_by_week", [topic(), topic(week=MONDAY + WEEK)]))
        assert "weeks of 5 January 2026 to 12 January 2026 · 8 papers first listed" in said

    def test_dates_do_not_depend_on_the_time_zone_of_the_machine(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = [topic(), topic(week=MONDAY + WEEK)]
        assert {"5 Jan 2026", "12 Jan 2026"} <= set(texts(drawn("topics_by_week", rows)))
        script = (
            "import sys; from test_charts import *; sys.stdout.write(drawn(*eval(sys.argv[1])))"
        )
        rows_as_code = f"('topics_by_week', {rows!r}, )".replace("datetime.date", "dt.date")
        monkeypatch.setenv("TZ", "America/Los_Angeles")
        there = subprocess.run(
            [sys.executable, "-c", script, rows_as_code],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
        )
        assert there.stdout.decode() == drawn("topics_by_week", rows)


class TestCosts:
    def test_a_month_without_bill_has_its_place(self) -> None:
        later = MONTH.replace(month=3)
        assert {"Jan 2026", "Feb 2026", "Mar 2026"} <= set(
            texts(drawn("costs", [bill(), bill(month=later)]))
        )

    def test_what_has_no_price_is_said(self) -> None:
        rows = [bill(), bill("free/local", None, requests=7, requests_unpriced=7)]
        said = texts(drawn("costs", rows))
        assert "not counted: 7 of 9 answers, of unknown price" in said
        assert "free/local" not in said

    def test_no_price_at_all_is_no_picture(self) -> None:
        table = pa.Table.from_pylist([bill(cost_usd=None)])
        with pytest.raises(UsageError, match="no model's price is known") as raised:
            charts.draw("costs", table)
        assert "broadsheet.toml" in raised.value.remedy

    def test_what_is_free_is_drawn_at_zero(self) -> None:
        assert "$0.00 in all" in drawn("costs", [bill(cost_usd=0.0)])

    def test_models_beyond_seven_are_one(self) -> None:
        rows = [bill(f"model {n}", 10.0 - n) for n in range(9)]
        svg = drawn("costs", rows)
        assert {"model 0", "model 6", "2 other models"} <= set(texts(svg))
        assert "model 7" not in svg
        assert "2 other models 5.00" in svg


class TestScores:
    def test_the_picked_are_counted_above_their_bars(self) -> None:
        said = texts(
            drawn("score_distribution", [bin_of(picked=2), bin_of(score_from=0, picked=0)])
        )
        assert "2 picked" in said and "0 picked" not in said
        assert {"0–9", "40–49", "90–100"} <= set(said)

    def test_profiles_have_a_panel_each(self) -> None:
        said = texts(drawn("score_distribution", [bin_of("cv"), bin_of("hf")]))
        assert {"cv", "hf"} <= set(said)

    def test_many_papers_are_merged_and_none_is_lost(self) -> None:
        rows = [score(score=n % 101, upvotes=n) for n in range(5000)]
        figure = charts.CHARTS["score_and_upvotes"](rows, charts.LIGHT)
        dots = figure.body["data"]["values"]  # type: ignore[index]
        assert len(dots) < 2000
        assert sum(dot["papers"] for dot in dots) == 5000
        assert any("within a fifth" in note for note in figure.notes)

    def test_few_papers_keep_their_upvotes(self) -> None:
        figure = charts.CHARTS["score_and_upvotes"]([score(upvotes=37)], charts.LIGHT)
        assert [d["upvotes"] for d in figure.body["data"]["values"]] == [37]  # type: ignore[index]


def test_readings_of_unknown_source_are_a_part_of_the_bar() -> None:
    described = drawn("reading_sources", [reading(papers=4)])
    assert "whole paper 2; abstract only 1; not known 1" in described


def test_weeks_without_runs_have_their_place() -> None:
    said = texts(drawn("outcomes", [ending(), ending(week=MONDAY + 2 * WEEK)]))
    assert {"5 Jan 2026", "12 Jan 2026", "19 Jan 2026"} <= set(said)


def test_a_whole_flow_chart_is_given_all_its_data() -> None:
    figure = charts.CHARTS["outcomes"]([ending("a"), ending("b")], charts.DARK)
    assert "url" not in str(spec(figure, charts.DARK))


def test_threads_draw_the_same_as_one_alone() -> None:
    tables = {n: pa.Table.from_pylist([ROWS[n]("a"), ROWS[n]("b")]) for n in charts.CHARTS}
    alone = {name: charts.draw(name, table) for name, table in tables.items()}
    with ThreadPoolExecutor(4) as pool:
        together = pool.map(lambda name: (name, charts.draw(name, tables[name])), [*tables] * 3)
        assert all(alone[name] == picture for name, picture in together)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
class TestThemes:
    def test_text_has_the_contrast_of_wcag_aa(self, theme: charts.Theme) -> None:
        for color in (theme.ink, theme.soft, theme.accent):
            assert contrast(color, theme.paper) >= 4.5

    def test_marks_have_the_contrast_of_graphics(self, theme: charts.Theme) -> None:
        for color in (*theme.series, theme.muted):
            assert contrast(color, theme.paper) >= 3

    @pytest.mark.parametrize("eye", EYES)
    def test_series_differ_for_every_eye(self, theme: charts.Theme, eye: str) -> None:
        seen = [lab(color, EYES[eye]) for color in theme.series]
        assert min(math.dist(a, b) for a, b in itertools.combinations(seen, 2)) > 20

    @pytest.mark.parametrize("eye", EYES)
    def test_the_picked_differ_from_the_rest_for_every_eye(
        self, theme: charts.Theme, eye: str
    ) -> None:
        assert math.dist(lab(theme.accent, EYES[eye]), lab(theme.muted, EYES[eye])) > 20


class TestCommand:
    @pytest.fixture
    def week(self, lake: Lake) -> None:
        write_list(lake, paper("a", ai_keywords=["kites"], upvotes=3))
        write_scores(lake, {"paper_id": "a", "score": 60, "position": 1})

    def chart(self, *args: str) -> Any:
        return CliRunner().invoke(app, ["chart", *args])

    def test_the_files_ending_is_the_format(self, week: None, tmp_path: Path) -> None:
        for name, begins in (("a.svg", b"<svg "), ("a.PNG", b"\x89PNG")):
            result = self.chart("topics_by_week", "--out", str(tmp_path / name))
            assert result.stdout == f"{tmp_path / name}\n"
            assert (tmp_path / name).read_bytes().startswith(begins)

    def test_redirected_it_is_an_svg(self, week: None) -> None:
        assert "kites" in texts(self.chart("topics_by_week").stdout)

    def test_it_takes_the_questions_parameters(self, week: None) -> None:
        shown = self.chart("topics_by_week", "--param", "kind=category").stdout
        assert "cs.CV" in texts(shown)

    def test_dark_is_for_dark_paper(self, week: None) -> None:
        assert charts.DARK.ink in self.chart("score_distribution", "--dark").stdout

    def test_list_has_a_line_for_each(self) -> None:
        lines = self.chart("--list").stdout.splitlines()
        assert [line.split()[0] for line in lines] == list(charts.CHARTS)

    @pytest.mark.parametrize(
        ("args", "message", "remedy"),
        [
            (["topics_by_wek"], "no chart named topics_by_wek", "did you mean topics_by_week"),
            (["missed"], "missed is no picture", "broadsheet sql missed"),
            ([], "no chart named", "--list"),
            (["costs", "--out", "a.gif"], "'gif'", ".svg or .png"),
            (["costs", "--out", "a"], "''", ".svg or .png"),
            (["costs", "--param", "day=1"], "has no parameter day", "takes none"),
            (["topics_by_week", "--param", "kind"], "not a parameter", "name=value"),
            (["topics_by_week", "--out", "no/such/a.svg"], "cannot write", "another --out"),
        ],
    )
    def test_mistakes_are_said_with_a_remedy(
        self, week: None, args: list[str], message: str, remedy: str
    ) -> None:
        error = self.chart(*args).exception
        assert isinstance(error, UsageError)
        assert message in str(error) and remedy in error.remedy

    def test_a_terminal_gets_no_picture(self, week: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        with pytest.raises(UsageError, match="no text for a terminal") as raised:
            charts.picture("costs", None, [], charts.LIGHT)
        assert "--out costs.svg" in raised.value.remedy

    def test_costs_come_from_the_answers_paid_for(self, lake: Lake) -> None:
        row = asdict(an_answer(model="maker/<any>", cost_usd=0.25))
        lake.write("answers", [row], row["key"], prefix=row["key"][:2])
        assert "maker/<any>" in texts(self.chart("costs").stdout)

    def test_the_library_is_imported_when_something_is_drawn(self) -> None:
        script = (
            "import sys, broadsheet.cli, broadsheet.charts; sys.exit('vl_convert' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
