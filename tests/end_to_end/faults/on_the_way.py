"""What can go wrong between two parts: requests refused, held, lost or answered falsely."""

import gzip
import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Semaphore
from typing import Any, Self
from urllib.parse import unquote

from chalicelib.partitions import FEED_FAILURES
from tests.end_to_end.faults.proxy import Answer, Fault, Forward, Matches, Request

WAIT_SECONDS = 30.0


def operation(*names: str) -> Matches:
    """Requests for operations of AWS's JSON protocol."""
    return lambda request: request.operation in names


def writes(bucket: str) -> Matches:
    """Objects put into a bucket as data."""
    start = f"/{bucket}/data/"
    return lambda request: request.method == "PUT" and request.path.startswith(start)


def invocations(function: str) -> Matches:
    """Calls of a function."""
    return lambda request: (
        request.path.endswith("/invocations") and f"{function}/" in unquote(request.path)
    )


def gives_up(request: Request) -> bool:
    """What the feed gave up goes to its place: to the queue, or as an object into the bucket."""
    is_object = request.method == "PUT" and f"/{FEED_FAILURES}" in unquote(request.path)
    return is_object or request.operation == "SendMessage"


def cannot_be_kept(request: Request, forward: Forward) -> Answer | None:
    """The queue or S3 fails for now."""
    return (refused_by_s3 if request.method == "PUT" else refused("InternalError", 500))(
        request, forward
    )


class Times:
    """A fault for the first requests, which it keeps; those that come after pass."""

    def __init__(self, times: int, fault: Fault) -> None:
        self.requests: list[Request] = []
        self._fault = fault
        self._left = Semaphore(times)

    def __call__(self, request: Request, forward: Forward) -> Answer | None:
        if not self._left.acquire(blocking=False):
            return forward(request)
        self.requests.append(request)
        return self._fault(request, forward)


def refused(code: str, status: int = 400) -> Fault:
    """AWS's JSON protocol answers with an error."""
    body = json.dumps({"__type": code, "message": "Slow down."}).encode()
    answer = Answer(status, body, {"Content-Type": "application/x-amz-json-1.1"})
    return lambda _request, _forward: answer


def refused_by_s3(_request: Request, _forward: Forward) -> Answer:
    """S3 asks to slow down."""
    body = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
    return Answer(503, body, {"Content-Type": "application/xml"})


def answer_lost(request: Request, forward: Forward) -> None:
    """The server does as it is asked, and the client never hears of it."""
    forward(request)


class Held:
    """Requests, or their answers, kept on the way until the context ends; then they are lost."""

    def __init__(self, *, forwarded: bool) -> None:
        self.requests: list[Request] = []
        self._forwarded = forwarded
        self._reached = Event()
        self._released = Event()

    def __call__(self, request: Request, forward: Forward) -> None:
        if self._forwarded:
            forward(request)
        self.requests.append(request)
        self._reached.set()
        self._released.wait(WAIT_SECONDS)

    def wait(self) -> Request:
        """The first request, once it is held."""
        assert self._reached.wait(WAIT_SECONDS), "no request came to be held"
        return self.requests[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()


def lines(request: Request) -> list[bytes]:
    """The lines of an object that is put."""
    return gzip.decompress(request.body).splitlines()


ACCEPTED = {"RecordId": "1"}
REFUSED = {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}


def records(request: Request) -> list[bytes]:
    """The records of a PutRecordBatch."""
    return [b64decode(record["Data"]) for record in json.loads(request.body)["Records"]]


def changes(record: bytes) -> list[bytes]:
    """The changes in a record: one from the pipe, many from the feed function."""
    return record.splitlines()


def changes_of(request: Request) -> list[bytes]:
    """The changes in a PutRecordBatch."""
    return [change for record in records(request) for change in changes(record)]


def without_records(chosen: Callable[[int, bytes], bool], response: dict[str, Any]) -> Fault:
    """Firehose gets a batch without the chosen records, by index and data.

    For each of them the client is told this response.
    """

    def fault(request: Request, forward: Forward) -> Answer | None:
        batch = json.loads(request.body)
        kept = [not chosen(*each) for each in enumerate(records(request))]
        rest = [record for record, keep in zip(batch["Records"], kept, strict=True) if keep]
        told: dict[str, Any] = {"RequestResponses": []}
        if rest:
            body = json.dumps({**batch, "Records": rest}).encode()
            answer = forward(replace(request, body=body))
            if answer is None or answer.status != 200:
                return answer
            told = json.loads(answer.body)
        real = iter(told["RequestResponses"])
        responses = [next(real) if keep else response for keep in kept]
        told["RequestResponses"] = responses
        told["FailedPutCount"] = sum("ErrorCode" in each for each in responses)
        return Answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    return fault
