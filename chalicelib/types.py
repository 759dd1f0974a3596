"""Reading DynamoDB JSON by a schema: the wire types msgspec decodes, and the way to the values.

The map from schema types is total and raises on any other when a schema is read, never when a
record arrives.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType, inspect

from chalicelib.attributes import number

DIGITS_OF_MOST = 19
"""Below it a whole number is read the short way: it has neither sign nor exponent."""


class Reader(NamedTuple):
    """How a value is read from its attribute value."""

    wire: type[Struct]
    """What msgspec decodes: one member, named by DynamoDB's attribute type."""
    value: Callable[[Any], Any]
    """From the decoded wire to the value. Raises ValueError with the rule that is broken."""


class NumberWire(Struct, forbid_unknown_fields=True, gc=False):
    """A number as DynamoDB spells it: in text, so that it stays exact."""

    N: str


def reader(info: inspect.Type) -> Reader:
    """The reader of a schema type. Raises TypeError for a type that no attribute holds exactly.

    Of the schema's rules only the type and an integer's bounds are asked: what the table holds
    belongs into the lake, whoever wrote it.
    """
    match info:
        case inspect.Metadata(type=inner):
            return reader(inner)
        case inspect.UnionType(types=types):
            return _union(types)
        case inspect.StrType():
            return _reader("S", str)
        case inspect.BoolType():
            return _reader("BOOL", bool)
        case inspect.BytesType():
            return _reader("B", bytes)
        case inspect.IntType() | inspect.DecimalType():
            return Reader(NumberWire, _number_reader(info))
        case inspect.SetType(item_type=element) | inspect.FrozenSetType(item_type=element):
            return _set(element)
        case inspect.ListType(item_type=element):
            wire, value = reader(element)
            return _reader("L", list[wire], lambda each: [value(one) for one in each])  # type: ignore[valid-type]
        case inspect.DictType(key_type=inspect.StrType(), value_type=element):
            wire, value = reader(element)
            return _reader(
                "M",
                dict[str, wire],  # type: ignore[valid-type]
                lambda each: {name: value(one) for name, one in each.items()},
            )
        case inspect.StructType(cls=cls):
            names, read = cls.__struct_fields__, image_reader(cls)
            return _reader(
                "M",
                image_type(cls),
                lambda image: {
                    name: value
                    for name, value in zip(names, read(image), strict=True)
                    if value is not UNSET
                },
            )
    raise TypeError(f"no DynamoDB attribute holds a field of the type {info}")


def nullable(inner: Reader) -> Reader:
    """The reader of a value that may also be NULL, read as None."""
    if "NULL" in inner.wire.__struct_fields__:
        return inner
    (field,) = msgspec.structs.fields(inner.wire)
    kind = field.name
    wire = msgspec.defstruct(
        f"{kind}OrNull",
        [(kind, field.type | UnsetType, UNSET), ("NULL", bool | UnsetType, UNSET)],
        forbid_unknown_fields=True,
    )

    def value(each: Any) -> Any:
        if (each.NULL is UNSET) == (getattr(each, kind) is UNSET):
            raise ValueError("is not one attribute value")
        return inner.value(each) if each.NULL is UNSET else None

    return Reader(wire, value)


def struct_fields(record_type: type[Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a record type as msgspec describes them, in order."""
    info = inspect.type_info(record_type)
    assert isinstance(info, inspect.StructType)  # noqa: S101
    return info.fields


def struct_readers(record_type: type[Struct]) -> dict[str, Reader]:
    """A reader for every field of a record type, in its order."""
    return {field.name: reader(field.type) for field in struct_fields(record_type)}


def image_type(record_type: type[Struct]) -> type[Struct]:
    """The wire type of an image that holds declared fields alone, any of which may be absent.

    Absent even where the API demands a field: items may be older than the schema.
    """
    return msgspec.defstruct(
        f"{record_type.__name__}Image",
        [
            (name, each.wire | UnsetType, UNSET)
            for name, each in struct_readers(record_type).items()
        ],
        forbid_unknown_fields=True,
    )


def image_reader(record_type: type[Struct]) -> Callable[[Struct], list[Any]]:
    """A function from a decoded `image_type` to the fields' values in order, UNSET where absent.

    It raises ValueError naming the field and the rule.
    """
    fields = struct_readers(record_type)
    names, readers = list(fields), [value for _, value in fields.values()]
    wires = msgspec.structs.astuple

    def read(image: Struct) -> list[Any]:
        values: list[Any] = []
        try:
            for value, wire in zip(readers, wires(image), strict=True):
                values.append(wire if wire is UNSET else value(wire))
        except ValueError as broken:
            raise ValueError(f"{names[len(values)]} {broken}") from None
        return values

    return read


def _reader(kind: str, content: Any, convert: Callable[[Any], Any] | None = None) -> Reader:
    wire = msgspec.defstruct(kind, [(kind, content)], forbid_unknown_fields=True, gc=False)
    inner = attrgetter(kind)
    return Reader(wire, inner if convert is None else lambda each: convert(inner(each)))


def _union(types: tuple[inspect.Type, ...]) -> Reader:
    others = [each for each in types if not isinstance(each, inspect.NoneType)]
    if len(others) != 1:
        raise TypeError("a field has one type, or one type and None")
    return nullable(reader(others[0]))


def _number_reader(
    info: inspect.IntType | inspect.DecimalType,
) -> Callable[[NumberWire], int | Decimal]:
    if isinstance(info, inspect.DecimalType):
        return lambda wire: Decimal(number(wire.N))
    low = -math.inf if info.ge is None else info.ge
    high = math.inf if info.le is None else info.le

    def integer(wire: NumberWire) -> int:
        text = wire.N
        if len(text) < DIGITS_OF_MOST and text.isdecimal() and text.isascii():
            value = int(text)
        else:
            exact = number(text)
            value = int(exact)
            if value != exact:
                raise ValueError("is not a whole number")
        if low <= value <= high:
            return value
        raise ValueError(f"is outside {low} to {high}")

    return integer


def _set(element: inspect.Type) -> Reader:
    """A string, number or binary set, as a sorted list: the order of a set has no meaning."""
    match element:
        case inspect.Metadata(type=inner):
            return _set(inner)
        case inspect.StrType():
            return _reader("SS", list[str], sorted)
        case inspect.BytesType():
            return _reader("BS", list[bytes], sorted)
        case inspect.IntType() | inspect.DecimalType():
            number_of = _number_reader(element)
            return _reader(
                "NS", list[str], lambda texts: sorted(number_of(NumberWire(text)) for text in texts)
            )
    raise TypeError(f"no DynamoDB set has members of the type {element}")
