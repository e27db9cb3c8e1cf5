"""What tests share: a clean environment, a web server that answers as told, the real data."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import httpx
import pyarrow as pa
import pytest
from post import PostOffice

from broadsheet import redaction
from broadsheet.lake import Lake

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PROVIDERS = ("OPENAI_", "GEMINI_", "GOOGLE_", "ANTHROPIC_", "OPENROUTER_", "OLLAMA_")
SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's own reaches a test; everything is written below tmp_path."""
    for name in list(os.environ):
        if name.startswith(("BROADSHEET_", "AWS_", *PROVIDERS)):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BROADSHEET_ARXIV_DELAY_SECONDS", "0")
    monkeypatch.setattr(redaction, "_hidden", set())


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file of tests: while it runs, no event loop can (see browser.py)."""
    from browser import launched, program

    executable = program()
    if executable is None:
        pytest.skip("needs Chromium, which is not installed here")
    with launched(executable) as found:
        yield found


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


class Bucket:
    """An empty bucket of an S3 server on loopback, and what is asked of that server."""

    def __init__(self, server: str, log: Path) -> None:
        self.server, self._log = server, log
        self.name = f"b{uuid4().hex}"
        self.url = f"s3://{self.name}/lake"
        httpx.put(f"{server}/{self.name}").raise_for_status()

    def objects(self) -> list[str]:
        """The names of all objects, sorted."""
        page = httpx.get(f"{self.server}/{self.name}?list-type=2").raise_for_status().text
        return sorted(re.findall("<Key>(.*?)</Key>", page))

    def put(self, key: str, content: bytes) -> None:
        """Make an object, or another of that name."""
        Lake(self.url).store.put(f"{self.name}/{key}", pa.py_buffer(content))

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The requests made meanwhile, as `GET /key?query`, once it is over.

        The server writes the line of a request before its answer.
        """
        requests: list[str] = []
        before = self._log.stat().st_size
        yield requests
        lines = self._log.read_bytes()[before:].decode().splitlines()
        found = (re.search(rf'"([A-Z]+) /{self.name}(\S*) HTTP', unquote(line)) for line in lines)
        requests += [f"{one[1]} {one[2]}" for one in found if one]


@pytest.fixture(scope="session")
def object_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an S3 server and its log; in its own process, which lets it be waited for."""
    log = tmp_path_factory.mktemp("s3") / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as lines:
        running = subprocess.Popen(command, stdout=lines, stderr=lines)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with suppress(httpx.TransportError):
                httpx.get(url)
                break
            time.sleep(0.1)
        yield url, log
    finally:
        running.terminate()
        running.wait(30)


@pytest.fixture
def object_store(
    object_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Bucket:
    """An empty bucket, with what the environment needs for it."""
    for name, value in {
        "ACCESS_KEY_ID": "loopback-user",
        "SECRET_ACCESS_KEY": "loopback-password",
        "REGION": "us-east-1",
        "ENDPOINT_URL": object_server[0],
        "EC2_METADATA_DISABLED": "true",
        "CONFIG_FILE": str(tmp_path / "no-config"),
        "SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    return Bucket(*object_server)


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


@pytest.fixture
def post_office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PostOffice]:
    """A mail server without TLS, which the settings name; the profiles' folder is empty."""
    office = PostOffice()
    for name, value in {
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(office.port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "The Kite <news@example.org>",
        "PROFILES": str(tmp_path / "profiles"),
    }.items():
        monkeypatch.setenv(f"BROADSHEET_{name}", value)
    (tmp_path / "profiles").mkdir()
    yield office
    office.close()
