"""`sluice compact`: raw objects of the lake into its two Iceberg tables."""

from datetime import datetime

import click

from sluice.cli.command import exit_incomplete, json_option, out, print_json, progress_bar, sluice
from sluice.cli.selection import Since
from sluice.compaction.run import Compacted, compact, older_objects
from sluice.errors import OperationError
from sluice.stack import Stack
from sluice.wording import counted


@sluice.command("compact")
@click.option(
    "--older-than",
    "before",
    type=Since(),
    default="1h",
    show_default=True,
    help="Only objects written before: an age such as 90m, 6h, 2d, or a time.",
)
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only objects of this day of event time.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be compacted, and do nothing.")
@json_option
@click.pass_obj
def compact_command(
    stack_name: str, before: datetime, day: datetime | None, dry_run: bool, as_json: bool
) -> None:
    """Move what the lake's raw objects hold into the tables `history` and `current`.

    It may be stopped and run again at any moment. Exits 1 when an object cannot be read; that one
    stays.
    """
    stack = Stack.named(stack_name)
    if not stack.emulated:
        raise OperationError(
            f"{stack.name} is a stack on AWS, whose queries do not read compacted tables yet; "
            "compact runs on a local stack only"
        )
    stored = older_objects(stack, before, day and day.date())
    problems: list[str] = []
    if dry_run:
        result = Compacted(objects=len(stored), bytes=sum(each.size for each in stored))
    else:
        with progress_bar("compacting") as bar:
            task = bar.add_task("", total=len(stored))
            result = compact(stack, stored, problems, lambda count: bar.advance(task, count))
    if as_json:
        print_json(result)
    else:
        out.print(sentence(result, dry_run))
    exit_incomplete(problems)


def sentence(result: Compacted, dry_run: bool) -> str:
    """Return what a run did, or would do, in words."""
    if dry_run:
        return f"{counted(result.objects, 'object')} would be compacted ({result.bytes:,} bytes)"
    kept = (
        f"; left because they cannot be read whole: {counted(result.kept, 'object')}"
        if result.kept
        else ""
    )
    return (
        f"{counted(result.lines, 'line')} of {counted(result.objects, 'object')} "
        f"({result.bytes:,} bytes): {counted(result.appended, 'change')} new in history{kept}"
    )
