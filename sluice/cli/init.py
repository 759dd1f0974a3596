"""`sluice init`."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import boto3
import click
from rich.table import Table as Grid
from rich.text import Text

from chalicelib.limits import ACTIVE_PARTITIONS_MAX
from sluice.cli.command import err, sluice
from sluice.errors import OperationError
from sluice.init.attributes import event_time, python_type
from sluice.init.proposal import Candidate, FoundField, Proposal, propose, shares
from sluice.init.sample import Sample, sample_file, sample_table
from sluice.init.writing import write_declaration
from sluice.wording import counted, printable

TIME_LEVELS_ACTIVE = 2
"""Partitions of the time that are written to at once: this one, and the next for a moment."""


@sluice.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option("--from-table", "table", metavar="NAME", help="A table in DynamoDB to read.")
@click.option(
    "--from-file",
    "items",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of items: what `aws dynamodb scan` prints, or DynamoDB JSON, a line for each, as "
    "in an export; gzipped or not.",
)
@click.option(
    "--key",
    metavar="NAME[:TYPE]",
    multiple=True,
    help="An attribute of the key, once for each; TYPE is S, N or B. For --from-file.",
)
@click.option(
    "--sample", type=click.IntRange(1, 100_000), default=1000, help="How many items to read."
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def init_command(
    file: Path | None,
    table: str | None,
    items: Path | None,
    key: tuple[str, ...],
    sample: int,
    force: bool,
) -> None:
    """Write a declaration for a table, from a sample of its items.

    It goes to FILE, or to standard output. What was found is printed beside it: names, types and
    shares, never a value but those that distinguish kinds.
    """
    if (table is None) == (items is None):
        raise click.UsageError("give one of --from-table and --from-file")
    if table and key:
        raise click.UsageError("give --key with --from-file only: a table says its key")
    if file is not None and file.exists() and not force:
        raise OperationError(f"{file} exists; name another file, or overwrite it with --force")
    if items is not None:
        found = sample_file(items, sample)
    else:
        found = sample_table(boto3.client("dynamodb"), str(table), sample)
    proposal = propose(found, key)
    text = write_declaration(proposal)
    if file is None:
        click.echo(text, nl=False)
    else:
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OperationError(f"{file} cannot be written: {error.strerror}") from None
    _print_report(proposal)
    _print_next(found, file or Path("FILE"), table, items)


def _print_report(proposal: Proposal) -> None:
    """Print what was found, and what is unsure."""
    err.print(Text(f"{counted(len(proposal.sample.items), 'item')} of {proposal.sample.source}"))
    key = ", ".join(f"{each.name} ({each.type})" for each in proposal.key)
    err.print(Text(printable(f"key: {key}")))
    for kind, fields in zip(proposal.kinds.kinds, proposal.fields, strict=True):
        told_by = proposal.kinds.told_by
        when = f", {type(told_by).__name__} {told_by.name} {kind.when!r}" if told_by else ""
        err.print()
        err.print(Text(printable(f"{kind.name}: {counted(len(kind.items), 'item')}{when}")))
        err.print(_fields([*proposal.key_fields, *fields]))
    if proposal.levels:
        err.print(Text("\nattributes that could be levels of the layout"))
        err.print(_levels(proposal.levels, len(proposal.kinds.kinds)))
    for doubt in proposal.doubts:
        err.print(Text(printable(f"unsure: {doubt}")))


def _fields(fields: Sequence[FoundField]) -> Grid:
    grid = Grid("attribute", "in", "types", "declared", "time", box=None, pad_edge=False)
    for field in fields:
        attribute = field.attribute
        time = event_time(attribute)
        grid.add_row(
            printable(attribute.name),
            f"{attribute.share:.0%}",
            shares(attribute),
            python_type(attribute.values),
            time.unit if time else "",
        )
    return grid


def _levels(levels: Sequence[Candidate], kinds: int) -> Grid:
    grid = Grid("attribute", "values", "active partitions", box=None, pad_edge=False)
    for level in levels:
        more = " and more" if level.is_growing else ""
        active = level.values * kinds * TIME_LEVELS_ACTIVE
        grid.add_row(
            level.name, f"{level.values}{more}", f"{active}{more} of {ACTIVE_PARTITIONS_MAX}"
        )
    return grid


def _print_next(sample: Sample, file: Path, table: str | None, items: Path | None) -> None:
    """Print what to run next: first on this machine, then beside the table."""
    load = f" --items {quote(str(items.resolve()))}" if items else ""
    schema = quote(str(file))
    steps = [
        f"read {file} and correct it",
        f'make demo ARGS="--schema {schema}{load}"',
        f'make dev ARGS="--schema {schema}{load}"',
    ]
    if table and sample.stream_arn is None:
        steps.append(
            f"aws dynamodb update-table --table-name {table} --stream-specification "
            "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
        )
    if table:
        stream = sample.stream_arn or "ARN"
        encrypted = f" -c table_key_arn={sample.key_arn}" if sample.key_arn else ""
        steps.append(
            f"npx cdk deploy -c schema={schema} -c table_name={table} "
            f"-c table_stream_arn={stream}{encrypted}"
        )
    err.print(Text("\nnext:"))
    for step in steps:
        err.print(Text(f"  {printable(step)}"))
