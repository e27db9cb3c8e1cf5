"""The store that workers share: transactions that never overlap, locks that end with a process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet.errors import StateError
from broadsheet.state import State


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store is kept: a file, or a database."""
    if request.param == "sqlite":
        yield str(tmp_path / "deep" / "state.sqlite")
    else:
        yield request.getfixturevalue("postgres")


def count(state: State) -> int:
    with state.transaction() as transaction:
        return int(transaction.run("select count(*) from spending")[0][0])


def spend(state: State, entry: str) -> None:
    with state.transaction() as transaction:
        before = count_in(transaction)
        time.sleep(0.001)  # room for another to come between, if it could
        transaction.run(
            "insert into spending values (?, 'run', 'maker/any', ?, 0, ?, null)", entry, 0.5, before
        )


def count_in(transaction: object) -> float:
    return float(transaction.run("select count(*) from spending")[0][0])  # type: ignore[attr-defined]


def test_what_is_written_is_there_for_the_next(place: str) -> None:
    spend(State(place), "one")
    assert count(State(place)) == 1


def test_transactions_do_not_overlap(place: str) -> None:
    state = State(place)
    workers = [threading.Thread(target=spend, args=(state, f"{n}")) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with State(place).transaction() as transaction:
        seen = transaction.run("select reserved_usd from spending order by 1")
    assert [row[0] for row in seen] == list(range(8))


def test_a_transaction_that_fails_leaves_nothing(place: str) -> None:
    state = State(place)
    with pytest.raises(RuntimeError), state.transaction() as transaction:
        transaction.run("insert into models (model) values (?)", "maker/any")
        raise RuntimeError
    with state.transaction() as transaction:
        assert transaction.run("select * from models") == []


def test_its_clock_is_near_ours(place: str) -> None:
    with State(place).transaction() as transaction:
        assert abs(transaction.now - time.time()) < 5


def test_who_is_alone_is_alone(place: str) -> None:
    state, inside, most = State(place), [0], [0]

    def enter() -> None:
        with State(place).alone("question"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    with state.alone("another question"):
        workers = [threading.Thread(target=enter) for _ in range(5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
    assert most[0] == 1


def hold(place: str, held: str) -> None:
    with State(place).alone("question"):
        Path(held).touch()
        time.sleep(600)


def test_a_lock_ends_with_its_process(place: str, tmp_path: Path) -> None:
    held = tmp_path / "held"
    holder = multiprocessing.get_context("spawn").Process(target=hold, args=(place, str(held)))
    holder.start()
    while not held.exists():
        time.sleep(0.02)
    assert holder.pid
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with State(place).alone("question"):
        pass


def test_a_store_deleted_under_way_is_made_anew(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state.sqlite"))
    spend(state, "one")
    for file in tmp_path.glob("state.sqlite*"):
        if file.is_file():
            file.unlink()
    assert count(state) == 0


def test_a_damaged_file_is_told_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StateError, match=r"state\.sqlite") as raised:
        count(State(str(file)))
    assert "delete" in raised.value.remedy


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot use state"):
        count(State(str(tmp_path / "file" / "state.sqlite")))


def test_a_database_that_is_not_there_is_told_without_its_password() -> None:
    state = State("postgresql://reader:very-secret-word@127.0.0.1:9/none")
    with pytest.raises(StateError, match="cannot use state") as raised:
        count(state)
    assert "very-secret-word" not in str(raised.value)


def test_the_file_is_plain_sqlite(tmp_path: Path) -> None:
    spend(State(str(tmp_path / "state.sqlite")), "one")
    with sqlite3.connect(tmp_path / "state.sqlite") as connection:
        assert connection.execute("select id from spending").fetchall() == [("one",)]


def count_for_long(place: str, errors: str) -> None:
    state = State(place)
    for _ in range(400):
        try:
            count(state)
        except StateError as error:
            with Path(errors).open("a") as file:
                file.write(f"{error}\n")


def test_a_store_deleted_beside_other_workers_is_made_anew_for_all(tmp_path: Path) -> None:
    place, errors = tmp_path / "state.sqlite", tmp_path / "errors"
    count(State(str(place)))
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=count_for_long, args=(str(place), str(errors))) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for _ in range(4):
        time.sleep(0.15)
        place.unlink(missing_ok=True)
    for worker in workers:
        worker.join(60)
    told = errors.read_text().splitlines() if errors.exists() else []
    assert len(told) <= 4  # at most who was inside a transaction
    assert count(State(str(place))) == 0


def test_an_emptied_file_is_made_anew(tmp_path: Path) -> None:
    place = tmp_path / "state.sqlite"
    place.touch()
    assert count(State(str(place))) == 0
