"""`sluice seed`."""

import click
import msgspec

from sluice.cli.command import AMOUNT, ProgressBar, json_option, out, print_json, sluice
from sluice.seed import seed, writers
from sluice.stack import Stack
from sluice.wording import counted


@sluice.command("seed")
@click.option("--count", type=click.IntRange(0), default=100, help="New records.")
@click.option(
    "--sites", type=click.IntRange(1), default=5, help="Values of the layout's first field."
)
@click.option(
    "--changes",
    type=click.IntRange(0),
    default=0,
    help="Of the records, how many to change at most.",
)
@click.option(
    "--deletes", type=click.IntRange(0), default=0, help="Of the records, how many to delete."
)
@click.option(
    "--minutes", type=click.IntRange(1), default=30, help="How far back their event times reach."
)
@click.option("--samples", is_flag=True, help="Write the declaration's examples first.")
@click.option("--rate", type=AMOUNT, help="Changes a second at most.")
@json_option
@click.pass_obj
def seed_command(
    stack_name: str,
    count: int,
    sites: int,
    changes: int,
    deletes: int,
    minutes: int,
    samples: bool,
    rate: float | None,
    as_json: bool,
) -> None:
    """Write synthetic records of the declared table, of every kind in turn.

    They go through the API, but straight to the table where the stack has no API, and where the
    declaration has no kind for them.
    """
    if changes + deletes > count:
        raise click.UsageError("--changes and --deletes together must not exceed --count")
    stack = Stack.named(stack_name)
    table = stack.table
    total = count + changes + deletes + (len(table.examples) if samples else 0)
    with ProgressBar("seeding", total) as bar:
        seeded = seed(
            table,
            *writers(stack),
            count,
            sites,
            changes,
            deletes,
            minutes,
            samples,
            rate,
            progress=bar.step,
        )
    if as_json:
        print_json({**msgspec.to_builtins(seeded), "total": seeded.total})
    else:
        out.print(
            f"{counted(seeded.total, 'change')}: {counted(seeded.inserts, 'record')} written, "
            f"{seeded.changes} changed, {seeded.deletes} deleted"
        )
