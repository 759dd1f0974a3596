"""The test stand: a function that misbehaves on demand, streams for it, a clock to move."""

import base64
import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
from botocore.config import Config

from local.clock import Clock

DEADLINE_SECONDS = 30
START_MS = 1_700_076_551_926
ROLE = "arn:aws:iam::000000000000:role/any"

# The function does what its records ask for: `function` is done for the whole invocation,
# `results` are what it returns for the record.
HANDLER = """
import base64, json, os, time

def handle(event, context):
    with open(os.environ["EVENTS"], "a+") as log:
        log.seek(0)
        earlier = [line for line in log if event["deliveryStreamArn"] in line]
        log.write(json.dumps(event) + "\\n")
    answers = []
    for record in event["records"]:
        asked = json.loads(base64.b64decode(record["data"]))
        function = asked.get("function")
        if function == "raise":
            raise RuntimeError("asked to")
        if function == "raise once" and not earlier:
            raise RuntimeError("asked to, once")
        if function == "time out":
            time.sleep(10)
        if function == "return text":
            return "text"
        if function == "return no records":
            return {}
        if function == "return 7 MB":
            return {"records": [], "more": "x" * 7_000_000}
        answers += [{"recordId": record["recordId"], **result} for result in asked["results"]]
    return {"records": answers}
"""


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def asks(*results: dict[str, Any], **more: Any) -> bytes:
    """A record that makes the function return these results for it."""
    return json.dumps({"results": results, **more}).encode()


def ok(text: str, **keys: Any) -> dict[str, Any]:
    """A result with data and partition keys."""
    return {"result": "Ok", "data": encode(text), "metadata": {"partitionKeys": keys}}


def poll(condition: Callable[[], Any]) -> Any:
    """The first true value of a condition; fails at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)
    return value


@cache
def client(service: Any, endpoint_url: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def status(url: str, stream: str) -> dict[str, Any]:
    """A stream's status, by the server's own page."""
    with urlopen(f"{url}/status") as response:  # noqa: S310 - the server under test
        found: dict[str, Any] = json.load(response)["streams"][stream]
    return found


def lambda_processor(function_arn: str, **parameters: str) -> dict[str, Any]:
    given = {"LambdaArn": function_arn, "NumberOfRetries": "1", **parameters}
    return {
        "Type": "Lambda",
        "Parameters": [
            {"ParameterName": name, "ParameterValue": value} for name, value in given.items()
        ],
    }


DEAGGREGATION = {
    "Type": "RecordDeAggregation",
    "Parameters": [{"ParameterName": "SubRecordType", "ParameterValue": "JSON"}],
}
"""The processor that takes records apart."""


def destination(bucket: str, processors: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """An ExtendedS3DestinationConfiguration such as the stack deploys."""
    return {
        "BucketARN": f"arn:aws:s3:::{bucket}",
        "RoleARN": ROLE,
        "BufferingHints": {"IntervalInSeconds": 60, "SizeInMBs": 128},
        "CompressionFormat": "GZIP",
        "Prefix": "data/site=!{partitionKeyFromLambda:site}/",
        "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd}/",
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "ProcessingConfiguration": {"Enabled": True, "Processors": processors},
        **changes,
    }


@dataclass
class Function:
    """The deployed function, and the events it was invoked with."""

    arn: str
    log: Path

    def events(self, stream: "Deployed") -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        events = [json.loads(line) for line in lines]
        return [event for event in events if event["deliveryStreamArn"] == stream.arn]


@dataclass
class Deployed:
    """A stream in the emulator, with a bucket of its own."""

    name: str
    bucket: str
    emulator: str

    @property
    def arn(self) -> str:
        return f"arn:aws:firehose:us-east-1:000000000000:deliverystream/{self.name}"

    def object_keys(self, prefix: str = "") -> list[str]:
        pages = client("s3", self.emulator).get_paginator("list_objects_v2")
        return [
            item["Key"]
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix)
            for item in page.get("Contents", [])
        ]

    def read(self, key: str) -> bytes:
        body = client("s3", self.emulator).get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return gzip.decompress(body) if key.endswith(".gz") else body

    def data(self) -> dict[str, str]:
        """What lies under each partition, all its objects together."""
        lake: dict[str, str] = {}
        for key in self.object_keys("data/"):
            partition = key.rpartition("/")[0] + "/"
            lake[partition] = lake.get(partition, "") + self.read(key).decode()
        return lake

    def errors(self) -> list[dict[str, Any]]:
        """The error documents."""
        return [
            json.loads(line)
            for key in self.object_keys("errors/")
            for line in self.read(key).decode().splitlines()
        ]


class SetClock(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self, epoch_ms: int = START_MS) -> None:
        self._epoch_ms = epoch_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        return self._epoch_ms

    def monotonic(self) -> float:
        return self._monotonic_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic_ms += round(seconds * 1000)
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """Set the clock forward, or back; no time passes."""
        self._epoch_ms += round(seconds * 1000)


@dataclass
class Running:
    """A server for one stream, its client, and its clock."""

    stream: Deployed
    url: str
    client: Any
    clock: SetClock

    def put(self, *records: bytes) -> list[str]:
        response = self.client.put_record_batch(
            DeliveryStreamName=self.stream.name, Records=[{"Data": record} for record in records]
        )
        assert response["FailedPutCount"] == 0
        return [entry["RecordId"] for entry in response["RequestResponses"]]

    def status(self) -> dict[str, Any]:
        return status(self.url, self.stream.name)

    def settle(self) -> None:
        """Let all intervals pass, until nothing is buffered."""

        def settled() -> bool:
            self.clock.advance(60)
            return bool(self.status()["buffered"] == 0)

        poll(settled)
