"""Republish: a digest with its open papers finished."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run as this_run

from broadsheet import repairing
from broadsheet.editions import Edition
from broadsheet.models import Analysis
from broadsheet.publishing import Published
from broadsheet.repairing import Issue
from tasks.digests import show_money


@task(task_run_name="republish {edition}", cache_policy=NO_CACHE)
def republish_digest(edition: Edition, issue: Issue, analyses: Sequence[Analysis]) -> Published:
    """The finished digest in the lake and in `reports/`, and as an artifact of the run."""
    published = repairing.republish(edition, issue, analyses, str(this_run.id))
    page = published.report.read_text(encoding="utf-8") if published.report else ""
    # not the key of new digests: its newest artifact is to stay the newest digest
    key = f"repaired-{edition.profile.name}"
    create_markdown_artifact(page, key=key, description=f"repaired digest {edition}")
    show_money(edition, analyses)
    return published
