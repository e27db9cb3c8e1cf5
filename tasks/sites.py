"""The web pages after a run, where the settings ask for them."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from broadsheet.config import Settings, load_settings
from broadsheet.site import building


def build_site() -> None:
    """The site brought up to date, where `build_site` is set; that it failed fails no run."""
    settings = load_settings()
    if settings.build_site:
        _build(settings, return_state=True)


@task(name="build_site", task_run_name="build site", cache_policy=NO_CACHE)
def _build(settings: Settings) -> str:
    return str(building.build(settings))
