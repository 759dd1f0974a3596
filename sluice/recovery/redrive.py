"""Resends the changes that the feed gave up, into Firehose.

Of the pipe they are read from the table's stream. A message is removed once every change it points
at was accepted or has provably aged out of the stream: the stream lacks it, and it is older than
the stream keeps any. What the stream merely lacks stays in the queue, for the message may be wrong.
A redrive that ends before that leaves the message too, and the next one resends its changes:
duplicates, which share eventId and changeSequence.

Of the function they are read from the bucket, which holds them whole, and resent
as sluice/recovery/resending.py says. A feed that was changed may have left some of both.
"""

import shlex
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError, ParamValidationError
from msgspec import Struct

from chalicelib.firehose import DeliveryStream
from chalicelib.keys import texts_of
from chalicelib.limits import PUT_RECORD_BYTES_MAX, STREAM_RETENTION
from chalicelib.partitions import FEED_FAILURES
from sluice.erasure.memory import Memory
from sluice.errors import StreamGoneError, TransformationFailed, UnreachedError, explain
from sluice.recovery.changes import RecoveredRange, recover, stream_arns
from sluice.recovery.dead_letters import DeadLetter, DeadLetters, Pointer
from sluice.recovery.error_lines import oversize
from sluice.recovery.feed_failures import key_texts
from sluice.recovery.quarantine import ErrorObject
from sluice.recovery.resending import Resending
from sluice.recovery.step import Step
from sluice.stack import Stack
from sluice.stream import Stream
from sluice.wording import counted


class Redriven(Struct, rename="camel"):
    """The counts of a redrive so far."""

    messages: int = 0
    """Messages read."""
    removed: int = 0
    objects: int = 0
    """Objects read, with the batches that the feed function gave up."""
    moved: int = 0
    """Objects whose every change was accepted."""
    accepted: int = 0
    """Changes that Firehose accepted; in a dry run, those that would be put."""
    aged_out: int = 0
    """Changes that have left the stream."""
    too_large: int = 0
    """Changes that Firehose cannot take."""
    not_found: int = 0
    """Changes that the stream lacks though it should still have them."""
    unreadable: int = 0
    """Messages that point at no changes."""
    unusable: int = 0
    """Changes of objects that are not of the table, and objects that are not a batch."""
    held_back: int = 0
    """Changes of messages that are of keys which were erased."""
    dropped: int = 0
    """Messages and objects removed because they were named, whatever they hold."""


def redrive(
    stack: Stack,
    letters: DeadLetters,
    dry_run: bool = False,
    drop: Collection[str] = (),
    pause: Callable[[float], None] = time.sleep,
) -> Generator[Step[Redriven]]:
    """Put the changes of every dead letter and of every failed batch; yield a step after each.

    The messages whose ids are in `drop`, and the objects whose keys are, are removed instead,
    whatever they hold. Raises RefusedError when Firehose keeps refusing.
    """
    redriven = Redriven()
    yield Step(redriven)
    batches = Resending(stack, FEED_FAILURES, dry_run, pause)
    total = letters.count() + batches.total
    for step in _redrive_letters(stack, letters, redriven, dry_run, drop, pause):
        yield replace(step, total=total)
    for step in _redrive_batches(stack, batches, redriven, drop):
        yield replace(step, total=total)


def _redrive_letters(
    stack: Stack,
    letters: DeadLetters,
    redriven: Redriven,
    dry_run: bool,
    drop: Collection[str],
    pause: Callable[[float], None],
) -> Generator[Step[Redriven]]:
    target = DeliveryStream(stack.firehose, stack.output("StreamName"), pause)
    memory = Memory(stack)
    for letter in letters.messages():
        redriven.messages += 1
        if letter.id in drop:
            redriven.dropped += 1
            if not dry_run:
                letters.remove(letter)
            yield Step(redriven, redriven.messages)
            continue
        memory.refresh()
        try:
            recovered = _recover(stack, letter)
            lost = recovered.absent > 0 and is_aged_out(letter, recovered, datetime.now(UTC))
            if lost:
                redriven.aged_out += recovered.absent
            else:
                redriven.not_found += recovered.absent
            redriven.too_large += len(recovered.too_large)
            for loss in _losses(stack, letter, recovered, lost):
                yield Step(redriven, redriven.messages - 1, loss=loss)
            payloads = [each for each in recovered.payloads if not memory.holds_back(each)]
            redriven.held_back += len(recovered.payloads) - len(payloads)
            if dry_run:
                redriven.accepted += len(payloads)
            else:
                for accepted in target.put(payloads):
                    redriven.accepted += len(accepted)
            is_done = (lost or not recovered.absent) and not recovered.too_large
        except (
            ClientError,
            ParamValidationError,
            StreamGoneError,
            TransformationFailed,
            UnreachedError,
        ) as refused:
            redriven.unreadable += 1
            loss = (
                f"message {letter.id} cannot be followed: {explain(refused)}; it stays in the "
                f"queue; if it is of no use, `sluice redrive --drop {letter.id}` removes it: "
                f"{letter.excerpt}"
            )
            yield Step(redriven, redriven.messages - 1, loss=loss)
            is_done = False
        if is_done and not dry_run:
            letters.remove(letter)
            redriven.removed += 1
        yield Step(redriven, redriven.messages)


