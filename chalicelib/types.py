"""The types of the schema: how each is read from DynamoDB JSON, written back, and stored.

The map from the schema's types is total: any other type raises when the schema is read, never when
a record arrives.
"""

import math
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType, inspect

from chalicelib.attributes import attribute, from_text, number
from chalicelib.exact import read_value

SHORT_DIGITS_MAX = 18
"""Digits up to which a whole number without sign or exponent is read directly."""

_write_json = msgspec.json.Encoder().encode


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
    is_mixed: bool = False
    """Whether attributes of several types hold it: then a line has a text as it is, and all else,
    as well as a text that begins with a brace, as the text of its DynamoDB JSON."""
    line: str | None = None
    """The name in a line that `Meta(extra={"line": ...})` gives; None: that of the attribute."""
    was: str | None = None
    """The type of the column before the field became text, by `Meta(extra={"was": ...})`."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """DynamoDB's attribute types that hold it: one, and NULL where it may be None."""
        return self.wire.__struct_fields__

    def attribute(self, value: Any) -> dict[str, Any]:
        """Return the attribute of a value in a line's JSON, as boto3 takes it."""
        if self.is_mixed:
            return _mixed_attribute(value)
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
            extra = info.extra or {}
            return field_type(inner)._replace(
                description=description, line=extra.get("line"), was=extra.get("was")
            )
        case inspect.UnionType(types=types):
            others = [field_type(each) for each in types if not isinstance(each, inspect.NoneType)]
            declared = others[0] if len(others) == 1 else _mixed(info, others)
            return nullable(declared) if len(others) < len(types) else declared
        case inspect.AnyType():
            return nullable(_mixed(info, [_field_type(info, *each) for each in _ANYTHING]))
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
        case inspect.FloatType():
            raise TypeError("a float is not exact; declare it as decimal.Decimal")
    raise TypeError(f"no DynamoDB attribute holds a {type(info).__name__.removesuffix('Type')}")


def nullable(inner: FieldType) -> FieldType:
    """Return the type of a value that may also be NULL, read as None."""
    if "NULL" in inner.kinds:
        return inner
    wire = _one_of([*msgspec.structs.fields(inner.wire), _NULL])
    kinds = inner.kinds

    def read(attribute: Any) -> Any:
        if attribute.NULL is UNSET:
            if len(kinds) == 1 and getattr(attribute, kinds[0]) is UNSET:
                raise ValueError("is not one attribute value")
            return inner.read(attribute)
        if any(getattr(attribute, kind) is not UNSET for kind in kinds):
            raise ValueError("is not one attribute value")
        return None

    return inner._replace(wire=wire, read=read)


def struct_fields(record_type: type[Struct]) -> tuple[inspect.Field, ...]:
    """Return the fields of a record type as msgspec describes them, in order."""
    info = inspect.type_info(record_type)
    assert isinstance(info, inspect.StructType)  # noqa: S101
    return info.fields


@cache
def field_types(record_type: type[Struct]) -> Mapping[str, FieldType]:
    """Return the types of a record type's fields, by the attribute's name, in order."""
    return {field.encode_name: field_type(field.type) for field in struct_fields(record_type)}


def line_value(declared: FieldType, value: Any) -> Any:
    """Return the value of a field in a line, where it may be the text of its JSON or as it is.

    Raises msgspec.DecodeError for text that is not JSON.
    """
    return read_value(value) if declared.as_json and isinstance(value, str) else value


def attributes_type(types: Mapping[str, FieldType]) -> type[Struct]:
    """Return the wire type of an image with only these attributes, any of which may be absent.

    Absent even where the API demands a field: items may be older than the schema.
    """
    members = [
        (f"m{index}", each.wire | UnsetType, UNSET) for index, each in enumerate(types.values())
    ]
    names = {member: name for (member, *_), name in zip(members, types, strict=True)}
    return msgspec.defstruct("Image", members, rename=names, forbid_unknown_fields=True)


def attributes_reader(types: Mapping[str, FieldType]) -> Callable[[Struct], list[Any]]:
    """Return a function from a decoded `attributes_type` to its values in order.

    They are UNSET where absent. It raises ValueError naming the attribute and the rule.
    """
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
    types = field_types(cls)
    read_image = attributes_reader(types)

    def read(image: Struct) -> dict[str, Any]:
        fields = zip(types, read_image(image), strict=True)
        return {name: value for name, value in fields if value is not UNSET}

    def write(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        return {name: types[name].attribute(value) for name, value in values.items()}

    return _field_type(info, "M", attributes_type(types), read=read, write=write)


def _one_of(fields: Iterable[msgspec.structs.FieldInfo]) -> type[Struct]:
    """Return a wire type with the members of several, of which an attribute has one."""
    return msgspec.defstruct(
        "OneOf",
        [(field.name, field.type | UnsetType, UNSET) for field in fields],
        forbid_unknown_fields=True,
    )


class _Null(Struct):
    NULL: bool


(_NULL,) = msgspec.structs.fields(_Null)

_ANYTHING: tuple[tuple[str, Any], ...] = (
    *(("S", str), ("N", str), ("B", str), ("BOOL", bool)),
    *(("SS", list[str]), ("NS", list[str]), ("BS", list[str])),
    *(("L", list[dict[str, Any]]), ("M", dict[str, dict[str, Any]])),
)
"""What an attribute may be, beside NULL, as DynamoDB JSON has it."""


def _mixed(info: inspect.Type, others: Sequence[FieldType]) -> FieldType:
    """Return the type of a value that attributes of several types hold."""
    members = {kind: declared for declared in others for kind in declared.kinds}
    if len(members) < len(others):
        raise TypeError("two of its types are stored as the same attribute type; declare one")

    def read(attribute: Any) -> str:
        kinds = [kind for kind in members if getattr(attribute, kind) is not UNSET]
        if len(kinds) != 1:
            raise ValueError("is not one attribute value")
        content = getattr(attribute, kinds[0])
        declared = members[kinds[0]]
        declared.read(declared.wire(content))
        if kinds[0] == "S" and not content.startswith(_MIXED_JSON):
            return str(content)
        return str(_write_json({kinds[0]: content}), "utf-8")

    wire = _one_of(field for each in others for field in msgspec.structs.fields(each.wire))
    return FieldType(info, wire, read, str, as_json=False, is_mixed=True)


_MIXED_JSON = "{"
"""How the DynamoDB JSON of a mixed type begins."""


def _mixed_attribute(value: Any) -> dict[str, Any]:
    """Return the attribute of a mixed type's value in a line, as boto3 takes it."""
    if isinstance(value, str) and value.startswith(_MIXED_JSON):
        return from_text(f'{{"v":{value}}}')["v"]
    # A line may be older than the wider type.
    return attribute(value)
