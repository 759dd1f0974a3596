"""The group of all commands, which reports errors in one line, and their consoles and options."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click
import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from chalicelib.declared import VARIABLE, declared
from chalicelib.errors import SchemaError
from sluice.console import PlainConsole
from sluice.errors import OperationError, OptionError, explain
from sluice.wording import printable

# Without a terminal, lines need not be cut at a width.
out = PlainConsole(width=None if sys.stdout.isatty() else 240)
err = PlainConsole(stderr=True)

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""

WRONG_OPTIONS = click.UsageError.exit_code
"""The exit status of a command whose options are wrong, whether click refuses them or we do."""

SUMMARIES = {
    "backfill": "Deliver the items that the table has already.",
    "compact": "Move raw objects into the Iceberg tables.",
    "erase": "Erase all changes of keys that the table no longer has.",
    "failed": "List the records in quarantine, and why.",
    "init": "Write a declaration, from a sample of your items.",
    "logs": "Print what the parts of the stack logged.",
    "plan": "Forecast limits, delays, objects and the bill.",
    "probe": "Answer what AWS does not document, by two records.",
    "query": "Query the lake, by a saved query or in SQL.",
    "redrive": "Deliver the changes that the feed gave up.",
    "replay": "Put the records in quarantine through again.",
    "sample": "Print one line of the lake.",
    "seed": "Write synthetic records of the declared table.",
    "status": "Report the state of each part of the stack.",
    "tree": "Show the lake's partitions.",
    "verify": "Compare the table with the lake, record by record.",
}
"""The commands and what they do. Each is a module of this package, imported when it is run."""


class _Command(click.Command):
    """Refuses a wrong declaration before anything else is done."""

    def invoke(self, ctx: click.Context) -> Any:
        if self.name != "init":  # Which writes one.
            declared()
        return super().invoke(ctx)


class _Commands(click.Group):
    """Turns an operation's error into one line on standard error and an exit status."""

    command_class = _Command

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of all commands, imported or not."""
        return list(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, for which its module is imported."""
        # For an unknown name click proposes one that it knows, so then all are imported.
        for name in [cmd_name] if cmd_name in SUMMARIES else SUMMARIES:
            import_module(f"{__package__}.{name}")
        return super().get_command(ctx, cmd_name)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands of `sluice --help`."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (OperationError, ClientError, BotoCoreError, ResponseParserError) as refused:
            print_error(explain(refused))
            sys.exit(WRONG_OPTIONS if isinstance(refused, OptionError) else 1)
        except SchemaError as wrong:
            heading, *mistakes = str(wrong).splitlines()
            print_error(heading)
            for mistake in mistakes:
                err.print(Text(printable(mistake)))
            sys.exit(1)
        except KeyboardInterrupt as stop:
            err.print(": ".join(filter(None, ["interrupted", str(stop)])))
            sys.exit(INTERRUPTED)
        except click.Abort as stop:
            # At a prompt click raises it for Ctrl-C, for the end of the input and for a no.
            if not isinstance(stop.__context__, KeyboardInterrupt):
                raise
            err.print("\ninterrupted")
            sys.exit(INTERRUPTED)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.option(
    "--stack-name",
    envvar="SLUICE_STACK",
    default="Sluice-dev",
    help="The deployed stack to work on.",
)
@click.option(
    "--schema",
    envvar=VARIABLE,
    metavar="FILE",
    help="The file that declares the table; by default the one that ships.",
)
@click.pass_context
def sluice(ctx: click.Context, stack_name: str, schema: str | None) -> None:
    """Inspect a Sluice stack and keep it running, on AWS or on this machine.

    AWS_ENDPOINT_URL decides which of the two it is.
    """
    if not stack_name:
        raise click.BadParameter("a stack has a name", param_hint="--stack-name")
    if not stack_name.isprintable():
        raise click.BadParameter("a stack's name is printable text", param_hint="--stack-name")
    if schema is not None:
        os.environ[VARIABLE] = schema
    ctx.obj = stack_name


class Amount(click.FloatRange):
    """A finite number in a range; its parent lets NaN and infinity pass."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        amount: float = super().convert(value, param, ctx)
        if not math.isfinite(amount):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return amount


AMOUNT = Amount(0, min_open=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    click.echo(printable(msgspec.json.encode(document).decode()))


def print_error(reason: str) -> None:
    """Print a line on what cannot be done."""
    err.print(Text.assemble(("error:", "red"), f" {' '.join(reason.split())}"))


def exit_incomplete(problems: Sequence[str]) -> None:
    """Print a line on each thing that could not be read, and exit 1 if there is one."""
    for problem in problems:
        print_error(problem)
    if problems:
        sys.exit(1)


class _Rate(ProgressColumn):
    """Records a second, of a task that counts its records, or steps a second."""

    def render(self, task: Task) -> Text:
        if not task.elapsed or not task.completed:
            return Text("")
        if "records" not in task.fields:
            return Text(f"{task.completed / task.elapsed:.0f}/s")
        records = task.fields["records"]
        return Text(f"{records} records, {records / task.elapsed:.0f}/s")


class ProgressBar(Progress):
    """A bar with count, rate and time left, on a terminal's standard error; it vanishes."""

    def __init__(self, label: str, total: float | None = None) -> None:
        """`total` is None while it is not known."""
        super().__init__(
            *(TextColumn(label), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task = self.add_task("", total=total)

    def step(self, count: float) -> None:
        """Go on by so many."""
        self.advance(self._task, count)

    def move(self, done: float, total: float | None, **fields: Any) -> None:
        """Go to a place; `records` says how many records that is."""
        self.update(self._task, completed=done, total=total, **fields)


@contextmanager
def stoppable(hint: str) -> Iterator[Callable[[], None]]:
    """Yield a function that ends the command, with a hint, if Ctrl-C was pressed before its call.

    So no step between two calls is interrupted, except by a second Ctrl-C.
    """
    asked = False

    def ask(_signal: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt(hint)
        asked = True

    def check() -> None:
        if asked:
            raise KeyboardInterrupt(hint)

    former = signal.signal(signal.SIGINT, ask)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, former)
