"""The columns and the projected partitions, held against what the partitioner writes."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Meta, Struct, UnsetType

from chalicelib.catalog import (
    columns,
    location,
    partition_columns,
    partition_levels,
    projection,
    serde_mapping,
)
from chalicelib.declaration import EPOCH_MS_MAX, TIME_FORMATS, Int64
from chalicelib.errors import PartitionError
from chalicelib.lines import change_fields
from chalicelib.mistakes import layout_errors
from chalicelib.partitions import encode_value, partitioner, path
from chalicelib.schema import LAYOUT, TABLE, Record

ALL_YEARS = (1970, 9999)

HOSTILE = ["2", "20", "../../x", "a/b", "year=1999", "${year}", "2,3", " ", "%2F", "ö", "'", "\n"]
sites = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40
)
moments = st.integers(0, EPOCH_MS_MAX)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[str, ...]:
    levels = list(TIME_FORMATS)[: draw(st.integers(0, len(TIME_FORMATS)))]
    if not levels or draw(st.booleans()):
        levels.insert(draw(st.integers(0, len(levels))), "siteId")
    assert layout_errors(TABLE.with_layout(levels)) == []
    return tuple(levels)


def projected(site: str, moment: int, layout: tuple[str, ...]) -> str:
    """The location Athena makes of the table's parameters for a site and a day."""
    parameters = projection(layout, (), ALL_YEARS)
    day = datetime.fromtimestamp(moment / 1000, UTC)

    def value(found: re.Match[str]) -> str:
        column = found[1]
        if parameters[f"projection.{column}.type"] == "injected":
            return encode_value("siteId", site)
        number = getattr(day, column)
        low, high = map(int, parameters[f"projection.{column}.range"].split(","))
        assert low <= number <= high
        return str(number).zfill(int(parameters[f"projection.{column}.digits"]))

    return re.sub(r"\$\{(\w+)\}", value, location(layout))


def written(site: str, moment: int, layout: tuple[str, ...]) -> str:
    """The key of an object that holds a record of this site and time."""
    return (
        path(partitioner(TABLE.with_layout(layout))(Record(siteId=site, createdAtTime=moment)))
        + "stream-1.gz"
    )


def values(site: str, moment: int, layout: tuple[str, ...]) -> list[object]:
    """What the partitions of a layout tell apart."""
    day = datetime.fromtimestamp(moment / 1000, UTC)
    return [
        site if level == "siteId" else getattr(day, level) for level in partition_levels(layout)
    ]


@given(sites, moments, sites, moments, layouts())
def test_a_projected_location_holds_the_changes_of_its_site_and_day_and_no_others(
    site: str, moment: int, other_site: str, other_moment: int, layout: tuple[str, ...]
) -> None:
    try:
        key, other_key = written(site, moment, layout), written(other_site, other_moment, layout)
    except PartitionError:
        assume(False)
    found = projected(site, moment, layout)
    assert found.endswith("/")
    assert key.startswith(found)
    same = values(site, moment, layout) == values(other_site, other_moment, layout)
    assert other_key.startswith(found) == same


def test_the_default_location_reaches_down_to_the_day() -> None:
    assert location() == ("data/siteId=${siteid_partition}/year=${year}/month=${month}/day=${day}/")


@pytest.mark.parametrize(
    ("layout", "levels"),
    [
        (("siteId",), ("siteId",)),
        (("year", "month", "day", "hour"), ("year", "month", "day")),
        (("year", "siteId"), ("year", "siteId")),
        (("year", "month", "day", "siteId", "hour"), ("year", "month", "day", "siteId")),
        (("year", "month", "day", "hour", "siteId"), ("year", "month", "day")),
    ],
)
def test_what_lies_below_the_day_is_read_within_it(
    layout: tuple[str, ...], levels: tuple[str, ...]
) -> None:
    assert partition_levels(layout) == levels


def test_given_sites_are_enumerated_as_the_path_spells_them() -> None:
    parameters = projection(LAYOUT, ("1", "a b, c"), (2020, 2024))
    assert parameters["projection.siteid_partition.type"] == "enum"
    assert parameters["projection.siteid_partition.values"] == "1,a%20b%2C%20c"
    assert parameters["projection.year.range"] == "2020,2024"


def test_the_table_columns_are_the_fields_of_a_line_in_lower_case() -> None:
    found = columns()
    assert [column.key for column in found] == [
        *Record.__struct_fields__,
        *change_fields(TABLE),
    ]
    assert all(column.name == column.key.lower() for column in found)
    types = {column.key: column.type for column in found}
    assert types["createdAtTime"] == types["valueOne"] == types["changedAt"] == "bigint"
    assert types["expired"] == "boolean"
    assert types["changeSequence"] == types["id"] == "string"


def test_every_key_that_is_not_lower_case_is_mapped_and_case_matters() -> None:
    mapping = serde_mapping()
    assert mapping["case.insensitive"] == "FALSE"
    for column in columns():
        assert mapping.get(f"mapping.{column.name}", column.name) == column.key


class Wide(Struct):
    """One field for each kind of type."""

    small: Annotated[int, Meta(ge=0, le=10)] | UnsetType
    whole: Int64
    half_open: Annotated[int, Meta(ge=0)]
    unbounded: int
    exact: Decimal
    truth: bool | None
    data: bytes
    several: list[int]
    pairs: dict[str, int]


def test_a_type_that_athena_cannot_hold_exactly_is_text() -> None:
    types = {column.name: column.type for column in columns(Wide)}
    assert {types[name] for name in ("small", "whole")} == {"bigint"}
    assert types["truth"] == "boolean"
    names = ("half_open", "unbounded", "exact", "data", "several", "pairs")
    assert {types[name] for name in names} == {"string"}


def test_two_fields_that_differ_in_case_alone_are_refused() -> None:
    class Ambiguous(Struct):
        siteId: str
        siteid: str

    with pytest.raises(TypeError, match="siteId and siteid would be one column"):
        columns(Ambiguous)


def test_a_field_named_as_a_partition_is_refused() -> None:
    class Dated(Struct):
        siteId: str
        year: str

    with pytest.raises(TypeError, match="year is a field of the record and a partition"):
        partition_columns(LAYOUT, Dated)
