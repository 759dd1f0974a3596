"""`sluice verify`."""

import sys
import time

import click
import msgspec
from rich.table import Table
from rich.text import Text

from sluice.cli.command import (
    AMOUNT,
    Amount,
    err,
    json_option,
    out,
    print_json,
    progress_bar,
    sluice,
)
from sluice.query.athena import Lake
from sluice.stack import Stack
from sluice.verify.compare import Counts, Drift, Verified, verify
from sluice.verify.deployed import Faults, delivery_seconds, items, kept, table_scan
from sluice.wording import counted, shown

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
    help="Read units a second to use of the table at most.",
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

    Reads the whole table and the whole lake. A key that differs is looked at again once changes on
    their way have arrived; what still differs has drifted. Exits 1 when a key has.
    """
    stack = Stack.named(stack_name)
    seconds = delivery_seconds(stack) if in_flight_seconds is None else in_flight_seconds
    scan = table_scan(stack, read_capacity)
    with progress_bar("records") as bar:
        task = bar.add_task("", total=scan.item_count)

        def wait(differing: int) -> None:
            if seconds:
                what = "1 key differs" if differing == 1 else f"{differing} keys differ"
                bar.console.print(
                    f"{what}; looking again in {seconds:.0f} s, when what is on its way has "
                    "arrived",
                    highlight=False,
                )
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0:
                time.sleep(min(left, PAUSE_SECONDS))

        verified = verify(
            Lake(stack), items(scan, lambda read: bar.advance(task, read)), kept(stack), wait
        )
    remedies = mending(verified.drifts, Faults.of(stack)) if verified.drifts else []
    if as_json:
        print_json(_document(verified, limit, remedies))
    else:
        _print(verified, limit, remedies)
    if verified.drifts:
        sys.exit(1)


def mending(drifts: list[Drift], faults: Faults) -> list[str]:
    """What to run, in this order, for the lake to tell the table's state again."""
    found = []
    if faults.error_objects:
        found.append(
            f"sluice replay: {counted(faults.error_objects, 'error object')} in quarantine"
        )
    if faults.dead_letters:
        found.append(f"sluice redrive: {counted(faults.dead_letters, 'dead letter')}")
    if any(not each.versions for each in drifts):
        found.append("sluice backfill: the lake has no version of some records")
    if not found or any(each.versions for each in drifts):
        found.append(
            "sluice query history --key ID: the lake has other versions of some records; what "
            "brings the last one is in docs/queries.md, When verify finds drift"
        )
    return found


def _document(verified: Verified, limit: int, remedies: list[str]) -> dict[str, object]:
    return {
        "inTable": verified.total("in_table"),
        "inLake": verified.total("in_lake"),
        "inFlight": verified.total("in_flight"),
        "drifted": len(verified.drifts),
        "sites": [
            {"site": site, **msgspec.to_builtins(counts)} for site, counts in _sorted(verified)
        ],
        "keys": verified.drifts[:limit],
        "mending": remedies,
    }


def _print(verified: Verified, limit: int, remedies: list[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("site")
    for name in Counts.__struct_fields__:
        table.add_column(name.replace("_", " "), justify="right")
    for site, counts in _sorted(verified):
        table.add_row(_site(site), *(str(each) for each in msgspec.structs.astuple(counts)))
    out.print(table)
    for drift in verified.drifts[:limit]:
        line = f"{drift.kind}: {shown(drift.key)} of site {_site(drift.site)}"
        out.print(Text(line), highlight=False)
    if (more := len(verified.drifts) - limit) > 0:
        err.print(f"and {counted(more, 'key')} more; --limit shows them", highlight=False)
    if verified.drifts:
        out.print(f"{counted(len(verified.drifts), 'key')} drifted; to mend it:", highlight=False)
        for remedy in remedies:
            out.print(f"- {remedy}", highlight=False)
    else:
        out.print(
            f"The lake tells the table's state: {counted(verified.total('in_table'), 'record')}",
            highlight=False,
        )


def _sorted(verified: Verified) -> list[tuple[str | None, Counts]]:
    return sorted(verified.sites.items(), key=lambda each: each[0] or "")


def _site(site: str | None) -> str:
    return "(none)" if site is None else shown(site)
