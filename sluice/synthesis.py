"""Synthetic records of a declared table: of every kind in turn, made up by types and rules only."""

import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from msgspec import UNSET, Struct, UnsetType, inspect

from chalicelib.attributes import attribute
from chalicelib.declaration import CHANGED, ByAttribute, ByPrefix, RecordShape, Table, Time
from chalicelib.types import struct_fields
from sluice.errors import OperationError
from sluice.values import ATTEMPTS, Values, examples_of

Item = dict[str, dict[str, Any]]
"""An item as boto3's low-level client takes it."""

JsonRecord = dict[str, Any]
"""A record as the API's JSON has it."""

COLLECTION_SIZE = 4
"""Records that share the first part of a key of two."""

LEVEL_VALUES = 3
"""Values of a level that reports are not grouped by."""

KEY_BYTES = 12
"""Bytes of a binary part of a key, where the rules allow them."""

NO_KIND = "UNDECLARED#"
"""How the text that distinguishes kinds begins in items of none."""

_ISO_MILLISECONDS, _ISO_SECONDS = "2026-05-04T20:05:00.250Z", "2026-05-04T20:05:00Z"

_Maker = Callable[[int, int], Any]
"""Returns a value for the record of this number, at this attempt."""


class _Field(NamedTuple):
    """How a field of a kind is made up."""

    name: str
    make: _Maker
    may_be_absent: bool
    may_change: bool
    """Whether another value leaves the record in its place."""


class _Undeclared(Struct):
    """Attributes of items whose kind is not declared."""

    note: str
    amount: Decimal
    active: bool
    labels: list[str] | UnsetType = UNSET
    size: dict[str, int] | UnsetType = UNSET


