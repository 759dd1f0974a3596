"""The sources of a backfill of a deployed stack, and its checkpoint."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from sluice.backfill.capacity import ReadCapacity
from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.backfill.export import Export
from sluice.backfill.gap import refuse_gap, refuse_standing
from sluice.backfill.scan import TableScan
from sluice.backfill.source import Source
from sluice.backfill.stop import Stop
from sluice.errors import OperationError
from sluice.feed import deployed_feed
from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

PARALLEL_MAX = 64
"""Parts of a source that are read at once."""


def table_scan(stack: Stack, read_capacity: float, parallel: int, stop: Stop) -> TableScan:
    """Return a scan of the stack's table with at most this many read units a second."""
    client, table = _table(stack)
    capacity = ReadCapacity(read_capacity, parallel)
    return TableScan(client, table, stack.table.key_names, parallel, capacity, stop)


def backfill_source(
    stack: Stack, export_uri: str | None, read_capacity: float, parallel: int, stop: Stop
) -> Source:
    """Return an export, or a scan of the table without one. Raises OperationError for a gap."""
    feed = deployed_feed(stack)
    refuse_standing(feed)
    if export_uri is None:
        return table_scan(stack, read_capacity, parallel, stop)
    _, table = _table(stack)
    export = Export(stack.s3, export_uri, stack.table.key_names)
    refuse_gap(export, table, feed)
    return export


def checkpoint_path(folder: Path, stack: Stack, source: Source) -> Path:
    """Return the file for the checkpoint of a stack's backfill from this source."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"backfill-{stack.name}-{source.identity}").strip("-")
    return folder / f"{name}.json"


def open_checkpoint(path: Path, source: Source, restart: bool) -> BackfillCheckpoint:
    """Return the checkpoint to go on from. Raises OperationError for a finished backfill."""
    checkpoint = None if restart else BackfillCheckpoint.load(path, source.identity, source.accepts)
    if checkpoint and checkpoint.done:
        raise OperationError(f"this backfill is finished, says {path}; start anew with --restart")
    return checkpoint or BackfillCheckpoint.begin(path, source.identity, source.parts())


def _table(stack: Stack) -> tuple["DynamoDBClient", "TableDescriptionTypeDef"]:
    # Throttling must be seen, for the rate to follow it: botocore would retry by itself.
    once = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=PARALLEL_MAX
    )
    client = boto3.client("dynamodb", config=once)
    return client, client.describe_table(TableName=stack.output("TableName"))["Table"]
