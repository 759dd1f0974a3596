"""`python -m checks.benchmarks`: every measurement beside its target, in one table."""

from importlib import import_module
from itertools import chain

import click
import msgspec
from rich.console import Console

from checks.benchmarks.verdict import Measurement, table

SUITES = (
    "transform",
    "feed",
    "memory",
    "cold_start",
    "package",
    "pipeline",
    "compaction",
    "erasure",
    "project",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only", multiple=True, type=click.Choice(SUITES), help="Measure only this; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--quick", is_flag=True, help="Fewer shapes and rounds: faster and coarser.")
def main(only: tuple[str, ...], as_json: bool, quick: bool) -> None:
    """Measure against peers and targets. A missed target is reported, and is not a failure."""
    results: list[Measurement] = list(
        chain.from_iterable(
            import_module(f"checks.benchmarks.{suite}").measurements(quick=quick)
            for suite in only or SUITES
        )
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(results)))
    else:
        Console().print(table("Measurements", results))


if __name__ == "__main__":
    main(prog_name="python -m checks.benchmarks")
