"""`sluice replay`."""

import sys
from datetime import datetime

import click

from sluice.cli.command import err, json_option, out, sluice
from sluice.cli.resending import resend
from sluice.cli.selection import selection_options
from sluice.recovery.quarantine import Selection
from sluice.recovery.replay import Replayed, replay
from sluice.stack import Stack
from sluice.wording import counted

HINT = "what was accepted is noted; run it again to go on"


@sluice.command("replay")
@selection_options
@click.option("--dry-run", is_flag=True, help="Count what would be put, and change nothing.")
@json_option
@click.pass_obj
def replay_command(
    stack_name: str,
    error_code: str | None,
    since: datetime | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put the records in quarantine through Firehose again, once their cause is fixed.

    An error object moves to errors-replayed/ when its last record was accepted. Run again, the
    command puts nothing twice. Exits 1 when a chosen record cannot be put.
    """
    stack = Stack.named(stack_name)
    steps = replay(stack, Selection(error_code, since), dry_run)
    replayed = resend(steps, "error objects", HINT, dry_run, as_json, _print)
    if replayed.obstacles:
        sys.exit(1)


def _print(replayed: Replayed, dry_run: bool) -> None:
    objects = counted(replayed.objects, "error object")
    if dry_run:
        summary = f"{counted(replayed.accepted, 'record')} of {objects} would be put"
    else:
        summary = (
            f"{counted(replayed.accepted, 'record')} put through Firehose again; "
            f"{replayed.moved} of {objects} moved to errors-replayed/"
        )
    if replayed.not_chosen:
        summary += f"; {counted(replayed.not_chosen, 'record')} not chosen"
    out.print(summary)
    for reason, count in replayed.obstacles.items():
        err.print(f"{counted(count, 'record')} cannot be put: {reason}")
