"""Repairing: what published digests still lack, and a digest with that and nothing else changed.

No list is read again, nothing is scored or selected: the picks are those published, put together
from what is stored. What was complete stays as it was published, whatever was set since. Of papers
of imported digests no list is stored: those to finish are looked up at arXiv.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import get_args

from broadsheet.analysis.prices import refuse_unpriced
from broadsheet.config import (
    Profile,
    Settings,
    SourceName,
    load_profile,
    load_settings,
    profile_names,
)
from broadsheet.editions import Edition, open_edition
from broadsheet.errors import LakeError, UsageError
from broadsheet.importing.abstracts import as_picked, look_up
from broadsheet.importing.storing import IMPORTED
from broadsheet.lake import Lake
from broadsheet.models import Analysis, Article, Digest, Pick, Status
from broadsheet.publishing import Published, publish, stored_analysis
from broadsheet.rows import Row, to_rows
from broadsheet.scoring import NOTHING, pick_of
from broadsheet.sources.fulltext import FullTexts
from broadsheet.styles import load_style
from broadsheet.views import Only, Partition
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

LOOK_AGAIN_DAYS = 30
"""How long arXiv is asked again for a page that was not there, days."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """What the steps of one repair share."""

    settings: Settings
    profiles: tuple[str, ...]
    """Whose digests; empty: everybody's."""
    since: dt.date | None
    opened_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @cached_property
    def lake(self) -> Lake:
        """The lake it reads and writes."""
        return Lake(self.settings.lake_root)

    @cached_property
    def pages(self) -> FullTexts:
        """Where pages are looked for, through one client for all digests."""
        return FullTexts(self.settings)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """An article that a repair may finish; see `sql/marts/unfinished.sql`."""

    profile: str
    date: dt.date
    paper_id: str
    style: str
    language: str
    origin: str
    is_pending: bool
    is_missed: bool
    is_outdated: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Missed:
    """A paper whose page was not there when its text for that date was read."""

    date: dt.date
    pick: Pick


@dataclass(frozen=True, kw_only=True, slots=True)
class Issue:
    """A digest as it was published."""

    picks: tuple[Pick, ...]
    """All of them, in its order."""
    analyses: Mapping[str, Analysis]
    """As published, by paper; those that the lake has lost are not there."""
    open_papers: frozenset[str]
    """The papers to finish."""
    rows: tuple[Row, ...]
    """Its rows of the table `digests`."""

    @property
    def open_picks(self) -> list[Pick]:
        """The picks to finish."""
        return [pick for pick in self.picks if pick.paper_id in self.open_papers]


def open_repair(profiles: Sequence[str] | None = None, since: dt.date | None = None) -> Repair:
    """The repair of these profiles' digests, of all without any, by the settings in force.

    Raises:
        UsageError: settings or profiles that cannot be used.
    """
    settings = load_settings()
    names = tuple(dict.fromkeys(profiles or ()))
    for name in names:
        load_profile(settings, name)
    return Repair(settings=settings, profiles=names, since=since)


def find_missed(repair: Repair) -> list[Missed]:
    """The papers worth asking arXiv for again, each once per date; may be empty."""
    wanted = {(o.date, o.paper_id): (o.profile, o.date) for o in _unfinished(repair) if o.is_missed}
    rows = _published(repair.lake, set(wanted.values()))
    picks = {(row["date"], row["paper_id"]): pick_of(row) for row in rows if row["abstract"]}
    found = [Missed(date=key[0], pick=picks[key]) for key in wanted if key in picks]
    logger.info("found %d papers whose page was not there", len(found))
    return found


def find_editions(repair: Repair) -> list[tuple[str, dt.date]]:
    """Profile and date of every digest with something to finish, oldest first; may be empty."""
    unfinished = [one for one in _unfinished(repair) if one.is_pending or one.is_outdated]
    found: list[tuple[str, dt.date]] = []
    for (name, date), one in {(one.profile, one.date): one for one in unfinished}.items():
        if reason := _unrepairable(repair.settings, one):
            logger.warning("digest %s %s is not repaired: %s", name, date, reason)
        else:
            found.append((name, date))
    logger.info("found %d digests to repair", len(found))
    return found


def _unfinished(repair: Repair) -> list[Unfinished]:
    """What is unfinished of the digests that the repair is about, as their profiles want it."""
    # without texts every abstract counts as missed: so few digests are left to look at closely
    tables = {name: none for name, none in NOTHING.items() if name not in ("digests", "analyses")}
    rough = _look_up(repair.lake, tables, repair.settings, repair.opened_at, repair.since)
    editions = {(one.profile, one.date) for one in rough}
    asked = {(n, date) for n, date in editions if not repair.profiles or n in repair.profiles}
    found = _look_up(repair.lake, _partitions(asked), repair.settings, repair.opened_at)
    profiles = {name: _profile(repair.settings, name) for name, _ in asked}
    return [_as_wanted(one, profiles[one.profile]) for one in found]


