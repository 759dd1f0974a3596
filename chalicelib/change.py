"""A change of the table: the form in which the pipe passes it, and how it becomes a line.

The template passes whole sub-objects and no single attribute: Pipes inserts values unescaped and
turns a missing path into ""
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html), so an
attribute named by the template could break the JSON, inject a field, or be missing unseen.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from chalicelib.declaration import EPOCH_MS_MAX, EVENT_TIME, Table
from chalicelib.errors import ChangeError, RecordError
from chalicelib.images import Hasher, image_reader
from chalicelib.lines import line_types
from chalicelib.times import Notice, event_time_reader, ignore

INPUT_TEMPLATE = (
    '{"eventID": <$.eventID>, "eventName": <$.eventName>, '
    '"dynamodb": <$.dynamodb>, "userIdentity": <$.userIdentity>}'
)
"""The pipe's input template. Every stream record has these paths but `userIdentity`, which is there
only if a service made the change. AWS describes what becomes of a missing path in two ways, so
nothing hangs on it: absent, "", null, {} and [] are all read as nobody."""

CHANGE_TYPES = ("INSERT", "MODIFY", "REMOVE")
"""The kinds of change a stream reports. All of them belong in the lake: deletes are data."""

SNAPSHOT = "SNAPSHOT"
"""The change type of an item that a backfill read from the table. Its sequence is the time of
reading in epoch milliseconds: below every sequence of a stream, which has 21 digits or more."""

SEQUENCE_DIGITS = 40
"""Digits of the longest sequence number
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html)."""

_RESTORED_SEQUENCE = re.compile(rf"[0-9]{{{SEQUENCE_DIGITS}}}\.[0-9]{{13}}", re.ASCII)
"""The sequence of a SNAPSHOT that comes right after a known change: that change's sequence and the
time of reading. As text it is greater than the former, and less than any later change's."""

TTL_PRINCIPAL = "dynamodb.amazonaws.com"
"""The service that deletes expired items
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html)."""


class StreamData(Struct):
    """The `dynamodb` object of a stream record. Images stay undecoded until one is chosen."""

    SequenceNumber: str
    ApproximateCreationDateTime: float
    NewImage: Raw | UnsetType = UNSET
    OldImage: Raw | UnsetType = UNSET


class StreamRecord(Struct):
    """A change in the form of `INPUT_TEMPLATE`, or of a stream record itself."""

    eventID: str
    eventName: str
    dynamodb: StreamData
    userIdentity: Any = None
    """The service that made the change. It decides only whether the line is marked as expired, so
    anything that does not name time to live is nobody."""


def change_reader(
    table: Table,
    hasher: Hasher | None = None,
    notice: Notice = ignore,
    *,
    is_protected: bool = False,
) -> Callable[[bytes], Any]:
    """Return a function that reads a pipe's record (JSON) into a line, None for one to drop.

    The function raises only RecordError. What the table protects is left out, or replaced by what
    `hasher` makes of it, before anything else is read, unless `is_protected` says that it was.
    `notice` hears of fields whose times look like another unit's. Building it raises TypeError when
    the table's records cannot be stored in the lake.
    """
    decode_record = msgspec.json.Decoder(StreamRecord).decode
    read_image = image_reader(table, None if is_protected else hasher, is_protected=is_protected)
    times = (
        {line.type: event_time_reader(table, line, notice) for line in line_types(table)}
        if table.time_line_name == EVENT_TIME
        else {}
    )

    def read(data: bytes) -> Any:
        try:
            record = decode_record(data)
            image, expired = chosen_image(record)
            line = read_image(image)
        except RecordError:
            raise
        except UnicodeDecodeError:
            raise ChangeError("is not UTF-8") from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
            raise ChangeError(f"is not a change of the table: {broken}") from None
        if line is None:
            return None
        sequence = record.dynamodb.SequenceNumber
        if (
            len(sequence) > SEQUENCE_DIGITS or not (sequence.isascii() and sequence.isdecimal())
        ) and not (record.eventName == SNAPSHOT and _RESTORED_SEQUENCE.fullmatch(sequence)):
            raise ChangeError(f"SequenceNumber is not a number of at most {SEQUENCE_DIGITS} digits")
        changed_at = record.dynamodb.ApproximateCreationDateTime * 1000
        if not 0 <= changed_at <= EPOCH_MS_MAX:
            raise ChangeError("ApproximateCreationDateTime is not in the years 1970-9999")
        line.changeType = record.eventName
        line.changeSequence = sequence.zfill(SEQUENCE_DIGITS)
        line.changedAt = round(changed_at)
        line.eventId = record.eventID
        line.expired = expired
        if times:
            line.eventTime = times[line.__class__](line)
        return line

    return read


def chosen_image(record: StreamRecord) -> tuple[Raw, bool | UnsetType]:
    """Return the image for a change's line, and True if time to live deleted the item.

    Raises ChangeError for an unknown kind of change, and for one without its image.
    """
    stream = record.dynamodb
    expired: bool | UnsetType = UNSET
    match record.eventName:
        case "INSERT" | "MODIFY" | "SNAPSHOT":
            image = stream.NewImage
        case "REMOVE":
            image = stream.OldImage
            identity = record.userIdentity
            if isinstance(identity, dict) and identity.get("principalId") == TTL_PRINCIPAL:
                expired = True
        case _:
            raise ChangeError(f"eventName is not one of {', '.join((*CHANGE_TYPES, SNAPSHOT))}")
    if image is UNSET:
        raise ChangeError(f"a {record.eventName} has no image; the stream must carry both")
    return image, expired
