"""What workers share and the lake does not hold: quotas used, models parked, money reserved.

A SQLite file for all processes of one machine, or a PostgreSQL database for several machines: the
same SQL. Deleted, it is made anew; forgotten is what was used of today's quotas and budgets, and
that the digests of the last days were delivered.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from broadsheet.errors import StateError
from broadsheet.redaction import redact

_TABLES = (
    """create table if not exists requests (
        id text primary key, model text not null, sent_at double precision not null,
        tokens bigint not null)""",
    "create index if not exists requests_by_time on requests (model, sent_at)",
    """create table if not exists models (
        model text primary key, held_until double precision not null default 0,
        strikes integer not null default 0, answered_at double precision not null default 0,
        parked_until double precision not null default 0, parked_for text,
        parked_at double precision, credentials text, learned_requests integer,
        learned_seconds double precision, learned_at double precision)""",
    """create table if not exists spending (
        id text primary key, run text not null, model text not null,
        reserved_at double precision not null, expires_at double precision not null,
        reserved_usd double precision not null, spent_usd double precision)""",
    "create index if not exists spending_by_time on spending (reserved_at)",
)
_LOCKS = 3  # hexadecimal digits of a name's hash that name its lock file: 4096 a purpose at most
_PATIENCE_SECONDS = 60.0  # for a transaction of another worker to end: each takes milliseconds

Value = str | float | int | None


class Transaction(Protocol):
    """Statements that happen at once or not at all, alone; `now` is the store's own clock."""

    now: float
    """Seconds since 1970, UTC."""

    def run(self, sql: str, *values: Value) -> list[tuple[Any, ...]]:
        """The statement's rows; `?` stands for a value."""
        ...


class State:
    """One store; instances and threads and processes share what is in it."""

    def __init__(self, place: str) -> None:
        self._store = _Postgres(place) if "://" in place else _Sqlite(Path(place).expanduser())

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that no other overlaps.

        Raises:
            StateError: the store cannot be used.
        """
        with self._store.transaction() as transaction:
            yield transaction

    @contextmanager
    def alone(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock of that name, which all workers share; the end of a process frees it.

        Args:
            name: its first word is its purpose: locks of different purposes may be nested.
            on_wait: called where another worker holds it.

        Raises:
            StateError: the store cannot be used.
        """
        with self._store.alone(name, on_wait):
            yield


def know(transaction: Transaction, model: str) -> None:
    """See that the table `models` has a row of that model."""
    transaction.run("insert into models (model) values (?) on conflict do nothing", model)


class _Transaction:
    def __init__(self, cursor: Any, mark: str, now: float) -> None:  # noqa: ANN401
        self._cursor, self._mark, self.now = cursor, mark, now

    def run(self, sql: str, *values: Value) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql.replace("?", self._mark), values)
        return self._cursor.fetchall() if self._cursor.description else []


_Identity = tuple[int, int, int]
_made: dict[Path, _Identity] = {}
"""The file, and the process in whose name a connection to it is kept open."""
_kept: list[sqlite3.Connection] = []
"""Connections that are never closed. SQLite folds its log back into the file, and waits for the
disk, whenever the last one closes: ten times what a transaction costs. Nor may a forked process
close what it has inherited."""


class _Sqlite:
    """One file, one short connection per transaction: safe over threads, forks and kills."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        try:
            with closing(self._begin()) as connection:  # its end rolls back what is not committed
                yield _Transaction(connection.cursor(), "?", time.time())
                connection.execute("commit")
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @contextmanager
    def alone(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        from filelock import FileLock, Timeout

        purpose, _, rest = name.partition(" ")
        digest = f"{purpose}-{hashlib.sha256(rest.encode()).hexdigest()[:_LOCKS]}"
        folder = self._path.with_name(f"{self._path.name}.locks")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / digest, thread_local=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                on_wait()
                lock.acquire(poll_interval=0.005)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _begin(self) -> sqlite3.Connection:
        """A connection within a transaction; once more where the file is lost in between."""
        try:
            self._make()
            return self._connect("begin immediate")
        except sqlite3.OperationalError as error:
            if _is_locked(error):  # not lost, and patience is over
                raise
            _made.pop(self._path, None)
            self._make()
            return self._connect("begin immediate")

    def _make(self) -> None:
        """The file with its tables, where it is not there (yet, or any more)."""
        if _made.get(self._path) == self._identity():
            return
        with self.alone("make"):
            if not self._path.exists() or not self._path.stat().st_size:
                self._create()
            _kept.append(self._connect("select count(*) from models"))
            _made[self._path] = self._identity()

    def _identity(self) -> _Identity:
        try:
            file = self._path.stat()
        except OSError:
            return (os.getpid(), 0, 0)
        return (os.getpid(), file.st_dev, file.st_ino)

    def _create(self) -> None:
        """Put a file with empty tables into place, whole."""
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}.aside")
        with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
            connection.execute("pragma journal_mode = wal")
            for statement in _TABLES:
                connection.execute(statement)
        for log in ("-wal", "-shm"):  # of a file that was deleted
            self._path.with_name(self._path.name + log).unlink(missing_ok=True)
        aside.replace(self._path)

    def _connect(self, first: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=_PATIENCE_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        # A power cut may lose the last milliseconds; a killed process loses nothing.
        connection.execute("pragma synchronous = normal")
        connection.execute(first)
        return connection

    def _unusable(self, error: Exception) -> StateError:
        remedy = "make its folder writable, with space left; a damaged file may be deleted"
        if _is_locked(error):
            remedy = "end the program that has it open (not a run: theirs takes milliseconds)"
        return StateError(f"cannot use state {self._path}: {error}", remedy)


def _is_locked(error: Exception) -> bool:
    """Whether another process held the file for longer than our patience."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


class _Postgres:
    """A database that several machines share; its clock is theirs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_made = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._connected() as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtextextended('broadsheet', 0))")
            clock = connection.execute("select extract(epoch from clock_timestamp())::float8")
            yield _Transaction(connection.cursor(), "%s", clock.fetchone()[0])

    @contextmanager
    def alone(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        key = [f"broadsheet {name}"]
        with self._connected() as connection:
            tried = connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0))", key)
            if not tried.fetchone()[0]:
                on_wait()
                connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", key)
            yield  # the connection's end gives the lock back

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        psycopg = _psycopg()
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
                self._make(connection)
                yield connection
        except psycopg.Error as error:
            reason = redact(" ".join(str(error).split()))
            raise StateError(
                f"cannot use state database: {reason}", "check BROADSHEET_STATE"
            ) from None

    def _make(self, connection: Any) -> None:  # noqa: ANN401
        if self._is_made:
            return
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(hashtextextended('broadsheet', 0))")
            for statement in _TABLES:
                connection.execute(statement)
        self._is_made = True


def _psycopg() -> Any:  # noqa: ANN401
    try:
        import psycopg
    except ImportError as error:
        raise StateError(
            "cannot use state database: psycopg is not installed",
            "pip install 'broadsheet[postgres]'",
        ) from error
    return psycopg
