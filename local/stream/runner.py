"""Follows the shards of a stream for a pipe or a mapping, and keeps the order within each.

All shards are followed by one thread, a step at a time: a batch that waits for its next try holds
up its own shard only.
"""

import heapq
import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from local.clock import Clock
from local.stream.change import StreamChange
from local.stream.checkpoint import ShardPosition, StreamCheckpoint
from local.stream.consumer import StreamConsumer
from local.stream.delivery import Backoff, BatchDelivery, Steps, exponential_backoff
from local.stream.filter import compile_filters
from local.stream.status import ShardStatus, StatusFile
from sluice.errors import OperationError, StreamGoneError, TransformationFailed, UnavailableError
from sluice.event import as_event
from sluice.stream import Shard, ShardReader, Stream

P = ParamSpec("P")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a stream is read. AWS polls each shard four times a second."""

    poll_seconds: float = 0.25
    discovery_seconds: float = 2.0
    state_seconds: float = 1.0
    backoff: Backoff = field(default_factory=exponential_backoff)


Render = Callable[[Mapping[str, Any], float], bytes]
"""From an event, and the epoch second it was received, to its payload. Raises
TransformationFailed."""

BatchLength = Callable[[Sequence[int], int], int]
"""From the sizes of payloads, and how many at most, to how many of them are one batch."""


class StreamRunner:
    """Runs one pipe or mapping."""

    def __init__(
        self,
        consumer: StreamConsumer,
        stream: Stream,
        render: Render,
        batch_length: BatchLength,
        delivery: BatchDelivery,
        checkpoint: StreamCheckpoint,
        status_file: StatusFile,
        clock: Clock,
        pace: Pace,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_stopped` returns whether nothing is to be read. Raises FilterError."""
        self.status = delivery.status
        self._consumer = consumer
        self._stream = stream
        self._render = render
        self._batch_length = batch_length
        self._delivery = delivery
        self._checkpoint = checkpoint
        self._status_file = status_file
        self._clock = clock
        self._pace = pace
        self._matches = compile_filters(consumer.filters)
        self._shards: list[Shard] = []
        self._work: list[tuple[float, int, Steps]] = []
        self._order = itertools.count()
        self._start(self._heed(is_stopped))
        self._start(self._discover())

    def run(self, stopping: Callable[[], bool]) -> None:
        """Run until `stopping` is true, which is asked after each step. Raises StreamGoneError.

        A step ends with its batch checkpointed, or with the batch waiting for a retry; such a
        batch is sent again after a restart.
        """
        self.status.running = True
        try:
            while not stopping():
                due, _, steps = self._work[0]
                if (wait := due - self._clock.monotonic()) > 0:
                    self._status_file.write(self.status, self._clock)
                    self._clock.sleep(wait)
                    continue
                heapq.heappop(self._work)
                pause = next(steps, None)
                if pause is not None:
                    self._start(steps, pause)
                self._status_file.write(self.status, self._clock)
        finally:
            self.status.running = False
            self._status_file.write(self.status, self._clock, force=True)

    def _start(self, steps: Steps, after: float = 0.0) -> None:
        due = self._clock.monotonic() + after
        heapq.heappush(self._work, (due, next(self._order), steps))

    def _heed(self, is_stopped: Callable[[], bool]) -> Steps:
        """Stop and start as asked; when stopped, a batch that was begun is still delivered."""
        while True:
            if (stopped := is_stopped()) != self.status.stopped:
                log.info("%s is %s", self._consumer.name, "stopped" if stopped else "started")
            self.status.stopped = stopped
            yield self._pace.state_seconds

    def _discover(self) -> Steps:
        """Find new shards, for as long as the stream is on."""
        tries = 0
        while True:
            try:
                shards, on = self._stream.shards()
            except UnavailableError as error:
                tries += 1
                log.warning("Waiting for the stream: %s", error)
                yield self._pace.backoff(tries)
                continue
            tries = 0
            if not self._shards:
                yield from self._begin(shards)
            self._shards = shards
            yield from self._save(self._checkpoint.keep_only, [shard.id for shard in shards])
            self._start_ready()
            if not on and all(self._finished(shard.id) for shard in shards):
                raise StreamGoneError(
                    f"The stream {self._stream.arn} is turned off and read to its end. As on AWS, "
                    f"{self._consumer.name} cannot go on: deploy it and the table's stream anew"
                )
            yield self._pace.discovery_seconds

    def _begin(self, shards: Sequence[Shard]) -> Steps:
        """Note where LATEST begins: at the end of the existing shards in the first run."""
        log.info("%s follows %s", self._consumer.name, self._stream.arn)
        if self._consumer.starting_position == "LATEST" and not self._checkpoint.positions:
            for shard in shards:
                yield from self._save(self._checkpoint.save, shard.id, ShardPosition())

    def _save(self, write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Steps:
        """Write the checkpoint; while that is impossible, as on a full disk, read no further."""
        for tries in itertools.count(1):
            try:
                write(*args, **kwargs)
                break
            except OperationError as error:
                self.status.last_failure = str(error)
                log.warning("Waiting until the checkpoint can be written: %s", error)
            yield self._pace.backoff(tries)

    def _finished(self, shard_id: str) -> bool:
        position = self._checkpoint.positions.get(shard_id)
        return position is not None and position.finished

    def _start_ready(self) -> None:
        """Follow the shards that are not followed yet and whose parents are finished or gone."""
        unfinished = {shard.id for shard in self._shards if not self._finished(shard.id)}
        for shard in self._shards:
            if shard.id not in self.status.shards and shard.parent_id not in unfinished:
                position = self._checkpoint.positions.get(shard.id)
                status = ShardStatus(position.sequence_number if position else None)
                self.status.shards[shard.id] = status
                if shard.id in unfinished:
                    self._start(self._follow(shard.id, status, self._reader(shard.id, position)))
                else:
                    status.finished = True

    def _reader(self, shard_id: str, position: ShardPosition | None) -> ShardReader:
        """Return a reader from a position; the one that LATEST began with names no change yet."""
        if position is None:
            return self._stream.reader(shard_id, "TRIM_HORIZON")
        if position.sequence_number is None:
            return self._stream.reader(shard_id, "LATEST")
        return self._stream.reader(shard_id, "AFTER_SEQUENCE_NUMBER", position.sequence_number)

    def _follow(self, shard_id: str, status: ShardStatus, reader: ShardReader) -> Steps:
        """Deliver all changes of a shard, in order, batch after batch."""
        size = self._consumer.batch_size
        pending: list[StreamChange] = []
        pending_since = 0.0
        tries = 0
        while True:
            if self.status.stopped and not pending:
                yield self._pace.poll_seconds
                continue
            try:
                page = reader.read()
            except UnavailableError as error:
                tries += 1
                log.warning("%s: waiting for the stream: %s", shard_id, error)
                yield self._pace.backoff(tries)
                continue
            tries = 0
            now = self._clock.monotonic()
            pending_since = pending_since if pending else now
            events = [as_event(record, self._stream.arn) for record in page.records]
            pending += self._changes(events)
            status.caught_up = False
            window_over = now - pending_since >= self._consumer.batching_window_seconds
            while len(pending) >= size or (pending and (window_over or page.last)):
                status.oldest_in_hand_at = pending[0].created_at
                length = self._batch_length([len(each.payload) for each in pending[:size]], size)
                batch = pending[:length]
                yield from self._delivery.deliver(shard_id, batch)
                del pending[:length]
                yield from self._advance(shard_id, status, batch[-1].sequence_number)
                yield 0.0
            status.oldest_in_hand_at = pending[0].created_at if pending else None
            if events and not pending:
                last = events[-1]["dynamodb"]["SequenceNumber"]
                yield from self._advance(shard_id, status, last)
            if page.last:
                yield from self._finish(shard_id, status)
                return
            status.caught_up = not page.full and not pending
            yield 0.0 if page.full else self._pace.poll_seconds

    def _changes(self, events: Sequence[Mapping[str, Any]]) -> list[StreamChange]:
        """Return the changes of the events that the filter takes."""
        ingested_at = self._clock.now()
        taken = [event for event in events if self._matches(event)]
        self.status.read += len(events)
        self.status.filtered_out += len(events) - len(taken)
        return [self._change(event, ingested_at) for event in taken]

    def _change(self, event: Mapping[str, Any], ingested_at: float) -> StreamChange:
        change = event["dynamodb"]
        payload, failure = b"", None
        try:
            payload = self._render(event, ingested_at)
        except TransformationFailed as error:
            failure = f"transformation failed: {error}"
        return StreamChange(
            change["SequenceNumber"], change["ApproximateCreationDateTime"], payload, failure
        )

    def _advance(self, shard_id: str, status: ShardStatus, sequence_number: str) -> Steps:
        if sequence_number != status.sequence_number:
            position = ShardPosition(sequence_number)
            yield from self._save(self._checkpoint.save, shard_id, position)
            status.sequence_number = sequence_number

    def _finish(self, shard_id: str, status: ShardStatus) -> Steps:
        position = ShardPosition(status.sequence_number, finished=True)
        yield from self._save(self._checkpoint.save, shard_id, position)
        status.finished = status.caught_up = True
        self._start_ready()
