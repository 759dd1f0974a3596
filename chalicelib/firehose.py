"""What Firehose takes by Direct PUT
(https://docs.aws.amazon.com/firehose/latest/dev/limits.html).
"""

from collections.abc import Iterable

RECORD_BYTES_MAX = 1_024_000
"""Bytes of one record, before base64."""

BATCH_RECORDS_MAX = 500
BATCH_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of all records of one PutRecordBatch."""


def batch_length(sizes: Iterable[int], records_max: int = BATCH_RECORDS_MAX) -> int:
    """How many payloads of these sizes, from the first on, one batch takes: at least one."""
    total = length = 0
    for size in sizes:
        total += size
        if length == min(records_max, BATCH_RECORDS_MAX) or (length and total > BATCH_BYTES_MAX):
            break
        length += 1
    return length