class Synthesis:
    """Makes up records of a table whose keys differ, and changes of them.

    Levels have few values: `groups` of them the one that reports are grouped by. Event times are of
    the last minutes, before `now_seconds` or this moment. Texts of a key begin with `run`.
    """

    def __init__(
        self,
        table: Table,
        chance: Random,
        groups: int,
        minutes: int,
        now_seconds: float | None = None,
        run: str | None = None,
    ) -> None:
        self._table = table
        self._chance = chance
        self._groups = groups
        self._microseconds = minutes * 60_000_000
        self._now = int((time.time() if now_seconds is None else now_seconds) * 1_000_000)
        self._values = Values(chance)
        self._run = run or f"{chance.getrandbits(48):012x}"
        self._keys: set[tuple[str, ...]] = set()
        self._times = {each.field: each for each in table.times if each.field is not None}
        # The last part of a key distinguishes records, so it does not have few values.
        levels = {level.attribute for level in table.levels if level.attribute is not None}
        self._levels = levels - {table.key_names[-1]}
        self.told_by = frozenset({table.told_by.name} if table.told_by else ())
        """The field that distinguishes kinds, if one does."""
        self._placing = {*table.key_names, *self._levels, *self.told_by}
        self.fixed = frozenset({*self._placing, *self._times})
        """The fields that decide which record it is, and where it lies."""
        self._fields = {
            shape.kind: self._shape_fields(shape)
            for shape in table.shapes
            if shape.is_declared or shape.undeclared == "keep"
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds that records are made up of, in turn."""
        return tuple(self._fields)

    def records(self, count: int) -> Iterator[tuple[str, JsonRecord]]:
        """The records, with their kinds. Raises OperationError where the rules allow too few."""
        kinds = self.kinds
        for _ in range(count):
            index = len(self._keys)
            kind = kinds[index % len(kinds)]
            yield kind, self._record(kind, index)

    def changed(self, kind: str, record: JsonRecord) -> JsonRecord | None:
        """Return a record with another value of a field that does not move it, if it has one."""
        fields = [field for field in self._fields[kind] if field.may_change]
        for field in self._chance.sample(fields, len(fields)):
            for attempt in range(ATTEMPTS):
                if (value := field.make(0, attempt)) != record.get(field.name):
                    return {**record, field.name: value}
        return None

    def _record(self, kind: str, index: int) -> JsonRecord:
        for attempt in range(ATTEMPTS):
            record = {
                field.name: field.make(index, attempt)
                for field in self._fields[kind]
                if not (field.may_be_absent and self._values.is_absent())
            }
            key = tuple(str(record[name]) for name in self._table.key_names)
            if key not in self._keys:
                self._keys.add(key)
                return record
        raise OperationError(
            f"the rules of {' and '.join(self._table.key_names)} leave too few different keys: "
            f"{index} were found; ask for fewer records, or for more sites or minutes"
        )

    def _shape_fields(self, shape: RecordShape) -> list[_Field]:
        table = self._table
        types = {field.encode_name: field.type for field in struct_fields(shape.record)}
        times = [name for name in self._times if name in types]
        needed = self._placing | {*({} if CHANGED in table.times else times[-1:])}
        when = next((each.when for each in table.kinds if each.name == shape.kind), NO_KIND)
        told_by = table.told_by
        fields = []
        for name, info in types.items():
            start = when if isinstance(told_by, ByPrefix) and told_by.name == name else ""
            optional = name not in needed and not shape.fields[name].required
            make = self._maker(shape, name, info, start)
            fields.append(_Field(name, make, optional, name not in self.fixed))
        if isinstance(told_by, ByAttribute) and shape.is_declared:
            fields = [field for field in fields if field.name != told_by.name]
            fields.append(_Field(told_by.name, lambda *_: when, False, False))
        if not shape.is_declared:
            fields += [
                _Field(field.encode_name, self._of_type(field.type), not field.required, True)
                for field in struct_fields(_Undeclared)
                if field.encode_name not in self.fixed
            ]
        return fields

    def _maker(self, shape: RecordShape, name: str, info: inspect.Type, start: str) -> _Maker:
        """Return what makes up the values of a declared field."""
        bare = shape.fields[name].type.info
        if (moment := self._times.get(name)) is not None:
            return lambda *_: _instant(moment, bare, self._now - self._ago())
        if name in self._levels:
            values = self._level_values(name, info, bare, start)
            return lambda *_: self._chance.choice(values)
        if isinstance(bare, inspect.BytesType) and name in self._table.key_names:
            least, most = bare.min_length or 1, bare.max_length or KEY_BYTES
            return lambda *_: b64encode(
                self._chance.randbytes(max(least, min(most, KEY_BYTES)))
            ).decode()
        if isinstance(bare, inspect.StrType) and name == self._table.key_names[-1]:
            return lambda index, _: self._values.text(bare, start, f"{self._run}-{index}")
        if isinstance(bare, inspect.StrType) and name in self._table.key_names:
            return lambda index, attempt: self._values.text(
                bare, start, f"{self._run}-{_collection(index, attempt)}"
            )
        if isinstance(bare, inspect.StrType) and start:
            return lambda *_: self._values.text(bare, start)
        return self._of_type(info)

    def _of_type(self, info: inspect.Type) -> _Maker:
        return lambda *_: self._values.value(info)

    def _ago(self) -> int:
        return self._chance.randrange(self._microseconds)

    def _level_values(
        self, name: str, info: inspect.Type, bare: inspect.Type, start: str
    ) -> list[Any]:
        """Return the values that a level's field may have."""
        group = self._table.group
        count = self._groups if group and group.attribute == name else LEVEL_VALUES
        numbers = iter(range(1, count * ATTEMPTS + 1))
        stem = re.sub(r"[^a-z0-9]*id$", "", name, flags=re.IGNORECASE).lower() or name

        def make() -> Any:
            if examples_of(info):
                return self._values.value(info)
            if isinstance(bare, inspect.StrType):
                return self._values.text(bare, start, f"{stem}-{next(numbers)}")
            if isinstance(bare, inspect.DecimalType):
                return next(numbers)
            return self._values.value(bare)

        return self._values.different(make, count, least=1)


def kind_of(table: Table, record: Mapping[str, Any]) -> str:
    """Return the kind of a record as the API's JSON has it."""
    if table.told_by is None:
        return ""
    return table.kind_told_by({"S": record.get(table.told_by.name)})


def takes_text(shape: RecordShape, name: str, length: int) -> bool:
    """Whether a field may be any text of this length."""
    field = shape.fields.get(name)
    match field and field.type.info:
        case inspect.StrType(max_length=longest, pattern=None):
            return longest is None or length <= longest
    return False


def item_of(table: Table, record: Mapping[str, Any]) -> Item:
    """Return the item of a record as the API's JSON has it, as boto3 takes it."""
    fields = table.shape(kind_of(table, record)).fields
    return {
        name: fields[name].type.attribute(value) if name in fields else attribute(value)
        for name, value in record.items()
    }


def _collection(index: int, attempt: int) -> int:
    """Return the number of the first part of a key: its own where too few keys are different."""
    return index if attempt >= ATTEMPTS // 2 else index // COLLECTION_SIZE


def _instant(time: Time, info: inspect.Type, microseconds: int) -> int | str:
    """Return an instant as a field has it."""
    if time.unit != "iso":
        count = microseconds // {"s": 1_000_000, "ms": 1000, "us": 1}[time.unit]
        return str(count) if isinstance(info, inspect.StrType) else count
    moment = datetime.fromtimestamp(microseconds // 1000 / 1000, UTC)
    longest = getattr(info, "max_length", None) or len(_ISO_MILLISECONDS)
    if longest < len(_ISO_SECONDS):
        return moment.date().isoformat()
    precision = "seconds" if longest < len(_ISO_MILLISECONDS) else "milliseconds"
    text = moment.isoformat(timespec=precision).removesuffix("+00:00")
    return text + "Z" if time.offset is None else text
