"""What the pipe is tested with: real tables, streams and queues of the emulator, a small server
that speaks Firehose's PutRecordBatch and refuses on demand, a stream of several shards (the
emulator's have one), and a clock that does not wait."""

import json
import time
import uuid
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.pipe.checkpoint import Checkpoint
from local.pipe.dead_letter import DeadLetterQueue
from local.pipe.definition import PipeDefinition
from local.pipe.runner import Pace, Runner
from local.pipe.source import Stream
from local.pipe.status import StatusFile
from local.pipe.target import DeliveryStream

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sqs import SQSClient

DEADLINE_SECONDS = 30

Refuse = Callable[[list[bytes]], set[int] | tuple[int, str]]
"""From a batch's payloads to the indexes to refuse, or to an HTTP status and error for all."""


@dataclass
class FirehoseServer:
    """Takes batches as Firehose does; `refuse` decides what it does not take."""

    url: str = ""
    refuse: Refuse = lambda _payloads: set()
    batches: list[list[bytes]] = field(default_factory=list)
    """Every batch that was put, refused or not."""
    taken: list[bytes] = field(default_factory=list)

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        payloads = [b64decode(record["Data"]) for record in request["Records"]]
        self.batches.append(payloads)
        refused = self.refuse(payloads)
        if any(len(payload) > 1_024_000 for payload in payloads):
            refused = (400, "ValidationException")
        if len(payloads) > 500 or sum(map(len, payloads)) > 4 * 1024 * 1024:
            refused = (400, "InvalidArgumentException")
        if isinstance(refused, tuple):
            status, code = refused
            return status, {"__type": code, "message": "refused by the test"}
        self.taken += [payload for n, payload in enumerate(payloads) if n not in refused]
        responses = [
            {"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."}
            if n in refused
            else {"RecordId": str(n)}
            for n in range(len(payloads))
        ]
        return 200, {"FailedPutCount": len(refused), "RequestResponses": responses}

    def bodies(self) -> list[Any]:
        return [json.loads(payload) for payload in self.taken]

    def ids(self) -> list[str]:
        """The keys of the taken changes, in order."""
        return [body["dynamodb"]["Keys"]["id"]["S"] for body in self.bodies()]


@pytest.fixture
def firehose_server() -> Iterator[FirehoseServer]:
    state = FirehoseServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"] == "Firehose_20150804.PutRecordBatch"
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, document = state.answer(request)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


class VirtualClock:
    """Starts now; sleeping takes no time, it passes."""

    def __init__(self) -> None:
        self._now = time.time()
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")


@pytest.fixture(scope="session")
def streams(emulator: str, session: boto3.Session) -> "DynamoDBStreamsClient":
    return session.client("dynamodbstreams", endpoint_url=emulator)


@pytest.fixture(scope="session")
def sqs(emulator: str, session: boto3.Session) -> "SQSClient":
    return session.client("sqs", endpoint_url=emulator)


@dataclass
class Table:
    """A table whose stream is on."""

    name: str
    stream_arn: str
    client: "DynamoDBClient"

    def put(self, *ids: str, **attributes: Any) -> None:
        for each in ids:
            self.client.put_item(TableName=self.name, Item={"id": {"S": each}, **attributes})

    def delete(self, id: str) -> None:
        self.client.delete_item(TableName=self.name, Key={"id": {"S": id}})

    def turn_stream_off(self) -> None:
        self.client.update_table(TableName=self.name, StreamSpecification={"StreamEnabled": False})


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> Iterator[Table]:
    name = f"records-{uuid.uuid4()}"
    made = dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield Table(name, made["TableDescription"]["LatestStreamArn"], dynamodb)
    dynamodb.delete_table(TableName=name)


@dataclass
class Queue:
    url: str
    arn: str
    client: "SQSClient"

    def messages(self) -> list[dict[str, Any]]:
        """Takes all messages that are there, in any order."""
        bodies: list[dict[str, Any]] = []
        while received := self.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10
        ).get("Messages"):
            bodies += [json.loads(message["Body"]) for message in received]
        return bodies


@pytest.fixture
def queue(sqs: "SQSClient") -> Iterator[Queue]:
    url = sqs.create_queue(QueueName=f"dead-letters-{uuid.uuid4()}")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    yield Queue(url, attributes["QueueArn"], sqs)
    sqs.delete_queue(QueueUrl=url)


Define = Callable[..., PipeDefinition]


@pytest.fixture
def define() -> Define:
    """A pipe that passes whole records, with the given differences."""

    def make(**differences: Any) -> PipeDefinition:
        values: dict[str, Any] = {
            "name": "changes",
            "arn": "arn:aws:pipes:us-east-1:000000000000:pipe/changes",
            "source_arn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023",
            "target_arn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/lake",
            "starting_position": "TRIM_HORIZON",
            "batch_size": 100,
            "batching_window_seconds": 0,
            "maximum_retry_attempts": 2,
            "maximum_record_age_seconds": -1,
            "bisect": False,
            "dead_letter_arn": None,
            "filters": (),
            "input_template": "",
        }
        return PipeDefinition(**{**values, **differences})

    return make


