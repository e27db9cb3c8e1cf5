"""Where the project's own SQL, report styles and profiles are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def project(folder: str) -> Path:
    """The project's `sql`, `reports` or `profiles`: of the checkout, else of the wheel."""
    packed = _PACKAGE / "_project" / folder
    return packed if packed.is_dir() else _PACKAGE.parent / folder
