"""One digest: one profile × one date.

ingest_listing   each source's list of the date into the lake
score_papers     0 to 100 per paper, in SQL
select_papers    threshold, the best few, not featured before
fetch_fulltext   the text of each pick
analyze_paper    the style's sections for each, or its own sentences
publish_digest   lake, reports, artifacts
deliver          to the profile's mailboxes and chats what is due, each once
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from prefect import flow, unmapped
from prefect.client.schemas.objects import State
from prefect.task_runners import ThreadPoolTaskRunner

from broadsheet.editions import Edition, alone, open_edition
from broadsheet.models import Analysis, Pick
from broadsheet.publishing import Published
from tasks.analyses import analyze_papers
from tasks.deliveries import deliver
from tasks.digests import as_state, publish_digest, record_run, tag_run
from tasks.papers import fetch_fulltext, hear, ingest_listings, score_papers, select_papers
from tasks.runners import open_runner

threads: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=8)

RECORDED: dict[str, Any] = {
    "on_completion": [record_run],
    "on_failure": [record_run],
    "on_crashed": [record_run],
    "on_cancellation": [record_run],
}
"""How every flow ends: a row in `runs`."""

PER_EDITION: dict[str, Any] = {**RECORDED, "task_runner": threads}
"""How every flow of one edition runs: its papers side by side."""


@flow(name="digest", flow_run_name="{profile} {date}", **PER_EDITION)
def digest(profile: str, date: dt.date, refresh: bool = True) -> State[Published]:
    """The digest of one profile and date, published.

    Args:
        profile: Whose digest.
        date: Of the lists.
        refresh: Read lists again that are stored.
    """
    edition = open_edition(profile, date)
    tag_run(edition)
    with alone(edition):
        listings = ingest_listings(edition, refresh)
        heard = hear(edition, listings)
        scores = score_papers(edition)
        picks = select_papers(edition, scores)
        analyses = write_up(edition, picks)
        published = publish_digest(edition, heard, scores, picks, analyses)
    deliver(edition.settings, [profile])
    return as_state(published)


def write_up(edition: Edition, picks: Sequence[Pick]) -> list[Analysis]:
    """The analyses of these picks, in their order: each one's text fetched, then analyzed."""
    texts = fetch_fulltext.map(picks, unmapped(edition))
    with open_runner(edition.settings, len(picks)) as runner:
        return analyze_papers(runner, edition, picks, texts)


def digest_of_read_lists(profile: str, date: dt.date) -> State[Published]:
    """The final state of that digest's flow run, which reads its lists anew."""
    made: State[Any] = digest(profile, date, return_state=True)
    return made


def digest_of_stored_lists(profile: str, date: dt.date) -> State[Published]:
    """The final state of that digest's flow run, which reads only lists that are not stored."""
    made: State[Any] = digest(profile, date, refresh=False, return_state=True)
    return made
