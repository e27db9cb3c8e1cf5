"""Commands that ask the history and add to it: `sql`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from broadsheet.commands.checking import Debug


def sql(
    query: Annotated[str | None, typer.Argument(help="SQL, or the name of a question.")] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read SQL from a file.")] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A value for $K; repeat for several.")
    ] = None,
    format: Annotated[str, typer.Option(help="table, csv, json or parquet.")] = "table",
    list_: Annotated[bool, typer.Option("--list", help="The named questions.")] = False,
    debug: Debug = False,
) -> None:
    """Ask the history: papers, listings, scores, analyses, digests, editions, runs."""
    from broadsheet import asking

    if list_:
        print("\n".join(f"{name:24} {about}" for name, about in asking.named()))
        return
    asking.write(asking.ask(query, file, param or []), format)
