"""Deliver: published digests to the mailboxes and chats of their readers.

What fails is tried again by the next run, as the register says when; no digest fails for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run as this_run

from broadsheet import news
from broadsheet.config import Settings
from broadsheet.delivery import delivering
from broadsheet.delivery.delivering import Request
from tasks.events import tell

logger = logging.getLogger("broadsheet.tasks")


def deliver(settings: Settings, profiles: Sequence[str]) -> None:
    """Send what is due of these profiles, of all without any; whatever goes wrong is told."""
    try:
        if delivering.has_targets(settings, profiles):
            _deliver(settings, profiles)
    except Exception as error:  # noqa: BLE001 (what is published stays so)
        logger.warning("cannot deliver: %s", error)


@task(name="deliver", task_run_name="deliver", cache_policy=NO_CACHE)
def _deliver(settings: Settings, profiles: Sequence[str]) -> None:
    done = delivering.deliver(Request(settings=settings, profiles=profiles))
    tell(map(news.of_delivery, done), settings, str(this_run.id))
