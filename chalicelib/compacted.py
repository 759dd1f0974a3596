"""The compacted tables: their columns and partitions, and the views that show them.

A view has the name of a table that is not compacted, and shows what its raw table and a compacted
one have together. Only names, texts and documents; `chalicelib.merging` has the statements.
"""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, NamedTuple

from chalicelib.catalog import (
    ALL_CHANGES,
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
from chalicelib.declaration import KIND, Level, Table
from chalicelib.partitions import UNKNOWN_VALUE

CHANGED = "change_timestamp"
HAPPENED = "event_timestamp"
"""The columns of a line's times, as timestamps."""

DAY = "event_day"
"""The partition of `history` by the day of the event time."""

BUCKET = "key_bucket"
"""The column of `current` that its partitions are made of: a number from a hash of the key."""

BUCKETS = 16
"""The partitions of `current`."""

_DOC_LENGTH_MAX = 255

_PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    # https://docs.aws.amazon.com/athena/latest/ug/vacuum-statement.html
    "vacuum_max_snapshot_age_seconds": str(5 * 86_400),
}

_ICEBERG_TYPES = {"bigint": "long", "timestamp": "timestamptz"}
_PRESTO_TYPES = {"string": "varchar", "int": "integer"}


class View(NamedTuple):
    """A table of the catalog that is a query."""

    name: str
    description: str
    columns: tuple[Column, ...]
    sql: str


def raw_name(name: str) -> str:
    """Return the name of the table of what is not compacted, where `name` is that of a view."""
    return f"raw_{name}"


def compacted_columns(table: Table, name: str) -> tuple[Column, ...]:
    """Return the columns of a compacted table."""
    declared = (
        *columns(table),
        Column(CHANGED, "timestamp", "", "When the table changed."),
        Column(HAPPENED, "timestamp", "", "The event time."),
    )
    if name == HISTORY:
        return declared
    return (*declared, Column(BUCKET, "int", "", "A number from a hash of the key."))


def group_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that, beside the day, are partitions of `history`: kind, first field."""
    names = [KIND] if table.told_by else []
    field = next((level.attribute for level in table.levels if level.attribute), None)
    if field is not None:
        shape = next(shape for shape in table.shapes if field in shape.fields)
        names.append(sql_name(shape.fields[field].line))
    return tuple(names)


def iceberg_input(table: Table, name: str, location: str) -> dict[str, Any]:
    """Return how Glue's CreateTable makes a compacted table, as the local engine makes it
    (https://docs.aws.amazon.com/glue/latest/webapi/API_CreateIcebergTableInput.html)."""
    declared = compacted_columns(table, name)
    ids = {each.name: number for number, each in enumerate(declared, 1)}
    groups = group_columns(table) if name == HISTORY else (BUCKET,)
    partitions = [(group, group, "identity") for group in groups]
    if name == HISTORY:
        partitions.append((HAPPENED, DAY, "day"))
    return {
        "IcebergInput": {
            "MetadataOperation": "CREATE",
            "Version": "2",
            "CreateIcebergTableInput": {
                "Location": location,
                "Schema": {
                    "Type": "struct",
                    "SchemaId": 0,
                    "Fields": [
                        {
                            "Id": ids[each.name],
                            "Name": each.name,
                            "Type": _ICEBERG_TYPES.get(each.type, each.type),
                            "Required": False,
                            **({"Doc": each.comment[:_DOC_LENGTH_MAX]} if each.comment else {}),
                        }
                        for each in declared
                    ],
                },
                "PartitionSpec": {
                    "SpecId": 0,
                    "Fields": [
                        {
                            "SourceId": ids[source],
                            "FieldId": 1000 + place,
                            "Name": partition,
                            "Transform": transform,
                        }
                        for place, (source, partition, transform) in enumerate(partitions)
                    ],
                },
                "Properties": _PROPERTIES,
            },
        }
    }


def views(table: Table) -> tuple[View, ...]:
    """Return the views: those of the tables of the catalog, and LAST_CHANGES.

    A change may be in both parts for a moment, between its way into the table and the deletion of
    its object, as delivery at least once allows anyway.
    """
    lake = [
        _view(
            table,
            each.name,
            each.description,
            each.kind,
            partition_levels(table)[0 if each.kind is None else 1 :] if each.is_partitioned else (),
        )
        for each in lake_tables(table)
    ]
    names = [quoted(column.name) for column in columns(table)]
    last = View(
        LAST_CHANGES,
        "Of each key at least its last change, and every one that is not compacted yet.",
        columns(table),
        _union(names, raw_name(ALL_CHANGES), names, quoted(CURRENT)),
    )
    return (*lake, last)


def view_text(view: View, database: str) -> str:
    """Return a view as Athena keeps it in Glue
    (https://github.com/trinodb/trino/blob/master/plugin/trino-hive/src/main/java/io/trino/plugin/hive/ViewReaderUtil.java)."""
    document = {
        "originalSql": view.sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [
            {"name": each.name, "type": _PRESTO_TYPES.get(each.type, each.type)}
            for each in view.columns
        ],
    }
    encoded = b64encode(json.dumps(document).encode()).decode()
    return f"/* Presto View: {encoded} */"


def _view(
    table: Table, name: str, description: str, kind: str | None, levels: Sequence[Level]
) -> View:
    line = columns(table, kind)
    partitions = partition_columns(table, kind) if levels else ()
    raw = [quoted(column.name) for column in (*line, *partitions)]
    compacted = [quoted(column.name) for column in line]
    compacted += [f"{_in_path(level)} AS {quoted(partition_column(level))}" for level in levels]
    condition = ""
    if kind is not None:
        text = kind.replace("'", "''")
        condition = f" WHERE {quoted(KIND)} = '{text}'"
    sql = _union(raw, raw_name(name), compacted, HISTORY + condition)
    return View(name, description, (*line, *partitions), sql)


def _union(raw: Sequence[str], raw_table: str, compacted: Sequence[str], rest: str) -> str:
    return (
        f"SELECT {', '.join(raw)} FROM {raw_table} "  # noqa: S608 - names of the declaration
        f"UNION ALL SELECT {', '.join(compacted)} FROM {rest}"
    )


def _in_path(level: Level) -> str:
    """Return the SQL of a level's value as the path spells it, from a row of `history`."""
    if level.is_time:
        return f"CAST({level.name}({quoted(HAPPENED)}) AS integer)"
    text = f"url_encode(CAST({quoted(sql_name(level.name))} AS varchar))"
    # It encodes as forms do; the path encodes as RFC 3986 has it.
    for form, path in (("+", "%20"), ("%7E", "~"), ("*", "%2A")):
        text = f"replace({text}, '{form}', '{path}')"
    return f"coalesce({text}, '{UNKNOWN_VALUE}')"
