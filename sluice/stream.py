"""Changes out of the table's stream, as the pipe would put them into Firehose.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from botocore.exceptions import ClientError

from chalicelib.change import INPUT_TEMPLATE
from chalicelib.limits import PUT_RECORD_BYTES_MAX
from sluice.errors import OperationError
from sluice.recovery.dead_letters import Pointer

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

EMPTY_PAGES_MAX = 100
"""Pages in a row without a record, which a stream may answer while there are more."""

_PAUSE_SECONDS = 0.1
_AGED_OUT = {"TrimmedDataAccessException", "ResourceNotFoundException"}
_VARIABLE = re.compile(r"<\$\.(\w+)>")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A change of the stream."""

    sequence_number: str
    payload: bytes


def render(record: Mapping[str, Any]) -> bytes:
    """What the pipe's template makes of a record that boto3 returned.

    The values of attributes stay as they are but for binary ones, which become base64.
    """
    change = dict(record["dynamodb"])
    created = change["ApproximateCreationDateTime"].timestamp()
    change["ApproximateCreationDateTime"] = int(created) if created.is_integer() else created
    event = {**record, "dynamodb": change}
    if identity := record.get("userIdentity"):
        event["userIdentity"] = {name[0].lower() + name[1:]: v for name, v in identity.items()}
    return _VARIABLE.sub(
        lambda variable: msgspec.json.encode(event.get(variable[1], "")).decode(), INPUT_TEMPLATE
    ).encode()


def fitting(record: Mapping[str, Any]) -> bytes:
    """The change as Firehose takes it.

    Of two images that are too large together, the old one is left out: the transform reads it of a
    REMOVE alone.
    """
    payload = render(record)
    images = record["dynamodb"]
    if len(payload) > PUT_RECORD_BYTES_MAX and {"NewImage", "OldImage"} <= images.keys():
        lighter = {name: each for name, each in images.items() if name != "OldImage"}
        payload = render({**record, "dynamodb": lighter})
    return payload


def fetch(
    client: "DynamoDBStreamsClient",
    pointer: Pointer,
    pause: Callable[[float], None] = time.sleep,
) -> list[Fetched]:
    """The changes of a pointer's range that the stream still has, in order.

    Raises OperationError when the stream does not come to the end of the range.
    """
    first, last = int(pointer.start_sequence_number), int(pointer.end_sequence_number)
    # Once the last change of the range is gone all of it is, and reading would find no end.
    if _iterator(client, pointer, "AT_SEQUENCE_NUMBER", pointer.end_sequence_number) is None:
        return []
    found: list[Fetched] = []
    for record in _records(client, pointer, pause):
        sequence_number = record["dynamodb"]["SequenceNumber"]
        if first <= int(sequence_number) <= last:
            found.append(Fetched(sequence_number, fitting(record)))
        if int(sequence_number) >= last:
            break
    return found


def _records(
    client: "DynamoDBStreamsClient", pointer: Pointer, pause: Callable[[float], None]
) -> Iterator[Mapping[str, Any]]:
    """The shard's records from the range's start on, or from the oldest there still is."""
    iterator = _iterator(client, pointer, "AT_SEQUENCE_NUMBER", pointer.start_sequence_number)
    if iterator is None:
        iterator = _iterator(client, pointer, "TRIM_HORIZON")
    empty = 0
    while iterator:
        answer = client.get_records(ShardIterator=iterator)
        yield from answer["Records"]
        iterator = answer.get("NextShardIterator")
        empty = 0 if answer["Records"] else empty + 1
        if empty == EMPTY_PAGES_MAX:
            raise OperationError(
                f"the stream does not answer with the changes up to {pointer.end_sequence_number} "
                f"of {pointer.shard_id}; try again"
            )
        if empty:
            pause(_PAUSE_SECONDS)


def _iterator(
    client: "DynamoDBStreamsClient",
    pointer: Pointer,
    kind: Literal["AT_SEQUENCE_NUMBER", "TRIM_HORIZON"],
    sequence_number: str = "",
) -> str | None:
    """A shard iterator; None when its place has aged out of the stream."""
    place = {"SequenceNumber": sequence_number} if sequence_number else {}
    try:
        return client.get_shard_iterator(
            StreamArn=pointer.stream_arn, ShardId=pointer.shard_id, ShardIteratorType=kind, **place
        )["ShardIterator"]
    except ClientError as error:
        if error.response["Error"].get("Code") in _AGED_OUT:
            return None
        raise
