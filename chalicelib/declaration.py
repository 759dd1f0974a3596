"""The words a table is declared with, and what follows from a declaration.

A declaration is one `Table`: its key, the kinds of record it holds, the event time, the layout of
the lake, and what becomes of attributes that nobody declared. Everything else takes the `Table` as
a parameter. `chalicelib.schema` holds the one that ships, `tables/` holds worked ones, and
`chalicelib.mistakes` says what is wrong with one.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct

from chalicelib.limits import PREFIX_LENGTH_MAX
from chalicelib.types import FieldType, field_type, struct_fields

KeyType = Literal["S", "N", "B"]
"""The types that an attribute of a table's key may have: text, number, binary."""

Undeclared = Literal["keep", "quarantine", "drop"]
"""What becomes of attributes, or of whole items, that nobody declared."""

Protection = Literal["drop", "hash"]
"""What becomes of a field that the lake must not hold: left out, or replaced by a keyed hash."""

Unit = Literal["s", "ms", "us", "iso"]
"""What an event time is: seconds, milliseconds or microseconds since 1970, or ISO 8601 text."""

TIME_FORMATS = {
    "year": "{:04d}",
    "month": "{:02d}",
    "day": "{:02d}",
    "hour": "{:02d}",
    "minute": "{:02d}",
}
"""The time levels, coarsest first, with the format of their values."""

KIND = "kind"
"""The level, and the name in a line, of a record's kind, where a table has several kinds."""

OTHER = "other"
"""The kind of items that are of no declared one."""

EVENT_TIME = "eventTime"
"""The name in a line of the event time, in epoch milliseconds, where no single field holds it."""

CHANGED_AT = "changedAt"
"""The name in a line of the time of the change itself, in epoch milliseconds."""

VALUE_LENGTH_MAX = 256
"""Characters that a percent-encoded value may have in a path, however few levels there are."""

_CHARACTER_LENGTH_MAX = 12
"""Characters of one percent-encoded character: four bytes of UTF-8 at most."""

_NUMBER_LENGTH_MAX = 45
"""Characters of a number: 38 digits, a sign, a point and an exponent."""

EPOCH_MS_MAX = 253_402_300_799_999
"""The last millisecond of the year 9999, the last year a four-digit partition can name."""

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer of 64 bits, which a column of the lake holds as a number."""

_KEY_FIELD_TYPES: Mapping[KeyType, Any] = {"S": str, "N": Decimal, "B": bytes}


class Key(Struct, frozen=True):
    """One attribute of the table's key."""

    name: str
    type: KeyType = "S"


class Kind(Struct, frozen=True, eq=False):
    """A kind of record: its fields, which include the key, and which items are of it."""

    name: str
    record: type[Struct]
    when: str = ""
    """What `Table.told_by` has for its items: the attribute's text, or how it begins."""
    undeclared: Undeclared = "keep"
    """What becomes of attributes that `record` does not declare."""


class ByAttribute(Struct, frozen=True):
    """Distinguishes kinds by the text of an attribute: `Kind.when`."""

    name: str


class ByPrefix(Struct, frozen=True):
    """Distinguishes kinds by how an attribute, mostly of the key, begins: with `Kind.when`."""

    name: str


class Time(Struct, frozen=True):
    """Where an event time stands, and in which unit. Without a field it is the change's own."""

    field: str | None = None
    unit: Unit = "ms"
    offset: str | None = None
    """What an ISO 8601 text without an offset means, such as "Z" or "+02:00". None: refuse it."""
    real_before_1973: bool = False
    """Whether times before 1973 are real, and no sign of another unit."""


CHANGED = Time()
"""The time of the change itself."""


class Field(NamedTuple):
    """A field of a record: its names, and how its type is handled."""

    name: str
    """Of the attribute in the table, and in the API's JSON."""
    line: str
    """In a line of the lake: the same, unless `Meta(extra={"line": ...})` gives another."""
    member: str
    """Of the attribute of the Struct."""
    type: FieldType
    required: bool
    """Whether the API demands it."""


class Level(NamedTuple):
    """A level of the layout."""

    name: str
    """As in the path: `region` in `region=NL`."""
    attribute: str | None
    """The field that gives its values; None for a part of the time, and for the kind."""
    length: int
    """Characters that its percent-encoded value may have."""

    @property
    def is_time(self) -> bool:
        """Whether it is a part of the event time."""
        return self.attribute is None and self.name in TIME_FORMATS


