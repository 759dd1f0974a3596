"""The monthly bill of a plan, line by line: a quantity, and the price of its unit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sluice.planning import prices
from sluice.planning.compaction import FUNCTION_MEGABYTES
from sluice.planning.feeds import FEED_MEGABYTES
from sluice.planning.limits import POLLS_OF_A_SHARD
from sluice.planning.plan import TRANSFORM_MEGABYTES, Plan
from sluice.planning.prices import Price
from sluice.planning.reading import DAY, MONTH_DAYS, QueryCost

MONTH = MONTH_DAYS * DAY
GB = 1e9

PIPE_REQUEST_BYTES = 64 * 1024

ALARMS = 21
METRICS = 4
"""The alarms and the metrics of a stack."""

FEED_ALARMS = 1
FEED_METRICS = 3
"""More alarms and metrics of one whose feed is the function."""

COMPACTION_ALARMS = 1
"""More alarms of one that compacts."""

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
    taken = plan.feed.billed_bytes * MONTH / GB
    written = changes * weights.line / GB
    stored = objects * plan.object_bytes / GB
    queries = plan.settings.queries_per_day * MONTH_DAYS
    lines = [
        BillLine(
            "DynamoDB writes",
            plan.table_writes * MONTH / 1e6,
            prices.WRITES,
            "there without a lake, too",
        ),
        *_feed_lines(plan),
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
        place = next(i for i, each in enumerate(lines) if each.what == "Lambda requests")
        lines.insert(place, BillLine("Firehose conversion", taken, prices.CONVERSION))
    return (*lines, *compaction_lines(plan)) if plan.settings.compacts else tuple(lines)


def _feed_lines(plan: Plan) -> Iterator[BillLine]:
    """The lines of the feed, but for what Firehose takes of it."""
    feed, changes = plan.feed, plan.workload.changes_per_second * MONTH
    if plan.settings.feed == "function":
        batches = feed.batches * MONTH
        yield BillLine(
            "Feed requests", batches / 1e6, prices.LAMBDA_REQUESTS, "Lambda reads streams free"
        )
        yield BillLine(
            "Feed duration",
            batches * feed.batch_seconds * FEED_MEGABYTES / 1024,
            prices.LAMBDA_DURATION,
        )
        yield BillLine("Feed logs", batches * INVOCATION_LOG_BYTES / GB, prices.LOGS)
        yield BillLine("Feed alarm", FEED_ALARMS, prices.ALARMS)
        yield BillLine("Feed metrics", FEED_METRICS, prices.METRICS)
        return
    yield BillLine(
        "DynamoDB stream",
        plan.shards * POLLS_OF_A_SHARD.value * MONTH / 1e6,
        prices.STREAM_READS,
        "AWS documents it as free for Lambda, and says nothing of pipes",
    )
    yield BillLine(
        "EventBridge Pipes",
        changes * math.ceil(plan.weights.record / PIPE_REQUEST_BYTES) / 1e6,
        prices.PIPE,
        "each change counted as a request; several in 64 KB may be one",
    )


def compaction_lines(plan: Plan) -> Iterator[BillLine]:
    """The lines of the compaction, as if it were on."""
    kept, work = plan.compaction, plan.compaction.work
    stored = kept.history.scanned_bytes * MONTH_DAYS + kept.current.scanned_bytes
    yield BillLine("Compaction, Athena", work.scanned_bytes * MONTH_DAYS / 1e12, prices.ATHENA)
    yield BillLine("Compaction, S3 reads", work.opened * MONTH_DAYS / 1e3, prices.S3_GETS)
    yield BillLine(
        "Compaction, S3 writes",
        work.requests * MONTH_DAYS / 1e3,
        prices.S3_PUTS,
        "and listings",
    )
    yield BillLine(
        "Compaction, KMS",
        work.requests * BUCKET_KEY_SHARE * MONTH_DAYS / 1e4,
        prices.KMS_REQUESTS,
    )
    yield BillLine(
        "Compaction, function",
        work.function_seconds * MONTH_DAYS * FUNCTION_MEGABYTES / 1024,
        prices.LAMBDA_DURATION,
    )
    yield BillLine("Compaction, alarm", COMPACTION_ALARMS, prices.ALARMS)
    yield BillLine(
        "Compaction, storage",
        stored / GB,
        prices.S3_STORAGE,
        "of a month; raw objects stay as old versions",
    )


def query_dollars(query: QueryCost) -> float:
    """Return what Athena and S3 charge for one query."""
    return prices.ATHENA.of(query.scanned_bytes / 1e12) + prices.S3_GETS.of(query.objects / 1e3)


def total(lines: tuple[BillLine, ...]) -> float:
    """Return dollars a month."""
    return math.fsum(line.dollars for line in lines)
