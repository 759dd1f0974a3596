"""The lake as tables: the columns of a line, and the partitions that prune a query.

Only names and texts. `infrastructure.catalog` builds the Glue tables from them.
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from chalicelib.declaration import KIND, TIME_FORMATS, Level, Table
from chalicelib.lines import change_fields, line_fields
from chalicelib.partitions import DATA_PREFIX, UNKNOWN_VALUE, encode_value, path
from chalicelib.types import FieldType

CHANGES = "changes"
ALL_CHANGES = "all_changes"
LAST_CHANGES = "last_changes"
"""Of each key at least its last change, and every one that is not compacted yet."""

HISTORY = "history"
CURRENT = "current"
"""The compacted tables: every change once, and the last change of each key."""

ICEBERG_PREFIX = "iceberg/"
"""The prefix of the compacted tables."""

_WITHIN_A_DAY = ("hour", "minute")

_TIME_RANGES = {"month": "1,12", "day": "1,31"}

_NOT_OF_A_NAME = re.compile("[^a-z0-9_]")


class Column(NamedTuple):
    """A column of the tables."""

    name: str
    type: str
    key: str
    """The name of the field in the line."""
    comment: str
    was: str | None = None
    """The type that it had before it became `string`; None: it had no other."""


class LakeTable(NamedTuple):
    """A table of the catalog."""

    name: str
    kind: str | None
    """The kind of record that it has; None: all of them."""
    is_partitioned: bool
    description: str


def sql_name(text: str) -> str:
    """Return the name in SQL of a field, a level or a kind: Athena's are in lower case."""
    return _NOT_OF_A_NAME.sub("_", text.lower())


def quoted(name: str) -> str:
    """Return a name that `sql_name` made as SQL has it, where it may be a reserved word."""
    return f'"{name}"'


def lake_tables(table: Table) -> tuple[LakeTable, ...]:
    """Return the tables of the catalog: two of all changes, and two of each kind of record.

    A kind's own have its columns alone, and read its part of the lake only.
    """
    tables = [
        LakeTable(
            CHANGES,
            None,
            True,
            "The changes, each in the partition of its event time. Name the partition.",
        ),
        LakeTable(
            ALL_CHANGES,
            None,
            False,
            "The same changes without partitions, for queries across them. Reads all of them.",
        ),
    ]
    for shape in table.shapes if table.told_by else ():
        of_kind = f"of records of the kind {shape.kind}"
        suffix = f"_{sql_name(shape.kind)}"
        tables += [
            LakeTable(CHANGES + suffix, shape.kind, True, f"The changes {of_kind}."),
            LakeTable(
                ALL_CHANGES + suffix,
                shape.kind,
                False,
                f"The changes {of_kind}, without partitions. Reads all of them.",
            ),
        ]
    return tuple(tables)


def columns(table: Table, kind: str | None = None) -> tuple[Column, ...]:
    """Return the columns of the lines of a kind, or of all kinds together, in their order.

    Integers of 64 bits are `bigint`. A value that no type of Athena's holds exactly is `string`
    with its JSON text: decimals, whose 38 digits may stand anywhere around the point, lists, maps
    and sets.
    """
    shapes = table.shapes if kind is None else (table.shape(kind),)
    change = change_fields(table)
    fields: dict[str, FieldType] = {}
    for shape in shapes:
        fields = {**fields, **line_fields(table, shape)}
    names = [name for name in fields if name not in change]
    return tuple(
        Column(
            sql_name(name),
            fields[name].column,
            name,
            fields[name].description,
            fields[name].was,
        )
        for name in (*names, *change)
    )


def key_columns(table: Table) -> tuple[str, ...]:
    """Return the columns of the key."""
    return tuple(sql_name(field.line) for field in table.key_fields)


def partition_levels(table: Table) -> tuple[Level, ...]:
    """Return the levels that are partitions of `changes`: those before the hour.

    Deeper levels are read within them, so that planning a query stays small.
    """
    return tuple(takewhile(lambda level: not _is_within_a_day(level), table.levels))


def partition_column(level: Level) -> str:
    """Return the column of a level. A time level gives it its name; a field is a column already."""
    return level.name if level.is_time else f"{sql_name(level.name)}_partition"


def partition_columns(table: Table, kind: str | None = None) -> tuple[Column, ...]:
    """Return the partition columns of `changes`, or of a kind's own table, outermost first."""
    return tuple(
        Column(
            partition_column(level), "int", level.name, f"The {level.name} of the event time, UTC."
        )
        if level.is_time
        else Column(
            partition_column(level),
            "string",
            level.name,
            f"{level.name}, percent-encoded as in the path.",
        )
        for level in _projected_levels(table, kind)
    )


def folder(kind: str | None = None) -> str:
    """Return the folder of all changes, or of those of a kind."""
    return DATA_PREFIX if kind is None else path({KIND: encode_value(KIND, kind)})


def location(table: Table, kind: str | None = None) -> str:
    """Return the folder of one projected partition, with `${column}` for each value."""
    values = {level.name: f"${{{partition_column(level)}}}" for level in partition_levels(table)}
    return path(values if kind is None else values | {KIND: encode_value(KIND, kind)})


def projection(
    table: Table, sites: Sequence[str], years: tuple[int, int], kind: str | None = None
) -> dict[str, str]:
    """Return the table parameters with which Athena projects the partitions of `changes`.

    `sites` are the values of the first level of a field; without any, and for other fields, every
    query must name them (https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html).
    """
    properties = {"projection.enabled": "true"}
    for level in _projected_levels(table, kind):
        name = f"projection.{partition_column(level)}"
        if level.is_time:
            properties |= {
                f"{name}.type": "integer",
                f"{name}.range": _TIME_RANGES.get(level.name, f"{years[0]},{years[1]}"),
                f"{name}.digits": str(len(TIME_FORMATS[level.name].format(0))),
            }
            continue
        if values := _values(table, level, sites, kind):
            properties |= {
                f"{name}.type": "enum",
                f"{name}.values": ",".join(encode_value(level.name, value) for value in values),
            }
        else:
            properties[f"{name}.type"] = "injected"
    return properties


def _values(table: Table, level: Level, sites: Sequence[str], kind: str | None) -> Sequence[str]:
    """Return the values of a level that are known, none where a query must name them."""
    if level.attribute is None:
        return [shape.kind for shape in table.shapes]
    shapes = table.shapes if kind is None else (table.shape(kind),)
    have = [shape for shape in shapes if level.attribute in shape.fields]
    if not have:
        return [UNKNOWN_VALUE]
    if not sites or level != table.group:
        return ()
    return sites if len(have) == len(shapes) else [*sites, UNKNOWN_VALUE]


def serde_mapping(table: Table, kind: str | None = None) -> dict[str, str]:
    """Return the parameters with which the OpenX SerDe maps columns to keys
    (https://docs.aws.amazon.com/athena/latest/ug/openx-json-serde.html)."""
    return {"case.insensitive": "FALSE"} | {
        f"mapping.{name}": key for name, key in renamed_keys(table, kind).items()
    }


def renamed_keys(table: Table, kind: str | None = None) -> dict[str, str]:
    """Return the keys of the columns whose name differs from the key, by column."""
    every = columns(table, kind)
    return {column.name: column.key for column in every if column.name != column.key}


def _is_within_a_day(level: Level) -> bool:
    return level.is_time and level.name in _WITHIN_A_DAY


def _projected_levels(table: Table, kind: str | None) -> tuple[Level, ...]:
    """Return the levels that are partitions; a kind's own table lies below that of the kind."""
    levels = partition_levels(table)
    return levels if kind is None else levels[1:]
