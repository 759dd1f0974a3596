from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from app import app
from chalicelib.openapi import document
from checks.attacks.api import attack, serving

DOCUMENT = msgspec.json.encode(document(app.routes))


def test_the_api_does_what_its_description_says(
    emulator: str, table_name: str, tmp_path: Path
) -> None:
    with serving(emulator, table_name, tmp_path / "api.log") as url:
        assert attack(url, tmp_path, seconds=15, seed=1) > 100


class Liar(BaseHTTPRequestHandler):
    """A server with the API's description, and another behaviour."""

    def do_GET(self) -> None:
        body = DOCUMENT if self.path == "/openapi.json" else b'{"records":7}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def liar() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_an_api_that_does_another_thing_is_found_out(liar: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="FAILURES"):
        attack(liar, tmp_path, seconds=8, seed=1)
