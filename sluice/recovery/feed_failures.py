"""Reads the objects below `aws/lambda/`: batches of changes that the feed function gave up.

Lambda writes them to the S3 destination of the function's mapping, and the function writes those of
changes that Firehose can never take. AWS shows the payload as "<Whole Event>", which may be an
object or a text with its JSON: both are read
(https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html).
"""

import json
import re
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

    `stream_arns` matches those of the table's streams: a change of another cannot be put.
    """
    try:
        # msgspec refuses all of a document for one lone surrogate in it.
        failure = msgspec.convert(json.loads(body), _Failure)
        event = json.loads(failure.payload) if isinstance(failure.payload, str) else failure.payload
        records = msgspec.convert(event, _Batch).Records
    except (ValueError, RecursionError) as broken:
        raise ValueError(f"it is not a batch that the feed gave up ({broken})") from None
    given_up = _given_up(failure)
    return [
        _change(replace(given_up, line=number), record, stream_arns)
        for number, record in enumerate(records, 1)
    ]


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
