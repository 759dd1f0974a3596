"""A stack that follows a table it does not own, deployed and run on this machine."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from chalicelib.partitions import DATA_PREFIX
from local.cdk import ROOT, cdk
from local.emulator import client_environment
from local.processes import LOOPBACK, Process, free_port, listening
from sluice.api import Api
from sluice.lake import lines, objects
from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

STACK_NAME = "Sluice-attached"
DELIVERY_SECONDS = 30


@pytest.fixture
def existing_table(
    dynamodb: "DynamoDBClient", make_table: Callable[..., str]
) -> "TableDescriptionTypeDef":
    """Somebody's table with a stream, from before the stack."""
    return dynamodb.describe_table(TableName=make_table("id", stream=True))["Table"]


@pytest.fixture
def run_cdk(
    emulator: str, existing_table: "TableDescriptionTypeDef", tmp_path: Path
) -> Callable[..., None]:
    """Runs the CDK for a stack that follows the table."""
    context = {
        "target": "local",
        "stage": "attached",
        "table_name": existing_table["TableName"],
        "table_stream_arn": existing_table["LatestStreamArn"],
        "api": "on",
    }
    settings = [part for item in context.items() for part in ("-c", "=".join(item))]
    output = ["--output", str(tmp_path / "cdk.out")]

    def run(*arguments: str) -> None:
        cdk([*arguments, *settings, *output], client_environment(emulator), tmp_path / "cdk.log")

    return run


@pytest.fixture
def start(emulator: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a part of the local run and waits until it is ready."""
    started: list[Process] = []

    def run(part: str, ready: Callable[[], bool], *arguments: str) -> Process:
        process = Process(
            part,
            [sys.executable, "-m", f"local.{part}", "--endpoint-url", emulator, *arguments],
            tmp_path / f"{part}.log",
            client_environment(emulator, PYTHONPATH=str(ROOT)),
        )
        started.append(process)
        process.wait_until(ready, 60)
        return process

    yield run
    for process in reversed(started):
        process.stop()


def delivered(stack: Stack, count: int) -> list[dict[str, Any]]:
    """The lines of the lake by id, once there are this many."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while True:
        found = [
            json.loads(line)
            for stored in objects(stack, DATA_PREFIX)
            for line in lines(stack, stored.key)
        ]
        if len(found) >= count:
            return sorted(found, key=lambda line: str(line["id"]))
        assert time.monotonic() < deadline, f"{len(found)} of {count} changes delivered"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_table_the_stack_does_not_own_is_followed_and_outlives_the_stack(
    emulator: str,
    dynamodb: "DynamoDBClient",
    existing_table: "TableDescriptionTypeDef",
    run_cdk: Callable[..., None],
    start: Callable[..., Process],
    aws_environment: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in client_environment(emulator).items():
        aws_environment.setenv(name, value)
    table_name = existing_table["TableName"]
    item = {"id": {"S": "a"}, "siteId": {"S": "2"}, "createdAtTime": {"N": "1700076551926"}}
    dynamodb.put_item(TableName=table_name, Item=item)
    run_cdk("bootstrap", "aws://000000000000/us-east-1")
    run_cdk("deploy", "--require-approval", "never")

    stack = Stack.named(STACK_NAME)
    assert stack.output("TableName") == table_name
    port, status = free_port(), tmp_path / "pipe/status.json"
    stream = ("--stream", stack.output("StreamName"))
    start(
        "firehose", lambda: listening(port), "--port", str(port), "--buffer-seconds", "0", *stream
    )
    firehose = ("--firehose-url", f"http://{LOOPBACK}:{port}")
    state = ("--stack-name", STACK_NAME, "--state-dir", str(status.parent))
    start("pipe", status.exists, *firehose, *state)

    dynamodb.put_item(TableName=table_name, Item={**item, "id": {"S": "b"}})
    through_api = {"id": "c", "siteId": "2", "createdAtTime": 1700076551926}
    assert Api(stack.api_url).request("POST", "/records", through_api) == (201, through_api)
    assert [(line["id"], line["changeType"]) for line in delivered(stack, 3)] == [
        ("a", "INSERT"),
        ("b", "INSERT"),
        ("c", "INSERT"),
    ]

    dynamodb.update_table(TableName=table_name, StreamSpecification={"StreamEnabled": False})
    boto3.resource("s3").Bucket(stack.bucket).object_versions.delete()
    run_cdk("destroy", "--force")
    assert dynamodb.scan(TableName=table_name)["Count"] == 3
