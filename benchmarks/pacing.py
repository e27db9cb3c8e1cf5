"""How much of a provider's quota is used, what refusals that draws, and what our engine costs.

    python benchmarks/pacing.py [--jobs 30] [--requests 5] [--window 6] [--latency 0.2] [--part P]…

Jobs of one request each are put to a stand-in provider with a quota of so many requests per window,
on 8 threads: by our engine, alone and as two processes on one home, with the quota in the settings
and without, and by plain callers that pace themselves. Seconds are those from the first to the last
admitted request, as the provider saw them; ideal is ((jobs - 1) // requests) windows.

pyrate-limiter (4) and limits are left out where they are not installed:
`python -m pip install --target FOLDER 'pyrate-limiter>=4' limits`, then PYTHONPATH=FOLDER.
Prefect's `rate_limit` is left out: it needs a server.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import httpx
from quota_provider import SHAPES, Limit, Seen, seen, serving

from broadsheet.analysis import client
from broadsheet.analysis.desk import Desk
from broadsheet.config import Model, Settings
from broadsheet.errors import ModelError
from broadsheet.lake import Lake
from broadsheet.models import Question
from broadsheet.state import State

THREADS = 8
NAME = "openai/stand-in"
TARGET_MS = 20
WARM, TIMED = 3, 25  # questions per latency
LONG_TEXT = "A lantern counts photons. " * 2300  # about the default of max_input_chars


@dataclass(frozen=True, kw_only=True)
class Load:
    """Where the jobs are put, in which home, and what is known of the quota."""

    url: str
    home: Path
    requests: int
    window: float


Caller = Callable[[Load, Sequence[str]], list[str]]
"""Does the jobs; returns those that were answered."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of a table."""

    name: str
    caller: Caller
    shape: str = "openai"
    processes: int = 1
    package: str = "httpx"
    """What must be installed for it."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One table."""

    title: str
    cases: tuple[Case, ...]
    at_once: bool = False
    """Whether its cases may run side by side: where a millisecond does not matter."""


def a_question(asked: str) -> Question:
    """A question whose last message is that."""
    return Question(
        key=hashlib.sha256(asked.encode()).hexdigest(),
        model=NAME,
        paper_id=asked[:20],
        style="hf",
        prompt_version="hf-00000000",
        messages=({"role": "system", "content": "Repeat."}, {"role": "user", "content": asked}),
        schema={
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
            "additionalProperties": False,
        },
        parameters={"temperature": 0.0, "max_tokens": 1000},
    )


def on_threads(do: Callable[[str], bool], jobs: Sequence[str], threads: int) -> list[str]:
    """The jobs that were done."""
    with ThreadPoolExecutor(threads) as pool:
        return [job for job, done in zip(jobs, pool.map(do, jobs), strict=True) if done]


def by_desk(has_quota: bool, load: Load, jobs: Sequence[str]) -> list[str]:
    """Our engine, with the quota in its settings or without."""
    quota = {"rpm": load.requests, "window_seconds": load.window} if has_quota else {}
    model = Model(name=NAME, endpoint=load.url, max_concurrency=THREADS, **quota)
    settings = Settings(home=load.home, models=(model,))
    lake = Lake(settings.lake_root)
    lake.write("runs", [], "first", date=dt.date(2026, 1, 6))  # a run has written before it asks
    desk = Desk(settings, lake, run=f"run-{os.getpid()}")

    def ask(job: str) -> bool:
        try:
            return job in desk.ask(a_question(job), model).text
        except ModelError as fault:
            print(f"  lost: {fault}")
            return False

    return on_threads(ask, jobs, THREADS)


