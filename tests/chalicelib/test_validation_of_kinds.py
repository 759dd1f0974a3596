"""Records of any declaration: kinds with rules of their own, keys of two parts, event times."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType, defstruct, field

from chalicelib.attributes import item
from chalicelib.declaration import (
    CHANGED,
    VALUE_LENGTH_MAX,
    ByAttribute,
    ByPrefix,
    Key,
    Kind,
    Table,
    Time,
)
from chalicelib.errors import Invalid
from chalicelib.validation import (
    Validator,
)
from tests.declaring import table


class Plain(Struct):
    id: str
    siteId: str


def test_the_error_of_a_field_without_a_description_names_the_rule() -> None:
    with pytest.raises(Invalid) as raised:
        Validator(table(Plain, layout=())).record(b'{"id":1}')
    assert {error.pointer: error.detail for error in raised.value.errors} == {
        "#/id": "must be a string, not 1.",
        "#/siteId": "is required.",
    }


class Line(Struct, kw_only=True):
    """What every kind of the shop has, in names that Python does not allow."""

    pk: str
    sk: str
    at: str | UnsetType = field(name="ordered at", default=UNSET)


class Order(Line, kw_only=True):
    number: int = field(name="order-no")
    grade: str = field(name="class", default="silver")
    group: str | UnsetType = UNSET


class Customer(Line, kw_only=True):
    typename: str = field(name="__typename", default="Customer")


SHOP = Table(
    key=(Key("pk"), Key("sk")),
    told_by=ByPrefix("sk"),
    kinds=(Kind("order", Order, when="ORDER#"), Kind("customer", Customer, when="PROFILE")),
    times=(Time("ordered at", "iso", offset="Z"), CHANGED),
)


def refused(declaration: Table, document: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as raised:
        Validator(declaration).record(json.dumps(document).encode())
    return {error.pointer: error.detail for error in raised.value.errors}


def accepted(declaration: Table, document: Any) -> dict[str, Any]:
    return Validator(declaration).record(json.dumps(document).encode())


def test_a_record_has_the_names_of_its_attributes() -> None:
    order = {"pk": "a", "sk": "ORDER#1", "ordered at": "2026-05-04", "order-no": 7}
    assert accepted(SHOP, order) == {**order, "class": "silver"}
    assert item(accepted(SHOP, order)) == {
        "pk": {"S": "a"},
        "sk": {"S": "ORDER#1"},
        "ordered at": {"S": "2026-05-04"},
        "order-no": {"N": "7"},
        "class": {"S": "silver"},
    }
    customer = {"pk": "a", "sk": "PROFILE"}
    assert accepted(SHOP, customer) == {**customer, "__typename": "Customer"}


def test_each_kind_of_record_has_rules_of_its_own() -> None:
    assert refused(SHOP, {"pk": "a", "sk": "ORDER#1", "__typename": "x", "order-no": "7"}) == {
        "#/__typename": "is not a field of the record, whose fields are pk, sk, ordered at, "
        "order-no, class, group.",
        "#/order-no": 'must be an integer of at most 38 digits, not "7".',
    }
    assert refused(SHOP, {"pk": "a", "sk": "PROFILE", "order-no": 7}).keys() == {"#/order-no"}


@pytest.mark.parametrize(
    ("document", "end"),
    [
        ({"pk": "a"}, "and is missing."),
        ({"pk": "a", "sk": "ITEM#1"}, 'not "ITEM#1".'),
        ({"pk": "a", "sk": ["ORDER#"]}, 'not ["ORDER#"].'),
    ],
)
def test_a_record_of_no_declared_kind_is_refused_with_the_kinds(document: Any, end: str) -> None:
    assert refused(SHOP, document) == {
        "#/sk": "says of which kind a record is: it must begin with ORDER# (order) or PROFILE "
        f"(customer), {end}"
    }


def test_kinds_told_by_an_attribute_are_those_with_its_very_text() -> None:
    class Told(Struct):
        id: str
        type: str

    declaration = Table(
        key=(Key("id"),), told_by=ByAttribute("type"), kinds=(Kind("told", Told, when="T"),)
    )
    assert accepted(declaration, {"id": "1", "type": "T"}) == {"id": "1", "type": "T"}
    assert "it must be T (told), not" in refused(declaration, {"id": "1", "type": "TT"})["#/type"]


def test_a_batch_may_not_write_one_key_of_two_parts_twice() -> None:
    one, other = {"pk": "a", "sk": "PROFILE"}, {"pk": "a", "sk": "PROFILE2"}
    body = json.dumps([one, other, {**one, "__typename": "x"}]).encode()
    with pytest.raises(Invalid) as raised:
        Validator(SHOP).batch(body)
    assert [(error.pointer, error.detail) for error in raised.value.errors] == [
        ("#/2", "has the pk and sk of #/0 too; a batch may write a record only once.")
    ]


def test_the_parts_of_a_key_have_limits_of_their_own() -> None:
    for name, limit in (("pk", 2048), ("sk", 1024)):
        key = {"pk": "a", "sk": "PROFILE"}
        longest = key[name].ljust(limit, "x")
        assert accepted(SHOP, {**key, name: longest})[name] == longest
        assert refused(SHOP, {**key, name: longest + "x"}) == {
            f"#/{name}": f"must have 1 to {limit} bytes, as the table's key."
        }


def test_a_binary_and_a_numeric_key_are_read_as_such() -> None:
    declaration = Table(key=(Key("hash", "B"), Key("at", "N")))
    record = accepted(declaration, {"hash": "aGk=", "at": 1.5, "rest": {"a": [1e3]}})
    assert record == {"hash": b"hi", "at": Decimal("1.5"), "rest": {"a": [1000]}}
    assert refused(declaration, {"hash": "", "at": "x", "": 1}) == {
        "#/": "must have a name of 1 to 65535 bytes.",
        "#/hash": "must have 1 to 2048 bytes, as the table's key.",
        "#/at": "must be a number, or a string with one, of at most 38 digits and a decimal "
        'exponent from -130 to 125, not "x".',
    }


@pytest.mark.parametrize(
    ("time", "value", "detail"),
    [
        (Time("t"), 1700076551, "must be in milliseconds, and looks like seconds."),
        (Time("t", "us"), 1700076551926, "must be in microseconds, and looks like milliseconds."),
        (Time("t", "s"), 1700076551926, "in epoch seconds; it looks like milliseconds."),
        (Time("t", "s"), -1, "must lie in the years 1970-9999, in epoch seconds."),
        (Time("t", "iso"), "2023-11-15T19:29:11", "must have its offset from UTC, such as Z or"),
        (
            Time("t", "iso"),
            "15.11.2023",
            "must be a time in ISO 8601, such as 2023-11-15T19:29:11Z",
        ),
        (Time("t", "iso"), "2023-02-29T00:00Z", "must be a time that exists."),
    ],
)
def test_an_event_time_that_cannot_be_meant_is_refused_with_a_hint(
    time: Time, value: Any, detail: str
) -> None:
    types: Any = str if time.unit == "iso" else int
    record = defstruct("Timed", [("id", str), ("t", types)])
    declaration = Table(key=(Key("id"),), kinds=(Kind("timed", record),), times=(time,))
    errors = refused(declaration, {"id": "1", "t": value})
    assert errors.keys() == {"#/t"}
    assert detail in errors["#/t"]


def test_a_time_before_1973_is_taken_where_such_times_are_declared_real() -> None:
    class Timed(Struct):
        id: str
        t: int

    times = (Time("t", real_before_1973=True),)
    declaration = Table(key=(Key("id"),), kinds=(Kind("timed", Timed),), times=times)
    assert accepted(declaration, {"id": "1", "t": 1700076551})["t"] == 1700076551


def test_a_record_needs_one_of_its_times_unless_the_change_has_it() -> None:
    class Timed(Struct):
        id: str
        one: int | UnsetType | None = UNSET
        other: int | UnsetType = UNSET

    times = (Time("one"), Time("other"))
    declaration = Table(key=(Key("id"),), kinds=(Kind("timed", Timed),), times=times)
    for document in ({"id": "1"}, {"id": "1", "one": None}):
        assert refused(declaration, document) == {"#": "must have one or other, its event time."}
    assert refused(declaration, {"id": "1", "one": "x"}).keys() == {"#/one"}
    assert accepted(declaration, {"id": "1", "other": 1})
    assert accepted(msgspec.structs.replace(declaration, times=(*times, CHANGED)), {"id": "1"})


def test_a_level_is_required_and_as_long_as_the_layout_allows() -> None:
    class Placed(Struct):
        id: str
        region: str | UnsetType = UNSET
        grid: int | UnsetType = UNSET
        block: str | UnsetType = UNSET

    declaration = table(Placed, layout=("region", "grid", "block", "year"))
    lengths = {level.name: level.length for level in declaration.levels}
    assert lengths["region"] < VALUE_LENGTH_MAX
    longest = "x" * lengths["region"]
    placed = {"id": "1", "region": longest, "grid": 1, "block": "b"}
    assert accepted(declaration, placed) == placed
    errors = refused(declaration, {**placed, "region": longest + "x"})
    assert f"must have at most {lengths['region']} characters once" in errors["#/region"]
    assert refused(declaration, {"id": "1"}) == {
        f"#/{name}": "is required: it is a level of the lake."
        for name in ("region", "grid", "block")
    }
