"""Puts batches into the delivery stream that is the pipe's target.

A delivery stream that does not answer, or answers InternalFailure, is this machine's form of an
error inside AWS, which does not count as a try.
"""

import logging
from collections.abc import Generator, Sequence

from botocore.exceptions import ClientError

from chalicelib.firehose import DeliveryStream, Refusal
from chalicelib.retry import REQUEST_ERRORS, error_code
from local.clock import Clock
from local.pipe.definition import PipeDefinition
from local.stream.change import StreamChange
from local.stream.delivery import Backoff, BatchDelivery, Destination, Failure, halves
from local.stream.status import Status

log = logging.getLogger(__name__)

INTERNAL_FAILURE = "InternalFailure"
"""The local Firehose's answer while it cannot keep a record, as on a full disk."""


class PipeDelivery(BatchDelivery):
    """Delivers batches of one pipe."""

    def __init__(
        self,
        definition: PipeDefinition,
        target: DeliveryStream,
        dead_letters: Destination | None,
        status: Status,
        clock: Clock,
        backoff: Backoff,
    ) -> None:
        super().__init__(definition, dead_letters, status, clock, backoff)
        self._target = target

    def attempt(
        self, shard_id: str, part: Sequence[StreamChange]
    ) -> Generator[float, None, Failure | None]:
        """Put a part once, as soon as the target answers; of what was refused return all."""
        unspelled = next((change.failure for change in part if change.failure), None)
        if unspelled is not None:
            refusal: Refusal | None = Refusal(range(len(part)), unspelled)
        else:
            refusal = yield from self._answer(shard_id, [change.payload for change in part])
        if refusal is None:
            return None
        refused = [part[index] for index in refusal.indexes]
        return Failure(refused, refusal.reason, halves(refused))

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
                self.status.last_failure = str(error)
                if tries == 1:
                    log.warning("%s: waiting for the delivery stream: %s", shard_id, error)
                yield self.before_retry(tries)
