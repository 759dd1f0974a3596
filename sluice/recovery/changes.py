"""The changes that a dead letter points at, read from the table's stream while it has them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.keys import Item
from chalicelib.limits import PUT_RECORD_BYTES_MAX
from sluice.errors import AgedOutError, UnreachedError
from sluice.event import as_event, render
from sluice.recovery.dead_letters import Pointer
from sluice.stack import Stack
from sluice.stream import Stream

EMPTY_PAGES_MAX = 100
"""Pages in a row without a record, which a stream may answer while there are more."""

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class RecoveredChange:
    """A change of the stream, as the pipe would put it into Firehose."""

    sequence_number: str
    key: Item
    payload: bytes

    @property
    def is_too_large(self) -> bool:
        """Whether Firehose cannot take it."""
        return len(self.payload) > PUT_RECORD_BYTES_MAX


@dataclass(frozen=True, slots=True)
class RecoveredRange:
    """The changes that a pointer names and the stream still has."""

    pointer: Pointer
    changes: Sequence[RecoveredChange]

    @property
    def payloads(self) -> list[bytes]:
        """The changes that Firehose can take."""
        return [change.payload for change in self.changes if not change.is_too_large]

    @property
    def too_large(self) -> list[RecoveredChange]:
        """The changes that Firehose cannot take."""
        return [change for change in self.changes if change.is_too_large]

    @property
    def absent(self) -> int:
        """How many changes the stream does not have."""
        return max(0, self.pointer.batch_size - len(self.changes))


def recover(
    stream: Stream, pointer: Pointer, pause: Callable[[float], None] = time.sleep
) -> RecoveredRange:
    """Read the changes of a pointer's range, in order.

    Raises UnreachedError when the stream does not come to the end of the range, and what reading
    it raises.
    """
    first, last = int(pointer.start_sequence_number), int(pointer.end_sequence_number)
    changes = []
    for record in _records(stream, pointer, pause):
        change = record["dynamodb"]
        sequence_number = change["SequenceNumber"]
        if first <= int(sequence_number) <= last:
            payload = fitting(as_event(record, stream.arn))
            changes.append(RecoveredChange(sequence_number, change["Keys"], payload))
        if int(sequence_number) >= last:
            break
    return RecoveredRange(pointer, changes)


def fitting(event: Mapping[str, Any]) -> bytes:
    """Return the payload of an event, small enough for Firehose if that can be.

    Of two images that are too large together, the old one is left out: the transform reads it only
    of a REMOVE.
    """
    payload = render(event)
    images = event["dynamodb"]
    if len(payload) > PUT_RECORD_BYTES_MAX and {"NewImage", "OldImage"} <= images.keys():
        lighter = {name: each for name, each in images.items() if name != "OldImage"}
        payload = render({**event, "dynamodb": lighter})
    return payload


def stream_arns(stack: Stack) -> re.Pattern[str]:
    """Return the pattern of the ARNs of the table's stream, and of its earlier ones.

    The label that the emulator gives a stream ends in Z.
    """
    _, _, _, region, account, _ = stack.output("AlarmTopicArn").split(":")
    table = re.escape(stack.output("TableName"))
    return re.compile(
        rf"arn:aws[a-z-]*:dynamodb:{region}:{account}:table/{table}/stream/[0-9TZ:.-]+", re.ASCII
    )


def _records(
    stream: Stream, pointer: Pointer, pause: Callable[[float], None]
) -> Iterator[Mapping[str, Any]]:
    """Yield the shard's records from the range's start on, or from the oldest one left."""
    shard = pointer.shard_id
    try:
        # Once the last change of the range is gone all of it is, and reading would find no end.
        stream.reader(shard, "AT_SEQUENCE_NUMBER", pointer.end_sequence_number).open()
    except AgedOutError:
        return
    reader = stream.reader(shard, "AT_SEQUENCE_NUMBER", pointer.start_sequence_number)
    try:
        reader.open()
    except AgedOutError:
        reader = stream.reader(shard, "TRIM_HORIZON")
    empty = 0
    while empty < EMPTY_PAGES_MAX:
        page = reader.read()
        yield from page.records
        if page.last:
            return
        empty = 0 if page.records else empty + 1
        if empty:
            pause(_PAUSE_SECONDS)
    raise UnreachedError(
        f"the stream does not answer with the changes up to {pointer.end_sequence_number} "
        f"of {pointer.shard_id}"
    )
