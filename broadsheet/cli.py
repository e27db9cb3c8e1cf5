"""The command line. Imports what a command needs inside it, so that `--help` stays quick.

Exit codes: 0 complete or empty, 1 failed, 2 usage, 3 partial.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from broadsheet.errors import BroadsheetError, UsageError
from broadsheet.redaction import redact

if TYPE_CHECKING:
    import datetime as dt

    from broadsheet.planning import Plan
    from broadsheet.publishing import Published

app = typer.Typer(
    help="Your own daily newspaper of research papers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # importing rich is most of what --help would cost
    pretty_exceptions_enable=False,
)

Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")]


@app.command()
def run(
    date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Default: the newest date listed.")
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Which profile; repeat for several. Default: all.")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="The embedded sample day: no network, no key.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the first lines of each.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would ask and cost; make no digest.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Make the digest of one date, one for each profile."""
    from contextlib import nullcontext

    from broadsheet import terminal

    with terminal.sample_world() if sample else nullcontext(None) as sample_date:
        if estimate:
            _estimate(date or sample_date, profile or [], debug)
            return
        code = _run(date or sample_date, profile or [], show, debug)
    raise typer.Exit(code)


def _estimate(date: str | None, profiles: Sequence[str], debug: bool) -> None:
    from broadsheet import describing, estimating, terminal

    day = _day(date) if date else None
    names = _prepared(profiles)
    with terminal.progress(debug):
        estimates = estimating.estimate(names, day)
    print("\n".join(describing.describe(estimates)))


def _estimate_range(plan: Plan, debug: bool) -> None:
    from broadsheet import describing, estimating, terminal

    with terminal.progress(debug):
        estimates = estimating.estimate_plan(plan)
    print("\n".join(describing.describe(estimates)))


def _run(date: str | None, profiles: Sequence[str], show: bool, debug: bool) -> int:
    day = _day(date) if date else None
    names = _prepared(profiles)

    def start() -> Any:  # noqa: ANN401 (a state of Prefect, which has no place here)
        from flows.daily import daily

        return daily(names, day, return_state=True)

    return _report(_published(start, debug), show)


def _published(start: Callable[[], Any], debug: bool) -> list[Published]:
    """What a flow has published, with its progress shown and Prefect quiet."""
    from broadsheet import terminal
    from broadsheet.analysis.prices import refuse_unpriced
    from broadsheet.config import load_settings

    refuse_unpriced(load_settings())
    terminal.quiet_prefect(debug)
    terminal.share_heaps()
    with terminal.progress(debug):
        from tasks.servers import at_server  # here, not above: importing Prefect costs a second

        with at_server():
            state = start()
    result: object = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return cast("list[Published]", result)


def _day(text: str) -> dt.date:
    import datetime as dt

    try:
        day = dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"not a date: {text!r} ({error})", "write it as 2026-01-31") from error
    if day.year < 1991:
        raise UsageError(f"no list of {text}: arXiv began in 1991", "give a later date")
    return day


def _prepared(profiles: Sequence[str]) -> list[str]:
    """The profiles' names; they, settings and home are checked before anything starts."""
    from broadsheet.config import load_profile, load_settings, profile_names
    from broadsheet.styles import load_style

    settings = load_settings()
    names = list(dict.fromkeys(profiles)) or profile_names(settings)
    if not names:
        raise UsageError(
            f"there is no profile in {settings.profiles}", "write one, or set BROADSHEET_PROFILES"
        )
    for name in names:
        profile = load_profile(settings, name)
        load_style(settings, profile.style, profile.language)
    _refuse_unwritable(settings.home)
    return names


def _refuse_unwritable(home: Path) -> None:
    import tempfile

    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write to home {home}: {error.strerror}",
            "set BROADSHEET_HOME to a folder you own",
        ) from error


def _report(published: Sequence[Published], show: bool) -> int:
    """Say what became of each digest; the exit code is that of the worst."""
    for one in published:
        name = f"{one.profile} {one.date}"
        if one.report is None:
            remedy = f"; {one.remedy}" if one.remedy else ""
            print(f"{name}: {one.outcome}: {one.message}{remedy}", file=sys.stderr)
            continue
        pending = f", {one.pending} pending" if one.pending else ""
        print(f"{name}: {one.outcome}, {one.selected} papers{pending}: {one.report}")
        if show:
            print("\n" + "\n".join(one.report.read_text("utf-8").splitlines()[:16]) + "\n…\n")
    return _exit_code(published)


