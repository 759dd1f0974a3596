"""The types of the schema: how each is read from DynamoDB JSON, written back, and stored.

The map from the schema's types is total: any other type raises when the schema is read, never when
a record arrives.
"""

import math
from base64 import b64decode
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType, inspect

from chalicelib.attributes import number
from chalicelib.exact import read_value

SHORT_DIGITS_MAX = 18
"""Digits up to which a whole number without sign or exponent is read directly."""


class FieldType(NamedTuple):
    """How a type of the schema is read from an attribute, written back, and stored in a column."""

    info: inspect.Type
    """The type as msgspec describes it, without its metadata and None."""
    wire: type[Struct]
    """The Struct that msgspec decodes: its members are named by DynamoDB's attribute types."""
    read: Callable[[Any], Any]
    """From the decoded wire to the value. Raises ValueError with the rule that is broken."""
    write: Callable[[Any], Any]
    """From the value in a line's JSON to the content of its attribute, as boto3 takes it."""
    column: str = "string"
    """The type of the column in Athena."""
    as_json: bool = True
    """Whether line and column hold the value as the text of its JSON, since no other is exact."""
    description: str = ""
    line: str | None = None
    """The name in a line that `Meta(extra={"line": ...})` gives; None: that of the attribute."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """DynamoDB's attribute types that hold it: one, and NULL where it may be None."""
        return self.wire.__struct_fields__

    def attribute(self, value: Any) -> dict[str, Any]:
        """Return the attribute of a value in a line's JSON, as boto3 takes it."""
        return {"NULL": True} if value is None else {self.kinds[0]: self.write(value)}


class NumberWire(Struct, forbid_unknown_fields=True, gc=False):
    """A number in DynamoDB JSON: as text, so that it stays exact."""

    N: str


def field_type(info: inspect.Type) -> FieldType:
    """Return how a schema's type is handled. Raises TypeError if no attribute holds it exactly.

    Only the type and an integer's bounds are checked when a value is read, none of the schema's
    other rules: what the table holds belongs in the lake, whoever wrote it.
    """
    match info:
        case inspect.Metadata(type=inner):
            description = (info.extra_json_schema or {}).get("description", "")
            line = (info.extra or {}).get("line")
            return field_type(inner)._replace(description=description, line=line)
        case inspect.UnionType(types=types):
            others = [each for each in types if not isinstance(each, inspect.NoneType)]
            if len(others) != 1:
                raise TypeError("a field has one type, or one type and None")
            return nullable(field_type(others[0]))
        case inspect.StrType():
            return _field_type(info, "S", str, as_json=False)
        case inspect.BytesType():
            return _field_type(info, "B", bytes, write=b64decode, as_json=False)
        case inspect.BoolType():
            return _field_type(info, "BOOL", bool, column="boolean", as_json=False)
        # msgspec has no bounds beyond 64 bits.
        case inspect.IntType(ge=int(), le=int()):
            return FieldType(info, NumberWire, _integer_reader(info), str, "bigint", as_json=False)
        case inspect.IntType():
            return FieldType(info, NumberWire, _integer_reader(info), str)
        case inspect.DecimalType():
            return FieldType(info, NumberWire, lambda wire: Decimal(number(wire.N)), str)
        case inspect.SetType(item_type=element) | inspect.FrozenSetType(item_type=element):
            return _set(info, field_type(element))
        case inspect.ListType(item_type=element):
            return _list(info, field_type(element))
        case inspect.DictType(key_type=inspect.StrType(), value_type=element):
            return _map(info, field_type(element))
        case inspect.StructType(cls=cls):
            return _struct(info, cls)
    raise TypeError(f"no DynamoDB attribute holds a field of the type {info}")


def nullable(inner: FieldType) -> FieldType:
    """Return the type of a value that may also be NULL, read as None."""
    if "NULL" in inner.kinds:
        return inner
    (field,) = msgspec.structs.fields(inner.wire)
    kind = field.name
    wire = msgspec.defstruct(
        f"{kind}OrNull",
        [(kind, field.type | UnsetType, UNSET), ("NULL", bool | UnsetType, UNSET)],
        forbid_unknown_fields=True,
    )

    def read(attribute: Any) -> Any:
        if (attribute.NULL is UNSET) == (getattr(attribute, kind) is UNSET):
            raise ValueError("is not one attribute value")
        return inner.read(attribute) if attribute.NULL is UNSET else None

    return inner._replace(wire=wire, read=read)


def struct_fields(record_type: type[Struct]) -> tuple[inspect.Field, ...]:
    """Return the fields of a record type as msgspec describes them, in order."""
    info = inspect.type_info(record_type)
    assert isinstance(info, inspect.StructType)  # noqa: S101
    return info.fields


