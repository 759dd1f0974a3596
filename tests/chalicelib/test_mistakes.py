from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.catalog import columns, lake_tables
from chalicelib.change import change_reader
from chalicelib.declaration import (
    CHANGED,
    ByAttribute,
    ByPrefix,
    Key,
    Kind,
    Table,
    Time,
)
from chalicelib.declared import load
from chalicelib.errors import SchemaError
from chalicelib.mistakes import layout_errors, mistakes
from chalicelib.partitions import partitioner
from chalicelib.validation import Validator

A_DOZEN = """
import datetime
from typing import Annotated
from msgspec import Meta, Struct, UNSET, UnsetType, field
from chalicelib.declaration import ByPrefix, Key, Kind, Table, Time


class Order(Struct):
    pk: str
    sk: int
    eventId: str
    total: float
    at: datetime.datetime
    placed: str
    Placed: str
    status: Annotated[str, Meta(max_length=3)] = "open"


class Payment(Struct):
    pk: str
    sk: str


TABLE = Table(
    key=(Key("pk"), Key("sk")),
    told_by=ByPrefix("sk"),
    kinds=(Kind("Order", Order, when="O"), Kind("payment", Payment, when="OP", undeclared="lose")),
    times=(Time("placed", "ms"),),
    layout=("placed", "year", "day"),
    protect={"sk": "hash"},
)
"""


def test_all_mistakes_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "orders.py"
    file.write_text(A_DOZEN)
    with pytest.raises(SchemaError) as refused:
        load(file)
    first, *lines = str(refused.value).splitlines()
    assert first == f"The declaration {file} cannot be used:"
    for part in (
        "Order.total: ",
        "Order.at: ",
        "Order.status: its default breaks its own rules",
        "the key sk is N in Order, but S in the table; declare it as str",
        "the kind 'Order' must be named with lower-case letters",
        "undeclared of kind 'payment' must be one of 'keep', 'quarantine', 'drop', not 'lose'",
        "told_by names 'sk', which is not a text in Order",
        "when of kind 'Order' also begins that of 'payment'",
        "the time placed is S in Order, but N by its unit 'ms'",
        "Payment has none of the times placed",
        "they must be year, month, day, hour, minute in this order",
        "the level 'placed' is neither a part of the time",
        "Order.eventId: a line has the name eventId already",
        "Order.placed and Order.Placed would be one column, placed",
        "sk is protected, but is used as told_by",
    ):
        (_,) = (line for line in lines if part in line)
    assert len(lines) == 15


class Thing(Struct):
    """A kind that is right."""

    id: str
    site: str
    at: Annotated[int, Meta(ge=0, le=2**50)]
    data: bytes | UnsetType = UNSET
    note: str | UnsetType = UNSET


RIGHT: dict[str, Any] = {
    "key": (Key("id"),),
    "kinds": (Kind("thing", Thing),),
    "times": (Time("at"),),
    "layout": ("site", "year"),
}


def extended(name: str, *members: Any) -> type[Struct]:
    """The right kind with more fields: each a name, a type, and what it defaults to."""
    fields = [
        (f"field_{index}", declared, field(name=attribute, **options))
        for index, (attribute, declared, *rest) in enumerate(members)
        for options in [{"default": rest[0]} if rest else {}]
    ]
    return msgspec.defstruct(name, fields, bases=(Thing,), kw_only=True)


def with_field(*member: Any, **changes: Any) -> Table:
    """A right table whose kind has one more field."""
    return Table(**RIGHT | {"kinds": (Kind("thing", extended("Thing", member)),)} | changes)


def two(first: str, second: str, **changes: Any) -> Table:
    """A right table of two kinds, but for what tells them apart."""
    kinds = (Kind("one", Thing, when=first), Kind("two", Thing, when=second))
    return Table(**RIGHT | {"kinds": kinds, "told_by": ByAttribute("note")} | changes)


class Recursive(Struct):
    id: str
    site: str
    at: int
    parts: "list[Recursive]"


class Unknown(Struct):
    id: str
    site: str
    at: "Nowhere"  # type: ignore[name-defined] # noqa: F821


