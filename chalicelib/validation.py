"""Request bodies into records: every rule comes from the schema, and all broken ones are reported.

A number is read exactly as it is written, and 1.0 and 1e0 are integers like 1, as in JSON Schema.
Of a field that occurs twice in an object the last one counts.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct
from msgspec.inspect import IntType, StrType

from chalicelib.attributes import number
from chalicelib.errors import FieldError, Invalid, PartitionError, TooLarge
from chalicelib.limits import ITEM_BYTES_MAX
from chalicelib.partitions import encode_value
from chalicelib.problems import ERRORS_MAX
from chalicelib.schema import KEY, LAYOUT, Record
from chalicelib.types import FieldType, field_types, struct_fields

RECORD_BYTES_MAX = ITEM_BYTES_MAX
"""Bytes of a record as compact JSON, which its DynamoDB item never exceeds."""

BATCH_RECORDS_MAX = 500

BATCH_BYTES_MAX = 2 * 1024 * 1024
"""Bytes of a batch's body. An invocation takes 6 MB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), and its event holds the
body as a string, in which characters take up to three times their bytes."""

QUOTED_MAX = 40
"""Characters of a value or name that an error message quotes; of a longer one it gives the size."""

T = TypeVar("T", bound=Struct)

_ARRAY = msgspec.json.Decoder(list[Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class Validator(Generic[T]):
    """Reads records of one type, for one layout of partitions."""

    def __init__(self, record_type: type[T], layout: Sequence[str] = LAYOUT) -> None:
        self._record_type = record_type
        self._fields = {field.encode_name: field for field in struct_fields(record_type)}
        self._types = field_types(record_type)
        self._decoders = {
            field.encode_name: msgspec.json.Decoder(field.type)
            for field in msgspec.structs.fields(record_type)
        }
        self._levels = {name for name, field in self._fields.items() if field.name in layout}

    def record(self, body: bytes) -> T:
        """Return the record of a body. Raises Invalid or TooLarge."""
        if len(body) > RECORD_BYTES_MAX:
            raise TooLarge(_too_large("The body", len(body), RECORD_BYTES_MAX))
        members = _parse(_OBJECT, body, "a JSON object, the record")
        values, errors = self._read(members, "#")
        if errors:
            raise _invalid(errors)
        record = self._record_type(**values)
        if (size := _size(record)) > RECORD_BYTES_MAX:
            raise TooLarge(_too_large("The record", size, RECORD_BYTES_MAX))
        return record

    def batch(self, body: bytes) -> list[T]:
        """Return the records of a body, all of them valid. Raises Invalid or TooLarge."""
        if len(body) > BATCH_BYTES_MAX:
            raise TooLarge(_too_large("The body", len(body), BATCH_BYTES_MAX))
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
            values, broken = self._read(members, pointer)
            errors += broken
            if KEY in values:
                place = places.setdefault(values[KEY], pointer)
                if place != pointer:
                    errors.append(
                        FieldError(
                            f"{pointer}/{KEY}",
                            f"is the {KEY} of {place} too; a batch may write a record only once.",
                        )
                    )
            if len(errors) >= ERRORS_MAX:
                break
            if not broken:
                record = self._record_type(**values)
                if (size := _size(record)) > RECORD_BYTES_MAX:
                    detail = _too_large("The record", size, RECORD_BYTES_MAX)
                    errors.append(FieldError(pointer, detail))
                records.append(record)
        if errors:
            raise _invalid(errors)
        return records

    def _read(
        self, members: dict[str, Raw], pointer: str
    ) -> tuple[dict[str, Any], list[FieldError]]:
        """Return the values of an object's valid fields, and the errors of the others."""
        values: dict[str, Any] = {}
        errors = list(self._unknown(members, pointer))
        for name, field in self._fields.items():
            place, declared = f"{pointer}/{_escaped(name)}", self._types[field.name]
            description = f" {declared.description}" if declared.description else ""
            if name not in members:
                if field.required:
                    errors.append(FieldError(place, f"is required.{description}"))
                continue
            try:
                values[field.name] = self._value(name, members[name])
            except PartitionError as error:
                broken = error.rule
            except msgspec.ValidationError as error:
                rule = _rule(declared)
                broken = f"must be {rule}, not {_quoted(members[name])}" if rule else str(error)
            else:
                continue
            errors.append(FieldError(place, f"{broken}.{description}"))
        return values, errors

    def _value(self, name: str, raw: Raw) -> Any:
        decode = self._decoders[name].decode
        try:
            value = decode(raw)
        except msgspec.ValidationError:
            if (digits := _whole(raw)) is None:
                raise
            value = decode(digits)
        if name in self._levels:
            encode_value(self._fields[name].name, value)
        return value

    def _unknown(self, members: dict[str, Raw], pointer: str) -> Iterator[FieldError]:
        known = ", ".join(self._fields)
        for name in members:
            if name in self._fields:
                continue
            if len(name) <= QUOTED_MAX:
                yield FieldError(
                    f"{pointer}/{_escaped(name)}",
                    f"is not a field of the record, whose fields are {known}.",
                )
            else:
                yield FieldError(
                    pointer,
                    f"has a member with a name of {len(name)} characters; the fields are {known}.",
                )


RECORDS = Validator(Record)


def _parse(decoder: msgspec.json.Decoder[Any], body: bytes, expected: str) -> Any:
    if not body.strip():
        raise Invalid(f"The body is empty; it must be {expected}.")
    try:
        return decoder.decode(body.decode())
    except UnicodeDecodeError as error:
        raise Invalid(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except RecursionError:
        raise Invalid(f"The body is nested too deeply; it must be {expected}.") from None
    except msgspec.ValidationError:
        raise Invalid(f"The body must be {expected}, not {_quoted(body.strip())}.") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        if "truncated" in reason:
            reason = "it ends too early, or a text in it ends within a surrogate pair"
        raise Invalid(f"The body is not JSON: {reason}.") from None


def _whole(raw: Raw) -> bytes | None:
    """Return the digits of a whole number written as a decimal, such as 1.0, or None."""
    try:
        value = number(bytes(raw).decode())
    except ValueError:
        return None
    return b"%d" % value if isinstance(value, Decimal) and value == int(value) else None


def _invalid(errors: Sequence[FieldError]) -> Invalid:
    return Invalid("The body breaks the rules that errors lists; nothing was written.", errors)


def _size(record: Struct) -> int:
    return len(msgspec.json.encode(record))


def _too_large(subject: str, size: int, limit: int) -> str:
    return f"{subject} has {size} bytes; {limit} are allowed."


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


_BOUNDS = {
    "ge": "at least",
    "min_length": "at least",
    "gt": "above",
    "le": "at most",
    "max_length": "at most",
    "lt": "below",
}


def _rule(declared: FieldType) -> str:
    """Return what a type demands, in words; empty where msgspec explains the rules better."""
    if "NULL" in declared.kinds:
        return ""
    match declared.info:
        case IntType(multiple_of=None):
            noun, link = "an integer", "that is"
        case StrType(pattern=None):
            noun, link = "a string", "with a length of"
        case _:
            return ""
    bounds = [
        f"{word} {bound}"
        for attribute, word in _BOUNDS.items()
        if (bound := getattr(declared.info, attribute, None)) is not None
    ]
    return f"{noun} {link} {' and '.join(bounds)}" if bounds else noun
