"""The rules of a declaration: of its key, kinds, times, layout and protected attributes."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import Any, get_args

from chalicelib.declaration import (
    KIND,
    OTHER,
    TIME_FORMATS,
    ByPrefix,
    Field,
    Key,
    KeyType,
    Protection,
    Table,
    Time,
    Undeclared,
    Unit,
    longest_value,
)
from chalicelib.limits import PREFIX_LENGTH_MAX
from chalicelib.mistakes.names import NAME_LENGTH_MAX, RENAME
from chalicelib.mistakes.reading import LINE_NAME, ReadKind
from chalicelib.types import FieldType

LEVEL_LENGTH_MIN = 36
"""Characters that the values of a level must have room for, such as a UUID."""

_KIND_NAME = re.compile("[a-z][a-z0-9_]{0,63}")
_LEVEL_NAME = re.compile("[A-Za-z0-9_]+")
_OFFSET = re.compile("Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]")

_TIME_PARTS = ", ".join(TIME_FORMATS)
_PYTHON = {"S": "str", "N": "int or decimal.Decimal", "B": "bytes"}


def _choice(value: Any, choices: Any, place: str) -> Iterator[str]:
    if value not in get_args(choices):
        wanted = ", ".join(map(repr, get_args(choices)))
        yield f"{place} must be one of {wanted}, not {value!r}"


def check_key(table: Table, kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield what is wrong with the key, and with its fields in the kinds."""
    if not 1 <= len(table.key) <= 2:
        yield f"key must have one or two attributes, as the table's has, not {len(table.key)}"
    if len({key.name for key in table.key}) < len(table.key):
        yield "key names an attribute twice; name its two attributes"
    for key in table.key:
        yield from _choice(key.type, KeyType, f"the type of the key {key.name}")
        if len(key.name.encode()) > NAME_LENGTH_MAX or not LINE_NAME.fullmatch(key.name):
            yield (
                f"the key {key.name!r} must be a name of 1 to {NAME_LENGTH_MAX} bytes without "
                "quotes, backslashes and control characters"
            )
        for kind in kinds:
            for field in kind.of(key.name):
                yield from _key_field(key, kind, field)
        yield from _one_line_name("the key", key.name, kinds)


def _key_field(key: Key, kind: ReadKind, field: Field | None) -> Iterator[str]:
    if field is None:
        yield f"the key {key.name} is not a field of {kind.name}; declare it there"
    elif key.type in get_args(KeyType) and _types(field.type) != key.type:
        yield (
            f"the key {key.name} is {_types(field.type)} in {kind.name}, but {key.type} in the "
            f"table; declare it as {_PYTHON[key.type]}"
        )
    elif key.name in kind.optional:
        yield (
            f"the key {key.name} may be absent in {kind.name}, and every item has it; declare it "
            "without UnsetType"
        )


def _types(declared: FieldType) -> str:
    """Return DynamoDB's types of a field, such as S, or S or NULL."""
    return " or ".join(declared.kinds)


def _one_line_name(place: str, name: str, kinds: Sequence[ReadKind]) -> Iterator[str]:
    if len({kind.fields[name].line for kind in kinds if name in kind.fields}) > 1:
        yield f"{place} {name} has several names in the lake; give it the same one in all kinds"


