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
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from starlette.types import ASGIApp

from checks.attacks.choices import Choices, is_rare
from checks.attacks.promise import expect
from checks.attacks.samples import MARK
from local.clock import Clock
from local.firehose import config
from local.firehose.ledger import Ledger
from local.firehose.objects import Objects
from local.firehose.processor import Processor
from local.firehose.stream import Intervals, LocalStream
from local.firehose.wire import LOOPBACK_HOSTS, Firehose, application

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

Serve = Callable[[Firehose], ASGIApp]
Body = Any

NAME = "s"
RECORDS_MAX, RECORD_MAX, BATCH_MAX = 500, 1_024_000, 4_194_304
LARGE_ONE_IN = 300

ERRORS = {
    "InvalidArgumentException": 400,
    "RequestEntityTooLargeException": 413,
    "ResourceNotFoundException": 400,
    "SerializationException": 400,
    "UnknownOperationException": 400,
    "ValidationException": 400,
}

OPERATIONS = ("PutRecord", "PutRecordBatch", "DescribeDeliveryStream", "ListDeliveryStreams")
TARGETS = tuple(f"Firehose_20150804.{name}" for name in OPERATIONS)

RAW, COMPOSED, HEADED = range(3)
"""What an input's first byte asks for: a body, a batch of records, or headers of any kind."""

TOKENS = (
    *(b'"DeliveryStreamName"', b'"Record"', b'"Records"', b'"Data"', b'"s"', b'"Limit"', b'"YQ=="'),
    *(b"DeliveryStreamType", b"ExclusiveStartDeliveryStreamName", b"null", b"[]", b"{}", b"1e999"),
    *(b"\\ud800", b"\xff", b"[[[[[[[[", b"Content-Length", b"X-Amz-Target", b"Host", b"127.0.0.1"),
    *(b"Firehose_20150804.", b"Transfer-Encoding", b"localhost:1", b"[::1]", b"evil.example"),
    MARK.encode(),
)

_DESCRIPTION = {
    "DeliveryStreamName": NAME,
    "DeliveryStreamARN": f"arn:aws:firehose:us-east-1:000000000000:deliverystream/{NAME}",
    "DeliveryStreamType": "DirectPut",
    "DeliveryStreamStatus": "ACTIVE",
    "VersionId": "1",
    "CreateTimestamp": 1700076551.0,
    "Destinations": [
        {
            "ExtendedS3DestinationDescription": {
                "BucketARN": "arn:aws:s3:::lake",
                "BufferingHints": {"SizeInMBs": 128, "IntervalInSeconds": 60},
                "CompressionFormat": "GZIP",
                "Prefix": "data/site=!{partitionKeyFromLambda:site}/",
                "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
                "DynamicPartitioningConfiguration": {"Enabled": True},
                "ProcessingConfiguration": {
                    "Enabled": True,
                    "Processors": [
                        {
                            "Type": "Lambda",
                            "Parameters": [
                                {
                                    "ParameterName": "LambdaArn",
                                    "ParameterValue": "arn:aws:lambda:us-east-1:0:function:f",
                                }
                            ],
                        }
                    ],
                },
            }
        }
    ],
}


class Function:
    """A Lambda client whose function keeps what it sees, and drops it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        """Record ids with their data in base64, in the order of the events."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: ARG002, N803
        """The function's answer, as boto3 gives it."""
        records = json.loads(Payload)["records"]
        self.seen += [(each["recordId"], each["data"]) for each in records]
        answers = [{"recordId": each["recordId"], "result": "Dropped"} for each in records]
        return {"Payload": io.BytesIO(json.dumps({"records": answers}).encode())}


class NoObjects:
    """An S3 client: all records are dropped, so that no object is to be written."""

    def put_object(self, **_: Any) -> None:
        """Never called."""
        raise AssertionError("a dropped record leaves no object")


class AtOnce(Executor):
    """Does work where it is handed over."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done."""
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
    target: bytes = TARGETS[1].encode()
    method: str = "POST"
    path: str = "/"
    host: bytes = b"127.0.0.1:4573"
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """As https://asgi.readthedocs.io/en/latest/specs/www.html has it."""
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", self.host), (b"x-amz-target", self.target), *self.headers],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 4573),
        }


@dataclass
class Response:
    """An answer, and what the function saw of the request's records."""

    status: int
    headers: Mapping[bytes, bytes]
    content: bytes
    seen: list[tuple[str, str]]


