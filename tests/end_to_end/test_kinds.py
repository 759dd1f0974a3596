"""A stack of its own for a table of several kinds under one key, whose lake is of Parquet."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import msgspec
import pytest
from click.testing import CliRunner, Result

from chalicelib.declared import VARIABLE
from chalicelib.keys import texts_of
from chalicelib.partitions import DATA_PREFIX, ERROR_PREFIX
from local.session import STACK_NAME, Options, Session, running
from sluice.backfill.restored import former_sequences
from sluice.cli import sluice
from sluice.items import Line, item_writer, read_line
from sluice.lake import keys, lines
from sluice.query.athena import Workgroup
from sluice.stack import Stack
from tests.declaring import WORKED, items_of
from tests.sluice.backfill.exports import data_file, export_objects

DELIVERY_SECONDS = 60
ITEMS = 24
SHOP = str(WORKED / "shop.py")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    options = Options(buffer_seconds=1, settings=("format=parquet",))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, SHOP)
        with running(options, tmp_path_factory.mktemp("kinds"), print) as running_session:
            yield running_session


@pytest.fixture
def stack(session: Session, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setenv(VARIABLE, SHOP)
    for name, value in session.environment.items():
        monkeypatch.setenv(name, value)
    return Stack.named(STACK_NAME)


@pytest.fixture
def items(stack: Stack) -> list[Any]:
    """The items of the table, of every kind in turn, once their changes are in the lake."""
    items = items_of(stack.table, ITEMS)
    put(stack, items)
    wait_for(stack, ITEMS)
    return items


def put(stack: Stack, items: list[Any]) -> None:
    client = boto3.client("dynamodb")
    for item in items:
        client.put_item(TableName=stack.output("TableName"), Item=item)


def wait_for(stack: Stack, count: int) -> list[Line]:
    """The lines of the lake, once there are so many of different events."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        stored = [
            read_line(line) for key, _ in keys(stack, DATA_PREFIX) for line in lines(stack, key)
        ]
        if len({line["eventId"] for line in stored}) >= count:
            return stored
        assert time.monotonic() < deadline, f"{len(stored)} of {count} lines were delivered"
        time.sleep(0.2)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sluice, ["--stack-name", STACK_NAME, *arguments])


def write_export(stack: Stack, items: list[Any]) -> str:
    """An export of the table, as DynamoDB writes it; answers its place."""
    table = boto3.client("dynamodb").describe_table(TableName=stack.output("TableName"))["Table"]
    body = data_file(msgspec.to_builtins(items))
    objects = export_objects(
        {"one.json.gz": body},
        {"one.json.gz": len(items)},
        prefix="exports/",
        tableArn=table["TableArn"],
        tableId=table["TableId"],
        exportTime=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )
    for key, content in objects.items():
        stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=content)
    return f"s3://{stack.bucket}/exports/"


def test_table_and_export_of_every_kind_come_into_the_lake_as_they_are(
    stack: Stack, items: list[Any], tmp_path: Path
) -> None:
    uri = write_export(stack, items)
    for name, options in (("table", []), ("export", ["--from-export", uri])):
        result = run("backfill", "--json", "--checkpoint", str(tmp_path / name), *options)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["items"] == ITEMS
    stored = wait_for(stack, 3 * ITEMS)
    by_event = {line["eventId"]: line for line in stored}.values()
    kinds = Counter((line["changeType"], line["kind"]) for line in by_event)
    assert kinds == {
        (change_type, kind): count * ITEMS // 4
        for change_type, count in (("INSERT", 1), ("SNAPSHOT", 2))
        for kind in ("customer", "order", "item", "other")
    }
    table = stack.table
    write, wanted = item_writer(table), {texts_of(table, item): item for item in items}
    for line in by_event:
        item, original = write(line), dict(wanted[texts_of(table, write(line))])
        for protected in table.protect.keys() & original.keys():
            assert len(item.pop(protected)["S"]) == 64
            del original[protected]
        assert item == original
    verified = run("verify", "--in-flight-seconds", "5")
    assert verified.exit_code == 0, verified.output

    moment = datetime.now(UTC) + timedelta(minutes=1)
    assert former_sequences(Workgroup(stack), table, moment) == {
        texts_of(table, write(line)): line["changeSequence"]
        for line in by_event
        if line["changeType"] == "INSERT"
    }


def test_quarantine_holds_what_is_protected_and_its_reason_does_not(
    stack: Stack, items: list[Any]
) -> None:
    secret = uuid.uuid4().hex
    customer = next(item for item in items if stack.table.kind_of(item) == "customer")
    put(stack, [{**customer, "pk": {"S": secret}, "email": {"S": secret}, "name": {"N": "7"}}])
    deadline = time.monotonic() + DELIVERY_SECONDS
    while not list(keys(stack, ERROR_PREFIX)):
        assert time.monotonic() < deadline, "the record did not come into quarantine"
        time.sleep(0.2)
    listed = run("failed")
    assert listed.exit_code == 0, listed.output
    assert "name is not of the type that the schema declares" in listed.stdout
    assert secret not in listed.stdout
    assert listed.stdout != run("failed", "--payload").stdout
    assert run("failed", "--payload").stdout.count(secret) >= 2
    replayed = run("replay", "--json")
    assert replayed.exit_code == 0, replayed.output
    assert json.loads(replayed.stdout)["accepted"] == 1
