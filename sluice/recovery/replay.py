"""Resends the quarantined records of Firehose, those below `errors/`."""

import time
from collections.abc import Callable, Generator

from msgspec import Struct

from chalicelib.partitions import ERROR_PREFIX
from sluice.recovery.error_lines import FailedRecord
from sluice.recovery.quarantine import ErrorObject, Selection
from sluice.recovery.resending import Resending
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
    resending = Resending(stack, ERROR_PREFIX, dry_run, pause)
    for index, each in enumerate(resending.objects()):
        replayed.objects += 1
        chosen = _chosen(each, selection, replayed)
        put = 0
        for accepted in resending.put(each, chosen):
            put += accepted
            replayed.accepted += accepted
            yield Step(replayed, index + put / len(chosen), resending.total)
        replayed.moved += resending.move_finished(each)
        yield Step(replayed, index + 1, resending.total)


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
