"""Gathers the snapshot once a second, for all who watch.

What does not answer keeps its last value, and is told.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import msgspec
import urllib3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from msgspec.structs import replace

from chalicelib.schema import KEY
from local.page.changes import Changes
from local.page.commands import CommandError, Sluice
from local.page.feed import Feed
from local.page.lake import Bucket
from local.page.snapshot import (
    Change,
    Counts,
    Firehose,
    History,
    Journey,
    Lake,
    Pipe,
    Quarantine,
    Snapshot,
    Table,
)
from local.pipe.status import read_status
from sluice.errors import StreamGoneError, UnavailableError
from sluice.stack import Stack
from sluice.stream import Stream

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_sqs import SQSClient

GATHER_SECONDS = 1.0
LISTING_SECONDS = 5.0
"""The bucket is listed when Firehose wrote an object, and this often anyway."""

CATALOG_SECONDS = 30.0
PIPE_SILENCE_SECONDS = 10.0
JOURNEYS_MAX = 3

_UNANSWERED = (BotoCoreError, ClientError, urllib3.exceptions.HTTPError, msgspec.MsgspecError)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where each part of the snapshot is read."""

    changes: Changes
    bucket: Bucket
    queue: "SQSClient"
    queue_url: str
    catalog: "GlueClient"
    database: str
    firehose_url: str
    stream_name: str
    pipe_state: Path

    @classmethod
    def of(cls, stack: Stack, firehose_url: str, pipe_state: Path) -> "Sources":
        """The parts of a deployed stack. Raises OperationError."""
        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
        session = boto3.Session()
        source_arn = msgspec.json.decode(stack.output("PipeDefinition"))["Source"]
        return cls(
            Changes(Stream(session.client("dynamodbstreams", config=config), source_arn)),
            Bucket(session.client("s3", config=config), stack.bucket),
            session.client("sqs", config=config),
            stack.output("DeadLetterQueueUrl"),
            session.client("glue", config=config),
            stack.output("DatabaseName"),
            firehose_url,
            stack.output("StreamName"),
            pipe_state,
        )


