"""`sluice tree`: the lake's partitions."""

from collections.abc import Sequence
from itertools import groupby
from os.path import commonpath

import click
from rich.filesize import decimal
from rich.text import Text
from rich.tree import Tree

from chalicelib.partitions import DATA_PREFIX
from sluice.cli.command import exit_incomplete, json_option, out, print_json, sluice
from sluice.compaction.size import compacted_sizes
from sluice.lake import Partition, error_keys, partitions
from sluice.stack import Stack
from sluice.wording import counted, printable


@sluice.command("tree")
@json_option
@click.pass_obj
def tree_command(stack_name: str, as_json: bool) -> None:
    """Show the lake's partitions with their objects and records, and what is compacted.

    Exits 1 when an object cannot be read.
    """
    stack = Stack.named(stack_name)
    problems: list[str] = []
    lake = partitions(stack, problems)
    history, current = compacted_sizes(stack)
    errors = error_keys(stack)
    if as_json:
        print_json(
            {
                "bucket": stack.bucket,
                "partitions": lake,
                "errorObjects": len(errors),
                "history": history,
                "current": current,
            }
        )
    else:
        out.print(partition_tree(stack.bucket, lake))
        totals = contents(sum(each.objects for each in lake), sum(each.records for each in lake))
        out.print(
            f"{totals} in {counted(len(lake), 'partition')}; {counted(len(errors), 'error object')}"
        )
        if history.files:
            out.print(f"compacted: history {history}; current {current}")
    exit_incomplete(problems)


def contents(objects: int, records: int) -> str:
    """Return the amounts in words: `2 objects, 7 records`."""
    return f"{counted(objects, 'object')}, {counted(records, 'record')}"


def partition_tree(bucket: str, lake: list[Partition]) -> Tree:
    """Return the partitions as a tree; a level that has one child shares its line."""
    root = Tree(f"s3://{bucket}/{DATA_PREFIX}")
    _grow(root, [(each.path.removeprefix(DATA_PREFIX).rstrip("/"), each) for each in lake])
    return root


def _grow(node: Tree, branches: Sequence[tuple[str, Partition]]) -> None:
    for _, group in groupby(branches, lambda branch: branch[0].partition("/")[0]):
        paths, inside = zip(*group, strict=True)
        shared = commonpath(paths)
        if len(inside) == 1:
            (leaf,) = inside
            text = f"{contents(leaf.objects, leaf.records)}, {decimal(leaf.size)}"
            node.add(_label(shared or ".", text))
        else:
            text = counted(sum(each.records for each in inside), "record")
            below = [path[len(shared) + 1 :] for path in paths]
            _grow(node.add(_label(shared, text)), list(zip(below, inside, strict=True)))


def _label(path: str, text: str) -> Text:
    return Text.assemble(f"{printable(path)}/  ", (text, "dim"))
