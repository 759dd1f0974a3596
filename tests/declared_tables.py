"""Declarations of any shape, made up: a strategy for Hypothesis."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from hypothesis import strategies as st
from msgspec import NODEFAULT, UNSET, Meta, Struct, UnsetType

from chalicelib.declaration import (
    CHANGED,
    TIME_FORMATS,
    ByAttribute,
    ByPrefix,
    Int64,
    Key,
    Kind,
    Table,
    Time,
    Unit,
)

NAMES = ("order", "group", "end", "values", "order-no", "table.of", "__typename", "a b", "hour")
"""Names that are reserved words, or that no column has."""

_KEY_TYPES: dict[str, Any] = {
    "S": Annotated[str, Meta(max_length=40)],
    "N": Int64,
    "B": bytes,
}
_LEVEL_TYPES: tuple[Any, ...] = (Annotated[str, Meta(max_length=40)], Int64, bool)
_TYPES: tuple[Any, ...] = (
    str,
    Int64,
    Decimal,
    bool,
    bytes,
    list[Decimal],
    set[str],
    dict[str, int],
    Decimal | None,
)


def _record(name: str, fields: dict[str, Any], optional: set[str]) -> type[Struct]:
    members: list[tuple[str, Any, Any]] = []
    renamed = {}
    for index, (field, kind) in enumerate(fields.items()):
        renamed[f"field_{index}"] = field
        if field in optional:
            members.append((f"field_{index}", kind | UnsetType, UNSET))
        else:
            members.append((f"field_{index}", kind, NODEFAULT))
    return msgspec.defstruct(name, members, rename=renamed, kw_only=True, frozen=True)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw a declaration without a mistake."""
    names = list(draw(st.permutations((*NAMES, "id", "siteId", "at"))))
    key = tuple(
        Key(names.pop(), draw(st.sampled_from(("S", "N", "B"))))
        for _ in range(draw(st.integers(1, 2)))
    )
    common: dict[str, Any] = {each.name: _KEY_TYPES[each.type] for each in key}
    several = draw(st.booleans())
    told_by: ByAttribute | ByPrefix | None = None
    if several:
        if key[0].type == "S" and draw(st.booleans()):
            told_by = ByPrefix(key[0].name)
        else:
            told_by = ByAttribute(names.pop())
            common[told_by.name] = str
    levels = [name for name in names if name.isidentifier() and name not in TIME_FORMATS][
        : draw(st.integers(0, 2))
    ]
    names = [name for name in names if name not in levels]
    common |= {level: draw(st.sampled_from(_LEVEL_TYPES)) for level in levels}
    times: tuple[Time, ...] = (CHANGED,)
    if draw(st.booleans()):
        name = names.pop()
        unit: Unit = draw(st.sampled_from(("s", "ms", "iso")))
        common[name] = str if unit == "iso" else Int64
        times = (Time(name, unit), *draw(st.sampled_from(((), (CHANGED,)))))
    if several:
        times = (*(time for time in times if time != CHANGED), CHANGED)
    kinds = []
    shared = {name: draw(st.sampled_from(_TYPES)) for name in names}
    for number in range(draw(st.integers(1, 3)) if several else draw(st.integers(0, 1))):
        own = draw(st.sets(st.sampled_from(names)))
        fields = common | {name: shared[name] for name in sorted(own)}
        when = f"K{number}" if several else ""
        kinds.append(Kind(f"kind_{number}", _record(f"Kind{number}", fields, own), when))
    if not kinds:
        levels, times, told_by = [], (CHANGED,), None
    parts = list(TIME_FORMATS)[: draw(st.integers(0 if levels else 1, len(TIME_FORMATS)))]
    layout = [*parts]
    for level in levels:
        layout.insert(draw(st.integers(0, len(layout))), level)
    return Table(key=key, kinds=tuple(kinds), told_by=told_by, times=times, layout=tuple(layout))
