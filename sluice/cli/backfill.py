"""`sluice backfill`: the table's existing items into the lake."""

from datetime import datetime
from pathlib import Path

import click

from chalicelib.attributes import from_text
from chalicelib.declaration import Table
from chalicelib.firehose import DeliveryStream
from chalicelib.keys import texts_of
from sluice.backfill.checkpoint import BackfillCheckpoint
from sluice.backfill.deployed import (
    PARALLEL_MAX,
    backfill_source,
    checkpoint_path,
    open_checkpoint,
)
from sluice.backfill.restored import Restored, former_sequences, refuse_too_late, refuse_waiting
from sluice.backfill.run import run
from sluice.backfill.stop import Stop
from sluice.cli.command import AMOUNT, ProgressBar, json_option, out, print_json, sluice
from sluice.cli.selection import Since
from sluice.erasure.memory import Memory
from sluice.errors import OperationError
from sluice.query.athena import Workgroup
from sluice.query.emulator import Limits
from sluice.stack import Stack
from sluice.verify.deployed import delivery_seconds
from sluice.wording import counted

KEYS_MAX = 20
"""Of the keys that an error message names."""

HINT = "run again to go on where it was"


@sluice.command("backfill")
@click.option(
    "--read-capacity",
    type=AMOUNT,
    default=500,
    help="Read units a second to use at most; fewer while the table throttles.",
)
@click.option(
    "--parallel",
    type=click.IntRange(1, PARALLEL_MAX),
    default=8,
    help="Parts to read at once: segments of the table, or files of an export.",
)
@click.option(
    "--from-export",
    metavar="S3_URI",
    help="Read a finished full export (DYNAMODB_JSON) at s3://bucket/prefix instead of the table.",
)
@click.option(
    "--restored-at",
    type=Since(),
    help="A moment after the table was restored, or after a gap in its stream: snapshots outrank "
    "every earlier change, and yield to every later one.",
)
@click.option(
    "--checkpoint",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that remembers how far it is. [default: one per table or export, in the "
    "user's application folder]",
)
@click.option("--restart", is_flag=True, help="Ignore the checkpoint and start anew.")
@json_option
@click.pass_obj
def backfill_command(
    stack_name: str,
    read_capacity: float,
    parallel: int,
    from_export: str | None,
    restored_at: datetime | None,
    path: Path | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Deliver the table's existing items to the lake, as SNAPSHOT changes.

    Items may change meanwhile: a change from the stream wins over a snapshot, unless
    --restored-at says since when. A run that
    was stopped or killed goes on where it was when it is started again. Items delivered twice do
    not affect the latest state; docs/lake.md says why.
    """
    if from_export and restored_at:
        raise click.UsageError("--restored-at reads the table as it is now, not an export")
    stop = Stop()
    stack = Stack.named(stack_name)
    source = backfill_source(stack, from_export, read_capacity, parallel, stop)
    if restored_at:
        lake = Workgroup(stack, Limits(seconds=None, rows=None))
        seconds = delivery_seconds(stack)
        refuse_too_late(restored_at, seconds)
        former = former_sequences(lake, stack.table, restored_at)
        source = Restored(source, stack.table, restored_at, former)
        # After the lake was read, so that nothing comes in unseen between the two.
        refuse_waiting(stack, seconds)
    path = path or checkpoint_path(Path(click.get_app_dir("sluice")), stack, source)
    checkpoint = open_checkpoint(path, source, restart)
    before = checkpoint.items
    stream = DeliveryStream(stack.firehose, stack.output("StreamName"), stop.pause)
    with ProgressBar("items", max(source.item_count - before, 0)) as bar:
        try:
            holds_back = Memory(stack).holds_back
            run(source, checkpoint, stream, stop, parallel, bar.step, holds_back)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(HINT) from None
    report(stack.table, checkpoint, before, as_json)


def report(table: Table, checkpoint: BackfillCheckpoint, before: int, as_json: bool) -> None:
    """Print what the runs of a backfill delivered.

    Raises OperationError with the keys of the items that no Firehose record can hold.
    """
    too_large = [" ".join(texts_of(table, from_text(key))) for key in checkpoint.too_large]
    if as_json:
        print_json(
            {
                "items": checkpoint.items,
                "itemsOfThisRun": checkpoint.items - before,
                "tooLarge": len(too_large),
                "heldBack": checkpoint.held_back,
                "checkpoint": str(checkpoint.path),
            }
        )
    else:
        out.print(
            f"The backfill is complete: {checkpoint.items:,} items, "
            f"{checkpoint.items - before:,} of them in this run. --restart starts anew."
        )
        if checkpoint.held_back:
            out.print(f"{counted(checkpoint.held_back, 'item')} of erased keys held back")
    if too_large:
        keys = ", ".join(too_large[:KEYS_MAX]) + (", ..." if len(too_large) > KEYS_MAX else "")
        raise OperationError(
            f"{counted(len(too_large), 'item')} above the 1,000 KiB that a Firehose record holds "
            f"did not go into the lake: {keys}; all their keys are in {checkpoint.path}"
        )
