"""`sluice verify`."""

import sys
import time

import click
import msgspec
from rich.table import Table
from rich.text import Text

from sluice.backfill.deployed import table_scan
from sluice.backfill.stop import Stop
from sluice.cli.command import (
    AMOUNT,
    Amount,
    err,
    exit_incomplete,
    json_option,
    out,
    print_json,
    progress_bar,
    sluice,
)
from sluice.query.athena import Workgroup
from sluice.query.emulator import Limits
from sluice.stack import Stack
from sluice.verify.compare import Comparison, SiteCounts, verify
from sluice.verify.deployed import coverage, delivery_seconds, item_reason, items, remedies
from sluice.wording import counted, printable

PAUSE_SECONDS = 0.5


@sluice.command("verify")
@click.option(
    "--in-flight-seconds",
    type=Amount(0),
    help="How long a change may take into the lake.  [default: 1.5 x the deployed buffer + 60]",
)
@click.option(
    "--read-capacity",
    type=AMOUNT,
    default=500,
    show_default=True,
    help="Read units a second to use at most.",
)
@click.option(
    "--limit", type=click.IntRange(0), default=20, show_default=True, help="Keys to print at most."
)
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
    with progress_bar("records") as bar:
        task = bar.add_task("", total=scan.item_count)

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

        comparison = verify(
            Workgroup(stack, Limits(seconds=None, rows=None)),
            items(scan, lambda read: bar.advance(task, read)),
            coverage(stack),
            wait,
            item_reason(stack),
        )
    commands = remedies(stack, comparison.drifts)
    if as_json:
        print_json(_document(comparison, limit, commands))
    else:
        _print(comparison, limit, commands)
    exit_incomplete(comparison.problems)
    if comparison.drifts:
        sys.exit(1)


def _document(comparison: Comparison, limit: int, commands: list[str]) -> dict[str, object]:
    return {
        "inTable": comparison.total("in_table"),
        "inLake": comparison.total("in_lake"),
        "inFlight": comparison.total("in_flight"),
        "drifted": len(comparison.drifts),
        "sites": [
            {"site": site, **msgspec.to_builtins(counts)} for site, counts in _sorted(comparison)
        ],
        "keys": comparison.drifts[:limit],
        "remedies": commands,
        "problems": comparison.problems,
    }


def _print(comparison: Comparison, limit: int, commands: list[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("site")
    for name in SiteCounts.__struct_fields__:
        table.add_column(name.replace("_", " "), justify="right")
    for site, counts in _sorted(comparison):
        table.add_row(_site(site), *(str(each) for each in msgspec.structs.astuple(counts)))
    out.print(table)
    for drift in comparison.drifts[:limit]:
        line = f"{drift.kind}: {printable(drift.key)} of site {_site(drift.site)}"
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


def _sorted(comparison: Comparison) -> list[tuple[str | None, SiteCounts]]:
    return sorted(comparison.sites.items(), key=lambda each: each[0] or "")


def _site(site: str | None) -> str:
    return "(none)" if site is None else printable(site)
