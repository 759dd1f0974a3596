"""The compaction by the stack's Athena, for what outgrows one machine."""

from collections.abc import Callable, Sequence

from chalicelib.compaction import AthenaCompaction
from chalicelib.objects import Stored
from sluice.compaction.run import Compacted
from sluice.stack import Stack


def compact_by_athena(
    stack: Stack, stored: Sequence[Stored], progress: Callable[[int], None]
) -> Compacted:
    """Compact these raw objects, and keep the tables' files in order. Raises StatementError.

    `progress` is called with the number of objects since its last call.
    """
    compaction = AthenaCompaction(
        stack.table,
        stack.athena,
        stack.s3,
        bucket=stack.bucket,
        database=stack.output("DatabaseName"),
        workgroup=stack.output("WorkgroupName"),
    )
    done = compaction.compact(stored, progress=progress)
    compaction.maintain()
    return Compacted(
        objects=done.objects, lines=done.lines, appended=done.appended, bytes=done.bytes
    )
