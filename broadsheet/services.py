"""Programs that run on in the background: started once, found again, ended, never mistaken.

Each holds a lock on its own file for as long as it lives, which the kernel lets go however it ends.
So a file left by a reboot or a kill -9 means nothing, and a process number that now belongs to
another program is never taken for ours.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from broadsheet.errors import BroadsheetError

_LAST_PATIENCE_SECONDS = 10.0  # after SIGKILL: the kernel only has to let go
_POLL_SECONDS = 0.1

Notes = Mapping[str, str | int]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One background program, known by its file in `folder`; its log is beside it."""

    name: str
    folder: Path

    @property
    def log(self) -> Path:
        """Where what it prints goes."""
        return self.folder / f"{self.name}.log"

    @property
    def _file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    @property
    def is_running(self) -> bool:
        """Whether the process that was started lives."""
        if not self._file.exists():
            return False
        with self._file.open() as file:
            return not _is_locked_by_us(file, fcntl.LOCK_SH)

    @property
    def notes(self) -> dict[str, str | int]:
        """What was noted when it was started, and its `pid`; empty where it does not run."""
        found: dict[str, str | int] = json.loads(self._file.read_text()) if self.is_running else {}
        return found

    def start(self, command: Sequence[str], environment: Mapping[str, str], notes: Notes) -> None:
        """Start it in the working directory, away from this terminal, unless it runs.

        Raises:
            BroadsheetError: the program is not there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a+") as file, self.log.open("ab") as log:
            if not _is_locked_by_us(file, fcntl.LOCK_EX):
                return
            try:
                process = subprocess.Popen(  # noqa: S603 (our own commands)
                    command,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[file.fileno()],  # its copy keeps the lock when ours is closed
                )
            except OSError as error:
                raise BroadsheetError(f"cannot start {command[0]}: {error.strerror}") from error
            file.truncate(0)
            file.write(json.dumps({"pid": process.pid, **notes}))

    def stop(self, patience_seconds: float) -> bool:
        """Ask it to end, and make it end when patience is over; False where it did not run."""
        pid = int(self.notes.get("pid", 0))
        if not pid:
            return False
        for signal_, seconds in (
            (signal.SIGTERM, patience_seconds),
            (signal.SIGKILL, _LAST_PATIENCE_SECONDS),
        ):
            with suppress(ProcessLookupError):  # it ended between the question and the signal
                os.kill(pid, signal_)
            if wait_until(lambda: not self.is_running, seconds):
                self._file.unlink(missing_ok=True)
                return True
        raise BroadsheetError(f"cannot stop {self.name}: process {pid} does not end")

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _is_locked_by_us(file: IO[str], kind: int) -> bool:
    """Take the lock of an open file if nobody holds it; closing the file gives it back."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether it came to be so within that time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def program(name: str) -> str:
    """The path of a program that was installed beside this Python."""
    return str(Path(sys.executable).with_name(name))
