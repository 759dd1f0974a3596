"""Gathers the snapshot once a second, for all who watch.

A part that does not answer keeps its last value, and is reported; so does one whose answer the page
cannot read, for a mistake in the page must not end it.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from msgspec.structs import replace

from chalicelib.declaration import Table
from chalicelib.keys import texts_of
from chalicelib.partitions import FEED_FAILURES, FEED_KEPT
from local.page.broadcast import Broadcast
from local.page.changes import Changes
from local.page.lake import LakeReader
from local.page.snapshot import (
    FirehoseStatus,
    History,
    Journey,
    LakeState,
    Quarantine,
    Snapshot,
    StationCounts,
    TableChange,
    TableState,
)
from local.stream.status import Status, read_status
from sluice.errors import OperationError, explain
from sluice.items import item_writer, read_line
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.quarantine import Selection, read_quarantine, stored_below
from sluice.stack import Stack
from sluice.transform import deployed_settings, reason_reader

GATHER_SECONDS = 1.0
LISTING_SECONDS = 5.0
"""The bucket is listed when Firehose wrote an object, and this often anyway."""

CATALOG_SECONDS = 30.0
FEED_SILENCE_SECONDS = 10.0
JOURNEYS_MAX = 3
FAILURES_MAX = 12

_UNANSWERED = (
    BotoCoreError,
    ClientError,
    OperationError,
    msgspec.MsgspecError,
    urllib3.exceptions.HTTPError,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Collector:
    """Gathers, and broadcasts to all listeners."""

    def __init__(
        self, stack: Stack, table: Table, changes: Changes, feed_state: Path, broadcast: Broadcast
    ) -> None:
        """`feed_state` is the state directory of the local pipe or mapping."""
        self.history = History()
        self._stack = stack
        self._table = table
        self._item = item_writer(table)
        self._changes = changes
        self._lake_reader = LakeReader(stack)
        self._feed_state = feed_state
        self._broadcast = broadcast
        self._snapshot = Snapshot()
        self._problems: list[str] = []
        self._http = urllib3.PoolManager(retries=False, timeout=2.0)
        self._listed_at = float("-inf")
        self._listed_objects = -1
        self._catalog_at = float("-inf")
        self._error_keys: frozenset[str] = frozenset()
        self._kept: dict[str, float] = {}
        """The changes that the feed function put aside, by key, and when."""
        self._quarantine = Quarantine()
        self._quarantine_keys: frozenset[str] | None = frozenset()
        self._quarantine_problem = ""
        self._posted: deque[Journey] = deque()
        self._journeys: deque[Journey] = deque(maxlen=JOURNEYS_MAX)

    def follow(self, key: tuple[str, ...], partition: str) -> None:
        """Watch a record that was posted just now on its way to a partition."""
        self._posted.append(Journey(key, partition, time.time()))

    def look_again(self) -> None:
        """List the bucket and read its quarantine anew: something was moved there."""
        self._listed_at = float("-inf")
        self._quarantine_keys = None

    async def run(self) -> None:
        """Gather for ever. Nothing that does not answer ends it, nor a mistake in the page."""
        async with asyncio.TaskGroup() as tasks:
            reading: asyncio.Task[None] | None = None
            while True:
                started = time.monotonic()
                try:
                    self._snapshot = await asyncio.to_thread(self.gather)
                    self._broadcast.publish(self._snapshot, self.history)
                except Exception:
                    _log.exception("The page's numbers are not updated")
                unread = self._error_keys != self._quarantine_keys
                if unread and (reading is None or reading.done()):
                    reading = tasks.create_task(asyncio.to_thread(self._read_quarantine))
                await asyncio.sleep(max(0.0, started + GATHER_SECONDS - time.monotonic()))

    def gather(self) -> Snapshot:
        """Return the pipeline as of now. One thread at a time may gather."""
        last, self._problems = self._snapshot, []
        feed = self._ask(f"The status of the {self._feed_noun}", self._feed, last.feed)
        firehose = self._ask("The local Firehose", self._firehose, last.firehose)
        same_table: tuple[TableState, Sequence[TableChange]] = (last.table, ())
        table, changes = self._ask("The table's stream", self._changes.read, same_table)
        same_lake: tuple[LakeState, Sequence[bytes]] = (last.lake, ())
        lake, lines = self._ask("The bucket", lambda: self._lake(firehose, feed), same_lake)
        if lake.damaged:
            self._problems.append(damage(lake.damaged))
        given_up = self._ask("The dead-letter queue", self._given_up, last.given_up)
        catalog = self._ask("The catalog", self._catalog, last.catalog)
        if self._quarantine_problem:
            self._problems.append(self._quarantine_problem)
        now = time.time()
        self._travel(now, changes, lines)
        self.history.add(
            StationCounts(
                at=now,
                changed=table.changes,
                fed=feed.delivered,
                transformed=firehose.transformed,
                delivered=firehose.delivered,
                quarantined=firehose.quarantined,
                given_up=feed.given_up,
                compacted=lake.compacted,
            )
        )
        return Snapshot(
            at=now,
            table=table,
            feed=feed,
            feed_kind=self._stack.feed,
            firehose=firehose,
            lake=lake,
            error_objects=len(self._error_keys),
            quarantine=self._quarantine,
            given_up=given_up,
            catalog=catalog,
            journeys=tuple(self._journeys),
            rates=self.history.rates(),
            problems=tuple(self._problems),
        )

    def _ask(self, name: str, read: Callable[[], T], last: T) -> T:
        try:
            return read()
        except _UNANSWERED as error:
            self._problems.append(f"{name} does not answer ({type(error).__name__}).")
        except Exception as error:
            _log.exception("%s cannot be read", name)
            self._problems.append(f"{name} cannot be read ({type(error).__name__}: {error}).")
        return last

    @property
    def _feed_noun(self) -> str:
        return "pipe" if self._stack.feed == "pipe" else "mapping"

    def _feed(self) -> Status:
        status = read_status(self._feed_state)
        if status is None:
            self._problems.append(f"The local {self._feed_noun} has not started yet.")
            return Snapshot().feed
        if not status.running or time.time() - status.updated_at > FEED_SILENCE_SECONDS:
            self._problems.append(
                f"The local {self._feed_noun} has stopped; changes wait in the table's stream."
            )
        elif status.stopped:
            self._problems.append(
                "The pipe is stopped, by `aws pipes stop-pipe`; changes wait in the table's stream."
            )
        # To the mapping, what the function put aside is delivered. S3 counts in whole seconds.
        kept = sum(at >= int(status.started_at) for at in self._kept.values())
        return replace(status, delivered=status.delivered - kept, given_up=status.given_up + kept)

    def _firehose(self) -> FirehoseStatus:
        answer = self._http.request("GET", f"{self._stack.firehose.meta.endpoint_url}/status")
        status = msgspec.json.decode(answer.data, type=dict[str, dict[str, FirehoseStatus]])
        return status["streams"][self._stack.output("StreamName")]

    def _lake(self, firehose: FirehoseStatus, feed: Status) -> tuple[LakeState, Sequence[bytes]]:
        last = self._snapshot.lake
        written = firehose.objects + firehose.error_objects + feed.given_up
        due = time.monotonic() - self._listed_at > LISTING_SECONDS
        if not due and not last.unread and written == self._listed_objects:
            return last, ()
        lake = self._lake_reader.read()
        modified = {each.key: each.modified.timestamp() for each in stored_below(self._stack)}
        self._error_keys = frozenset(modified)
        self._kept |= {key: at for key, at in modified.items() if key.startswith(FEED_KEPT)}
        self._listed_at, self._listed_objects = time.monotonic(), written
        return lake

    def _given_up(self) -> int:
        """Return how many batches the feed gave up, and nobody has redriven."""
        if self._stack.feed == "pipe":
            return DeadLetters(self._stack).count()
        return sum(key.startswith(FEED_FAILURES) for key in self._error_keys)

    def _catalog(self) -> tuple[str, ...]:
        if time.monotonic() - self._catalog_at < CATALOG_SECONDS:
            return self._snapshot.catalog
        database = self._stack.output("DatabaseName")
        tables = self._stack.glue.get_tables(DatabaseName=database)["TableList"]
        self._catalog_at = time.monotonic()
        return tuple(sorted(table["Name"] for table in tables))

    def _read_quarantine(self) -> None:
        keys = self._quarantine_keys = self._error_keys
        self._quarantine_problem = ""
        try:
            reason = reason_reader(deployed_settings(self._stack))
            waiting = read_quarantine(self._stack, Selection(), reason, keep_payloads=True)
        except Exception as error:
            _log.exception("The quarantine cannot be read")
            self._quarantine_problem = f"The quarantine cannot be read: {explain(error)}"
            if self._quarantine_keys == keys:
                self._quarantine_keys = None
            return
        records = Counter(each.record.code for each in waiting if not each.is_change)
        changes = Counter(each.record.code for each in waiting if each.is_change)
        self._quarantine = Quarantine(
            dict(records.most_common()), tuple(waiting[:FAILURES_MAX]), dict(changes.most_common())
        )

    def _travel(self, now: float, changes: Iterable[TableChange], lines: Iterable[bytes]) -> None:
        """Note which of the followed records were seen in the stream and in the lake."""
        while self._posted:
            self._journeys.appendleft(self._posted.popleft())
        waiting = {journey.key for journey in self._journeys if journey.landed is None}
        if not waiting:
            return
        streamed = {change.key for change in changes} & waiting
        landed = {self._key_of(line) for line in lines} & waiting
        for index, journey in enumerate(self._journeys):
            if journey.key in streamed and journey.streamed is None:
                journey = replace(journey, streamed=now)
            if journey.key in landed and journey.landed is None:
                journey = replace(journey, streamed=journey.streamed or now, landed=now)
            self._journeys[index] = journey

    def _key_of(self, line: bytes) -> tuple[str, ...]:
        """Return the key in a line of the lake, empty for a line of another declaration."""
        try:
            return texts_of(self._table, self._item(read_line(line)))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            return ()


def damage(keys: Sequence[str]) -> str:
    """Return the sentence about objects of the lake that cannot be read."""
    more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
    return f"{keys[0]}{more} cannot be read: not gzip, or cut short."
