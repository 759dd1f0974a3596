"""One delivery stream: a record's way from its put to an S3 object.

Its state belongs to the event loop's thread; only the function's invocations and the writing of
objects run elsewhere.
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Container, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeGuard

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.limits import ACTIVE_PARTITIONS_MAX
from chalicelib.retry import backoff
from local.clock import Clock
from local.firehose import errors
from local.firehose.config import StreamConfig
from local.firehose.deaggregation import deaggregated
from local.firehose.errors import (
    ConversionFailure,
    RecordFailure,
    conversion_error_line,
    error_line,
)
from local.firehose.ledger import BufferedRecord, JournalError, Ledger
from local.firehose.objects import ErrorType, Objects, PartitionBuffer, PartitionBuffers, Values
from local.firehose.processor import Batch, Processor

S3_BACKOFF_SECONDS = 0.5
S3_BACKOFF_SECONDS_MAX = 30.0
"""Pause after S3 refused an object: doubled each time up to this, until the server stops."""

BILLED_BYTES = 5 * 1024
"""A record is billed in steps of this many bytes (https://aws.amazon.com/firehose/pricing/)."""

BUFFERS_SHOWN_MAX = 12
"""Open buffers that the status lists."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Intervals:
    """The local buffer intervals, in place of the deployed ones."""

    buffer_seconds: float
    processor_seconds: float


class Counters(msgspec.Struct, rename="camel"):
    """The outcomes of the records since the server started, and the objects they are in.

    `put` are the records as they were put, with the bytes that AWS bills for them; all others are
    counted as they were taken apart. `transformed` and `failed` count what the function's
    invocations came to, before delivery.
    """

    put: int = 0
    billed_bytes: int = 0
    received: int = 0
    delivered: int = 0
    dropped: int = 0
    quarantined: int = 0
    objects: int = 0
    error_objects: int = 0
    invocations: int = 0
    transformed: int = 0
    failed: int = 0


class LocalStream:
    """Accepts records, and delivers, drops or quarantines each of them."""

    def __init__(
        self,
        config: StreamConfig,
        intervals: Intervals,
        *,
        processor: Processor,
        objects: Objects,
        ledger: Ledger,
        clock: Clock,
        invocations: Executor,
        uploads: Executor,
    ) -> None:
        self.config = config
        self.intervals = intervals
        self.counters = Counters()
        self._processor = processor
        self._objects = objects
        self._ledger = ledger
        self._clock = clock
        self._invocations = invocations
        self._uploads = uploads
        self._batch = self._new_batch()
        size, interval = config.buffering.size_bytes, round(intervals.buffer_seconds * 1000)
        self._partitions = PartitionBuffers(size, interval)
        self._failures = PartitionBuffers(size, interval)
        self._tasks: set[asyncio.Task[None]] = set()
        self._mistake: BaseException | None = None

    def resume(self) -> None:
        """Resume the records that a former process acknowledged and did not settle."""
        kept = self._ledger.kept
        self._buffer(kept, {each.sequence for each in kept if not self._taken_apart(each.data)})

    def put(self, data: Sequence[bytes]) -> list[str]:
        """Accept records, whose sizes the caller has checked. Returns an id of each, in order.

        Raises JournalError when they cannot be kept; then none is accepted.
        """
        parts = [self._taken_apart(each) for each in data]
        records = self._ledger.accept(
            [each for part, whole in zip(parts, data, strict=True) for each in part or [whole]]
        )
        starts = itertools.accumulate((len(part) or 1 for part in parts[:-1]), initial=0)
        firsts = [records[start] for start in starts]
        self._buffer(
            records,
            {first.sequence for first, part in zip(firsts, parts, strict=True) if not part},
        )
        self.counters.put += len(data)
        steps = sum(-(-len(each) // BILLED_BYTES) for each in data)
        self.counters.billed_bytes += steps * BILLED_BYTES
        return [first.id for first in firsts]

    def tick(self) -> None:
        """Deliver the buffers whose interval is over. Raises what ended a transform or a delivery.

        The journal has its records, for the next server.
        """
        if self._mistake:
            raise self._mistake
        now = self._clock.monotonic_ms()
        waiting = self._batch.records
        if waiting and now - self._batch.opened_ms >= self.intervals.processor_seconds * 1000:
            self._release_batch()
        for buffers in (self._partitions, self._failures):
            self._deliver_all(buffers.take_due(now))

    async def close(self, grace_seconds: float) -> int:
        """Deliver all that is buffered. Returns how many records could not be, in this time."""
        try:
            async with asyncio.timeout(grace_seconds):
                if self._batch.records:
                    self._release_batch()
                while self._tasks or self._partitions or self._failures:
                    for buffers in (self._partitions, self._failures):
                        self._deliver_all(buffers.take_all())
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            for task in self._tasks:
                task.cancel()
        return self._ledger.unsettled

    def status(self) -> dict[str, Any]:
        """Return what the stream has counted and holds, and its buffering, deployed and local."""
        buffering, processing = self.config.buffering, self.config.processor.buffering
        return {
            **msgspec.to_builtins(self.counters),
            "buffered": self._ledger.unsettled,
            "oldestBufferedAgeMs": self._ledger.oldest_age_ms,
            "activePartitions": len(self._partitions),
            "waitingForProcessor": len(self._batch.records),
            "buffers": self._open_buffers(),
            "bufferIntervalInSeconds": {
                "deployed": buffering.seconds,
                "local": self.intervals.buffer_seconds,
            },
            "processorBufferIntervalInSeconds": {
                "deployed": processing.seconds,
                "local": self.intervals.processor_seconds,
            },
        }

    def _open_buffers(self) -> list[dict[str, Any]]:
        """The open buffers that are delivered next."""
        now, interval = self._clock.monotonic_ms(), round(self.intervals.buffer_seconds * 1000)
        buffers = heapq.nsmallest(
            BUFFERS_SHOWN_MAX,
            itertools.chain(self._partitions, self._failures),
            key=lambda partition: partition.opened_ms,
        )
        return [
            {
                "prefix": self._objects.folder(partition),
                "records": len(partition.sequences),
                "bytes": partition.size_bytes,
                "dueInMs": max(0, partition.opened_ms + interval - now),
            }
            for partition in buffers
        ]

    def _new_batch(self) -> Batch:
        return Batch(self.config.processor.buffering.size_bytes)

    def _taken_apart(self, data: bytes) -> list[bytes]:
        """Return what the function gets for a record; nothing when it cannot be taken apart."""
        return (deaggregated(data) or []) if self.config.deaggregates else [data]

    def _buffer(self, records: Iterable[BufferedRecord], damaged: Container[int]) -> None:
        """Have records transformed, and the damaged ones quarantined, by their sequences."""
        now = self._clock.monotonic_ms()
        for record in records:
            self.counters.received += 1
            if record.sequence in damaged:
                self.counters.failed += 1
                self._quarantine(record, errors.NOT_OBJECTS, 1, self._clock.now_ms())
                continue
            if not self._batch.has_room(record):
                self._release_batch()
            self._batch.add(record, now)

    def _release_batch(self) -> None:
        batch, self._batch = self._batch, self._new_batch()
        self._start(self._transform(batch.records))

    def _deliver_all(self, partitions: Iterable[PartitionBuffer]) -> None:
        for partition in partitions:
            self._start(self._deliver(partition))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._mistake = error

    async def _transform(self, records: Sequence[BufferedRecord]) -> None:
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._invocations, self._processor.transform, records)
        self.counters.invocations += answer.attempts
        self.counters.transformed += len(answer.accepted)
        self.counters.failed += len(answer.failed)
        for record, failure in answer.failed:
            self._quarantine(record, failure, answer.attempts, answer.ended_ms)
        for record, data, keys in answer.accepted:
            placed = self._place(record, keys)
            if isinstance(placed, RecordFailure):
                self._quarantine(record, placed, answer.attempts, answer.ended_ms)
            elif refusal := self._objects.refusal(data):
                self._quarantine_data(record, data, refusal)
            else:
                self._add(self._partitions, placed, record, data)
        await self._settle([record.sequence for record in answer.dropped])
        self.counters.dropped += len(answer.dropped)

    def _place(self, record: BufferedRecord, keys: Mapping[str, Any]) -> Values | RecordFailure:
        names = self.config.prefix.keys
        values = tuple(value for name in names if _is_value(value := keys.get(name)))
        if len(values) < len(names):
            return errors.KEYS_NOT_EXTRACTED
        if values not in self._partitions:
            if not self._objects.can_hold(values, record.arrived):
                return errors.INVALID_PREFIX
            if len(self._partitions) >= ACTIVE_PARTITIONS_MAX:
                return errors.TOO_MANY_PARTITIONS
        return values

    def _quarantine(
        self, record: BufferedRecord, failure: RecordFailure, attempts: int, ended_ms: int
    ) -> None:
        _log.warning("%s: record %s: %s", self.config.name, record.id, failure.code)
        line = error_line(
            record,
            failure,
            attempts=attempts,
            ended_ms=ended_ms,
            lambda_arn=self.config.processor.qualified_arn,
        )
        self._add(self._failures, errors.PROCESSING_FAILED_TYPE, record, line)

    def _quarantine_data(
        self, record: BufferedRecord, data: bytes, failure: ConversionFailure
    ) -> None:
        _log.warning("%s: record %s: %s", self.config.name, record.id, failure.code)
        line = conversion_error_line(record, failure, data, ended_ms=self._clock.now_ms())
        self._add(self._failures, errors.CONVERSION_FAILED_TYPE, record, line)

    def _add(
        self,
        buffers: PartitionBuffers,
        values: Values | ErrorType,
        record: BufferedRecord,
        data: bytes,
    ) -> None:
        full = buffers.add(values, record, data, self._clock.monotonic_ms())
        if full:
            self._start(self._deliver(full))

    async def _deliver(self, partition: PartitionBuffer) -> None:
        key = self._objects.name(partition)
        loop = asyncio.get_running_loop()
        for tries in itertools.count(1):
            try:
                await loop.run_in_executor(self._uploads, self._objects.write, partition, key)
                break
            except (BotoCoreError, ClientError) as error:
                _log.warning(
                    "%s: %s records are held, S3 took no object %s: %s",
                    self.config.name,
                    len(partition.sequences),
                    key,
                    error,
                )
            await asyncio.sleep(backoff(tries, S3_BACKOFF_SECONDS, S3_BACKOFF_SECONDS_MAX))
        await self._settle(partition.sequences)
        if isinstance(partition.values, ErrorType):
            self.counters.quarantined += len(partition.sequences)
            self.counters.error_objects += 1
        else:
            self.counters.delivered += len(partition.sequences)
            self.counters.objects += 1

    async def _settle(self, sequences: Sequence[int]) -> None:
        """Settle records as soon as the journal can be written: a full disk holds that up."""
        for tries in itertools.count(1):
            try:
                self._ledger.settle(sequences)
                break
            except JournalError as error:
                _log.warning("%s: %s", self.config.name, error)
            await asyncio.sleep(backoff(tries, S3_BACKOFF_SECONDS, S3_BACKOFF_SECONDS_MAX))


def _is_value(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""
