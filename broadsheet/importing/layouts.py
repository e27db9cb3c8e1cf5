"""Which layouts there are: ours, and those that other distributions bring."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import entry_points

from broadsheet.config import Settings
from broadsheet.errors import UsageError
from broadsheet.importing import table_list
from broadsheet.importing.cv import Cv
from broadsheet.importing.digests import Layout
from broadsheet.importing.hf import Hf
from broadsheet.importing.pages import words_of

logger = logging.getLogger(__name__)

GROUP = "broadsheet.layouts"
"""The entry point group of layouts; see `broadsheet.importing.digests.Layout`."""


def all_layouts(settings: Settings) -> list[Layout]:
    """Every layout, those of other distributions first, so that they can be more particular.

    Raises:
        UsageError: an installed one cannot be loaded.
    """
    ours: list[Layout] = []
    for kind in (Cv, Hf):
        if words := words_of(settings, kind.name):
            ours.append(kind(words))
    return [*_installed(), *ours, table_list]


def _installed() -> list[Layout]:
    found: list[Layout] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            layout: Layout = point.load()
        except Exception as error:
            raise UsageError(
                f"cannot load layout {point.name} ({point.value}): {type(error).__name__}: {error}",
                "mend or uninstall the package that brings it",
            ) from error
        if lacking := [
            n for n in ("name", "looks_for", "recognises", "parse") if not hasattr(layout, n)
        ]:
            raise UsageError(
                f"cannot use layout {point.name} ({point.value}): it has no {lacking[0]}",
                "see docs/import.md",
            )
        found.append(layout)
    return found


def layout_of(text: str, layouts: Sequence[Layout]) -> Layout | None:
    """The first layout that recognises the text; None where none does."""
    return next((layout for layout in layouts if layout.recognises(text)), None)
