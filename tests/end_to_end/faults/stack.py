"""The deployed stack with proxies between its parts, where faults are injected.

The pipe or the feed function reaches Firehose through one proxy. Pipe, mapping and Firehose reach
everything else, the stream, the functions, the dead-letter queue and S3, through another.
"""

import io
import itertools
import resource
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import boto3
import pytest
import urllib3

from chalicelib.partitions import firehose_prefix
from chalicelib.schema import TABLE
from local.cdk import ROOT
from local.emulator import CREDENTIALS, REGION
from local.processes import Process, captured
from local.session import Session
from local.stream.status import read_status
from local.supervisor import Patience, Supervisor
from sluice.recovery.quarantine import Selection
from sluice.recovery.replay import replay
from sluice.seed import TableWriter
from tests.end_to_end.deployment import Deployed
from tests.end_to_end.faults.accounting import Account, Accountant, sequence_number
from tests.end_to_end.faults.proxy import Proxy

SETTLE_SECONDS = 45.0
REPORT_SECONDS = 10.0
"""The time after which a user must have read of a fault."""
POLL_SECONDS = 0.05
BUFFER_SECONDS = 0.5
BACKOFF_SECONDS = 0.3

MISBEHAVING = Path(__file__).with_name("misbehaving.py")


def wait_until(done: Callable[[], bool], what: str) -> None:
    """Poll until it is done; fails in its own words when time runs out."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not done():
        assert time.monotonic() < deadline, f"after {SETTLE_SECONDS:.0f} s still not: {what}"
        time.sleep(POLL_SECONDS)


ACTIVE_PARTITIONS_AT_EASE = 300


class FaultyStack:
    """Runs feed and Firehose behind the proxies while it is `in_place`."""

    def __init__(self, deployed: Deployed, session: Session, aws: Proxy, firehose: Proxy) -> None:
        self.aws = aws
        self.firehose = firehose
        self.run = ""
        """The test's own: begins the id of each of its items."""
        self.rows: list[tuple[str, Account]] = []
        self.api = deployed.api
        self.bucket = deployed.stack.bucket
        self.name = deployed.stack.name
        self.table = deployed.stack.output("TableName")
        self.transform = deployed.stack.output("TransformName")
        self.feed = deployed.stack.feed
        self.feed_part = session.feed_part
        account = boto3.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"],
            CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )

        def client(service: Any) -> Any:
            return account.client(service, endpoint_url=session.endpoint_url)

        self.dynamodb = client("dynamodb")
        self.functions = client("lambda")
        self._streams = client("firehose")
        self.accountant = Accountant(
            deployed,
            dynamodb=self.dynamodb,
            streams=client("dynamodbstreams"),
            queues=client("sqs"),
            s3=client("s3"),
        )
        self._deployed = deployed
        self._session = session
        self._behind = replace(
            session,
            endpoint_url=aws.url,
            buffer_seconds=BUFFER_SECONDS,
            backoff_seconds=BACKOFF_SECONDS,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client of the stack."""
        return self._session.environment

    @contextmanager
    def in_place(self) -> Iterator["FaultyStack"]:
        """Feed and Firehose are restarted behind the proxies, and at the end as they were."""
        self.restart()
        try:
            yield self
        finally:
            self._stop()
            self._session.start_firehose()
            self._session.start_feed()

    def restart(self) -> None:
        """Stop feed and Firehose, and start them anew behind the proxies."""
        self._stop()
        self.start_firehose()
        self.start_feed()

    def _stop(self) -> None:
        for name in ("feed", "firehose"):
            self.process(name).stop()

    def process(self, name: str) -> Process:
        """The running feed or Firehose."""
        return self._session.processes[self.feed_part if name == "feed" else name]

    def start_feed(self) -> None:
        """Start the feed, from its checkpoint."""
        replace(self._behind, firehose_port=self.firehose.port).start_feed()

    def start_firehose(self, buffer_seconds: float = BUFFER_SECONDS) -> None:
        """Start Firehose, with what its journal holds."""
        replace(self._behind, buffer_seconds=buffer_seconds).start_firehose()

    def mend(self) -> None:
        """What a test killed runs again, and nothing is on its way any more."""
        if not self.process("firehose").running():
            self.start_firehose()
        if not self.process("feed").running():
            self.start_feed()
        self.settle()
        self.accountant.given_up(self.run)

    @contextmanager
    def buffering(self, seconds: float) -> Iterator[None]:
        """Firehose with another buffer interval."""
        self.process("firehose").stop()
        self.start_firehose(seconds)
        try:
            yield
        finally:
            self.process("firehose").stop()
            self.start_firehose()

    @contextmanager
    def by_a_clock(self) -> Iterator[Callable[[int], None]]:
        """Feed and Firehose go by a clock; yields what sets it off by so many seconds."""
        file, right = self._session.folder / "clock", self._behind

        def set_clock(seconds: int) -> None:
            draft = file.with_suffix(".new")
            draft.write_text(str(seconds))
            draft.replace(file)

        set_clock(0)
        launcher = (sys.executable, "-m", "tests.end_to_end.faults.set_clock", str(file))
        self._behind = replace(right, python=launcher)
        try:
            self.restart()
            yield set_clock
        finally:
            self._behind = right
            self.restart()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """No file of feed and Firehose can be written, until the context ends."""
        if not hasattr(resource, "prlimit"):
            pytest.skip("only Linux limits the files of a running process")
        pids = [self.process(name).pid for name in ("feed", "firehose")]
        limits = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
        try:
            for pid, (_, hard) in zip(pids, limits, strict=True):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
            yield
        finally:
            for pid, limit in zip(pids, limits, strict=True):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)

    def wait_for_report(self, text: str, patience: Patience | None = None) -> str:
        """Watch the parts as `make dev` does; return the report with a text, once it comes."""
        reports: list[tuple[float, str]] = []
        started = time.monotonic()
        supervisor = Supervisor(
            self._behind, lambda line: reports.append((time.monotonic(), line)), patience
        )

        def reported() -> bool:
            supervisor.look()
            return any(text in line for _, line in reports)

        wait_until(reported, f"a report: {text}")
        at, report = next(each for each in reports if text in each[1])
        assert at - started < REPORT_SECONDS
        return report

    @contextmanager
    def configured(self, function: str, **settings: Any) -> Iterator[None]:
        """A function with another configuration, through Lambda's API."""
        before = self.functions.get_function_configuration(FunctionName=function)
        self.functions.update_function_configuration(FunctionName=function, **settings)
        try:
            yield
        finally:
            restored = {"Layers": [], **before}
            self.functions.update_function_configuration(
                FunctionName=function, **{name: restored[name] for name in settings}
            )

    @contextmanager
    def laid_out(self, layout: Sequence[str]) -> Iterator[Callable[[], None]]:
        """The transform with another layout; its call gives the delivery stream that one too.

        CloudFormation updates them in this order, minutes apart.
        """
        environment = self.functions.get_function_configuration(FunctionName=self.transform)[
            "Environment"
        ]
        variables = {**environment["Variables"], "LAYOUT": "/".join(layout)}
        with self.configured(self.transform, Environment={"Variables": variables}):
            yield lambda: self._prefix(layout)
        self._prefix(TABLE.layout)

    def _prefix(self, layout: Sequence[str]) -> None:
        """Update the delivery stream, which the local Firehose reads when it starts."""
        name = self._deployed.stack.output("StreamName")
        described = self._streams.describe_delivery_stream(DeliveryStreamName=name)
        stream = described["DeliveryStreamDescription"]
        self._streams.update_destination(
            DeliveryStreamName=name,
            CurrentDeliveryStreamVersionId=stream["VersionId"],
            DestinationId=stream["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate={"Prefix": firehose_prefix(TABLE.with_layout(layout))},
        )
        self.process("firehose").stop()
        self.start_firehose()

    @contextmanager
    def load(self) -> Iterator[None]:
        """Records are written all the time."""
        over = Event()

        def write() -> None:
            for start in itertools.count(0, 20):
                if over.wait(0.1):
                    return
                records = [self.record(index) for index in range(start, start + 20)]
                self.api.request("POST", "/records/batch", records)

        with ThreadPoolExecutor(1) as threads:
            writing = threads.submit(write)
            try:
                yield
            finally:
                over.set()
            writing.result()

    def feed_retries(self) -> int:
        """How often the feed has tried something again."""
        status = read_status(self._session.folder / self.feed_part)
        return status.retries if status else 0

    def redrive(self) -> None:
        """Put all that the feed gave up into Firehose, with the command that people have."""
        status, output, errors = captured(
            [sys.executable, "-m", "sluice", "redrive"], self.environment, ROOT
        )
        assert status == 0, output + errors
        self.settle()

    def replay(self) -> None:
        """Put all that is in quarantine through Firehose again."""
        for _ in replay(self._deployed.stack, Selection()):
            pass
        self.settle()

    def api_function(self) -> dict[str, Any]:
        """The configuration of the function behind the API."""
        return next(
            function
            for page in self.functions.get_paginator("list_functions").paginate()
            for function in page["Functions"]
            if "TABLE_NAME" in function.get("Environment", {}).get("Variables", {})
        )

    @contextmanager
    def transforming(self, handler: str, **settings: Any) -> Iterator[None]:
        """The transform behind a handler of `misbehaving`."""
        with self._misbehaving(self.transform, handler, **settings):
            yield

    @contextmanager
    def feeding(self, handler: str) -> Iterator[None]:
        """The feed function behind a handler of `misbehaving`."""
        with self._misbehaving(self._deployed.stack.output("FeedName"), handler):
            yield

    @contextmanager
    def _misbehaving(self, function: str, handler: str, **settings: Any) -> Iterator[None]:
        layer = io.BytesIO()
        with zipfile.ZipFile(layer, "w") as archive:
            archive.write(MISBEHAVING, "python/misbehaving.py")
        version = self.functions.publish_layer_version(
            LayerName="misbehaving", Content={"ZipFile": layer.getvalue()}
        )
        with self.configured(
            function,
            Layers=[version["LayerVersionArn"]],
            Handler=f"misbehaving.{handler}",
            **settings,
        ):
            yield
        self.functions.delete_layer_version(
            LayerName="misbehaving", VersionNumber=version["Version"]
        )

    @contextmanager
    def giving_up_at_once(self) -> Iterator[None]:
        """The mapping of the feed function without retries; the pipe has its own, which are few."""
        if self.feed == "pipe":
            yield
            return
        uuid = self._deployed.stack.output("FeedMapping")
        before = self.functions.get_event_source_mapping(UUID=uuid)["MaximumRetryAttempts"]

        def retry(times: int) -> None:
            self.functions.update_event_source_mapping(UUID=uuid, MaximumRetryAttempts=times)
            self.process("feed").stop()
            self.start_feed()

        retry(0)
        try:
            yield
        finally:
            retry(before)

    def record(self, index: int, **fields: Any) -> dict[str, Any]:
        """A record of this test."""
        return {
            "id": f"{self.run}-{index}",
            "siteId": f"faults-{index % 3}",
            "createdAtTime": 1700076551926,
            "valueOne": index,
            **fields,
        }

    def write(self, count: int = 30) -> None:
        """Put records through the API, change a few and delete two."""
        records = [self.record(index) for index in range(count)]
        self.api.request("POST", "/records/batch", records)
        changed = [{**record, "name": "changed"} for record in records[:8]]
        self.api.request("POST", "/records/batch", changed)
        for record in records[:2]:
            self.api.request("DELETE", f"/records/{record['id']}")

    def write_many(self, indexes: range) -> None:
        """Put many items into the table, past the API, which takes fewer a second."""
        records = [self.record(index) for index in indexes]
        TableWriter(TABLE, self.dynamodb, self.table).put(records)

    def remove(self, records: list[dict[str, Any]]) -> None:
        """Delete records from the table and let it arrive, by no more partitions than may be."""
        for start in range(0, len(records), ACTIVE_PARTITIONS_AT_EASE):
            for first in range(start, min(start + ACTIVE_PARTITIONS_AT_EASE, len(records)), 25):
                last = min(first + 25, start + ACTIVE_PARTITIONS_AT_EASE)
                keys = [{"id": {"S": record["id"]}} for record in records[first:last]]
                self.dynamodb.batch_write_item(
                    RequestItems={self.table: [{"DeleteRequest": {"Key": key}} for key in keys]}
                )
            self.settle()

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Wait until Firehose's log says something so many times."""
        log = self.process("firehose").log
        wait_until(
            lambda: log.read_text().count(text) >= times, f"{times} times in the log: {text}"
        )

    def settle(self) -> None:
        """Wait until feed and Firehose say that nothing is on its way any more."""
        wait_until(self._settled, "the feed at the stream's end, Firehose without a record")

    def _settled(self) -> bool:
        changes = self.accountant.changes()
        status = read_status(self._session.folder / self.feed_part)
        if status is None or not status.shards:
            return False
        last = sequence_number(changes[-1]) if changes else 0
        if any(int(shard.sequence_number or 0) < last for shard in status.shards.values()):
            return False
        return self._nothing_is_buffered()

    def nothing_is_under_way(self) -> bool:
        """Whether the pipe is stopped and has nothing in hand, and Firehose has no record."""
        status = read_status(self._session.folder / self.feed_part)
        is_idle = status is not None and status.stopped and status.in_hand == 0
        return is_idle and self._nothing_is_buffered()

    def _nothing_is_buffered(self) -> bool:
        answer = urllib3.request("GET", f"{self._session.firehose_url}/status", retries=False)
        return all(stream["buffered"] == 0 for stream in answer.json()["streams"].values())

    def account(self, fault: str) -> Account:
        """The account once all has settled, as a row of the table that is printed at the end.

        Nothing may be lost; what is delivered shows each item's latest state, each in its site's
        own partition.
        """
        self.settle()
        account = self.accountant.account(self.run)
        self.rows.append((fault, account))
        assert account.changes > 0, "nothing entered the table"
        assert account.lost == 0, account
        self.accountant.check_latest_state(self.run)
        for key, line in self.accountant.lines(self.run):
            assert f"/siteId={line['siteId']}/" in key, key
        return account
