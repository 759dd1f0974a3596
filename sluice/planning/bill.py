"""The monthly bill of a plan, line by line: a quantity, and the price of its unit."""

import math
from dataclasses import dataclass

from sluice.planning import prices
from sluice.planning.limits import POLLS_OF_A_SHARD
from sluice.planning.plan import DAY, TRANSFORM_MEGABYTES, Plan
from sluice.planning.prices import Price

MONTH = 30 * DAY
GB = 1e9

BILLED_RECORD_BYTES = 5 * 1024
PIPE_REQUEST_BYTES = 64 * 1024

ALARMS = 21
METRICS = 4
"""The alarms and the metrics of a stack."""

INVOCATION_LOG_BYTES = 1_000
"""About the bytes that an invocation logs: Lambda's own lines, and the line of the metrics."""

BUCKET_KEY_SHARE = 0.01
"""S3's bucket key saves up to 99 of 100 requests to KMS
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html)."""


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of the bill."""

    what: str
    quantity: float
    price: Price
    note: str = ""

    @property
    def dollars(self) -> float:
        """Dollars a month."""
        return self.price.of(self.quantity)


def bill(plan: Plan) -> tuple[BillLine, ...]:
    """Return a month of thirty days at the plan's rate."""
    workload, weights, delivery = plan.workload, plan.weights, plan.delivery
    changes = workload.changes_per_second * MONTH
    objects = delivery.objects_per_second * MONTH
    invocations = delivery.invocations_per_second * MONTH
    billed_record = math.ceil(weights.record / BILLED_RECORD_BYTES) * BILLED_RECORD_BYTES
    taken = changes * billed_record / GB
    written = changes * weights.line / GB
    stored = objects * plan.object_bytes / GB
    queries = plan.settings.queries_per_day * 30
    lines = [
        BillLine(
            "DynamoDB writes",
            plan.table_writes * MONTH / 1e6,
            prices.WRITES,
            "there without a lake, too",
        ),
        BillLine(
            "DynamoDB stream",
            plan.shards * POLLS_OF_A_SHARD.value * MONTH / 1e6,
            prices.STREAM_READS,
            "AWS documents it as free for Lambda, and says nothing of pipes",
        ),
        BillLine(
            "EventBridge Pipes",
            changes * math.ceil(weights.record / PIPE_REQUEST_BYTES) / 1e6,
            prices.PIPE,
            "each change counted as a request; several in 64 KB may be one",
        ),
        BillLine("Firehose ingestion", taken, prices.FIREHOSE),
        BillLine("Firehose partitioning", written, prices.PARTITIONING),
        BillLine("Firehose objects", objects / 1e3, prices.PARTITIONED_OBJECTS),
        BillLine("Lambda requests", invocations / 1e6, prices.LAMBDA_REQUESTS),
        BillLine(
            "Lambda duration",
            invocations * plan.invocation_seconds * TRANSFORM_MEGABYTES / 1024,
            prices.LAMBDA_DURATION,
        ),
        BillLine("S3 writes", objects / 1e3, prices.S3_PUTS),
        BillLine("S3 storage", stored, prices.S3_STORAGE, "of one month's data, in its last month"),
        BillLine("Athena", queries * plan.query.scanned_bytes / 1e12, prices.ATHENA),
        BillLine(
            "S3 for Athena",
            queries * plan.query.objects / 1e3,
            prices.S3_GETS,
            "each object opened once",
        ),
        BillLine("KMS key", 1, prices.KMS_KEY),
        BillLine("KMS requests", objects * BUCKET_KEY_SHARE / 1e4, prices.KMS_REQUESTS),
        BillLine("CloudWatch alarms", ALARMS, prices.ALARMS),
        BillLine("CloudWatch metrics", METRICS, prices.METRICS),
        BillLine("CloudWatch dashboard", 1, prices.DASHBOARD),
        BillLine("CloudWatch logs", invocations * INVOCATION_LOG_BYTES / GB, prices.LOGS),
    ]
    if plan.settings.format == "parquet":
        lines.insert(6, BillLine("Firehose conversion", taken, prices.CONVERSION))
    return tuple(lines)


def total(lines: tuple[BillLine, ...]) -> float:
    """Return dollars a month."""
    return math.fsum(line.dollars for line in lines)