def in_turn(turn: Callable[[], object], threads: int, load: Load, jobs: Sequence[str]) -> list[str]:
    """Plain requests, a turn before each; after a refusal the job waits as asked, and again."""
    with httpx.Client(base_url=load.url, trust_env=False, timeout=60) as web:

        def ask(job: str) -> bool:
            body = {"model": "any", "messages": [{"role": "user", "content": job}]}
            while True:
                turn()
                response = web.post("/chat/completions", json=body)
                if response.status_code != 429:
                    return job in response.text
                time.sleep(float(response.headers["retry-after"]))

        return on_threads(ask, jobs, threads)


def by_sleeping(load: Load, jobs: Sequence[str]) -> list[str]:
    """One after the other, with a fixed sleep between two."""
    return in_turn(partial(time.sleep, load.window / load.requests), 1, load, jobs)


def by_pyrate(load: Load, jobs: Sequence[str]) -> list[str]:
    """pyrate-limiter's sliding window in memory, which waits itself."""
    from pyrate_limiter import Limiter, Rate

    limiter = Limiter(Rate(load.requests, round(1000 * load.window)))
    return in_turn(limiter.try_acquire, THREADS, load, jobs)


def by_limits(load: Load, jobs: Sequence[str]) -> list[str]:
    """The moving window of limits in memory, which leaves waiting to its caller."""
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerSecond(load.requests, round(load.window))

    def turn() -> None:
        while not limiter.hit(item):
            time.sleep(max(limiter.get_window_stats(item).reset_time - time.time(), 0.001))

    return in_turn(turn, THREADS, load, jobs)


TOLD, UNTOLD = partial(by_desk, True), partial(by_desk, False)
PARTS = {
    "engine": Part(
        title="the quota in the settings",
        cases=tuple(Case(name="Broadsheet", caller=TOLD, shape=shape) for shape in SHAPES),
    ),
    "two": Part(
        title="two processes on one home",
        cases=(Case(name="Broadsheet", caller=TOLD, processes=2),),
    ),
    "learning": Part(
        title="no quota in the settings",
        cases=tuple(Case(name="Broadsheet", caller=UNTOLD, shape=shape) for shape in SHAPES),
        at_once=True,
    ),
    "plain": Part(
        title="plain callers",
        cases=(
            Case(name="fixed sleeps", caller=by_sleeping),
            Case(name="pyrate-limiter", caller=by_pyrate, package="pyrate_limiter"),
            Case(name="limits", caller=by_limits, package="limits"),
        ),
        at_once=True,
    ),
}


def get_ready(start: Barrier) -> None:
    """Import what costs seconds, then wait for the others."""
    os.environ["NO_PROXY"] = "127.0.0.1"
    client.warm_up()
    start.wait()


@contextmanager
def workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that have imported everything; each has a home of its own per case."""
    spawn = get_context("spawn")
    start = spawn.Barrier(count)
    with ProcessPoolExecutor(count, spawn, get_ready, (start,)) as pool:
        for ready in [pool.submit(os.getpid) for _ in range(count)]:
            ready.result()
        yield pool


def measure(pool: ProcessPoolExecutor, case: Case, jobs: int, limit: Limit) -> str:
    """The case's line."""
    if not find_spec(case.package):
        return f"{case.name:15} not installed: see the script's beginning"
    names = [f"job {number:04}" for number in range(jobs)]
    limit = replace(limit, shape=case.shape)
    with tempfile.TemporaryDirectory() as home, serving(limit) as url:
        load = Load(url=url, home=Path(home), requests=limit.requests, window=limit.window)
        shares = [names[turn :: case.processes] for turn in range(case.processes)]
        futures = [pool.submit(case.caller, load, share) for share in shares]
        answered = [job for future in futures for job in future.result()]
        return line(case, names, answered, seen(url), limit) + learnt(load)


COLUMNS = "caller          refusals  answers  lost  repeated  429s  seconds  ideal   used"


