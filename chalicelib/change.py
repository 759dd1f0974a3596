"""A change of the table: how the pipe spells it, how it is read, and its line in the lake.

The template passes whole sub-objects and no single attribute: Pipes inserts values unescaped and
turns a missing path into ""
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html), so an
attribute named by the template could break the JSON, inject a field, or be missing unseen.
"""

from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from chalicelib.schema import EPOCH_MS_MAX, Record
from chalicelib.types import image_reader, image_type, nullable, struct_readers

INPUT_TEMPLATE = (
    '{"eventID": <$.eventID>, "eventName": <$.eventName>, '
    '"dynamodb": <$.dynamodb>, "userIdentity": <$.userIdentity>}'
)
"""The pipe's input template. Every stream record has these paths but `userIdentity`, which arrives
as "" unless a service made the change."""

CHANGE_TYPES = ("INSERT", "MODIFY", "REMOVE")
"""The kinds of change a stream reports. All of them belong into the lake: deletes are data."""

SNAPSHOT = "SNAPSHOT"
"""The change type of an item as a backfill found it in the table. Its sequence is the time of
reading in epoch milliseconds: below every sequence of a stream, which has 21 digits or more."""

SEQUENCE_DIGITS = 40
"""Digits of the longest sequence number
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html)."""

TTL_PRINCIPAL = "dynamodb.amazonaws.com"
"""Who deletes expired items
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html)."""

CHANGE_FIELDS = {
    "changeType": "INSERT, MODIFY, REMOVE with the item's last image, or SNAPSHOT by a backfill.",
    "changeSequence": "Orders a key's versions; zero-padded, so that text order is numeric order.",
    "changedAt": "When the table changed, epoch milliseconds, to the second.",
    "eventId": "Unique for each change; two lines with the same one are duplicates.",
    "expired": "true on a REMOVE made by time to live; absent otherwise.",
    "extra": "Attributes the schema does not declare, as DynamoDB JSON text; absent without any.",
}
"""What a line holds beside the record's own fields."""


class ChangeError(ValueError):
    """A change that cannot be read; the message names the part and the rule, never a value."""


class Identity(Struct):
    """Who made the change, when a service did."""

    principalId: str = ""


class StreamData(Struct):
    """The `dynamodb` object of a stream record. Images stay undecoded until one is chosen."""

    SequenceNumber: str
    ApproximateCreationDateTime: float
    NewImage: Raw | UnsetType = UNSET
    OldImage: Raw | UnsetType = UNSET


class StreamRecord(Struct):
    """A change as `INPUT_TEMPLATE` spells it."""

    eventID: str
    eventName: str
    dynamodb: StreamData
    userIdentity: Identity | str = ""


_encode = msgspec.json.Encoder(decimal_format="number").encode


def line_type(record_type: type[Struct]) -> type[Struct]:
    """The type of a line: the record's fields, then the change's. Absent ones are UNSET.

    Raises TypeError when the two have a name in common.
    """
    names = record_type.__struct_fields__
    if taken := sorted(CHANGE_FIELDS.keys() & set(names)):
        raise TypeError(
            f"a record's field must not be named {', '.join(taken)}: a line has it already"
        )
    fields = [(name, Any, UNSET) for name in (*names, *CHANGE_FIELDS)]
    return msgspec.defstruct("Line", fields, gc=False)


def encode_line(line: Struct) -> bytes:
    """A line as it stands in the lake: one JSON object, ended by a newline."""
    return _encode(line) + b"\n"


def line_encoder(as_text: Collection[str]) -> Callable[[Struct], bytes]:
    """`encode_line`, with the values of these fields as the text of their JSON.

    What Firehose's conversion to Parquet makes of a number that is no 64-bit integer is not
    documented, and may be a double; text stays exact.
    """
    if not as_text:
        return encode_line

    def encode(line: Struct) -> bytes:
        for name in as_text:
            value = getattr(line, name)
            if value is not UNSET and value is not None:
                setattr(line, name, _encode(value).decode())
        return encode_line(line)

    return encode


def change_reader(
    record_type: type[Struct] = Record, keep_undeclared: bool = True
) -> Callable[[bytes], Any]:
    """A function that reads a pipe's record (JSON) into a `line_type`. It raises ChangeError alone.

    Attributes the record type does not declare go into `extra`, unless `keep_undeclared` is false.
    Building it raises TypeError when the record type cannot stand in the lake.
    """
    line = line_type(record_type)
    read_image = image_reader(record_type)
    decode_record = msgspec.json.Decoder(StreamRecord).decode
    decode_image = msgspec.json.Decoder(image_type(record_type)).decode
    decode_attributes = msgspec.json.Decoder(dict[str, Raw]).decode
    nullable_fields = {
        name: (msgspec.json.Decoder(each.wire), each.value)
        for name, each in (
            (name, nullable(strict)) for name, strict in struct_readers(record_type).items()
        )
    }

    def read_mixed_image(image: Raw) -> tuple[list[Any], str | UnsetType]:
        """An image with undeclared attributes, or with declared ones that are NULL."""
        attributes = decode_attributes(image)
        values: list[Any] = []
        for name, (wire, value) in nullable_fields.items():
            raw = attributes.pop(name, UNSET)
            try:
                values.append(raw if raw is UNSET else value(wire.decode(raw)))
            except msgspec.ValidationError:
                # Its own words may quote the names within a map, which are data.
                raise ChangeError(f"{name} is not of the type that the schema declares") from None
            except ValueError as broken:
                raise ChangeError(f"{name} {broken}") from None
        extra = _encode(attributes).decode() if attributes and keep_undeclared else UNSET
        return values, extra

    def read_any_image(image: Raw) -> tuple[list[Any], str | UnsetType]:
        try:
            declared = decode_image(image)
        except msgspec.ValidationError:
            return read_mixed_image(image)
        return read_image(declared), UNSET

    def read(data: bytes) -> Struct:
        try:
            record = decode_record(data)
            stream = record.dynamodb
            image, expired = chosen_image(record)
            values, extra = read_any_image(image)
        except ChangeError:
            raise
        except UnicodeDecodeError:
            raise ChangeError("is not UTF-8") from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
            raise ChangeError(f"is no change of the table: {broken}") from None
        sequence = stream.SequenceNumber
        if len(sequence) > SEQUENCE_DIGITS or not (sequence.isascii() and sequence.isdecimal()):
            raise ChangeError(f"SequenceNumber is not a number of at most {SEQUENCE_DIGITS} digits")
        changed_at = stream.ApproximateCreationDateTime * 1000
        if not 0 <= changed_at <= EPOCH_MS_MAX:
            raise ChangeError("ApproximateCreationDateTime is not in the years 1970-9999")
        return line(
            *values,
            record.eventName,
            sequence.zfill(SEQUENCE_DIGITS),
            round(changed_at),
            record.eventID,
            expired,
            extra,
        )

    return read


def chosen_image(record: StreamRecord) -> tuple[Raw, bool | UnsetType]:
    """The image that a change's line shows, and True beside it when time to live deleted the item.

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
            if isinstance(identity, Identity) and identity.principalId == TTL_PRINCIPAL:
                expired = True
        case _:
            raise ChangeError(f"eventName is none of {', '.join((*CHANGE_TYPES, SNAPSHOT))}")
    if image is UNSET:
        raise ChangeError(f"a {record.eventName} has no image; the stream must carry both")
    return image, expired
