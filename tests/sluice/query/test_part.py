"""The part of the lake that a query reads."""

from datetime import UTC, datetime

import pytest

from chalicelib.schema import TABLE
from sluice.errors import OperationError
from sluice.query.part import LakePart, level_values, narrow
from sluice.query.partitioning import Partitioning
from sluice.query.pruning import missing_values, reads, whole_lake
from sluice.query.saved import saved_query

PARTITIONS = ("siteid_partition", "year", "month", "day")
ASKED = {"siteid_partition"}
FIRST = datetime(2023, 11, 15, 6, tzinfo=UTC)
LAST = datetime(2023, 12, 1, tzinfo=UTC)
HOURS = saved_query(TABLE, "hours")
LAKE = {"changes": PARTITIONS, "all_changes": ()}
"""The partition columns of the tables."""


def part(site: str | None = None, *times: datetime | None, **bounds: datetime) -> LakePart:
    return LakePart(TABLE, level_values(TABLE, (), site), *times, **bounds)


def test_a_site_and_a_time_read_their_partitions_alone() -> None:
    sql = narrow(HOURS, part("a/b'", FIRST, LAST), PARTITIONS, ASKED)
    assert "\"siteid_partition\" = 'a%2Fb%27'" in sql
    assert '"year" BETWEEN 2023 AND 2023' in sql
    assert '"year" * 10000 + "month" * 100 + "day" * 1 BETWEEN 20231115 AND 20231130' in sql
    assert "\"siteid\" = 'a/b'''" in sql
    assert f'"createdattime" >= {int(FIRST.timestamp()) * 1000}' in sql
    assert f'"createdattime" < {int(LAST.timestamp()) * 1000}' in sql
    found = reads(sql)
    assert [read.table for read in found] == ["changes"]
    assert whole_lake(found, LAKE) is None
    assert missing_values(found, {"changes": ASKED}) == set()


def test_a_time_without_the_site_that_is_asked_for_reads_the_whole_lake() -> None:
    sql = narrow(HOURS, part(start=FIRST), PARTITIONS, ASKED)
    assert '"createdattime" >=' in sql
    assert whole_lake(reads(sql), LAKE) == "all_changes has no partitions"


def test_a_range_that_ends_before_every_event_reads_no_partition() -> None:
    sql = narrow(HOURS, part(end=datetime(1, 1, 1, tzinfo=UTC)), PARTITIONS, set())
    assert '"year" BETWEEN 1 AND 1969' in sql


def test_a_time_is_enough_where_the_sites_are_known() -> None:
    sql = narrow(HOURS, part(start=FIRST), PARTITIONS, set())
    assert 'FROM changes WHERE "year" BETWEEN 2023 AND 9999' in sql


def test_without_a_part_a_saved_query_is_asked_as_it_is() -> None:
    assert narrow(HOURS, part(), PARTITIONS, ASKED) == HOURS.sql


def test_the_latest_state_is_picked_from_the_answer_for_records_move() -> None:
    sql = narrow(saved_query(TABLE, "latest"), part("2"), PARTITIONS, ASKED)
    assert sql.endswith("WHERE \"siteid\" = '2'\n")
    assert whole_lake(reads(sql), LAKE)


def test_the_latest_state_reads_a_part_of_the_lake_when_pruned() -> None:
    sql = narrow(saved_query(TABLE, "latest"), part("2"), PARTITIONS, ASKED, pruned=True)
    assert whole_lake(reads(sql), LAKE) is None


def test_a_site_that_no_path_can_name_is_refused() -> None:
    with pytest.raises(OperationError, match="siteId must not be empty"):
        part("").parameters()


SHOWN = Partitioning(
    PARTITIONS,
    {"projection.year.range": "2020,2023", "projection.siteid_partition.values": "2,a%20b"},
)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (part("2", FIRST, LAST), None),
        (part("a b"), None),
        (part(), None),
        (part(start=datetime(2019, 12, 31, tzinfo=UTC)), "only the years 2020 to 2023"),
        (part(end=datetime(2024, 1, 1, tzinfo=UTC)), None),
        (part(end=datetime(2024, 1, 2, tzinfo=UTC)), "only the years 2020 to 2023"),
        (part("3"), "no such siteId"),
        (part("2", end=datetime(2019, 1, 1, tzinfo=UTC)), "only the years 2020 to 2023"),
        (part("2", datetime(2045, 1, 1, tzinfo=UTC)), "only the years 2020 to 2023"),
    ],
)
def test_a_part_that_changes_does_not_show_is_named(asked: LakePart, why: str | None) -> None:
    found = asked.beyond(SHOWN)
    assert found is None if why is None else found is not None and why in found
    assert asked.beyond(Partitioning()) is None
