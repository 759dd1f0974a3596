"""The limits of AWS by default that a plan is compared with, each with its page.

The limits that the code itself keeps stand in `chalicelib.limits`.
"""

from dataclasses import dataclass

from chalicelib.limits import (
    ACTIVE_PARTITIONS_MAX,
    GET_RECORDS_MAX,
    INVOCATION_BYTES_MAX,
    PUT_RECORD_BYTES_MAX,
)

REGION = "us-east-1"

_FIREHOSE = "https://docs.aws.amazon.com/firehose/latest/dev/limits.html"


@dataclass(frozen=True, slots=True)
class Limit:
    """A number that AWS sets."""

    value: float
    source: str
    """The page of AWS that states it."""
    raised: bool = False
    """Whether AWS raises it on request."""


ACTIVE_PARTITIONS = Limit(ACTIVE_PARTITIONS_MAX, _FIREHOSE)
"""Partitions with data in a delivery stream's buffer. Records of a further one go under `errors/`.
The page says it can be raised to 5,000; Service Quotas lists it as fixed. It counts as fixed."""

RECORD_BYTES = Limit(PUT_RECORD_BYTES_MAX, _FIREHOSE)
"""One record of a delivery stream."""

DIRECT_PUT_BYTES_MAX = Limit(
    100_000_000,
    "https://docs.aws.amazon.com/firehose/latest/APIReference/API_DirectPutSourceConfiguration.html",
)
"""The largest throughput a second that one stream can be created with a hint for."""

RESPONSE_BYTES = Limit(
    INVOCATION_BYTES_MAX, "https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"
)
"""Bytes of a function's response, base64 included."""

LAMBDA_CONCURRENCY = Limit(1_000, RESPONSE_BYTES.source, raised=True)
"""Invocations at once, of all functions of an account in a Region."""

TABLE_WRITES = Limit(
    40_000,
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html",
    raised=True,
)
"""Write units a second of one table on demand."""

PARTITION_WRITES = Limit(
    1_000,
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html",
)
"""Write units a second of one partition of a table; each has one open shard in the stream."""

SHARDS_OF_A_NEW_TABLE = Limit(
    4,
    "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html",
)
"""A table on demand starts with room for 4,000 writes a second."""

POLLS_OF_A_SHARD = Limit(
    4, "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-dynamodb.html"
)
"""How often a second a pipe reads a shard."""

POLL_RECORDS = Limit(
    GET_RECORDS_MAX,
    "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html",
)
"""Records that one read of a shard returns."""

S3_PUTS = Limit(
    3_500,
    "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html",
)
"""Writes a second to one partitioned prefix. S3 makes more of them when it sees the need."""


@dataclass(frozen=True, slots=True)
class DirectPut:
    """The quotas of one delivery stream, a second. The three are raised together."""

    records: Limit
    requests: Limit
    size: Limit


_LARGE_REGIONS = {"us-east-1", "us-west-2", "eu-west-1"}


def direct_put(region: str) -> DirectPut:
    """The Direct PUT quotas of a Region."""
    records, requests, mebibytes = (
        (500_000, 2_000, 5) if region in _LARGE_REGIONS else (100_000, 1_000, 1)
    )
    return DirectPut(
        Limit(records, _FIREHOSE, raised=True),
        Limit(requests, _FIREHOSE, raised=True),
        Limit(mebibytes * 1024 * 1024, _FIREHOSE, raised=True),
    )


def pipe_executions(region: str) -> Limit:
    """Executions at once of all pipes of an account in a Region."""
    return Limit(
        3_000 if region in _LARGE_REGIONS else 1_000,
        "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html",
        raised=True,
    )
