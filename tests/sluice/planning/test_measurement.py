"""A workload, measured from changes of known shape."""

import gzip
import itertools
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.declared import load
from sluice.errors import OperationError
from sluice.planning import measurement
from sluice.planning.measurement import ObservedChange
from sluice.planning.weights import item_bytes_of
from sluice.seed import records
from sluice.stack import Stack
from sluice.synthesis import item_of

TABLES = Path(__file__).parents[3] / "tables"

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000


def change(number: int, **differing: Any) -> ObservedChange:
    changed_ms = START_MS + number * 100
    given: dict[str, Any] = {
        "kind": "INSERT",
        "site": "1",
        "item_bytes": 500,
        "changed_ms": changed_ms,
    }
    return ObservedChange(**({"event_ms": changed_ms} | given | differing))


def test_changes_become_a_workload() -> None:
    kinds = ["INSERT", "MODIFY", "INSERT", "REMOVE"] * 250
    seen = [
        change(number, kind=kind, site=str(number % 10), item_bytes=400 + number % 3)
        for number, kind in enumerate(kinds)
    ]
    workload = measurement.summarize(seen, 10, "the test")
    assert workload.changes_per_second == 10
    assert (workload.item_bytes, workload.sites) == (401, 10)
    assert (workload.updates, workload.deletes, workload.late) == (0.25, 0.25, 0)
    assert workload.skew == pytest.approx(0, abs=0.05)


def test_the_rate_is_that_of_the_time_they_span() -> None:
    assert measurement.rate(number * 100 for number in range(1_000)) == pytest.approx(10)


def test_changes_of_one_second_have_no_rate() -> None:
    assert measurement.rate([1, 2, 999]) == 0
    with pytest.raises(OperationError, match="give the workload by --rate"):
        measurement.summarize([change(0)], 0, "the test")


@pytest.mark.parametrize("skew", [0.0, 0.5, 1.0, 1.5])
def test_the_skew_of_the_sites_is_found(skew: float) -> None:
    chance = random.Random(1)  # noqa: S311
    weights = [rank**-skew for rank in range(1, 101)]
    sites = chance.choices(range(100), weights, k=20_000)
    seen = [change(number, site=str(site)) for number, site in enumerate(sites)]
    assert measurement.summarize(seen, 10, "the test").skew == pytest.approx(skew, abs=0.15)


def test_late_event_times_reach_as_far_back_as_they_do() -> None:
    seen = [change(number) for number in range(900)] + [
        change(number, event_ms=START_MS - number * HOUR_MS) for number in range(2, 102)
    ]
    workload = measurement.summarize(seen, 10, "the test")
    assert workload.late == pytest.approx(0.1)
    assert workload.late_hours == pytest.approx(101, rel=0.01)


def test_late_event_times_of_one_minute_are_spread_over_one() -> None:
    seen = [change(number, event_ms=START_MS - 1_000 * HOUR_MS) for number in range(100)]
    workload = measurement.summarize(seen, 10, "the test")
    assert workload.late == 1
    assert workload.late_hours == pytest.approx(1 / 60, rel=0.01)


def test_a_lake_is_measured_by_its_lines(stack: Stack) -> None:
    lines = [
        {
            "id": str(number),
            "siteId": str(number % 4),
            "createdAtTime": START_MS + number * 500,
            "name": "x" * 100,
            "changeType": "SNAPSHOT" if number % 5 == 4 else "INSERT",
            "changeSequence": str(number),
            "changedAt": START_MS + number * 500,
            "eventId": str(number),
        }
        for number in range(100)
    ]
    body = gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    stack.s3.put_object(Bucket=stack.bucket, Key="data/siteId=1/object.gz", Body=body)
    workload = measurement.from_lake(stack, [])
    # One line in five came from a backfill, and is not a change.
    assert workload.changes_per_second == pytest.approx(2 * 4 / 5, rel=0.05)
    assert workload.sites == 4
    assert workload.item_bytes == pytest.approx(150, rel=0.1)


def test_lines_of_any_table_are_measured_by_its_own_fields() -> None:
    read = measurement.line_reader(load(TABLES / "meters.py"))
    line = {
        "meter": "E1",
        "ts": 1_777_885_200,
        "region": "NL-UT",
        "grid": 17,
        "kwh-total": "10.5",
        "changeType": "MODIFY",
        "changeSequence": "1",
        "changedAt": 1_777_885_300_000,
        "eventId": "1",
        "eventTime": 1_777_885_200_000,
    }
    seen = read(json.dumps(line).encode())

    assert seen is not None
    assert (seen.kind, seen.site) == ("MODIFY", "NL-UT/17")
    assert seen.changed_ms - seen.event_ms == 100_000
    assert read(json.dumps(line | {"changeType": "SNAPSHOT"}).encode()) is None


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.py")), ids=lambda path: path.stem)
def test_stream_records_of_any_table_are_measured(path: Path) -> None:
    table = load(path)
    read = measurement.record_reader(table, "arn:aws:dynamodb:us-east-1:1:table/t/stream/1")
    items = [
        item_of(table, record)
        for record in records(table, 40, random.Random(1), groups=3)  # noqa: S311
    ]
    seen = [
        read(
            {
                "eventID": "1",
                "eventName": "INSERT",
                "dynamodb": {
                    "ApproximateCreationDateTime": datetime.now(UTC),
                    "NewImage": item,
                    "SequenceNumber": "1",
                },
            }
        )
        for item in items
    ]

    assert [each and each.item_bytes for each in seen] == [item_bytes_of(item) for item in items]
    assert all(each and -1_000 < each.changed_ms - each.event_ms < 31 * 60_000 for each in seen)


def test_an_empty_lake_names_what_to_give_instead(stack: Stack) -> None:
    with pytest.raises(OperationError, match="the lake holds no changes"):
        measurement.from_lake(stack, [])


@pytest.fixture
def streaming(stack: Stack, make_table: Callable[..., str]) -> Stack:
    """The stack with a table that has a stream."""
    return Stack(stack.name, stack.outputs | {"TableName": make_table("id", stream=True)})


def test_a_table_is_measured_by_its_stream(streaming: Stack) -> None:
    table = boto3.client("dynamodb")
    deadline = time.monotonic() + 20
    workload = None
    # A stream has the second of a change, so that changes of two are needed.
    for number in itertools.count():
        item = {
            "id": {"S": str(number)},
            "siteId": {"S": str(number % 3)},
            "createdAtTime": {"N": str(time.time_ns() // 1_000_000)},
            "name": {"S": "x" * 1_000},
        }
        table.put_item(TableName=streaming.output("TableName"), Item=item)
        with suppress(OperationError):
            workload = measurement.from_table(streaming)
        if workload is not None and number > 10:
            break
        assert time.monotonic() < deadline
    assert workload is not None
    assert workload.changes_per_second > 1
    assert (workload.sites, workload.updates, workload.deletes, workload.late) == (3, 0, 0, 0)
    assert workload.item_bytes == pytest.approx(1_040, rel=0.02)
    assert workload.items == number + 1


def test_a_table_without_a_stream_names_the_other_way(stack: Stack, table_name: str) -> None:
    without = Stack(stack.name, stack.outputs | {"TableName": table_name})
    with pytest.raises(OperationError, match="measure --from-lake"):
        measurement.from_table(without)
