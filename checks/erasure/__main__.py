"""`python -m checks.erasure`: kill an erasure three times, and search what is left of the keys."""

import os
import sys
import tempfile
from pathlib import Path

import click

from checks.erasure.run import Erasing
from local.processes import LocalRunError
from local.session import STACK_NAME, Options, running
from sluice.errors import OperationError
from sluice.stack import Stack

CHANGES, KEYS = 50_000, 100


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--changes", default=CHANGES, show_default=True, type=click.IntRange(min=2_000),
              help="Changes of the table, over 30 days of event time.")  # fmt: skip
def main(changes: int) -> None:
    """Kill `sluice erase` three times, beside a writer and a compaction.

    In the end no byte of any version of any object may have one of the keys, and all others must
    be there; a replay, a redrive and an export must bring none of them back. The exit code is 1
    where a promise was broken.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix="sluice-erasure-") as folder,
            running(Options(buffer_seconds=1), Path(folder), click.echo) as session,
        ):
            os.environ.update(session.client)
            erasing = Erasing(session, Stack.named(STACK_NAME), changes, KEYS, click.echo)
            erasing.run()
    except (LocalRunError, OperationError) as error:
        sys.exit(f"error: {error}")
    for problem in erasing.problems:
        click.echo(problem)
    if erasing.problems:
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m checks.erasure")
