"""`python -m checks.attacks`: attack every target, or those named, for a bounded time each."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from checks.attacks.result import Result
from checks.attacks.runner import Runner
from checks.attacks.targets import FUZZED, NAMES, fuzzed
from sluice.cli.command import Amount

FOLDER = Path(".attacks")
"""Corpora, crashes and logs, by target."""


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(NAMES))
@click.option("--seconds", default=30.0, show_default=True, type=Amount(1),
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
    names = tuple(dict.fromkeys(targets)) or NAMES
    if set(names) & set(FUZZED):
        _ask_for_fuzzer()
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


def _ask_for_fuzzer() -> None:
    try:
        import_module("atheris")
    except ImportError:
        raise click.ClickException(
            "the fuzzer atheris is not installed; `make attack` installs it, and so does "
            "`pip install -r requirements-attack.txt` (Linux on x86-64)"
        ) from None


def _replay(targets: Sequence[str], file: Path) -> None:
    if len(targets) != 1 or targets[0] not in FUZZED:
        raise click.UsageError(f"--input needs one target, of {', '.join(FUZZED)}.")
    fuzzed(targets[0]).attack(file.read_bytes())
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
