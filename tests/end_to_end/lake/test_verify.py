"""Table and lake compared through the deployed stack, whole and with something taken away."""

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from chalicelib.partitions import DATA_PREFIX
from sluice.items import read_line
from sluice.lake import keys, lines
from sluice.verify.deployed import delivery_seconds
from tests.end_to_end.lake.conftest import Deployed, change, wait_until_delivered
from tests.end_to_end.lake.history import FIRST_MINUTE_MS
from tests.fakes import lake_line


def verified(deployed: Deployed, exit_code: int, *arguments: str) -> dict[str, Any]:
    result = deployed.run("verify", "--in-flight-seconds", "0", "--json", *arguments)
    assert result.exit_code == exit_code, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@contextmanager
def without_lines(deployed: Deployed, key: str, change: str = "") -> Iterator[int]:
    """The lake without a record's last line, or with none of it, until the end."""
    s3, bucket = deployed.stack.s3, deployed.stack.bucket
    places = [
        (place, line)
        for place, _ in keys(deployed.stack, DATA_PREFIX)
        for line in lines(deployed.stack, place)
        if read_line(line)["id"] == key
    ]
    last = max(read_line(line)["changeSequence"] for _, line in places)
    taken = [
        (place, line)
        for place, line in places
        if change == "all" or read_line(line)["changeSequence"] == last
    ]
    former = {place: lines(deployed.stack, place) for place, _ in taken}
    try:
        for place, before in former.items():
            left = [line for line in before if (place, line) not in taken]
            _write(s3, bucket, place, left)
        yield len(places) - len(taken)
    finally:
        for place, before in former.items():
            _write(s3, bucket, place, before)


def _write(s3: Any, bucket: str, key: str, content: list[bytes]) -> None:
    body = gzip.compress(b"".join(line + b"\n" for line in content))
    s3.put_object(Bucket=bucket, Key=key, Body=body)


def a_key(deployed: Deployed, last: str, versions: int) -> str:
    return next(
        key
        for key, found in sorted(deployed.history.versions.items())
        if found[-1][0] == last and len(found) >= versions
    )


def test_a_lake_with_deletes_duplicates_and_moves_has_the_tables_state(
    deployed: Deployed,
) -> None:
    found = verified(deployed, 0)
    state = deployed.history.state
    assert found["inTable"] == found["inLake"] == len(state)
    assert found["drifted"] == 0
    assert {group["group"]: group["inTable"] for group in found["groups"]} == {
        site: sum(record["siteId"] == site for record in state.values())
        for site in {record["siteId"] for record in state.values()}
    }
    result = deployed.run("verify", "--in-flight-seconds", "0")
    assert f"The lake has the table's state: {len(state)} records" in result.stdout


def test_a_lost_change_is_named_as_stale(deployed: Deployed) -> None:
    key = a_key(deployed, "MODIFY", 2)
    with without_lines(deployed, key) as left:
        found = verified(deployed, 1)
    assert [(each["kind"], each["key"]) for each in found["keys"]] == [("stale", [key])]
    assert found["keys"][0]["versions"] <= left
    assert any("docs/queries.md" in remedy for remedy in found["remedies"])


def test_a_lost_record_is_named_as_missing_and_backfill_is_its_remedy(deployed: Deployed) -> None:
    key = a_key(deployed, "INSERT", 1)
    with without_lines(deployed, key, "all"):
        found = verified(deployed, 1)
        result = deployed.run("verify", "--in-flight-seconds", "0")
    assert [(each["kind"], each["key"]) for each in found["keys"]] == [("missing", [key])]
    assert found["remedies"] == ["sluice backfill: the lake has no version of some records"]
    assert f"missing: {key} of siteId" in result.stdout
    assert "1 key drifted" in result.stdout


def test_a_lost_delete_is_named_as_surplus(deployed: Deployed) -> None:
    key = a_key(deployed, "REMOVE", 2)
    with without_lines(deployed, key):
        found = verified(deployed, 1)
    assert [(each["kind"], each["key"]) for each in found["keys"]] == [("surplus", [key])]


