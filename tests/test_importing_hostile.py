"""Files made to break a reader end in an error or in harmless text, and soon."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_pages import (
    CV_ANALYSIS,
    QUOTA,
    cv_article,
    cv_page,
    hf_analysis,
    hf_block,
    hf_page,
    table_page,
    table_row,
)

from broadsheet.config import load_settings
from broadsheet.errors import UnknownShape
from broadsheet.importing.arrivals import import_all
from broadsheet.importing.failures import is_error
from broadsheet.importing.files import MOST_BYTES, read
from broadsheet.importing.layouts import all_layouts, layout_of
from broadsheet.models import Status
from broadsheet.rendering import prose

SECONDS = 2.0
PAGE = cv_page(cv_article())


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (PAGE.encode() + b"\0", "NUL"),
        (PAGE.encode() + b"\xff\xfe", "not UTF-8"),
        (PAGE.encode("utf-16"), "NUL|not UTF-8"),
        (PAGE.encode() + b"x" * 10_000_000, "larger than"),
        (PAGE.encode() + b"x" * 3_000_000, "longer than 20,000"),
        ((PAGE + "> " * 9_000).encode(), "nested too deeply"),
        ((PAGE + "1. " * 6_000).encode(), "nested too deeply"),
        ((PAGE + " " * 15_000).encode(), "nested too deeply"),
        ((PAGE + "\n" * 300_000).encode(), "100,000 lines"),
    ],
)
def test_what_no_page_can_be_is_refused_soon(raw: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_bytes(raw)
    began = time.monotonic()
    with pytest.raises(UnknownShape, match=says) as raised:
        read(file)
    assert time.monotonic() - began < SECONDS
    assert raised.value.remedy


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    with file.open("wb") as sparse:
        sparse.truncate(200_000_000)
    began = time.monotonic()
    [arrival] = import_all([file], load_settings())
    assert f"larger than {MOST_BYTES // 1_000_000} MB" in str(arrival.error)
    assert time.monotonic() - began < SECONDS


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    [arrival] = import_all([tmp_path / "pipe"], load_settings())
    assert "no ordinary file" in str(arrival.error)


DEEP_QUOTES = "\n".join("> " * n + "x" for n in range(1, 400))
DEEP_LISTS = "\n".join("  " * n + "* x" for n in range(400))


@pytest.mark.parametrize(
    "body",
    [
        CV_ANALYSIS + DEEP_QUOTES,
        CV_ANALYSIS + DEEP_LISTS,
        CV_ANALYSIS + "*" * 19_000,
        CV_ANALYSIS + "(" * 19_000,
        CV_ANALYSIS + "**" + " " * 900 + "x" * 18_000,
        CV_ANALYSIS + "[" * 9_000 + "](" * 4_000,
        CV_ANALYSIS + "1. **核心创新点** (" * 1_000,
        ("### 1. " + "（" * 15_000 + "\n") * 50,
        "\n".join(["error"] * 90_000),
        "a\n" * 90_000,
    ],
)
def test_deep_and_long_texts_are_read_and_rendered_soon(body: str) -> None:
    began = time.monotonic()
    text = cv_page(cv_article(body=body))
    layout = layout_of(text, all_layouts(load_settings()))
    assert layout is not None
    [digest] = layout.parse(text)
    assert time.monotonic() - began < SECONDS
    for value in digest.papers[0].sections.values():
        for one in (value,) if isinstance(value, str) else value:
            prose(one)
    assert time.monotonic() - began < 2 * SECONDS


def test_a_table_of_many_bars_is_read_soon() -> None:
    rows = ["|" * 19_000, "| " * 9_000, "|" + " " * 900 + "*" * 18_000, "|**2026-01-06**" * 1_000]
    began = time.monotonic()
    text = table_page(*rows * 20, *["|2026-01-06|" + "[" * 19_000] * 20, table_row())
    layout = layout_of(text, all_layouts(load_settings()))
    assert layout is not None and len(layout.parse(text)) == 1
    assert time.monotonic() - began < SECONDS


WHOLE = (
    cv_page(cv_article(1), cv_article(2, QUOTA)),
    hf_page(hf_block(1), hf_block(2, hf_analysis("bold")), hf_block(3, QUOTA)),
    table_page(table_row(1), table_row(2)),
)
SCRAPS = st.sampled_from(
    [
        "",
        "\n",
        "###",
        "**",
        "：",
        "`",
        "\\",
        "<",
        "&lt;",
        "|",
        "---\n",
        "\n\n### 1. 核心创新点\n",
        "1. **应用领域**：",
        "**来历**: 模型 x · 提示词 y\n",
        "**评分**: 999/100\n",
        "## 📄 ",
        "## 待完成\n- x (2601.00001): y\n",
        "### <a id='item-9'></a>9. x\n",
        "2026-99-99",
        QUOTA,
        "Error code: 429 - rate_limit_error",
    ]
)


@st.composite
def mutilated(draw: Any) -> str:
    """A page with pieces cut out, doubled, and scraps put in."""
    text = draw(st.sampled_from(WHOLE))
    for _ in range(draw(st.integers(1, 6))):
        start, end = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
        scrap = draw(SCRAPS | st.text(max_size=8) | st.just(text[start:end]))
        text = text[:start] + scrap + (text[end:] if draw(st.booleans()) else text[start:])
    return text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutilated())
def test_a_mutilated_page_is_an_error_or_a_digest_without_an_error_text(text: str) -> None:
    layout = layout_of(text, all_layouts(load_settings()))
    if layout is None:
        return
    try:
        digests = layout.parse(text)
    except UnknownShape as error:
        assert error.remedy
        return
    for paper in (paper for digest in digests for paper in digest.papers):
        texts = [t for v in paper.sections.values() for t in ((v,) if isinstance(v, str) else v)]
        assert not any(is_error(each) for each in [*texts, *paper.extract])
        assert paper.title and (paper.score is None or 0 <= paper.score <= 100)
        assert bool(texts) == (paper.status is Status.COMPLETE and not paper.extract)
