"""What `verify` takes from a deployed stack: its choices, its pace, its items, its faults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import boto3
from botocore.config import Config

from sluice.backfill.capacity import ReadCapacity
from sluice.backfill.scan import TableScan
from sluice.backfill.stop import Stop
from sluice.items import Item, attributes
from sluice.lake import error_keys
from sluice.recovery.dead_letters import DeadLetters
from sluice.stack import Stack
from sluice.verify.compare import Kept

MARGIN_SECONDS = 60
"""What a change may take beside Firehose's buffer: the pipe, and the transform's own buffer."""


def kept(stack: Stack) -> Kept:
    """What of the changes the pipe and the transform let through."""
    pipe = stack.pipes.describe_pipe(Name=stack.output("PipeName"))
    # The emulator does not tell them, and its stack keeps deletes.
    source = pipe.get("SourceParameters", {})
    filters = source.get("FilterCriteria", {}).get("Filters", [])
    transform = boto3.client("lambda").get_function_configuration(
        FunctionName=stack.output("TransformName")
    )
    variables = transform.get("Environment", {}).get("Variables", {})
    return Kept(
        deletes=not filters or any("REMOVE" in each.get("Pattern", "") for each in filters),
        undeclared=variables.get("UNDECLARED") != "drop",
    )


def delivery_seconds(stack: Stack) -> float:
    """How long a change may take into the lake: half as long again as Firehose buffers, and more
    (https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-s3bucketprefix.html)."""
    stream = stack.firehose.describe_delivery_stream(DeliveryStreamName=stack.output("StreamName"))[
        "DeliveryStreamDescription"
    ]
    hints = stream["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"]
    return hints["IntervalInSeconds"] * 1.5 + MARGIN_SECONDS


def table_scan(stack: Stack, read_capacity: float) -> TableScan:
    """The table, read with so many units a second at most."""
    # Throttling must be seen, for the rate to follow it: botocore would try again by itself.
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    dynamodb = boto3.client("dynamodb", config=once)
    table = dynamodb.describe_table(TableName=stack.output("TableName"))["Table"]
    return TableScan(dynamodb, table, 1, ReadCapacity(read_capacity, 1), Stop())


def items(scan: TableScan, progress: Callable[[int], None]) -> Iterator[Item]:
    """The table's items, read while they are iterated."""
    for part in scan.parts():
        for page in scan.pages(part, None):
            progress(len(page.items))
            yield from (attributes(found.image) for found in page.items)


@dataclass(frozen=True, slots=True)
class Faults:
    """What waits to be brought back."""

    error_objects: int
    dead_letters: int

    @classmethod
    def of(cls, stack: Stack) -> "Faults":
        """Count it."""
        with DeadLetters(stack) as letters:
            return cls(len(error_keys(stack)), letters.count())
