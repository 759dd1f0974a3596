"""`sluice query`: SQL over the lake."""

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import click
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from chalicelib.catalog import CURRENT, HISTORY, LAST_CHANGES, lake_tables
from chalicelib.declared import declared
from sluice.cli.command import AMOUNT, err, exit_incomplete, out, print_json, sluice
from sluice.cli.selection import Since
from sluice.console import PlainConsole
from sluice.query.athena import QueryResult, Row, Workgroup
from sluice.query.emulator import Limits
from sluice.query.part import LakePart, level_values
from sluice.query.question import Question, check_text, warnings
from sluice.query.saved import saved_queries
from sluice.stack import Stack
from sluice.wording import counted, printable

ROWS_MAX = 500
"""Of the rows in a table for people."""

TABLE_WIDTH_MAX = 10_000


class _Query(click.Command):
    """A command whose argument may look like an option: SQL that opens with a comment."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, and name the remedy where an option is a comment of SQL."""
        comments = [each for each in args if each.startswith("--") and "\n" in each]
        words = ["sluice query", *(each for each in args if each not in comments), '-- "..."']
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption:
            if not comments:
                raise
            raise click.UsageError(
                f"SQL that opens with a comment looks like an option; write: {' '.join(words)}"
            ) from None


@sluice.command("query", cls=_Query)
@click.argument("question", required=False)
@click.option(
    "--where",
    multiple=True,
    metavar="LEVEL=VALUE",
    help="Only this value of a level of the layout, spelt as in its records. May be repeated.",
)
@click.option("--site", help="Only this value of the first level of a field.")
@click.option(
    "--key",
    multiple=True,
    help="The record's key, for `history`. Of a key of two parts: the first, or once for each.",
)
@click.option("--from", "start", type=Since(), help="Only event times from then on.")
@click.option("--to", "end", type=Since(), help="Only event times before that.")
@click.option(
    "--pruned",
    is_flag=True,
    help="Let `latest` read only what the options name; right where records keep site and time.",
)
@click.option(
    "--max-memory-mb",
    type=click.IntRange(16),
    default=Limits().memory_mb,
    help="On the local stack: memory of the query at most.",
)
@click.option(
    "--max-seconds",
    type=AMOUNT,
    default=Limits().seconds,
    help="On the local stack: time of the query at most.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(1),
    default=Limits().rows,
    help="On the local stack: rows of the result at most.",
)
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--json", "form", flag_value="json", help="Print JSON for programs.")
@click.pass_obj
def query_command(
    stack_name: str,
    question: str | None,
    where: tuple[str, ...],
    site: str | None,
    key: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    pruned: bool,
    max_memory_mb: int,
    max_seconds: float,
    max_rows: int,
    form: str | None,
) -> None:
    """Query the lake: by the name of a saved query, or in SQL over `changes` and `all_changes`.

    `-` reads the question from standard input. In your own SQL, :key, :sort_key, :from_ms and
    :to_ms stand for the options' values, and for `--where name=...` :name and :name_partition (as
    in the path). Without a question, lists the saved queries and the tables.
    """
    if question is None:
        _list_saved(form)
        return
    if start and end and start >= end:
        raise click.UsageError("--from must be before --to")
    text = _text(question)
    check_text(text)
    limits = Limits(max_memory_mb, max_seconds, max_rows)
    workgroup = Workgroup(Stack.named(stack_name), limits)
    table = workgroup.table
    part = LakePart(table, level_values(table, where, site), start, end)
    asked = Question(text, part, key, pruned)
    sql = asked.sql(workgroup)
    for warning in warnings(sql, asked, workgroup):
        err.print(Text.assemble(("warning:", "yellow"), f" {warning}"))
    result = workgroup.run(sql)
    _print(result, form)
    err.print(f"{decimal(result.scanned_bytes)} scanned in {result.seconds:.1f} s")
    exit_incomplete(result.problems)


def _text(question: str) -> str:
    if question == "-":
        question = sys.stdin.buffer.read().decode(errors="replace")
    if not (text := question.strip()):
        raise click.UsageError(
            "the question is blank; name a saved query or write SQL, or leave it out for a list"
        )
    return text


def _list_saved(form: str | None) -> None:
    queries = saved_queries(declared()).values()
    if form == "json":
        print_json(
            [{"name": each.name, "title": each.description, "sql": each.sql} for each in queries]
        )
        return
    table = Table.grid(padding=(0, 2))
    for each in queries:
        table.add_row(each.name, each.description)
    out.print(table)
    out.print(f"tables for SQL: {', '.join(each.name for each in lake_tables(declared()))}")
    out.print(f"where the lake is compacted, also: {LAST_CHANGES}, {HISTORY}, {CURRENT}")


def _print(result: QueryResult, form: str | None) -> None:
    match form:
        case "csv":
            # Exact for a program, escaped for a person's terminal.
            on_paper = printable if sys.stdout.isatty() else str
            writer = csv.writer(sys.stdout)
            writer.writerow(map(on_paper, result.columns))
            writer.writerows(map(on_paper, map(_cell, row)) for row in result.rows)
        case "json":
            rows = [dict(zip(result.keys, row, strict=True)) for row in result.rows]
            print_json(rows)
            if not rows:
                err.print(f"no rows; the columns are {', '.join(result.keys)}")
        case _:
            _print_table(result.columns, result.rows)


def _cell(value: Any) -> str:
    """Return a value as text, a boolean as SQL spells it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _print_table(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Print a table as wide as it needs to be, without the columns that are empty in all rows."""
    remaining = iter(rows)
    first = list(islice(remaining, ROWS_MAX))
    more = sum(1 for _ in remaining)
    filled = [
        index
        for index in range(len(columns))
        if not first or any(row[index] is not None for row in first)
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in filled:
        table.add_column(printable(columns[index]), no_wrap=True)
    for row in first:
        table.add_row(*(printable(_cell(row[index])) for index in filled))
    wide = out.measure(table, options=out.options.update(max_width=TABLE_WIDTH_MAX)).maximum
    PlainConsole(width=max(wide, out.width)).print(table)
    note = f"; {more:,} more with --csv or --json" if more else ""
    err.print(counted(len(first) + more, "row") + note)
