"""What CloudFormation is told of a resource that a function makes."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from chalicelib.custom_resource import deployed


@pytest.fixture
def reports() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address that CloudFormation gives, and what was reported to it."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append({**json.loads(body), "type": self.headers["Content-Type"]})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/report?signed=yes", received
    server.shutdown()
    thread.join()
    server.server_close()


def event(url: str, kind: str, **more: str) -> dict[str, Any]:
    ids = {"StackId": "the-stack", "RequestId": "the-request", "LogicalResourceId": "Tables"}
    return {"RequestType": kind, "ResponseURL": url, **ids, **more}


def fail() -> None:
    raise ValueError("no such bucket")


@pytest.mark.parametrize(
    ("kind", "work", "status", "reason"),
    [
        ("Create", lambda: None, "SUCCESS", "done"),
        ("Update", lambda: None, "SUCCESS", "done"),
        ("Create", fail, "FAILED", "ValueError: no such bucket"),
        ("Delete", fail, "SUCCESS", "done"),
    ],
)
def test_every_request_is_answered_whatever_the_work_raises(
    reports: tuple[str, list[dict[str, Any]]],
    kind: str,
    work: Callable[[], None],
    status: str,
    reason: str,
) -> None:
    url, received = reports
    deployed(event(url, kind), work)
    assert received == [
        {
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": "Tables",
            "StackId": "the-stack",
            "RequestId": "the-request",
            "LogicalResourceId": "Tables",
            "type": "",
        }
    ]


def test_a_resource_keeps_its_id(reports: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = reports
    deployed(event(url, "Update", PhysicalResourceId="of-before"), lambda: None)
    assert received[0]["PhysicalResourceId"] == "of-before"
