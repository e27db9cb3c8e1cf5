"""What tests share: a clean environment, a web server that answers as told, the real data."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from broadsheet.lake import Lake

PROVIDERS = ("OPENAI_", "GEMINI_", "GOOGLE_", "ANTHROPIC_", "OPENROUTER_", "OLLAMA_")
SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's own reaches a test; everything is written below tmp_path."""
    for name in list(os.environ):
        if name.startswith(("BROADSHEET_", *PROVIDERS)):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BROADSHEET_ARXIV_DELAY_SECONDS", "0")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded real payloads; the test is skipped where it is not there."""
    if not SHARED.is_dir():
        pytest.skip("needs the recorded payloads of ../shared, which are not here")
    return SHARED


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake, with room for the quarantine beside it."""
    return Lake(str(tmp_path / "home" / "lake"))


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    """One Prefect server per worker: entering a flow costs seconds without."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield


Answer = tuple[int, str | bytes] | tuple[int, str | bytes, dict[str, str]]
Respond = Callable[[str, dict[str, str]], Answer]


class Web:
    """A real HTTP server on loopback; `respond(path, query)` gives status, body and headers.

    `requests` holds (path, query) of everything asked; `headers` the headers of each.
    """

    def __init__(self) -> None:
        self.respond: Respond = lambda path, query: (404, "nothing here")
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                length = int(self.headers.get("content-length") or 0)
                web.bodies.append(self.rfile.read(length))
                web.requests.append((parts.path, query))
                web.headers.append({k.lower(): v for k, v in self.headers.items()})
                status, body, *rest = web.respond(parts.path, query)
                raw = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in (rest[0] if rest else {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_POST = do_GET  # noqa: N815 (http.server's name)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def in_turn(*answers: Answer) -> Respond:
    """Answers one after the other, the last one for ever."""
    left = list(answers)
    return lambda path, query: left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def web() -> Iterator[Web]:
    """A web server for the test to teach."""
    server = Web()
    yield server
    server.close()


def _postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of an empty PostgreSQL server; the test is skipped where none is installed."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs a PostgreSQL server, which is not installed here")
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if user:
            shutil.chown(folder, "postgres")
        data = f"{folder}/data"
        make = [str(programs / "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-N"]
        subprocess.run([*user, *make], check=True, capture_output=True, cwd=folder)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        start = [str(programs / "postgres"), "-D", data, "-p", str(port), "-k", folder, "-F"]
        running = subprocess.Popen(
            [*user, *start], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
        )
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        try:
            _await_postgres(url)
            yield url
        finally:
            running.terminate()
            running.wait(30)


def _await_postgres(url: str) -> None:
    import psycopg

    for _ in range(300):
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise TimeoutError("PostgreSQL did not start")


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The address of an empty database."""
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("drop schema public cascade; create schema public")
    yield postgres_server


class World:
    """The replayed world, from the test's side."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, **settings: object) -> None:
        """Change how it behaves from now on."""
        httpx.post(f"{self.url}/_control", json=settings).raise_for_status()

    @property
    def stats(self) -> dict[str, Any]:
        """Its counts since the test began."""
        found: dict[str, Any] = httpx.get(f"{self.url}/_stats").raise_for_status().json()
        return found

    @property
    def model_requests(self) -> int:
        """How often the model was asked, whatever it answered."""
        counts = self.stats["by"].items()
        return sum(count for route, count in counts if route.startswith("llm "))

    def has_html(self, paper_id: str) -> bool:
        """Whether arXiv has a page of the paper."""
        return httpx.get(f"{self.url}/html/{paper_id}").status_code == 200


@pytest.fixture(scope="session")
def running(shared: Path) -> Iterator[World]:
    """The world, started once per worker; see `world.py` there for its controls."""
    script = shared / "world" / "world.py"
    if not script.is_file():
        pytest.skip("needs ../shared/world, which is not here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(script), "--port", str(port)])
    try:
        started = World(f"http://127.0.0.1:{port}")
        wait_for(started, process)
        yield started
    finally:
        process.terminate()
        process.wait(30)


def wait_for(world: World, process: subprocess.Popen[bytes]) -> None:
    """Return once the world answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            assert world.stats
            return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"world.py does not answer, exit code {process.poll()}")


@pytest.fixture
def world(running: World, server: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world that has seen nothing yet, late, where everything works; no model is configured."""
    running.set(reset=True, snapshot="late", mode="good", faults=[], rpm=0, latency=0)
    monkeypatch.setenv("BROADSHEET_HUGGINGFACE_URL", running.url)
    monkeypatch.setenv("BROADSHEET_ARXIV_API_URL", f"{running.url}/api/query")
    monkeypatch.setenv("BROADSHEET_ARXIV_URL", running.url)
    monkeypatch.setenv("OPENAI_API_BASE", f"{running.url}/v1")
    return running
