"""The pipe's dead-letter queue: messages that point at changes in the table's stream.

AWS does not document the message. It holds no data; with its sequence numbers the changes can be
read from the stream for 24 hours.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import msgspec
from botocore.exceptions import ClientError
from msgspec import Meta, Struct

from sluice.stack import Stack

HIDDEN_SECONDS = 600
"""How long a message stays invisible to others while it is worked on."""

_RECEIVED_AT_ONCE = 10
Sequence = Annotated[str, Meta(pattern="^[0-9]{1,40}$")]


class Pointer(Struct, frozen=True, rename="camel"):
    """A range of one shard: the changes that the pipe gave up."""

    shard_id: str
    start_sequence_number: Sequence
    end_sequence_number: Sequence
    stream_arn: str
    batch_size: Annotated[int, Meta(ge=1)] = 1
    """How many changes were given up; the range may hold others in between."""
    approximate_arrival_of_first_record: str = ""


class _Context(Struct, frozen=True):
    condition: str = ""


class _Body(Struct, frozen=True, rename={"pointer": "DDBStreamBatchInfo"}):
    pointer: Pointer
    context: _Context = _Context()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the queue."""

    id: str
    receipt: str
    pointer: Pointer | None
    """None for a message that points at no changes."""
    condition: str = ""


def read_message(id: str, receipt: str, body: str) -> DeadLetter:
    """Parse a received message. Never raises for its content."""
    try:
        read = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return DeadLetter(id, receipt, None)
    if int(read.pointer.start_sequence_number) > int(read.pointer.end_sequence_number):
        return DeadLetter(id, receipt, None)
    return DeadLetter(id, receipt, read.pointer, read.context.condition)


class DeadLetters:
    """The queue of one stack. On exit, messages that were not removed become visible again.

    With a wait, SQS asks all of its servers for messages, not only some of them.
    """

    def __init__(self, stack: Stack, wait_seconds: int = 1) -> None:
        self._wait_seconds = wait_seconds
        self._client = stack.sqs
        self._url = stack.output("DeadLetterQueueUrl")
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
        while True:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=_RECEIVED_AT_ONCE,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=self._wait_seconds,
            )
            received = [
                read_message(each["MessageId"], each["ReceiptHandle"], each["Body"])
                for each in answer.get("Messages", [])
            ]
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
