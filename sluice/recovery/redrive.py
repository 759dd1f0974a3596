"""Brings back the changes that the pipe gave up: from the table's stream into Firehose.

A message is removed once every change it points at was accepted or has aged out of the stream. A
redrive that ends before that leaves it in the queue, and its changes are put again: duplicates,
which share eventId and changeSequence.
"""

import time
from collections.abc import Callable

from botocore.exceptions import ClientError, ParamValidationError
from msgspec import Struct

from chalicelib.limits import PUT_RECORD_BYTES_MAX
from sluice.errors import explain
from sluice.firehose import DeliveryStream
from sluice.recovery.dead_letters import DeadLetter, DeadLetters, Pointer
from sluice.stack import Stack
from sluice.stream import fetch


class Redriven(Struct, rename="camel"):
    """What a redrive has done so far."""

    messages: int = 0
    """Messages read."""
    removed: int = 0
    accepted: int = 0
    """Changes that Firehose accepted; in a dry run, those it would be given."""
    aged_out: int = 0
    """Changes that have left the stream."""
    too_large: int = 0
    """Changes that Firehose cannot take."""
    unreadable: int = 0
    """Messages that point at no changes."""


Report = Callable[[str], None]
"""Told, in a sentence, of every message with changes that do not come back."""


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
    stream = DeliveryStream(stack.firehose, stack.output("StreamName"), pause)
    for letter in letters.messages():
        redriven.messages += 1
        if letter.pointer is None or not _of_table(stack, letter.pointer):
            redriven.unreadable += 1
            report(f"message {letter.id} points at no changes of the table; it stays in the queue")
            step()
            continue
        try:
            done = _brought_back(stack, stream, letter, letter.pointer, redriven, report, dry_run)
        except (ClientError, ParamValidationError) as refused:
            redriven.unreadable += 1
            report(
                f"message {letter.id} cannot be followed: {explain(refused)}; it stays in the queue"
            )
            done = False
        if done:
            letters.remove(letter)
            redriven.removed += 1
        step()


def _of_table(stack: Stack, pointer: Pointer) -> bool:
    return f":table/{stack.output('TableName')}/stream/" in pointer.stream_arn


def _brought_back(
    stack: Stack,
    stream: DeliveryStream,
    letter: DeadLetter,
    pointer: Pointer,
    redriven: Redriven,
    report: Report,
    dry_run: bool,
) -> bool:
    """Put a message's changes. Whether the message has done its work."""
    changes = fetch(stack.streams, pointer)
    payloads = [each.payload for each in changes if len(each.payload) <= PUT_RECORD_BYTES_MAX]
    too_large = [each for each in changes if len(each.payload) > PUT_RECORD_BYTES_MAX]
    aged_out = max(0, pointer.batch_size - len(changes))
    redriven.aged_out += aged_out
    redriven.too_large += len(too_large)
    if aged_out:
        report(
            f"{aged_out} of {pointer.batch_size} changes, {_range(pointer)}, have aged out of the "
            "stream's 24 hours; `sluice verify` names the items that the lake now has wrong"
        )
    for each in too_large:
        report(
            f"change {each.sequence_number} of {pointer.shard_id} has {len(each.payload)} bytes, "
            f"and Firehose takes {PUT_RECORD_BYTES_MAX}: message {letter.id} stays in the queue"
        )
    if dry_run:
        redriven.accepted += len(payloads)
        return False
    for accepted in stream.put(payloads):
        redriven.accepted += len(accepted)
    return not too_large


def _range(pointer: Pointer) -> str:
    return (
        f"{pointer.start_sequence_number} to {pointer.end_sequence_number} of {pointer.shard_id}, "
        f"of {pointer.approximate_arrival_of_first_record or 'an unknown time'}"
    )
