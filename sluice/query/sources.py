"""The tables of a lake for the engine of this machine: the raw objects, and what is compacted.

Only here is decided what is read of a lake: `changes` and its like have `history` and what is not
compacted yet, `last_changes` has `current` and the same. A change may be in both for a moment,
between its way into the table and the deletion of its object; so it may come twice, as delivery at
least once allows anyway.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from chalicelib.catalog import (
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
from chalicelib.compacted import compacted_columns, raw_name, stored_value
from chalicelib.declaration import KIND, TIME_FORMATS, Level, Table
from chalicelib.objects import Stored
from chalicelib.partitions import DATA_PREFIX, UNKNOWN_VALUE, encode_value
from sluice.compaction.counting import Reading
from sluice.compaction.dataset import OBJECT, dataset
from sluice.compaction.tables import LakeTables, is_compacted
from sluice.lake import objects, read_pieces
from sluice.query.parameters import literal
from sluice.query.pruning import NO_PARTITION, RawTable, raw_condition
from sluice.stack import Stack

_RAW, _EVERY = "raw_lines", "every_line"
"""The lines that are not compacted, and those with the compacted ones."""

_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}

LISTED_AT_ONCE = 1_000
"""Objects whose partitions are decided on at a time."""

Partition = tuple[str | None, ...]
"""The values of the levels in an object's key."""

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

    def load(self, sql: str) -> list[str]:
        """Make the tables that a query may read, and return a sentence on each damaged object.

        Of the raw objects, only those are read whose partition meets the query's conditions. Only a
        query that names the column OBJECT sees it.
        """
        problems: list[str] = []
        self._engine.execute("SET TimeZone = 'UTC'")
        self._load_raw(raw_condition(sql, _raw_tables(self._table)), problems)
        self._make_views(sql, [OBJECT] if OBJECT in sql else [])
        return problems

    def _load_raw(self, condition: str | None, problems: list[str]) -> None:
        """Make the table of what is not compacted yet."""
        engine, declared = self._engine, columns(self._table)
        names = [OBJECT, *self._levels, *(column.name for column in declared)]
        texts = ", ".join(f"{quoted(name)} VARCHAR" for name in names)
        engine.execute(f"CREATE TEMP TABLE stored ({texts})")
        marks = ", ".join(["unnest(?)"] * len(names))
        remaining = self._raw_rows(condition, declared, problems)
        while batch := list(islice(remaining, ROWS_AT_ONCE)):
            values = list(map(list, zip(*batch, strict=True)))
            engine.execute(f"INSERT INTO stored SELECT {marks}", values)
        problems += _misfits(engine, declared)
        typed = [f"{_cast(column)} AS {quoted(column.name)}" for column in declared]
        select = ", ".join([*typed, *self._typed_levels(), quoted(OBJECT)])
        engine.execute(f"CREATE TEMP TABLE {_RAW} AS FROM stored SELECT {select}")
        engine.execute("DROP TABLE stored")

    def _typed_levels(self) -> list[str]:
        return [
            f"TRY_CAST({quoted(name)} AS BIGINT) AS {quoted(name)}"
            if level in TIME_FORMATS
            else quoted(name)
            for name, level in self._levels.items()
        ]

    def _raw_rows(
        self, condition: str | None, declared: Sequence[Column], problems: list[str]
    ) -> Iterator[list[str | None]]:
        for piece in read_pieces(self._stack, self._raw_objects(condition)):
            if piece.is_last:
                self._reading.bytes += piece.stored.size
                problems += [piece.problem] if piece.problem else []
            address = f"s3://{self._stack.bucket}/{piece.stored.key}"
            places = [address, *self._partition(piece.stored)]
            for line in piece.lines:
                yield [*places, *_texts(_read_line(line), declared)]

    def _partition(self, stored: Stored) -> Partition:
        folders = dict(part.split("=", 1) for part in stored.key.split("/")[:-1] if "=" in part)
        return tuple(map(folders.get, self._levels.values()))

    def _raw_objects(self, condition: str | None) -> Iterator[Stored]:
        """List the raw objects whose partitions meet a condition."""
        if condition == NO_PARTITION:
            return
        stored = objects(self._stack, DATA_PREFIX)
        is_met: dict[Partition, bool] = {}
        while batch := list(islice(stored, LISTED_AT_ONCE)):
            if condition is not None:
                new = {self._partition(each) for each in batch} - is_met.keys()
                is_met |= dict.fromkeys(new, False)
                is_met |= dict.fromkeys(self._meeting(new, condition), True)
            yield from (each for each in batch if is_met.get(self._partition(each), True))

    def _meeting(self, partitions: Collection[Partition], condition: str) -> list[Partition]:
        """Return the partitions that meet a condition."""
        if not partitions:
            return []
        levels = [
            f"partition[{place}] AS {quoted(name)}" for place, name in enumerate(self._levels, 1)
        ]
        met = self._engine.execute(
            f"SELECT partition FROM (SELECT partition, {', '.join(self._typed_levels())} FROM ("  # noqa: S608
            f"SELECT partition, {', '.join(levels)} FROM (SELECT unnest(?) AS partition))) "
            f"WHERE {condition}",
            [list(map(list, partitions))],
        )
        return [tuple(partition) for (partition,) in met.fetchall()]

    def _make_views(self, sql: str, hidden: Sequence[str]) -> None:
        """Make the tables of AWS, but for those of a compacted table that a query does not name.

        To open `history` alone takes a time that grows with it.
        """
        table = self._table
        read_by = {
            HISTORY: [HISTORY, *(each.name for each in lake_tables(table))],
            CURRENT: [CURRENT, LAST_CHANGES],
        }
        named = [each for each, names in read_by.items() if _names(sql, names)] or [*read_by]
        names = [*(column.name for column in columns(table)), *hidden]
        every = [*names, *(column.name for column in partition_columns(table))]
        has_compacted = is_compacted(self._stack)
        for view, seen, compacted in (
            (_EVERY, every, HISTORY),
            (LAST_CHANGES, names, CURRENT),
        ):
            if compacted not in named:
                continue
            stored = self._load_compacted(compacted) if has_compacted else []
            union = [_select(seen, _RAW)]
            if stored:
                union.append(self._compacted_select(compacted, seen, stored))
                select = _select([*stored[: stored.index(OBJECT)], *hidden], _files(compacted))
            else:
                select = _empty_select(compacted_columns(table, compacted), hidden)
            self._make_view(view, " UNION ALL ".join(union))
            self._make_view(compacted, select)
        for each in lake_tables(table):
            seen = [*(column.name for column in columns(table, each.kind)), *hidden]
            if each.is_partitioned:
                seen += [column.name for column in partition_columns(table, each.kind)]
            condition = _of_kind(table, each.kind)
            where = f" WHERE {condition}" if condition else ""
            self._make_view(raw_name(each.name), _select(seen, _RAW) + where)
            if HISTORY in named:
                self._make_view(each.name, _select(seen, _EVERY) + where)
        self._engine.execute(
            "CREATE TEMP MACRO from_unixtime(s) AS epoch_ms(CAST(round(s * 1000) AS BIGINT))"
        )

    def _make_view(self, name: str, select: str) -> None:
        self._engine.execute(f"CREATE TEMP VIEW {quoted(name)} AS {select}")

    def _load_compacted(self, name: str) -> list[str]:
        """Load the files of a compacted table, and return their columns; none where it is none."""
        files = dataset(self._compacted, name, self._reading)
        if files is None:
            return []
        self._engine.register(_files(name), files)
        return list(files.schema.names)

    def _compacted_select(self, name: str, seen: Sequence[str], stored: Collection[str]) -> str:
        """Return the query for columns of lines and partitions of a compacted table."""
        values = {each.name: stored_value(each) for each in columns(self._table)}
        values[OBJECT] = quoted(OBJECT)
        for level in partition_levels(self._table):
            column = partition_column(level)
            values[column] = quoted(column) if column in stored else _encoded(level)
        selected = [f"{values[each]} AS {quoted(each)}" for each in seen]
        return f"SELECT {', '.join(selected)} FROM {_files(name)}"  # noqa: S608


