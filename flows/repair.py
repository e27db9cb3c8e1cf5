"""Repair: what published digests still lack is finished, and those digests are published again.

find_missed      papers read from the abstract for want of arXiv's page
look_again       such a page, into the lake if it has appeared
find_editions    digests with a paper that waits for a model, or whose page is there by now
repair_digest    each of them in its own flow run; one that fails stops no other
deliver          to mailboxes and chats what is due, also what failed before

    read_issue         the digest as it was published, and which of its papers are open
    fetch_fulltext     the text of each open paper
    analyze_paper      the style's sections for each, or its own sentences
    republish_digest   lake and reports, with nothing else changed

build_site       the web pages, where the settings ask for them
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from prefect import flow, unmapped
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from broadsheet.editions import alone
from broadsheet.publishing import Published
from broadsheet.repairing import (
    find_editions,
    find_missed,
    open_published,
    open_repair,
    read_issue,
)
from flows.digest import PER_EDITION, RECORDED, threads, write_up
from flows.parameters import Profiles
from tasks.batches import attempt
from tasks.deliveries import deliver
from tasks.digests import as_state, sum_up, tag_run
from tasks.papers import look_again
from tasks.repairs import republish_digest
from tasks.sites import build_site


def _run_name() -> str:
    parameters: dict[str, Any] = flow_run.parameters
    since = f" since {parameters['since']}" if parameters["since"] else ""
    return f"repair {', '.join(parameters['profiles'] or ['all'])}{since}"


@flow(
    name="repair",
    flow_run_name=_run_name,
    task_runner=threads,  # type: ignore[arg-type]  # its own future is not the base's, for mypy
    **RECORDED,
)
def repair(profiles: Profiles = (), since: dt.date | None = None) -> State[Any]:
    """Finish what is pending in these profiles' digests, from that date on; without any, in all.

    Args:
        profiles: Whose digests; none chosen is all of them.
        since: The date of the oldest digest that is looked at; None is the first there is.
    """
    opened = open_repair(profiles, since)
    missed = find_missed(opened)
    look_again.map(missed, unmapped(opened)).result()
    editions = find_editions(opened)
    states = [attempt(_repaired, one) for one in editions]
    deliver(opened.settings, opened.profiles)
    build_site()
    return sum_up(editions, states)


def _repaired(profile: str, date: dt.date) -> State[Published]:
    """The final state of that digest's repair."""
    made: State[Any] = repair_digest(profile, date, return_state=True)
    return made


@flow(name="repair-digest", flow_run_name="repair {profile} {date}", **PER_EDITION)
def repair_digest(profile: str, date: dt.date) -> State[Published]:
    """The digest of one profile and date, its open papers finished."""
    edition = open_published(profile, date)
    tag_run(edition)
    with alone(edition):
        issue = read_issue(edition)
        analyses = write_up(edition, issue.open_picks)
        published = republish_digest(edition, issue, analyses)
    return as_state(published)
