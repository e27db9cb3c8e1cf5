"""What tests share: a clean environment, a web server that answers as told, the real data."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from broadsheet.lake import Lake

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the developer's own reaches a test; everything is written below tmp_path."""
    for name in list(os.environ):
        if name.startswith(("BROADSHEET_", "OPENAI_", "GEMINI_", "ANTHROPIC_")):
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
