"""Commands that make digests and send them: `run`, `backfill`, `repair`, `deliver`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from broadsheet.commands.checking import Debug, calendar_day, prepared
from broadsheet.errors import UsageError

if TYPE_CHECKING:
    from broadsheet.planning import Plan
    from broadsheet.publishing import Published


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

    day = calendar_day(date) if date else None
    names = prepared(profiles)
    with terminal.progress(debug):
        estimates = estimating.estimate(names, day)
    print("\n".join(describing.describe(estimates)))


def _estimate_range(plan: Plan, debug: bool) -> None:
    from broadsheet import describing, estimating, terminal

    with terminal.progress(debug):
        estimates = estimating.estimate_plan(plan)
    print("\n".join(describing.describe(estimates)))


def _run(date: str | None, profiles: Sequence[str], show: bool, debug: bool) -> int:
    day = calendar_day(date) if date else None
    names = prepared(profiles)

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
        from tasks.results import result_of  # here, not above: importing Prefect costs a second
        from tasks.servers import at_server

        with at_server():
            state = start()
    result = result_of(state)
    if isinstance(result, BaseException):
        raise result
    return cast("list[Published]", result)


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
    first, last, names = calendar_day(start), calendar_day(end), prepared(profile or [])
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
    day = calendar_day(since) if since else None
    names = prepared(profile or [])

    def start() -> Any:  # noqa: ANN401 (a state of Prefect, which has no place here)
        from flows.repair import repair as mend

        return mend(names if profile else (), day, return_state=True)

    published = _published(start, debug)
    if not published:
        print("nothing to repair")
    raise typer.Exit(_report(published, show=False))


def deliver(
    date: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="Whatever its age. Default: all that are due."),
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Which profile; repeat for several. Default: all.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was sent before, or may have been.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Send published digests to their mailboxes and chats, each once."""
    from broadsheet.config import load_settings
    from broadsheet.delivery.delivering import Request
    from broadsheet.delivery.delivering import deliver as send
    from broadsheet.redaction import redact_logs

    names, day = prepared(profile or []), calendar_day(date) if date else None
    request = Request(
        settings=load_settings(), profiles=names, date=day, is_again=again, is_dry=dry_run
    )
    redact_logs()
    done = send(request)
    print("\n".join(map(str, done)) or "nothing to deliver")
    raise typer.Exit(0 if all(one.is_good for one in done) else 1)
