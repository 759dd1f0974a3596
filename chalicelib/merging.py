"""The statements of Athena that compact the lake, made from the declaration.

They are about a run of raw objects: those from one key to another, in the order of S3's listing,
which is that of the texts too. What else comes to lie between them meanwhile may be read as well.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.catalog import (
    ALL_CHANGES,
    CURRENT,
    HISTORY,
    Column,
    columns,
    key_columns,
    quoted,
    sql_name,
)
from chalicelib.compacted import (
    BUCKET,
    BUCKETS,
    CHANGED,
    HAPPENED,
    compacted_columns,
    group_columns,
    raw_name,
    stored_name,
)
from chalicelib.declaration import Table

PARTITIONS_MAX = 100
"""Partitions that one statement may write to
(https://docs.aws.amazon.com/athena/latest/ug/ctas-insert-into.html)."""

MAINTENANCE = ("OPTIMIZE {} REWRITE DATA USING BIN_PACK", "VACUUM {}")
"""Rewrite small files and those with deletes; expire snapshots, and remove what no other needs."""

QUOTES = ('"{}"', "`{}`")
"""How a table's name is quoted in MAINTENANCE: as in a query, or as in DDL, where `current` is a
reserved word. AWS does not document which, and Athena has refused the first
(https://github.com/dbt-labs/dbt-athena/pull/191)."""

_NUMBER, _PLACE = quoted("$number"), quoted("$place")
"""Names that no column has."""

_EVENT_ID, _SEQUENCE = quoted("eventid"), quoted("changesequence")
_EPOCH = "TIMESTAMP '1970-01-01 00:00:00.000000 UTC'"


class Span(NamedTuple):
    """Objects, by the addresses of the first and the last of them."""

    first: str
    last: str


class Survey(NamedTuple):
    """What the lines of a span are about."""

    lines: int
    partitions: int
    """Those of `history` that they belong to."""
    unknown: int
    """Lines without an event time."""
    start: int | None
    """The first and the last of their event times, in epoch milliseconds; None: none is known."""
    end: int | None


def survey(table: Table, span: Span) -> str:
    """Return the query whose only row is the Survey of a span."""
    time = quoted(sql_name(table.time_line_name))
    by = ", ".join(_partition(table))
    return (
        "SELECT coalesce(sum(number), 0) AS number, count(*) AS partitions, "  # noqa: S608
        "coalesce(sum(number - timed), 0) AS unknown, min(first_ms) AS first_ms, "
        "max(last_ms) AS last_ms FROM ("
        f"SELECT count(*) AS number, count({time}) AS timed, min({time}) AS first_ms, "
        f"max({time}) AS last_ms FROM ({_source(table, span)}) AS line GROUP BY {by}) AS part"
    )


def append(table: Table, span: Span, known: Survey, places: tuple[int, int] | None = None) -> str:
    """Return the statement that adds to `history` the changes of a span which it does not have.

    `places` are the first and the last partition that it adds to, counted from one in their order;
    that is only for a span of one object, whose lines do not change.
    """
    names = [quoted(each.name) for each in compacted_columns(table, HISTORY)]
    copy = f"row_number() OVER (PARTITION BY {_EVENT_ID} ORDER BY {_SEQUENCE})"
    numbered = [*names, f"{copy} AS {_NUMBER}"]
    condition = f"{_NUMBER} = 1 AND {_times('', known)}"
    if places is not None:
        place = f"dense_rank() OVER (ORDER BY {', '.join(_partition(table))})"
        numbered.append(f"{place} AS {_PLACE}")
        condition += f" AND {_PLACE} BETWEEN {places[0]} AND {places[1]}"
    select = (
        f"SELECT {', '.join(names)} FROM ("  # noqa: S608
        f"SELECT {', '.join(numbered)} FROM ({_source(table, span)}) AS line) AS numbered "
        f"WHERE {condition}"
    )
    return (
        f"MERGE INTO {HISTORY} AS h USING ({select}) AS r "
        f"ON h.{_EVENT_ID} = r.{_EVENT_ID} AND {_times('h.', known)} "
        f"WHEN NOT MATCHED THEN {_insert(names)}"
    )


def merge(table: Table, span: Span, undeclared: Sequence[str] = ()) -> str:
    """Return the statement that lets the newest changes of a span be the current ones.

    Only where they are newer than what `current` has. `undeclared` are the columns of fields that
    are not declared any more, and that no newer change has.
    """
    keys = [quoted(name) for name in key_columns(table)]
    names = [quoted(each.name) for each in compacted_columns(table, CURRENT)]
    stored = [name for name in names if name != quoted(BUCKET)]
    order = f"PARTITION BY {', '.join(keys)} ORDER BY {_SEQUENCE} DESC"
    select = (
        f"SELECT {', '.join(stored)}, {_bucket(keys)} AS {quoted(BUCKET)} FROM ("  # noqa: S608
        f"SELECT {', '.join(stored)}, row_number() OVER ({order}) AS {_NUMBER} "
        f"FROM ({_source(table, span)}) AS line) AS numbered WHERE {_NUMBER} = 1"
    )
    same = " AND ".join(f"c.{name} = r.{name}" for name in (quoted(BUCKET), *keys))
    updates = [f"{name} = r.{name}" for name in stored if name not in keys]
    updates += [f"{quoted(name)} = NULL" for name in undeclared]
    return (
        f"MERGE INTO {quoted(CURRENT)} AS c USING ({select}) AS r ON {same} "
        f"WHEN MATCHED AND r.{_SEQUENCE} > c.{_SEQUENCE} THEN UPDATE SET {', '.join(updates)} "
        f"WHEN NOT MATCHED THEN {_insert(names)}"
    )


def add_columns(name: str, missing: Sequence[Column]) -> str:
    """Return the statement that adds columns to a compacted table."""
    added = ", ".join(f"`{each.name}` {each.type}" for each in missing)
    return f"ALTER TABLE `{name}` ADD COLUMNS ({added})"


def _source(table: Table, span: Span) -> str:
    """Return the query for the lines of a span, with their times as timestamps."""
    names: list[str] = []
    for each in columns(table):
        if each.was:
            names.append(f"CAST(NULL AS {each.was}) AS {quoted(each.name)}")
            names.append(f"{quoted(each.name)} AS {quoted(stored_name(each))}")
        else:
            names.append(quoted(each.name))
    times = [
        f"date_add('millisecond', {quoted(column)}, {_EPOCH}) AS {quoted(name)}"
        for name, column in (
            (CHANGED, "changedat"),
            (HAPPENED, sql_name(table.time_line_name)),
        )
    ]
    first, last = (address.replace("'", "''") for address in span)
    return (
        f"SELECT {', '.join([*names, *times])} FROM {raw_name(ALL_CHANGES)} "  # noqa: S608
        f"WHERE \"$path\" BETWEEN '{first}' AND '{last}'"
    )


def _partition(table: Table) -> list[str]:
    """Return what the partitions of `history` are made of."""
    return [*map(quoted, group_columns(table)), f"CAST({quoted(HAPPENED)} AS date)"]


def _times(of: str, known: Survey) -> str:
    """Return the condition that holds for all changes with these event times."""
    column = of + quoted(HAPPENED)
    unknown = f"{column} IS NULL"
    if known.start is None or known.end is None:
        return unknown
    first, last = (
        f"date_add('millisecond', {moment}, {_EPOCH})" for moment in (known.start, known.end)
    )
    between = f"{column} BETWEEN {first} AND {last}"
    return f"({between} OR {unknown})" if known.unknown else between


def _bucket(keys: Sequence[str]) -> str:
    text = " || chr(0) || ".join(f"CAST({key} AS varchar)" for key in keys)
    return f"CAST(mod(crc32(to_utf8({text})), {BUCKETS}) AS integer)"


def _insert(names: Sequence[str]) -> str:
    values = ", ".join(f"r.{name}" for name in names)
    return f"INSERT ({', '.join(names)}) VALUES ({values})"  # noqa: S608
