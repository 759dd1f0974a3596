"""Declarations for tests: the worked ones of `tables/` with items of them, and generated ones."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.attributes import attribute
from chalicelib.catalog import sql_name
from chalicelib.declaration import (
    CHANGED,
    OTHER,
    TIME_FORMATS,
    ByAttribute,
    ByPrefix,
    Int64,
    Key,
    KeyType,
    Kind,
    RecordShape,
    Table,
    Time,
    Undeclared,
    Unit,
)
from chalicelib.lines import ChangeFields
from chalicelib.mistakes import mistakes
from chalicelib.times import PLAUSIBLE_MS
from chalicelib.types import field_types
from sluice.items import Item
from sluice.synthesis import Synthesis
from tests.attribute_values import (
    a_set,
    attribute_values,
    binaries,
    null,
    numbers,
    of,
    texts,
    whole_numbers,
)

FILES = sorted((Path(__file__).parents[1] / "tables").glob("*.py"))
"""The worked declarations."""


def items_of(table: Table, count: int, chance: Random) -> list[Item]:
    """Return items of a table, of every kind in turn."""
    records = Synthesis(table, chance, groups=5, minutes=30).records(count)
    return [item_of(table.shape(kind), record) for kind, record in records]


def item_of(shape: RecordShape, record: Mapping[str, Any]) -> Item:
    """Return the item of a record that is given as the API's JSON has it."""
    return {
        name: shape.fields[name].type.attribute(value) if name in shape.fields else attribute(value)
        for name, value in record.items()
    }


class Declared(NamedTuple):
    """A generated declaration, and the items that its table may hold."""

    table: Table
    items: st.SearchStrategy[tuple[str, Item]]
    """With the kind of each."""


class Nested(Struct):
    """A map within an item."""

    text: str
    amounts: list[Decimal] | UnsetType = UNSET


Attribute = dict[str, Any]


class _Member(NamedTuple):
    """A field of a kind, with the attribute values that it may have."""

    name: str
    type: Any
    values: st.SearchStrategy[Attribute]
    is_required: bool = True


_TYPES: tuple[tuple[Any, st.SearchStrategy[Attribute]], ...] = (
    (str, of("S", texts)),
    (Int64, of("N", st.integers(-(2**63), 2**63 - 1).map(str))),
    (int, of("N", whole_numbers)),
    (Decimal, of("N", numbers())),
    (bytes, of("B", binaries)),
    (bool, of("BOOL", st.booleans())),
    (str | None, of("S", texts) | null),
    (int | str, of("N", whole_numbers) | of("S", texts)),
    (Any, attribute_values),
    (set[str], a_set("SS", texts)),
    (set[Decimal], a_set("NS", numbers())),
    (frozenset[bytes], a_set("BS", binaries)),
    (list[Any], of("L", st.lists(attribute_values, max_size=2))),
    (dict[str, Decimal], of("M", st.dictionaries(texts, of("N", numbers()), max_size=2))),
    (Nested, of("M", st.fixed_dictionaries({"text": of("S", texts)}))),
)
"""The types of fields, with the attributes that they hold."""

_KEY_TYPES: Mapping[KeyType, tuple[tuple[Any, ...], st.SearchStrategy[Attribute]]] = {
    "S": ((str,), of("S", st.text("ab#/é", min_size=1, max_size=5))),
    "N": ((Decimal, int, Int64), of("N", st.integers(-999, 2**40).map(str))),
    "B": ((bytes,), of("B", st.binary(min_size=1, max_size=5))),
}

_LEVEL_TYPES: tuple[tuple[Any, st.SearchStrategy[Attribute]], ...] = (
    (str, of("S", st.text("ab/=%$é 2", min_size=1, max_size=3))),
    (Annotated[str, Meta(max_length=4)], of("S", st.text("ab/=%$é", min_size=1, max_size=4))),
    (Int64, of("N", st.integers(-99, 999).map(str))),
    (bool, of("BOOL", st.booleans())),
)

