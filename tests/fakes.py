"""What stands in for AWS's services in several suites, and the lines that Firehose writes."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib.change import SEQUENCE_DIGITS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

STREAM = "the-stream"

Script = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]
"""From an operation and its request to an HTTP status and a body."""

Refuse = Callable[[list[bytes]], set[int] | tuple[int, str]]
"""From a batch's payloads to the indexes to refuse, or to an HTTP status and error for all."""


@dataclass
class FakeFirehose:
    """Accepts batches within Firehose's limits; `refuse` decides what else it does not accept."""

    url: str = ""
    stream: str = STREAM
    refuse: Refuse = lambda _payloads: set()
    batches: list[list[bytes]] = field(default_factory=list)
    """Every batch that was put, refused or not."""
    taken: list[bytes] = field(default_factory=list)

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if operation != "PutRecordBatch":
            return 400, {"__type": "UnknownOperationException", "message": operation}
        assert request["DeliveryStreamName"] == self.stream
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

    def put_record_batch(self, **request: Any) -> dict[str, Any]:
        """The call of boto3's client, without a server between."""
        records = [{"Data": b64encode(record["Data"])} for record in request["Records"]]
        status, document = self.answer("PutRecordBatch", {**request, "Records": records})
        if status == 200:
            return document
        response: Any = {
            "Error": {"Code": document["__type"], "Message": document["message"]},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }
        raise ClientError(response, "PutRecordBatch")

    def bodies(self) -> list[Any]:
        return [json.loads(payload) for payload in self.taken]

    def ids(self) -> list[str]:
        """The keys of the taken changes, in order."""
        return [body["dynamodb"]["Keys"]["id"]["S"] for body in self.bodies()]


@dataclass
class StreamTable:
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


def error_line(payload: bytes, code: str = "Lambda.ProcessingFailedStatus", at: int = 0) -> bytes:
    """A line as Firehose writes it."""
    document = {
        "attemptsMade": 1,
        "arrivalTimestamp": at,
        "errorCode": code,
        "errorMessage": "It failed.",
        "attemptEndingTimestamp": at,
        "rawData": b64encode(payload).decode(),
        "lambdaARN": "arn:aws:lambda:us-east-1:000000000000:function:transform:$LATEST",
    }
    return json.dumps(document).encode() + b"\n"


def lake_line(**fields: Any) -> bytes:
    """A line of the lake with what every line has, and these fields."""
    line = {
        "id": "a",
        "changeType": "INSERT",
        "changeSequence": "1".zfill(SEQUENCE_DIGITS),
        "changedAt": 1_700_000_000_000,
        "eventId": "e",
        **fields,
    }
    return msgspec.json.encode({key: value for key, value in line.items() if value is not None})
