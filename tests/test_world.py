"""Whole digests of recorded days: every source and the model replayed over HTTP by one process.

`../shared/world` holds the lists of Hugging Face as they were recorded, early and late the same
days; its language model answers as the mode says. See `world.py` there for its controls.
"""

from __future__ import annotations

import datetime as dt
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

import broadsheet
from broadsheet.config import load_settings
from broadsheet.doctor import check
from broadsheet.lake import Lake
from broadsheet.models import Outcome
from broadsheet.publishing import Published

pytestmark = [pytest.mark.real, pytest.mark.flow]

DAY = dt.date(2026, 1, 6)
SATURDAY = dt.date(2026, 1, 10)


class World:
    """The replayed world, from the test's side."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, **settings: object) -> None:
        """Change how it behaves from now on."""
        httpx.post(f"{self.url}/_control", json=settings).raise_for_status()

    @property
    def stats(self) -> dict[str, Any]:
        """Its counts since the test began."""
        found: dict[str, Any] = httpx.get(f"{self.url}/_stats").raise_for_status().json()
        return found

    @property
    def model_requests(self) -> int:
        """How often the model was asked, whatever it answered."""
        counts = self.stats["by"].items()
        return sum(count for route, count in counts if route.startswith("llm "))

    def has_html(self, paper_id: str) -> bool:
        """Whether arXiv has a page of the paper."""
        return httpx.get(f"{self.url}/html/{paper_id}").status_code == 200


@pytest.fixture(scope="module")
def running() -> Iterator[str]:
    """The address of the world, started once for all tests of this file."""
    from conftest import SHARED

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = SHARED / "world" / "world.py"
    process = subprocess.Popen([sys.executable, str(script), "--port", str(port)])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