_MOMENTS = st.integers(PLAUSIBLE_MS[0] // 1000, PLAUSIBLE_MS[1] // 1000 - 1)

_TIME_TYPES: Mapping[Unit, tuple[Any, st.SearchStrategy[Attribute]]] = {
    "s": (Int64, of("N", _MOMENTS.map(str))),
    "ms": (Int64, of("N", _MOMENTS.map(lambda moment: str(moment * 1000 + 7)))),
    "us": (Decimal, of("N", _MOMENTS.map(lambda moment: str(moment * 1_000_000 + 7)))),
    "iso": (str, of("S", _MOMENTS.map(lambda at: datetime.fromtimestamp(at, UTC).isoformat()))),
}

_ODD_NAMES = (
    *(
        "order",
        "group",
        "select",
        "from",
        "__typename",
        "_x",
        "a-b",
        "a.b",
        "a b",
        "A",
        "1st",
        "é/ü",
    ),
    *("eventId", "expired", "changedAt", "eventTime", "year", "hour", "data", "$path", "ID", "id"),
)

_names = st.sampled_from(_ODD_NAMES) | st.text("abAB_-. 1é'`#", min_size=1, max_size=6)


class _Names:
    """Gives fields names of a table, with another one in the lake where theirs is taken there."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._names: set[str] = set()
        self._columns = {sql_name(name) for name in (*field_types(ChangeFields), *TIME_FORMATS)}

    def member(
        self,
        kind: Any,
        values: st.SearchStrategy[Attribute],
        *,
        is_required: bool = True,
        in_path: bool = False,
    ) -> _Member:
        # In a layout, a name of a part of the time means that part, and a slash is between levels.
        taken = {*self._names, *((*TIME_FORMATS, "é/ü") if in_path else ())}
        name = self._draw(_names.filter(lambda each: each not in taken))
        self._names.add(name)
        column = sql_name(name)
        if column in self._columns or (in_path and not re.fullmatch("[A-Za-z0-9_]+", name)):
            column = f"line_{len(self._names)}"
            kind = Annotated[kind, Meta(extra={"line": column})]
        self._columns |= {column, f"{column}_partition"}
        return _Member(name, kind, values, is_required)


@st.composite
def declarations(draw: st.DrawFn) -> Declared:
    """Tables of any key, kinds, names, types, times and layout, without a mistake."""
    names = _Names(draw)
    key, shared = [], []
    for key_type in draw(st.lists(st.sampled_from(get_args(KeyType)), min_size=1, max_size=2)):
        types, values = _KEY_TYPES[key_type]
        shared.append(names.member(draw(st.sampled_from(types)), values))
        key.append(Key(shared[-1].name, key_type))
    levels = [
        names.member(*draw(st.sampled_from(_LEVEL_TYPES)), in_path=True)
        for _ in range(draw(st.integers(0, 3)))
    ]
    times = []
    time_members = []
    for unit in draw(st.lists(st.sampled_from(get_args(Unit)), max_size=2, unique=True)):
        is_required = draw(st.booleans())
        time_members.append(names.member(*_TIME_TYPES[unit], is_required=is_required))
        times.append(Time(time_members[-1].name, unit))
    if not any(member.is_required for member in time_members) or draw(st.booleans()):
        times.append(CHANGED)
    parts = list(TIME_FORMATS)[: draw(st.integers(0 if levels else 1, len(TIME_FORMATS)))]
    layout = _interleaved(draw, [level.name for level in levels], parts)
    shared += [*levels, *time_members]
    whens = [f"{letter}#" for letter in draw(st.sampled_from(["x", "xy", "xyz"]))]
    told_by: ByAttribute | ByPrefix | None = None
    if len(whens) > 1 or draw(st.booleans()):
        told_by, shared = _told_by(draw, names, shared)
    kinds, items = [], []
    for index, when in enumerate(whens):
        own = [
            names.member(*draw(st.sampled_from(_TYPES)), is_required=draw(st.booleans()))
            for _ in range(draw(st.integers(0, 4)))
        ]
        undeclared = draw(st.sampled_from(get_args(Undeclared)))
        record = _struct([*shared, *own])
        kinds.append(Kind(f"kind{index}", record, when if told_by else "", undeclared))
        items.append(_items(kinds[-1], [*shared, *own], told_by))
    if told_by:
        unknown = {each.name: each.values for each in shared[: len(key)]}
        unknown |= {told_by.name: st.just({"S": "none of them"})}
        items.append(_with_more(unknown).map(lambda item: (OTHER, item)))
    table = Table(
        key=tuple(key), kinds=tuple(kinds), told_by=told_by, times=tuple(times), layout=layout
    )
    errors = mistakes(table)
    assert not errors, errors
    return Declared(table, st.one_of(items))


@st.composite
def undeclared(draw: st.DrawFn) -> Declared:
    """Tables of which only the key is declared."""
    key, values = [], {}
    for name in draw(
        st.lists(st.sampled_from(("pk", "a-b", "Group")), min_size=1, max_size=2, unique=True)
    ):
        key_type = draw(st.sampled_from(get_args(KeyType)))
        key.append(Key(name, key_type))
        values[name] = _KEY_TYPES[key_type][1]
    parts = list(TIME_FORMATS)[: draw(st.integers(1, len(TIME_FORMATS)))]
    table = Table(key=tuple(key), layout=tuple(parts))
    return Declared(table, _with_more(values).map(lambda item: ("", item)))


def _with_more(values: Mapping[str, st.SearchStrategy[Attribute]]) -> st.SearchStrategy[Item]:
    """Items with these attributes and any others."""
    others = st.dictionaries(
        texts.filter(lambda name: name not in values), attribute_values, max_size=3
    )
    return st.builds(lambda own, more: own | more, st.fixed_dictionaries({**values}), others)


def _told_by(
    draw: st.DrawFn, names: _Names, shared: list[_Member]
) -> tuple[ByAttribute | ByPrefix, list[_Member]]:
    """What distinguishes kinds: an attribute, or how it, or a part of the key, begins."""
    keys = [
        member for member in shared if member.type is str and member.values is _KEY_TYPES["S"][1]
    ]
    is_of_key: bool = draw(st.booleans())
    if keys and is_of_key:
        return ByPrefix(keys[0].name), shared
    member = names.member(str, of("S", texts))
    is_attribute: bool = draw(st.booleans())
    word = ByAttribute if is_attribute else ByPrefix
    return word(member.name), [*shared, member]


def _interleaved(draw: st.DrawFn, fields: list[str], parts: list[str]) -> tuple[str, ...]:
    """Fields and parts of the time in any order that keeps the latter coarse to fine."""
    places = draw(st.permutations([True] * len(fields) + [False] * len(parts)))
    sources = iter(fields), iter(parts)
    return tuple(next(sources[0] if is_field else sources[1]) for is_field in places)


def _struct(members: Sequence[_Member]) -> type[Struct]:
    return msgspec.defstruct(
        "Record",
        [
            (f"m{index}", member.type, field(name=member.name))
            if member.is_required
            else (f"m{index}", member.type | UnsetType, field(name=member.name, default=UNSET))
            for index, member in enumerate(members)
        ],
        kw_only=True,
    )


def _items(
    kind: Kind, members: Sequence[_Member], told_by: ByAttribute | ByPrefix | None
) -> st.SearchStrategy[tuple[str, Item]]:
    values = {member.name: member.values for member in members}
    if isinstance(told_by, ByAttribute):
        values[told_by.name] = st.just({"S": kind.when})
    elif told_by:
        values[told_by.name] = of("S", texts.map(lambda text: kind.when + text))
    required = {member.name: values[member.name] for member in members if member.is_required}
    optional = {member.name: values[member.name] for member in members if not member.is_required}
    if kind.undeclared == "keep":
        optional["not declared"] = attribute_values
    items = st.fixed_dictionaries(required, optional=optional)
    return items.map(lambda item: (kind.name if told_by else "", item))
