"""The limits of AWS that the code keeps, each with the page that states it.

Quotas that only a plan is compared with stand in `sluice.planning.limits`.
"""

from collections.abc import Iterable
from datetime import timedelta

PUT_RECORD_BYTES_MAX = 1_024_000
"""Bytes of one record put to Firehose, before base64
(https://docs.aws.amazon.com/firehose/latest/dev/limits.html)."""

PUT_RECORDS_MAX = 500
"""Records of one PutRecordBatch (the same page)."""

PUT_BYTES_MAX = 4 * 1024 * 1024
"""Bytes of all records of one PutRecordBatch (the same page)."""

AGGREGATED_RECORDS_MAX = 500
"""JSON objects of one record that Firehose takes apart
(https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-multirecord-deaggergation.html)."""

ACTIVE_PARTITIONS_MAX = 500
"""Partitions with data in a delivery stream's buffer (the same page)."""

BUFFER_SECONDS = (60, 900)
"""How long a stream with dynamic partitioning may buffer: the shortest and the longest
(https://docs.aws.amazon.com/firehose/latest/APIReference/API_BufferingHints.html)."""

BUFFER_MEGABYTES = (64, 128)
"""How much a stream with dynamic partitioning may buffer, in MiB: the least and the most
(https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html)."""

PREFIX_LENGTH_MAX = 512
"""Characters of an evaluated prefix
(https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html)."""

OBJECT_KEY_BYTES_MAX = 1024
"""Bytes of an object's key
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""

INVOCATION_BYTES_MAX = 6_000_000
"""Bytes of a function's request, and of its response
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)."""

ITEM_BYTES_MAX = 400 * 1024
"""Bytes of a DynamoDB item
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""

KEY_BYTES_MAX = 2048
"""Bytes of a table's partition key (the same page)."""

SORT_KEY_BYTES_MAX = 1024
"""Bytes of a table's sort key (the same page)."""

NAME_BYTES_MAX = 65_535
"""Bytes of an attribute's name, which is never empty (the same page)."""

NESTING_MAX = 32
"""Levels of values within an attribute, itself included (the same page)."""

BATCH_WRITES_MAX = 25
"""Writes of one BatchWriteItem
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html)."""

GET_RECORDS_MAX = 1_000
"""Records that one read of a shard returns; it also stops at 1 MB
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html)."""

MAPPED_RECORDS_MAX = 10_000
"""Records that one invocation by a stream's mapping has
(https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html)."""

MAPPED_SECONDS = (1, 300)
"""How long a mapping may gather them, the shortest and the longest; up to ten it need not gather
(the same page)."""

STREAM_RETENTION = timedelta(hours=24)
"""How long a stream keeps a change
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html)."""


def batch_length(sizes: Iterable[int], records_max: int = PUT_RECORDS_MAX) -> int:
    """Return how many payloads of these sizes, from the first on, one batch takes: at least one."""
    total = length = 0
    for size in sizes:
        total += size
        if length == min(records_max, PUT_RECORDS_MAX) or (length and total > PUT_BYTES_MAX):
            break
        length += 1
    return length
