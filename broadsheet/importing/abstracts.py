"""What a repair needs of imported papers beyond their pages: arXiv says it, by id."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from broadsheet.editions import Edition
from broadsheet.models import Listing
from broadsheet.rows import Row

logger = logging.getLogger(__name__)

_OF_ARXIV = ("abstract", "version", "authors", "categories", "published_at")


def look_up(edition: Edition, paper_ids: Collection[str]) -> dict[str, Listing]:
    """What arXiv knows of these papers, in one request; those that it does not know are absent.

    Raises:
        SourceError: it did not answer.
    """
    if not paper_ids:
        return {}
    from broadsheet.sources.arxiv import Arxiv  # only where something lacks: it imports slowly

    found = Arxiv(edition.settings).by_ids(paper_ids, edition.date)
    for unknown in sorted(set(paper_ids) - found.keys()):
        logger.warning("paper %s of %s stays pending: arXiv does not know it", unknown, edition)
    return found


def as_picked(edition: Edition, rows: Sequence[Row], known: Mapping[str, Listing]) -> list[Row]:
    """The rows of `sql/marts/published.sql` with what a pick has to have.

    Title, score and place stay as published; a paper that is not to be read again needs no text.
    """
    return [_picked(edition, row, known.get(str(row["paper_id"]))) for row in rows]


def _picked(edition: Edition, row: Row, listing: Listing | None) -> Row:
    if row["abstract"] is not None:  # a list of that date is stored
        return {**row, "reason": row["reason"] or ""}
    told = {name: getattr(listing, name) for name in _OF_ARXIV} if listing else {"abstract": ""}
    return {**row, **told, "reason": row["reason"] or "", "fetched_at": edition.opened_at}
