"""`broadsheet site serve`: the site as it is, with pages that reload when it is built anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from site_content import build, write_history

from broadsheet.errors import UsageError
from broadsheet.lake import Lake
from broadsheet.site.serving import SCRIPT, STAMP, server


@pytest.fixture
def site(lake: Lake, tmp_path: Path) -> Path:
    write_history(lake)
    build(tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    with server(site, port=0) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_pages_come_with_the_script_that_reloads_them(site: Path, url: str) -> None:
    for path in ("/", "/cv/", "/cv/index.html"):
        shown = httpx.get(url + path).raise_for_status()
        assert f'<script src="{SCRIPT}" defer></script></head>' in shown.text
    assert SCRIPT not in (site / "index.html").read_text()
    assert STAMP in httpx.get(url + SCRIPT).raise_for_status().text


def test_everything_else_comes_as_it_is(site: Path, url: str) -> None:
    got = httpx.get(f"{url}/assets/site.css").raise_for_status()
    assert got.content == (site / "assets/site.css").read_bytes()
    feed = httpx.get(f"{url}/cv/atom.xml").raise_for_status()
    assert feed.headers["content-type"] == "application/xml"


def test_a_build_changes_the_stamp(site: Path, url: str) -> None:
    before = httpx.get(url + STAMP).text
    assert httpx.get(url + STAMP).text == before
    (site / "zh/trends.html").unlink()
    build(site)
    assert httpx.get(url + STAMP).text != before


@pytest.mark.parametrize("path", ["/nothing.html", "/../home/lake/", "/%2e%2e/home/state.sqlite"])
def test_nothing_outside_is_served(url: str, path: str) -> None:
    assert httpx.get(url + path).status_code == 404


def test_without_a_site_it_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        server(tmp_path)
    assert "site build" in caught.value.remedy


def test_a_port_that_is_taken_is_said(site: Path, url: str) -> None:
    port = int(url.rpartition(":")[2])
    with pytest.raises(UsageError, match=str(port)) as caught:
        server(site, port=port)
    assert "--port" in caught.value.remedy
