"""The columns and the projected partitions, held against what the partitioner writes."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Meta, Struct, UnsetType, field

from chalicelib.catalog import (
    columns,
    folder,
    lake_tables,
    location,
    partition_levels,
    projection,
    serde_mapping,
)
from chalicelib.declaration import EPOCH_MS_MAX, TIME_FORMATS, ByAttribute, Int64, Key, Kind, Table
from chalicelib.errors import PartitionError
from chalicelib.partitions import encode_value, partitioner, path
from chalicelib.schema import TABLE, Record

ALL_YEARS = (1970, 9999)

HOSTILE = ["2", "20", "../../x", "a/b", "year=1999", "${year}", "2,3", " ", "%2F", "ö", "'", "\n"]
sites = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40
)
moments = st.integers(0, EPOCH_MS_MAX)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    levels = list(TIME_FORMATS)[: draw(st.integers(0, len(TIME_FORMATS)))]
    if not levels or draw(st.booleans()):
        levels.insert(draw(st.integers(0, len(levels))), "siteId")
    return TABLE.with_layout(levels)


def projected(site: str, moment: int, table: Table) -> str:
    """The location Athena makes of the table's parameters for a site and a day."""
    parameters = projection(table, (), ALL_YEARS)
    day = datetime.fromtimestamp(moment / 1000, UTC)

    def value(found: re.Match[str]) -> str:
        column = found[1]
        if parameters[f"projection.{column}.type"] == "injected":
            return encode_value("siteId", site)
        number = getattr(day, column)
        low, high = map(int, parameters[f"projection.{column}.range"].split(","))
        assert low <= number <= high
        return str(number).zfill(int(parameters[f"projection.{column}.digits"]))

    return re.sub(r"\$\{(\w+)\}", value, location(table))


def written(site: str, moment: int, table: Table) -> str:
    """The key of an object that holds a record of this site and time."""
    return path(partitioner(table)(Record(siteId=site, createdAtTime=moment))) + "stream-1.gz"


def values(site: str, moment: int, table: Table) -> list[object]:
    """What the partitions of a layout tell apart."""
    day = datetime.fromtimestamp(moment / 1000, UTC)
    return [
        site if level.name == "siteId" else getattr(day, level.name)
        for level in partition_levels(table)
    ]


@given(sites, moments, sites, moments, tables())
def test_a_projected_location_holds_the_changes_of_its_site_and_day_and_no_others(
    site: str, moment: int, other_site: str, other_moment: int, table: Table
) -> None:
    try:
        key, other_key = written(site, moment, table), written(other_site, other_moment, table)
    except PartitionError:
        assume(False)
    found = projected(site, moment, table)
    assert found.endswith("/")
    assert key.startswith(found)
    same = values(site, moment, table) == values(other_site, other_moment, table)
    assert other_key.startswith(found) == same


def test_the_default_location_reaches_down_to_the_day() -> None:
    assert location(TABLE) == (
        "data/siteId=${siteid_partition}/year=${year}/month=${month}/day=${day}/"
    )


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
    found = partition_levels(TABLE.with_layout(layout))
    assert tuple(level.name for level in found) == levels


def test_given_sites_are_enumerated_as_the_path_spells_them() -> None:
    parameters = projection(TABLE, ("1", "a b, c"), (2020, 2024))
    assert parameters["projection.siteid_partition.type"] == "enum"
    assert parameters["projection.siteid_partition.values"] == "1,a%20b%2C%20c"
    assert parameters["projection.year.range"] == "2020,2024"


def test_the_table_columns_are_the_fields_of_a_line_in_lower_case() -> None:
    found = columns(TABLE)
    assert [column.key for column in found] == [
        *Record.__struct_fields__,
        *("changeType", "changeSequence", "changedAt", "eventId", "expired", "extra"),
    ]
    assert all(column.name == column.key.lower() for column in found)
    types = {column.key: column.type for column in found}
    assert types["createdAtTime"] == types["valueOne"] == types["changedAt"] == "bigint"
    assert types["expired"] == "boolean"
    assert types["changeSequence"] == types["id"] == "string"


def test_every_key_that_is_not_lower_case_is_mapped_and_case_matters() -> None:
    mapping = serde_mapping(TABLE)
    assert mapping["case.insensitive"] == "FALSE"
    for column in columns(TABLE):
        assert mapping.get(f"mapping.{column.name}", column.name) == column.key


