"""The pipe's dead-letter queue: messages that point at changes in the table's stream.

AWS does not document the message. It holds no data; with its sequence numbers the changes can be
read from the stream for 24 hours.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from botocore.exceptions import ClientError
from msgspec import Meta, Struct

from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN_SECONDS = 600
"""How long a message stays invisible to others while it is worked on."""

BATCH_SIZE_MAX = 10_000
"""Of a pipe (https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_PipeSourceDynamoDBStreamParameters.html)."""

_EXCERPT_CHARACTERS = 200
_RECEIVED_AT_ONCE = 10
Sequence = Annotated[str, Meta(pattern="^[0-9]{1,40}$")]


class Pointer(Struct, frozen=True, rename="camel"):
    """A range of one shard: the changes that the pipe gave up."""

    shard_id: str
    start_sequence_number: Sequence
    end_sequence_number: Sequence
    stream_arn: str
    batch_size: Annotated[int, Meta(ge=1, le=BATCH_SIZE_MAX)] = 1
    """How many changes were given up; the range may hold others in between."""
    approximate_arrival_of_first_record: str = ""
    approximate_arrival_of_last_record: str = ""


class _Body(Struct, frozen=True, rename={"pointer": "DDBStreamBatchInfo"}):
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the queue."""

    id: str
    receipt: str
    body: str
    sent_at: datetime
    pointer: Pointer | None
    """None for a message that points at no changes."""

    @property
    def excerpt(self) -> str:
        """The beginning of the message."""
        text = " ".join(self.body.split())
        return text[:_EXCERPT_CHARACTERS] + ("..." if len(text) > _EXCERPT_CHARACTERS else "")


def read_message(message: "MessageTypeDef") -> DeadLetter:
    """Parse a received message. Never raises for its content."""
    sent_ms = int(message["Attributes"]["SentTimestamp"])
    return DeadLetter(
        message["MessageId"],
        message["ReceiptHandle"],
        message["Body"],
        datetime.fromtimestamp(sent_ms / 1000, UTC),
        _pointer(message["Body"]),
    )


def _pointer(body: str) -> Pointer | None:
    try:
        pointer = msgspec.json.decode(body, type=_Body).pointer
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    is_range = int(pointer.start_sequence_number) <= int(pointer.end_sequence_number)
    return pointer if is_range else None


class DeadLetters:
    """The queue of one stack. On exit, messages that were not removed become visible again.

    With a wait, SQS asks all of its servers for messages, not only some of them. A stack without a
    pipe has no queue, so no messages either.
    """

    def __init__(self, stack: Stack, wait_seconds: int = 1) -> None:
        self._wait_seconds = wait_seconds
        self._client = stack.sqs
        self._url = stack.output("DeadLetterQueueUrl") if stack.feed == "pipe" else ""
        self._held: dict[str, DeadLetter] = {}

    def __enter__(self) -> "DeadLetters":
        return self

    def __exit__(self, *_raised: object) -> None:
        for letter in self._held.values():
            # One that was held for too long is visible already.
            with suppress(ClientError):
                self._client.change_message_visibility(
                    QueueUrl=self._url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
                )

    def count(self) -> int:
        """Return about how many messages the queue holds, those being worked on included."""
        if not self._url:
            return 0
        answer = self._client.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
        return sum(int(value) for value in answer["Attributes"].values())

    def messages(self) -> Iterator[DeadLetter]:
        """Yield every visible message once."""
        seen: set[str] = set()
        while self._url:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_RECEIVED_AT_ONCE,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=self._wait_seconds,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            received = [read_message(each) for each in answer.get("Messages", [])]
            self._held.update((letter.id, letter) for letter in received)
            new = [letter for letter in received if letter.id not in seen]
            if not new:
                return
            seen.update(letter.id for letter in new)
            yield from new

    def remove(self, letter: DeadLetter) -> None:
        """Remove a message for good."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)
        del self._held[letter.id]
