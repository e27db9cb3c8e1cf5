"""What a chart looks like on light and on dark paper: the colours of the report's page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours, each as `#rrggbb`.

    Text (`ink`, `soft`, `accent`) has a contrast of at least 4.5 with `paper`, `series` of at
    least 3 (WCAG 2.2, 1.4.3 and 1.4.11); the series differ for the colour-blind too.
    """

    name: str
    paper: str
    ink: str
    soft: str
    line: str
    accent: str
    muted: str
    series: tuple[str, ...]


LIGHT = Theme(
    name="light",
    paper="#fbfaf6",
    ink="#1b1a17",
    soft="#6b6660",
    line="#d9d4ca",
    accent="#8a2b13",
    muted="#918b80",
    series=(
        "#3471bd",
        "#8a2b13",
        "#be7e30",
        "#183a34",
        "#3d9794",
        "#2a2f69",
        "#3d55e4",
        "#3a128c",
    ),
)
DARK = Theme(
    name="dark",
    paper="#171614",
    ink="#e9e5dc",
    soft="#a49d92",
    line="#3a3732",
    accent="#e59a7f",
    muted="#7c766c",
    series=(
        "#6fa4e4",
        "#e59a7f",
        "#d6cf62",
        "#509615",
        "#c33592",
        "#8c69ea",
        "#92d0e8",
        "#c9e5c9",
    ),
)
