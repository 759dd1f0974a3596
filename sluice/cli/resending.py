"""The frame of `sluice replay` and `sluice redrive`: both resend, and print what came of it."""

from collections.abc import Callable, Generator
from contextlib import closing

import msgspec

from sluice.cli.command import ProgressBar, err, print_json, stoppable
from sluice.recovery.step import CountsT, Step


def resend(
    steps: Generator[Step[CountsT]],
    label: str,
    hint: str,
    dry_run: bool,
    as_json: bool,
    print_counts: Callable[[CountsT, bool], None],
) -> CountsT:
    """Take every step, with a bar, and return the last counts.

    They are printed however the steps end. Ctrl-C ends them between two, with a hint.
    """
    counts = next(steps).counts
    try:
        with stoppable(hint) as check, closing(steps), ProgressBar(label) as bar:
            for step in steps:
                if step.loss:
                    err.print(step.loss)
                bar.move(step.done, step.total, records=counts.accepted)
                check()
    finally:
        if as_json:
            print_json({"dryRun": dry_run, **msgspec.to_builtins(counts)})
        else:
            print_counts(counts, dry_run)
    return counts
