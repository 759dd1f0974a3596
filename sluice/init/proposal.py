"""A proposed declaration: key, kinds, fields, times and levels, and what is unsure of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, cast, get_args

from chalicelib.catalog import sql_name
from chalicelib.declaration import CHANGED, EVENT_TIME, KIND, Key, KeyType, Time
from chalicelib.lines import ChangeFields
from chalicelib.mistakes.names import NAME_LENGTH_MAX
from chalicelib.mistakes.reading import LINE_NAME
from chalicelib.types import field_types
from sluice.errors import OperationError, OptionError
from sluice.init.attributes import Attribute, attributes, event_time, is_of_updates, python_type
from sluice.init.kinds import Kinds, find_kinds
from sluice.init.sample import Sample
from sluice.items import Item
from sluice.wording import counted

RARE = 0.01
"""The part of a kind's items below which an attribute is left to `extra`."""

FIELDS_MAX = 200
"""Fields of a kind: more names than these are data."""

LAYOUT = ("year", "month", "day")

TIMES_MAX = 3

LEVEL_VALUES_MAX = 100
"""Different values in a sample, above which an attribute is no candidate for a level."""

_COLUMNS = {"Int64": "bigint", "bool": "boolean"}


class FoundField(NamedTuple):
    """A field to declare."""

    attribute: Attribute
    type: str
    """As Python source."""
    line: str
    """The name in the lake."""


class Candidate(NamedTuple):
    """An attribute that could be a level of the layout."""

    name: str
    values: int
    """The different ones in the sample."""
    is_growing: bool
    """Whether the second half of the sample has values that the first has not."""


class Proposal(NamedTuple):
    """What a declaration is written from."""

    sample: Sample
    key: Sequence[Key]
    kinds: Kinds
    key_fields: Sequence[FoundField]
    fields: Sequence[Sequence[FoundField]]
    """Of each kind, those of the key apart."""
    times: Sequence[Time]
    levels: Sequence[Candidate]
    doubts: Sequence[str]
    """What a person should look at."""


def propose(sample: Sample, key: Sequence[str] = ()) -> Proposal:
    """Return a declaration for a sample, of a table with this key: `NAME` or `NAME:TYPE` of each.

    Raises OperationError where the key cannot be known.
    """
    if not sample.items:
        raise OperationError(f"{sample.source} has no items to learn from")
    every = attributes(sample.items)
    doubts: list[str] = []
    parts = _key(sample, key, every, doubts)
    names = [each.name for each in parts]
    kinds = find_kinds(sample.items, every, names)
    if kinds.told_by:
        doubts.append(f"kinds are distinguished by {kinds.told_by.name}, as the sample suggests")
    if kinds.left_over:
        doubts.append(f"{counted(kinds.left_over, 'item')} of the sample would be of no kind")
    of_kinds = [attributes(kind.items) for kind in kinds.kinds]
    lines = _Lines(has_kinds=kinds.told_by is not None)
    key_fields = [lines.field(every[name], "key") for name in names]
    fields = []
    for kind, found in zip(kinds.kinds, of_kinds, strict=True):
        kept = _declarable(kind.name, found, names, doubts)
        fields.append([lines.field(attribute, kind.name) for attribute in kept])
    times = _times(every, of_kinds, names, doubts)
    levels = [*_levels(sample.items, every, of_kinds, times)]
    return Proposal(sample, parts, kinds, key_fields, fields, times, levels, doubts)


def _key(
    sample: Sample, key: Sequence[str], every: Mapping[str, Attribute], doubts: list[str]
) -> Sequence[Key]:
    """Return the key that is given, or the table's, or a guess: what differs in all items."""
    wanted = [_parsed_key(each, every) for each in key] or [*sample.key]
    if not wanted:
        wanted = _guessed_key(sample, every)
        doubts.append("the key is a guess; if it is another, give --key NAME:TYPE for each part")
    for each in wanted:
        attribute = every.get(each.name)
        if attribute is None or attribute.share < 1 or attribute.types.keys() != {each.type}:
            raise OptionError(
                f"{sample.source} has items without {each.name} of the type {each.type}, so it is "
                "not of the key; give --key NAME:TYPE once for each attribute of the key"
            )
    return wanted


def _parsed_key(text: str, every: Mapping[str, Attribute]) -> Key:
    """Return the key of `NAME:TYPE`, or of `NAME` with the type that most of its values have."""
    name, colon, kind = text.rpartition(":")
    for key_type in get_args(KeyType):
        if colon and kind == key_type:
            return Key(name, key_type)
    types = every[text].types.most_common(1) if text in every else []
    return Key(text, cast(KeyType, types[0][0] if types else "S"))


