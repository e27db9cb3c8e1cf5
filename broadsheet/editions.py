"""An edition: one profile × one date with everything that is decided before its first step."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit
from uuid import uuid4

from broadsheet.analysis.desk import Desk
from broadsheet.analysis.prices import refuse_unpriced
from broadsheet.config import Profile, Settings, load_profile, load_settings
from broadsheet.errors import LakeError, UsageError
from broadsheet.lake import Lake
from broadsheet.rows import Row
from broadsheet.sources import Source, open_source
from broadsheet.sources.fulltext import FullTexts
from broadsheet.state import State
from broadsheet.styles import Style, load_style

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What the steps of one digest share.

    It pickles with what is decided: another process opens the rest anew, once for all its steps.
    """

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

    def __reduce__(self) -> tuple[Callable[..., Edition], tuple[object, ...]]:
        settings = _placed(self.settings)
        # a new one: what a style has worked out holds a class that does not pickle
        style = replace(self.style, folder=self.style.folder.absolute())
        return _reopen, (settings, self.profile, style, self.date, self.opened_at, self.run)


_KEPT = 64  # editions that a worker process keeps open; a backfill makes 32 at once at most
_reopened: dict[str, Edition] = {}
_stopped: set[str] = set()
_reopening = Lock()


def _placed(settings: Settings) -> Settings:
    """The settings with places that are the same from any working directory."""
    places = {"lake": settings.lake_root, "state": settings.state_store}
    found = {k: v if "://" in v else str(Path(v).absolute()) for k, v in places.items()}
    return settings.model_copy(update={"home": settings.home.absolute(), **found})


def _reopen(
    settings: Settings,
    profile: Profile,
    style: Style,
    date: dt.date,
    opened_at: dt.datetime,
    run: str,
) -> Edition:
    """This process's edition of that run."""
    with _reopening:
        if run not in _reopened:
            edition = Edition(
                settings=settings,
                profile=profile,
                style=style,
                date=date,
                opened_at=opened_at,
                run=run,
            )
            _refuse_elsewhere(edition)
            _reopened[run] = edition
            desk = edition.desk  # here, so that threads do not make two
            if run in _stopped:
                desk.stop()
            for old in list(_reopened)[:-_KEPT]:
                del _reopened[old]
        return _reopened[run]


def stop(run: str) -> None:
    """Let the run's edition ask nothing more in this process, be it open here by now or not."""
    with _reopening:
        _stopped.add(run)
        if run in _reopened:
            _reopened[run].desk.stop()


def _refuse_elsewhere(edition: Edition) -> None:
    """Raise where the lake that the list was just written to is not to be seen from here."""
    root = edition.settings.lake_root
    if "://" not in root and not Path(root).is_dir():
        raise LakeError(
            f"cannot read lake {root} from a worker of {edition}: there is no such folder",
            "mount it there at the same path, or keep the lake at a URL that all machines reach",
        )


def open_edition(profile: str, date: dt.date) -> Edition:
    """The edition of that profile and date, by the settings in force.

    Raises:
        UsageError: settings, profile or style that cannot be used.
    """
    settings = load_settings()
    refuse_unpriced(settings)
    _refuse_unready(settings)
    loaded = load_profile(settings, profile)
    style = load_style(settings, loaded.style, loaded.language)
    return Edition(settings=settings, profile=loaded, style=style, date=date)


def _refuse_unready(settings: Settings) -> None:
    """Raise where the task runner cannot be used as it is set."""
    runner, address = settings.task_runner, settings.task_runner_address
    if runner == "threads":
        return
    if not find_spec(f"prefect_{runner}"):
        raise UsageError(
            f"cannot use task_runner {runner}: prefect-{runner} is not installed",
            f"pip install 'broadsheet[{runner}]'",
        )
    if address and not _is_here(address) and "://" not in settings.state_store:
        raise UsageError(
            f"cannot use task_runner_address {address}: quotas and money are kept in a file of this"
            " machine, which workers on others would not share",
            "set BROADSHEET_STATE to a postgresql:// URL, or make it an address of 127.0.0.1",
        )


def _is_here(address: str) -> bool:
    """Whether the address is one of this machine's own."""
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def newest_date(profile: str) -> dt.date:
    """The newest date that the profile's first source has a list for.

    Raises:
        UsageError: settings or profile that cannot be used.
        SourceError: the source did not answer.
    """
    settings = load_settings()
    loaded = load_profile(settings, profile)
    return open_source(loaded.sources[0], settings, loaded).newest_date()


@contextmanager
def alone(edition: Edition) -> Iterator[None]:
    """Hold the edition, so that no other run makes it at the same time; waits for one that does.

    Raises:
        StateError: what workers share cannot be used.
    """

    def say_so() -> None:
        logger.info("another run is making %s: waiting for its end", edition)

    with State(edition.settings.state_store).alone(f"edition {edition}", say_so):
        yield
