"""Files that may hold a digest: found in folders, and read within limits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from broadsheet.errors import UnknownShape, UsageError

MOST_BYTES = 4_000_000
MOST_LINES = 100_000
LONGEST_LINE = 20_000
DEEPEST = 1_000
"""What a page may have at most: its bytes, its lines, the characters of a line, and of these the
quote signs, bullets, numbers and spaces that it begins with."""

_NESTING = " \t>*+-.)0123456789"


def files_in(path: Path) -> list[Path]:
    """The file itself, or the folder's files, sorted, with those of its folders; none hidden.

    Raises:
        UsageError: there is nothing of that name.
    """
    if path.is_dir():
        found = [Path(at) / name for at, _, names in os.walk(path) for name in names]
        below = [file for file in found if file.is_file()]
        return sorted(
            f for f in below if not any(p.startswith(".") for p in f.relative_to(path).parts)
        )
    if not path.exists():
        raise UsageError(f"cannot import {path}: no such file or folder", "check the path")
    return [path]


def read(path: Path) -> str:
    """The file's text.

    Raises:
        UnknownShape: it is no text that a page could be, or cannot be read.
    """
    try:
        if not path.is_file():
            raise UnknownShape("it is no ordinary file", _SAVE_AS)
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnknownShape(f"it cannot be read: {error.strerror}", "make it readable") from error
    if len(raw) > MOST_BYTES:
        limit = f"{MOST_BYTES // 1_000_000} MB"
        raise UnknownShape(f"it is larger than {limit}", "split it: no digest is so long")
    if b"\0" in raw:
        raise UnknownShape("it holds NUL bytes, which no text has", _SAVE_AS)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnknownShape(f"it is not UTF-8, from byte {error.start} on", _SAVE_AS) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    _refuse_unlike_a_page(text.split("\n"))
    return text


_SAVE_AS = "save it as a text file in UTF-8"


def _refuse_unlike_a_page(lines: Sequence[str]) -> None:
    if len(lines) > MOST_LINES:
        raise UnknownShape(f"it has more than {MOST_LINES:,} lines", "split it")
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise UnknownShape(
                f"line {number} is longer than {LONGEST_LINE:,} characters", "no digest has such"
            )
        if len(line) > DEEPEST and len(line) - len(line.lstrip(_NESTING)) > DEEPEST:
            raise UnknownShape(f"line {number} is nested too deeply", "no digest has such")
