"""A row of the catalog's tables tells its item, whatever types the schema has."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib import attributes
from chalicelib.catalog import columns
from chalicelib.change import change_reader
from chalicelib.declaration import ByAttribute, Int64, Key, Kind, Table
from chalicelib.keys import texts_of
from chalicelib.lines import line_encoder
from sluice.items import read_line
from sluice.verify.rows import States, digest
from tests.declaring import table

STREAM_SEQUENCE = "1" * 21


class Wide(Struct, frozen=True, kw_only=True):
    id: str
    wholeNumber: Int64 | UnsetType = UNSET
    exact: Decimal | UnsetType = UNSET
    large: int | UnsetType = UNSET
    truth: bool | None = None
    data: Annotated[bytes, Meta(max_length=9)] | UnsetType = UNSET
    several: list[Decimal] | UnsetType = UNSET
    pairs: dict[str, int] | UnsetType = UNSET
    names: set[str] | UnsetType = UNSET


WIDE = table(Wide, layout=("year",))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
digits = st.integers(-(10**37), 10**37)
decimals = st.builds(
    lambda number, places: Decimal(number).scaleb(places), digits, st.integers(-9, 9)
)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | values


wide = st.builds(
    Wide,
    id=texts,
    wholeNumber=maybe(st.integers(-(2**63), 2**63 - 1)),
    exact=maybe(decimals),
    large=maybe(digits),
    truth=st.none() | st.booleans(),
    data=maybe(st.binary(max_size=9)),
    several=maybe(st.lists(decimals, max_size=3)),
    pairs=maybe(st.dictionaries(texts, digits, max_size=2)),
    names=maybe(st.sets(texts, min_size=1, max_size=3)),
)


def row_of(data: bytes) -> tuple[Any, ...]:
    """The row that Athena answers for a line: text where no type of its own is exact."""
    line = read_line(data)
    values = [line.get(column.key) for column in columns(WIDE)]
    assert not any(isinstance(value, float | Decimal | list | dict) for value in values)
    return tuple(values)


@given(wide)
def test_an_item_and_its_row_have_one_digest(record: Wide) -> None:
    item = attributes.item(record)
    stream = {
        "SequenceNumber": STREAM_SEQUENCE,
        "ApproximateCreationDateTime": 1700000000,
        "NewImage": item,
    }
    change = {"eventID": "1", "eventName": "INSERT", "dynamodb": stream, "userIdentity": ""}
    row = row_of(line_encoder(WIDE)(change_reader(WIDE)(msgspec.json.encode(change))))
    states = States(WIDE)
    read = states.row_reader([column.name for column in columns(WIDE)])
    assert read(row) == states.of_item(item)


def test_other_values_have_other_digests() -> None:
    items: list[dict[str, Any]] = [
        {"a": {"S": "1"}},
        {"a": {"N": "1"}},
        {"a": {"N": "1.0000000000000000000000000000000000001"}},
        {"a": {"L": [{"S": "1"}]}},
        {"a": {"SS": ["1"]}},
        {"a": {"L": []}},
        {"a": {"L": [{"NULL": True}]}},
        {},
    ]
    assert len({digest(each) for each in items}) == len(items)


def test_numbers_and_sets_are_compared_by_what_they_mean() -> None:
    assert digest({"a": {"N": "1E+3"}}) == digest({"a": {"N": "1000"}})
    assert digest({"a": {"NS": ["2", "10"]}}) == digest({"a": {"NS": ["10", "2.0"]}})
    assert digest({"a": {"NULL": True}}) == digest({})


def test_only_declared_attributes_count_when_they_are_named() -> None:
    item = {"id": {"S": "1"}, "unit": {"S": "K"}}
    assert digest(item, frozenset({"id"})) == digest({"id": {"S": "1"}})


class Order(Struct):
    pk: str
    sk: Decimal
    card: str
    total: int


SHOP = Table(
    key=(Key("pk"), Key("sk", "N")),
    kinds=(Kind("order", Order, when="order", undeclared="drop"),),
    told_by=ByAttribute("type"),
    others="keep",
    protect={"card": "drop", "phone": "hash"},
)
ORDER = {
    "pk": {"S": "a"},
    "sk": {"N": "1"},
    "type": {"S": "order"},
    "card": {"S": "4111"},
    "total": {"N": "5"},
    "note": {"S": "x"},
}


def test_what_the_declaration_keeps_out_of_the_lake_is_not_compared() -> None:
    states = States(SHOP)
    state = states.of_item(ORDER)
    assert state is not None
    assert state.group == "order"
    for name, value in (("card", "4112"), ("phone", "1"), ("note", "y")):
        assert states.of_item(ORDER | {name: {"S": value}}) == state
    assert states.of_item(ORDER | {"total": {"N": "6"}}) != state


def test_all_of_an_item_of_no_declared_kind_is_compared_but_what_is_protected() -> None:
    states, item = States(SHOP), ORDER | {"type": {"S": "parcel"}}
    state = states.of_item(item)
    assert state is not None
    assert state.group == "other"
    assert states.of_item(item | {"note": {"S": "y"}}) != state
    assert states.of_item(item | {"card": {"S": "4112"}}) == state


def test_items_of_a_kind_that_is_dropped_are_not_expected_in_the_lake() -> None:
    dropping = msgspec.structs.replace(SHOP, others="drop")
    assert States(dropping).of_item(ORDER | {"type": {"S": "parcel"}}) is None
    assert States(dropping).of_item(ORDER) is not None


def test_a_rows_key_is_that_of_its_item() -> None:
    states = States(SHOP)
    read = states.row_key_reader(("sk", "total", "pk"))
    assert read(("1", 5, "a")) == texts_of(SHOP, ORDER) == ("a", "1")
    assert read((None, 5, "a")) is None
