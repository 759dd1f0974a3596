"""`python -m checks.crash`: kill the compaction five times, and compare what is left."""

import click

from checks.crash.run import Crash
from checks.crash.trial import run_locally

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
    run_locally("crash", lambda session, stack: Crash(session, stack, changes, click.echo))


if __name__ == "__main__":
    main(prog_name="python -m checks.crash")
