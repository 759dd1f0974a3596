"""Resends quarantined records through Firehose.

For each error object, in this order: the chosen records are put; after every answer the accepted
lines are noted (sluice/recovery/progress.py); once all lines are noted the object is copied to
`errors-replayed/`, then deleted from `errors/`, then its note is removed. A replay that ends
anywhere goes on there when it is run again. It cannot know an answer that it had no time to note:
those records, one batch at most, are put twice.
"""

import time
from collections.abc import Callable, Generator

from msgspec import Struct

from chalicelib.firehose import DeliveryStream
from chalicelib.partitions import ERROR_PREFIX, REPLAYED_PREFIX
from sluice.lake import objects
from sluice.recovery.error_lines import FailedRecord
from sluice.recovery.progress import Progress
from sluice.recovery.quarantine import ErrorObject, Selection, error_objects
from sluice.recovery.step import Step
from sluice.stack import Stack


class Replayed(Struct, rename="camel"):
    """The counts of a replay so far."""

    objects: int = 0
    """Error objects read."""
    accepted: int = 0
    """Records that Firehose accepted; in a dry run, those that would be put."""
    moved: int = 0
    """Error objects whose every record was replayed."""
    not_chosen: int = 0
    """Records that the selection leaves in quarantine."""
    obstacles: dict[str, int] = {}
    """Selected records that cannot be replayed, by the reason."""


def replay(
    stack: Stack,
    selection: Selection,
    dry_run: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Generator[Step[Replayed]]:
    """Resend the selected records that wait in quarantine; yield a step after each answer.

    At a step everything accepted is noted, so that it may be the last one taken. Raises
    RefusedError when Firehose keeps refusing. One replay of a stack may run at a time.
    """
    replayed = Replayed()
    yield Step(replayed)
    stream = DeliveryStream(stack.firehose, stack.output("StreamName"), pause)
    progress = Progress(stack)
    stored = list(objects(stack, ERROR_PREFIX))
    if not dry_run:
        progress.forget_all_but(each.key for each in stored)
    for index, each in enumerate(error_objects(stack, stored, progress)):
        replayed.objects += 1
        chosen = _chosen(each, selection, replayed)
        if dry_run:
            replayed.accepted += len(chosen)
        else:
            done = set(each.replayed)
            put = 0
            for accepted in stream.put([record.payload or b"" for record in chosen]):
                done.update(chosen[position].line for position in accepted)
                progress.note(each.stored.key, done)
                put += len(accepted)
                replayed.accepted += len(accepted)
                yield Step(replayed, index + put / len(chosen), len(stored))
            if done.issuperset(record.line for record in each.records):
                _move(stack, each.stored.key)
                progress.forget(each.stored.key)
                replayed.moved += 1
        yield Step(replayed, index + 1, len(stored))


def _chosen(each: ErrorObject, selection: Selection, replayed: Replayed) -> list[FailedRecord]:
    chosen = []
    for record in each.waiting:
        if not selection.takes(record, each.stored):
            replayed.not_chosen += 1
        elif record.obstacle is not None:
            replayed.obstacles[record.obstacle] = replayed.obstacles.get(record.obstacle, 0) + 1
        else:
            chosen.append(record)
    return chosen


def _move(stack: Stack, key: str) -> None:
    stack.s3.copy_object(
        Bucket=stack.bucket,
        Key=REPLAYED_PREFIX + key.removeprefix(ERROR_PREFIX),
        CopySource={"Bucket": stack.bucket, "Key": key},
    )
    stack.s3.delete_object(Bucket=stack.bucket, Key=key)
