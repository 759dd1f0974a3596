"""What the mapping is tested with: a function that answers by script, and a bucket in memory."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.mapping.definition import MappingDefinition
from tests.local.virtual_clock import VirtualClock

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2023"

Answer = Callable[[list[str]], Any]
"""From the keys of an event's changes to the function's answer, raised if it is an error."""


def refused(code: str, status: int) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "said by the test"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Invoke")


@dataclass
class ScriptedFunction:
    """Lambda's Invoke for one function."""

    answer: Answer = lambda _keys: None
    events: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The keys of each event's changes, in one text."""
        return ["".join(_keys(event)) for event in self.events]

    def invoke(self, **request: Any) -> dict[str, Any]:
        assert request["FunctionName"] == "arn:aws:lambda:us-east-1:000000000000:function:feed"
        self.sizes.append(len(request["Payload"]))
        self.events.append(json.loads(request["Payload"]))
        answer = self.answer(_keys(self.events[-1]))
        if isinstance(answer, ClientError):
            raise answer
        failed = {"FunctionError": "Unhandled"} if isinstance(answer, Exception) else {}
        if not isinstance(answer, bytes):
            answer = json.dumps(str(answer) if failed else answer).encode()
        return {
            "StatusCode": 200,
            "ResponseMetadata": {"RequestId": f"request-{len(self.events)}"},
            "Payload": BytesIO(answer),
            **failed,
        }


def _keys(event: dict[str, Any]) -> list[str]:
    return [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]


@dataclass
class MemoryBucket:
    """S3's PutObject."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusals: int = 0

    def put_object(self, **request: Any) -> None:
        assert request["Bucket"] == "lake"
        if self.refusals:
            self.refusals -= 1
            raise refused("SlowDown", 503)
        self.objects[request["Key"]] = json.loads(request["Body"])


@pytest.fixture
def function() -> ScriptedFunction:
    return ScriptedFunction()


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def described(**differences: Any) -> dict[str, Any]:
    """What GetEventSourceMapping answers."""
    return {
        "UUID": "7d0b",
        "EventSourceArn": ARN,
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:feed",
        "EventSourceMappingArn": "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:7d0b",
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 100,
        "MaximumRetryAttempts": 2,
        "BisectBatchOnFunctionError": True,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::lake"}},
        "State": "Disabled",
        "ResponseMetadata": {"RequestId": "r"},
        **differences,
    }


Define = Callable[..., MappingDefinition]


@pytest.fixture
def define() -> Define:
    return lambda **differences: MappingDefinition.parse(described(**differences))
