"""What the pipe is tested with: queues of the emulator, runners, and a clock that does not wait."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from chalicelib.firehose import DeliveryStream
from local.pipe.dead_letter import DeadLetterQueue
from local.pipe.definition import PipeDefinition
from local.pipe.runner import pipe_runner
from local.stream.checkpoint import StreamCheckpoint
from local.stream.runner import Pace, StreamRunner
from local.stream.status import StatusFile
from sluice.stream import Stream
from tests.fakes import STREAM, FakeFirehose
from tests.local.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sqs import SQSClient

DEADLINE_SECONDS = 30


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture(scope="session")
def sqs(emulator: str, session: boto3.Session) -> "SQSClient":
    return session.client("sqs", endpoint_url=emulator)


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
def target(firehose_server: FakeFirehose, session: boto3.Session) -> DeliveryStream:
    once = Config(retries={"total_max_attempts": 1})
    client = session.client("firehose", endpoint_url=firehose_server.url, config=once)
    return DeliveryStream(client, STREAM)


MakeRunner = Callable[..., StreamRunner]


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

    def make(
        stream_arn: str,
        *,
        client: Any = streams,
        is_stopped: Callable[[], bool] = lambda: False,
        **differences: Any,
    ) -> StreamRunner:
        definition = define(source_arn=stream_arn, **differences)
        return pipe_runner(
            definition,
            Stream(client, stream_arn),
            target,
            DeadLetterQueue.of(definition, sqs),
            StreamCheckpoint(tmp_path, stream_arn),
            StatusFile(tmp_path),
            clock,
            Pace(poll_seconds=0.25, discovery_seconds=1, backoff=float),
            is_stopped,
        )

    return make


@pytest.fixture
def run_until() -> Callable[[StreamRunner, Callable[[], bool]], None]:
    """Runs a pipe until a condition holds; fails when it never does."""

    def run(runner: StreamRunner, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS

        def stopping() -> bool:
            assert time.monotonic() < deadline, f"still not done: {runner.status}"
            return done()

        runner.run(stopping)

    return run
