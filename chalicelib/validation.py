"""Request bodies into records: every rule comes from the declaration, and all broken ones are
reported.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from chalicelib.declaration import (
    CHANGED,
    ByAttribute,
    Key,
    Level,
    RecordShape,
    Table,
    Time,
    is_missing,
)
from chalicelib.errors import ERRORS_MAX, FieldError, Invalid, PartitionError, TooLarge
from chalicelib.keys import KEY_PART_BYTES_MAX
from chalicelib.limits import ITEM_BYTES_MAX
from chalicelib.partitions import encode_value
from chalicelib.readers import (
    ObjectReader,
    Rule,
    escaped,
    quoted,
    read_anything,
    read_array,
    read_members,
)
from chalicelib.times import UNITS, epoch_ms, likely_unit

RECORD_BYTES_MAX = ITEM_BYTES_MAX
"""Bytes of a record as compact JSON, which its DynamoDB item never exceeds."""

BATCH_RECORDS_MAX = 500

BATCH_BYTES_MAX = 2 * 1024 * 1024
"""Bytes of a batch's body. An invocation takes 6 MB
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html), and its event holds the
body as a string, in which characters take up to three times their bytes."""

UNADDRESSABLE_KEYS = (".", "..")
"""Keys that no path can name: to clients and servers they are the folder, or the one above it,
even percent-encoded (https://url.spec.whatwg.org/#single-dot-path-segment)."""

Record = dict[str, Any]
"""A record: its values by the names of their attributes, without absent ones."""


class Validator:
    """Reads the records of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._readers = {shape.kind: _RecordReader(table, shape) for shape in table.accepted_shapes}

    def record(self, body: bytes) -> Record:
        """Return the record of a body. Raises Invalid or TooLarge."""
        if detail := _too_large("The body", len(body), RECORD_BYTES_MAX):
            raise TooLarge(detail)
        errors: list[FieldError] = []
        members = _parse(read_members, body, "a JSON object, the record")
        reader, values = self._read(members, "#", errors)
        if reader is None or errors:
            raise _invalid(errors)
        record = reader.record(values)
        if detail := _too_large("The record", _size(record), RECORD_BYTES_MAX):
            raise TooLarge(detail)
        return record

    def batch(self, body: bytes) -> list[Record]:
        """Return the records of a body, all of them valid. Raises Invalid or TooLarge."""
        if detail := _too_large("The body", len(body), BATCH_BYTES_MAX):
            raise TooLarge(detail)
        elements = _parse(read_array, body, "a JSON array of records")
        if not 1 <= len(elements) <= BATCH_RECORDS_MAX:
            raise Invalid(
                f"A batch holds 1 to {BATCH_RECORDS_MAX} records, and this one has {len(elements)}."
            )
        records: list[Record] = []
        errors: list[FieldError] = []
        places: dict[tuple[Any, ...], str] = {}
        for index, element in enumerate(elements):
            pointer = f"#/{index}"
            try:
                members = read_members(element)
            except msgspec.ValidationError:
                errors.append(FieldError(pointer, f"must be an object, not {quoted(element)}."))
                continue
            before = len(errors)
            reader, values = self._read(members, pointer, errors)
            is_valid = len(errors) == before
            self._refuse_second(values, pointer, places, errors)
            if len(errors) >= ERRORS_MAX:
                break
            if reader and is_valid:
                record = reader.record(values)
                if detail := _too_large("The record", _size(record), RECORD_BYTES_MAX):
                    errors.append(FieldError(pointer, detail))
                records.append(record)
        if errors:
            raise _invalid(errors)
        return records

    def _read(
        self, members: Mapping[str, Raw], place: str, errors: list[FieldError]
    ) -> tuple["_RecordReader | None", Record]:
        """Return the reader of a record's kind, None if it has none, and the valid values."""
        kind = self._kind(members, place, errors)
        if kind is None:
            return None, {}
        reader = self._readers[kind]
        return reader, reader.values(members, place, errors)

    def _kind(self, members: Mapping[str, Raw], place: str, errors: list[FieldError]) -> str | None:
        """Return the kind of a record, None if it is not a declared one."""
        told_by = self._table.told_by
        if told_by is None:
            return self._table.kind_of({})
        raw = members.get(told_by.name, Raw(b"null"))
        text = msgspec.json.decode(raw) if bytes(raw).startswith(b'"') else None
        kind = self._table.kind_told_by({"S": text})
        if kind in self._readers:
            return kind
        verb = "be" if isinstance(told_by, ByAttribute) else "begin with"
        words = " or ".join(f"{each.when} ({each.name})" for each in self._table.kinds)
        given = f"not {quoted(raw)}" if told_by.name in members else "and is missing"
        detail = f"says of which kind a record is: it must {verb} {words}, {given}."
        errors.append(FieldError(f"{place}/{escaped(told_by.name)}", detail))
        return None

    def _refuse_second(
        self,
        values: Record,
        pointer: str,
        places: dict[tuple[Any, ...], str],
        errors: list[FieldError],
    ) -> None:
        """Add an error if an earlier record of a batch has the key of these values."""
        names = self._table.key_names
        if any(name not in values for name in names):
            return
        place = places.setdefault(tuple(values[name] for name in names), pointer)
        if place != pointer:
            at = f"{pointer}/{escaped(names[0])}" if len(names) == 1 else pointer
            verb = "is" if len(names) == 1 else "has"
            rule = f"{verb} the {' and '.join(names)} of {place} too"
            errors.append(FieldError(at, f"{rule}; a batch may write a record only once."))


class _RecordReader:
    """Reads the records of one kind."""

    def __init__(self, table: Table, shape: RecordShape) -> None:
        rules: dict[str, list[Rule]] = {name: [] for name in shape.fields}
        for key, limit in zip(table.key, KEY_PART_BYTES_MAX, strict=False):
            rules[key.name].append(_key_rule(key, limit))
        for level in table.levels:
            if level.attribute in rules:
                rules[level.attribute].append(_level_rule(level))
        for time in table.times:
            if time.field in rules:
                rules[time.field].append(_time_rule(time))
        self._reader = ObjectReader(
            shape.record,
            "record",
            rules,
            None if shape.is_declared else read_anything,
        )
        self._fields = shape.fields
        self._levels = needed_levels(table, shape)
        self._times = needed_times(table, shape)

    def values(self, members: Mapping[str, Raw], place: str, errors: list[FieldError]) -> Record:
        """Return the valid values of a record; the errors of the others are added."""
        values = self._reader.values(members, place, errors)
        for name in self._levels:
            if name not in members:
                rule = "is required: it is a level of the lake."
                errors.append(FieldError(f"{place}/{escaped(name)}", rule))
        # A time that breaks a rule is in `members` alone: that it is wrong is said already.
        lacking = [name for name in self._times if is_missing(values.get(name, members.get(name)))]
        if lacking and lacking == self._times:
            detail = f"must have {' or '.join(self._times)}, its event time."
            errors.append(FieldError(place, detail))
        return values

    def record(self, values: Record) -> Record:
        """Return the record with these values, and with the defaults of its kind."""
        struct = self._reader.struct(values)
        declared = {
            name: value
            for name, field in self._fields.items()
            if (value := getattr(struct, field.member)) is not UNSET
        }
        return declared | {name: values[name] for name in values if name not in declared}


def defaults(shape: RecordShape) -> dict[str, Any]:
    """Return the defaults of a kind's fields: UNSET for one that stays absent."""
    fields = msgspec.structs.fields(shape.record)
    return {name: each.default for name, each in zip(shape.fields, fields, strict=True)}


def needed_levels(table: Table, shape: RecordShape) -> list[str]:
    """Return the fields that a record needs because they are levels, beside the required ones."""
    missing = {name for name, default in defaults(shape).items() if is_missing(default)}
    return [level.attribute for level in table.levels if level.attribute in missing]


def needed_times(table: Table, shape: RecordShape) -> list[str]:
    """Return the fields of which a record needs one, for its event time; none if it always has."""
    names = [time.field for time in table.times if time.field and time.field in shape.fields]
    always = any(
        not is_missing(defaults(shape)[name]) and "NULL" not in shape.fields[name].type.kinds
        for name in names
    )
    return [] if always or CHANGED in table.times or not shape.is_declared else names


def _key_rule(key: Key, limit: int) -> Rule:
    """Return the rule of a part of the key."""

    def broken(value: Any) -> str | None:
        if value in UNADDRESSABLE_KEYS:
            return "must not be . or .., which no path can name"
        if key.type == "N":
            return None
        size = len(value.encode() if key.type == "S" else value)
        return None if 1 <= size <= limit else f"must have 1 to {limit} bytes, as the table's key"

    return broken


def _level_rule(level: Level) -> Rule:
    """Return the rule of a value that names a partition."""

    def broken(value: Any) -> str | None:
        try:
            encode_value(level.name, value, level.length)
        except PartitionError as error:
            return error.rule
        return None

    return broken


def _time_rule(time: Time) -> Rule:
    """Return the rule of an event time."""

    def broken(value: Any) -> str | None:
        if is_missing(value):
            return None
        try:
            epoch_ms(time, value)
        except ValueError as error:
            return str(error)
        if unit := likely_unit(time, value):
            return f"must be in {UNITS[time.unit]}, and looks like {UNITS[unit]}"
        return None

    return broken


def _size(record: Record) -> int:
    return len(msgspec.json.encode(record))


def _parse(decode: Callable[[str], Any], body: bytes, expected: str) -> Any:
    """Return what is in a body of UTF-8, with a byte order mark or without."""
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        raise Invalid(f"The body is not UTF-8, as JSON must be, but {encoding[:6].upper()}.")
    try:
        text = body.decode(encoding).strip()
        if not text:
            raise Invalid(f"The body is empty; it must be {expected}.")
        return decode(text)
    except UnicodeDecodeError as error:
        raise Invalid(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except RecursionError:
        raise Invalid(f"The body is nested too deeply; it must be {expected}.") from None
    except msgspec.ValidationError:
        raise Invalid(f"The body must be {expected}, not {quoted(text.encode())}.") from None
    except msgspec.DecodeError as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        if "truncated" in reason:
            reason = "it ends too early, or a text in it ends within a surrogate pair"
        raise Invalid(f"The body is not JSON: {reason}.") from None


def _invalid(errors: Sequence[FieldError]) -> Invalid:
    return Invalid("The body breaks the rules that errors lists; nothing was written.", errors)


def _too_large(subject: str, size: int, limit: int) -> str:
    """Return the reason for refusing a subject of this size, empty if it is within the limit."""
    return f"{subject} has {size} bytes; {limit} are allowed." if size > limit else ""
