"""Commands that ask the history, draw it and add to it: `sql`, `chart`, `import` and so on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from broadsheet.commands.checking import Debug


def _questions(incomplete: str) -> list[tuple[str, str]]:
    """The questions whose names begin so, for the shell's completion."""
    from broadsheet.asking import named

    known = [(question.short_name, question.about) for question in named()]
    return [(name, about) for name, about in known if name.startswith(incomplete)]


def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="SQL, or the name of a question.", autocompletion=_questions),
    ] = None,
    file: Annotated[Path | None, typer.Option("-f", "--file", help="Read SQL from a file.")] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A value for $K; repeat for several.")
    ] = None,
    format: Annotated[str, typer.Option(help="table, csv, json, parquet or markdown.")] = "table",
    list_: Annotated[
        bool, typer.Option("--list", help="The named questions, with their parameters.")
    ] = False,
    unrestricted: Annotated[
        bool, typer.Option("--unrestricted", help="Any one statement: other files, COPY, ATTACH.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Ask the history: SQL or a named question; bare on a terminal, a prompt with completion."""
    from broadsheet import asking, printing, terminal

    if list_:
        print("\n".join(asking.list_questions()))
        return
    if query is None and file is None and sys.stdin.isatty() and sys.stdout.isatty():
        from broadsheet import config, console  # here: only a prompt needs its library

        console.start(config.load_settings())
        return
    printing.refuse_unknown(format)
    with terminal.progress(debug):
        rows = asking.ask(query, file, param or [], is_restricted=not unrestricted)
    printing.write(rows, format)


def _charts(incomplete: str) -> list[str]:
    """The charts whose names begin so, for the shell's completion."""
    from broadsheet.charts import CHARTS

    return [name for name in CHARTS if name.startswith(incomplete)]


def chart(
    name: Annotated[
        str | None, typer.Argument(help="A question that is a picture.", autocompletion=_charts)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to: a file that ends in .svg or .png. Default: SVG, redirected."),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="For dark paper.")] = False,
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A value for $K; repeat for several.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="The questions that are pictures.")] = False,
    debug: Debug = False,
) -> None:
    """Draw a named question: topics, scores, costs, delays and so on, as SVG or PNG."""
    from broadsheet import charts

    if list_:
        print("\n".join(charts.list_charts()))
        return
    picture = charts.picture(name, out, param or [], charts.DARK if dark else charts.LIGHT)
    if out is None:
        sys.stdout.buffer.write(picture)
    else:
        print(out)


def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders.")],
    profile: Annotated[
        str | None, typer.Option(help="Whose digests they become. Default: by the layout.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written; write nothing.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Take digests that others made into the history, from their pages."""
    from broadsheet.config import load_settings
    from broadsheet.importing import arrivals

    others: list[Path] = []
    code = 0
    for arrival in arrivals.import_all(paths, load_settings(), profile, is_dry=dry_run):
        if not arrival.is_digest:
            others.append(arrival.path)
            continue
        print(arrivals.line(arrival, is_dry=dry_run), file=sys.stderr if arrival.error else None)
        code = 1 if arrival.error else code
    if others:
        print(arrivals.left_out(others))
    raise typer.Exit(code)


def load(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="JSON lines, plain or .gz.")
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Also files that were loaded before.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Take arXiv's metadata snapshot into the history: all its papers, docs/archive.md."""
    from broadsheet import archive
    from broadsheet.config import load_settings
    from broadsheet.terminal import progress

    with progress(debug):
        loads = [archive.load(file, load_settings(), is_again=again) for file in files]
    for found in loads:
        print(archive.told(found))


def harvest(
    start: Annotated[str, typer.Argument(help="First date, 2026-01-31.")],
    end: Annotated[str | None, typer.Argument(help="Last date; default: today.")] = None,
    debug: Debug = False,
) -> None:
    """Bring the archive up to date: what arXiv added or changed on these dates (OAI-PMH)."""
    from broadsheet import archive
    from broadsheet.commands.checking import calendar_day
    from broadsheet.config import load_settings
    from broadsheet.errors import UsageError
    from broadsheet.terminal import progress

    since, until = calendar_day(start), calendar_day(end) if end else None
    if until and since > until:
        raise UsageError(f"{start} is after {end}", "give the earlier date first")
    with progress(debug):
        found, left = archive.harvest(load_settings(), since, until)
    print(archive.told(found) + (f"; {left} were taken back by arXiv" if left else ""))


def score(
    profile: Annotated[str, typer.Argument(help="Whose interests.")],
    since: Annotated[str | None, typer.Option(help="First date; default: all.")] = None,
    until: Annotated[str | None, typer.Option(help="Last date; default: all.")] = None,
    source: Annotated[str | None, typer.Option(help="Only arxiv or huggingface.")] = None,
    top: Annotated[
        int, typer.Option(min=0, help="So many papers, best first; 0: all, as Parquet.")
    ] = 20,
    format: Annotated[str, typer.Option(help="table, csv, json, parquet or markdown.")] = "table",
    debug: Debug = False,
) -> None:
    """Score every paper of the history for a profile, without making digests."""
    from broadsheet import matching, printing
    from broadsheet.commands.checking import calendar_day
    from broadsheet.config import load_profile, load_settings
    from broadsheet.terminal import progress

    printing.refuse_unknown(format)
    settings = load_settings()
    days = {"since": since, "until": until}
    given = {name: calendar_day(day) for name, day in days.items() if day}
    tried = matching.Matching(
        settings=settings, profile=load_profile(settings, profile), source=source, **given
    )
    with progress(debug):
        if top == 0:
            matching.write_every(tried, format)
            return
        best = tried.best(top)
    printing.write(best, format)
