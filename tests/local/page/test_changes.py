"""Following the table's stream beside the pipe."""

from decimal import Decimal
from typing import Any

import boto3
import msgspec
import pytest

from chalicelib.declaration import ByPrefix, Key, Kind, Table
from chalicelib.declared import shipped
from local.page.changes import LATEST_MAX, Changes, change_of
from sluice.stream import Stream


@pytest.fixture
def table(make_table: Any) -> Any:
    return make_table("id", stream=True)


@pytest.fixture
def changes(dynamodb: Any, table: Any, emulator: str, aws_environment: Any) -> Any:
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    arn = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    return Changes(Stream(boto3.client("dynamodbstreams"), arn), shipped())


def test_changes_are_counted_by_kind_and_returned_once(
    dynamodb: Any, table: Any, changes: Any
) -> None:
    item = {"id": {"S": "a"}, "siteId": {"S": "2"}}
    dynamodb.put_item(TableName=table, Item=item)
    dynamodb.put_item(TableName=table, Item={**item, "valueOne": {"N": "1"}})
    dynamodb.delete_item(TableName=table, Key={"id": {"S": "a"}})
    seen, new = changes.read()
    assert (seen.inserts, seen.modifications, seen.removals, seen.changes) == (1, 1, 1, 3)
    assert [(change.type, change.key, change.group) for change in new] == [
        ("INSERT", ("a",), "2"),
        ("MODIFY", ("a",), "2"),
        ("REMOVE", ("a",), "2"),
    ]
    assert seen.latest == tuple(reversed(new))
    again, none = changes.read()
    assert (again.changes, list(none)) == (3, [])


def test_an_item_without_a_site_is_followed_too(dynamodb: Any, table: Any, changes: Any) -> None:
    dynamodb.put_item(TableName=table, Item={"id": {"S": "a"}})
    assert [change.group for change in changes.read()[1]] == [""]


def test_only_the_latest_changes_are_kept(dynamodb: Any, table: Any, changes: Any) -> None:
    for number in range(LATEST_MAX + 2):
        dynamodb.put_item(TableName=table, Item={"id": {"S": str(number)}})
    seen, new = changes.read()
    assert len(new) == LATEST_MAX + 2
    assert seen.latest[0].key == (str(LATEST_MAX + 1),)
    assert len(seen.latest) == LATEST_MAX


class Order(msgspec.Struct):
    pk: str
    sk: Decimal


def test_a_change_is_shown_with_its_whole_key_and_its_kind() -> None:
    table = Table(
        key=(Key("pk"), Key("sk", "N")),
        told_by=ByPrefix("pk"),
        kinds=(Kind("order", Order, when="ORDER#"), Kind("line", Order, when="ORDER#LINE#")),
    )

    def shown(pk: str) -> tuple[tuple[str, ...], str]:
        keys = {"pk": {"S": pk}, "sk": {"N": "7"}}
        data = {"Keys": keys, "NewImage": keys, "ApproximateCreationDateTime": 1}
        change = change_of({"eventName": "INSERT", "dynamodb": data}, table)
        return change.key, change.group

    assert shown("ORDER#1") == (("ORDER#1", "7"), "order")
    assert shown("ORDER#LINE#1") == (("ORDER#LINE#1", "7"), "line")
    assert shown("USER#1") == (("USER#1", "7"), "other")
