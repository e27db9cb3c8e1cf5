"""A small history for the site's tests: three profiles in two languages, every kind of digest."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from builders import DAY, HOUR, NOON, SECTIONS, paper, write_digest, write_list, write_scores
from selectolax.lexbor import LexborHTMLParser

from broadsheet.config import load_settings
from broadsheet.lake import Lake
from broadsheet.site import building

FIRST, SECOND, THIRD = "2601.00001", "2601.00002", "2601.00003"
NEXT = DAY + dt.timedelta(days=1)
SATURDAY = dt.date(2026, 1, 10)


def write_analysis(lake: Lake, name: str, style: str = "cv", **more: Any) -> None:
    """The analysis of a paper by a model, in that style's sections."""
    row = {
        "style": style,
        "profile": style,
        "paper_id": name,
        "question": f"question-{name}",
        "language": "zh",
        "status": "complete",
        "model": "maker/model-1",
        "prompt_version": f"{style}-1",
        "reading_source": "html",
        "sections": json.dumps(SECTIONS[style]),
        "extract": [],
        "flags": [],
        "analyzed_at": NOON,
        **more,
    }
    lake.write("analyses", [row], f"{style}-{row['paper_id']}-{row['question']}", date=DAY)


def write_history(lake: Lake) -> None:
    """Three days of `cv` in Chinese, one partial and one empty; one of `agents` in English."""
    common: dict[str, Any] = {"authors": ["Ada Wind", "B. Low"], "ai_keywords": ["Kites-in wind"]}
    listed = [paper(name, upvotes=7, **common) for name in (FIRST, SECOND, THIRD)]
    write_list(lake, *listed)
    grown = [{**one, "upvotes": 9} for one in listed]
    write_list(lake, *grown, at=NOON + HOUR)
    write_list(lake, *grown, date=NEXT, at=NOON + 24 * HOUR)
    write_scores(lake, {"paper_id": FIRST, "position": 1}, {"paper_id": SECOND, "position": 2})
    chinese = {**SECTIONS["cv"], "innovation": "用灯笼逐个计数光子，鲁棒性更好。"}
    write_analysis(lake, FIRST, sections=json.dumps(chinese))
    write_analysis(
        lake,
        SECOND,
        status="pending",
        pending_reason="rate",
        model="extractive",
        sections="{}",
        extract=["We count $x^2$ photons."],
    )
    write_analysis(lake, THIRD, "hf", language="en", profile="agents")
    write_digest(lake, [FIRST, SECOND], pending=[SECOND], outcome="partial", language="zh")
    write_digest(lake, [FIRST], date=NEXT, language="zh")
    write_digest(lake, [], date=SATURDAY, outcome="empty", language="zh")
    write_digest(lake, [THIRD], profile="agents", style="hf", language="en")


def build(out: Path, **how: Any) -> building.Built:
    """The site, without its search index."""
    return building.build(load_settings(), out, is_searched=False, **how)


def page(site: Path, path: str) -> LexborHTMLParser:
    """That page of the site."""
    return LexborHTMLParser((site / path).read_text(encoding="utf-8"))


def text(site: Path, path: str) -> str:
    """What a reader sees of that page, in one line."""
    main = page(site, path).css_first("main")
    assert main is not None
    return " ".join(main.text(separator=" ").split())
