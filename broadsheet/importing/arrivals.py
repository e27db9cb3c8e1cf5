"""Importing files one by one: what each was recognised as, and what became of its digests."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from broadsheet.config import Settings
from broadsheet.errors import BroadsheetError, UnknownShape, UsageError
from broadsheet.importing.digests import ImportedDigest, ImportedPaper, Layout, each_once
from broadsheet.importing.files import files_in, read
from broadsheet.importing.layouts import all_layouts, layout_of
from broadsheet.importing.storing import Became, Storing
from broadsheet.importing.table_list import slug

logger = logging.getLogger(__name__)

_NAMED = 5  # files that are no digest
_PROFILE = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """What became of one file."""

    path: Path
    layout: str = ""
    """What it was recognised as; empty where it is no digest."""
    digests: tuple[tuple[str, ImportedDigest, Became], ...] = ()
    """Profile, content and fate of each."""
    error: BroadsheetError | None = None
    """Why nothing of it was imported, or not all."""
    is_digest: bool = True
    """False for a file of a folder that is no digest, which is no error."""

    @property
    def counts(self) -> Counter[Became]:
        """How many digests became what."""
        return Counter(became for _, _, became in self.digests)


def import_all(
    paths: Sequence[Path], settings: Settings, profile: str | None = None, *, is_dry: bool = False
) -> Iterator[Arrival]:
    """What becomes of every file, in the order of the paths; a bad one stops no other.

    Args:
        paths: files and folders.
        settings: where lake and styles are.
        profile: whose digests they become; None: what the layout names.
        is_dry: whether nothing is written.

    Raises:
        UsageError: a path that is not there, or a profile's name that cannot be one; before
            anything was imported.
    """
    if profile is not None and not _PROFILE.fullmatch(profile):
        raise UsageError(f"no name of a profile: {profile!r}", "use a to z, 0 to 9 and -")
    found = [(file, path.is_dir()) for path in paths for file in files_in(path)]
    layouts, storing = all_layouts(settings), Storing(settings=settings, is_dry=is_dry)
    return (_arrive(file, by_folder, layouts, storing, profile) for file, by_folder in found)


def _arrive(
    path: Path, by_folder: bool, layouts: Sequence[Layout], storing: Storing, profile: str | None
) -> Arrival:
    try:
        text = read(path)
        layout = layout_of(text, layouts)
    except UnknownShape as error:
        return Arrival(path=path, error=error, is_digest=not by_folder)
    if layout is None:
        return Arrival(path=path, error=_unrecognised(layouts), is_digest=not by_folder)
    stored: list[tuple[str, ImportedDigest, Became]] = []
    try:
        for name, digest in _named(_parsed(layout, text), path, profile):
            stored.append((name, digest, storing.store(digest, name)))
    except BroadsheetError as error:
        return Arrival(path=path, layout=layout.name, digests=tuple(stored), error=error)
    return Arrival(path=path, layout=layout.name, digests=tuple(stored))


def _unrecognised(layouts: Sequence[Layout]) -> UnknownShape:
    known = "; ".join(f"{layout.name}: {layout.looks_for}" for layout in layouts)
    return UnknownShape("it is no digest of a known layout", f"looked for: {known}")


def _parsed(layout: Layout, text: str) -> tuple[ImportedDigest, ...]:
    try:
        return layout.parse(text)
    except BroadsheetError:
        raise
    except Exception as error:  # a layout may be anybody's
        raise UnknownShape(
            f"layout {layout.name} cannot read it: {type(error).__name__}: {error}",
            "report this to whoever wrote the layout",
        ) from error


def _named(
    digests: Sequence[ImportedDigest], path: Path, profile: str | None
) -> list[tuple[str, ImportedDigest]]:
    """The digests with the profiles that they are for, one for each profile and date."""
    found: dict[tuple[str, object], ImportedDigest] = {}
    for digest in digests:
        name = profile or digest.profile or slug(path.stem) or digest.layout
        before = found.get((name, digest.date))
        found[name, digest.date] = _joined(before, digest) if before else digest
    return [(name, digest) for (name, _), digest in found.items()]


def _joined(one: ImportedDigest, other: ImportedDigest) -> ImportedDigest:
    """Two topics of a page that are to be the same profile's."""
    papers: list[ImportedPaper] = [*one.papers, *other.papers]
    unique, repeated = each_once(papers)
    return replace(one, papers=unique, repeated=one.repeated + other.repeated + repeated)


def line(arrival: Arrival, *, is_dry: bool = False) -> str:
    """What became of the file, in one line."""
    if arrival.error:
        done = f"{len(arrival.digests)} digests, then: " if arrival.digests else ""
        layout = f"{arrival.layout}: " if arrival.layout else ""
        remedy = f"; {arrival.error.remedy}" if arrival.error.remedy else ""
        return f"{arrival.path}: not imported: {layout}{done}{arrival.error}{remedy}"
    papers = sum(len(digest.papers) for _, digest, _ in arrival.digests)
    parts = [_counted(papers, "paper")]
    if failed := [paper for _, digest, _ in arrival.digests for paper in digest.failed]:
        reasons = ", ".join(sorted({str(paper.pending_reason) for paper in failed}))
        parts.append(f"{len(failed)} without an analysis ({reasons})")
    if repeated := sum(digest.repeated for _, digest, _ in arrival.digests):
        parts.append(f"{repeated} repeated and left out")
    return f"{arrival.path}: {_what(arrival)}, {', '.join(parts)}: {_fate(arrival, is_dry)}"


def _what(arrival: Arrival) -> str:
    """Layout, and profile and date where there is one digest."""
    if len(arrival.digests) == 1:
        [(profile, digest, _)] = arrival.digests
        return f"{arrival.layout}, {profile} {digest.date}"
    profiles = sorted({profile for profile, _, _ in arrival.digests})
    return (
        f"{arrival.layout}, {_counted(len(arrival.digests), 'digest')} of "
        f"{', '.join(profiles[:3])}{' …' if len(profiles) > 3 else ''}"
    )


def _fate(arrival: Arrival, is_dry: bool) -> str:
    would = {Became.WRITTEN: "would be written", Became.REPLACED: "would be replaced"}
    words = {became: would.get(became, became) if is_dry else became for became in Became}
    if len(arrival.digests) == 1:
        return str(words[arrival.digests[0][2]])
    return ", ".join(f"{n} {words[became]}" for became, n in arrival.counts.items())


def left_out(files: Sequence[Path]) -> str:
    """The files of folders that are no digests, in one line."""
    named = ", ".join(str(path) for path in files[:_NAMED])
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return f"{_counted(len(files), 'file')} no digest: {named}{more}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