def seeds() -> Iterator[bytes]:
    """A request of each operation, and decisions to compose others."""
    name = {"DeliveryStreamName": NAME}
    record = {"Data": b64encode(MARK.encode()).decode()}
    bodies: tuple[dict[str, Any], ...] = (
        {**name, "Record": record},
        {**name, "Records": [record, record]},
        name,
        {"Limit": 10, "ExclusiveStartDeliveryStreamName": "a", "DeliveryStreamType": "DirectPut"},
    )
    for number, body in enumerate(bodies):
        yield bytes([RAW, number]) + json.dumps(body).encode()
    yield bytes([HEADED]) + b"X-Amz-Target: Firehose_20150804.PutRecord\nHost: localhost\n\n{}"
    yield bytes([HEADED]) + b"Content-Length: " + b"9" * 5000 + b"\n\n{}"
    yield bytes([HEADED]) + b"Host: evil.example\n\n" + json.dumps(bodies[1]).encode()
    yield bytes([HEADED]) + b"Content-Length: 16777217\nContent-Type: text/plain\n\nx"
    for start in range(0, 240, 40):
        yield bytes([COMPOSED]) + bytes(range(start, start + 40)) * 2
    composed = (bytes([COMPOSED, 1, number % 256, number // 256]) for number in range(65536))
    yield from list(filter(_is_large, composed))[:8]


def attack(data: bytes, serve: Serve = application) -> None:
    """Send one request. `serve` makes the server under attack of its operations."""
    form = data[0] % 3 if data else RAW
    if form == COMPOSED:
        _composed(Choices(data[1:]), serve, large=_is_large(data))
        return
    request = _headed(data[1:]) if form == HEADED else _raw(data[1:])
    response = asyncio.run(_send(request, serve))
    _check(request, response)


def _is_large(data: bytes) -> bool:
    return is_rare(data, LARGE_ONE_IN)


def _raw(data: bytes) -> Request:
    number = data[0] if data else 0
    return Request(data[1:], TARGETS[number % len(TARGETS)].encode())


def _headed(data: bytes) -> Request:
    """Lines of headers, an empty line, a body: `Host` and `X-Amz-Target` replace the usual ones."""
    head, _, body = data.partition(b"\n\n")
    request = Request(body)
    for line in head.split(b"\n"):
        name, _, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip()
        match name:
            case b"host":
                request.host = value
            case b"x-amz-target":
                request.target = value
            case b"method" if value.isalpha():
                request.method = value.decode("latin-1").upper()
            case b"path":
                request.path = "/" + value.decode("latin-1")
            case _:
                request.headers.append((name, value))
    return request


def _check(request: Request, response: Response) -> None:
    expect(MARK.encode() in request.target or MARK.encode() not in response.content, "no data told")
    if not _is_loopback(request.host):
        expect(response.status == 400 and not response.seen, "no other host is served")
        return
    if request.path != "/" or request.method != "POST":
        expect(response.status in (200, 307, 404, 405) and not response.seen, "there is nothing")
        return
    expect(response.headers[b"content-type"] == b"application/x-amz-json-1.1", "AWS's JSON")
    answer = json.loads(response.content)
    if response.status != 200:
        expect(answer.keys() == {"__type", "message"}, "an error has AWS's shape")
        expect(ERRORS.get(answer["__type"]) == response.status, "an error is one of AWS's")
        expect(not response.seen, "what is refused is not taken")
        return
    operation = request.target.decode("latin-1").removeprefix("Firehose_20150804.")
    match operation:
        case "PutRecord":
            expect([answer["RecordId"]] == [each for each, _ in response.seen], "it is taken")
        case "PutRecordBatch":
            _check_taken(answer, response)
        case _:
            expect(operation in OPERATIONS and not response.seen, "nothing else takes records")


def _is_loopback(host: bytes) -> bool:
    return host.decode("latin-1").split(":")[0] in LOOPBACK_HOSTS


def _check_taken(answer: dict[str, Any], response: Response) -> None:
    ids = [each["RecordId"] for each in answer["RequestResponses"]]
    expect(answer["FailedPutCount"] == 0, "a record is taken, or its whole batch refused")
    expect(ids == [each for each, _ in response.seen], "each record is taken, at its place")
    expect(1 <= len(set(ids)) == len(ids) <= RECORDS_MAX, "each record has an id of its own")


def _composed(choices: Choices, serve: Serve, *, large: bool) -> None:
    """A batch of good records, or one with one flaw, whose answer is known."""
    name = "other" if choices.below(16) == 1 else NAME
    if large:
        count = choices.pick((1, 4, 5, RECORDS_MAX, RECORDS_MAX + 1))
        most = BATCH_MAX // count + choices.pick((0, 1)) if count > 4 else RECORD_MAX
        sizes = [min(most, RECORD_MAX)] * count
        sizes[-1] += choices.pick((0, 0, 1))
    else:
        sizes = [choices.below(32) for _ in range(choices.below(12))]
    payloads = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
    texts = [b64encode(payload).decode() for payload in payloads]
    flaw = choices.pick(("",) * 6 + ("!", "Y", "Y===", "Y Q="))
    if flaw and texts:
        texts[choices.below(len(texts)) % len(texts)] = flaw
    body = {"DeliveryStreamName": name, "Records": [{"Data": text} for text in texts]}
    response = asyncio.run(_send(Request(json.dumps(body).encode()), serve))
    answer = json.loads(response.content)
    if flaw and texts:
        code = "ValidationException"
    elif name != NAME:
        code = "ResourceNotFoundException"
    elif not 1 <= len(sizes) <= RECORDS_MAX or max(sizes) > RECORD_MAX:
        code = "ValidationException"
    elif sum(sizes) > BATCH_MAX:
        code = "InvalidArgumentException"
    else:
        expect(response.status == 200, "a batch within the limits is taken")
        _check_taken(answer, response)
        expect([text for _, text in response.seen] == texts, "each record is taken unchanged")
        return
    expect(answer.get("__type") == code, f"a batch beyond the limits is refused as {code}")
    expect(not response.seen, "what is refused is not taken")


async def _send(request: Request, serve: Serve) -> Response:
    """Send a request to a server of its own, and see its records to the function."""
    function, clock, at_once = Function(), Clock(), AtOnce()
    configured = config.read(_DESCRIPTION, lambda _database, _table: {})
    stream = LocalStream(
        configured,
        Intervals(60, 60),
        processor=Processor(
            configured, cast("LambdaClient", function), clock, lambda _seconds: None
        ),
        objects=Objects(configured, cast("S3Client", NoObjects())),
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
    expect(await stream.close(10) == 0, "what is taken is settled")
    start, *rest = sent
    return Response(
        start["status"],
        dict(start["headers"]),
        b"".join(message["body"] for message in rest),
        function.seen,
    )
