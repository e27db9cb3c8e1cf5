"""Named questions that are pictures, drawn as SVG or PNG on light or dark paper.

`draw` makes bytes of an answer's rows and nothing else; the library that draws is imported then.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from broadsheet.asking import answer, find, named, pair
from broadsheet.charts import bars, lines, scores
from broadsheet.charts.figures import Figure
from broadsheet.charts.themes import DARK as DARK
from broadsheet.charts.themes import LIGHT as LIGHT
from broadsheet.charts.themes import Theme as Theme
from broadsheet.config import load_settings
from broadsheet.errors import UsageError
from broadsheet.queries import Query
from broadsheet.rows import to_rows

FORMATS = ("svg", "png")

CHARTS: Mapping[str, Callable[[Sequence[Mapping[str, Any]], Theme], Figure]] = {
    "costs": bars.costs,
    "delays": lines.delays,
    "outcomes": bars.outcomes,
    "reading_sources": bars.reading_sources,
    "score_and_upvotes": scores.score_and_upvotes,
    "score_distribution": scores.score_distribution,
    "topics_by_week": lines.topics_by_week,
}
_FILLED_BY = {
    "costs": "it has rows once a language model answered: configure one, then broadsheet run",
    "outcomes": "it has rows once something ran: broadsheet run",
}


def draw(name: str, rows: pa.Table, *, theme: Theme = LIGHT, format: str = "svg") -> bytes:
    """The picture of that question's rows: the same rows, the same bytes.

    An SVG is UTF-8 on no background, with title and description, its texts as text, nothing to
    load and nothing that runs; a PNG is on the theme's paper.

    Raises:
        UsageError: no rows, nothing known in them, no chart of that name, an unknown format.
    """
    chart = _chart(name)
    _refuse_unknown(format)
    if not rows.num_rows:
        filled = _FILLED_BY.get(name, "make digests first: broadsheet run, broadsheet backfill")
        raise UsageError(
            f"nothing to draw for {name}: the question has no rows with these parameters", filled
        )
    from broadsheet.charts import svg

    figure = chart(to_rows(rows), theme)
    source = f"Source: the digests' own history, broadsheet sql {name}"
    if format == "png":
        return svg.as_png(figure, theme, source)
    return svg.as_svg(figure, theme, source).encode()


def picture(name: str | None, out: Path | None, params: Sequence[str], theme: Theme) -> bytes:
    """The chart of the history as `broadsheet chart` draws it, written to `out` if that is given.

    Args:
        name: of the chart, which is that of its question.
        out: where to; its ending says the format. None: an SVG for standard output.
        params: `name=value` each, the question's own.
        theme: light or dark.

    Raises:
        UsageError: what `draw` and `asking.answer` say, nothing named, no terminal's picture, or a
            file that cannot be written.
    """
    if name is None:
        raise UsageError("no chart named", "broadsheet chart NAME; --list shows all")
    asked = question(name)
    if out is None and sys.stdout.isatty():
        raise UsageError("a picture is no text for a terminal", f"--out {name}.svg, or redirect it")
    format = out.suffix.lower().removeprefix(".") if out else "svg"
    _refuse_unknown(format)
    rows = answer(asked, dict(map(pair, params)), load_settings())
    drawn = draw(name, rows, theme=theme, format=format)
    if out is not None:
        _write(out, drawn)
    return drawn


def _write(out: Path, drawn: bytes) -> None:
    try:
        out.write_bytes(drawn)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"cannot write {out}: {reason}", "give another --out") from error


def _refuse_unknown(format: str) -> None:
    if format not in FORMATS:
        raise UsageError(f"unknown format of a picture: {format!r}", "end it in .svg or .png")


def question(name: str) -> Query:
    """The named question behind the chart.

    Raises:
        UsageError: there is no such chart.
    """
    _chart(name)
    return find(name)


def list_charts() -> list[str]:
    """A line for each chart: its name, and what the question answers."""
    about = {query.short_name: query.about for query in named()}
    return [f"{name:20}  {about[name]}" for name in CHARTS]


def _chart(name: str) -> Callable[[Sequence[Mapping[str, Any]], Theme], Figure]:
    if chart := CHARTS.get(name):
        return chart
    if any(query.name == f"history.{name}" for query in named()):
        raise UsageError(f"{name} is no picture", f"broadsheet sql {name} prints it")
    nearest = difflib.get_close_matches(name, CHARTS, n=1)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise UsageError(f"no chart named {name}", f"{hint}--list shows all")
