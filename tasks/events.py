"""Tell: what an operator is to hear of becomes events of the run history, which automations hear.

They are put on a queue and sent beside the run; whatever goes wrong there is a line in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prefect.events import emit_event

from broadsheet.config import Settings
from broadsheet.news import News, unheard

logger = logging.getLogger("broadsheet.tasks")


def tell(news: Iterable[News | None], settings: Settings | None, run_id: str) -> None:
    """Emit what is news; without settings nobody knows what is, and all of it is emitted.

    Args:
        news: what is so now.
        settings: in force; None where they cannot be read.
        run_id: of the flow run that found it so.
    """
    for one in unheard(news, settings):
        try:
            _emit(one, run_id)
        except Exception as error:  # noqa: BLE001 (no digest fails for want of a listener)
            logger.warning("cannot tell %s of %s: %r", one.event, one.subject, error)


def _emit(one: News, run_id: str) -> None:
    run = {"prefect.resource.id": f"prefect.flow-run.{run_id}", "prefect.resource.role": "flow-run"}
    emit_event(
        event=one.event,
        resource={
            "prefect.resource.id": one.subject,
            "prefect.resource.name": one.name,
            **one.labels,
        },
        related=[run],
        payload=dict(one.payload),
    )
    logger.debug("told %s of %s", one.event, one.name)
