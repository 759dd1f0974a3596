"""A change of the table: the form in which the pipe passes it, and its line in the lake.

The template passes whole sub-objects and no single attribute: Pipes inserts values unescaped and
turns a missing path into ""
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html), so an
attribute named by the template could break the JSON, inject a field, or be missing unseen.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from chalicelib.errors import ChangeError
from chalicelib.schema import EPOCH_MS_MAX, Int64, Record
from chalicelib.types import FieldType, field_types, image_reader, image_type, nullable

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


class ChangeFields(Struct):
    """The fields of a line that describe the change."""

    changeType: Annotated[
        str,
        Meta(
            description="INSERT, MODIFY, REMOVE with the item's last image, or SNAPSHOT by a "
            "backfill."
        ),
    ]
    changeSequence: Annotated[
        str,
        Meta(
            description="Orders a key's versions; zero-padded, so that text order is numeric order."
        ),
    ]
    changedAt: Annotated[
        Int64, Meta(description="When the table changed, epoch milliseconds, to the second.")
    ]
    eventId: Annotated[
        str,
        Meta(description="Unique for each change; two lines with the same one are duplicates."),
    ]
    expired: (
        Annotated[
            bool,
            Meta(
                description="true on a REMOVE made by time to live in this table's own Region; "
                "absent otherwise."
            ),
        ]
        | UnsetType
    ) = UNSET
    extra: (
        Annotated[
            str,
            Meta(
                description="Attributes the schema does not declare, as DynamoDB JSON text; absent "
                "without any."
            ),
        ]
        | UnsetType
    ) = UNSET


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


_encode = msgspec.json.Encoder(decimal_format="number").encode


def line_types(record_type: type[Struct] = Record) -> Mapping[str, FieldType]:
    """Return the types of a line's fields: the record's, then the change's.

    Raises TypeError when the two have a name in common.
    """
    record, change = field_types(record_type), field_types(ChangeFields)
    if common := sorted(record.keys() & change.keys()):
        raise TypeError(
            f"a record's field must not be named {', '.join(common)}: a line has it already"
        )
    return {**record, **change}


def line_type(record_type: type[Struct]) -> type[Struct]:
    """Return the type of a line, whose fields are UNSET where absent. Raises as `line_types`."""
    fields = [(name, Any, UNSET) for name in line_types(record_type)]
    return msgspec.defstruct("Line", fields, gc=False)


def line_encoder(record_type: type[Struct] = Record) -> Callable[[Struct], bytes]:
    """Return a function that encodes a line of the lake: one JSON object, ended by a newline.

    A value that no column holds exactly becomes the text of its JSON. What Firehose's deserializer
    and Athena's make of a number that is not a 64-bit integer is not documented; it may be a
    double. Text stays exact.
    """
    as_text = [name for name, declared in field_types(record_type).items() if declared.as_json]

    def encode(line: Struct) -> bytes:
        for name in as_text:
            value = getattr(line, name)
            if value is not UNSET and value is not None:
                setattr(line, name, _encode(value).decode())
        return _encode(line) + b"\n"

    return encode


def change_reader(
    record_type: type[Struct] = Record, keep_undeclared: bool = True
) -> Callable[[bytes], Any]:
    """Return a function that reads a pipe's record (JSON) into a `line_type`.

    The function raises only ChangeError. Attributes the record type does not declare go into
    `extra`, unless `keep_undeclared` is false. Building it raises TypeError when the record type
    cannot be stored in the lake.
    """
    new_line: Callable[..., Any] = line_type(record_type)
    decode_record = msgspec.json.Decoder(StreamRecord).decode
    decode_image = msgspec.json.Decoder(image_type(record_type)).decode
    read_image = image_reader(record_type)
    read_mixed_image = mixed_image_reader(record_type, keep_undeclared)

    def read(data: bytes) -> Any:
        try:
            record = decode_record(data)
            image, expired = chosen_image(record)
            try:
                declared = decode_image(image)
            except msgspec.ValidationError:
                values, extra = read_mixed_image(image)
            else:
                values, extra = read_image(declared), UNSET
        except ChangeError:
            raise
        except UnicodeDecodeError:
            raise ChangeError("is not UTF-8") from None
        except (msgspec.MsgspecError, ValueError, RecursionError) as broken:
            raise ChangeError(f"is not a change of the table: {broken}") from None
        sequence = record.dynamodb.SequenceNumber
        if (
            len(sequence) > SEQUENCE_DIGITS or not (sequence.isascii() and sequence.isdecimal())
        ) and not (record.eventName == SNAPSHOT and _RESTORED_SEQUENCE.fullmatch(sequence)):
            raise ChangeError(f"SequenceNumber is not a number of at most {SEQUENCE_DIGITS} digits")
        changed_at = record.dynamodb.ApproximateCreationDateTime * 1000
        if not 0 <= changed_at <= EPOCH_MS_MAX:
            raise ChangeError("ApproximateCreationDateTime is not in the years 1970-9999")
        # Assigned one by one, since msgspec takes keywords at twice the cost.
        line = new_line(*values)
        line.changeType = record.eventName
        line.changeSequence = sequence.zfill(SEQUENCE_DIGITS)
        line.changedAt = round(changed_at)
        line.eventId = record.eventID
        line.expired = expired
        line.extra = extra
        return line

    return read


def mixed_image_reader(
    record_type: type[Struct], keep_undeclared: bool
) -> Callable[[Raw], tuple[list[Any], str | UnsetType]]:
    """Return a function that reads an image with undeclared attributes, or with NULL for a value.

    It returns the declared fields' values in order, UNSET where absent, and the undeclared
    attributes as JSON, UNSET without any. It raises ChangeError.
    """
    decode_attributes = msgspec.json.Decoder(dict[str, Raw]).decode
    fields = []
    for name, declared in field_types(record_type).items():
        value_or_null = nullable(declared)
        decode = msgspec.json.Decoder(value_or_null.wire).decode
        fields.append((name, decode, value_or_null.read))

    def read(image: Raw) -> tuple[list[Any], str | UnsetType]:
        try:
            attributes = decode_attributes(image)
        except msgspec.ValidationError:
            raise ChangeError("its image is missing; the stream must carry both") from None
        values: list[Any] = []
        for name, decode, value in fields:
            raw = attributes.pop(name, UNSET)
            try:
                values.append(raw if raw is UNSET else value(decode(raw)))
            except msgspec.ValidationError:
                # Its own words may quote the names within a map, which are data.
                raise ChangeError(f"{name} is not of the type that the schema declares") from None
            except ValueError as broken:
                raise ChangeError(f"{name} {broken}") from None
        extra = _encode(attributes).decode() if attributes and keep_undeclared else UNSET
        return values, extra

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
