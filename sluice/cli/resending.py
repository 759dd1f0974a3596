"""The frame of `sluice replay` and `sluice redrive`: both resend, and print what came of it."""

from collections.abc import Callable, Generator
from contextlib import closing

import msgspec

from sluice.cli.command import err, print_json, progress_bar, stoppable
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
        with stoppable(hint) as check, closing(steps), progress_bar(label) as bar:
            task = bar.add_task("", total=None)
            for step in steps:
                if step.loss:
                    err.print(step.loss)
                bar.update(task, completed=step.done, total=step.total)
                bar.update(task, records=counts.accepted)
                check()
    finally:
        if as_json:
            print_json({"dryRun": dry_run, **msgspec.to_builtins(counts)})
        else:
            print_counts(counts, dry_run)
    return counts
