"""The run of Athena's statements: what is read together, and what is deleted when."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.compacted import compacted_columns
from chalicelib.compaction import AthenaCompaction, Compacted, StatementError, scheduled_run
from chalicelib.declaration import Table
from chalicelib.errors import OperationError
from chalicelib.merging import MAINTENANCE
from chalicelib.objects import DeletionError, Stored
from chalicelib.schema import TABLE
from tests.athena import FakeAthena, FakeGlue
from tests.declaring import change, delivered

OLD = datetime(2026, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000


def item(number: int, days: int = 0) -> dict[str, Any]:
    return {
        "id": {"S": f"id-{number}"},
        "siteId": {"S": "2"},
        "createdAtTime": {"N": str(1_700_076_551_926 + days * DAY_MS)},
    }


@dataclass
class FakeS3:
    """Objects of a bucket, that are listed and deleted."""

    stored: list[Stored]
    refuse: bool = False
    deleted: list[str] = field(default_factory=list)

    def get_paginator(self, operation: str) -> "FakeS3":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        assert request["Prefix"] == "data/"
        return [
            {"Contents": [{"Key": e.key, "Size": e.size, "LastModified": e.modified}]}
            for e in self.stored
        ]

    def delete_objects(self, **request: Any) -> dict[str, Any]:
        keys = [each["Key"] for each in request["Delete"]["Objects"]]
        if self.refuse:
            return {"Errors": [{"Key": keys[0], "Message": "Access Denied"}]}
        self.deleted += keys
        return {}


@dataclass
class Lake:
    """A lake of one object a change, and its compaction."""

    athena: FakeAthena
    s3: FakeS3
    compaction: AthenaCompaction
    problems: list[str] = field(default_factory=list)

    def compact(self, stored: Sequence[Stored] | None = None) -> Compacted:
        return self.compaction.compact(self.s3.stored if stored is None else stored, self.problems)

    @property
    def statements(self) -> list[str]:
        return [each.split(" USING")[0] for each in self.athena.statements]


def lake_of(items: Sequence[dict[str, Any]], together: bool = False, table: Table = TABLE) -> Lake:
    lines: list[tuple[str, bytes]] = []
    payloads = [change(each, number) for number, each in enumerate(items, 1)]
    for number, (folder, line) in enumerate(delivered(table, payloads)):
        key = "data/all" if together else f"{folder}{number:04}"
        lines.append((f"s3://lake/{key}", line))
    lines.sort()
    keys = dict.fromkeys(address.removeprefix("s3://lake/") for address, _ in lines)
    athena, s3 = FakeAthena(table, lines), FakeS3([Stored(key, 100, OLD) for key in keys])
    clients: dict[str, Any] = {"athena": athena, "s3": s3, "glue": FakeGlue({}, athena)}
    compaction = AthenaCompaction(
        table,
        **clients,
        bucket="lake",
        database="the_database",
        workgroup="the-workgroup",
        sleep=lambda _: pytest.fail("nothing is waited for"),
    )
    return Lake(athena, s3, compaction)


def test_objects_are_deleted_when_both_tables_have_their_lines() -> None:
    lake = lake_of([item(n) for n in range(3)])
    done = lake.compact()
    assert (done.objects, done.lines, done.appended, done.bytes) == (3, 3, 3, 300)
    assert lake.statements[1:] == ["MERGE INTO history AS h", 'MERGE INTO "current" AS c']
    assert lake.s3.deleted == [each.key for each in lake.s3.stored]


@pytest.mark.parametrize("failed", [0, 1, 2])
def test_nothing_is_deleted_when_a_statement_fails(failed: int) -> None:
    lake = lake_of([item(n) for n in range(3)])
    start = lake.athena.start_query_execution

    def failing(**request: Any) -> dict[str, Any]:
        if len(lake.athena.statements) == failed:
            lake.athena.failures.append("GENERIC_INTERNAL_ERROR: no luck")
        return start(**request)

    lake.athena.start_query_execution = failing  # type: ignore[method-assign]
    with pytest.raises(StatementError, match="GENERIC_INTERNAL_ERROR: no luck"):
        lake.compact()
    assert lake.s3.deleted == []
    assert len(lake.athena.statements) == failed + 1


def test_a_commit_that_another_came_before_is_tried_anew_but_not_without_end() -> None:
    lake = lake_of([item(1)])
    lake.athena.failures += ["ICEBERG_COMMIT_ERROR: conflict"] * 2
    assert lake.compact().appended == 1
    lake.athena.failures += ["ICEBERG_COMMIT_ERROR: conflict"] * 3
    with pytest.raises(StatementError, match="ICEBERG_COMMIT_ERROR"):
        lake.compact()


def test_objects_of_too_many_partitions_are_halved() -> None:
    # The days of a month are in one folder of the layout, so only the lines tell them apart.
    monthly = TABLE.with_layout(("siteId", "year", "month"))
    lake = lake_of([item(n, n) for n in range(110)], table=monthly)
    done = lake.compact()
    assert (done.objects, done.appended) == (110, 110)
    for name in (HISTORY, CURRENT):
        assert {row["id"] for row in lake.athena.rows(name)} == {f"id-{n}" for n in range(110)}
    assert lake.statements.count("MERGE INTO history AS h") == 2


def test_one_object_of_too_many_partitions_is_added_some_of_them_at_a_time() -> None:
    lake = lake_of([item(n, n // 2) for n in range(220)], together=True)
    assert lake.compact().appended == 220
    assert lake.statements.count("MERGE INTO history AS h") == 2
    assert len({row["id"] for row in lake.athena.rows(HISTORY)}) == 220
    assert lake.s3.deleted == ["data/all"]


def test_an_object_that_comes_to_lie_between_others_is_not_deleted() -> None:
    lake = lake_of([item(n) for n in range(3)])
    first, between, last = lake.s3.stored
    lake.compact([first, last])
    assert lake.s3.deleted == [first.key, last.key]
    lake.compact([between])
    assert len(lake.athena.rows(HISTORY)) == 3


def test_what_there_is_no_time_for_is_left() -> None:
    lake = lake_of([item(1)])
    done = lake.compaction.compact(lake.s3.stored, [], lambda: False)
    assert (done.objects, done.kept) == (0, 1)
    assert lake.athena.statements == lake.s3.deleted == []


def test_a_damaged_object_stays_and_is_named_and_all_others_are_compacted() -> None:
    lake = lake_of([item(n) for n in range(11)])
    damaged = lake.s3.stored[6].key
    start = lake.athena.start_query_execution

    def failing(**request: Any) -> dict[str, Any]:
        first, last = re.findall(
            r"BETWEEN 's3://lake/([^']+)' AND 's3://lake/([^']+)'", request["QueryString"]
        )[0]
        if first <= damaged <= last:
            lake.athena.failures.append("HIVE_CURSOR_ERROR: Row is not a valid JSON Object")
        return start(**request)

    lake.athena.start_query_execution = failing  # type: ignore[method-assign]
    done = lake.compact()
    assert (done.objects, done.lines, done.appended, done.kept) == (10, 10, 10, 1)
    assert sorted([*lake.s3.deleted, damaged]) == [each.key for each in lake.s3.stored]
    assert len(lake.problems) == 1
    assert lake.problems[0].startswith(f"s3://lake/{damaged} stays, since it cannot be read: ")
    # Eleven objects are halved four times, and each failure is one query.
    assert sum(each.startswith("SELECT") for each in lake.athena.statements) <= 9
    with pytest.raises(StatementError, match=f"1 damaged: s3://lake/{damaged} stays"):
        scheduled_run(lake.compaction, {"time": "2026-11-26T07:20:00Z"}, lambda: 900_000)


@pytest.mark.parametrize(
    "reason",
    [
        "ICEBERG_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions",
        "Query exhausted resources at this scale factor",
    ],
)
def test_a_statement_that_an_object_made_too_large_meanwhile_is_halved(reason: str) -> None:
    lake = lake_of([item(n) for n in range(3)])
    start = lake.athena.start_query_execution

    def failing(**request: Any) -> dict[str, Any]:
        if len(lake.athena.statements) == 1:
            lake.athena.failures.append(reason)
        return start(**request)

    lake.athena.start_query_execution = failing  # type: ignore[method-assign]
    done = lake.compact()
    assert (done.objects, done.lines, done.appended, done.kept) == (3, 3, 3, 0)
    assert lake.s3.deleted == [each.key for each in lake.s3.stored]
    alone = lake_of([item(1)])
    alone.athena.failures.append(reason)
    with pytest.raises(StatementError, match=reason):
        alone.compact()
    assert alone.s3.deleted == alone.problems == []


def test_maintenance_quotes_a_name_as_athena_takes_it() -> None:
    lake = lake_of([item(1)])
    lake.athena.failures += ["mismatched input '\"history\"'"]
    lake.compaction.maintain()
    optimize, vacuum = MAINTENANCE
    assert lake.athena.statements[:3] == [
        optimize.format('"history"'),
        optimize.format("`history`"),
        vacuum.format('"history"'),
    ]
    lake.athena.failures += ["no permission"] * 2
    with pytest.raises(StatementError, match="no permission"):
        lake.compaction.maintain()


def test_an_object_that_s3_does_not_delete_is_named() -> None:
    lake = lake_of([item(1)])
    lake.s3.refuse = True
    with pytest.raises(DeletionError, match=f"s3://lake/{lake.s3.stored[0].key} cannot be deleted"):
        lake.compact()


def test_maintenance_goes_on_while_athena_wants_more_runs() -> None:
    lake = lake_of([item(1)])
    lake.athena.failures += ["ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED: again"]
    lake.compaction.maintain()
    every = [each.format(f'"{name}"') for name in (HISTORY, CURRENT) for each in MAINTENANCE]
    assert lake.athena.statements == [every[0], *every]


@pytest.mark.parametrize(("hour", "maintained"), [(0, True), (7, False)])
def test_a_scheduled_run_takes_old_objects_and_maintains_after_midnight(
    hour: int, maintained: bool
) -> None:
    lake = lake_of([item(n) for n in range(2)])
    old, fresh = lake.s3.stored
    lake.s3.stored[1] = Stored(fresh.key, 100, datetime.now(UTC) - timedelta(minutes=59))
    scheduled_run(lake.compaction, {"time": f"2026-11-26T{hour:02}:20:00Z"}, lambda: 900_000)
    assert lake.s3.deleted == [old.key]
    assert ('VACUUM "current"' in lake.athena.statements) == maintained


@pytest.fixture
def prepared() -> Callable[[dict[str, dict[str, str]]], tuple[FakeGlue, Lake]]:
    def prepare(tables: dict[str, dict[str, str]]) -> tuple[FakeGlue, Lake]:
        glue, lake = FakeGlue(tables), lake_of([item(1)])
        client: Any = glue
        replace(lake.compaction, glue=client).prepare()
        return glue, lake

    return prepare


Prepared = Callable[[dict[str, dict[str, str]]], tuple[FakeGlue, Lake]]


def test_tables_that_are_missing_are_made(prepared: Prepared) -> None:
    glue, lake = prepared({})
    assert [each["Name"] for each in glue.created] == [HISTORY, CURRENT]
    inputs = [
        each["OpenTableFormatInput"]["IcebergInput"]["CreateIcebergTableInput"]
        for each in glue.created
    ]
    assert [each["Location"] for each in inputs] == [
        "s3://lake/iceberg/history",
        "s3://lake/iceberg/current",
    ]
    assert lake.athena.statements == []


def test_columns_that_are_missing_are_added_and_none_is_of_another_type(prepared: Prepared) -> None:
    tables = {
        name: {each.name: each.type for each in compacted_columns(TABLE, name)}
        for name in (HISTORY, CURRENT)
    }
    _, unchanged = prepared(tables)
    assert unchanged.athena.statements == []
    del tables[HISTORY]["valuetwo"]
    glue, lake = prepared(tables)
    assert lake.athena.statements == ["ALTER TABLE `history` ADD COLUMNS (`valuetwo` bigint)"]
    assert glue.created == []
    tables[CURRENT]["name"] = "bigint"
    with pytest.raises(OperationError, match=r"current has the column name as bigint.*was.*bigint"):
        prepared(tables)
