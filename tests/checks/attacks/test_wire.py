"""The local Firehose's wire protocol, from the HTTP request to the function that sees the records.

Promise: any request is answered, with what the operation documents or with an error of AWS's shape
that repeats no data; never does the server fail. No host but the loopback ones is served. What is
acknowledged reaches the function once and unchanged, under the id at its place in the answer; what
is refused, whole or for its size, does not. The limits are AWS's: 1 to 500 records, 1,000 KiB each,
4 MiB together.
"""

import asyncio
import io
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.clock import Clock
from local.firehose import config
from local.firehose.ledger import Ledger
from local.firehose.objects import Objects
from local.firehose.processor import Processor
from local.firehose.stream import Intervals, LocalStream
from local.firehose.wire import Firehose, WireError, application
from tests.checks.attacks.running import LARGE, SUITE, search
from tests.checks.attacks.samples import MARK
from tests.checks.attacks.strategies import TEXTS, spelt, spliced, values

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

Serve = Callable[[Firehose], ASGIApp]

NAME = "s"
RECORDS_MAX, RECORD_MAX, BATCH_MAX = 500, 1_024_000, 4_194_304

ERRORS = {
    "InvalidArgumentException": 400,
    "RequestEntityTooLargeException": 413,
    "ResourceNotFoundException": 400,
    "SerializationException": 400,
    "UnknownOperationException": 400,
    "ValidationException": 400,
}

OPERATIONS = ("PutRecord", "PutRecordBatch", "DescribeDeliveryStream", "ListDeliveryStreams")
TARGETS = tuple(f"Firehose_20150804.{name}".encode() for name in OPERATIONS)

TOKENS = (
    *(b'"DeliveryStreamName"', b'"Record"', b'"Records"', b'"Data"', b'"s"', b'"Limit"', b'"YQ=="'),
    *(b"DeliveryStreamType", b"ExclusiveStartDeliveryStreamName", b"null", b"[]", b"{}", b"1e999"),
    *(b"\\ud800", b"\xff", b"[[[[[[[[", b"Content-Length", b"X-Amz-Target", b"Host", b"127.0.0.1"),
    *(b"Firehose_20150804.", b"Transfer-Encoding", b"localhost:1", b"[::1]", b"evil.example"),
    MARK.encode(),
)

_FUNCTION = {
    "ParameterName": "LambdaArn",
    "ParameterValue": "arn:aws:lambda:us-east-1:000000000000:function:f",
}
_DESTINATION = {
    "BucketARN": "arn:aws:s3:::lake",
    "BufferingHints": {"SizeInMBs": 128, "IntervalInSeconds": 60},
    "CompressionFormat": "GZIP",
    "Prefix": "data/site=!{partitionKeyFromLambda:site}/",
    "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
    "DynamicPartitioningConfiguration": {"Enabled": True},
    "ProcessingConfiguration": {
        "Enabled": True,
        "Processors": [{"Type": "Lambda", "Parameters": [_FUNCTION]}],
    },
}
_DESCRIPTION = {
    "DeliveryStreamName": NAME,
    "DeliveryStreamARN": f"arn:aws:firehose:us-east-1:000000000000:deliverystream/{NAME}",
    "DeliveryStreamType": "DirectPut",
    "DeliveryStreamStatus": "ACTIVE",
    "VersionId": "1",
    "CreateTimestamp": 1700076551.0,
    "Destinations": [{"ExtendedS3DestinationDescription": _DESTINATION}],
}
CONFIG = config.read(_DESCRIPTION, lambda _database, _table: {})


class Function:
    """A Lambda client whose function keeps what it sees, and drops it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        """Record ids with their data in base64, in the order of the events."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: ARG002, N803
        """Return the function's answer, as boto3 gives it."""
        records = json.loads(Payload)["records"]
        self.seen += [(each["recordId"], each["data"]) for each in records]
        answers = [{"recordId": each["recordId"], "result": "Dropped"} for each in records]
        return {"Payload": io.BytesIO(json.dumps({"records": answers}).encode())}


class AtOnce(Executor):
    """Does work where it is handed over."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass
class Request:
    """A request as the HTTP server hands it on."""

    body: bytes
    target: bytes = TARGETS[1]
    method: str = "POST"
    path: str = "/"
    host: bytes = b"127.0.0.1:4573"
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """As https://asgi.readthedocs.io/en/latest/specs/www.html has it."""
        return {
            "type": "http",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "query_string": b"",
            "headers": [(b"host", self.host), (b"x-amz-target", self.target), *self.headers],
        }


@dataclass
class Response:
    """An answer, and what the function saw of the request's records."""

    status: int
    headers: Mapping[bytes, bytes]
    content: bytes
    seen: list[tuple[str, str]]


