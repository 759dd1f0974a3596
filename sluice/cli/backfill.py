"""`sluice backfill`: the table's existing items into the lake."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import click
from botocore.config import Config

from sluice.backfill.capacity import ReadCapacity
from sluice.backfill.checkpoint import Checkpoint
from sluice.backfill.export import Export
from sluice.backfill.gap import refuse_gap, running_pipe
from sluice.backfill.run import run
from sluice.backfill.scan import TableScan, key_names
from sluice.backfill.source import Source
from sluice.backfill.stop import Stop
from sluice.cli.command import AMOUNT, json_option, out, print_json, progress_bar, sluice
from sluice.errors import OperationError
from sluice.firehose import DeliveryStream
from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_pipes.type_defs import DescribePipeResponseTypeDef

PARALLEL_MAX = 64
KEYS_SHOWN = 20

GO_ON = "run again to go on where it was"


@sluice.command("backfill")
@click.option(
    "--read-capacity",
    type=AMOUNT,
    default=500,
    show_default=True,
    help="Read units a second to use at most; fewer while the table throttles.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, PARALLEL_MAX),
    default=8,
    show_default=True,
    help="Parts to read at once: segments of the table, or files of an export.",
)
@click.option(
    "--from-export",
    metavar="S3_URI",
    help="Read a finished full export (DYNAMODB_JSON) at s3://bucket/prefix, not the table.",
)
@click.option(
    "--checkpoint",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that remembers how far it is. [default: one per table or export, in the "
    "user's application folder]",
)
@click.option("--restart", is_flag=True, help="Forget the checkpoint and begin anew.")
@json_option
@click.pass_obj
def backfill_command(
    stack_name: str,
    read_capacity: float,
    parallel: int,
    from_export: str | None,
    path: Path | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Bring the table's existing items into the lake, as SNAPSHOT changes.

    Items may change meanwhile: what the stream carries always wins over a snapshot. A run that
    was stopped or killed goes on where it was when it is started again. Items delivered twice are
    harmless to the latest state; docs/lake.md says why.
    """
    stop = Stop()
    stack = Stack.named(stack_name)
    pipe = running_pipe(stack)
    source = _source(stack, pipe, from_export, read_capacity, parallel, stop)
    path = path or default_checkpoint(stack, source)
    checkpoint = None if restart else Checkpoint.load(path, source.identity)
    if checkpoint and checkpoint.done:
        raise OperationError(f"this backfill is finished, says {path}; begin anew with --restart")
    if checkpoint is None:
        checkpoint = Checkpoint.begin(path, source.identity, source.parts())
    before = checkpoint.items
    stream = DeliveryStream(stack.firehose, stack.output("StreamName"), stop.pause)
    with progress_bar("items") as bar:
        task = bar.add_task("", total=max(source.item_count - before, 0))
        try:
            run(source, checkpoint, stream, stop, parallel, lambda made: bar.advance(task, made))
        except KeyboardInterrupt:
            raise KeyboardInterrupt(GO_ON) from None
    _report(checkpoint, before, as_json)


def _report(checkpoint: Checkpoint, before: int, as_json: bool) -> None:
    too_large = checkpoint.too_large
    if as_json:
        print_json(
            {
                "items": checkpoint.items,
                "itemsOfThisRun": checkpoint.items - before,
                "tooLarge": len(too_large),
                "checkpoint": str(checkpoint.path),
            }
        )
    else:
        out.print(
            f"The backfill is complete: {checkpoint.items:,} items, "
            f"{checkpoint.items - before:,} of them in this run. --restart begins anew."
        )
    if too_large:
        shown = ", ".join(too_large[:KEYS_SHOWN])
        raise OperationError(
            f"{len(too_large)} items are above the 1,000 KiB that a Firehose record holds, and "
            f"are not in the lake: {shown}{', ...' if len(too_large) > KEYS_SHOWN else ''}; "
            f"their keys stand in {checkpoint.path}"
        )


def _source(
    stack: Stack,
    pipe: "DescribePipeResponseTypeDef",
    from_export: str | None,
    read_capacity: float,
    parallel: int,
    stop: Stop,
) -> Source:
    # Throttling must be seen here, for the rate to follow it: botocore would try again by itself.
    once = Config(
        retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=PARALLEL_MAX
    )
    dynamodb = boto3.client("dynamodb", config=once)
    table = dynamodb.describe_table(TableName=stack.output("TableName"))["Table"]
    if from_export is None:
        return TableScan(dynamodb, table, parallel, ReadCapacity(read_capacity, parallel), stop)
    export = Export(stack.s3, from_export, key_names(table))
    refuse_gap(export, table, pipe)
    return export


def default_checkpoint(stack: Stack, source: Source) -> Path:
    """The file that a backfill of this source is remembered in."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"backfill-{stack.name}-{source.identity}").strip("-")
    return Path(click.get_app_dir("sluice")) / f"{name}.json"
