"""Building the site: what changed is set anew and appears whole, what is no longer there goes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from broadsheet.config import Settings
from broadsheet.errors import SiteError, UsageError
from broadsheet.site import searching
from broadsheet.site.content import Content, read
from broadsheet.site.extras import extras
from broadsheet.site.pages import File, pages
from broadsheet.site.press import Press
from broadsheet.state import State
from broadsheet.stores import aside_name

logger = logging.getLogger(__name__)

MANIFEST = ".broadsheet.json"
"""In the site's root: every file of it with the fingerprint of what it was made from."""
SHARED = frozenset({"assets", "charts", "pagefind"})
"""Folders of the site's root that no profile can be named like, beside the languages."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """What a build did, counts of files."""

    site: Path
    files: int
    written: int
    removed: int
    indexed: int | None
    """Pages in the search index; None where that was left as it was."""

    def __str__(self) -> str:
        told = f"{self.site / 'index.html'}: {self.written} of {self.files} files written"
        told += f", {self.removed} removed" if self.removed else ""
        return told + (f", {self.indexed} pages indexed" if self.indexed is not None else "")


def build(
    settings: Settings, out: Path | None = None, *, is_full: bool = False, is_searched: bool = True
) -> Built:
    """Bring the site up to date with the history.

    Args:
        settings: in force.
        out: folder of the site; default `<home>/site`.
        is_full: set every page anew.
        is_searched: bring the search index up to date as well.

    Raises:
        UsageError: there is no digest yet, or the folder holds something else.
        SiteError: the folder cannot be written.
        LakeError, WarehouseError: the history cannot be read.
    """
    site = out or settings.home / "site"
    with State(settings.state_store).alone(f"site {site.absolute()}"):
        content = read(settings)
        press = _press(settings, content)
        files = [*pages(content, press), *extras(content, press)]
        try:
            return _bring_up_to_date(site, files, press, is_full, is_searched)
        except OSError as error:
            raise SiteError(
                f"cannot write the site {site}: {error}", "make that folder writable"
            ) from error


def _press(settings: Settings, content: Content) -> Press:
    newest = {issue.profile: issue for issue in reversed(content.issues)}
    if not newest:
        raise UsageError("there is no digest yet to make pages of", "broadsheet run makes one")
    languages = [issue.language for issue in newest.values()]
    distinct = sorted(set(languages), key=lambda one: (-languages.count(one), one))
    if taken := sorted(newest.keys() & {*SHARED, *distinct}):
        raise UsageError(
            f"profile {taken[0]} has the name of a folder of the site", "name the profile otherwise"
        )
    told = sorted((name, issue.title, issue.language) for name, issue in newest.items())
    return Press(
        title=settings.site_title,
        url=f"{(settings.site_url or LOCAL).rstrip('/')}/",
        profiles=tuple(told),
        languages=tuple(distinct),
        styles=content.styles,
    )


LOCAL = "http://127.0.0.1:8000"
"""Where `site serve` has it: the feeds' addresses where `site_url` is not set."""


def _bring_up_to_date(
    site: Path, files: Sequence[File], press: Press, is_full: bool, is_searched: bool
) -> Built:
    noted = _manifest(site)
    made = {path: mark for path, mark in noted.items() if path != searching.FOLDER}
    wanted = {file.path: _fingerprint(file, press) for file in files}
    changed = [
        file
        for file in files
        if is_full or made.get(file.path) != wanted[file.path] or not (site / file.path).is_file()
    ]
    gone = sorted(made.keys() - wanted.keys())
    if changed or gone:
        # a killed build leaves no page that its manifest takes for what it no longer is
        unsure = {searching.FOLDER, *(file.path for file in changed)}
        _note(site, {path: mark for path, mark in noted.items() if path not in unsure})
        for file in changed:
            _write(site / file.path, file.make())
        for path in gone:
            (site / path).unlink(missing_ok=True)
    indexed = _index(site, wanted, noted) if is_searched else None
    if changed or gone or indexed is not None:
        mark = {searching.FOLDER: _searchable(wanted)} if is_searched else {}
        _note(site, {**wanted, **mark})
    logger.info("set %d of %d pages of %s", len(changed), len(wanted), site)
    return Built(
        site=site,
        files=len(wanted),
        written=len(changed),
        removed=len(gone),
        indexed=indexed,
    )


def _index(site: Path, wanted: Mapping[str, str], noted: Mapping[str, str]) -> int | None:
    """How many pages were indexed anew; None where the index is that of the pages wanted."""
    is_there = (site / searching.FOLDER).is_dir()
    if is_there and noted.get(searching.FOLDER) == _searchable(wanted):
        return None
    return searching.index(site)


def _searchable(wanted: Mapping[str, str]) -> str:
    papers = sorted(item for item in wanted.items() if "/papers/" in item[0])
    return hashlib.sha256(json.dumps(papers).encode()).hexdigest()[:32]


def _fingerprint(file: File, press: Press) -> str:
    told = f"{press.signature}\0{file.path}\0{file.facts!r}"
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:32]


def _manifest(site: Path) -> dict[str, str]:
    manifest = site / MANIFEST
    if manifest.is_file():
        found: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
        return found
    if site.exists() and (not site.is_dir() or any(site.iterdir())):
        raise UsageError(
            f"{site} is no site of ours and not empty: nothing was written there",
            "give an empty folder with --out",
        )
    return {}


def _note(site: Path, manifest: Mapping[str, str]) -> None:
    _write(site / MANIFEST, json.dumps(manifest, indent=0, sort_keys=True).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(aside_name(path.name))
    aside.write_bytes(content)
    aside.replace(path)
