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
from chalicelib.declaration import Int64
from chalicelib.lines import line_encoder
from sluice.items import read_line
from sluice.verify.rows import digest, item_reader
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


WIDE = table(Wide)

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
    read = item_reader([column.name for column in columns(WIDE)], WIDE)
    assert digest(read(row)) == digest(item)


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