@pytest.fixture
def target(firehose_server: FirehoseServer, session: boto3.Session) -> DeliveryStream:
    once = Config(retries={"total_max_attempts": 1})
    client = session.client("firehose", endpoint_url=firehose_server.url, config=once)
    return DeliveryStream(client, "lake")


MakeRunner = Callable[..., Runner]


@pytest.fixture
def make_runner(
    define: Define,
    streams: "DynamoDBStreamsClient",
    sqs: "SQSClient",
    target: DeliveryStream,
    clock: VirtualClock,
    tmp_path: Path,
) -> MakeRunner:
    """A runner over a stream, with the given differences in its definition."""

    def make(stream_arn: str, *, client: Any = streams, **differences: Any) -> Runner:
        definition = define(source_arn=stream_arn, **differences)
        return Runner(
            definition,
            Stream(client, stream_arn),
            target,
            DeadLetterQueue.of(definition, sqs),
            Checkpoint(tmp_path, stream_arn),
            StatusFile(tmp_path),
            clock,
            Pace(poll_seconds=0.25, discovery_seconds=1, backoff=float),
        )

    return make


@pytest.fixture
def run_until() -> Callable[[Runner, Callable[[], bool]], None]:
    """Runs a pipe until a condition holds; fails when it never does."""

    def run(runner: Runner, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS

        def stopping() -> bool:
            assert time.monotonic() < deadline, f"still not done: {runner.status}"
            return done()

        runner.run(stopping)

    return run


@dataclass
class MemoryShard:
    id: str
    parent: str | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    trimmed: int = 0
    """Records that are past the 24 hours, from the first on."""


class MemoryStreams:
    """DynamoDB Streams' three calls over shards that a test splits, trims and closes."""

    def __init__(self) -> None:
        self.shards: list[MemoryShard] = []
        self.page_bytes = 0
        self.expired: set[str] = set()
        self.throttled = 0
        """Reads to refuse before the next is answered."""
        self.calls: list[str] = []
        self._made = 0

    def shard(self, id: str, parent: str | None = None) -> MemoryShard:
        self.shards.append(MemoryShard(id, parent))
        return self.shards[-1]

    def write(self, shard: MemoryShard, *ids: str) -> None:
        for each in ids:
            self._made += 1
            shard.records.append(
                {
                    "eventID": f"event-{self._made}",
                    "eventName": "INSERT",
                    "dynamodb": {
                        "ApproximateCreationDateTime": datetime.now(UTC),
                        "Keys": {"id": {"S": each}},
                        "SequenceNumber": f"{self._made:021}",
                    },
                }
            )

    def describe_stream(self, **request: Any) -> dict[str, Any]:
        ids = [shard.id for shard in self.shards]
        start = request.get("ExclusiveStartShardId")
        first = ids.index(start) + 1 if start else 0
        page = self.shards[first : first + 1]
        description: dict[str, Any] = {
            "StreamArn": request["StreamArn"],
            "StreamStatus": "ENABLED",
            "Shards": [
                {
                    "ShardId": shard.id,
                    **({"ParentShardId": shard.parent} if shard.parent else {}),
                }
                for shard in page
            ],
        }
        if first + 1 < len(self.shards):
            description["LastEvaluatedShardId"] = page[-1].id
        return {"StreamDescription": description}

    def get_shard_iterator(self, **request: Any) -> dict[str, Any]:
        id, start = request["ShardId"], request["ShardIteratorType"]
        self.calls.append(f"{start} {id}")
        shard = next(shard for shard in self.shards if shard.id == id)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in shard.records]
        if start == "AFTER_SEQUENCE_NUMBER":
            position = numbers.index(request["SequenceNumber"]) + 1
            if position < shard.trimmed:
                raise self._error("TrimmedDataAccessException")
        else:
            position = len(numbers) if start == "LATEST" else shard.trimmed
        return {"ShardIterator": f"{id} {position} {len(self.calls)}"}

    def get_records(self, **request: Any) -> dict[str, Any]:
        if self.throttled:
            self.throttled -= 1
            raise self._error("ProvisionedThroughputExceededException")
        if request["ShardIterator"] in self.expired:
            raise self._error("ExpiredIteratorException")
        id, position, issue = request["ShardIterator"].split()
        self.calls.append(f"read {id}")
        shard = next(shard for shard in self.shards if shard.id == id)
        page = shard.records[int(position) :][: request["Limit"]]
        end = int(position) + len(page)
        answer: dict[str, Any] = {
            "Records": page,
            "ResponseMetadata": {"HTTPHeaders": {"content-length": str(self.page_bytes)}},
        }
        if not shard.closed or end < len(shard.records):
            answer["NextShardIterator"] = f"{id} {end} {issue}"
        return answer

    def _error(self, code: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": "said by the test"}}, "Streams")


@pytest.fixture
def memory_streams() -> MemoryStreams:
    return MemoryStreams()
