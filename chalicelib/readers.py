"""JSON into values, by their declared types: every rule that is broken is reported at its place.

A number is read exactly as it is written, and 1.0 and 1e0 are integers like 1, as in JSON Schema.
Of a member that occurs twice in an object the last one counts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from msgspec import Meta, Raw, Struct, inspect

from chalicelib.attributes import NUMBER_RULE, is_storable, number
from chalicelib.declaration import record_fields
from chalicelib.errors import ERRORS_MAX, FieldError
from chalicelib.limits import NAME_BYTES_MAX, NESTING_MAX
from chalicelib.types import FieldType, field_type

QUOTED_MAX = 40
"""Characters of a value or name that an error message quotes; of a longer one it gives the size."""

Reader = Callable[[Raw, str, list[FieldError]], Any]
"""Returns the value of some JSON at a place, and adds what is wrong with it to the errors.

Raises ValidationError if it is of another kind or out of bounds, as a whole."""

Rule = Callable[[Any], str | None]
"""Returns what a value must be and is not, None if it is."""

read_array = msgspec.json.Decoder(list[Raw]).decode
read_members = msgspec.json.Decoder(dict[str, Raw]).decode


class ObjectReader:
    """Reads JSON objects as Structs of one type."""

    def __init__(
        self,
        struct_type: type[Struct],
        noun: str = "object",
        rules: Mapping[str, Sequence[Rule]] | None = None,
        read_other: Reader | None = None,
    ) -> None:
        """Take rules beside the type's, by field, and a reader of members that it does not have.

        Without such a reader these are refused.
        """
        self.fields = record_fields(struct_type)
        self._struct_type = struct_type
        self._noun = noun
        self._rules = rules or {}
        self._readers = {name: value_reader(field.type) for name, field in self.fields.items()}
        self._read_other = read_other

    def values(
        self, members: Mapping[str, Raw], place: str, errors: list[FieldError]
    ) -> dict[str, Any]:
        """Return the valid values by member's name; the errors of the others are added."""
        values = self._others(members, place, errors)
        for name, field in self.fields.items():
            at = f"{place}/{escaped(name)}"
            if name not in members:
                if field.required:
                    errors.append(FieldError(at, _sentence("is required", field.type)))
                continue
            before = len(errors)
            value = self._readers[name](members[name], at, errors)
            if len(errors) > before:
                continue
            broken = next(filter(None, (rule(value) for rule in self._rules.get(name, ()))), None)
            if broken:
                errors.append(FieldError(at, _sentence(broken, field.type)))
            else:
                values[name] = value
        return values

    def struct(self, values: Mapping[str, Any]) -> Struct:
        """Return the Struct with these values, and its defaults for the fields without one."""
        return self._struct_type(
            **{field.member: values[name] for name, field in self.fields.items() if name in values}
        )

    def read(self, raw: Raw, place: str, errors: list[FieldError]) -> Struct | None:
        """Return the Struct of an object, None if anything in it is wrong."""
        before = len(errors)
        values = self.values(read_members(raw), place, errors)
        return self.struct(values) if len(errors) == before else None

    def _others(
        self, members: Mapping[str, Raw], place: str, errors: list[FieldError]
    ) -> dict[str, Any]:
        """Return the values of the members that are no fields; without a reader, refuse them."""
        values: dict[str, Any] = {}
        known = ", ".join(self.fields)
        for name, raw in members.items():
            if name in self.fields:
                continue
            if self._read_other:
                values[name] = _read_member(self._read_other, raw, place, name, errors)
            elif len(name) <= QUOTED_MAX:
                detail = f"is not a field of the {self._noun}, whose fields are {known}."
                errors.append(FieldError(f"{place}/{escaped(name)}", detail))
            else:
                detail = f"has a member with a name of {len(name)} characters"
                errors.append(FieldError(place, f"{detail}; the fields are {known}."))
        return values


def value_reader(declared: FieldType) -> Reader:
    """Return the reader of a type, which places an error as deep in the value as it can."""
    content = _content_reader(declared.info)
    is_nullable = "NULL" in declared.kinds
    rule = _rule(declared.info) + (", or null" if is_nullable else "")

    def read(raw: Raw, place: str, errors: list[FieldError]) -> Any:
        if is_nullable and bytes(raw) == b"null":
            return None
        try:
            return content(raw, place, errors)
        except msgspec.ValidationError:
            broken = f"must be {rule}, not {quoted(raw)}"
            errors.append(FieldError(place, _sentence(broken, declared)))
            return None

    return read