class RecordShape(Struct, frozen=True, eq=False):
    """A kind of record as the rest of the code wants it: `Kind` with all that follows."""

    kind: str
    """Empty where the table has only one kind."""
    record: type[Struct]
    undeclared: Undeclared
    fields: Mapping[str, Field]
    """By the attribute's name, in the order of the Struct."""
    is_declared: bool = True
    """Whether it is a kind of the declaration; else it has only the key's fields."""


class Table(Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """The declaration of a table. It is compared and hashed by identity."""

    key: tuple[Key, ...]
    kinds: tuple[Kind, ...] = ()
    """None: a line has the key, and all else as exact JSON in `extra`."""
    told_by: ByAttribute | ByPrefix | None = None
    """What says of which kind an item is; None where there is one at most."""
    others: Undeclared = "keep"
    """What becomes of items that are of no declared kind."""
    times: tuple[Time, ...] = (CHANGED,)
    """The event time: the first of these that an item has."""
    layout: tuple[str, ...] = ("year", "month", "day", "hour")
    """The levels of the lake, outermost first: names of scalar fields, and parts of the time. Where
    there are several kinds, the kind is a level before them."""
    protect: Mapping[str, Protection] = {}
    """Attributes, declared or not, that the lake must not hold."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """Records as the API takes them: seeded first by the demonstration, and shown in documents."""

    def with_layout(self, layout: Sequence[str]) -> "Table":
        """Return the same table with another layout."""
        if tuple(layout) == self.layout:
            return self
        return msgspec.structs.replace(self, layout=tuple(layout))

    @cached_property
    def shapes(self) -> tuple[RecordShape, ...]:
        """The kinds that items may be of: the declared ones, and OTHER beside several.

        Raises TypeError for a field of a type that no attribute holds exactly.
        """
        declared = tuple(
            RecordShape(
                kind.name if self.told_by else "",
                kind.record,
                kind.undeclared,
                record_fields(kind.record),
            )
            for kind in self.kinds
        )
        if declared and not self.told_by:
            return declared
        types = [(f"key_{index}", self._key_type(key)) for index, key in enumerate(self.key)]
        names = {member: key.name for (member, _), key in zip(types, self.key, strict=True)}
        record = msgspec.defstruct("Item", types, rename=names, frozen=True, kw_only=True)
        undeclared = self.others if self.told_by else "keep"
        kind = OTHER if self.told_by else ""
        return (*declared, RecordShape(kind, record, undeclared, record_fields(record), False))

    @property
    def hashes(self) -> bool:
        """Whether any attribute is replaced by a keyed hash."""
        return "hash" in self.protect.values()

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the declaration without its layout; equal of equal declarations."""
        from chalicelib.fingerprint import fingerprint

        return fingerprint(self)

    def shape(self, kind: str) -> RecordShape:
        """Return the kind of this name. Raises KeyError."""
        for shape in self.shapes:
            if shape.kind == kind:
                return shape
        raise KeyError(kind)

    def kind_of(self, item: Mapping[str, Mapping[str, Any]]) -> str:
        """Return the kind of an item in DynamoDB JSON; empty where there is only one kind."""
        if self.told_by is None:
            return ""
        return self.kind_told_by(item.get(self.told_by.name, {}))

    def kind_told_by(self, attribute: Mapping[str, Any]) -> str:
        """Return the kind of an item whose `told_by` has this attribute, in DynamoDB JSON."""
        text = attribute.get("S")
        if not isinstance(text, str):
            return OTHER
        if isinstance(self.told_by, ByAttribute):
            return self._kinds_by_when.get(text, OTHER)
        whens = self._kinds_by_when.items()
        return next((kind for when, kind in whens if text.startswith(when)), OTHER)

    @cached_property
    def _kinds_by_when(self) -> dict[str, str]:
        """The kinds by `Kind.when`, the longest first: ORDER#LINE# is looked for before ORDER#."""
        kinds = sorted(self.kinds, key=lambda kind: len(kind.when), reverse=True)
        return {kind.when: kind.name for kind in kinds}

    @cached_property
    def accepted_shapes(self) -> tuple[RecordShape, ...]:
        """The kinds of which the API takes records: the declared ones, or all if there are none."""
        declared = tuple(shape for shape in self.shapes if shape.is_declared)
        return declared or self.shapes

    @cached_property
    def key_names(self) -> tuple[str, ...]:
        """The names of the key's attributes."""
        return tuple(key.name for key in self.key)

    @cached_property
    def key_fields(self) -> tuple[Field, ...]:
        """The key's fields, which every kind has; of rules, the first kind's count."""
        return tuple(self.shapes[0].fields[name] for name in self.key_names)

    @cached_property
    def time_field(self) -> Field | None:
        """The field that is the event time in epoch milliseconds, if a single one is."""
        if len(self.times) != 1 or len(self.shapes) != 1 or self.times[0].unit != "ms":
            return None
        field = self.shapes[0].fields.get(self.times[0].field or "")
        return field if field is not None and field.type.column == "bigint" else None

    @cached_property
    def time_line_name(self) -> str:
        """The name in a line of the event time in epoch milliseconds.

        It is EVENT_TIME, which only then a line has, unless a field or the change's time is it.
        """
        if self.times == (CHANGED,):
            return CHANGED_AT
        return self.time_field.line if self.time_field else EVENT_TIME

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels of the lake, outermost first, with the lengths that their values may have.

        Firehose bounds the whole prefix. Where the values could exceed it, levels are cut to what
        the rules of their fields allow, and then the widest ones evenly.
        """
        names = ((KIND,) if self.told_by else ()) + self.layout
        fields = {name: self._level_field(name) for name in names if self._is_field(name)}
        lines = {name: fields[name].line if name in fields else name for name in names}
        lengths = {name: self._length(name, fields.get(name)) for name in names}
        room = PREFIX_LENGTH_MAX - len("data/") - sum(len(f"{lines[name]}=/") for name in names)
        for name, field in fields.items():
            if sum(lengths.values()) > room:
                lengths[name] = min(lengths[name], longest_value(field))
        while fields and sum(lengths.values()) > room:
            widest = max(fields, key=lambda name: lengths[name])
            if lengths[widest] == 1:
                break
            lengths[widest] -= 1
        return tuple(
            Level(lines[name], name if name in fields else None, lengths[name]) for name in names
        )

    @cached_property
    def group(self) -> Level | None:
        """The level that reports are grouped by: the first of a field, else the kind, if any."""
        fields = [level for level in self.levels if level.attribute is not None]
        kinds = [level for level in self.levels if level.attribute is None and not level.is_time]
        return next(iter((*fields, *kinds)), None)

    def _key_type(self, key: Key) -> Any:
        """Return the Python type of a key's attribute: the first kind's, which has its rules."""
        for kind in self.kinds:
            for field in msgspec.structs.fields(kind.record):
                if field.encode_name == key.name:
                    return field.type
        return _KEY_FIELD_TYPES[key.type]

    def _is_field(self, level: str) -> bool:
        return level not in TIME_FORMATS and not (level == KIND and self.told_by)

    def _level_field(self, name: str) -> Field:
        return next(shape.fields[name] for shape in self.shapes if name in shape.fields)

    def _length(self, name: str, field: Field | None) -> int:
        """Return the most characters that values of a level may have, were it the only one."""
        if name in TIME_FORMATS and field is None:
            return len(TIME_FORMATS[name].format(0))
        if field is None:
            return max(len(shape.kind) for shape in self.shapes)
        return VALUE_LENGTH_MAX if field.type.kinds == ("S",) else _NUMBER_LENGTH_MAX


def record_fields(record: type[Struct]) -> dict[str, Field]:
    """Return the fields of a Struct by the attribute's name, in order. Raises TypeError."""
    fields = {}
    for field in struct_fields(record):
        declared = field_type(field.type)
        line = declared.line or field.encode_name
        fields[field.encode_name] = Field(
            field.encode_name, line, field.name, declared, field.required
        )
    return fields


def longest_value(field: Field) -> int:
    """Return the most characters that a field's values have in a path, by the field's rule."""
    longest: int | None = getattr(field.type.info, "max_length", None)
    return VALUE_LENGTH_MAX if longest is None else max(1, longest) * _CHARACTER_LENGTH_MAX


def is_missing(value: Any) -> bool:
    """Whether a field's value is absent or NULL."""
    return value is None or value is UNSET