def _exit_code(published: Sequence[Published]) -> int:
    outcomes = {str(one.outcome) for one in published}
    return 1 if "failed" in outcomes else 3 if "partial" in outcomes else 0


@app.command()
def backfill(
    start: Annotated[str, typer.Argument(metavar="START", help="First date, as 2026-01-31.")],
    end: Annotated[str, typer.Argument(metavar="END", help="Last date.")],
    profile: Annotated[
        list[str] | None, typer.Option(help="Which profile; repeat for several. Default: all.")
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read stored lists again; remake what has grown.")
    ] = False,
    order: Annotated[str, typer.Option(help="newest or oldest dates first.")] = "newest",
    parallel: Annotated[
        int | None, typer.Option(min=1, max=32, help="Digests made at once.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would ask and cost; make no digest.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Make every digest from START to END that is not complete."""
    from broadsheet import planning

    if order not in ("newest", "oldest"):
        raise UsageError(f"unknown order: {order!r}", "give newest or oldest")
    first, last, names = _day(start), _day(end), _prepared(profile or [])
    towards: planning.Order = "newest first" if order == "newest" else "oldest first"
    plan = planning.plan_range(first, last, names, towards, refresh=refresh)
    if not plan.keys:
        print(f"nothing to do: all {len(plan.complete)} digests are complete")
        return
    if estimate:
        _estimate_range(plan, debug)
        return
    if plan.complete and not refresh:
        print(f"{len(plan.complete)} digests are complete already", file=sys.stderr)

    def start_flow() -> Any:  # noqa: ANN401 (a state of Prefect, which has no place here)
        from flows.backfill import backfill as fill

        at_once = parallel or plan.settings.parallel_digests
        return fill(first, last, names, towards, refresh, at_once, return_state=True)

    raise typer.Exit(_close(_published(start_flow, debug)))


def _close(published: Sequence[Published]) -> int:
    """Say what became of all digests; the exit code is that of the worst."""
    from broadsheet import closing

    if not published:
        print("nothing to do: no list has changed")
        return 0
    print("\n".join(closing.lines(published)))
    return _exit_code(published)


@app.command()
def repair(
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Digests from there on. Default: all.")
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Which profile; repeat for several. Default: all.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Finish what is pending in published digests, and nothing else."""
    day = _day(since) if since else None
    names = _prepared(profile or [])

    def start() -> Any:  # noqa: ANN401 (a state of Prefect, which has no place here)
        from flows.repair import repair as mend

        return mend(names if profile else (), day, return_state=True)

    published = _published(start, debug)
    if not published:
        print("nothing to repair")
    raise typer.Exit(_report(published, show=False))


@app.command()
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


@app.command()
def doctor(debug: Debug = False) -> None:
    """Say what is configured and whole, and what to do about the rest."""
    from broadsheet.doctor import examine

    findings = examine()
    for finding in findings:
        print(finding)
    raise typer.Exit(1 if any(f.startswith("FAIL") for f in findings) else 0)


@app.command()
def up(debug: Debug = False) -> None:
    """Start what is missing of a Prefect server, worker and deployments on this machine."""
    _prepared(())
    from flows.installation import up as start  # here: importing Prefect costs a second

    api = start(print)
    print(
        f"\nUI: {api.removesuffix('/api')}   (runs, schedules, forms; see docs/schedule.md)\n"
        f"Runs of the command line show there too after: export PREFECT_API_URL={api}\n"
        "A backfill: Deployments > backfill > Run. To end all this: make down"
    )


@app.command()
def down(debug: Debug = False) -> None:
    """End the worker and the server that `up` started, and nothing else."""
    from flows.installation import down as stop  # here: importing Prefect costs a second

    stop(print)


@app.command()
def serve(debug: Debug = False) -> None:
    """Run all deployments from this process until Ctrl-C, with a server if there is none."""
    _prepared(())
    from flows.installation import serve as run_all  # here: importing Prefect costs a second

    run_all(print)


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
