"""The dead-letter queue: pointers to the changes the pipe gave up on, never their data.

AWS does not document the message; its shape follows what was seen of it. With the sequence numbers
the changes can be read again from the stream while it keeps them, 24 hours.
"""

from typing import TYPE_CHECKING

import msgspec

from chalicelib.retry import REQUEST_ERRORS
from local.pipe.definition import PipeDefinition
from local.stream.delivery import GivenUp
from local.stream.times import utc
from sluice.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class DeadLetterQueue:
    """Receives the pointers of batches that were given up."""

    noun = "dead-letter queue"

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

    def send(self, given_up: GivenUp) -> None:
        """Send one message for what was given up. Raises UnavailableError."""
        message = {
            "context": {"partnerResourceArn": self._pipe_arn, "condition": given_up.condition},
            "version": "1.0",
            "timestamp": utc(given_up.at, "milliseconds"),
            "DDBStreamBatchInfo": given_up.batch(self._stream_arn),
        }
        try:
            if self._queue_url is None:
                self._queue_url = self._client.get_queue_url(QueueName=self._queue_name)["QueueUrl"]
            self._client.send_message(
                QueueUrl=self._queue_url, MessageBody=msgspec.json.encode(message).decode()
            )
        except REQUEST_ERRORS as error:
            raise UnavailableError(f"{self._queue_name}: {error}") from error
