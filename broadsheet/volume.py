"""Volume: a list with far fewer papers than its weekday usually has is said to be thin.

An outage at the source can look like a holiday, and half a list like a quiet day.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection
from dataclasses import dataclass

from broadsheet.editions import Edition
from broadsheet.errors import LakeError, WarehouseError
from broadsheet.rows import to_rows
from broadsheet.scoring import NOTHING
from broadsheet.views import Partition
from broadsheet.warehouse import Warehouse

logger = logging.getLogger(__name__)

WEEKS = 8
"""How far back lists of the same weekday are looked at, as in `sql/marts/usual_volume.sql`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """How many papers one list has, and how many that weekday's usually have."""

    source: str
    scope: str
    date: dt.date
    listed: int
    weeks: int
    """Lists with papers that `usual` was made from."""
    usual: float | None
    """Their median; None where they are too few to say."""
    share: float | None
    """`listed` of `usual`."""

    def __str__(self) -> str:
        papers = "paper" if self.listed == 1 else "papers"
        return (
            f"{self.source} lists {self.listed} {papers} on {self.date},"
            f" where a {self.date:%A} usually has {self.usual:g}"
        )


def thin_lists(edition: Edition, missing: Collection[str] = ()) -> list[Volume]:
    """The edition's lists with far fewer papers than usual, each logged; none where nobody knows.

    Args:
        edition: whose sources' lists; they are in the lake.
        missing: sources that did not answer, and so may have more.
    """
    least = edition.settings.usual_share
    try:
        volumes = volumes_of(edition) if least else []
    except (LakeError, WarehouseError) as error:
        logger.warning("cannot say what is usual for %s: %s", edition, error)
        return []
    thin = [
        v for v in volumes if v.share is not None and v.share < least and v.source not in missing
    ]
    for volume in thin:
        logger.warning("%s", volume)
    return thin


def volumes_of(edition: Edition) -> list[Volume]:
    """How many papers each list of the edition has and usually has, by source and scope.

    Raises:
        LakeError, WarehouseError: the lake cannot be read.
    """
    dates = [edition.date - dt.timedelta(weeks=weeks) for weeks in range(WEEKS + 1)]
    only: list[Partition] = [{"source": s.name, "date": d} for s in edition.sources for d in dates]
    asked = [{"source": source.name, "scope": source.scope} for source in edition.sources]
    only_lists = {**NOTHING, "listings": only}
    with Warehouse(edition.lake, only_lists, ["marts.usual_volume"]) as warehouse:
        rows = warehouse.run("marts.usual_volume", asked=asked, date=edition.date)
    return [Volume(**row) for row in to_rows(rows)]  # type: ignore[arg-type]  # as in its header