def test_no_more_keys_are_named_than_the_limit_but_all_are_counted(deployed: Deployed) -> None:
    with (
        without_lines(deployed, a_key(deployed, "MODIFY", 2)),
        without_lines(deployed, a_key(deployed, "REMOVE", 2)),
    ):
        found = verified(deployed, 1, "--limit", "1")
    assert (found["drifted"], len(found["keys"])) == (2, 1)


def test_changes_on_their_way_are_not_drift(deployed: Deployed) -> None:
    table, dynamodb = deployed.stack.output("TableName"), boto3.client("dynamodb")
    record: dict[str, Any] = {"id": "on-its-way", "siteId": "1", "createdAtTime": FIRST_MINUTE_MS}
    change(dynamodb, table, deployed.history, record["id"], record)
    result = deployed.run("verify", "--in-flight-seconds", "8", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["inFlight"], found["drifted"]) == (1, 0)
    assert "1 key differs" in result.stderr
    change(dynamodb, table, deployed.history, record["id"], None)
    wait_until_delivered(deployed.stack, deployed.history.count)


def test_by_default_it_waits_as_long_as_a_delivery_may_take_and_can_be_stopped(
    deployed: Deployed,
) -> None:
    seconds = delivery_seconds(deployed.stack)
    assert seconds > 60
    command = [sys.executable, "-m", "sluice", "--stack-name", deployed.stack.name, "verify"]
    with (
        without_lines(deployed, a_key(deployed, "MODIFY", 2)),
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stderr
        assert f"1 key differs; looking again in {seconds:.0f} s" in process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert rest.endswith("interrupted\n")
    assert "Traceback" not in rest
    assert process.returncode == 130


def test_an_error_object_is_offered_for_replay(deployed: Deployed) -> None:
    s3, bucket = deployed.stack.s3, deployed.stack.bucket
    place = "errors/processing-failed/2026/01/02/object.gz"
    s3.put_object(Bucket=bucket, Key=place, Body=gzip.compress(b"{}\n"))
    try:
        with without_lines(deployed, a_key(deployed, "INSERT", 1), "all"):
            found = verified(deployed, 1)
    finally:
        s3.delete_object(Bucket=bucket, Key=place)
    assert found["remedies"][0] == "sluice replay: 1 error object in quarantine"


def test_an_object_with_a_line_of_another_lake_is_named_and_the_rest_compared(
    deployed: Deployed,
) -> None:
    s3, bucket = deployed.stack.s3, deployed.stack.bucket
    place = f"{DATA_PREFIX}siteId=1/foreign.gz"
    _write(s3, bucket, place, [b'{"a":1}'])
    try:
        found = verified(deployed, 1)
        query = deployed.run("query", "latest", "--json")
    finally:
        s3.delete_object(Bucket=bucket, Key=place)
    sentence = f"s3://{bucket}/{place} is damaged: line 1 is not a line of this lake"
    assert [problem.partition(" (")[0] for problem in found["problems"]] == [sentence]
    assert (found["inLake"], found["drifted"]) == (len(deployed.history.state), 0)
    assert sentence in query.stderr
    assert len(json.loads(query.stdout)) == len(deployed.history.state)


def test_an_object_with_a_value_that_is_not_as_declared_is_named(deployed: Deployed) -> None:
    s3, bucket = deployed.stack.s3, deployed.stack.bucket
    place = f"{DATA_PREFIX}siteId=1/foreign.gz"
    _write(s3, bucket, place, [lake_line(id="foreign", extra="not DynamoDB JSON")])
    try:
        (problem,) = verified(deployed, 1)["problems"]
    finally:
        s3.delete_object(Bucket=bucket, Key=place)
    assert "(id foreign)" in problem
    assert problem.endswith(f"see s3://{bucket}/{place}")
