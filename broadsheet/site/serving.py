"""A look at the site on this machine: a small server whose pages reload when it is built anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from broadsheet.errors import UsageError
from broadsheet.site.building import MANIFEST

logger = logging.getLogger(__name__)

STAMP, SCRIPT = "/-/built", "/-/reload.js"
_RELOAD = f"""\
let built;
setInterval(async () => {{
  const now = await fetch("{STAMP}").then((r) => r.text()).catch(() => built);
  if (built !== undefined && now !== built) location.reload();
  built = now;
}}, 1000);
"""


def server(site: Path, host: str = "127.0.0.1", port: int = 8000) -> ThreadingHTTPServer:
    """A server of the built site, not yet running.

    Raises:
        UsageError: there is no site, or the port is taken.
    """
    if not (site / MANIFEST).is_file():
        raise UsageError(f"there is no site in {site}", "broadsheet site build makes it")
    handler: Callable[..., SimpleHTTPRequestHandler] = partial(_Handler, directory=str(site))
    try:
        return ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise UsageError(
            f"cannot serve on {host}:{port}: {error.strerror}", "choose another with --port"
        ) from error


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".xml": "application/xml",
        ".opml": "text/x-opml",
        ".wasm": "application/wasm",
    }

    def do_GET(self) -> None:
        manifest = Path(self.directory) / MANIFEST
        if self.path == STAMP:
            self._answer(str(manifest.stat().st_mtime_ns).encode(), "text/plain")
        elif self.path == SCRIPT:
            self._answer(_RELOAD.encode(), "text/javascript")
        elif (page := self._page()) is not None:
            tag = f'<script src="{SCRIPT}" defer></script></head>'.encode()
            self._answer(page.read_bytes().replace(b"</head>", tag, 1), "text/html; charset=utf-8")
        else:
            super().do_GET()

    def _page(self) -> Path | None:
        """The page asked for; None where it is something else."""
        asked = Path(self.translate_path(self.path))
        page = asked / "index.html" if asked.is_dir() and self.path.endswith("/") else asked
        return page if page.suffix == ".html" and page.is_file() else None

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401 (as inherited)
        logger.debug(format, *args)
