"""Resends records of the quarantine through Firehose, object by object.

For each object, in this order: records are put; after every answer those that were accepted are
noted (sluice/recovery/progress.py); once all are noted the object is copied to `errors-replayed/`,
then deleted from its place, then its note is removed. What ends anywhere goes on there when it is
run again. It cannot know an answer that it had no time to note: those records, one batch at most,
are put twice.
"""

from collections.abc import Callable, Generator, Iterator, Sequence

from msgspec.structs import replace

from chalicelib.firehose import DeliveryStream
from chalicelib.partitions import ERROR_PREFIX, REPLAYED_PREFIX
from sluice.erasure.memory import HELD_BACK, Memory
from sluice.recovery.error_lines import FailedRecord
from sluice.recovery.progress import Progress
from sluice.recovery.quarantine import ErrorObject, error_objects, stored_below
from sluice.stack import Stack


class Resending:
    """The objects below a prefix of the quarantine, on their way back. One may run at a time."""

    def __init__(
        self, stack: Stack, prefix: str, dry_run: bool, pause: Callable[[float], None]
    ) -> None:
        self._stack = stack
        self._dry_run = dry_run
        self._stream = DeliveryStream(stack.firehose, stack.output("StreamName"), pause)
        self._progress = Progress(stack)
        self._stored = stored_below(stack, [prefix])
        self.total = len(self._stored)
        """The number of objects."""
        if not dry_run:
            self._progress.forget_all_but((each.key for each in self._stored), prefix)

    def objects(self) -> Iterator[ErrorObject]:
        """Yield every object; changes of keys that are erased by then are not to be put."""
        memory = Memory(self._stack)
        for each in error_objects(self._stack, self._stored, self._progress):
            memory.refresh()
            for place, record in enumerate(each.records):
                if record.payload is not None and memory.holds_back(record.payload):
                    each.records[place] = replace(record, obstacle=HELD_BACK)
            yield each

    def put(self, each: ErrorObject, chosen: Sequence[FailedRecord]) -> Generator[int]:
        """Put records of an object; yield after each answer how many were accepted and noted.

        In a dry run, yield how many would be put. Raises RefusedError when Firehose keeps refusing.
        """
        if not self._dry_run:
            yield from self._put(each, chosen)
        elif chosen:
            yield len(chosen)

    def _put(self, each: ErrorObject, chosen: Sequence[FailedRecord]) -> Generator[int]:
        for accepted in self._stream.put([record.payload or b"" for record in chosen]):
            each.replayed.update(chosen[position].line for position in accepted)
            self._progress.note(each.stored.key, each.replayed)
            yield len(accepted)

    def move_finished(self, each: ErrorObject) -> bool:
        """Move an object whose every record was replayed; return whether it was."""
        if self._dry_run or each.waiting:
            return False
        key = each.stored.key
        self._stack.s3.copy_object(
            Bucket=self._stack.bucket,
            Key=REPLAYED_PREFIX + key.removeprefix(ERROR_PREFIX),
            CopySource={"Bucket": self._stack.bucket, "Key": key},
        )
        self._remove(key)
        return True

    def drop(self, each: ErrorObject) -> None:
        """Delete an object, whatever waits in it."""
        if not self._dry_run:
            self._remove(each.stored.key)

    def _remove(self, key: str) -> None:
        self._stack.s3.delete_object(Bucket=self._stack.bucket, Key=key)
        self._progress.forget(key)
