"""What is seeded, and how it comes into the table."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import boto3
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from chalicelib.declaration import Table
from chalicelib.declared import load, shipped
from sluice.api import Api
from sluice.seed import ApiWriter, RecordWriter, TableWriter, records, seed
from sluice.synthesis import item_of, kind_of

TABLES = Path(__file__).parents[2] / "tables"
SHOP = load(TABLES / "shop.py")
BLOBS = load(TABLES / "blobs.py")
METERS = load(TABLES / "meters.py")


def chance() -> Random:
    return Random(5)  # noqa: S311


class Recorder(RecordWriter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Mapping[str, Any]] = []
        self.deleted: list[Mapping[str, Any]] = []

    def put(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.records += records

    def delete(self, record: Mapping[str, Any]) -> None:
        self.deleted.append(record)


def seeded(table: Table, **amounts: Any) -> tuple[Any, Recorder, Recorder]:
    declared, undeclared = Recorder(), Recorder()
    return seed(table, declared, undeclared, chance=chance(), **amounts), declared, undeclared


def test_records_are_written_then_changed_and_deleted_as_often_as_asked() -> None:
    result, written, _ = seeded(shipped(), count=50, changes=10, deletes=5)

    assert (result.inserts, result.changes, result.deletes, result.total) == (50, 10, 5, 65)
    ids = [record["id"] for record in written.records]
    assert len(ids) == 60
    assert len({*ids[:50]}) == 50
    assert {*ids[50:]} < {*ids[:50]}
    assert {record["id"] for record in written.deleted} < {*ids[:50]} - {*ids[50:]}


def test_the_examples_come_first_and_count() -> None:
    result, written, _ = seeded(shipped(), count=3, samples=True)

    assert tuple(written.records[:2]) == shipped().examples
    assert result.inserts == 5


def test_items_of_no_declared_kind_have_a_writer_of_their_own() -> None:
    _, declared, undeclared = seeded(SHOP, count=40, changes=20, samples=True)

    assert {kind_of(SHOP, record) for record in declared.records} == {"customer", "order", "item"}
    assert {kind_of(SHOP, record) for record in undeclared.records} == {"other"}
    assert not seeded(BLOBS, count=5)[1].records


def test_progress_counts_every_change() -> None:
    counts: list[int] = []
    result, *_ = seeded(SHOP, count=300, changes=9, deletes=9, progress=counts.append)

    assert sum(counts) == result.total
    assert max(counts) <= 100


@pytest.fixture(params=[SHOP, METERS, BLOBS], ids=["shop", "meters", "blobs"])
def table(request: pytest.FixtureRequest) -> Table:
    table: Table = request.param
    return table


@pytest.fixture
def name(emulator: str, aws_environment: pytest.MonkeyPatch, table: Table) -> Iterator[str]:
    """An empty table with the declaration's key."""
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    client, name = boto3.client("dynamodb"), f"seed-{uuid.uuid4()}"
    schema: Any = [
        {"AttributeName": key.name, "KeyType": kind}
        for key, kind in zip(table.key, ("HASH", "RANGE"), strict=False)
    ]
    client.create_table(
        TableName=name,
        KeySchema=schema,
        AttributeDefinitions=[
            {"AttributeName": key.name, "AttributeType": key.type} for key in table.key
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    client.delete_table(TableName=name)


def test_records_go_straight_to_the_table_exact(table: Table, name: str) -> None:
    client = boto3.client("dynamodb")
    writer = TableWriter(table, client, name)
    made = records(table, 60, chance(), 5, 3)
    writer.put(made)
    items = client.scan(TableName=name, ConsistentRead=True)["Items"]

    def by_key(items: Any) -> dict[str, Any]:
        return {str([item[each] for each in table.key_names]): item for item in items}

    expected = by_key(item_of(table, record) for record in made)
    assert by_key(items) == expected
    for record in made[:10]:
        writer.delete(record)
    assert client.scan(TableName=name, ConsistentRead=True)["Count"] == 50


@pytest.mark.usefixtures("aws_environment")
def test_a_delete_through_the_api_names_both_parts_of_a_key(httpserver: HTTPServer) -> None:
    paths: list[str] = []

    def answer(request: Request) -> Response:
        paths.append(str(request.environ["RAW_URI"]))
        return Response(status=204)

    httpserver.expect_request("/records/CUSTOMER#1/ORDER#a b").respond_with_handler(answer)
    writer = ApiWriter(SHOP, Api(httpserver.url_for("")))
    writer.delete({"pk": "CUSTOMER#1", "sk": "ORDER#a b", "status": "open"})

    assert paths == ["/records/CUSTOMER%231/ORDER%23a%20b"]