def check_kinds(table: Table, _kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield what is wrong with the kinds' names, and with what becomes of the undeclared."""
    yield from _choice(table.others, Undeclared, "others")
    for kind in table.kinds:
        yield from _choice(kind.undeclared, Undeclared, f"undeclared of kind {kind.name!r}")
        if not _KIND_NAME.fullmatch(kind.name) or kind.name == OTHER:
            yield (
                f"the kind {kind.name!r} must be named with lower-case letters, digits and "
                f"underscores, 64 at most and a letter first, and not {OTHER}: folders and tables "
                "have its name"
            )
    if len({kind.name for kind in table.kinds}) < len(table.kinds):
        yield "two kinds have the same name; rename one of them"


def check_told_by(table: Table, kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield what is wrong with how kinds are distinguished."""
    if table.told_by is None:
        if len(table.kinds) > 1:
            yield (
                "there are several kinds, and told_by does not say how they are distinguished; add "
                'told_by=ByAttribute("...") or ByPrefix("...")'
            )
        elif table.others != "keep" or any(kind.when for kind in table.kinds):
            yield "when and others mean nothing without told_by; leave them out, or add it"
        return
    name = table.told_by.name
    if not table.kinds:
        yield "told_by is given without kinds; declare them, or leave it out"
    for kind in kinds if table.kinds else ():
        for field in kind.of(name):
            if field is None:
                yield f"told_by names {name!r}, which is not a field of {kind.name}; declare it"
            elif _types(field.type) not in {"S", "S or NULL"}:
                yield f"told_by names {name!r}, which is not a text in {kind.name}; take another"
    for each in table.kinds:
        if not each.when:
            yield f"when of kind {each.name!r} is empty; say what {name!r} has for its items"
    for one, other in combinations(table.kinds, 2):
        if one.when and one.when == other.when:
            yield f"kinds {one.name!r} and {other.name!r} have the same when; correct one of them"
    for one, other in permutations(table.kinds if isinstance(table.told_by, ByPrefix) else (), 2):
        if one.when and one.when != other.when and other.when.startswith(one.when):
            yield (
                f"when of kind {one.name!r} also begins that of {other.name!r}, so an item could "
                "be of both; choose prefixes of which none begins another"
            )


def check_times(table: Table, kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield what is wrong with the event time."""
    names = [time.field for time in table.times]
    if not names:
        yield "times is empty; leave it out for the time of the change"
    if len(set(names)) < len(names):
        yield "times has the same time twice; leave one of them out"
    for time in table.times:
        yield from _time(time, kinds)
    if None in names[:-1]:
        yield "times has the time of the change before others, which are never used; put it last"
    for kind in kinds:
        if names and None not in names and not kind.declared & set(names):
            yield (
                f"{kind.name} has none of the times {', '.join(map(str, names))}; declare one "
                "there, or end times with CHANGED"
            )


def _time(time: Time, kinds: Sequence[ReadKind]) -> Iterator[str]:
    if time.field is None:
        if time.unit != Time().unit or time.offset is not None:
            yield "a Time without a field is the change's own, and has no unit; name a field"
        return
    yield from _choice(time.unit, Unit, f"the unit of the time {time.field}")
    if time.offset is not None and (time.unit != "iso" or not _OFFSET.fullmatch(time.offset)):
        yield (
            f"the offset {time.offset!r} of the time {time.field} must be Z or one such as +02:00, "
            "of a text in ISO 8601"
        )
    if all(time.field not in kind.declared for kind in kinds):
        yield f"times name {time.field!r}, which is not a field of any kind; declare or correct it"
    wanted = "S" if time.unit == "iso" else "N"
    for kind in kinds:
        field = kind.fields.get(time.field)
        if field and _types(field.type) not in {wanted, f"{wanted} or NULL"}:
            yield (
                f"the time {time.field} is {_types(field.type)} in {kind.name}, but {wanted} by "
                f"its unit {time.unit!r}; declare it as {_PYTHON[wanted]}, or correct the unit"
            )


def check_layout(table: Table, kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield what is wrong with the levels of the lake."""
    if not table.layout:
        yield 'layout names no level; name some, such as ("year", "month", "day")'
    if len(set(table.layout)) < len(table.layout):
        yield "layout names a level twice; leave one of them out"
    times = [level for level in dict.fromkeys(table.layout) if level in TIME_FORMATS]
    if times != list(TIME_FORMATS)[: len(times)]:
        yield (
            f"layout has the parts of the time {', '.join(times)}; they must be {_TIME_PARTS} in "
            "this order, from the first on"
        )
    for level in dict.fromkeys(table.layout):
        if table.told_by and level == KIND:
            yield f"layout names {KIND}, which is a level before all others; leave it out"
        elif level not in TIME_FORMATS:
            for kind in kinds:
                for field in kind.of(level):
                    yield from _level(level, kind, field)
            yield from _one_line_name("the level", level, kinds)


def _level(level: str, kind: ReadKind, field: Field | None) -> Iterator[str]:
    if field is None:
        yield (
            f"the level {level!r} is neither a part of the time ({_TIME_PARTS}) nor a field of "
            f"{kind.name}; declare it there, or take it out of the layout"
        )
    elif {*field.type.kinds} - {"NULL"} not in ({"S"}, {"N"}, {"BOOL"}):
        yield (
            f"the level {level!r} is {_types(field.type)} in {kind.name}, but a folder is named by "
            "one text, number or boolean; take it out of the layout"
        )
    elif not _LEVEL_NAME.fullmatch(field.line):
        yield (
            f"the level {level!r} must have letters, digits and underscores alone, as a part of a "
            f"path; in {kind.name}, {RENAME}"
        )
    elif "/" in level:
        yield (
            f"the level {level!r} has a slash, which separates levels where a stack keeps its "
            "layout; take it out of the layout"
        )


def check_room(table: Table) -> Iterator[str]:
    """Yield which levels have too little room, of a table that is right otherwise."""
    short = [
        level.name
        for level in table.levels
        if level.attribute
        and level.length < min(LEVEL_LENGTH_MIN, _longest(table, level.attribute))
    ]
    if short:
        yield (
            f"a path has at most {PREFIX_LENGTH_MAX} characters, which leaves less than "
            f"{LEVEL_LENGTH_MIN} for each of {', '.join(short)}; bound texts by "
            "Meta(max_length=...), or take a level out of the layout"
        )


def _longest(table: Table, name: str) -> int:
    return next(longest_value(each.fields[name]) for each in table.shapes if name in each.fields)


def check_protect(table: Table, _kinds: Sequence[ReadKind]) -> Iterator[str]:
    """Yield what is wrong with the protected attributes."""
    uses = {key.name: "key" for key in table.key}
    uses |= {time.field: "time" for time in table.times if time.field}
    uses |= {level: "level" for level in table.layout if level not in TIME_FORMATS}
    if table.told_by:
        uses[table.told_by.name] = "told_by"
    for name, protection in table.protect.items():
        yield from _choice(protection, Protection, f"protect of {name!r}")
        if name in uses:
            yield (
                f"{name} is protected, but is used as {uses[name]}, which the lake must have; take "
                "it out of protect"
            )
