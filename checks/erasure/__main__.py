"""`python -m checks.erasure`: kill an erasure three times, and search what is left of the keys."""

import click

from checks.crash.trial import run_locally
from checks.erasure.run import Erasing

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
    run_locally(
        "erasure", lambda session, stack: Erasing(session, stack, changes, KEYS, click.echo)
    )


if __name__ == "__main__":
    main(prog_name="python -m checks.erasure")
