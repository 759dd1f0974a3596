"""Resends the changes that the pipe gave up: from the table's stream into Firehose.

A message is removed once every change it points at was accepted or has aged out of the stream. A
redrive that ends before that leaves it in the queue, and the next one resends its changes:
duplicates, which share eventId and changeSequence.
"""

import time
from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError, ParamValidationError
from msgspec import Struct

from chalicelib.limits import PUT_RECORD_BYTES_MAX
from sluice.errors import StreamGoneError, explain
from sluice.firehose import DeliveryStream
from sluice.recovery.changes import RecoveredRange, recover
from sluice.recovery.dead_letters import DeadLetter, DeadLetters, Pointer
from sluice.stack import Stack
from sluice.stream import Stream


class Redriven(Struct, rename="camel"):
    """The counts of a redrive so far."""

    messages: int = 0
    """Messages read."""
    removed: int = 0
    accepted: int = 0
    """Changes that Firehose accepted; in a dry run, those that would be put."""
    aged_out: int = 0
    """Changes that have left the stream."""
    too_large: int = 0
    """Changes that Firehose cannot take."""
    unreadable: int = 0
    """Messages that point at no changes."""


Report = Callable[[str], None]
"""Takes a sentence on every message with changes that do not come back."""


def redrive(
    stack: Stack,
    letters: DeadLetters,
    redriven: Redriven,
    report: Report,
    dry_run: bool = False,
    step: Callable[[], None] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Put the changes of every dead letter, and count in `redriven`.

    `step` is called after each message, and may raise to stop. Raises RefusedError when Firehose
    keeps refusing.
    """
    target = DeliveryStream(stack.firehose, stack.output("StreamName"), pause)
    for letter in letters.messages():
        redriven.messages += 1
        try:
            recovered = _recover(stack, letter)
            redriven.aged_out += recovered.aged_out
            redriven.too_large += len(recovered.too_large)
            for sentence in _losses(letter, recovered):
                report(sentence)
            if dry_run:
                redriven.accepted += len(recovered.payloads)
            else:
                for accepted in target.put(recovered.payloads):
                    redriven.accepted += len(accepted)
            is_done = not dry_run and not recovered.too_large
        except (ClientError, ParamValidationError, StreamGoneError) as refused:
            redriven.unreadable += 1
            report(
                f"message {letter.id} cannot be followed: {explain(refused)}; it stays in the queue"
            )
            is_done = False
        if is_done:
            letters.remove(letter)
            redriven.removed += 1
        step()


def _recover(stack: Stack, letter: DeadLetter) -> RecoveredRange:
    """Return a letter's changes. Raises StreamGoneError when it points at none of the table."""
    pointer = letter.pointer
    table = f":table/{stack.output('TableName')}/stream/"
    if pointer is None or table not in pointer.stream_arn:
        raise StreamGoneError("it points at no changes of the table")
    return recover(Stream(stack.streams, pointer.stream_arn), pointer)


def _losses(letter: DeadLetter, recovered: RecoveredRange) -> Iterator[str]:
    """Yield a sentence on the changes that have aged out, and on each that is too large."""
    pointer = recovered.pointer
    if recovered.aged_out:
        yield (
            f"{recovered.aged_out} of {pointer.batch_size} changes, {_range(pointer)}, have aged "
            "out of the stream's 24 hours; `sluice verify` names the items that the lake now has "
            "wrong"
        )
    for change in recovered.too_large:
        yield (
            f"change {change.sequence_number} of {pointer.shard_id} has {len(change.payload)} "
            f"bytes, and Firehose takes {PUT_RECORD_BYTES_MAX}: message {letter.id} stays in the "
            "queue"
        )


def _range(pointer: Pointer) -> str:
    return (
        f"{pointer.start_sequence_number} to {pointer.end_sequence_number} of {pointer.shard_id}, "
        f"of {pointer.approximate_arrival_of_first_record or 'an unknown time'}"
    )