def line(
    case: Case, jobs: Sequence[str], answered: Sequence[str], log: Iterable[Seen], limit: Limit
) -> str:
    """What came of it."""
    counts = Counter(entry.status for entry in log)
    admitted = [entry for entry in log if entry.status == 200]
    repeated = len(admitted) - len({entry.asked for entry in admitted})
    seconds = admitted[-1].at - admitted[0].at
    ideal = (len(jobs) - 1) // limit.requests * limit.window
    return (
        f"{case.name:15} {case.shape:8} {len(answered):8} {len(jobs) - len(answered):5}"
        f" {repeated:9} {counts[429]:5} {seconds:8.2f} {ideal:6.1f} {ideal / seconds:6.1%}"
    )


def learnt(load: Load) -> str:
    """What the engine has concluded about the quota, if it had to."""
    if not (load.home / "state.sqlite").exists():
        return ""
    sql = "select learned_requests, learned_seconds from models where learned_requests is not null"
    with State(str(load.home / "state.sqlite")).transaction() as transaction:
        rows = transaction.run(sql)
    return "".join(f"  learnt: {requests} in {seconds:.2f} s" for requests, seconds in rows)


def report(pool: ProcessPoolExecutor, part: Part, jobs: int, limit: Limit) -> None:
    """Print the part's table."""
    print(f"\n{part.title}: {jobs} jobs, {limit.requests} requests per {limit.window:g} s")
    print(COLUMNS, flush=True)
    with ThreadPoolExecutor(len(part.cases) if part.at_once else 1) as side_by_side:
        measured = side_by_side.map(
            lambda case: measure(pool, case, jobs, limit),
            part.cases,
        )
        for row in measured:
            print(row, flush=True)


def overhead(latency: float) -> str:
    """What a question costs beside the request itself: one thread, everything warm."""
    limit = Limit(requests=0, window=1.0, latency=latency)
    with tempfile.TemporaryDirectory() as home, serving(limit) as url:
        model = Model(name=NAME, endpoint=url)
        settings = Settings(home=Path(home), models=(model,))
        desk = Desk(settings, Lake(settings.lake_root), run="overhead")
        by_turns = [
            (
                milliseconds(desk.ask, model, f"desk {turn} {LONG_TEXT}"),
                milliseconds(client.ask, model, f"client {turn} {LONG_TEXT}"),
            )
            for turn in range(WARM + TIMED)
        ]
    timed = [(whole, bare, whole - bare) for whole, bare in by_turns[WARM:]]
    whole, bare, added = (statistics.median(column) for column in zip(*timed, strict=True))
    return f"{latency:9.1f} {whole:13.1f} {bare:16.1f} {added:11.1f}"


def milliseconds(ask: Callable[[Question, Model], object], model: Model, text: str) -> float:
    question = a_question(text)
    started = time.perf_counter()
    ask(question, model)
    return 1000 * (time.perf_counter() - started)


def report_overhead(pool: ProcessPoolExecutor) -> None:
    """Print the table of overhead."""
    print(f"\none question of {len(LONG_TEXT)} characters, one thread, medians of {TIMED}")
    print(f"  latency  desk.ask (ms)  client.ask (ms)  added (ms)  (target: {TARGET_MS})")
    for latency in (0.0, 0.2):
        print(pool.submit(overhead, latency).result(), flush=True)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=30)
    parser.add_argument("--requests", type=int, default=5, help="per window")
    parser.add_argument(
        "--window", type=float, default=6.0, help="seconds; limits takes whole ones"
    )
    parser.add_argument("--latency", type=float, default=0.2, help="seconds an answer takes")
    names = (*PARTS, "overhead")
    parser.add_argument("--part", choices=names, action="append", help="only this table")
    given = parser.parse_args()
    wanted = given.part or names
    limit = Limit(requests=given.requests, window=given.window, latency=given.latency)
    with workers(3) as pool:
        for name, part in PARTS.items():
            if name in wanted:
                report(pool, part, given.jobs, limit)
        if "overhead" in wanted:
            report_overhead(pool)


if __name__ == "__main__":
    main()
