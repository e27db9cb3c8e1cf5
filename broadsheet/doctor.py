"""`broadsheet doctor`: what is configured and whole, a line each, and what to do about the rest."""

from __future__ import annotations

from broadsheet.config import load_profile, load_settings, profile_names
from broadsheet.errors import BroadsheetError
from broadsheet.lake import Lake
from broadsheet.rows import to_rows
from broadsheet.schemas import SCHEMAS
from broadsheet.styles import load_style
from broadsheet.warehouse import Warehouse, queries


def examine() -> list[str]:
    """Findings, each a line that starts with `ok`, `warn` or `FAIL`.

    Raises:
        UsageError: settings that cannot be used.
    """
    settings = load_settings()
    models = ", ".join(model.name for model in settings.models) or "none: extracts only"
    lake = Lake(settings.lake_root)
    findings = [f"ok    home {settings.home}", f"ok    lake {lake.root}", f"ok    models {models}"]
    for name in profile_names(settings):
        try:
            profile = load_profile(settings, name)
            load_style(settings, profile.style, profile.language)
            findings.append(f"ok    profile {name}: {profile.title}")
        except BroadsheetError as error:
            findings.append(f"FAIL  profile {name}: {error}; {error.remedy}")
    damaged = lake.quarantine_damaged()
    findings += [f"warn  damaged and moved aside: {path}; run its date again" for path in damaged]
    return findings + _tables(lake) + check(lake)


def _tables(lake: Lake) -> list[str]:
    with Warehouse(lake) as warehouse:
        counts = {
            table: warehouse.sql(f"select count(*) as n from lake.{table}")["n"][0].as_py()  # noqa: S608
            for table in SCHEMAS
        }
    return [f"ok    table {table}: {count} rows" for table, count in counts.items()]


def check(lake: Lake) -> list[str]:
    """One line per query in `sql/checks`: how many bad rows it found, and the first of them."""
    findings = []
    with Warehouse(lake) as warehouse:
        for found in queries("checks"):
            rows = warehouse.run(found.name)
            if len(rows):
                bad = "warn" if found.severity == "warn" else "FAIL"
                findings.append(f"{bad}  {found.name}: {len(rows)} rows, first {to_rows(rows)[0]}")
            else:
                findings.append(f"ok    {found.name}")
    return findings
