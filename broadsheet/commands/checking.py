"""What commands check before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broadsheet.errors import UsageError

if TYPE_CHECKING:
    import datetime as dt

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")]


def calendar_day(text: str) -> dt.date:
    """The date that is written like 2026-01-31."""
    import datetime as dt

    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"not a date: {text!r} ({error})", "write it as 2026-01-31") from error
    if day.year < 1991:
        raise UsageError(f"no list of {text}: arXiv began in 1991", "give a later date")
    return day


def prepared(profiles: Sequence[str]) -> list[str]:
    """The profiles' names; they, settings and home are checked before anything starts."""
    from broadsheet.config import load_profile, load_settings, profile_names
    from broadsheet.styles import load_style

    settings = load_settings()
    names = list(dict.fromkeys(profiles)) or profile_names(settings)
    if not names:
        raise UsageError(
            f"there is no profile in {settings.profiles}", "write one, or set BROADSHEET_PROFILES"
        )
    for name in names:
        profile = load_profile(settings, name)
        load_style(settings, profile.style, profile.language)
    _refuse_unwritable(settings.home)
    return names


def _refuse_unwritable(home: Path) -> None:
    import tempfile

    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write to home {home}: {error.strerror}",
            "set BROADSHEET_HOME to a folder you own",
        ) from error
