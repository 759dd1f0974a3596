"""A proxy between a client and a server, over real HTTP, where a test lets faults happen."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

import urllib3

UPSTREAM_SECONDS = 60.0
_OF_THE_CONNECTION = {"connection", "content-length", "date", "server", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The operation of AWS's JSON protocol; empty in a request of another protocol."""
        return self.headers.get("X-Amz-Target", "").rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer a client gets."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Forward = Callable[[Request], Answer | None]
"""Asks the server; None when it broke the connection."""

Matches = Callable[[Request], bool]

Fault = Callable[[Request, Forward], Answer | None]
"""What becomes of a request, be it forwarded or not; None breaks the client's connection."""


def whole(request: Request, forward: Forward) -> Answer | None:
    """No fault."""
    return forward(request)


class Proxy:
    """Serves on loopback while it is entered, and forwards every request, but for a fault."""

    def __init__(self, upstream: str) -> None:
        self._fault: Fault = whole
        self._upstream = upstream
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._pool.clear()

    @contextmanager
    def failing(self, matches: Matches, fault: Fault) -> Iterator[None]:
        """The fault happens to the matching requests, of which there has to be one at least."""
        matched = False

        def on_the_way(request: Request, forward: Forward) -> Answer | None:
            nonlocal matched
            if not matches(request):
                return forward(request)
            matched = True
            return fault(request, forward)

        self._fault = on_the_way
        try:
            yield
        finally:
            self._fault = whole
        assert matched, "no request came that the fault was for"

    def answer(self, request: Request) -> Answer | None:
        return self._fault(request, self._forward)

    def _forward(self, request: Request) -> Answer | None:
        try:
            answer = self._pool.request(
                request.method,
                self._upstream + request.path,
                body=request.body,
                headers=_end_to_end(request.headers),
                decode_content=False,
                redirect=False,
                timeout=UPSTREAM_SECONDS,
            )
        except urllib3.exceptions.HTTPError:
            return None
        return Answer(answer.status, answer.data, _end_to_end(answer.headers))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body)
                answer = proxy.answer(request)
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_DELETE = do_GET = do_POST = do_PUT = _answer

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output clean."""

        return Handler


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        # A client that was killed meanwhile takes no answer.
        with suppress(ConnectionError):
            if (error := sys.exception()) is not None:
                raise error
