"""The tables of a lake for the engine of this machine: the raw objects, and what is compacted.

Only here is decided what is read of a lake: `changes` and its like have `history` and what is not
compacted yet, `last_changes` has `current` and the same. A change may be in both for a moment,
between its way into the table and the deletion of its object; so it may come twice, as delivery at
least once allows anyway.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from chalicelib.catalog import (
    CHANGES,
    CURRENT,
    HISTORY,
    LAST_CHANGES,
    Column,
    columns,
    lake_tables,
    partition_column,
    partition_columns,
    partition_levels,
    quoted,
    sql_name,
)
from chalicelib.compacted import raw_name, stored_value
from chalicelib.declaration import KIND, TIME_FORMATS, Level, Table
from chalicelib.partitions import DATA_PREFIX, UNKNOWN_VALUE, encode_value
from sluice.compaction.counting import Reading
from sluice.compaction.dataset import OBJECT, dataset
from sluice.compaction.tables import LakeTables, is_compacted
from sluice.lake import objects, read_objects
from sluice.query.parameters import literal
from sluice.stack import Stack

_RAW = raw_name(CHANGES)

ROWS_AT_ONCE = 1_000
"""Rows in one statement, of many objects: one for each object takes longer than to read it."""

_read_line = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Sources:
    """The tables of a stack's lake, in an engine."""

    def __init__(
        self,
        engine: Any,
        stack: Stack,
        table: Table,
        levels: Mapping[str, str],
        reading: Reading,
    ) -> None:
        """`levels` has the level of the layout for each partition column."""
        self._engine = engine
        self._stack = stack
        self._table = table
        self._levels = levels
        self._compacted = LakeTables(stack, table)
        self._reading = reading

    def load(self, *, with_object: bool) -> list[str]:
        """Make the tables, and return a sentence on each damaged object.

        `with_object` adds the column OBJECT, which only a query sees that names it.
        """
        problems: list[str] = []
        self._load_raw(problems)
        self._make_views([OBJECT] if with_object else [])
        return problems

    def _load_raw(self, problems: list[str]) -> None:
        """Make the table of what is not compacted yet."""
        engine, declared = self._engine, columns(self._table)
        names = [OBJECT, *self._levels, *(column.name for column in declared)]
        texts = ", ".join(f"{quoted(name)} VARCHAR" for name in names)
        engine.execute(f"CREATE TEMP TABLE stored ({texts})")
        marks = ", ".join(["unnest(?)"] * len(names))
        remaining = self._raw_rows(declared, problems)
        while batch := list(islice(remaining, ROWS_AT_ONCE)):
            values = list(map(list, zip(*batch, strict=True)))
            engine.execute(f"INSERT INTO stored SELECT {marks}", values)
        problems += _misfits(engine, declared)
        typed = [f"{_cast(column)} AS {quoted(column.name)}" for column in declared]
        typed += [
            f"TRY_CAST({quoted(name)} AS BIGINT) AS {quoted(name)}"
            if level in TIME_FORMATS
            else quoted(name)
            for name, level in self._levels.items()
        ]
        select = ", ".join([*typed, quoted(OBJECT)])
        engine.execute(f"CREATE TEMP TABLE {_RAW} AS FROM stored SELECT {select}")
        engine.execute("DROP TABLE stored")

    def _raw_rows(
        self, declared: Sequence[Column], problems: list[str]
    ) -> Iterator[list[str | None]]:
        stored = objects(self._stack, DATA_PREFIX)
        for each, lines in read_objects(self._stack, stored, problems):
            self._reading.bytes += each.size
            folders = dict(part.split("=", 1) for part in each.key.split("/")[:-1] if "=" in part)
            address = f"s3://{self._stack.bucket}/{each.key}"
            places = [address, *map(folders.get, self._levels.values())]
            for line in lines:
                yield [*places, *_texts(_read_line(line), declared)]

    def _make_views(self, hidden: Sequence[str]) -> None:
        """Make the tables of AWS."""
        table = self._table
        names = [*(column.name for column in columns(table)), *hidden]
        every = [*names, *(column.name for column in partition_columns(table))]
        has_compacted = is_compacted(self._stack)
        for view, seen, compacted in (
            (CHANGES, every, HISTORY),
            (LAST_CHANGES, names, CURRENT),
        ):
            selects = [f"SELECT {', '.join(map(quoted, seen))} FROM {_RAW}"]  # noqa: S608
            if has_compacted:
                selects += self._compacted_select(compacted, seen)
            self._engine.execute(f"CREATE TEMP VIEW {view} AS {' UNION ALL '.join(selects)}")
        for each in lake_tables(table)[1:]:
            names = [column.name for column in columns(table, each.kind)]
            if each.is_partitioned:
                names += [column.name for column in partition_columns(table, each.kind)]
            seen = [*names, *hidden]
            select = f"SELECT {', '.join(map(quoted, seen))} FROM {CHANGES}"  # noqa: S608
            if each.kind is not None:
                kind = literal(encode_value(KIND, each.kind))
                select += f" WHERE {quoted(partition_column(table.levels[0]))} = {kind}"
            self._engine.execute(f"CREATE TEMP VIEW {each.name} AS {select}")
        self._engine.execute(
            "CREATE TEMP MACRO from_unixtime(s) AS epoch_ms(CAST(round(s * 1000) AS BIGINT))"
        )

    def _compacted_select(self, name: str, seen: Sequence[str]) -> list[str]:
        """Return the query for these columns of a table; none before the first compaction."""
        files = dataset(self._compacted, name, self._reading)
        if files is None:
            return []
        self._engine.register(f"compacted_{name}", files)
        values = {each.name: stored_value(each) for each in columns(self._table)}
        values[OBJECT] = quoted(OBJECT)
        for level in partition_levels(self._table):
            column = partition_column(level)
            is_fixed = column in files.schema.names
            values[column] = quoted(column) if is_fixed else _encoded(level)
        selected = [f"{values[each]} AS {quoted(each)}" for each in seen]
        return [f"SELECT {', '.join(selected)} FROM compacted_{name}"]  # noqa: S608


def _encoded(level: Level) -> str:
    """Return the SQL of a level's value in the path, from the column of its field."""
    text = f"url_encode(CAST({quoted(sql_name(level.name))} AS VARCHAR))"
    return f"coalesce({text}, {literal(UNKNOWN_VALUE)})"


def _misfits(engine: Any, declared: Sequence[Column]) -> Iterator[str]:
    """Yield a sentence on each column of an object that has a value of another type."""
    for column in declared:
        misfit = f'"{column.name}" IS NOT NULL AND {_cast(column)} IS NULL'
        select = f'SELECT DISTINCT "{OBJECT}" FROM stored WHERE {misfit} ORDER BY 1'  # noqa: S608
        for (address,) in engine.execute(select).fetchall():
            yield (
                f"{address} is damaged: a line's {column.key} is not a {column.type}, and counts "
                "as NULL"
            )


def _cast(column: Column) -> str:
    return f'TRY_CAST("{column.name}" AS {column.type.replace("string", "varchar")})'


def _texts(line: Mapping[str, msgspec.Raw], declared: Sequence[Column]) -> list[str | None]:
    """Return the text of each column in a line: a number's is the line's own, exact."""
    values = (bytes(line.get(column.key, b"null")) for column in declared)
    return [
        None
        if value == b"null"
        else msgspec.json.decode(value, type=str)
        if value.startswith(b'"')
        else value.decode()
        for value in values
    ]