@cache
def field_types(record_type: type[Struct]) -> Mapping[str, FieldType]:
    """Return the types of a record type's fields, by name, in order."""
    return {field.name: field_type(field.type) for field in struct_fields(record_type)}


def write_fields(
    types: Mapping[str, FieldType], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the attributes of the fields, of these types, that the JSON of a struct has."""
    return {
        name: declared.attribute(values[name]) for name, declared in types.items() if name in values
    }


def line_values(types: Mapping[str, FieldType], line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fields, of these types, that a line has.

    A value may be there as the text of its JSON or as it is. Raises msgspec.DecodeError for text
    that is not JSON.
    """
    return {
        name: read_value(value) if types[name].as_json and isinstance(value, str) else value
        for name, value in line.items()
        if name in types
    }


def image_type(record_type: type[Struct]) -> type[Struct]:
    """Return the wire type of an image with only declared fields, any of which may be absent.

    Absent even where the API demands a field: items may be older than the schema.
    """
    return msgspec.defstruct(
        f"{record_type.__name__}Image",
        [
            (name, declared.wire | UnsetType, UNSET)
            for name, declared in field_types(record_type).items()
        ],
        forbid_unknown_fields=True,
    )


def image_reader(record_type: type[Struct]) -> Callable[[Struct], list[Any]]:
    """Return a function from a decoded `image_type` to its values in order, UNSET where absent.

    It raises ValueError naming the field and the rule.
    """
    types = field_types(record_type)
    names, readers = list(types), [declared.read for declared in types.values()]
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


def _as_it_is(value: Any) -> Any:
    return value


def _field_type(
    info: inspect.Type,
    kind: str,
    content: Any,
    read: Callable[[Any], Any] | None = None,
    write: Callable[[Any], Any] = _as_it_is,
    column: str = "string",
    as_json: bool = True,
) -> FieldType:
    """Return the type whose attribute is of one kind; `read` takes the attribute's content."""
    wire = msgspec.defstruct(kind, [(kind, content)], forbid_unknown_fields=True, gc=False)
    content_of = attrgetter(kind)
    if read is None:
        return FieldType(info, wire, content_of, write, column, as_json)
    return FieldType(info, wire, lambda each: read(content_of(each)), write, column, as_json)


def _integer_reader(info: inspect.IntType) -> Callable[[NumberWire], int]:
    low = -math.inf if info.ge is None else info.ge
    high = math.inf if info.le is None else info.le

    def read(wire: NumberWire) -> int:
        text = wire.N
        if len(text) <= SHORT_DIGITS_MAX and text.isdecimal() and text.isascii():
            value = int(text)
        else:
            exact = number(text)
            value = int(exact)
            if value != exact:
                raise ValueError("is not a whole number")
        if low <= value <= high:
            return value
        raise ValueError(f"is outside {low} to {high}")

    return read


def _set(info: inspect.Type, element: FieldType) -> FieldType:
    """Return the type of a set, read as a sorted list: the order of a set has no meaning."""
    if element.kinds not in {("S",), ("N",), ("B",)}:
        raise TypeError(f"no DynamoDB set has members of the type {element.info}")
    (field,) = msgspec.structs.fields(element.wire)
    return _field_type(
        info,
        f"{field.name}S",
        list[field.type],  # type: ignore[name-defined]
        read=lambda members: sorted(element.read(element.wire(member)) for member in members),
        write=lambda members: [element.write(member) for member in members],
    )


def _list(info: inspect.Type, element: FieldType) -> FieldType:
    return _field_type(
        info,
        "L",
        list[element.wire],  # type: ignore[name-defined]
        read=lambda elements: [element.read(each) for each in elements],
        write=lambda elements: [element.attribute(each) for each in elements],
    )


def _map(info: inspect.Type, element: FieldType) -> FieldType:
    return _field_type(
        info,
        "M",
        dict[str, element.wire],  # type: ignore[name-defined]
        read=lambda members: {name: element.read(each) for name, each in members.items()},
        write=lambda members: {name: element.attribute(each) for name, each in members.items()},
    )


def _struct(info: inspect.Type, cls: type[Struct]) -> FieldType:
    types, read_image = field_types(cls), image_reader(cls)

    def read(image: Struct) -> dict[str, Any]:
        fields = zip(types, read_image(image), strict=True)
        return {name: value for name, value in fields if value is not UNSET}

    return _field_type(
        info, "M", image_type(cls), read=read, write=lambda values: write_fields(types, values)
    )
