"""Lines of the lake back into DynamoDB items, exact to the digit.

The way back of `chalicelib.change`: only the schema says what a declared field's JSON stands for.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.attributes import fold
from chalicelib.exact import read_object
from chalicelib.schema import Record
from chalicelib.types import field_types, line_values, write_fields

Attribute = dict[str, Any]
"""A DynamoDB attribute: its content, by its type."""

Item = dict[str, Attribute]
"""A DynamoDB item as boto3's low-level client gives and takes it: binary values are bytes."""

Line = dict[str, Any]

read_line: Callable[[bytes], Line] = read_object
"""A line of the lake, its numbers exact: integers as int, all others as Decimal."""

_read_attributes = msgspec.json.Decoder(dict[str, Attribute]).decode


def item_writer(record_type: type[Struct] = Record) -> Callable[[Line], Item]:
    """Return a function from a line to the item in it.

    Declared fields are written by their types, `extra` as it is. A field that is null in the line
    is NULL in the item; one that the line lacks is absent.
    """
    types = field_types(record_type)

    def write(line: Line) -> Item:
        undeclared = attributes(line["extra"]) if "extra" in line else {}
        return write_fields(types, line_values(types, line)) | undeclared

    return write


def attributes(text: str | bytes) -> Item:
    """Return the attributes in a DynamoDB JSON text, in which binary values are base64."""
    return {name: converted(value, _FROM_BASE64) for name, value in _read_attributes(text).items()}


def converted(attribute: Attribute, converters: Mapping[str, Callable[[Any], Any]]) -> Attribute:
    """Return an attribute with the contents of some types converted, within lists and maps too."""

    def convert(kind: str, content: Any) -> Attribute:
        return {kind: converters[kind](content) if kind in converters else content}

    return fold(attribute, convert)


_FROM_BASE64: dict[str, Callable[[Any], Any]] = {
    "B": b64decode,
    "BS": lambda members: [b64decode(member) for member in members],
}
