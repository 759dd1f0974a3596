"""Lines of the lake back into DynamoDB items, exact to the digit.

The way back of `chalicelib.change`: what a declared field's JSON stands for is told by the schema
alone, so the writers mirror `chalicelib.types`.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct, inspect

from chalicelib.schema import Record
from chalicelib.types import struct_fields

Item = dict[str, dict[str, Any]]
"""A DynamoDB item as boto3's low-level client gives and takes it: binary values are bytes."""

Line = dict[str, Any]

read_line: Callable[[bytes], Line] = msgspec.json.Decoder(Line, float_hook=Decimal).decode
"""A line of the lake, its numbers exact: integers as int, all others as Decimal."""

_read_attributes = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode

_Writer = Callable[[Any], dict[str, Any]]


def item_writer(record_type: type[Struct] = Record) -> Callable[[Line], Item]:
    """A function from a line to the item it shows.

    Declared fields are written by their types, `extra` as it stands there. A field that is null in
    the line is NULL in the item; one that the line lacks is absent.
    """
    writers = _struct_writers(record_type)

    def write(line: Line) -> Item:
        undeclared = attributes(line["extra"]) if "extra" in line else {}
        return _write_struct(writers, line) | undeclared

    return write


def attributes(text: str | bytes) -> Item:
    """Attributes from their DynamoDB JSON text, in which binary values are base64."""
    return {name: _attribute(value) for name, value in _read_attributes(text).items()}


def _attribute(wire: Mapping[str, Any]) -> dict[str, Any]:
    ((kind, value),) = wire.items()
    match kind:
        case "B":
            return {"B": b64decode(value)}
        case "BS":
            return {"BS": [b64decode(each) for each in value]}
        case "L":
            return {"L": [_attribute(each) for each in value]}
        case "M":
            return {"M": {name: _attribute(each) for name, each in value.items()}}
    return {kind: value}


def _writer(info: inspect.Type) -> _Writer:
    """From the JSON value of a field, or of a part of one, to its attribute value."""
    match info:
        case inspect.Metadata(type=inner):
            return _writer(inner)
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return _nullable(_writer(inner))
        case inspect.StrType():
            return lambda value: {"S": value}
        case inspect.BoolType():
            return lambda value: {"BOOL": value}
        case inspect.BytesType():
            return lambda value: {"B": b64decode(value)}
        case inspect.IntType() | inspect.DecimalType():
            return lambda value: {"N": str(value)}
        case inspect.SetType(item_type=element) | inspect.FrozenSetType(item_type=element):
            return _set_writer(_writer(element))
        case inspect.ListType(item_type=element):
            write = _writer(element)
            return lambda values: {"L": [write(each) for each in values]}
        case inspect.DictType(value_type=element):
            write = _writer(element)
            return lambda values: {"M": {name: write(each) for name, each in values.items()}}
        case inspect.StructType(cls=cls):
            writers = _struct_writers(cls)
            return lambda values: {"M": _write_struct(writers, values)}
    raise TypeError(f"no DynamoDB attribute holds a field of the type {info}")


def _struct_writers(record_type: type[Struct]) -> dict[str, _Writer]:
    return {field.name: _nullable(_writer(field.type)) for field in struct_fields(record_type)}


def _write_struct(writers: Mapping[str, _Writer], values: Mapping[str, Any]) -> Item:
    return {name: write(values[name]) for name, write in writers.items() if name in values}


def _nullable(write: _Writer) -> _Writer:
    return lambda value: {"NULL": True} if value is None else write(value)


def _set_writer(write: _Writer) -> _Writer:
    def write_set(values: list[Any]) -> dict[str, Any]:
        members = [write(each) for each in values]
        (kind,) = members[0]
        return {f"{kind}S": [each[kind] for each in members]}

    return write_set
