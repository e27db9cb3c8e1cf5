"""Secrets out of text: what a provider echoes of a key never reaches a log, a table or a page."""

from __future__ import annotations

import os
import re

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_SHAPED_LIKE_ONE = re.compile(r"\b(sk|gsk|AIza|Bearer )[-_A-Za-z0-9.]{8,}")
_SHORTEST = 8  # characters; anything shorter would blot out ordinary words


def redact(text: str) -> str:
    """The text without the values of secret environment variables, or what looks like a key."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, "[redacted]")
    return _SHAPED_LIKE_ONE.sub("[redacted]", text)
