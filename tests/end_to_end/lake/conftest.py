"""A stack of its own: its table and its lake must hold nothing that another suite left."""

import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner, Result

from chalicelib.attributes import attribute
from chalicelib.partitions import DATA_PREFIX
from local.session import STACK_NAME, Options, running
from sluice.cli import sluice
from sluice.lake import keys
from sluice.query.athena import Workgroup
from sluice.stack import Stack
from tests.end_to_end.lake.history import History, Record, next_change

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

CHANGES = int(os.environ.get("SLUICE_TEST_CHANGES", "600"))
"""How many changes the history has: `SLUICE_TEST_CHANGES=10000 pytest tests/end_to_end/lake`."""

DELIVERY_SECONDS = 60 + CHANGES / 50
DUPLICATED_EVERY = 10
"""Of the lake's objects, one in so many is written twice, as at-least-once delivery may."""


@dataclass
class Deployed:
    """The stack, its table's history, and the command to look into it."""

    stack: Stack
    history: History
    duplicated: list[str]
    """The keys of the objects that are there twice."""

    def run(self, *arguments: str) -> Result:
        """Run `sluice`."""
        return CliRunner().invoke(sluice, ["--stack-name", self.stack.name, *arguments])

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """What `sluice query` answers."""
        result = self.run("query", *arguments, "--json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert isinstance(found, list)
        return found


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployed, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("lake")
    with running(Options(buffer_seconds=1), folder, print) as session:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in session.environment.items():
                environment.setenv(name, value)
            stack = Stack.named(STACK_NAME)
            history = write(stack.output("TableName"))
            wait_until_delivered(stack, history.count)
            found = Deployed(stack, history, duplicate(stack))
        yield found, session.environment


@pytest.fixture
def deployed(written: tuple[Deployed, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Deployed:
    found, environment = written
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return found


def write(table: str) -> History:
    history, chance = History(), random.Random(20260102)  # noqa: S311 - the same in every run
    dynamodb = boto3.client("dynamodb")
    for _ in range(CHANGES):
        key, record = next_change(history, chance, keys=max(CHANGES // 4, 1))
        change(dynamodb, table, history, key, record)
    return history


def change(
    dynamodb: "DynamoDBClient", table: str, history: History, key: str, record: Record | None
) -> None:
    """Put the record, or delete what has its key, in the table and in its history."""
    if record is None:
        dynamodb.delete_item(TableName=table, Key={"id": {"S": key}})
        history.delete(key)
    else:
        item = {name: attribute(value) for name, value in record.items()}
        dynamodb.put_item(TableName=table, Item=item)
        history.put(record)


def wait_until_delivered(stack: Stack, count: int) -> None:
    workgroup = Workgroup(stack)
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        ((found,),) = workgroup.run("SELECT count(DISTINCT eventid) FROM all_changes").rows
        if found == count:
            return
        assert time.monotonic() < deadline, f"{found} of {count} changes delivered"
        time.sleep(0.5)


def duplicate(stack: Stack) -> list[str]:
    found = [key for key, _ in keys(stack, DATA_PREFIX)][::DUPLICATED_EVERY]
    for key in found:
        source: CopySourceTypeDef = {"Bucket": stack.bucket, "Key": key}
        again = key.removesuffix(".gz") + "-again.gz"
        stack.s3.copy_object(Bucket=stack.bucket, Key=again, CopySource=source)
    return found
