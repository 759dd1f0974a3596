"""A table is read whole, in segments, from any place on, and gently."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

from chalicelib.attributes import from_text
from sluice.backfill.capacity import ReadCapacity
from sluice.backfill.scan import ATTEMPTS, TableScan
from sluice.backfill.stop import Stop
from sluice.errors import OperationError, StoppedError
from tests.attribute_values import comparable_item
from tests.sluice.backfill.conftest import Unhurried

Script = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]

ITEMS: list[dict[str, Any]] = [
    {
        "id": {"S": f"item {number}"},
        "number": {"N": f"{number}.000000000000000000000000000000001"},
        "bytes": {"B": bytes([number, 255])},
        "set": {"BS": [b"a", bytes([number])]},
        "nested": {"M": {"list": {"L": [{"NULL": True}, {"B": b"\x00"}]}}},
    }
    for number in range(40)
]


@pytest.fixture
def table(dynamodb: DynamoDBClient, table_name: str, stop: Unhurried) -> Callable[..., TableScan]:
    """Makes a scan of a table with the items."""
    for item in ITEMS:
        dynamodb.put_item(TableName=table_name, Item=item)
    description = dynamodb.describe_table(TableName=table_name)["Table"]

    def scan(segments: int = 1, capacity: ReadCapacity | None = None) -> TableScan:
        capacity = capacity or ReadCapacity(1000, segments)
        return TableScan(dynamodb, description, ["id"], segments, capacity, stop)

    return scan


def read(scan: TableScan, part: str, after: str | None = None) -> list[dict[str, Any]]:
    return [
        comparable_item(from_text(item.image))
        for page in scan.pages(part, after)
        for item in page.items
    ]


def small_pages() -> ReadCapacity:
    """A budget that allows ten items a page, seen by a clock that never makes anybody wait."""
    capacity = ReadCapacity(0.5, 1, partial(next, count(step=1000)))
    capacity.spent(0.5, 10)
    return capacity


def by_id(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item["id"]))


@pytest.mark.parametrize("segments", [1, 3])
def test_the_segments_together_are_the_table(
    table: Callable[..., TableScan], segments: int
) -> None:
    scan = table(segments)
    assert len(scan.parts()) == segments
    found = [item for part in scan.parts() for item in read(scan, part)]
    assert by_id(found) == by_id([comparable_item(item) for item in ITEMS])


def test_a_segment_goes_on_behind_any_page_even_in_a_scan_of_other_segments(
    table: Callable[..., TableScan],
) -> None:
    pages = list(table(capacity=small_pages()).pages("0/1", None))
    assert len(pages) > 2
    first = [comparable_item(from_text(item.image)) for item in pages[0].items]
    rest = read(table(segments=7), "0/1", pages[0].after)
    assert by_id(first + rest) == by_id([comparable_item(item) for item in ITEMS])


def test_an_item_is_found_with_its_keys_and_the_moment_before_the_read(
    table: Callable[..., TableScan],
) -> None:
    before = time.time_ns() // 1_000_000
    (page,) = table().pages("0/1", None)
    assert before <= page.moment <= time.time_ns() // 1_000_000
    for item in page.items:
        assert from_text(item.keys) == {"id": from_text(item.image)["id"]}


@pytest.fixture
def binary_table(dynamodb: DynamoDBClient) -> Iterator[TableDescriptionTypeDef]:
    """A table whose keys are a binary partition key and a number to sort by."""
    name = "binary-keys"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "part", "KeyType": "HASH"},
            {"AttributeName": "sort", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "part", "AttributeType": "B"},
            {"AttributeName": "sort", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield dynamodb.describe_table(TableName=name)["Table"]
    dynamodb.delete_table(TableName=name)


def test_binary_keys_and_sort_keys_are_places_to_go_on_from(
    dynamodb: DynamoDBClient, binary_table: TableDescriptionTypeDef, stop: Unhurried
) -> None:
    for number in range(30):
        item: Any = {"part": {"B": bytes([number % 3, 255])}, "sort": {"N": str(number)}}
        dynamodb.put_item(TableName=binary_table["TableName"], Item=item)
    after, found = None, []
    while True:
        scan = TableScan(dynamodb, binary_table, ["part", "sort"], 1, small_pages(), stop)
        page = next(scan.pages("0/1", after))
        found += [from_text(item.keys)["sort"]["N"] for item in page.items]
        if (after := page.after) is None:
            break
        assert list(json.loads(after)) == ["part", "sort"]
    assert sorted(map(int, found)) == list(range(30))


TABLE: Any = {
    "TableName": "t",
    "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t",
    "TableId": "1",
    "ItemCount": 1,
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
}
PAGE = {
    "Items": [{"id": {"S": "a"}}],
    "ScannedCount": 1,
    "ConsumedCapacity": {"CapacityUnits": 10},
}
THROTTLED = (400, {"__type": "ProvisionedThroughputExceededException", "message": "slow"})


@pytest.fixture
def scripted(scripted_dynamodb: Callable[[Script], str]) -> Callable[..., TableScan]:
    """Makes a scan of a table that answers by script."""
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})

    def scan(script: Script, stop: Stop, capacity: ReadCapacity | None = None) -> TableScan:
        session = boto3.Session("test", "test", region_name="us-east-1")
        client = session.client("dynamodb", endpoint_url=scripted_dynamodb(script), config=once)
        return TableScan(client, TABLE, ["id"], 1, capacity or ReadCapacity(1000, 1), stop)

    return scan


@pytest.mark.parametrize("refusal", [THROTTLED, (500, {"__type": "InternalServerError"})])
def test_a_refusal_that_passes_is_waited_for(
    scripted: Callable[..., TableScan], stop: Unhurried, refusal: tuple[int, dict[str, Any]]
) -> None:
    answers = iter([refusal, refusal, (200, PAGE)])
    (page,) = scripted(lambda _operation, _request: next(answers), stop).pages("0/1", None)
    assert [item.keys for item in page.items] == [b'{"id":{"S":"a"}}']
    assert len([pause for pause in stop.pauses if pause]) == 2


def test_a_throttled_table_is_read_more_slowly(
    scripted: Callable[..., TableScan], stop: Unhurried
) -> None:
    answers = iter([THROTTLED, THROTTLED, (200, PAGE)])
    capacity = ReadCapacity(100, 1, lambda: 0)
    list(scripted(lambda _operation, _request: next(answers), stop, capacity).pages("0/1", None))
    assert capacity.delay() == pytest.approx(10 / 25)


def test_what_a_page_cost_is_waited_for_before_the_next(
    scripted: Callable[..., TableScan],
) -> None:
    last = {**PAGE, "LastEvaluatedKey": {"id": {"S": "a"}}}
    requests: list[dict[str, Any]] = []

    def script(_operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        requests.append(request)
        return 200, last if len(requests) == 1 else PAGE

    pages = scripted(script, Stop(), ReadCapacity(100, 1)).pages("0/1", None)
    next(pages)
    began = time.monotonic()
    next(pages)
    assert time.monotonic() - began > 0.05
    assert requests[1]["ExclusiveStartKey"] == {"id": {"S": "a"}}
    assert requests[1]["ReturnConsumedCapacity"] == "TOTAL"
    assert "ConsistentRead" not in requests[1]


def test_a_table_that_never_answers_ends_the_run_with_the_remedy(
    scripted: Callable[..., TableScan], stop: Unhurried
) -> None:
    asked: list[str] = []

    def script(operation: str, _request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        asked.append(operation)
        return THROTTLED

    with pytest.raises(OperationError, match=r"run again to go on, with a lower --read-capacity"):
        list(scripted(script, stop).pages("0/1", None))
    assert asked == ["Scan"] * ATTEMPTS


def test_a_refusal_that_lasts_is_raised_at_once(
    scripted: Callable[..., TableScan], stop: Unhurried
) -> None:
    denied = (400, {"__type": "AccessDeniedException", "message": "no"})
    with pytest.raises(ClientError, match="AccessDenied"):
        list(scripted(lambda _operation, _request: denied, stop).pages("0/1", None))
    assert stop.pauses == []


def test_a_stop_ends_any_wait(scripted: Callable[..., TableScan]) -> None:
    stop = Stop()
    capacity = ReadCapacity(1, 1)
    capacity.spent(3600, 1)
    stop.set()
    with pytest.raises(StoppedError):
        list(scripted(lambda _operation, _request: (200, PAGE), stop, capacity).pages("0/1", None))


@pytest.mark.parametrize(
    ("places", "is_accepted"),
    [
        ({"0/2": None, "1/2": '{"id":{"S":"a"}}'}, True),
        ({"0/2": None}, False),
        ({"0/2": None, "7/2": None}, False),
        ({"0/1": '{"xx":{"S":"a"}}'}, False),
        ({"0/1": '{"id":7}'}, False),
        ({"0/1": "7"}, False),
        ({"part": None}, False),
    ],
)
def test_only_places_that_a_scan_of_the_table_notes_are_accepted(
    table: Callable[..., TableScan], places: dict[str, str | None], is_accepted: bool
) -> None:
    assert table(2).accepts(places) is is_accepted