class Wide(Struct):
    """One field for each kind of type."""

    id: str
    small: Annotated[int, Meta(ge=0, le=10)] | UnsetType
    whole: Int64
    half_open: Annotated[int, Meta(ge=0)]
    unbounded: int
    exact: Decimal
    truth: bool | None
    data: bytes
    several: list[int]
    pairs: dict[str, int]


def table_of(*kinds: type[Struct], layout: tuple[str, ...] = ("year",)) -> Table:
    """A table of one kind, or of several distinguished by `type`."""
    if len(kinds) == 1:
        return Table(key=(Key("id"),), kinds=(Kind("only", kinds[0]),), layout=layout)
    return Table(
        key=(Key("id"),),
        kinds=tuple(Kind(each.__name__.lower(), each, when=each.__name__) for each in kinds),
        told_by=ByAttribute("type"),
        layout=layout,
    )


def test_a_type_that_athena_cannot_hold_exactly_is_text() -> None:
    types = {column.name: column.type for column in columns(table_of(Wide))}
    assert {types[name] for name in ("small", "whole")} == {"bigint"}
    assert types["truth"] == "boolean"
    names = ("half_open", "unbounded", "exact", "data", "several", "pairs")
    assert {types[name] for name in names} == {"string"}


class Order(Struct):
    id: str
    total: Int64
    customerId: str
    number: str = field(name="order-no")


class Customer(Struct):
    id: str
    customerId: str
    e_mail: str = field(name="e.mail")


SHOP = table_of(Order, Customer, layout=("customerId", "year", "hour"))


def names_of(table: Table, kind: str | None = None) -> list[str]:
    names = [column.name for column in columns(table, kind)]
    return names[: names.index("changetype")]


def test_kinds_have_tables_of_their_own_and_share_the_wide_ones() -> None:
    assert [(each.name, each.kind) for each in lake_tables(SHOP)] == [
        ("changes", None),
        ("all_changes", None),
        ("changes_order", "order"),
        ("all_changes_order", "order"),
        ("changes_customer", "customer"),
        ("all_changes_customer", "customer"),
        ("changes_other", "other"),
        ("all_changes_other", "other"),
    ]
    assert names_of(SHOP) == ["id", "total", "customerid", "order_no", "e_mail"]
    assert names_of(SHOP, "order") == ["id", "total", "customerid", "order_no"]
    assert names_of(SHOP, "customer") == ["id", "customerid", "e_mail"]
    assert names_of(SHOP, "other") == ["id"]
    assert serde_mapping(SHOP, "order")["mapping.order_no"] == "order-no"
    assert "mapping.order_no" not in serde_mapping(SHOP, "customer")


def test_a_table_without_kinds_has_the_two_tables_alone() -> None:
    assert [each.name for each in lake_tables(TABLE)] == ["changes", "all_changes"]
    assert names_of(Table(key=(Key("id", "B"),))) == ["id"]


def test_a_kinds_own_table_reads_its_part_of_the_lake() -> None:
    assert location(SHOP) == (
        "data/kind=${kind_partition}/customerId=${customerid_partition}/year=${year}/"
    )
    assert location(SHOP, "order") == (
        "data/kind=order/customerId=${customerid_partition}/year=${year}/"
    )
    assert (folder(), folder("order")) == ("data/", "data/kind=order/")
    wide = projection(SHOP, (), ALL_YEARS)
    assert wide["projection.kind_partition.values"] == "order,customer,other"
    assert wide["projection.customerid_partition.type"] == "injected"
    own = projection(SHOP, (), ALL_YEARS, "order")
    assert not any("kind" in name for name in own)
    assert own["projection.customerid_partition.type"] == "injected"


def test_records_without_the_field_of_a_level_are_projected_too() -> None:
    unknown = "__HIVE_DEFAULT_PARTITION__"
    given = projection(SHOP, ("1",), ALL_YEARS)
    assert given["projection.customerid_partition.values"] == f"1,{unknown}"
    own = projection(SHOP, ("1",), ALL_YEARS, "order")
    assert own["projection.customerid_partition.values"] == "1"
    other = projection(SHOP, (), ALL_YEARS, "other")
    assert other["projection.customerid_partition.values"] == unknown


def test_a_field_with_another_name_in_the_lake_has_that_column() -> None:
    class Cased(Struct):
        id: str
        siteId: str
        siteid: Annotated[str, Meta(extra={"line": "site_of_old"})]

    table = table_of(Cased)
    assert names_of(table) == ["id", "siteid", "site_of_old"]
