"""The commands of `sluice`: options in, tables or JSON out. What they do stands in the modules."""

import sys
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.tree import Tree

from chalicelib.partitions import DATA_PREFIX
from operations.api import Api
from operations.lake import Partition, error_keys, keys, lines, partitions
from operations.seed import seed
from operations.stack import OperationError, Stack

out = Console(soft_wrap=True)
err = Console(stderr=True)


class _Commands(click.Group):
    """Turns an operation's error into one line on standard error and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OperationError as refused:
            err.print(f"[red]error:[/red] {refused}", highlight=False, markup=True)
            sys.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--stack-name",
    envvar="SLUICE_STACK",
    default="Sluice-dev",
    show_default=True,
    help="The deployed stack to work on.",
)
@click.pass_context
def sluice(ctx: click.Context, stack_name: str) -> None:
    """Look into a Sluice stack and keep it running, on AWS or on this machine.

    AWS_ENDPOINT_URL decides which of the two it is.
    """
    ctx.obj = stack_name


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(msgspec.json.encode(document).decode())


@sluice.command("seed")
@click.option(
    "--count", type=click.IntRange(0), default=100, show_default=True, help="New records."
)
@click.option("--sites", type=click.IntRange(1), default=5, show_default=True, help="Sites to use.")
@click.option(
    "--changes", type=click.IntRange(0), default=0, help="Of the records, how many to change."
)
@click.option(
    "--deletes", type=click.IntRange(0), default=0, help="Of the records, how many to delete."
)
@click.option(
    "--minutes",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="How far back their event times reach.",
)
@click.option("--samples", is_flag=True, help="Write the two sample records of the README as well.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Changes a second at most.")
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
    """Write synthetic records through the API."""
    if changes + deletes > count:
        raise OperationError("--changes and --deletes together must not exceed --count")
    api = Api(Stack.named(stack_name))
    total = count + changes + deletes + (2 if samples else 0)
    columns = (TextColumn("seeding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("seeding", total=total)
        seeded = seed(
            api,
            count,
            sites,
            changes,
            deletes,
            minutes,
            samples,
            rate,
            progress=lambda made: bar.advance(task, made),
        )
    if as_json:
        print_json({**msgspec.to_builtins(seeded), "total": seeded.total})
    else:
        out.print(
            f"{seeded.total} changes: {seeded.inserts} records written, "
            f"{seeded.changes} changed, {seeded.deletes} deleted"
        )


@sluice.command("tree")
@json_option
@click.pass_obj
def tree_command(stack_name: str, as_json: bool) -> None:
    """Show the lake's partitions with their objects and records."""
    stack = Stack.named(stack_name)
    found = partitions(stack)
    errors = error_keys(stack)
    if as_json:
        print_json({"bucket": stack.bucket, "partitions": found, "errorObjects": len(errors)})
        return
    out.print(partition_tree(stack.bucket, found))
    out.print(
        f"{sum(each.objects for each in found)} objects, "
        f"{sum(each.records for each in found)} records in {len(found)} partitions; "
        f"{len(errors)} error objects"
    )


def partition_tree(bucket: str, found: list[Partition]) -> Tree:
    """The partitions as a tree; a level that has one child shares its line."""
    root = Tree(f"s3://{bucket}/data/")
    _grow(root, [(each.path.removeprefix("data/").rstrip("/").split("/"), each) for each in found])
    return root


def _grow(node: Tree, found: list[tuple[list[str], Partition]]) -> None:
    children: dict[str, list[tuple[list[str], Partition]]] = {}
    for levels, partition in found:
        children.setdefault(levels[0], []).append((levels[1:], partition))
    for name, below in children.items():
        while len({tuple(levels[:1]) for levels, _ in below}) == 1 and below[0][0]:
            name += "/" + below[0][0][0]
            below = [(levels[1:], partition) for levels, partition in below]
        if below[0][0]:
            records = sum(partition.records for _, partition in below)
            _grow(node.add(f"{name}/  [dim]{records} records[/dim]"), below)
        else:
            partition = below[0][1]
            node.add(
                f"{name}/  [dim]{partition.objects} objects, {partition.records} records, "
                f"{partition.size} bytes[/dim]"
            )


@sluice.command("sample")
@click.option("--prefix", default=DATA_PREFIX, show_default=True, help="Where to take it from.")
@click.pass_obj
def sample_command(stack_name: str, prefix: str) -> None:
    """Print one decoded line of the lake and the object it stands in."""
    stack = Stack.named(stack_name)
    for key, _ in keys(stack, prefix):
        out.print(f"[dim]s3://{stack.bucket}/{key}[/dim]")
        out.print_json(lines(stack, key)[0].decode(), indent=None)
        return
    raise OperationError(f"there is no object below {prefix}")
