"""A line of the lake: its fields, its type, and its JSON."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.declaration import EVENT_TIME, KIND, Field, Int64, RecordShape, Table
from chalicelib.types import FieldType, field_type, field_types


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
    kind: (
        Annotated[str, Meta(description="The kind of record, where the table has several.")]
        | UnsetType
    ) = UNSET
    eventTime: (
        Annotated[
            Int64,
            Meta(
                description="The event time in epoch milliseconds, where no single field holds it."
            ),
        ]
        | UnsetType
    ) = UNSET
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


_CHANGE_FIELDS = field_types(ChangeFields)

_TEXT = field_type(msgspec.inspect.type_info(str))

_encode = msgspec.json.Encoder(decimal_format="number").encode


class LineType(NamedTuple):
    """The type of the lines of one kind; their members are UNSET where absent."""

    type: type[Struct]
    shape: RecordShape
    fields: tuple[Field, ...]
    """The record's."""


@cache
def line_types(table: Table) -> tuple[LineType, ...]:
    """Return the types of a table's lines: one a kind, in the order of `Table.shapes`."""
    types = []
    for shape in table.shapes:
        fields = stored_fields(table, shape)
        names = {line_member(field): field.line for field in fields}
        members = [(member, Any, UNSET) for member in (*names, *change_fields(table))]
        line = msgspec.defstruct("Line", members, rename=names, gc=False)
        types.append(LineType(line, shape, fields))
    return tuple(types)


def line_member(field: Field) -> str:
    """Return the attribute of a line's object that holds the value of a record's field."""
    return f"{field.member}_" if field.member in _CHANGE_FIELDS else field.member


@cache
def stored_fields(table: Table, shape: RecordShape) -> tuple[Field, ...]:
    """Return the fields of a kind as the lake holds them: a hashed one is text."""
    return tuple(
        field._replace(type=_TEXT._replace(description=field.type.description, was=field.type.was))
        if table.protect.get(field.name) == "hash"
        else field
        for field in shape.fields.values()
        if table.protect.get(field.name) != "drop"
    )


def change_fields(table: Table) -> dict[str, FieldType]:
    """Return the types of the fields that describe the change, by their names in a line."""
    has_time = table.time_line_name == EVENT_TIME
    absent = {*(() if table.told_by else (KIND,)), *(() if has_time else (EVENT_TIME,))}
    return {name: each for name, each in _CHANGE_FIELDS.items() if name not in absent}


def line_fields(table: Table, shape: RecordShape) -> dict[str, FieldType]:
    """Return the types of a line's fields, the record's and the change's, by their names in it."""
    return {field.line: field.type for field in stored_fields(table, shape)} | change_fields(table)


def line_encoder(table: Table) -> Callable[[Struct], bytes]:
    """Return a function that encodes a line of the lake: one JSON object, ended by a newline.

    A value that no column holds exactly becomes the text of its JSON. What Firehose's deserializer
    and Athena's make of a number that is not a 64-bit integer is not documented; it may be a
    double. Text stays exact.
    """
    as_text = {
        line.type: [line_member(field) for field in line.fields if field.type.as_json]
        for line in line_types(table)
    }

    if not any(as_text.values()):
        return lambda line: _encode(line) + b"\n"

    def encode(line: Struct) -> bytes:
        for name in as_text[line.__class__]:
            value = getattr(line, name)
            if value is not UNSET and value is not None:
                setattr(line, name, _encode(value).decode())
        return _encode(line) + b"\n"

    return encode
