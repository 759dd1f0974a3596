"""`sluice logs`."""

import time
from datetime import UTC, datetime, timedelta

import click
from rich.text import Text

from sluice.cli.command import err, json_option, out, print_json, sluice
from sluice.cli.selection import Since
from sluice.logs import (
    FOLDER_VARIABLE,
    PARTS,
    LogEntry,
    local_folder,
    log_sources,
    new_entries,
    parts_of,
)
from sluice.stack import Stack
from sluice.wording import printable

POLL_SECONDS = 2.0
SINCE = timedelta(minutes=15)


@sluice.command("logs")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Only this part; may be given several times.",
)
@click.option(
    "--since",
    type=Since(),
    help="Only what was logged since: 90m, 6h, 2d, or a time.  [default: 15m]",
)
@click.option("--follow", is_flag=True, help="Go on with what is logged from now on, until Ctrl-C.")
@json_option
@click.pass_obj
def logs_command(
    stack_name: str, parts: tuple[str, ...], since: datetime | None, follow: bool, as_json: bool
) -> None:
    """Print what the transform, the API, the feed and Firehose logged, in the order of time.

    No part logs a payload. With --json, each line is one entry.
    """
    stack = Stack.named(stack_name)
    chosen = parts or parts_of(stack)
    in_files = [part for part in ("pipe", "feed", "firehose") if part in chosen]
    if in_files and stack.emulated and local_folder() is None:
        err.print(
            f"the {' and the '.join(in_files)} of a local run log into files: set "
            f"{FOLDER_VARIABLE} to their folder, as `make dev` prints it"
        )
    sources = log_sources(stack, chosen, since or datetime.now(UTC) - SINCE)
    while True:
        for entry in new_entries(sources):
            _print(entry, as_json)
        if not follow:
            return
        time.sleep(POLL_SECONDS)


def _print(entry: LogEntry, as_json: bool) -> None:
    if as_json:
        print_json(entry)
    else:
        moment = entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"
        out.print(
            Text(f"{moment}  {entry.part:<9}  {printable(entry.message.expandtabs(1))}"),
            highlight=False,
        )
