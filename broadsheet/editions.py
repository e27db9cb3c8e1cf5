"""An edition: one profile × one date with everything that is decided before its first step."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from uuid import uuid4

from broadsheet.analysis.desk import Desk
from broadsheet.analysis.prices import refuse_unpriced
from broadsheet.config import Profile, Settings, load_profile, load_settings
from broadsheet.lake import Lake
from broadsheet.rows import Row
from broadsheet.sources import Source, open_source
from broadsheet.sources.fulltext import FullTexts
from broadsheet.styles import Style, load_style


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What the steps of one digest share."""

    settings: Settings
    profile: Profile
    style: Style
    date: dt.date
    opened_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    run: str = field(default_factory=lambda: uuid4().hex)
    """What its spending is entered under."""

    @cached_property
    def lake(self) -> Lake:
        """The lake it reads and writes."""
        return Lake(self.settings.lake_root)

    @cached_property
    def desk(self) -> Desk:
        """Where its questions to models are answered."""
        return Desk(self.settings, self.lake, self.run)

    @cached_property
    def sources(self) -> list[Source]:
        """The profile's sources, in its order."""
        return [open_source(name, self.settings, self.profile) for name in self.profile.sources]

    @cached_property
    def fulltexts(self) -> FullTexts:
        """Where full texts are fetched from; made at the first one that is not stored."""
        return FullTexts(self.settings)

    @cached_property
    def earlier_analyses(self) -> list[Row]:
        """Its rows of `analyses` from earlier runs, read once for all papers."""
        return self.lake.rows("analyses", self.profile.name, date=self.date) or []

    def __str__(self) -> str:
        return f"{self.profile.name} {self.date}"


def open_edition(profile: str, date: dt.date) -> Edition:
    """The edition of that profile and date, by the settings in force.

    Raises:
        UsageError: settings, profile or style that cannot be used.
    """
    settings = load_settings()
    refuse_unpriced(settings)
    loaded = load_profile(settings, profile)
    style = load_style(settings, loaded.style, loaded.language)
    return Edition(settings=settings, profile=loaded, style=style, date=date)


def newest_date(profile: str) -> dt.date:
    """The newest date that the profile's first source has a list for.

    Raises:
        UsageError: settings or profile that cannot be used.
        SourceError: the source did not answer.
    """
    settings = load_settings()
    loaded = load_profile(settings, profile)
    return open_source(loaded.sources[0], settings, loaded).newest_date()
