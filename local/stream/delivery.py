"""Delivers a batch, splits and retries what failed, or gives it up.

Pipes and event source mappings retry until the attempts or the record's age run out
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html,
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html). Splitting a batch does
not count as a retry.
"""

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chalicelib.limits import STREAM_RETENTION
from chalicelib.retry import backoff
from local.clock import Clock
from local.stream.change import StreamChange
from local.stream.consumer import StreamConsumer
from local.stream.status import Status
from local.stream.times import utc
from sluice.errors import UnavailableError

log = logging.getLogger(__name__)

Steps = Generator[float, None, None]
"""Work in steps: each yields the seconds after which it wants to go on."""

Backoff = Callable[[int], float]
"""Returns the seconds to wait before the n-th retry, from 1 on."""

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]

BACKOFF_SECONDS_MAX = 10.0
"""The longest wait, unless another is asked for; AWS does not document its own."""


def exponential_backoff(longest: float = BACKOFF_SECONDS_MAX) -> Backoff:
    """Return the waits of 0.2 seconds, doubled with each retry up to the longest one."""
    return lambda retry: backoff(retry, 0.2, longest)


def halves(changes: Sequence[StreamChange]) -> Sequence[Sequence[StreamChange]]:
    """Return both halves of changes; nothing for one change."""
    half = len(changes) // 2
    return (changes[:half], changes[half:]) if half else ()


@dataclass(frozen=True, slots=True)
class Failure:
    """The changes that a try did not deliver, and why.

    `splits` are the parts to try next where batches are bisected, without a retry being counted;
    there are none when it cannot be bisected.
    """

    changes: Sequence[StreamChange]
    reason: str
    splits: Sequence[Sequence[StreamChange]] = ()
    counts: bool = True
    """Whether the target took a try; else the changes wait for it, until they are too old."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What a destination is to know of the try."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Changes that are not tried any more."""

    shard_id: str
    changes: Sequence[StreamChange]
    condition: Condition
    at: float
    """Epoch seconds."""
    tries: int
    failure: Failure | None
    """The last one, if they were tried at all."""

    def batch(self, stream_arn: str) -> dict[str, Any]:
        """Return where in the stream they are, as dead letters and failure objects have it."""
        first, last = self.changes[0], self.changes[-1]
        return {
            "shardId": self.shard_id,
            "startSequenceNumber": first.sequence_number,
            "endSequenceNumber": last.sequence_number,
            "approximateArrivalOfFirstRecord": utc(first.created_at, "seconds"),
            "approximateArrivalOfLastRecord": utc(last.created_at, "seconds"),
            "batchSize": len(self.changes),
            "streamArn": stream_arn,
        }


class Destination(Protocol):
    """Where changes go that were given up."""

    noun: str

    def send(self, given_up: GivenUp) -> None:
        """Send what was given up. Raises UnavailableError."""


class BatchDelivery(ABC):
    """Delivers batches of one consumer to its target, and counts the outcomes in the status."""

    def __init__(
        self,
        consumer: StreamConsumer,
        destination: Destination | None,
        status: Status,
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        self.status = status
        self._destination = destination
        self._clock = clock
        self._backoff = backoff
        self._bisect = consumer.bisect
        self._retries_max = consumer.maximum_retry_attempts
        # Without any other limit a record is retried until the stream drops it.
        self._age_max = STREAM_RETENTION.total_seconds()
        if consumer.maximum_record_age_seconds != -1:
            self._age_max = min(self._age_max, consumer.maximum_record_age_seconds)

    @abstractmethod
    def attempt(self, part: Sequence[StreamChange]) -> Failure | None:
        """Deliver a part once; return what failed of it."""

    def deliver(self, shard_id: str, batch: Sequence[StreamChange]) -> Steps:
        """Work until every change is delivered, given up or dropped, in order."""
        parts = deque([batch])
        while parts:
            part = parts.popleft()
            failure = None
            retries = waits = 0
            while part := (yield from self._give_up_aged(shard_id, part, retries, failure)):
                failure = self.attempt(part)
                if failure and not failure.counts:
                    self.status.last_failure = failure.reason
                    if not waits:
                        log.warning("%s: waiting: %s", shard_id, failure.reason)
                    waits += 1
                    yield self._before_retry(waits)
                    continue
                waits = 0
                self._count(shard_id, part, failure)
                if failure is None:
                    break
                part = failure.changes
                if self._bisect and failure.splits:
                    parts.extendleft(reversed(failure.splits))
                    yield self._before_retry(1)
                    break
                if retries == self._retries_max:
                    yield from self._give_up(
                        shard_id, part, "RetryAttemptsExhausted", retries + 1, failure
                    )
                    break
                retries += 1
                yield self._before_retry(retries)

    def _before_retry(self, retry: int) -> float:
        self.status.retries += 1
        return self._backoff(retry)

    def _count(self, shard_id: str, part: Sequence[StreamChange], failure: Failure | None) -> None:
        failed = len(failure.changes) if failure else 0
        self.status.delivered += len(part) - failed
        if failure:
            self.status.last_failure = failure.reason
            log.warning(
                "%s: %d of %d records failed: %s", shard_id, failed, len(part), failure.reason
            )

    def _give_up_aged(
        self, shard_id: str, part: Sequence[StreamChange], tries: int, failure: Failure | None
    ) -> Generator[float, None, Sequence[StreamChange]]:
        """Give up the changes past their age without trying them; return the others."""
        oldest = self._clock.now() - self._age_max
        aged = [change for change in part if change.created_at < oldest]
        if not aged:
            return part
        yield from self._give_up(shard_id, aged, "RecordAgeExceeded", tries, failure)
        return [change for change in part if change.created_at >= oldest]

    def _give_up(
        self,
        shard_id: str,
        changes: Sequence[StreamChange],
        condition: Condition,
        tries: int,
        failure: Failure | None,
    ) -> Steps:
        log.error(
            "%s: %s for %d records, %s to %s: %s",
            shard_id,
            condition,
            len(changes),
            changes[0].sequence_number,
            changes[-1].sequence_number,
            f"to the {self._destination.noun}"
            if self._destination
            else "dropped, as there is no place for what is given up",
        )
        if self._destination is None:
            self.status.dropped += len(changes)
            return
        sends = 0
        while True:
            given_up = GivenUp(shard_id, changes, condition, self._clock.now(), tries, failure)
            try:
                self._destination.send(given_up)
            except UnavailableError as error:
                sends += 1
                log.warning("%s: waiting for the %s: %s", shard_id, self._destination.noun, error)
                yield self._backoff(sends)
            else:
                self.status.given_up += len(changes)
                return