def _guessed_key(sample: Sample, every: Mapping[str, Attribute]) -> list[Key]:
    possible = [
        each
        for each in every.values()
        if each.share == 1 and python_type(each.values) in {"str", "bytes", "Int64"}
    ]
    possible.sort(key=lambda each: (not each.name.lower().endswith("id"), "N" in each.types))
    names = {each.name.lower(): each for each in possible}
    usual = [(names["pk"], names["sk"])] if names.keys() >= {"pk", "sk"} else []
    singles = [*zip(possible, strict=True)]
    numbers = [each for each in singles if "N" in each[0].types]
    texts = [each for each in singles if each not in numbers]
    for parts in (*usual, *texts, *combinations(possible[:20], 2), *numbers):
        values = {tuple(repr(item[part.name]) for part in parts) for item in sample.items}
        if len(values) == len(sample.items):
            return [Key(part.name, cast(KeyType, next(iter(part.types)))) for part in parts]
    raise OperationError(
        f"no attribute of {sample.source} differs in all items, nor do two of them together; give "
        "--key NAME:TYPE once for each attribute of the key"
    )


def _declarable(
    kind: str, found: Mapping[str, Attribute], key_names: Sequence[str], doubts: list[str]
) -> Sequence[Attribute]:
    """Return the attributes of a kind to declare, in the order of their frequency."""
    others = [each for name, each in found.items() if name not in key_names]
    named = [
        each
        for each in others
        if LINE_NAME.fullmatch(each.name) and len(each.name.encode()) <= NAME_LENGTH_MAX
    ]
    kept = [each for each in named if each.share >= RARE][:FIELDS_MAX]
    if len(kept) < len(others):
        doubts.append(
            f"{counted(len(others) - len(kept), 'attribute')} of {kind} with a rare or unusual "
            "name: left to extra"
        )
    for each in kept:
        if len(each.types.keys() - {"NULL"}) != 1:
            doubts.append(f"{kind}.{each.name} is of the types {shares(each)}: declared as Any")
        elif "Any" in python_type(each.values):
            doubts.append(
                f"{kind}.{each.name} holds values of several types, which are DynamoDB JSON in the "
                "lake; for plain ones, declare its maps as a Struct (Address in tables/shop.py)"
            )
    return kept


def shares(attribute: Attribute) -> str:
    """Return the types of an attribute with the part of its values that each has."""
    return ", ".join(
        f"{kind} {count / len(attribute.values):.0%}"
        for kind, count in attribute.types.most_common()
    )


class _Lines:
    """Gives fields names in the lake, so that none is one that a line or a table has already."""

    def __init__(self, *, has_kinds: bool) -> None:
        change = {*field_types(ChangeFields), EVENT_TIME, *((KIND,) if has_kinds else ())}
        self._names = {*change}
        self._columns = {sql_name(name): ("", "") for name in (*change, *LAYOUT)}
        self._columns[f"{KIND}_partition"] = ("", "")

    def field(self, attribute: Attribute, kind: str) -> FoundField:
        """Return a field of a kind, under its own name if that is free."""
        source = python_type(attribute.values)
        use = (attribute.name, _COLUMNS.get(source.removesuffix(" | None"), "string"))
        line, number = attribute.name, 1
        while self._columns.setdefault(sql_name(line), use) != use:
            line = f"{kind}_{attribute.name}{number if number > 1 else ''}"
            number += 1
        return FoundField(attribute, source, line)


def _times(
    every: Mapping[str, Attribute],
    of_kinds: Sequence[Mapping[str, Attribute]],
    key_names: Sequence[str],
    doubts: list[str],
) -> Sequence[Time]:
    """Return the event time: of the last update, else of the creation, else of the change."""
    times = [
        time
        for attribute in every.values()
        if (time := event_time(attribute)) is not None
        and all(event_time(of[attribute.name]) for of in of_kinds if attribute.name in of)
    ]
    times.sort(key=lambda time: (not is_of_updates(str(time.field)), -every[str(time.field)].share))
    for time in times[:TIMES_MAX]:
        if time.offset:
            doubts.append(f"times in {time.field} lack their offset: read as UTC")
    for time in times[TIMES_MAX:]:
        doubts.append(f"{time.field} looks like a time too, in {time.unit}")
    times = times[:TIMES_MAX]
    is_always_there = any(time.field in key_names for time in times)
    return times if is_always_there else [*times, CHANGED]


def _levels(
    items: Sequence[Item],
    every: Mapping[str, Attribute],
    of_kinds: Sequence[Mapping[str, Attribute]],
    times: Sequence[Time],
) -> Iterator[Candidate]:
    """Yield what could be a level: a scalar of all items, which they share."""
    half = len(items) // 2
    for name, attribute in every.items():
        if (
            all(name in of and of[name].share == 1 for of in of_kinds)
            and attribute.types.keys() in ({"S"}, {"N"}, {"BOOL"})
            and re.fullmatch("[A-Za-z0-9_]+", name)
            and name not in {time.field for time in times}
            and 2 <= attribute.distinct <= min(LEVEL_VALUES_MAX, max(2, len(items) // 2))
        ):
            first = attribute._replace(values=attribute.values[:half]).distinct
            yield Candidate(name, attribute.distinct, first < attribute.distinct)
