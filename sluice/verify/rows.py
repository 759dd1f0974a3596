"""Rows of the catalog's tables back into items, and what tells two items apart.

A column cannot tell an attribute that is NULL from one that is absent, so neither does a digest.
"""

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, inspect

from chalicelib.catalog import columns
from chalicelib.schema import Record
from chalicelib.types import struct_fields
from sluice.items import Item, item_writer
from sluice.query.athena import Row

Digest = bytes

_EXACT = Context(prec=40)

_read_json = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def item_reader(names: Sequence[str], record_type: type[Struct] = Record) -> Callable[[Row], Item]:
    """A function from a row with these columns to the item it shows; it passes over others."""
    values = {
        column.name: (column.key, _value(fields[column.key]) if column.key in fields else _as_it_is)
        for fields in [{field.name: field.type for field in struct_fields(record_type)}]
        for column in columns(record_type)
    }
    places = [(index, *values[name]) for index, name in enumerate(names) if name in values]
    write = item_writer(record_type)

    def read(row: Row) -> Item:
        return write(
            {key: value(row[index]) for index, key, value in places if row[index] is not None}
        )

    return read


def digest(item: Item, declared: frozenset[str] | None = None) -> Digest:
    """The same for two items that hold the same, in the declared attributes if they are given."""
    return blake2b(
        _encode(
            {
                name: _canonical(value)
                for name, value in item.items()
                if "NULL" not in value and (declared is None or name in declared)
            }
        ),
        digest_size=16,
    ).digest()


def declared_names(record_type: type[Struct] = Record) -> frozenset[str]:
    """The attributes that the schema declares."""
    return frozenset(field.name for field in struct_fields(record_type))


def _canonical(value: dict[str, Any]) -> dict[str, Any]:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return {kind: _number(content)}
        case "NS":
            return {kind: sorted(map(_number, content))}
        case "SS" | "BS":
            return {kind: sorted(content)}
        case "L":
            return {kind: [_canonical(each) for each in content]}
        case "M":
            return {kind: {name: _canonical(each) for name, each in content.items()}}
    return {kind: content}


def _number(text: str) -> str:
    return str(_EXACT.create_decimal(text).normalize(_EXACT))


def _as_it_is(value: Any) -> Any:
    return value


def _value(info: inspect.Type) -> Callable[[Any], Any]:
    """From the column's value to the line's. What is no type of Athena's stands there as JSON."""
    match info:
        case inspect.Metadata(type=inner):
            return _value(inner)
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return _value(inner)
        case inspect.StrType() | inspect.BytesType() | inspect.BoolType():
            return _as_it_is
        case inspect.IntType() | inspect.DecimalType():
            return lambda value: value if isinstance(value, int) else Decimal(value)
    return _read_json
