"""The compacted tables: their columns and partitions, and the views that show them.

A view has the name of a table that is not compacted, and shows what its raw table and a compacted
one have together. Only names, texts and documents; `chalicelib.merging` has the statements.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
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
from chalicelib.errors import OperationError
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

WIDENED = ("bigint", "boolean")
"""The types that a column may have had before it became text: each text says the value exactly."""

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
    """Return the columns of a compacted table.

    Where a field became text, its older values stay in the column of its name, and the text has a
    column of its own: so no row is written again, and what is deployed may still read the table.
    """
    stored: list[Column] = []
    for each in columns(table):
        if each.was:
            stored.append(Column(each.name, each.was, "", f"{each.key}, before it became text."))
        stored.append(each._replace(name=stored_name(each), was=None))
    stored += [
        Column(CHANGED, "timestamp", "", "When the table changed."),
        Column(HAPPENED, "timestamp", "", "The event time."),
    ]
    if name == CURRENT:
        stored.append(Column(BUCKET, "int", "", "A number from a hash of the key."))
    return tuple(stored)


def text_name(name: str) -> str:
    """Return the name in the compacted tables of the text of a column that was of another type."""
    return f"{name}__string"


def stored_name(column: Column) -> str:
    """Return the name in the compacted tables of the values of a column from now on."""
    return text_name(column.name) if column.was else column.name


def stored_value(column: Column) -> str:
    """Return the SQL of a column's value in the compacted tables, whenever it was written."""
    if not column.was:
        return quoted(column.name)
    return f"coalesce({quoted(stored_name(column))}, CAST({quoted(column.name)} AS varchar))"


def missing_columns(table: Table, name: str, stored: Mapping[str, str]) -> list[Column]:
    """Return the columns that a compacted table lacks; `stored` has the types of its columns.

    Raises OperationError for one that is stored with another type than it is declared with.
    """
    declared = compacted_columns(table, name)
    types = {each.name: each.type for each in declared}
    for column, kind in types.items():
        have = stored.get(column, kind)
        is_text = text_name(column) in stored and text_name(column) not in types
        if kind == "timestamp" or (have == kind and not is_text):
            continue
        widens = is_text or (kind == "string" and have in WIDENED)
        remedy = f'as text that was another type, with Meta(extra={{"was": "{have}"}})'
        raise OperationError(
            f"the table {name} has the column {column} as {have}{' and as text' * is_text}, and "
            f"it is declared as {kind}; declare it {remedy if widens else 'as before'}, or give "
            'it another name in the lake with Meta(extra={"line": "..."})'
        )
    return [each for each in declared if each.name not in stored]


def group_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that, beside the day, are partitions of `history`: kind, first field."""
    names = [KIND] if table.told_by else []
    field = next((level.attribute for level in table.levels if level.attribute), None)
    if field is not None:
        shape = next(shape for shape in table.shapes if field in shape.fields)
        names.append(sql_name(shape.fields[field].line))
    return tuple(names)


def schema(table: Table, name: str) -> dict[str, Any]:
    """Return the schema of a new compacted table
    (https://iceberg.apache.org/spec/#appendix-c-json-serialization)."""
    return {
        "type": "struct",
        "schema-id": 0,
        "fields": [
            {
                "id": number,
                "name": each.name,
                "type": _ICEBERG_TYPES.get(each.type, each.type),
                "required": False,
                **({"doc": each.comment[:_DOC_LENGTH_MAX]} if each.comment else {}),
            }
            for number, each in enumerate(compacted_columns(table, name), 1)
        ],
    }


def partition_spec(table: Table, name: str) -> dict[str, Any]:
    """Return the partitions of a new compacted table, in the JSON of Iceberg as well."""
    ids = {each.name: number for number, each in enumerate(compacted_columns(table, name), 1)}
    groups = group_columns(table) if name == HISTORY else (BUCKET,)
    partitions = [(group, group, "identity") for group in groups]
    if name == HISTORY:
        partitions.append((HAPPENED, DAY, "day"))
    return {
        "spec-id": 0,
        "fields": [
            {
                "source-id": ids[source],
                "field-id": 1000 + place,
                "name": partition,
                "transform": transform,
            }
            for place, (source, partition, transform) in enumerate(partitions)
        ],
    }


def iceberg_input(table: Table, name: str, location: str) -> dict[str, Any]:
    """Return how Glue's CreateTable makes a compacted table, as the local engine makes it
    (https://docs.aws.amazon.com/glue/latest/webapi/API_CreateIcebergTableInput.html)."""
    return {
        "IcebergInput": {
            "MetadataOperation": "CREATE",
            "Version": "2",
            "CreateIcebergTableInput": {
                "Location": location,
                "Schema": _as_glue_has_it(schema(table, name)),
                "PartitionSpec": _as_glue_has_it(partition_spec(table, name)),
                "Properties": _PROPERTIES,
            },
        }
    }


def _as_glue_has_it(document: Any) -> Any:
    """Return a document of Iceberg's with Glue's names: `SchemaId` for `schema-id`."""
    if isinstance(document, list):
        return [_as_glue_has_it(each) for each in document]
    if not isinstance(document, dict):
        return document
    return {name.title().replace("-", ""): _as_glue_has_it(each) for name, each in document.items()}


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
    line = columns(table)
    last = View(
        LAST_CHANGES,
        "Of each key at least its last change, and every one that is not compacted yet.",
        line,
        _union(
            [quoted(column.name) for column in line],
            raw_name(ALL_CHANGES),
            [_named(column) for column in line],
            quoted(CURRENT),
        ),
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
    compacted = [_named(column) for column in line]
    compacted += [f"{_in_path(level)} AS {quoted(partition_column(level))}" for level in levels]
    condition = ""
    if kind is not None:
        text = kind.replace("'", "''")
        condition = f" WHERE {quoted(KIND)} = '{text}'"
    sql = _union(raw, raw_name(name), compacted, HISTORY + condition)
    return View(name, description, (*line, *partitions), sql)


def _named(column: Column) -> str:
    value, name = stored_value(column), quoted(column.name)
    return value if value == name else f"{value} AS {name}"


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
