"""`python -m checks.attacks`: attack every target, or those named, for a bounded time each."""

import asyncio
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from secrets import randbelow

import click

from checks.attacks.fuzz import API, attack, properties
from checks.attacks.runner import Result, run
from sluice.cli.command import Amount

FOLDER = Path(".attacks")
"""Corpora, failing inputs and logs, by attack."""

SEEDS_MAX = 2**32 - 1


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--seconds", default=30.0, show_default=True, type=Amount(1),
              help="Time for each target, which its properties share.")  # fmt: skip
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1),
              help="Attacks at a time.")  # fmt: skip
@click.option("--seed", type=click.IntRange(1, SEEDS_MAX),
              help="Make up the same inputs each time, instead of others.")  # fmt: skip
@click.option("--input", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Try this input on the one property named, and nothing else.")  # fmt: skip
def attacks(
    targets: Sequence[str], seconds: float, jobs: int, seed: int | None, file: Path | None
) -> None:
    """Attack TARGETS, all by default. One of their properties can be named, as in wire.batch.

    The exit code is 1 when a promise was broken.
    """
    tests = properties()
    every = {name: _target(name) for name in (*tests, API)}
    unknown = {*targets} - {*every, *every.values()}
    if unknown:
        raise click.UsageError(
            f"{min(unknown)} is not one of {', '.join(every)}, or a whole target."
        )
    chosen = [name for name in every if not targets or {name, every[name]} & {*targets}]
    if file:
        if len(chosen) != 1 or chosen == [API]:
            raise click.UsageError(f"--input needs one property, of {', '.join(tests)}.")
        attack(tests[chosen[0]], file.read_bytes())
        click.echo(f"{chosen[0]} keeps its promise with {file}")
        return
    if chosen != [API]:
        _require_fuzzer()
    shared = [_target(name) for name in chosen]
    times = {name: seconds / shared.count(_target(name)) for name in chosen}
    findings: list[Result] = []

    def finished(result: Result) -> None:
        click.echo(_sentence(result))
        if result.finding:
            findings.append(result)

    click.echo(f"attacking {', '.join(dict.fromkeys(shared))}: {seconds:g} s each", err=True)
    try:
        asyncio.run(run(times, jobs, seed or 1 + randbelow(SEEDS_MAX), FOLDER, finished))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    finally:
        for result in findings:
            click.echo(f"\n{result.name}\n{result.finding}")
            if result.replay:
                click.echo(f"replay: {result.replay}")
    if findings:
        sys.exit(1)


def _require_fuzzer() -> None:
    try:
        import_module("atheris")
    except ImportError:
        raise click.ClickException(
            "the fuzzer atheris is not installed; `make attack` installs it, and so does "
            "`pip install -r requirements-attack.txt` (Linux on x86-64)"
        ) from None


def _target(name: str) -> str:
    return name.partition(".")[0]


def _sentence(result: Result) -> str:
    """Return what an attack came to, in one line."""
    parts = [f"{result.inputs:,} inputs in {result.seconds:.0f} s"]
    parts.append(f"{result.inputs / result.seconds:,.0f} a second")
    if result.edges is not None:
        parts.append(f"{result.edges} edges")
    parts.append("a finding" if result.finding else "no finding")
    return f"{result.name}: {', '.join(parts)}"


if __name__ == "__main__":
    attacks()
