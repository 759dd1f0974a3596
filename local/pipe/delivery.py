"""Puts batches into the delivery stream that is the pipe's target.

A delivery stream that does not answer, or answers InternalFailure, is this machine's form of an
error inside AWS, which does not count as a try.
"""

from collections.abc import Sequence

from botocore.exceptions import ClientError

from chalicelib.firehose import DeliveryStream
from chalicelib.retry import REQUEST_ERRORS, error_code
from local.clock import Clock
from local.pipe.definition import PipeDefinition
from local.stream.change import StreamChange
from local.stream.delivery import Backoff, BatchDelivery, Destination, Failure, halves
from local.stream.status import Status

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

    def attempt(self, part: Sequence[StreamChange]) -> Failure | None:
        """Put a part once; of what was refused return all.

        A record above 1,000 KiB is put like any other: Firehose refuses the batch, and the pipe
        treats that as any refusal. What AWS does with such a record is not documented.
        """
        unspelled = next((change.failure for change in part if change.failure), None)
        if unspelled is not None:
            return Failure(part, unspelled, halves(part))
        try:
            refusal = self._target.put_once([change.payload for change in part])
        except REQUEST_ERRORS as error:
            if not isinstance(error, ClientError) or error_code(error) == INTERNAL_FAILURE:
                return Failure(part, f"the delivery stream: {error}", counts=False)
            details = error.response["Error"]
            return Failure(part, f"{details['Code']}: {details['Message']}", halves(part))
        if refusal is None:
            return None
        refused = [part[index] for index in refusal.indexes]
        return Failure(refused, refusal.reason, halves(refused))
