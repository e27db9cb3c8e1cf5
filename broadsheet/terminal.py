"""What a terminal sees of a run: progress on a terminal, plain lines otherwise, no tracebacks."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from broadsheet.redaction import redact_logs

logger = logging.getLogger("broadsheet")


@contextmanager
def sample_world() -> Iterator[str]:
    """Serve the sample day and point the sources at it; the date it has.

    Its papers are real and its sentences are not, so it has a home of its own: `<home>/sample`.
    """
    from broadsheet.config import load_settings
    from broadsheet.sample import SAMPLE_DATE, serve

    home = load_settings().home / "sample"
    with serve() as world:
        os.environ |= {
            "BROADSHEET_HOME": str(home),
            "BROADSHEET_LAKE": str(home / "lake"),
            "BROADSHEET_HUGGINGFACE_URL": world.huggingface_url,
            "BROADSHEET_ARXIV_API_URL": world.arxiv_api_url,
            "BROADSHEET_ARXIV_URL": world.arxiv_url,
            "BROADSHEET_ARXIV_DELAY_SECONDS": "0",
            "BROADSHEET_IS_SAMPLE": "true",
        }
        yield SAMPLE_DATE.isoformat()


def quiet_prefect(debug: bool) -> None:
    """Before Prefect is imported: its own lines go to the run history, not to the terminal."""
    level = "DEBUG" if debug else "CRITICAL"
    for name, value in {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": level,
        "PREFECT_LOGGING_EXTRA_LOGGERS": "broadsheet",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        # a server on SQLite that is busy answers 503: after 2, 4, 8 … seconds it is asked again
        "PREFECT_CLIENT_MAX_RETRIES": "8",
    }.items():
        os.environ.setdefault(name, value)


def share_heaps() -> None:
    """Let all threads allocate from two heaps: glibc gives each one, which keeps what it once had.

    A day's run peaks lower for it; other C libraries have no such setting.
    Source: mallopt(3), M_ARENA_MAX
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(-8, 2)


@contextmanager
def progress(debug: bool) -> Iterator[None]:
    """Show our log on standard error while the block runs: a bar on a terminal, else lines."""
    redact_logs()
    handler = _Bar() if sys.stderr.isatty() and not debug else _Lines()
    handler.setLevel(logging.DEBUG if debug else logging.INFO)
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    except KeyboardInterrupt:  # typer ends the process with 130, without a word
        logger.warning("interrupted; run the same command again to go on")
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()


class _Lines(logging.Handler):
    """Plain lines, warnings marked."""

    def emit(self, record: logging.LogRecord) -> None:
        mark = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        sys.stderr.write(f"{mark}{record.getMessage()}\n")


class _Bar(logging.Handler):
    """A bar that fills as papers are analyzed; the newest line beside it, warnings above it."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("starting", total=None)
        self._progress.start()

    def emit(self, record: logging.LogRecord) -> None:
        from rich.markup import escape

        message = escape(record.getMessage())
        if record.levelno >= logging.WARNING:
            self._progress.console.print(f"[yellow]{record.levelname.lower()}[/]: {message}")
        done, total = getattr(record, "done", 0), getattr(record, "total", None)
        self._progress.update(self._task, description=message[:60], completed=done, total=total)

    def close(self) -> None:
        self._progress.stop()
        super().close()
