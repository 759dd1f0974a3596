"""`python -m attacks`: attack every target, or those named, for a bounded time each."""

import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from attacks.result import Result
from attacks.runner import Runner
from attacks.targets import NAMES, Fuzzed, is_driven, load

FOLDER = Path(".attacks")
"""Corpora, crashes and logs, by target."""


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(NAMES))
@click.option("--seconds", default=30.0, show_default=True, type=click.FloatRange(min=1),
              help="Time for each target.")  # fmt: skip
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1),
              help="Targets attacked at a time.")  # fmt: skip
@click.option("--input", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Try this input on the one target named, and nothing else.")  # fmt: skip
@click.option("--folder", default=FOLDER, show_default=True,
              type=click.Path(file_okay=False, path_type=Path),
              help="Where corpora, crashes and logs lie.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def attacks(
    targets: Sequence[str],
    seconds: float,
    jobs: int,
    file: Path | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Attack TARGETS, all by default. The exit code is 1 when a promise was broken."""
    if file:
        _replay(targets, file)
        return
    if find_spec("atheris") is None:
        raise click.ClickException(
            "the fuzzer atheris is not installed; `make attack` installs it, and so does "
            "`pip install -r requirements-attack.txt` (Linux on x86-64)"
        )
    names = tuple(dict.fromkeys(targets)) or NAMES
    progress = Console(stderr=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    runner = Runner(folder, seconds)
    with progress.status(f"attacking {', '.join(names)}: {seconds:g} s each, {jobs} at a time"):
        results = runner.run(names, jobs, lambda result: progress.print(_sentence(result)))
    if as_json:
        click.echo(msgspec.json.encode(results))
    else:
        _print(results)
    if runner.interrupted:
        sys.exit(130)
    if any(result.crashes for result in results):
        sys.exit(1)


def _replay(targets: Sequence[str], file: Path) -> None:
    if len(targets) != 1:
        raise click.UsageError("--input needs the one target that the input is for.")
    target = load(targets[0])
    if is_driven(target):
        raise click.UsageError(f"{targets[0]} takes no single inputs; its own report says how.")
    cast(Fuzzed, target).attack(file.read_bytes())
    click.echo(f"{targets[0]} keeps its promise with {file}")


def _sentence(result: Result) -> str:
    end = "a crash" if result.crashes else "no crash"
    return f"{result.target}: {result.inputs:,} inputs in {result.seconds:.0f} s, {end}"


def _print(results: Sequence[Result]) -> None:
    console = Console()
    table = Table("target")
    for heading in ("inputs", "a second", "edges", "crashes"):
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(
            result.target,
            f"{result.inputs:,}",
            f"{result.per_second:,.0f}",
            "" if result.edges is None else f"{result.edges:,}",
            f"[red]{len(result.crashes)}[/]" if result.crashes else "0",
        )
    console.print(table)
    for result in results:
        for crash in result.crashes:
            console.print(f"[red]{result.target}[/]: {escape(crash.reason)}", soft_wrap=True)
            if crash.input:
                console.print(f"  input:  {escape(crash.input)}", soft_wrap=True)
            if crash.replay:
                console.print(f"  replay: {escape(crash.replay)}", soft_wrap=True)


if __name__ == "__main__":
    attacks()