def _partitions(editions: Collection[tuple[str, dt.date]]) -> Only:
    """What `sql/marts/unfinished.sql` reads of these profiles and dates."""
    dates: list[Partition] = [{"date": date} for date in sorted({date for _, date in editions})]
    digests: list[Partition] = [{"profile": name, "date": date} for name, date in sorted(editions)]
    return {**NOTHING, "digests": digests, "analyses": dates, "fulltexts": dates}


def _look_up(
    lake: Lake, only: Only, settings: Settings, at: dt.datetime, since: dt.date | None = None
) -> list[Unfinished]:
    with Warehouse(lake, only, ["marts.unfinished"]) as warehouse:
        rows = warehouse.run(
            "marts.unfinished",
            as_of=at,
            within_days=LOOK_AGAIN_DAYS,
            since=since,
            is_sample=settings.is_sample,
        )
    return [Unfinished(**row) for row in to_rows(rows)]  # type: ignore[arg-type]


def _profile(settings: Settings, name: str) -> Profile | None:
    """The profile; None where there is none, or none that can be used."""
    try:
        return load_profile(settings, name)
    except UsageError:  # said where its digest is opened
        return None


def _as_wanted(one: Unfinished, profile: Profile | None) -> Unfinished:
    """The article without the wish for a page, where its profile has none."""
    wants_page = profile is not None and profile.read == "fulltext"
    return one if wants_page else replace(one, is_missed=False, is_outdated=False)


def _unrepairable(settings: Settings, one: Unfinished) -> str:
    """Why the article's digest is left as it is; empty where it is not."""
    if one.origin == IMPORTED:  # it has a style and language of its own
        return ""
    if one.profile not in profile_names(settings):
        return "its profile no longer exists"
    profile = _profile(settings, one.profile)
    if profile is None or (profile.style, profile.language) == (one.style, one.language):
        return ""
    return f"its profile no longer has the style {one.style} in {one.language}; make it anew"


def _published(lake: Lake, editions: Collection[tuple[str, dt.date]]) -> list[Row]:
    """The rows of `sql/marts/published.sql` for these profiles and dates."""
    digests: list[Partition] = [{"profile": name, "date": date} for name, date in sorted(editions)]
    listings: list[Partition] = [
        {"source": source, "date": date}
        for date in sorted({date for _, date in editions})
        for source in get_args(SourceName)
    ]
    only = {**NOTHING, "digests": digests, "scores": digests, "listings": listings}
    with Warehouse(lake, only, ["marts.published"]) as warehouse:
        return to_rows(warehouse.run("marts.published"))


def open_published(profile: str, date: dt.date) -> Edition:
    """The edition of a digest that was published, in its own style and language if imported.

    An imported digest needs no profile file; one of its name says the rest, such as what is read.

    Raises:
        UsageError: settings, profile or style that cannot be used.
    """
    settings = load_settings()
    rows = Lake(settings.lake_root).rows("digests", "digest", profile=profile, date=date)
    known = _profile(settings, profile)
    if not rows or rows[0]["origin"] != IMPORTED:
        return open_edition(profile, date)
    refuse_unpriced(settings)
    name, language = str(rows[0]["style"]), str(rows[0]["language"])
    base = known or Profile(name=profile, title=profile, style=name)
    own = base.model_copy(update={"style": name, "language": language})
    style = load_style(settings, name, language)
    return Edition(settings=settings, profile=own, style=style, date=date)


def read_issue(edition: Edition) -> Issue:
    """The edition as it was published, and what of it is to be finished.

    Raises:
        LakeError: it cannot be put together from what is stored.
        SourceError: arXiv did not say what the open papers of an imported digest are.
        UsageError: its style no longer has the sections that it was written in.
    """
    found = _published(edition.lake, [(edition.profile.name, edition.date)])
    rows = tuple(_digest_rows(edition))
    analyses = _analyses(edition, found)
    forgotten = {str(row["paper_id"]) for row in found} - analyses.keys()
    open_papers = _open_papers(edition) | forgotten
    if rows and rows[0]["origin"] == IMPORTED:
        lacking = {str(row["paper_id"]) for row in found if row["abstract"] is None}
        known = look_up(edition, lacking & open_papers)
        open_papers -= lacking - known.keys()
        found = as_picked(edition, found, known)
    _refuse_lost(edition, found)
    issue = Issue(
        picks=tuple(pick_of(row) for row in found),
        analyses=analyses,
        open_papers=frozenset(open_papers),
        rows=rows,
    )
    _refuse_other_sections(edition, issue)
    return issue


