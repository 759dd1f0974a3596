"""The dead-letter queue: pointers to the changes the pipe gave up on, never their data.

AWS does not document the message; its shape follows what was seen of it. With the sequence numbers
the changes can be read again from the stream while it keeps them, 24 hours.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from chalicelib.retry import REQUEST_ERRORS
from local.pipe.definition import PipeDefinition
from local.stream.change import PipedChange
from sluice.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


class DeadLetterQueue:
    """Receives the pointers of batches that were given up."""

    def __init__(self, client: "SQSClient", queue_arn: str, pipe_arn: str, stream_arn: str) -> None:
        self._client = client
        self._queue_name = queue_arn.rpartition(":")[2]
        self._queue_url: str | None = None
        self._pipe_arn = pipe_arn
        self._stream_arn = stream_arn

    @classmethod
    def of(cls, definition: PipeDefinition, client: "SQSClient") -> "DeadLetterQueue | None":
        """Return the queue of a pipe; None when it has no queue."""
        if definition.dead_letter_arn is None:
            return None
        return cls(client, definition.dead_letter_arn, definition.arn, definition.source_arn)

    def send(
        self, shard_id: str, batch: Sequence[PipedChange], condition: Condition, now: float
    ) -> None:
        """Send one message for a batch given up at an epoch second. Raises UnavailableError."""
        message = {
            "context": {"partnerResourceArn": self._pipe_arn, "condition": condition},
            "version": "1.0",
            "timestamp": _time(now, "milliseconds"),
            "DDBStreamBatchInfo": {
                "shardId": shard_id,
                "startSequenceNumber": batch[0].sequence_number,
                "endSequenceNumber": batch[-1].sequence_number,
                "approximateArrivalOfFirstRecord": _time(batch[0].created_at, "seconds"),
                "approximateArrivalOfLastRecord": _time(batch[-1].created_at, "seconds"),
                "batchSize": len(batch),
                "streamArn": self._stream_arn,
            },
        }
        try:
            if self._queue_url is None:
                self._queue_url = self._client.get_queue_url(QueueName=self._queue_name)["QueueUrl"]
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=msgspec.json.encode(message).decode()
            )
        except REQUEST_ERRORS as error:
            raise UnavailableError(f"{self._queue_name}: {error}") from error


def _time(seconds: float, precision: Literal["seconds", "milliseconds"]) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision)
    return text.replace("+00:00", "Z")
