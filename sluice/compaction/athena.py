"""The compaction by the stack's Athena, for what outgrows one machine."""

from collections.abc import Callable, Sequence

from chalicelib.compaction import AthenaCompaction, Compacted
from chalicelib.objects import Stored
from sluice.stack import Stack


def compact_by_athena(
    stack: Stack,
    stored: Sequence[Stored],
    problems: list[str],
    progress: Callable[[int], None],
) -> Compacted:
    """Compact these raw objects, and keep the tables' files in order. Raises StatementError.

    Adds a sentence on each damaged one to `problems`. `progress` is called with the number
    of objects since its last call.
    """
    compaction = AthenaCompaction(
        stack.table,
        stack.athena,
        stack.s3,
        stack.glue,
        bucket=stack.bucket,
        database=stack.output("DatabaseName"),
        workgroup=stack.output("WorkgroupName"),
    )
    done = compaction.compact(stored, problems, progress=progress)
    compaction.maintain()
    return done