def _usually(
    usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    return st.one_of(*[usual] * 7, other)


DATA = st.binary(max_size=6).map(lambda data: b64encode(data).decode()) | TEXTS
RECORDS = st.fixed_dictionaries(
    {"Data": DATA | st.just(b64encode(MARK.encode()).decode()) | st.none()},
    optional={"More": st.integers()},
)
NAMES = st.sampled_from((NAME, NAME, NAME, "other", "", "é"))
BODIES = st.fixed_dictionaries(
    {"DeliveryStreamName": NAMES},
    optional={
        "Record": RECORDS,
        "Records": st.lists(RECORDS, max_size=4),
        "Limit": st.integers(-1, 10_001) | values(("a",), 0),
        "DeliveryStreamType": st.just("DirectPut") | values(("a",), 0),
        "ExclusiveStartDeliveryStreamName": TEXTS,
    },
).map(lambda body: json.dumps(body).encode())
HEADERS = st.tuples(
    st.sampled_from(
        (b"content-length", b"transfer-encoding", b"content-type", b"x-amz-target", b"")
    ),
    st.sampled_from((b"", b"0", b"16777217", b"9" * 5000, b"\xb2", b"chunked", b"text/plain")),
) | st.tuples(spelt(TOKENS).map(bytes.lower), spelt(TOKENS))
REQUESTS = st.builds(
    Request,
    body=BODIES | BODIES | spliced(BODIES, TOKENS) | spelt(TOKENS) | st.binary(max_size=64),
    target=_usually(
        st.sampled_from(TARGETS),
        st.binary(max_size=8).map(lambda name: b"Firehose_20150804." + name) | spelt(TOKENS),
    ),
    method=_usually(st.just("POST"), st.sampled_from(("GET", "PUT", "HEAD", "OPTIONS", "X"))),
    path=_usually(
        st.just("/"),
        st.sampled_from(("/status", "//", "/%2e")) | st.text(max_size=8).map("/{}".format),
    ),
    host=_usually(
        st.sampled_from((b"127.0.0.1:4573", b"localhost", b"127.0.0.1", b"localhost:1")),
        st.sampled_from((b"evil.example", b"[::1]", b"", b"localhost:", b"localhost.evil.example"))
        | spelt(TOKENS),
    ),
    headers=st.lists(HEADERS, max_size=4),
)
FLAWS = st.sampled_from((None,) * 6 + ("!", "Y", "Y===", "Y Q="))
LARGE_COUNTS = st.sampled_from((1, 4, 5, RECORDS_MAX, RECORDS_MAX + 1))


def properties(serve: Serve = application) -> tuple[Any, ...]:
    """The promise. `serve` makes the server under attack of its operations."""

    @given(REQUESTS)
    def any_request(request: Request) -> None:
        _check(request, asyncio.run(_send(request, serve)))

    @given(NAMES, st.lists(st.binary(max_size=31), max_size=12), FLAWS, st.integers(0, 11))
    def batch(name: str, payloads: list[bytes], flaw: str | None, place: int) -> None:
        _check_batch(serve, name, payloads, flaw, place)

    @given(LARGE_COUNTS, st.integers(0, 1), st.integers(0, 1), FLAWS, st.integers(0, 500))
    def large_batch(count: int, over: int, more: int, flaw: str | None, place: int) -> None:
        most = BATCH_MAX // count + over if count > 4 else RECORD_MAX
        sizes = [min(most, RECORD_MAX)] * count
        sizes[-1] += more
        payloads = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
        _check_batch(serve, NAME, payloads, flaw, place)

    return any_request, batch, large_batch


def _check_batch(
    serve: Serve, name: str, payloads: Sequence[bytes], flaw: str | None, place: int
) -> None:
    """Send a batch of good records, or one with one flaw, whose answer is known."""
    texts = [b64encode(payload).decode() for payload in payloads]
    if flaw and texts:
        texts[place % len(texts)] = flaw
    body = {"DeliveryStreamName": name, "Records": [{"Data": text} for text in texts]}
    response = asyncio.run(_send(Request(json.dumps(body).encode()), serve))
    answer = json.loads(response.content)
    sizes = [len(payload) for payload in payloads]
    if flaw and texts:
        code = "ValidationException"
    elif name != NAME:
        code = "ResourceNotFoundException"
    elif not 1 <= len(sizes) <= RECORDS_MAX or max(sizes) > RECORD_MAX:
        code = "ValidationException"
    elif sum(sizes) > BATCH_MAX:
        code = "InvalidArgumentException"
    else:
        assert response.status == 200, "a batch within the limits is taken"
        _check_taken(answer, response)
        assert [text for _, text in response.seen] == texts, "each record is taken unchanged"
        return
    assert answer.get("__type") == code, f"a batch beyond the limits is refused as {code}"
    assert not response.seen, "what is refused is not taken"


def _check(request: Request, response: Response) -> None:
    assert MARK.encode() in request.target or MARK.encode() not in response.content, (
        "no data is repeated"
    )
    if not _is_loopback(request.host):
        assert (response.status, response.seen) == (403, []), "no other host is served"
        return
    if request.path != "/" or request.method != "POST":
        assert response.status in (200, 307, 404, 405), "there is nothing"
        assert not response.seen, "there is nothing"
        return
    assert response.headers[b"content-type"] == b"application/x-amz-json-1.1", "AWS's JSON"
    answer = json.loads(response.content)
    if response.status != 200:
        assert answer.keys() == {"__type", "message"}, "an error has AWS's shape"
        assert ERRORS.get(answer["__type"]) == response.status, "an error is one of AWS's"
        assert not response.seen, "what is refused is not taken"
        return
    operation = request.target.decode("latin-1").removeprefix("Firehose_20150804.")
    match operation:
        case "PutRecord":
            assert [answer["RecordId"]] == [each for each, _ in response.seen], "it is taken"
        case "PutRecordBatch":
            _check_taken(answer, response)
        case _:
            assert operation in OPERATIONS, "no other operation is answered"
            assert not response.seen, "no other operation takes records"


def _is_loopback(host: bytes) -> bool:
    name, _, port = host.decode("latin-1").lower().partition(":")
    is_port = re.fullmatch("[0-9]+", port) if b":" in host else True
    return name in ("127.0.0.1", "localhost") and bool(is_port)


def _check_taken(answer: dict[str, Any], response: Response) -> None:
    ids = [each["RecordId"] for each in answer["RequestResponses"]]
    assert answer["FailedPutCount"] == 0, "a record is taken, or its whole batch refused"
    assert ids == [each for each, _ in response.seen], "each record is taken, at its place"
    assert 1 <= len(set(ids)) == len(ids) <= RECORDS_MAX, "each record has an id of its own"


async def _send(request: Request, serve: Serve) -> Response:
    """Send a request to a server of its own, and see its records to the function."""
    function, clock, at_once = Function(), Clock(), AtOnce()
    stream = LocalStream(
        CONFIG,
        Intervals(60, 60),
        processor=Processor(CONFIG, cast("LambdaClient", function), clock, lambda _seconds: None),
        # All records are dropped, so that no object is to be written: there is no client.
        objects=Objects(CONFIG, cast("S3Client", None)),
        ledger=Ledger(NAME, clock),
        clock=clock,
        invocations=at_once,
        uploads=at_once,
    )
    parts = [request.body[:65536], request.body[65536:]]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        body = parts.pop(0) if parts else b""
        return {"type": "http.request", "body": body, "more_body": bool(parts)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await serve(Firehose({NAME: stream}))(request.scope, receive, send)
    assert await stream.close(10) == 0, "what is taken is settled"
    start, *rest = sent
    return Response(
        start["status"],
        dict(start["headers"]),
        b"".join(message["body"] for message in rest),
        function.seen,
    )


any_request, batch, large_batch = properties()
test_any_request_is_answered = SUITE(any_request)
test_a_batch_is_taken_or_refused_as_its_records_are = SUITE(batch)
test_a_large_batch_is_taken_or_refused_by_its_size = LARGE(large_batch)


class Broken(Firehose):
    """The operations with a fault in what they answer."""

    def __init__(self, real: Firehose, fault: Callable[[dict[str, Any]], Any]) -> None:
        super().__init__({})
        self._real = real
        self._fault = fault

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        answer = self._real.answer(target, body)
        return self._fault(answer) or answer


def answering(fault: Callable[[dict[str, Any]], Any]) -> Callable[[Firehose], ASGIApp]:
    return lambda firehose: application(Broken(firehose, fault))


def quote(_answer: dict[str, Any]) -> None:
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
        super().__init__({})
        self._real = real

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        try:
            return self._real.answer(target, body)
        except WireError as refused:
            if refused.code != "ValidationException" or not target.endswith("Batch"):
                raise
            return {"FailedPutCount": 0, "RequestResponses": []}


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (answering(quote), "no data is repeated|a batch within the limits is taken"),
        (answering(invent), "one of AWS's|a batch within the limits is taken"),
        (answering(fail), "the server failed"),
        (answering(backwards), "at its place"),
        (answering(twice), "at its place"),
        (admitting_any_host, "no other host is served"),
        (without_types, "AWS's JSON"),
        (
            lambda firehose: application(Lax(firehose)),
            "beyond the limits is refused as|has an id of its own",
        ),
    ],
)
def test_a_fault_in_the_server_is_found(broken: Serve, error: str) -> None:
    with pytest.raises((AssertionError, KeyError), match=error):
        search(properties(broken))
