"""Request bodies into records: every rule comes from the schema, and all broken ones are reported.

A number is read exactly as it is written, and 1.0 and 1e0 are integers like 1, as in JSON Schema.
Of a field that occurs twice in an object the last one counts.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Meta, Raw, Struct, inspect

from chalicelib.attributes import NUMBER_RULE, is_key, is_storable, number
from chalicelib.errors import FieldError, Invalid, PartitionError, TooLarge
from chalicelib.limits import ITEM_BYTES_MAX, KEY_BYTES_MAX
from chalicelib.partitions import encode_value
from chalicelib.problems import ERRORS_MAX
from chalicelib.schema import KEY, LAYOUT, Record
from chalicelib.types import FieldType, field_type, field_types, struct_fields

RECORD_BYTES_MAX = ITEM_BYTES_MAX
"""Bytes of a record as compact JSON, which its DynamoDB item never exceeds."""

BATCH_RECORDS_MAX = 500

BATCH_BYTES_MAX = 2 * 1024 * 1024
"""Bytes of a batch's body. An invocation takes 6 MB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), and its event holds the
body as a string, in which characters take up to three times their bytes."""

QUOTED_MAX = 40
"""Characters of a value or name that an error message quotes; of a longer one it gives the size."""

UNADDRESSABLE_KEYS = (".", "..")
"""Keys that no path can name: to clients and servers they are the folder, or the one above it,
even percent-encoded (https://url.spec.whatwg.org/#single-dot-path-segment)."""

T = TypeVar("T", bound=Struct)

Reader = Callable[[Raw, str, list[FieldError]], Any]
"""Returns the value of some JSON at a place, and adds what is wrong with it to the errors.

Raises ValidationError if it is of another kind or out of bounds, as a whole."""

_ARRAY = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class Validator(Generic[T]):
    """Reads structs of one type: records for a layout of partitions, or objects within them."""

    def __init__(
        self, struct_type: type[T], layout: Sequence[str] = LAYOUT, key: str | None = KEY
    ) -> None:
        self._struct_type = struct_type
        self._key = key
        self._fields = {field.encode_name: field for field in struct_fields(struct_type)}
        self._types = field_types(struct_type)
        self._readers = {name: _reader(declared) for name, declared in self._types.items()}
        self._levels = {name for name in self._types if name in layout}

    def record(self, body: bytes) -> T:
        """Return the record of a body. Raises Invalid or TooLarge."""
        if detail := _too_large("The body", len(body), RECORD_BYTES_MAX):
            raise TooLarge(detail)
        errors: list[FieldError] = []
        values = self._values(_parse(_OBJECT, body, "a JSON object, the record"), "#", errors)
        if errors:
            raise _invalid(errors)
        record = self._struct_type(**values)
        if detail := _too_large("The record", len(msgspec.json.encode(record)), RECORD_BYTES_MAX):
            raise TooLarge(detail)
        return record

    def batch(self, body: bytes) -> list[T]:
        """Return the records of a body, all of them valid. Raises Invalid or TooLarge."""
        if detail := _too_large("The body", len(body), BATCH_BYTES_MAX):
            raise TooLarge(detail)
        elements = _parse(_ARRAY, body, "a JSON array of records")
        if not 1 <= len(elements) <= BATCH_RECORDS_MAX:
            raise Invalid(
                f"A batch holds 1 to {BATCH_RECORDS_MAX} records, and this one has {len(elements)}."
            )
        records: list[T] = []
        errors: list[FieldError] = []
        places: dict[str, str] = {}
        for index, element in enumerate(elements):
            pointer = f"#/{index}"
            try:
                members = _OBJECT.decode(element)
            except msgspec.ValidationError:
                errors.append(FieldError(pointer, f"must be an object, not {_quoted(element)}."))
                continue
            before = len(errors)
            values = self._values(members, pointer, errors)
            is_valid = len(errors) == before
            if KEY in values:
                place = places.setdefault(values[KEY], pointer)
                if place != pointer:
                    rule = f"is the {KEY} of {place} too; a batch may write a record only once."
                    errors.append(FieldError(f"{pointer}/{KEY}", rule))
            if len(errors) >= ERRORS_MAX:
                break
            if is_valid:
                record = self._struct_type(**values)
                size = len(msgspec.json.encode(record))
                if detail := _too_large("The record", size, RECORD_BYTES_MAX):
                    errors.append(FieldError(pointer, detail))
                records.append(record)
        if errors:
            raise _invalid(errors)
        return records

    def value(self, raw: Raw, place: str, errors: list[FieldError]) -> T | None:
        """Return the struct of an object within a record, None if anything in it is wrong."""
        before = len(errors)
        values = self._values(_OBJECT.decode(raw), place, errors)
        return self._struct_type(**values) if len(errors) == before else None

    def _values(
        self, members: Mapping[str, Raw], place: str, errors: list[FieldError]
    ) -> dict[str, Any]:
        """Return the values of an object's valid fields; the errors of the others are added."""
        self._refuse_unknown(members, place, errors)
        values: dict[str, Any] = {}
        for name, field in self._fields.items():
            declared, at = self._types[field.name], f"{place}/{_escaped(name)}"
            if name not in members:
                if field.required:
                    errors.append(FieldError(at, _sentence("is required", declared)))
                continue
            before = len(errors)
            value = self._readers[field.name](members[name], at, errors)
            if len(errors) > before:
                continue
            if broken := self._broken_rule(field.name, value):
                errors.append(FieldError(at, _sentence(broken, declared)))
            else:
                values[field.name] = value
        return values

    def _broken_rule(self, name: str, value: Any) -> str | None:
        """Return the rule of a key or of a partition's name that a field's value breaks."""
        if name == self._key:
            if value in UNADDRESSABLE_KEYS:
                return "must not be . or .., which no path can name"
            if not is_key(value):
                return f"must have 1 to {KEY_BYTES_MAX} bytes, as the table's key"
        if name in self._levels:
            try:
                encode_value(name, value)
            except PartitionError as error:
                return error.rule
        return None

    def _refuse_unknown(
        self, members: Mapping[str, Raw], place: str, errors: list[FieldError]
    ) -> None:
        noun = "object" if self._key is None else "record"
        known = ", ".join(self._fields)
        for name in members:
            if name in self._fields:
                continue
            if len(name) <= QUOTED_MAX:
                detail = f"is not a field of the {noun}, whose fields are {known}."
                errors.append(FieldError(f"{place}/{_escaped(name)}", detail))
            else:
                detail = f"has a member with a name of {len(name)} characters"
                errors.append(FieldError(place, f"{detail}; the fields are {known}."))


def _parse(decoder: msgspec.json.Decoder[Any], body: bytes, expected: str) -> Any:
    """Return what is in a body of UTF-8, with a byte order mark or without."""
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        raise Invalid(f"The body is not UTF-8, as JSON must be, but {encoding[:6].upper()}.")
    try:
        text = body.decode(encoding).strip()
        if not text:
            raise Invalid(f"The body is empty; it must be {expected}.")
        return decoder.decode(text)
    except UnicodeDecodeError as error:
        raise Invalid(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except RecursionError:
        raise Invalid(f"The body is nested too deeply; it must be {expected}.") from None
    except msgspec.ValidationError:
        raise Invalid(f"The body must be {expected}, not {_quoted(text.encode())}.") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        if "truncated" in reason:
            reason = "it ends too early, or a text in it ends within a surrogate pair"
        raise Invalid(f"The body is not JSON: {reason}.") from None


def _reader(declared: FieldType) -> Reader:
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
            broken = f"must be {rule}, not {_quoted(raw)}"
            errors.append(FieldError(place, _sentence(broken, declared)))
            return None

    return read


def _content_reader(info: inspect.Type) -> Reader:
    """Return the reader of a type. It raises ValidationError for JSON of another kind."""
    match info:
        case inspect.StructType(cls=cls):
            return Validator(cls, layout=(), key=None).value
        case inspect.DictType(value_type=element):
            return _container_reader(info, _OBJECT, element)
        case (
            inspect.ListType(item_type=element)
            | inspect.SetType(item_type=element)
            | inspect.FrozenSetType(item_type=element)
        ):
            return _container_reader(info, _ARRAY, element)
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


def _container_reader(
    info: inspect.Type, decoder: msgspec.json.Decoder[Any], element_type: inspect.Type
) -> Reader:
    """Return the reader of an array or a map.

    An error in a member with a long name is placed at the map, since a pointer would be as long.
    """
    element = _reader(field_type(element_type))
    bounds = _bounds(info)
    build = _KINDS_OF_TYPES[type(info)][0]
    key, key_rule = int, "an index"
    if is_map := isinstance(info, inspect.DictType):
        key, key_rule = _scalar(info.key_type), _rule(info.key_type)

    def read(raw: Raw, place: str, errors: list[FieldError]) -> Any:
        content: Any = decoder.decode(raw)
        parts: Any = content.items() if is_map else enumerate(content)
        values = {}
        for name, part in parts:
            if len(errors) >= ERRORS_MAX:
                break
            at = f"{place}/{(segment := _escaped(str(name)))}"
            broken: list[FieldError] = []
            values[name] = element(part, at, broken)
            try:
                msgspec.convert(name, key)
            except msgspec.ValidationError:
                broken.append(FieldError(at, f"must have a name that is {key_rule}."))
            if broken and len(segment) > QUOTED_MAX:
                detail = f"has a member with a name of {len(name)} characters, which "
                broken = [FieldError(place, detail + broken[0].detail)]
            errors += broken
        value = values if is_map else build(values.values())
        if not bounds.get("min_length", 0) <= len(value) <= bounds.get("max_length", math.inf):
            raise msgspec.ValidationError
        return value

    return read


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


def _invalid(errors: Sequence[FieldError]) -> Invalid:
    return Invalid("The body breaks the rules that errors lists; nothing was written.", errors)


def _too_large(subject: str, size: int, limit: int) -> str:
    """Return the reason for refusing a subject of this size, empty if it is within the limit."""
    return f"{subject} has {size} bytes; {limit} are allowed." if size > limit else ""


def _escaped(name: str) -> str:
    """Escape a name for a JSON pointer in a URI fragment (RFC 6901, section 6)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~")


_KINDS = {ord('"'): "a string", ord("{"): "an object", ord("["): "an array"}


def _quoted(raw: bytes | Raw) -> str:
    """Quote a JSON value for a message if it is short, or name its kind and size."""
    text = bytes(raw)
    if len(text) <= QUOTED_MAX:
        return text.decode()
    return f"{_KINDS.get(text[0], 'a number')} of {len(text)} bytes"


RECORDS = Validator(Record)