class Tagged(Thing, tag="thing"):
    pass


class KeyMayBeAbsent(Struct):
    site: str
    at: int
    id: str | UnsetType = UNSET


def changed(**changes: Any) -> Table:
    return Table(**RIGHT | changes)


def of(record: Any, **changes: Any) -> Table:
    return changed(kinds=(Kind("thing", record),), **changes)


def text_levels(count: int, longest: int | None) -> Table:
    names = [f"level{index:02d}" for index in range(count)]
    text = Annotated[str, Meta(max_length=longest)]
    return of(extended("Thing", *((name, text) for name in names)), layout=(*names, "year"))


WRONG: Mapping[str, Table] = {
    "key must be a tuple of Key": changed(key=Key("id")),
    "kinds must be a tuple of Kind": changed(kinds=[Kind("thing", Thing)]),
    "layout must be a tuple of str": changed(layout="year"),
    "told_by must be ByAttribute": changed(told_by="note"),
    "protect must be a mapping of names": changed(protect=("note",)),
    "name of a Key must be a text, not 5": changed(key=(Key(5),)),  # type: ignore[arg-type]
    "record of kind 'thing' must be a class of msgspec.Struct": of(dict),
    "key must have one or two attributes": changed(key=()),
    "key names an attribute twice": changed(key=(Key("id"), Key("id"))),
    "the type of the key id must be one of 'S', 'N', 'B', not 'STRING'": changed(
        key=(Key("id", "STRING"),)  # type: ignore[arg-type]
    ),
    "the key 'a\"' must be a name of": Table(key=(Key('a"'),)),
    "the key hash is not a field of Thing; declare it there": changed(key=(Key("hash"),)),
    "the key at is N in Thing, but B in the table; declare it as bytes": changed(
        key=(Key("at", "B"),)
    ),
    "the key id may be absent in KeyMayBeAbsent": of(KeyMayBeAbsent),
    "the kind 'other' must be named": changed(kinds=(Kind("other", Thing),)),
    "the kind '' must be named": changed(kinds=(Kind("", Thing),)),
    "others must be one of": two("a", "b", others="lose"),
    "told_by does not say how they are distinguished": two("a", "b", told_by=None),
    "two kinds have the same name": changed(
        kinds=(Kind("one", Thing, "a"), Kind("one", Thing, "b")), told_by=ByAttribute("note")
    ),
    "told_by names 'type', which is not a field of Thing": two("a", "b", told_by=ByPrefix("type")),
    "told_by names 'at', which is not a text in Thing": two("a", "b", told_by=ByPrefix("at")),
    "when of kind 'one' is empty": two("", "b"),
    "kinds 'one' and 'two' have the same when": two("a", "a"),
    "when of kind 'two' also begins that of 'one'": two("ab", "a", told_by=ByPrefix("note")),
    "when and others mean nothing without told_by": changed(others="drop"),
    "told_by is given without kinds": Table(key=(Key("id"),), told_by=ByAttribute("note")),
    "times is empty": changed(times=()),
    "times has the same time twice": changed(times=(Time("at"), Time("at", "s"))),
    "times has the time of the change before others": changed(times=(CHANGED, Time("at"))),
    "times name 'when', which is not a field of any kind": changed(times=(Time("when"), CHANGED)),
    "Thing has none of the times when": changed(times=(Time("when"),)),
    "the unit of the time at must be one of": changed(
        times=(Time("at", "minutes"),)  # type: ignore[arg-type]
    ),
    "the time at is N in Thing, but S by its unit 'iso'": changed(times=(Time("at", "iso"),)),
    "the offset '+2' of the time note": changed(times=(Time("note", "iso", "+2"),)),
    "the offset 'Z' of the time at": changed(times=(Time("at", offset="Z"),)),
    "a Time without a field is the change's own": changed(times=(Time(unit="s"),)),
    "layout names no level": changed(layout=()),
    "layout names a level twice": changed(layout=("site", "site")),
    "layout has the parts of the time year, day": changed(layout=("year", "day")),
    "layout has the parts of the time month, year": changed(layout=("month", "year")),
    "the level 'zone' is neither a part of the time": changed(layout=("zone",)),
    "nor a field of the key": Table(key=(Key("id"),), layout=("zone",)),
    "the level 'data' is B in Thing": changed(layout=("data",)),
    "layout names kind, which is a level before all others": two("a", "b", layout=("kind",)),
    "the level 'a-b' must have letters": with_field("a-b", str, layout=("a-b",)),
    "the level 'a/b' has a slash": with_field(
        "a/b", Annotated[str, Meta(extra={"line": "ab"})], layout=("a/b",)
    ),
    "leaves less than 36 for each of level00": text_levels(12, None),
    "Thing.extra: a line has the name extra already": with_field("extra", str),
    "Thing.line: a line cannot have the name ''": with_field(
        "line", Annotated[str, Meta(extra={"line": ""})]
    ),
    "Thing.line: a line cannot have the name 7": with_field(
        "line", Annotated[str, Meta(extra={"line": 7})]
    ),
    "Thing.second: a line has the name site already": with_field(
        "second", Annotated[str, Meta(extra={"line": "site"})]
    ),
    "would be one column, at": with_field("AT", str),
    "Thing.a-b and Thing.a.b would be one column, a_b": of(
        extended("Thing", ("a-b", str), ("a.b", str))
    ),
    "would be one column, year": with_field("Year", int),
    "would be one column, site_partition": with_field("site_partition", int),
    "Thing.eventTime: a line has the name eventTime already": with_field(
        "eventTime", str, times=(Time("at", "s"),)
    ),
    "the column of size would have several types, bigint as One.size and string as Two.size": two(
        "a",
        "b",
        kinds=(
            Kind("one", extended("One", ("size", Annotated[int, Meta(ge=0, le=9)])), "a"),
            Kind("two", extended("Two", ("size", Decimal)), "b"),
        ),
    ),
    "Thing.size: a column was bigint or boolean before it became text, not 'int'": with_field(
        "size", Annotated[Decimal, Meta(extra={"was": "int"})]
    ),
    "Thing.size: its column is bigint, not text; take `was` out": with_field(
        "size", Annotated[int, Meta(ge=0, le=9, extra={"was": "bigint"})]
    ),
    "Thing.zone: a level of the layout keeps its type": with_field(
        "zone", Annotated[int, Meta(extra={"was": "bigint"})], layout=("site", "zone")
    ),
    "Thing.size and Thing.size__string would be one column": of(
        extended(
            "Thing",
            ("size", Annotated[int, Meta(extra={"was": "bigint"})]),
            ("size__string", str),
        )
    ),
    "types, string that was bigint as One.size and string as Two.size": two(
        "a",
        "b",
        kinds=(
            Kind(
                "one", extended("One", ("size", Annotated[int, Meta(extra={"was": "bigint"})])), "a"
            ),
            Kind("two", extended("Two", ("size", int)), "b"),
        ),
    ),
    "Thing.half: ": with_field("half", float),
    "Thing.any: ": with_field("any", complex),
    "Thing.bound: Can only set `ge` on a numeric type": with_field(
        "bound", Annotated[Decimal, Meta(ge=0)]
    ),
    "str | decimal.Decimal` is not supported; declare it as str, int": with_field(
        "either", str | Decimal
    ),
    "Odd.other: rename it in Python, where a line has its name for more": of(
        msgspec.defstruct(
            "Odd",
            [("extra", str, field(name="more")), ("extra_", str, field(name="other"))],
            bases=(Thing,),
            kw_only=True,
        )
    ),
    "Thing.place_partition and the partition place_partition would be one column": of(
        extended(
            "Thing",
            ("area", Annotated[str, Meta(extra={"line": "place"})]),
            ("place_partition", str),
        ),
        layout=("area", "year"),
    ),
    "Recursive.parts contains its own type": of(Recursive),
    "Unknown: name 'Nowhere' is not defined": of(Unknown),
    "Tagged must be a Struct without tag": of(Tagged),
    "Thing.size: its default breaks its own rules": with_field("size", int, "many"),
    "example 2: #/at must be an integer": changed(
        examples=({"id": "1", "site": "2", "at": 3}, {"id": "1", "site": "2", "at": "4"})
    ),
    "example 1: #/more is not a field": changed(
        examples=({"id": "1", "site": "2", "at": 3, "more": 1},)
    ),
    "example 1 is not JSON: ": changed(examples=({"id": object()},)),
    "protect of 'note' must be one of 'drop', 'hash', not 'mask'": changed(
        protect={"note": "mask"}
    ),
    "site is protected, but is used as level": changed(protect={"site": "hash"}),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_mistake_is_reported_with_the_name_the_rule_and_the_remedy(sentence: str) -> None:
    errors = mistakes(WRONG[sentence])
    assert any(sentence in error for error in errors), errors
    assert all("\n" not in error for error in errors)


@pytest.mark.parametrize(
    "table",
    [
        changed(),
        two("a", "b"),
        two("a", "ab"),
        two("x", "y", times=(Time("note", "iso", "+02:00"), CHANGED)),
        Table(key=(Key("hash", "B"), Key("order-id", "N")), times=(Time("order-id", "us"),)),
        Table(key=(Key("group"),), layout=("group", "year")),
        text_levels(8, 3),
        with_field("extra", Annotated[str, Meta(extra={"line": "more"})]),
        with_field("kind", str),
        with_field("eventTime", str),
        with_field("Hour", int),
        with_field("a.b c/d", Optional[str], None),  # noqa: UP045
        changed(protect={"note": "hash", "nowhere": "drop"}),
    ],
)
def test_a_declaration_without_a_mistake_is_usable(table: Table) -> None:
    assert mistakes(table) == []
    assert table.levels
    assert table.time_line_name


def test_a_layout_of_a_deployment_is_checked_alone() -> None:
    table = changed()
    assert layout_errors(table.with_layout(("year", "site"))) == []
    (error,) = layout_errors(table.with_layout(("hour",)))
    assert "from the first on" in error
    (error,) = layout_errors(with_field("Day", int).with_layout(("year", "month", "day")))
    assert "would be one column, day" in error


JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.sampled_from([Thing, Key, CHANGED, dict]),
    lambda inner: (
        st.lists(inner, max_size=2).map(tuple) | st.dictionaries(st.text(), inner, max_size=1)
    ),
    max_leaves=4,
)
NAMES = st.sampled_from(["id", "site", "at", "note", "data", "", 'a"', "year"]) | st.text(
    max_size=3
)
WORDS: dict[str, st.SearchStrategy[Any]] = {
    "key": st.lists(st.builds(Key, NAMES | JUNK, st.sampled_from("SNBX") | JUNK), max_size=3),
    "kinds": st.lists(
        st.builds(Kind, NAMES | JUNK, st.just(Thing) | JUNK, NAMES | JUNK, JUNK), max_size=3
    ),
    "told_by": st.builds(ByAttribute, NAMES | JUNK) | st.builds(ByPrefix, NAMES),
    "others": st.sampled_from(["keep", "drop"]),
    "times": st.lists(
        st.builds(Time, NAMES | JUNK, st.sampled_from(["s", "iso"]) | JUNK, NAMES | JUNK),
        max_size=3,
    ),
    "layout": st.lists(NAMES, max_size=3),
    "protect": st.dictionaries(NAMES, JUNK, max_size=2),
    "examples": st.lists(st.dictionaries(NAMES, JUNK, max_size=2), max_size=2),
}


@given(
    st.fixed_dictionaries(
        {"key": WORDS["key"].map(tuple)},
        optional={
            name: (values.map(lambda each: tuple(each) if isinstance(each, list) else each)) | JUNK
            for name, values in WORDS.items()
            if name != "key"
        },
    )
)
def test_whatever_is_declared_ends_in_sentences_and_never_in_a_traceback(
    parts: dict[str, Any],
) -> None:
    table = Table(**parts)
    errors = mistakes(table)
    assert all(isinstance(error, str) for error in errors)
    if not errors:
        assert lake_tables(table)
        assert columns(table)
        change_reader(table)
        partitioner(table)
        Validator(table)