class Collector:
    """Gathers, and publishes to the feed."""

    def __init__(self, sources: Sources, sluice: Sluice, feed: Feed) -> None:
        self.history = History()
        self._sources = sources
        self._sluice = sluice
        self._feed = feed
        self._snapshot = Snapshot()
        self._problems: list[str] = []
        self._http = urllib3.PoolManager(retries=False, timeout=2.0)
        self._listed_at = float("-inf")
        self._listed_objects = -1
        self._catalog_at = float("-inf")
        self._error_keys: frozenset[str] = frozenset()
        self._quarantine = Quarantine()
        self._quarantine_keys: frozenset[str] | None = frozenset()
        self._quarantine_problem = ""
        self._posted: deque[Journey] = deque()
        self._journeys: deque[Journey] = deque(maxlen=JOURNEYS_MAX)

    def follow(self, record_id: str, partition: str) -> None:
        """Watch a record that was posted just now on its way to a partition."""
        self._posted.append(Journey(record_id, partition, time.time()))

    def look_again(self) -> None:
        """List the bucket and read its quarantine anew: something was moved there."""
        self._listed_at = float("-inf")
        self._quarantine_keys = None

    async def run(self) -> None:
        """Gather for ever. Nothing that does not answer ends it."""
        async with asyncio.TaskGroup() as tasks:
            reading: asyncio.Task[None] | None = None
            while True:
                started = time.monotonic()
                self._snapshot = await asyncio.to_thread(self.gather)
                self._feed.publish(self._snapshot, self.history)
                unread = self._error_keys != self._quarantine_keys
                if unread and (reading is None or reading.done()):
                    reading = tasks.create_task(self._read_quarantine())
                await asyncio.sleep(max(0.0, started + GATHER_SECONDS - time.monotonic()))

    def gather(self) -> Snapshot:
        """The pipeline as of now. One thread at a time may gather."""
        last, self._problems = self._snapshot, []
        pipe = self._ask("The pipe's status", self._pipe, last.pipe)
        firehose = self._ask("The local Firehose", self._firehose, last.firehose)
        same_table: tuple[Table, Sequence[Change]] = (last.table, ())
        table, changes = self._ask("The table's stream", self._sources.changes.read, same_table)
        same_lake: tuple[Lake, Sequence[bytes]] = (last.lake, ())
        lake, lines = self._ask("The bucket", lambda: self._lake(firehose), same_lake)
        dead_letters = self._ask("The dead-letter queue", self._dead_letters, last.dead_letters)
        catalog = self._ask("The catalog", self._catalog, last.catalog)
        if self._quarantine_problem:
            self._problems.append(self._quarantine_problem)
        now = time.time()
        self._travel(now, changes, lines)
        self.history.add(
            Counts(
                now,
                table.changes,
                pipe.delivered,
                firehose.transformed,
                firehose.delivered,
                firehose.quarantined,
                pipe.dead_lettered,
            )
        )
        return Snapshot(
            now,
            table,
            pipe,
            firehose,
            lake,
            len(self._error_keys),
            self._quarantine,
            dead_letters,
            catalog,
            tuple(self._journeys),
            self.history.rates(),
            tuple(self._problems),
        )

    def _ask(self, name: str, read: Callable[[], T], last: T) -> T:
        try:
            return read()
        except (*_UNANSWERED, StreamGoneError, UnavailableError) as error:
            self._problems.append(f"{name} does not answer ({type(error).__name__}).")
            return last

    def _pipe(self) -> Pipe:
        status = read_status(self._sources.pipe_state)
        if status is None:
            self._problems.append("The local pipe has not started yet.")
            return Pipe()
        if not status.running or time.time() - status.updated_at > PIPE_SILENCE_SECONDS:
            self._problems.append("The local pipe has stopped; changes wait in the table's stream.")
        return Pipe(status.delivered, status.dead_lettered, status.in_hand)

    def _firehose(self) -> Firehose:
        answer = self._http.request("GET", f"{self._sources.firehose_url}/status")
        streams = msgspec.json.decode(answer.data, type=dict[str, dict[str, Firehose]])["streams"]
        return streams[self._sources.stream_name]

    def _lake(self, firehose: Firehose) -> tuple[Lake, Sequence[bytes]]:
        last = self._snapshot.lake
        written = firehose.objects + firehose.error_objects
        due = time.monotonic() - self._listed_at > LISTING_SECONDS
        if not due and not last.unread and written == self._listed_objects:
            return last, ()
        lake = self._sources.bucket.lake()
        self._error_keys = self._sources.bucket.error_keys()
        self._listed_at, self._listed_objects = time.monotonic(), written
        return lake

    def _dead_letters(self) -> int:
        answer = self._sources.queue.get_queue_attributes(
            QueueUrl=self._sources.queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _catalog(self) -> tuple[str, ...]:
        sources = self._sources
        if time.monotonic() - self._catalog_at < CATALOG_SECONDS:
            return self._snapshot.catalog
        tables = sources.catalog.get_tables(DatabaseName=sources.database)["TableList"]
        self._catalog_at = time.monotonic()
        return tuple(sorted(table["Name"] for table in tables))

    async def _read_quarantine(self) -> None:
        keys = self._quarantine_keys = self._error_keys
        self._quarantine_problem = ""
        try:
            answer = await self._sluice.run("failed", "--json", "--payload", "--limit", "100")
            self._quarantine = msgspec.convert(answer.document, Quarantine)
        except (CommandError, msgspec.ValidationError) as error:
            self._quarantine_problem = f"The quarantine cannot be read: {error}"
            if self._quarantine_keys == keys:
                self._quarantine_keys = None

    def _travel(self, now: float, changes: Iterable[Change], lines: Iterable[bytes]) -> None:
        """Note which of the followed records were seen in the stream and in the lake."""
        while self._posted:
            self._journeys.appendleft(self._posted.popleft())
        waiting = {journey.id for journey in self._journeys if journey.landed is None}
        if not waiting:
            return
        streamed = {change.id for change in changes} & waiting
        landed = {_id_of(line) for line in lines} & waiting
        for index, journey in enumerate(self._journeys):
            if journey.id in streamed and journey.streamed is None:
                journey = replace(journey, streamed=now)
            if journey.id in landed and journey.landed is None:
                journey = replace(journey, streamed=journey.streamed or now, landed=now)
            self._journeys[index] = journey


def _id_of(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line, type=dict[str, Any]).get(KEY)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
