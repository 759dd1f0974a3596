"""What failed comes back: quarantined, fixed, replayed; given up by the pipe, redriven."""

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from sluice.cli import sluice
from tests.end_to_end.deployment import Deployed
from tests.fakes import error_line

Run = Callable[..., Any]


@pytest.fixture
def run(deployed_stack: Deployed) -> Run:
    """Runs a `sluice` command; answers the JSON it prints."""

    def invoke(*arguments: str) -> Any:
        command = ["--stack-name", deployed_stack.stack.name, *arguments, "--json"]
        result = CliRunner().invoke(sluice, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return invoke


@contextmanager
def broken_transform(deployed: Deployed) -> Iterator[None]:
    """The transform with partition keys too few for the stream's prefix, until the end."""
    functions = boto3.client("lambda")
    name = deployed.stack.output("TransformName")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def configure(variables: dict[str, str]) -> None:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1}
        )

    try:
        configure({**variables, "LAYOUT": "siteId"})
        yield
    finally:
        configure(variables)


def test_a_thousand_records_quarantined_come_back_once_their_cause_is_fixed(
    deployed_stack: Deployed, run: Run
) -> None:
    started = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    name = uuid.uuid4().hex
    records = [{"id": f"{name}-{n}", "siteId": f"s{n % 20}", "valueOne": n} for n in range(1000)]
    with broken_transform(deployed_stack):
        for start in (0, 500):
            deployed_stack.api.request("POST", "/records/batch", records[start : start + 500])
        deadline = time.monotonic() + deployed_stack.wait_seconds
        failed: dict[str, int] = {}
        while sum(failed.values()) < 1000:
            assert time.monotonic() < deadline, f"quarantined: {failed}"
            failed = run("failed", "--since", started)["byErrorCode"]
    assert sum(failed.values()) == 1000
    assert not deployed_stack.changes(lambda line: line["id"].startswith(name))

    first = run("replay", "--since", started)
    assert (first["accepted"], first["obstacles"]) == (1000, {})
    found = deployed_stack.wait_for(1000, lambda line: line["id"].startswith(name))
    assert sorted(line["valueOne"] for _, line in found) == list(range(1000))

    assert run("failed", "--since", started)["byErrorCode"] == {}
    assert run("replay", "--since", started)["accepted"] == 0
    assert len(deployed_stack.changes(lambda line: line["id"].startswith(name))) == 1000


def test_a_finished_line_in_quarantine_comes_back_to_its_partition_as_it_was(
    deployed_stack: Deployed, run: Run
) -> None:
    name = uuid.uuid4().hex
    deployed_stack.api.request("POST", "/records", {"id": name, "siteId": "7", "valueOne": 1})
    ((key, line),) = deployed_stack.wait_for(1, lambda line: line["id"] == name)
    (raw,) = [each for each in deployed_stack.raw(key).splitlines() if name.encode() in each]
    code = f"DataFormatConversion.{name}"
    deployed_stack.stack.s3.put_object(
        Bucket=deployed_stack.stack.bucket,
        Key=f"errors/format-conversion-failed/2026/01/01/{name}.gz",
        Body=gzip.compress(error_line(raw, code)),
    )
    assert run("replay", "--error-code", code)["accepted"] == 1
    found = deployed_stack.wait_for(2, lambda line: line["id"] == name)
    assert [each for _, each in found] == [line, line]
    assert {each.rpartition("/")[0] for each, _ in found} == {key.rpartition("/")[0]}


def sequence_number(stream_arn: str, shard_id: str, record_id: str) -> str:
    """The place of a record's first change in the stream."""
    streams = boto3.client("dynamodbstreams")
    iterator = streams.get_shard_iterator(
        StreamArn=stream_arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    while records := (answer := streams.get_records(ShardIterator=iterator))["Records"]:
        for record in records:
            if record["dynamodb"]["Keys"]["id"]["S"] == record_id:
                return record["dynamodb"]["SequenceNumber"]
        iterator = answer["NextShardIterator"]
    raise AssertionError(f"the stream has no change of {record_id}")


def test_changes_that_the_pipe_gave_up_come_back(deployed_stack: Deployed, run: Run) -> None:
    if deployed_stack.local is None:
        pytest.skip("AWS runs its own pipe, and Firehose refuses it nothing on demand")
    if deployed_stack.stack.feed != "pipe":
        pytest.skip("the feed function has failure objects, which the faults redrive")
    name = uuid.uuid4().hex
    deployed_stack.api.request("POST", "/records", {"id": name, "siteId": "7", "valueOne": 1})
    deployed_stack.wait_for(1, lambda line: line["id"] == name)
    table = boto3.client("dynamodb").describe_table(
        TableName=deployed_stack.stack.output("TableName")
    )["Table"]
    shard = "shardId-00000000000000000000-00000000"
    number = sequence_number(table["LatestStreamArn"], shard, name)
    pointer = {
        "shardId": shard,
        "startSequenceNumber": number,
        "endSequenceNumber": number,
        "batchSize": 1,
        "streamArn": table["LatestStreamArn"],
    }
    boto3.client("sqs").send_message(
        QueueUrl=deployed_stack.stack.output("DeadLetterQueueUrl"),
        MessageBody=json.dumps({"DDBStreamBatchInfo": pointer}),
    )
    assert run("redrive")["accepted"] == 1
    one, again = deployed_stack.wait_for(2, lambda line: line["id"] == name)
    assert one[1] == again[1]


def test_status_tells_of_every_part(deployed_stack: Deployed, run: Run) -> None:
    findings = {each["part"]: each for each in run("status")["findings"]}
    if deployed_stack.stack.feed == "pipe":
        assert findings["pipe"]["facts"]["state"] == "RUNNING"
        assert findings["dead letters"]["facts"]["depth"] >= 0
    else:
        assert findings["feed"]["facts"]["state"] in ("Enabled", "Disabled")
        assert not findings["feed"]["needsPerson"]
    assert findings["delivery stream"]["facts"]["state"] == "ACTIVE"
    assert {"delivery", "errors", "alarms"} <= findings.keys()
    assert not [each for each in findings.values() if each["summary"].startswith("unknown")]
