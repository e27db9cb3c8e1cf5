"""`broadsheet doctor`: what is configured and whole, a line each, and what to do about the rest."""

from __future__ import annotations

import datetime as dt

from broadsheet.analysis.faults import TREATMENTS
from broadsheet.analysis.ledger import Ledger
from broadsheet.analysis.parking import Parking
from broadsheet.analysis.prices import price_of, refuse_unpriced
from broadsheet.config import Model, Settings, load_profile, load_settings, profile_names
from broadsheet.delivery.findings import findings as deliveries
from broadsheet.errors import BroadsheetError
from broadsheet.lake import Lake
from broadsheet.maintaining import plan
from broadsheet.queries import queries
from broadsheet.rows import to_rows
from broadsheet.schemas import SCHEMAS
from broadsheet.state import State
from broadsheet.styles import load_style
from broadsheet.warehouse import Warehouse


def examine() -> list[str]:
    """Findings, each a line that starts with `ok`, `warn` or `FAIL`.

    Raises:
        UsageError: settings that cannot be used.
    """
    settings = load_settings()
    lake = Lake(settings.lake_root)
    findings = [f"ok    home {settings.home}", f"ok    lake {lake.store.url}", *_models(settings)]
    for name in profile_names(settings):
        try:
            profile = load_profile(settings, name)
            load_style(settings, profile.style, profile.language)
            findings.append(f"ok    profile {name}: {profile.title}")
        except BroadsheetError as error:
            findings.append(f"FAIL  profile {name}: {error}; {error.remedy}")
    findings += _deliveries(settings)
    damaged = lake.quarantine_damaged()
    findings += [f"warn  damaged and moved aside: {path}; run its date again" for path in damaged]
    return findings + _tables(lake) + _upkeep(settings, lake) + check(lake)


def _models(settings: Settings) -> list[str]:
    """How each model stands, and what was spent of each budget."""
    if not settings.models:
        return ["ok    models none: extracts only"]
    try:
        refuse_unpriced(settings)
        state = State(settings.state_store)
        found = [_model(model, Parking(state)) for model in settings.models]
        return found + _money(Ledger(state, settings, ""))
    except BroadsheetError as error:
        return [
            f"FAIL  models {', '.join(m.name for m in settings.models)}: {error}; {error.remedy}"
        ]


def _model(model: Model, parking: Parking) -> str:
    if parked := parking.parked(model):
        return f"warn  model {parked}: {TREATMENTS[parked.kind].remedy}"
    price = price_of(model)
    known = (
        f"${price.input_usd_per_mtok:g} in, ${price.output_usd_per_mtok:g} out per million tokens"
        if price
        else "price unknown"
    )
    return f"ok    model {model.name}: {known}"


def _deliveries(settings: Settings) -> list[str]:
    try:
        return deliveries(settings)
    except BroadsheetError as error:
        return [f"FAIL  deliveries: {error}; {error.remedy}"]


def _money(ledger: Ledger) -> list[str]:
    return [
        f"ok    spent this {period}: ${spending.spent:.4f}"
        + ("" if cap is None else f" of ${cap:g}")
        for period, (spending, cap) in ledger.spending().items()
        if period != "run"
    ]


def _tables(lake: Lake) -> list[str]:
    with Warehouse(lake) as warehouse:
        counts = {
            table: warehouse.sql(f"select count(*) as n from lake.{table}")["n"][0].as_py()  # noqa: S608
            for table in SCHEMAS
        }
    return [f"ok    table {table}: {count} rows" for table, count in counts.items()]


def _upkeep(settings: Settings, lake: Lake) -> list[str]:
    """What a maintenance would do, and what is left to the operator."""
    planned = plan(lake, settings, dt.datetime.now(dt.UTC))
    findings = [f"ok    maintenance: {planned.told(is_done=False)}"]
    if damaged := lake.quarantined():
        size = sum(file.bytes for file in damaged) / 1e6
        folder = damaged[0].path.rpartition("/quarantine/")[0] + "/quarantine"
        findings.append(
            f"warn  quarantine: {len(damaged)} files, {size:.1f} MB in {folder};"
            " delete them when their dates are whole again"
        )
    return findings


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
