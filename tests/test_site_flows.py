"""Runs end by bringing the site up to date, where that is set; that it fails fails no run."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_content import write_history

from broadsheet.lake import Lake

pytestmark = pytest.mark.flow


@pytest.fixture
def site(server: None, lake: Lake, tmp_path: Path) -> Path:
    write_history(lake)
    return tmp_path / "home" / "site"


def repair() -> str | None:
    from flows.repair import repair as flow

    return flow(["hf"], return_state=True).name


def test_a_run_ends_by_building_the_site(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert repair() == "Completed" and not site.exists()
    monkeypatch.setenv("BROADSHEET_BUILD_SITE", "true")
    assert repair() == "Completed" and (site / "index.html").is_file()


def test_a_site_that_cannot_be_built_fails_no_run(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_BUILD_SITE", "true")
    site.write_text("in the way")
    assert repair() == "Completed" and site.read_text() == "in the way"
