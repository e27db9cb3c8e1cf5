"""Notices: a sheet as one short message for a chat, as long as the chat takes."""

from __future__ import annotations

import re

from broadsheet.delivery.register import Key
from broadsheet.delivery.sheets import Paper, Sheet, one_line
from broadsheet.models import Outcome

_LONGEST = 3500
"""Characters of a message that is still a short one."""
_TITLE = 200
_MARKS = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'"})
_LINKED = re.compile(r"(?<=\])(?=\()|(?<=:)(?=//)")


def notice(sheet: Sheet, key: Key, limit: int) -> tuple[str, str]:
    """Title and text: the papers with scores and links, as many as fit, and the page's address.

    Args:
        sheet: what is told of.
        key: of the delivery.
        limit: of the text's length, characters.
    """
    room = min(limit, _LONGEST)
    ends = [_pending(sheet), sheet.url or ""]
    end = "\n".join(filter(None, ends))
    room -= len(end) + len(_left_out(len(sheet.papers))) + 4
    shown: list[str] = []
    for paper in sheet.papers:
        block = _paper(paper)
        if sum(len(one) + 1 for one in shown) + len(block) > room:
            break
        shown.append(block)
    rest = len(sheet.papers) - len(shown)
    text = "\n".join([*shown, *([_left_out(rest)] if rest else [])])
    title = f"{harmless(sheet.heading)} · complete" if key.stage == "completed" else ""
    return title or harmless(sheet.heading), "\n\n".join(filter(None, [text, end])) or "–"


def harmless(text: str) -> str:
    """A stranger's text as one line that pings nobody and links nowhere, in any chat's syntax."""
    return _LINKED.sub(" ", one_line(text).translate(_MARKS))


def _paper(paper: Paper) -> str:
    title = harmless(paper.title)
    short = title if len(title) <= _TITLE else f"{title[: _TITLE - 1]}…"
    score = "" if paper.score is None else f"{paper.score} · "
    return f"{score}{short}\n{paper.url}"


def _left_out(count: int) -> str:
    return f"… +{count}"


def _pending(sheet: Sheet) -> str:
    if sheet.outcome is not Outcome.PARTIAL:
        return ""
    return f"({sheet.outcome}: {sheet.pending} pending)" if sheet.pending else f"({sheet.outcome})"
