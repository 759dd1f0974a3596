"""`sluice redrive`."""

import sys

import click

from chalicelib.partitions import REPLAYED_PREFIX
from sluice.cli.command import json_option, out, print_error, sluice
from sluice.cli.resending import resend
from sluice.recovery.dead_letters import DeadLetters
from sluice.recovery.redrive import Redriven, redrive
from sluice.stack import Stack
from sluice.wording import counted

HINT = "unfinished messages and objects stay; run it again to go on"


@sluice.command("redrive")
@click.option(
    "--dry-run", is_flag=True, help="Count what would be put, and remove no message or object."
)
@click.option(
    "--drop",
    multiple=True,
    metavar="NAME",
    help="Remove this message, by its id, or this object, by its key, whatever it holds: a message "
    "that points at no changes, which Pipes may leave when a pipe is made; a change that is too "
    "large. May be repeated.",
)
@json_option
@click.pass_obj
def redrive_command(stack_name: str, dry_run: bool, drop: tuple[str, ...], as_json: bool) -> None:
    """Deliver the changes that the feed gave up.

    Of the pipe, the dead-letter queue holds pointers: the changes are read from the table's stream,
    which keeps them for 24 hours. A message is removed once its changes were accepted or are gone
    and older than that. Of the function, the changes themselves lie in the bucket, below
    aws/lambda/. An object moves to errors-replayed/ when its last change was accepted. Exits 1 when
    a change cannot be delivered.
    """
    stack = Stack.named(stack_name)
    with DeadLetters(stack) as letters:
        steps = redrive(stack, letters, dry_run, drop)
        redriven = resend(steps, "messages and objects", HINT, dry_run, as_json, _print)
    absent = redriven.dropped < len(set(drop))
    if absent:
        print_error("not everything to drop is there; an id or a key is printed whole")
    undelivered = redriven.aged_out or redriven.not_found or redriven.too_large
    if absent or undelivered or redriven.unreadable or redriven.unusable:
        sys.exit(1)


def _print(redriven: Redriven, dry_run: bool) -> None:
    read, done = [], []
    if redriven.messages or not redriven.objects:
        read.append(counted(redriven.messages, "message"))
        done.append(f"{counted(redriven.removed, 'message')} removed")
    if redriven.objects:
        read.append(counted(redriven.objects, "object"))
        done.append(f"{redriven.moved} of {read[-1]} moved to {REPLAYED_PREFIX}")
    changes = counted(redriven.accepted, "change")
    outcome = f"{changes} put through Firehose, {', '.join(done)}"
    out.print(f"{' and '.join(read)} read: {f'{changes} would be put' if dry_run else outcome}")
    for count, outcome in (
        (redriven.aged_out, "aged out of the stream"),
        (redriven.too_large, "too large for Firehose"),
        (redriven.not_found, "not found in the stream"),
        (redriven.unusable, "that cannot be put"),
        (redriven.held_back, "of erased keys held back"),
    ):
        if count:
            out.print(f"{counted(count, 'change')} {outcome}")
    if redriven.unreadable:
        out.print(f"{counted(redriven.unreadable, 'message')} without a pointer to changes")
    if redriven.dropped:
        out.print(f"{redriven.dropped} dropped")
