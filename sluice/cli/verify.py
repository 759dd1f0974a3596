"""`sluice verify`."""

import sys
import time

import click
import msgspec
from rich.table import Table
from rich.text import Text

from chalicelib.declaration import Level
from sluice.backfill.deployed import table_scan
from sluice.backfill.stop import Stop
from sluice.cli.command import (
    AMOUNT,
    Amount,
    ProgressBar,
    err,
    exit_incomplete,
    json_option,
    out,
    print_json,
    sluice,
)
from sluice.query.athena import Workgroup
from sluice.query.emulator import Limits
from sluice.stack import Stack
from sluice.verify.compare import Comparison, GroupCounts, verify
from sluice.verify.deployed import delivery_seconds, has_deletes, item_reason, items, remedies
from sluice.wording import counted, printable

PAUSE_SECONDS = 0.5


@sluice.command("verify")
@click.option(
    "--in-flight-seconds",
    type=Amount(0),
    help="How long a change may take into the lake.  [default: 1.5 x the deployed buffer + 60]",
)
@click.option(
    "--read-capacity", type=AMOUNT, default=500, help="Read units a second to use at most."
)
@click.option("--limit", type=click.IntRange(0), default=20, help="Keys to print at most.")
@json_option
@click.pass_obj
def verify_command(
    stack_name: str,
    in_flight_seconds: float | None,
    read_capacity: float,
    limit: int,
    as_json: bool,
) -> None:
    """Compare the table with its latest state in the lake, record by record.

    Reads the whole table and the whole lake. A key that differs is compared again once changes on
    their way have arrived; if it still differs, it has drifted. Exits 1 when a key has drifted, or
    an object of the lake cannot be read.
    """
    stack = Stack.named(stack_name)
    seconds = delivery_seconds(stack) if in_flight_seconds is None else in_flight_seconds
    scan = table_scan(stack, read_capacity, 1, Stop())
    with ProgressBar("records", scan.item_count) as bar:

        def wait(differing: int) -> None:
            if seconds:
                keys = "1 key differs" if differing == 1 else f"{differing} keys differ"
                bar.console.print(
                    f"{keys}; looking again in {seconds:.0f} s, when changes on their way have "
                    "arrived",
                )
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                time.sleep(min(left, PAUSE_SECONDS))

        workgroup = Workgroup(stack, Limits(seconds=None, rows=None))
        comparison = verify(
            workgroup,
            stack.table,
            items(scan, bar.step),
            wait,
            item_reason(stack),
            deletes=has_deletes(stack),
            last_changes=workgroup.has_last_changes,
            with_objects=workgroup.with_objects,
        )
    commands = remedies(stack, comparison.drifts)
    if as_json:
        print_json(_document(comparison, limit, commands))
    else:
        _print(comparison, stack.table.group, limit, commands)
    exit_incomplete(comparison.problems)
    if comparison.drifts:
        sys.exit(1)


def _document(comparison: Comparison, limit: int, commands: list[str]) -> dict[str, object]:
    return {
        "inTable": comparison.total("in_table"),
        "inLake": comparison.total("in_lake"),
        "inFlight": comparison.total("in_flight"),
        "drifted": len(comparison.drifts),
        "groups": [
            {"group": group, **msgspec.to_builtins(counts)} for group, counts in _sorted(comparison)
        ],
        "keys": comparison.drifts[:limit],
        "remedies": commands,
        "problems": comparison.problems,
    }


def _print(comparison: Comparison, level: Level | None, limit: int, commands: list[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(level.name if level else "")
    for name in GroupCounts.__struct_fields__:
        table.add_column(name.replace("_", " "), justify="right")
    for group, counts in _sorted(comparison):
        label = _label(group) if level else "all"
        table.add_row(label, *(str(each) for each in msgspec.structs.astuple(counts)))
    out.print(table)
    for drift in comparison.drifts[:limit]:
        line = f"{drift.kind}: {printable(' '.join(drift.key))}"
        if level:
            line += f" of {level.name} {_label(drift.group)}"
        if drift.reason:
            line += f": {printable(drift.reason)}"
        out.print(Text(line))
    if (more := len(comparison.drifts) - limit) > 0:
        err.print(f"and {counted(more, 'key')} more; --limit shows them")
    if comparison.drifts:
        out.print(f"{counted(len(comparison.drifts), 'key')} drifted; to fix it:")
        for command in commands:
            out.print(f"- {command}")
    elif not comparison.problems:
        out.print(
            f"The lake has the table's state: {counted(comparison.total('in_table'), 'record')}",
        )


def _sorted(comparison: Comparison) -> list[tuple[str | None, GroupCounts]]:
    return sorted(comparison.groups.items(), key=lambda each: each[0] or "")


def _label(group: str | None) -> str:
    return "(none)" if group is None else printable(group)