def read_anything(raw: Raw, place: str, errors: list[FieldError], level: int = 1) -> Any:
    """Return any JSON that an attribute can hold."""

    def read_deeper(part: Raw, at: str, broken: list[FieldError]) -> Any:
        return read_anything(part, at, broken, level + 1)

    first = bytes(raw)[:1]
    if first in b"{[" and level == NESTING_MAX:
        detail = f"must not be a list or map: values are nested at most {NESTING_MAX} levels deep."
        errors.append(FieldError(place, detail))
    elif first == b"{":
        return {
            name: _read_member(read_deeper, part, place, name, errors)
            for name, part in read_members(raw).items()
            if len(errors) < ERRORS_MAX
        }
    elif first == b"[":
        return [
            read_deeper(part, f"{place}/{index}", errors)
            for index, part in enumerate(read_array(raw))
            if len(errors) < ERRORS_MAX
        ]
    elif first in b'"tfn':
        return msgspec.json.decode(raw)
    else:
        with suppress(ValueError):
            if is_storable(value := number(bytes(raw).decode())):
                return value
        errors.append(FieldError(place, f"must be a number of {NUMBER_RULE}, not {quoted(raw)}."))
    return None


def _read_member(
    read: Reader,
    raw: Raw,
    place: str,
    name: str,
    errors: list[FieldError],
    name_rule: str = "",
) -> Any:
    """Return the value of an object's member; `name_rule` is one that its name breaks.

    An error in a member with a long name is placed at the object, since a pointer would be as long.
    """
    at = f"{place}/{(segment := escaped(name))}"
    broken: list[FieldError] = []
    value = read(raw, at, broken)
    if not 1 <= len(name.encode()) <= NAME_BYTES_MAX:
        name_rule = f"must have a name of 1 to {NAME_BYTES_MAX} bytes."
    if name_rule:
        broken.append(FieldError(at, name_rule))
    if broken and len(segment) > QUOTED_MAX:
        detail = f"has a member with a name of {len(name)} characters, which "
        broken = [FieldError(place, detail + broken[0].detail)]
    errors += broken
    return value


def _content_reader(info: inspect.Type) -> Reader:
    """Return the reader of a type. It raises ValidationError for JSON of another kind."""
    match info:
        case inspect.StructType(cls=cls):
            return ObjectReader(cls).read
        case inspect.AnyType():
            return read_anything
        case inspect.UnionType():
            return _union_reader(_alternatives(info))
        case inspect.DictType(key_type=key, value_type=element):
            return _map_reader(info, key, element)
        case (
            inspect.ListType(item_type=element)
            | inspect.SetType(item_type=element)
            | inspect.FrozenSetType(item_type=element)
        ):
            return _array_reader(info, element)
    return _scalar_reader(info)


def _scalar_reader(info: inspect.Type) -> Reader:
    decode = msgspec.json.Decoder(_scalar(info)).decode

    def read(raw: Raw, _place: str, _errors: list[FieldError]) -> Any:
        try:
            value = decode(raw)
        except msgspec.ValidationError:
            if (digits := _whole(raw)) is None:
                raise
            value = decode(digits)
        if isinstance(value, int | Decimal) and not is_storable(value):
            raise msgspec.ValidationError
        return value

    return read


def _union_reader(alternatives: Sequence[inspect.Type]) -> Reader:
    """Return the reader of the first of some types that a value is of."""
    readers = [_content_reader(each) for each in alternatives]

    def read(raw: Raw, place: str, _errors: list[FieldError]) -> Any:
        for alternative in readers:
            broken: list[FieldError] = []
            with suppress(msgspec.ValidationError):
                value = alternative(raw, place, broken)
                if not broken:
                    return value
        raise msgspec.ValidationError

    return read


def _map_reader(info: inspect.Type, key: inspect.Type, element_type: inspect.Type) -> Reader:
    read_element = value_reader(field_type(element_type))
    key_type, name_rule = _scalar(key), f"must have a name that is {_rule(key)}."

    def read(raw: Raw, place: str, errors: list[FieldError]) -> Any:
        values = {}
        for name, part in read_members(raw).items():
            if len(errors) >= ERRORS_MAX:
                break
            try:
                msgspec.convert(name, key_type)
                broken = ""
            except msgspec.ValidationError:
                broken = name_rule
            values[name] = _read_member(read_element, part, place, name, errors, broken)
        return _of_right_length(info, values)

    return read


