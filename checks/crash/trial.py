"""A table and a lake at work, and the commands that run on them beside a writer."""

import os
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import click

from checks.crash.workload import Writer
from local.arrivals import Arrivals, Status
from local.cdk import ROOT
from local.processes import LocalRunError
from local.session import STACK_NAME, Options, Session, running
from sluice.errors import OperationError
from sluice.stack import Stack

AT_ONCE = 5_000
"""Changes that are on their way at a time."""

_HOMES = ("HOME", "XDG_CONFIG_HOME")

Report = Callable[[str], None]


class Trial(ABC):
    """A local stack whose table a writer changes."""

    def __init__(self, session: Session, stack: Stack, changes: int, report: Report) -> None:
        """`changes` is how many the writer will make in all."""
        self.problems: list[str] = []
        """A sentence on each promise that was not kept."""
        self._session = session
        self._stack = stack
        self._changes = changes
        self._report = report
        self._writer = Writer(stack, changes)
        self._arrivals = Arrivals(session, stack)
        self._again = 0
        """Records that Firehose got beside the changes: repeated, replayed, of a backfill."""

    @abstractmethod
    def run(self) -> None:
        """Kill what is on trial, and note each promise that was not kept in `problems`."""

    def _write(self, changes: int) -> None:
        """Make so many changes and wait until they are delivered."""
        for start in range(0, changes, AT_ONCE):
            self._writer.write(min(AT_ONCE, changes - start))
            self._settle()

    def _settle(self) -> None:
        """Wait until Firehose has done with all that was written."""

        def is_done(status: Status) -> bool:
            ended = status["delivered"] + status["dropped"] + status["quarantined"]
            return ended >= self._writer.written + self._again

        if not self._arrivals.wait(is_done):
            self.problems.append(f"not everything was delivered: {self._arrivals.status()}")

    def _start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a `sluice` command."""
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "sluice", *arguments],
            cwd=ROOT,
            # The user's own application folder is left alone.
            env={**self._session.environment, **dict.fromkeys(_HOMES, str(self._session.folder))},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _output(self, process: "subprocess.Popen[str]") -> str:
        """Return what a command prints, once it has ended. Raises LocalRunError if it failed."""
        output, errors = process.communicate()
        if process.returncode:
            raise LocalRunError(f"`{process.args!s}` exited {process.returncode}: {output}{errors}")
        return output


def run_locally(name: str, trial_of: Callable[[Session, Stack], Trial]) -> None:
    """Run a trial on a local stack of its own, and exit with 1 where a promise was broken."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix=f"sluice-{name}-") as folder,
            running(Options(buffer_seconds=1), Path(folder), click.echo) as session,
        ):
            os.environ.update(session.client)
            trial = trial_of(session, Stack.named(STACK_NAME))
            trial.run()
    except (LocalRunError, OperationError) as error:
        sys.exit(f"error: {error}")
    for problem in trial.problems:
        click.echo(problem)
    if trial.problems:
        sys.exit(1)
