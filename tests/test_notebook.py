"""`docs/notebook.py`, executed: its answers are those of the named questions."""

from __future__ import annotations

import datetime as dt
import runpy
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from builders import DAY, an_answer, paper, write_digest, write_list, write_scores

from broadsheet import asking
from broadsheet.config import load_settings
from broadsheet.lake import Lake

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.py"
ANSWERS = {
    "rising": "trends",
    "recurring": "recurring_authors",
    "missed": "missed",
    "agreement": "agreement",
    "costs": "costs",
}


@pytest.fixture
def history(lake: Lake) -> None:
    """Five days of five papers: the one with the fewest upvotes was picked; one answer was paid."""
    for number in range(5):
        date = DAY + dt.timedelta(days=number)
        names = [f"{number}{letter}" for letter in "abcde"]
        more = {"authors": ["Ada Wind"], "ai_keywords": ["kites"]}
        papers = [paper(name, upvotes=up, **more) for up, name in enumerate(names, 1)]
        write_list(lake, *papers, date=date)
        rows = [{"paper_id": name, "score": 90 - n} for n, name in enumerate(names)]
        write_scores(lake, {**rows[0], "position": 1}, *rows[1:], date=date)
        write_digest(lake, names[:1], date=date)
    bill = asdict(an_answer(model="maker/any", cost_usd=0.25))
    lake.write("answers", [bill], bill["key"], prefix=bill["key"][:2])


def executed() -> tuple[list[Any], dict[str, Any]]:
    """What its cells show and what they define."""
    shown, defined = runpy.run_path(str(NOTEBOOK))["app"].run()
    return list(shown), dict(defined)


def test_its_answers_are_those_of_the_questions(history: None) -> None:
    _, defined = executed()
    for name, question in ANSWERS.items():
        rows = asking.answer(asking.find(question), {}, load_settings()).to_pandas()
        assert len(rows)
        pd.testing.assert_frame_equal(defined[name], rows.head(10))


def test_it_shows_charts_and_prose(history: None) -> None:
    page = "".join(one.text for one in executed()[0] if one is not None)
    assert page.count("<svg ") == 3
    assert "25</strong> papers" in page
    for heading in ("rising?", "appearing?", "missed?", "upvotes?", "cost?"):
        assert heading in page


def test_as_a_script_it_prints_the_answers(history: None) -> None:
    told = subprocess.run([sys.executable, str(NOTEBOOK)], capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (0, "")
    assert "This history has 25 papers listed from 2026-01-06 to 2026-01-10" in told.stdout
    assert "Ada Wind" in told.stdout and "maker/any" in told.stdout
    assert "nothing yet" not in told.stdout


def test_an_empty_history_is_said_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    shown, defined = executed()
    page = "".join(one.text for one in shown if one is not None)
    assert "no papers yet" in page and "broadsheet run --sample" in page
    assert page.count("nothing to draw for") == 3
    assert all(defined[name].empty for name in ANSWERS)
    assert capsys.readouterr().out.count("nothing yet") == len(ANSWERS)