def _redrive_batches(
    stack: Stack, batches: Resending, redriven: Redriven, drop: Collection[str]
) -> Generator[Step[Redriven]]:
    for each in batches.objects():
        before = redriven.messages + redriven.objects
        redriven.objects += 1
        if each.stored.key in drop:
            redriven.dropped += 1
            batches.drop(each)
        else:
            chosen = [record for record in each.waiting if record.obstacle is None]
            put = 0
            for accepted in batches.put(each, chosen):
                put += accepted
                redriven.accepted += accepted
                yield Step(redriven, before + put / len(chosen))
            for loss in _obstacles(stack, each, redriven):
                yield Step(redriven, before, loss=loss)
            redriven.moved += batches.move_finished(each)
        yield Step(redriven, before + 1)


def _obstacles(stack: Stack, each: ErrorObject, redriven: Redriven) -> Iterator[str]:
    """Yield sentences on what cannot be put of an object, and count it.

    A change that is too large has one of its own.
    """
    place = f"s3://{stack.bucket}/{each.stored.key}"
    name = shlex.quote(each.stored.key)
    stays = f"it stays there; `sluice redrive --drop {name}` deletes the object"
    others: Counter[str] = Counter()
    for record in each.waiting:
        if record.obstacle is None:
            continue
        if record.payload is not None and record.obstacle == oversize(record.payload):
            redriven.too_large += 1
            key = " ".join(key_texts(stack.table, record.payload) or ["unknown"])
            yield f"change {record.line} of {place}, of the key {key}: {record.obstacle}; {stays}"
        else:
            others[record.obstacle] += 1
    for obstacle, count in others.items():
        redriven.unusable += count
        changes = f"{counted(count, 'change')} of {place}: " if each.is_readable else ""
        yield f"{changes}{obstacle}; {stays}"


def is_aged_out(letter: DeadLetter, recovered: RecoveredRange, now: datetime) -> bool:
    """Whether the changes that the stream lacks are older than it keeps any.

    Those that are left came last, so that then the first one's age counts.
    """
    pointer = recovered.pointer
    arrival = (
        pointer.approximate_arrival_of_first_record
        if recovered.changes
        else pointer.approximate_arrival_of_last_record
    )
    return now - min(_moment(arrival) or letter.sent_at, letter.sent_at) > STREAM_RETENTION


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _recover(stack: Stack, letter: DeadLetter) -> RecoveredRange:
    """Return a letter's changes. Raises StreamGoneError when it points at none of the table."""
    pointer = letter.pointer
    if pointer is None or not stream_arns(stack).fullmatch(pointer.stream_arn):
        raise StreamGoneError("it points at no changes of the table")
    return recover(Stream(stack.streams, pointer.stream_arn), pointer)


def _losses(
    stack: Stack, letter: DeadLetter, recovered: RecoveredRange, lost: bool
) -> Iterator[str]:
    """Yield a sentence on the changes that are not in the stream, and on each that is too large."""
    pointer = recovered.pointer
    if lost:
        yield (
            f"{recovered.absent} of {pointer.batch_size} changes, {_range(pointer)}, have aged "
            "out of the stream's 24 hours; `sluice verify` names the items that the lake now has "
            "wrong"
        )
    elif recovered.absent:
        yield (
            f"{recovered.absent} of {pointer.batch_size} changes, {_range(pointer)}, are not in "
            f"the stream, though younger than its 24 hours: message {letter.id} stays in the "
            f"queue; if it is of no use, `sluice redrive --drop {letter.id}` removes it"
        )
    for change in recovered.too_large:
        yield (
            f"change {change.sequence_number} of {pointer.shard_id}, of the key "
            f"{' '.join(texts_of(stack.table, change.key))}, has {len(change.payload)} bytes, and "
            f"Firehose takes {PUT_RECORD_BYTES_MAX}: message {letter.id} stays in the queue"
        )


def _range(pointer: Pointer) -> str:
    return (
        f"{pointer.start_sequence_number} to {pointer.end_sequence_number} of {pointer.shard_id}, "
        f"of {pointer.approximate_arrival_of_first_record or 'an unknown time'}"
    )
