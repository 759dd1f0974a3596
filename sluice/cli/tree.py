"""`sluice tree` and `sluice sample`: the lake's partitions, and one of its lines."""

import click
from rich.filesize import decimal
from rich.tree import Tree

from chalicelib.partitions import DATA_PREFIX
from sluice.cli.command import json_option, out, print_json, sluice
from sluice.errors import OperationError
from sluice.lake import Partition, error_keys, keys, lines, partitions
from sluice.stack import Stack
from sluice.wording import counted


@sluice.command("tree")
@json_option
@click.pass_obj
def tree_command(stack_name: str, as_json: bool) -> None:
    """Show the lake's partitions with their objects and records."""
    stack = Stack.named(stack_name)
    lake = partitions(stack)
    errors = error_keys(stack)
    if as_json:
        print_json({"bucket": stack.bucket, "partitions": lake, "errorObjects": len(errors)})
        return
    out.print(partition_tree(stack.bucket, lake))
    totals = contents(sum(each.objects for each in lake), sum(each.records for each in lake))
    out.print(
        f"{totals} in {counted(len(lake), 'partition')}; {counted(len(errors), 'error object')}"
    )


def contents(objects: int, records: int) -> str:
    """Return the amounts in words: `2 objects, 7 records`."""
    return f"{counted(objects, 'object')}, {counted(records, 'record')}"


def partition_tree(bucket: str, lake: list[Partition]) -> Tree:
    """Return the partitions as a tree; a level that has one child shares its line."""
    root = Tree(f"s3://{bucket}/data/")
    _grow(root, [(each.path.removeprefix("data/").rstrip("/").split("/"), each) for each in lake])
    return root


def _grow(node: Tree, branches: list[tuple[list[str], Partition]]) -> None:
    children: dict[str, list[tuple[list[str], Partition]]] = {}
    for levels, partition in branches:
        children.setdefault(levels[0], []).append((levels[1:], partition))
    for name, below in children.items():
        while len({tuple(levels[:1]) for levels, _ in below}) == 1 and below[0][0]:
            name += "/" + below[0][0][0]
            below = [(levels[1:], partition) for levels, partition in below]
        if below[0][0]:
            records = sum(partition.records for _, partition in below)
            _grow(node.add(f"{name}/  [dim]{counted(records, 'record')}[/dim]"), below)
        else:
            partition = below[0][1]
            node.add(
                f"{name}/  [dim]{contents(partition.objects, partition.records)}, "
                f"{decimal(partition.size)}[/dim]"
            )


@sluice.command("sample")
@click.option(
    "--prefix",
    default=DATA_PREFIX,
    show_default=True,
    help="Prefix of the object to read.",
)
@click.pass_obj
def sample_command(stack_name: str, prefix: str) -> None:
    """Print one decoded line of the lake and the object that holds it."""
    stack = Stack.named(stack_name)
    for key, _ in keys(stack, prefix):
        out.print(f"[dim]s3://{stack.bucket}/{key}[/dim]")
        out.print_json(lines(stack, key)[0].decode(), indent=None)
        return
    raise OperationError(f"there is no object below {prefix}")
