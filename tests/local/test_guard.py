"""The guard in front of the local servers, and what the emulator's own answers and refuses."""

import asyncio
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
import urllib3
from starlette.types import Receive, Scope, Send

from local.guard import Guard

HOSTILE = "http://elsewhere.example"


def run(kind: str, headers: Mapping[str, str]) -> list[Any]:
    """What a guarded server sends to a client that connects."""
    sent: list[Any] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "served"})

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    wire = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(Guard(app)({"type": kind, "headers": wire}, receive, send))
    return sent


def test_a_websocket_is_guarded_as_a_request_is() -> None:
    own = {"host": "127.0.0.1:1", "origin": "http://127.0.0.1:1"}
    assert run("websocket", own) == [{"type": "served"}]
    for other in ({"origin": HOSTILE}, {"host": "elsewhere.example"}):
        (closed,) = run("websocket", {**own, **other})
        assert closed["type"] == "websocket.close"


def test_the_start_and_the_end_of_a_server_pass() -> None:
    assert run("lifespan", {}) == [{"type": "served"}]


def answer(emulator: str, method: str, path: str = "/", **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(method, emulator + path, headers=names, redirect=False).status


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "elsewhere.example"},
        {"host": "localhost.elsewhere.example"},
        {"host": "bucket.s3.amazonaws.com"},
        {"host": "10.0.0.1"},
        {"origin": HOSTILE},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_the_emulator_refuses_web_pages_and_other_hosts(
    emulator: str, method: str, headers: dict[str, str]
) -> None:
    assert answer(emulator, method, **headers) == 403
    assert answer(emulator, method, "/2015-03-31/functions", **headers) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "bucket.localhost", "LOCALHOST"])
def test_the_emulator_answers_every_name_of_loopback(emulator: str, host: str) -> None:
    assert answer(emulator, "GET", "/_ministack/health", host=host) == 200


def test_a_client_may_name_its_bucket_in_the_host(emulator: str) -> None:
    client = boto3.Session("test", "test", region_name="us-east-1").client(
        "s3", endpoint_url=emulator
    )
    client.create_bucket(Bucket="named-in-the-host")
    client.put_object(Bucket="named-in-the-host", Key="a", Body=b"text")
    host = {"Host": "named-in-the-host.s3.localhost"}
    answer = urllib3.request("GET", f"{emulator}/a", headers=host)
    assert (answer.status, answer.data) == (200, b"text")