def _array_reader(info: inspect.Type, element_type: inspect.Type) -> Reader:
    read_element = value_reader(field_type(element_type))
    build = _KINDS_OF_TYPES[type(info)][0]

    def read(raw: Raw, place: str, errors: list[FieldError]) -> Any:
        values = []
        for index, part in enumerate(read_array(raw)):
            if len(errors) >= ERRORS_MAX:
                break
            values.append(read_element(part, f"{place}/{index}", errors))
        return _of_right_length(info, build(values))

    return read


def _of_right_length(info: inspect.Type, values: Any) -> Any:
    bounds = _bounds(info)
    if not bounds.get("min_length", 0) <= len(values) <= bounds.get("max_length", math.inf):
        raise msgspec.ValidationError
    return values


def _alternatives(info: inspect.UnionType) -> list[inspect.Type]:
    """Return the types of a union, without their metadata and None."""
    others = (each for each in info.types if not isinstance(each, inspect.NoneType))
    return [field_type(each).info for each in others]


def _scalar(info: inspect.Type) -> Any:
    """Return the type that msgspec described so."""
    return Annotated[_KINDS_OF_TYPES[type(info)][0], Meta(**_bounds(info))]


_LENGTH = "with a length of"

_KINDS_OF_TYPES: dict[type[inspect.Type], tuple[Any, str, str]] = {
    inspect.StrType: (str, "a string", _LENGTH),
    inspect.BytesType: (bytes, "a string in base64", "of bytes with a length of"),
    inspect.BoolType: (bool, "true or false", ""),
    inspect.IntType: (int, "an integer", "that is"),
    inspect.DecimalType: (Decimal, f"a number, or a string with one, of {NUMBER_RULE}", ""),
    inspect.ListType: (list, "an array", _LENGTH),
    inspect.SetType: (set, "an array of different values", _LENGTH),
    inspect.FrozenSetType: (frozenset, "an array of different values", _LENGTH),
    inspect.DictType: (dict, "an object", "with a number of members of"),
    inspect.StructType: (Struct, "an object", ""),
    inspect.AnyType: (Any, "any JSON", ""),
}
"""How each type of the schema is called: in Python, in a message, and there before its bounds."""

_BOUNDS = {
    "ge": "at least",
    "min_length": "at least",
    "gt": "above",
    "le": "at most",
    "max_length": "at most",
    "lt": "below",
    "multiple_of": "a multiple of",
    "pattern": "matching",
}


def _bounds(info: inspect.Type) -> dict[str, Any]:
    """Return the bounds of a type, by their names in `Meta`. DynamoDB has no empty sets."""
    bounds = {name: bound for name in _BOUNDS if (bound := getattr(info, name, None)) is not None}
    if isinstance(info, inspect.SetType | inspect.FrozenSetType):
        bounds["min_length"] = max(1, bounds.get("min_length", 1))
    return bounds


def _rule(info: inspect.Type) -> str:
    """Return what a type demands, in words."""
    if isinstance(info, inspect.UnionType):
        return " or ".join(_rule(each) for each in _alternatives(info))
    _, noun, link = _KINDS_OF_TYPES[type(info)]
    bounds = _bounds(info)
    if isinstance(info, inspect.IntType) and not (
        bounds.keys() & {"ge", "gt"} and bounds.keys() & {"le", "lt"}
    ):
        noun += " of at most 38 digits"
    if pattern := bounds.pop("pattern", None):
        noun += f" that matches {pattern}"
    words = " and ".join(f"{_BOUNDS[name]} {bound}" for name, bound in bounds.items())
    return f"{noun} {link} {words}" if words else noun


def _sentence(broken: str, declared: FieldType) -> str:
    """Return the detail of an error: the broken rule, and what the field is for."""
    return f"{broken}. {declared.description}".removesuffix(" ")


def _whole(raw: Raw) -> bytes | None:
    """Return the digits of a whole number written as a decimal, such as 1.0, or None."""
    try:
        value = number(bytes(raw).decode())
    except ValueError:
        return None
    return b"%d" % value if isinstance(value, Decimal) and value == int(value) else None


def escaped(name: str) -> str:
    """Escape a name for a JSON pointer in a URI fragment (RFC 6901, section 6)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


_KINDS = {ord('"'): "a string", ord("{"): "an object", ord("["): "an array"}


def quoted(raw: bytes | Raw) -> str:
    """Quote a JSON value for a message if it is short, or name its kind and size."""
    text = bytes(raw)
    if len(text) <= QUOTED_MAX:
        return text.decode()
    return f"{_KINDS.get(text[0], 'a number')} of {len(text)} bytes"