def recall_digest(edition: Edition) -> Digest:
    """The digest as it is stored, whoever made it, ready to be rendered; asks nobody.

    Raises:
        LakeError: it cannot be put together from what is stored.
    """
    found = _published(edition.lake, [(edition.profile.name, edition.date)])
    rows = tuple(_digest_rows(edition))
    if rows and rows[0]["origin"] == IMPORTED:
        found = as_picked(edition, found, {})
    if found or not rows:
        _refuse_lost(edition, found)
    analyses = _analyses(edition, found)
    if lost := [str(row["paper_id"]) for row in found if row["paper_id"] not in analyses]:
        raise LakeError(
            f"cannot render {edition}: the analysis of {', '.join(lost)} is not stored",
            "broadsheet repair makes it, where there is a model to ask",
        )
    picks = tuple(pick_of(row) for row in found)
    issue = Issue(picks=picks, analyses=analyses, open_papers=frozenset(), rows=rows)
    return amend(edition, issue, ())


def _refuse_lost(edition: Edition, found: Sequence[Row]) -> None:
    lost = [str(row["paper_id"]) for row in found if row["abstract"] is None]
    if lost or not found:
        what = f"the list that had {', '.join(lost)}" if lost else "an article of it"
        raise LakeError(f"cannot repair {edition}: {what} is not stored", _MAKE_ANEW)


_MAKE_ANEW = "make that digest anew: broadsheet run with --date and --profile"


def _analyses(edition: Edition, published: Sequence[Row]) -> dict[str, Analysis]:
    """The analyses of the rows of `sql/marts/published.sql`, by paper, where they are stored."""
    stored = {(row["paper_id"], row["question"]): row for row in edition.earlier_analyses}
    keys = [(row["paper_id"], row["question"]) for row in published]
    return {str(key[0]): stored_analysis(stored[key]) for key in keys if key in stored}


def _open_papers(edition: Edition) -> set[str]:
    only = _partitions([(edition.profile.name, edition.date)])
    found = _look_up(edition.lake, only, edition.settings, edition.opened_at)
    wanted = [_as_wanted(one, edition.profile) for one in found]
    return {one.paper_id for one in wanted if one.is_pending or one.is_outdated}


def _digest_rows(edition: Edition) -> list[Row]:
    name, date = edition.profile.name, edition.date
    return edition.lake.rows("digests", "digest", profile=name, date=date) or []


def _refuse_other_sections(edition: Edition, issue: Issue) -> None:
    """Raise where an article that stays could not be rendered next to those made now."""
    kinds = {section.id: section.kind for section in edition.style.sections}
    for paper_id, analysis in issue.analyses.items():
        written = {
            k: "text" if isinstance(v, str) else "list" for k, v in analysis.sections.items()
        }
        if written and not kinds.items() <= written.items():
            raise UsageError(
                f"cannot repair {edition}: style {edition.style.name} no longer has the sections "
                f"that {paper_id} was written in",
                _MAKE_ANEW,
            )


def preferred(earlier: Analysis | None, made: Analysis) -> Analysis:
    """The analysis to publish: the one made now, unless it would be worse than the earlier one.

    What a model wrote is not replaced by an extract, nothing final by something pending, and what
    waits for a model goes on waiting where there is none to ask.
    """
    if earlier is None or made.sections:
        return made
    worse = Status.COMPLETE if earlier.status is Status.PENDING else Status.PENDING
    return earlier if earlier.sections or made.status is worse else made


def amend(edition: Edition, issue: Issue, made: Sequence[Analysis]) -> Digest:
    """The digest as it was published, with the analyses of the open picks made now."""
    profile, first = edition.profile, issue.rows[0]
    new = {one.paper_id: preferred(issue.analyses.get(one.paper_id), one) for one in made}
    analyses = {**issue.analyses, **new}
    listed_by = tuple(dict.fromkeys(name for pick in issue.picks for name in pick.sources))
    is_imported = first["origin"] == IMPORTED
    return Digest(
        profile=profile.name,
        title=profile.title,
        date=edition.date,
        style=edition.style.name,
        language=profile.language,
        sources=(listed_by or profile.sources) if is_imported else profile.sources,
        scan=profile.selection.scan,
        articles=tuple(Article(pick=p, analysis=analyses[p.paper_id]) for p in issue.picks),
        scanned=first["scanned"],  # type: ignore[arg-type]  # as the lake's schema says
        listed=first["listed"],  # type: ignore[arg-type]
        missing_sources=tuple(first["missing_sources"] or ()),  # type: ignore[arg-type]
        origin=str(first["origin"]),
    )


def republish(edition: Edition, issue: Issue, made: Sequence[Analysis], run_id: str) -> Published:
    """Publish the digest with what was made for its open picks.

    Raises:
        LakeError: it was published by another run since it was read, or cannot be written.
    """
    if tuple(_digest_rows(edition)) != issue.rows:
        raise LakeError(
            f"cannot republish {edition}: another run has published it meanwhile", "repair again"
        )
    return publish(edition, amend(edition, issue, made), run_id)
