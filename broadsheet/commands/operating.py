"""Commands of whoever operates it: `doctor`, `up`, `down`, `serve`."""

from __future__ import annotations

import typer

from broadsheet.commands.checking import Debug, prepared


def doctor(debug: Debug = False) -> None:
    """Say what is configured and whole, and what to do about the rest."""
    from broadsheet.doctor import examine

    findings = examine()
    for finding in findings:
        print(finding)
    raise typer.Exit(1 if any(f.startswith("FAIL") for f in findings) else 0)


def up(debug: Debug = False) -> None:
    """Start what is missing of a Prefect server, worker and deployments on this machine."""
    prepared(())
    from flows.installation import up as start  # here: importing Prefect costs a second

    api = start(print)
    print(
        f"\nUI: {api.removesuffix('/api')}   (runs, schedules, forms; see docs/schedule.md)\n"
        f"Runs of the command line show there too after: export PREFECT_API_URL={api}\n"
        "A backfill: Deployments > backfill > Run. To end all this: make down"
    )


def down(debug: Debug = False) -> None:
    """End the worker and the server that `up` started, and nothing else."""
    from flows.installation import down as stop  # here: importing Prefect costs a second

    stop(print)


def serve(debug: Debug = False) -> None:
    """Run all deployments from this process until Ctrl-C, with a server if there is none."""
    prepared(())
    from flows.installation import serve as run_all  # here: importing Prefect costs a second

    run_all(print)
