"""The command line.

Exit codes: 0 complete or empty, 1 failed, 2 usage, 3 partial.
"""

from __future__ import annotations

import sys

import typer

from broadsheet.commands import history, making, operating, site
from broadsheet.errors import BroadsheetError, UsageError
from broadsheet.redaction import redact

app = typer.Typer(
    help="Your own daily newspaper of research papers.",
    no_args_is_help=True,
    rich_markup_mode=None,  # importing rich is most of what --help would cost
    pretty_exceptions_enable=False,
)
for command in (
    making.run,
    making.backfill,
    making.repair,
    making.deliver,
    history.sql,
    history.chart,
    history.import_,
    history.load,
    history.harvest,
    history.score,
    operating.doctor,
    operating.up,
    operating.down,
    operating.serve,
):
    app.command(command.__name__.rstrip("_"))(command)
app.add_typer(site.app, name="site")


def main() -> None:
    """Run the command line; an error of ours is one line and what to do about it."""
    try:
        app()
    except BroadsheetError as error:
        if "--debug" in sys.argv:
            raise
        remedy = f"; {error.remedy}" if error.remedy else ""
        print(f"broadsheet: {error}{remedy}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        reason = redact(" ".join(str(error).split()))[:300] or "no reason given"
        print(f"broadsheet: {type(error).__name__}: {reason}; --debug shows where", file=sys.stderr)
        sys.exit(1)
