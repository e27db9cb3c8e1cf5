"""A stand-in for a model's provider: a quota over a sliding window, counted on arrival, refusals.

    python benchmarks/quota_provider.py [--requests 5] [--window 6] [--latency 0.2] [--shape openai]

Prints its base URL, an OpenAI-compatible endpoint. Each answer repeats the question's last message.
`GET /seen` lists the requests as [seconds since 1970, status, last message]. Other scripts start it
by `serving` and read that list by `seen`.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SHAPES = ("openai", "gemini", "bare")
Refusal = tuple[dict[str, object], dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What the provider allows and how it refuses; `requests` 0: everything."""

    requests: int
    window: float
    latency: float = 0.0
    shape: str = "openai"


@dataclass(frozen=True)
class Seen:
    """One request as the provider saw it; `at` in seconds since 1970."""

    at: float
    status: int
    asked: str


@contextmanager
def serving(limit: Limit) -> Iterator[str]:
    """The base URL of a provider in a process of its own, with nothing counted yet."""
    options = [f"--{name}={value}" for name, value in vars(limit).items()]
    process = subprocess.Popen(
        [sys.executable, __file__, *options], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101 (for the type checker)
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def seen(url: str) -> list[Seen]:
    """All requests so far, first to last."""
    with urllib.request.urlopen(f"{url}/seen") as response:
        return [Seen(*entry) for entry in json.load(response)]


def refusal(shape: str, wait: float) -> Refusal:
    """Body and headers of a 429 that is over in so many seconds."""
    if shape == "gemini":
        return _refusal_by_gemini(wait), {}
    error = {"type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    if shape == "bare":
        return {"error": {"message": "Too many requests", **error}}, {}
    message = f"Rate limit reached for requests. Please try again in {wait:.2f}s."
    return {"error": {"message": message, **error}}, {"retry-after": str(math.ceil(wait))}


def _refusal_by_gemini(wait: float) -> dict[str, object]:
    """As recorded from Google: the delay is cut to whole seconds, the message has it exactly."""
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    violation = {
        "quotaMetric": metric,
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    }
    google = "type.googleapis.com/google.rpc"
    error = {
        "code": 429,
        "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota, please check your plan and billing details."
        f" * Quota exceeded for metric: {metric} Please retry in {wait:.9f}s.",
        "details": [
            {"@type": f"{google}.QuotaFailure", "violations": [violation]},
            {"@type": f"{google}.RetryInfo", "retryDelay": f"{int(wait)}s"},
        ],
    }
    return {"error": error}


class Quota:
    """The sliding window: a refused request does not count."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._admitted: deque[float] = deque()
        self._lock = threading.Lock()

    def arrive(self) -> tuple[float, float]:
        """When the request arrived, and the seconds until there is room; 0: admitted."""
        with self._lock:
            now = time.time()
            while self._admitted and self._admitted[0] <= now - self._limit.window:
                self._admitted.popleft()
            if self._limit.requests and len(self._admitted) >= self._limit.requests:
                return now, self._admitted[0] + self._limit.window - now
            self._admitted.append(now)
            return now, 0.0


def completion(asked: str) -> dict[str, object]:
    """A success that repeats what was asked."""
    message = {"role": "assistant", "content": json.dumps({"text": asked})}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": "any",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }


def handler(limit: Limit) -> type[BaseHTTPRequestHandler]:
    """What answers requests under that limit."""
    quota, log = Quota(limit), list[Seen]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together, or the kernel holds the body back for 40 ms
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            at, wait = quota.arrive()
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked = body["messages"][-1]["content"]
            log.append(Seen(at, 429 if wait else 200, asked))
            if wait:
                self._send(429, *refusal(limit.shape, wait))
                return
            time.sleep(limit.latency)
            self._send(200, completion(asked), {})

        def do_GET(self) -> None:
            entries = sorted(log, key=lambda entry: entry.at)
            self._send(200, [[entry.at, entry.status, entry.asked] for entry in entries], {})

        def _send(self, status: int, body: object, headers: dict[str, str]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            named = {"content-type": "application/json", "content-length": str(len(raw))}
            for name, value in (named | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5, help="per window; 0: no limit")
    parser.add_argument("--window", type=float, default=6.0, help="seconds")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds an answer takes")
    parser.add_argument("--shape", choices=SHAPES, default="openai", help="of refusals")
    limit = Limit(**vars(parser.parse_args()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(limit))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
