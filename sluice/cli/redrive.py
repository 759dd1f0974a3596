"""`sluice redrive`."""

import sys

import click

from sluice.cli.command import json_option, out, sluice
from sluice.cli.resending import resend
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.redrive import Redriven, redrive
from sluice.stack import Stack
from sluice.wording import counted

HINT = "unfinished messages stay in the queue; run it again to go on"


@sluice.command("redrive")
@click.option("--dry-run", is_flag=True, help="Count what would be put, and remove no message.")
@click.option(
    "--drop",
    multiple=True,
    metavar="MESSAGE_ID",
    help="Remove this message, whatever it holds: of one that points at no changes, which Pipes "
    "may leave when a pipe is made. May be repeated.",
)
@json_option
@click.pass_obj
def redrive_command(stack_name: str, dry_run: bool, drop: tuple[str, ...], as_json: bool) -> None:
    """Deliver the changes that the pipe gave up, while the table's stream still has them.

    The dead-letter queue holds pointers; the changes are read from the stream, which keeps them
    for 24 hours, and put through Firehose. A message is removed once its changes were accepted or
    are gone and older than that. Exits 1 when a change cannot be delivered.
    """
    stack = Stack.named(stack_name)
    with DeadLetters(stack) as letters:
        steps = redrive(stack, letters, dry_run, drop)
        redriven = resend(steps, "messages", HINT, dry_run, as_json, _print)
    if redriven.aged_out or redriven.not_found or redriven.too_large or redriven.unreadable:
        sys.exit(1)


def _print(redriven: Redriven, dry_run: bool) -> None:
    changes = counted(redriven.accepted, "change")
    done = (
        f"{changes} would be put"
        if dry_run
        else f"{changes} put through Firehose, {counted(redriven.removed, 'message')} removed"
    )
    out.print(f"{counted(redriven.messages, 'message')} read: {done}")
    for count, noun, outcome in (
        (redriven.aged_out, "change", "aged out of the stream"),
        (redriven.too_large, "change", "too large for Firehose"),
        (redriven.not_found, "change", "not found in the stream"),
        (redriven.unreadable, "message", "without a pointer to changes"),
        (redriven.dropped, "message", "dropped"),
    ):
        if count:
            out.print(f"{counted(count, noun)} {outcome}")
