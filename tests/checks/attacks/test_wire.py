import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from checks.attacks.samples import MARK
from checks.attacks.wire import COMPOSED, HEADED, RAW, attack, seeds
from local.firehose.wire import Firehose, WireError, application

NAMES = st.sampled_from(["s", "other", "", "é"])
DATA = st.binary(max_size=6).map(lambda data: b64encode(data).decode()) | st.text(max_size=6)
RECORDS = st.fixed_dictionaries({"Data": DATA | st.none()}, optional={"More": st.integers()})
BODIES = st.fixed_dictionaries(
    {"DeliveryStreamName": NAMES},
    optional={
        "Record": RECORDS,
        "Records": st.lists(RECORDS, max_size=4) | st.just([{"Data": "YQ=="}] * 501),
        "Limit": st.integers(),
        "DeliveryStreamType": NAMES,
        "ExclusiveStartDeliveryStreamName": NAMES,
    },
).map(lambda body: json.dumps(body).encode())
HEADERS = st.sampled_from(
    [
        *(b"Host: evil.example", b"Host: localhost", b"Host: [::1]", b"Content-Length: 99999999"),
        *(b"X-Amz-Target: \xff", b"Path: status", b"Method: GET", b"Content-Length: \xb2", b":"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 3), BODIES | st.binary(max_size=30))
def test_any_body_of_any_operation_is_answered(operation: int, body: bytes) -> None:
    attack(bytes([RAW, operation]) + body)


@settings(max_examples=150, deadline=None)
@given(st.lists(HEADERS | st.binary(max_size=20), max_size=4), BODIES)
def test_any_headers_are_answered(headers: list[bytes], body: bytes) -> None:
    attack(bytes([HEADED]) + b"\n".join(headers) + b"\n\n" + body)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80))
def test_a_batch_is_taken_or_refused_as_its_records_are(data: bytes) -> None:
    attack(bytes([COMPOSED]) + data)


class Broken(Firehose):
    """The operations with a fault in what they answer."""

    def __init__(self, real: Firehose, fault: Callable[[dict[str, Any]], Any]) -> None:
        self._real = real
        self._fault = fault

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        answer = self._real.answer(target, body)
        return self._fault(answer) or answer


def answering(fault: Callable[[dict[str, Any]], Any]) -> Callable[[Firehose], ASGIApp]:
    return lambda firehose: application(Broken(firehose, fault))


def tell(_answer: dict[str, Any]) -> None:
    raise WireError("ValidationException", MARK)


def invent(_answer: dict[str, Any]) -> None:
    raise WireError("InventedException", "no such error")


def fail(_answer: dict[str, Any]) -> None:
    raise KeyError("the server failed")


def backwards(answer: dict[str, Any]) -> None:
    answer.get("RequestResponses", []).reverse()


def twice(answer: dict[str, Any]) -> None:
    answer.get("RequestResponses", []).extend(answer.get("RequestResponses", []))


def admitting_any_host(firehose: Firehose) -> ASGIApp:
    app = application(firehose)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        await app({**scope, "headers": [*others, (b"host", b"localhost")]}, receive, send)

    return serve


def without_types(firehose: Firehose) -> ASGIApp:
    app = application(firehose)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def plain(message: Message) -> None:
            if "headers" in message:
                message = {**message, "headers": [(b"content-type", b"text/plain")]}
            await send(message)

        await app(scope, receive, plain)

    return serve


class Lax(Firehose):
    """Takes whatever batch there is: no limits."""

    def __init__(self, real: Firehose) -> None:
        self._real = real

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        try:
            return self._real.answer(target, body)
        except WireError as refused:
            if refused.code != "ValidationException" or not target.endswith("Batch"):
                raise
            return {"FailedPutCount": 0, "RequestResponses": []}


def attack_all(serve: Callable[[Firehose], ASGIApp]) -> None:
    for data in seeds():
        attack(data, serve)


def test_each_seed_can_be_tried() -> None:
    attack_all(application)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (answering(tell), "no data told"),
        (answering(invent), "one of AWS's"),
        (answering(fail), "the server failed"),
        (answering(backwards), "at its place"),
        (answering(twice), "at its place"),
        (admitting_any_host, "no other host is served"),
        (without_types, "AWS's JSON"),
        (lambda firehose: application(Lax(firehose)), "beyond the limits is refused as"),
    ],
)
def test_a_fault_in_the_server_is_found_among_the_seeds(
    broken: Callable[[Firehose], ASGIApp], error: str
) -> None:
    with pytest.raises((AssertionError, KeyError), match=error):
        attack_all(broken)
