"""A stack of its own that writes Parquet, from the table to the files and the questions."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import duckdb
import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from chalicelib.partitions import DATA_PREFIX, ERROR_PREFIX
from local.session import STACK_NAME, Options, Session, running
from sluice.cli import sluice
from sluice.lake import keys, lines
from sluice.stack import Stack

DELIVERY_SECONDS = 60
HOSTILE_SITE = "a/b=%2F'"
ITEMS = [
    {
        "id": {"S": f"record {number}"},
        "siteId": {"S": site},
        "createdAtTime": {"N": "1700076551926"},
        "valueOne": {"N": str(value)},
        "undeclared": {"N": "1.1"},
    }
    for number, (site, value) in enumerate(
        [("2", 2**53 + 1), ("2", 2**63 - 1), (HOSTILE_SITE, -(2**63))]
    )
]
VALUES = {(item["siteId"]["S"], int(item["valueOne"]["N"])) for item in ITEMS}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    options = Options(buffer_seconds=1, settings=("format=parquet",))
    with running(options, tmp_path_factory.mktemp("parquet"), print) as running_session:
        yield running_session


@pytest.fixture
def stack(session: Session, monkeypatch: pytest.MonkeyPatch) -> Stack:
    for name, value in session.environment.items():
        monkeypatch.setenv(name, value)
    return Stack.named(STACK_NAME)


@pytest.fixture
def written(stack: Stack) -> list[str]:
    """The keys of the lake's objects, once every item of the table is in them."""
    table = boto3.client("dynamodb")
    for item in ITEMS:
        table.put_item(TableName=stack.output("TableName"), Item=item)
    deadline = time.monotonic() + DELIVERY_SECONDS
    while sum(len(lines(stack, key)) for key, _ in keys(stack, DATA_PREFIX)) < len(ITEMS):
        assert time.monotonic() < deadline, "the changes were not delivered in time"
        time.sleep(0.2)
    assert not list(keys(stack, ERROR_PREFIX))
    return [key for key, _ in keys(stack, DATA_PREFIX)]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sluice, ["--stack-name", STACK_NAME, *arguments])


def test_what_the_table_holds_comes_out_of_parquet_exact(
    stack: Stack, written: list[str], tmp_path: Path
) -> None:
    assert {key[key.rindex(".") :] for key in written} == {".parquet"}
    rows: list[dict[str, Any]] = []
    for number, key in enumerate(written):
        body = stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
        (tmp_path / f"{number}.parquet").write_bytes(body)
        rows += parquet.read_table(io.BytesIO(body)).to_pylist()
    assert {(row["siteid"], row["valueone"]) for row in rows} == VALUES
    assert {row["extra"] for row in rows} == {'{"undeclared":{"N":"1.1"}}'}
    with duckdb.connect() as database:
        read = database.execute(
            f"SELECT siteid, valueone, typeof(valueone) FROM read_parquet('{tmp_path}/*.parquet')"  # noqa: S608
        ).fetchall()
    assert set(read) == {(site, value, "BIGINT") for site, value in VALUES}

    result = run("query", "SELECT siteid, valueone FROM all_changes", "--csv")
    assert result.exit_code == 0, result.output
    assert str(2**53 + 1) in result.stdout
    assert HOSTILE_SITE in result.stdout
    verified = run("verify")
    assert verified.exit_code == 0, verified.output


def test_a_row_that_is_taken_out_of_parquet_is_named(stack: Stack, written: list[str]) -> None:
    place = written[0]
    before = stack.s3.get_object(Bucket=stack.bucket, Key=place)["Body"].read()
    rows = parquet.read_table(io.BytesIO(before))
    left = io.BytesIO()
    parquet.write_table(rows.slice(1), left)
    stack.s3.put_object(Bucket=stack.bucket, Key=place, Body=left.getvalue())
    try:
        result = run("verify", "--in-flight-seconds", "0")
    finally:
        stack.s3.put_object(Bucket=stack.bucket, Key=place, Body=before)
    assert result.exit_code == 1, result.output
    assert f"missing: {rows['id'][0]} of siteId {rows['siteid'][0]}" in result.stdout
    assert "1 key drifted" in result.stdout
