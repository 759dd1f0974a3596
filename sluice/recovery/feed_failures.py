"""Reads the objects below `aws/lambda/`: batches of changes that the feed function gave up.

Lambda writes them to the S3 destination of the function's mapping, and the function writes those of
changes that Firehose can never take. AWS shows the payload as "<Whole Event>", which may be an
object or a text with its JSON: both are read
(https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html).
"""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.declaration import Table
from chalicelib.keys import Item, texts_of
from sluice.errors import TransformationFailed
from sluice.recovery.changes import fitting
from sluice.recovery.error_lines import UNNAMED, FailedRecord, epoch_ms, oversize
from sluice.wording import counted


class _Failure(Struct, frozen=True):
    payload: Any
    requestContext: Any = None
    timestamp: Any = None


class _Batch(Struct, frozen=True):
    Records: Annotated[list[Any], Meta(min_length=1)]


class _Keys(Struct, frozen=True):
    Keys: Item


class _Keyed(Struct, frozen=True):
    dynamodb: _Keys


class _Event(TypedDict):
    eventID: str
    eventName: str
    eventSourceARN: str
    dynamodb: dict[str, Any]
    userIdentity: NotRequired[Any]


_read_keys = msgspec.json.Decoder(_Keyed).decode


def read_failure(body: bytes, stream_arns: re.Pattern[str]) -> list[FailedRecord]:
    """Return the changes of a failure object. Raises ValueError for one that is no batch.

    `stream_arns` matches those of the table's streams: a change of another cannot be put. A change
    that was erased is null, so that the others keep their numbers.
    """
    document, event = _read(body)
    given_up = _given_up(msgspec.convert(document, _Failure))
    return [
        _change(replace(given_up, line=number), record, stream_arns)
        for number, record in enumerate(event["Records"], 1)
        if record is not None
    ]


def erase_from(body: bytes, goes: Callable[[bytes], bool]) -> bytes | None:
    """Return a failure object without the changes that go; None if it has no other.

    Raises ValueError for one that is no batch.
    """
    document, event = _read(body)
    records = [
        None if each is None or goes(json.dumps(each).encode()) else each
        for each in event["Records"]
    ]
    if records == event["Records"]:
        return body
    if all(each is None for each in records):
        return None
    event = {**event, "Records": records}
    is_text = isinstance(document["payload"], str)
    return json.dumps({**document, "payload": json.dumps(event) if is_text else event}).encode()


def _read(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a failure object and the event in it. Raises ValueError for one that is no batch."""
    try:
        # msgspec refuses all of a document for one lone surrogate in it.
        document = json.loads(body)
        payload = msgspec.convert(document, _Failure).payload
        event = json.loads(payload) if isinstance(payload, str) else payload
        msgspec.convert(event, _Batch)
    except (ValueError, RecursionError) as broken:
        raise ValueError(f"it is not a batch that the feed gave up ({broken})") from None
    return document, event


def _given_up(failure: _Failure) -> FailedRecord:
    """Return what an object says of each of its changes."""
    context = failure.requestContext if isinstance(failure.requestContext, dict) else {}
    count = context.get("approximateInvokeCount")
    after = f" after {counted(count, 'invocation')}" if isinstance(count, int) else ""
    return FailedRecord(
        line=0,
        code=str(context.get("condition") or UNNAMED),
        message=f"The feed gave it up{after}.",
        failed_at=epoch_ms(failure.timestamp),
    )


def key_texts(table: Table, payload: bytes) -> tuple[str, ...] | None:
    """Return the key of a change as texts; None for one that is not of the table."""
    try:
        return texts_of(table, _read_keys(payload).dynamodb.Keys)
    except (msgspec.MsgspecError, LookupError, TypeError, ArithmeticError):
        return None


def _change(failed: FailedRecord, record: Any, stream_arns: re.Pattern[str]) -> FailedRecord:
    """Return a failed record with the payload that the pipe would put for a stream record."""
    try:
        event = msgspec.convert(record, _Event)
        if not event.get("userIdentity"):
            event.pop("userIdentity", None)
        payload = fitting(event)
    except UnicodeError:
        return replace(failed, obstacle="it has text that cannot be encoded in UTF-8")
    except (ValueError, RecursionError, TransformationFailed) as broken:
        return replace(failed, obstacle=f"it is not a change of a table ({broken})")
    is_foreign = stream_arns.fullmatch(event["eventSourceARN"]) is None
    obstacle = "it is a change of another table" if is_foreign else oversize(payload)
    return replace(failed, payload=payload, obstacle=obstacle)
