"""`python -m checks.crash`: kill the compaction five times, and compare what is left."""

import os
import sys
import tempfile
from pathlib import Path

import click

from checks.crash.run import Crash
from local.processes import LocalRunError
from local.session import STACK_NAME, Options, running
from sluice.errors import OperationError
from sluice.stack import Stack

CHANGES = 100_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--changes", default=CHANGES, show_default=True, type=click.IntRange(min=1_000),
              help="Changes of the table, over 30 days of event time.")  # fmt: skip
def main(changes: int) -> None:
    """Kill `sluice compact` at five moments, beside a writer and a replay.

    In the end `history` must have every change of the table's stream once, and `current` be as the
    table. `sluice verify` must agree before, between and after. The exit code is 1 where a promise
    was broken.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sluice-crash-") as folder,
            running(Options(buffer_seconds=1), Path(folder), click.echo) as session,
        ):
            os.environ.update(session.client)
            crash = Crash(session, Stack.named(STACK_NAME), changes, click.echo)
            crash.run()
    except (LocalRunError, OperationError) as error:
        sys.exit(f"error: {error}")
    for problem in crash.problems:
        click.echo(problem)
    if crash.problems:
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m checks.crash")