def _raw_tables(table: Table) -> dict[str, RawTable]:
    """Return the tables that have raw objects."""
    tables = {LAST_CHANGES: RawTable()}
    for each in lake_tables(table):
        partitions = partition_columns(table, each.kind) if each.is_partitioned else ()
        raw = RawTable([column.name for column in partitions], _of_kind(table, each.kind))
        tables |= {each.name: raw, raw_name(each.name): raw}
    return tables


def _of_kind(table: Table, kind: str | None) -> str | None:
    """Return the condition that a partition is of a kind; None: of any."""
    if kind is None:
        return None
    return f"{quoted(partition_column(table.levels[0]))} = {literal(encode_value(KIND, kind))}"


def _names(sql: str, tables: Collection[str]) -> bool:
    """Whether a query has the name of one of some tables, perhaps as another thing's."""
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE) for name in tables)


def _files(name: str) -> str:
    return f"files_of_{name}"


def _select(seen: Sequence[str], source: str) -> str:
    return f"SELECT {', '.join(map(quoted, seen))} FROM {source}"  # noqa: S608


def _empty_select(declared: Sequence[Column], hidden: Sequence[str]) -> str:
    kinds = {each.name: _TYPES.get(each.type, each.type) for each in declared}
    kinds |= dict.fromkeys(hidden, "VARCHAR")
    nulls = [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in kinds.items()]
    return f"SELECT {', '.join(nulls)} WHERE false"


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
