"""`sluice query`: SQL over the lake."""

import csv
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chalicelib.catalog import CHANGES
from sluice.cli.command import err, out, print_json, sluice
from sluice.cli.selection import Since
from sluice.errors import OperationError
from sluice.query.athena import QUERY_BYTES_MAX, Answer, Lake, Row
from sluice.query.parameters import Value, bind, parameters_of
from sluice.query.pruning import everything, reads, unnamed
from sluice.query.saved import saved_queries, saved_query
from sluice.query.selection import Selection, hidden, narrow
from sluice.stack import Stack
from sluice.wording import counted, shown

ROWS_SHOWN = 500
TABLE_WIDTH_MAX = 10_000

_NAME = re.compile(r"[a-z][a-z0-9-]*")


class _Query(click.Command):
    """A command whose argument may be taken for an option: SQL that opens with a comment."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the remedy where a comment is no option."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption:
            if not (sql := [each for each in given if each.startswith("--") and "\n" in each]):
                raise
            words = ["sluice query", *(each for each in given if each not in sql), '-- "..."']
            raise click.UsageError(
                f"SQL that opens with a comment is taken for an option; write: {' '.join(words)}"
            ) from None


@sluice.command("query", cls=_Query)
@click.argument("question", required=False)
@click.option("--site", help="Only this site, spelt as in its records.")
@click.option("--key", help="The record's key, for `history`.")
@click.option("--from", "start", type=Since(), help="Only event times from then on.")
@click.option("--to", "end", type=Since(), help="Only event times before that.")
@click.option(
    "--pruned",
    is_flag=True,
    help="Let `latest` read only what the options name; right where records keep site and time.",
)
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--json", "form", flag_value="json", help="Print JSON for programs.")
@click.pass_obj
def query_command(
    stack_name: str,
    question: str | None,
    site: str | None,
    key: str | None,
    start: datetime | None,
    end: datetime | None,
    pruned: bool,
    form: str | None,
) -> None:
    """Ask the lake: the name of a saved query, or SQL over `changes` and `all_changes`.

    `-` reads the question from standard input. In your own SQL, :site, :site_partition (as in the
    path), :key, :from_ms and :to_ms stand for the options' values. Without a question, lists the
    saved queries.
    """
    if question is None:
        _list_saved(form)
        return
    question = _readable(question)
    selection = Selection(site, start, end)
    values: dict[str, Value] = {} if key is None else {"key": key}
    lake = Lake(Stack.named(stack_name))
    if _NAME.fullmatch(question):
        sql = _saved(lake, question, selection, values, pruned)
    else:
        sql = _own(question, selection, values, pruned)
    _warn_of(sql, selection, lake)
    answer = lake.ask(sql)
    _print(answer, form)
    err.print(f"{_size(answer.scanned_bytes)} scanned in {answer.seconds:.1f} s", highlight=False)
    if lake.emulated:
        err.print("the emulator counts the bytes of the result in their place", highlight=False)


def _readable(question: str) -> str:
    """The question as it is asked. Raises for one that cannot be."""
    if question == "-":
        question = sys.stdin.buffer.read().decode(errors="replace")
    question = question.strip()
    if not question:
        raise click.UsageError(
            "the question is blank; name a saved query or write SQL, or leave it out for a list"
        )
    if "\0" in question:
        raise OperationError("the query holds a NUL character, which no SQL has; take it out")
    if (size := len(question.encode(errors="replace"))) > QUERY_BYTES_MAX:
        raise OperationError(
            f"the query has {size} bytes, and Athena takes {QUERY_BYTES_MAX} at most; shorten it"
        )
    return question


def _list_saved(form: str | None) -> None:
    found = saved_queries().values()
    if form == "json":
        print_json(
            [{"name": each.name, "title": each.description, "sql": each.sql} for each in found]
        )
        return
    table = Table.grid(padding=(0, 2))
    for each in found:
        table.add_row(each.name, each.description)
    out.print(table, highlight=False)


def _saved(
    lake: Lake, name: str, selection: Selection, values: dict[str, Value], pruned: bool
) -> str:
    query = saved_query(name)
    if missing := query.parameters - values.keys():
        raise OperationError(f"{name} needs --{', --'.join(sorted(missing))}")
    if surplus := values.keys() - query.parameters:
        raise OperationError(f"{name} takes no --{', --'.join(sorted(surplus))}")
    sql = narrow(query, selection, lake.partitions, lake.asked, pruned=pruned)
    return bind(sql, values)


def _own(sql: str, selection: Selection, values: dict[str, Value], pruned: bool) -> str:
    given = selection.parameters() | values
    named = parameters_of(sql)
    unused = [
        option
        for option, names in {
            "--site": {"site", "site_partition"},
            "--key": {"key"},
            "--from": {"from_ms"},
            "--to": {"to_ms"},
        }.items()
        if names & given.keys() and not names & named
    ]
    if unused or pruned:
        raise OperationError(
            f"the query does not say where {', '.join(unused) or '--pruned'} belongs; name it "
            "there, for example WHERE siteid_partition = :site_partition"
        )
    return bind(sql, given)


def _warn_of(sql: str, selection: Selection, lake: Lake) -> None:
    """Say what of the lake a query reads without need, and what it does not show."""
    found = reads(sql)
    if reason := everything(found, lake.partitions):
        _warn(f"this reads the whole lake: {reason}")
    if lake.emulated and (missing := unnamed(found, lake.asked)):
        _warn(f"AWS refuses this: changes asks for a value of {', '.join(sorted(missing))}")
    of_changes = any(read.table == CHANGES for read in found)
    if of_changes and (shown_alone := hidden(selection, lake.years, lake.sites)):
        _warn(f"changes shows {shown_alone}, or ask all_changes")


def _print(answer: Answer, form: str | None) -> None:
    match form:
        case "csv":
            writer = csv.writer(sys.stdout)
            writer.writerow(answer.columns)
            writer.writerows(answer.rows)
        case "json":
            names = distinct(answer.columns)
            rows = [dict(zip(names, row, strict=True)) for row in answer.rows]
            print_json(rows)
            if not rows:
                err.print(f"no rows; the columns are {', '.join(names)}", highlight=False)
        case _:
            _print_table(answer.columns, answer.rows)


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names for an object's keys: the second `a` is `a_2`, or as the next number has it."""
    found: list[str] = []
    for name in names:
        key, number = name, 1
        while key in found or (key != name and key in names):
            number += 1
            key = f"{name}_{number}"
        found.append(key)
    return tuple(found)


def _print_table(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """A table as wide as it needs to be; columns that are empty in all rows are left out."""
    remaining = iter(rows)
    shown_rows = list(islice(remaining, ROWS_SHOWN))
    more = sum(1 for _ in remaining)
    filled = [
        index for index in range(len(columns)) if any(row[index] is not None for row in shown_rows)
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index in filled if shown_rows else range(len(columns)):
        table.add_column(columns[index], no_wrap=True)
    for row in shown_rows:
        table.add_row(*(Text(_cell(row[index])) for index in filled))
    wide = out.measure(table, options=out.options.update(max_width=TABLE_WIDTH_MAX)).maximum
    Console(soft_wrap=True, width=max(wide, out.width)).print(table)
    note = f"; {more} more with --csv or --json" if more else ""
    err.print(counted(len(shown_rows) + more, "row") + note, highlight=False)


def _cell(value: Any) -> str:
    return "" if value is None else shown(str(value))


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _warn(text: str) -> None:
    err.print(f"[yellow]warning:[/yellow] {text}", highlight=False)
