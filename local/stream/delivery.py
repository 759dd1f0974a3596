"""Delivers a batch, halves and retries what was refused, or gives up to the dead-letter queue.

Pipes retries what Firehose refused until the attempts or the record's age run out
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html). A delivery stream
that does not answer, or answers InternalFailure, is this machine's form of an error inside AWS,
which does not count.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence

from botocore.exceptions import ClientError

from chalicelib.firehose import DeliveryStream, Refusal
from chalicelib.limits import STREAM_RETENTION
from chalicelib.retry import REQUEST_ERRORS, backoff, error_code
from local.clock import Clock
from local.pipe.dead_letter import Condition, DeadLetterQueue
from local.pipe.definition import PipeDefinition
from local.stream.change import PipedChange
from local.stream.status import Status
from sluice.errors import UnavailableError

log = logging.getLogger(__name__)

Steps = Generator[float, None, None]
"""Work in steps: each yields the seconds after which it wants to go on."""

Backoff = Callable[[int], float]
"""Returns the seconds to wait before the n-th retry, from 1 on."""

INTERNAL_FAILURE = "InternalFailure"
"""The local Firehose's answer while it cannot keep a record, as on a full disk."""

BACKOFF_SECONDS_MAX = 10.0
"""The longest wait, unless another is asked for; AWS does not document its own."""


def exponential_backoff(longest: float = BACKOFF_SECONDS_MAX) -> Backoff:
    """Return the waits of 0.2 seconds, doubled with each retry up to the longest one."""
    return lambda retry: backoff(retry, 0.2, longest)


class BatchDelivery:
    """Delivers batches of one pipe to its target, and counts the outcomes in the status."""

    def __init__(
        self,
        definition: PipeDefinition,
        target: DeliveryStream,
        dead_letters: DeadLetterQueue | None,
        status: Status,
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        self._target = target
        self._dead_letters = dead_letters
        self._status = status
        self._clock = clock
        self._backoff = backoff
        self._bisect = definition.bisect
        self._retries_max = definition.maximum_retry_attempts
        # Without any other limit a record is retried until the stream drops it.
        self._age_max = STREAM_RETENTION.total_seconds()
        if definition.maximum_record_age_seconds != -1:
            self._age_max = min(self._age_max, definition.maximum_record_age_seconds)

    def deliver(self, shard_id: str, batch: Sequence[PipedChange]) -> Steps:
        """Work until every change is delivered, dead-lettered or dropped, in order."""
        parts = deque([batch])
        while parts:
            part = parts.popleft()
            retries = 0
            while part := (yield from self._give_up_aged(shard_id, part)):
                refusal = yield from self._put(shard_id, part)
                if refusal is None:
                    break
                part = [part[index] for index in refusal.indexes]
                if self._bisect and len(part) > 1:
                    half = len(part) // 2
                    parts.extendleft([part[half:], part[:half]])
                    yield self._before_retry(1)
                    break
                if retries == self._retries_max:
                    yield from self._give_up(shard_id, part, "RetryAttemptsExhausted")
                    break
                retries += 1
                yield self._before_retry(retries)

    def _before_retry(self, retry: int) -> float:
        self._status.retries += 1
        return self._backoff(retry)

    def _put(
        self, shard_id: str, part: Sequence[PipedChange]
    ) -> Generator[float, None, Refusal | None]:
        """Put a part once, as soon as the target answers."""
        failure = next((change.failure for change in part if change.failure), None)
        if failure is not None:
            refusal: Refusal | None = Refusal(range(len(part)), failure)
        else:
            refusal = yield from self._answer(shard_id, [change.payload for change in part])
        refused = len(refusal.indexes) if refusal else 0
        self._status.delivered += len(part) - refused
        if refusal:
            self._status.last_failure = refusal.reason
            log.warning(
                "%s: %d of %d records failed: %s", shard_id, refused, len(part), refusal.reason
            )
        return refusal

    def _answer(
        self, shard_id: str, payloads: Sequence[bytes]
    ) -> Generator[float, None, Refusal | None]:
        """Put payloads as soon as the target answers.

        A record above 1,000 KiB is put like any other: Firehose refuses the batch, and the pipe
        treats that as any refusal. What AWS does with such a record is not documented.
        """
        tries = 0
        while True:
            try:
                return self._target.put_once(payloads)
            except REQUEST_ERRORS as error:
                if isinstance(error, ClientError) and error_code(error) != INTERNAL_FAILURE:
                    details = error.response["Error"]
                    reason = f"{details['Code']}: {details['Message']}"
                    return Refusal(range(len(payloads)), reason)
                tries += 1
                self._status.last_failure = str(error)
                if tries == 1:
                    log.warning("%s: waiting for the delivery stream: %s", shard_id, error)
                yield self._before_retry(tries)

    def _give_up_aged(
        self, shard_id: str, part: Sequence[PipedChange]
    ) -> Generator[float, None, Sequence[PipedChange]]:
        """Give up the changes past their age without trying them; return the others."""
        oldest = self._clock.now() - self._age_max
        aged = [change for change in part if change.created_at < oldest]
        if not aged:
            return part
        yield from self._give_up(shard_id, aged, "RecordAgeExceeded")
        return [change for change in part if change.created_at >= oldest]

    def _give_up(self, shard_id: str, batch: Sequence[PipedChange], condition: Condition) -> Steps:
        log.error(
            "%s: %s for %d records, %s to %s: %s",
            shard_id,
            condition,
            len(batch),
            batch[0].sequence_number,
            batch[-1].sequence_number,
            "dropped, as the pipe has no dead-letter queue"
            if self._dead_letters is None
            else "to the dead-letter queue",
        )
        if self._dead_letters is None:
            self._status.dropped += len(batch)
            return
        tries = 0
        while True:
            try:
                self._dead_letters.send(shard_id, batch, condition, self._clock.now())
            except UnavailableError as error:
                tries += 1
                log.warning("%s: waiting for the dead-letter queue: %s", shard_id, error)
                yield self._backoff(tries)
            else:
                self._status.dead_lettered += len(batch)
                return
