"""The files of the site that are no pages: feeds, charts, style sheets and scripts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from broadsheet import charts
from broadsheet.charts.themes import DARK, LIGHT
from broadsheet.rows import to_rows
from broadsheet.site.content import Content
from broadsheet.site.pages import File
from broadsheet.site.press import ASSETS, FOLDER, Press


def extras(content: Content, press: Press) -> Iterator[File]:
    """All of them; each path once."""
    for name in ASSETS:
        if (FOLDER / name).is_file():
            yield File(path=f"assets/{name}", facts=None, make=(FOLDER / name).read_bytes)
    for name in charts.CHARTS:
        for theme in (LIGHT, DARK):
            rows = content.answers[name]
            if rows.num_rows:
                yield File(
                    path=f"charts/{name}-{theme.name}.svg",
                    facts=to_rows(rows),
                    make=partial(charts.draw, name, rows, theme=theme),
                )
