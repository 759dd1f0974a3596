"""Files of an Iceberg table: their rows, and the range of a column."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sluice.compaction.commits import as_stored

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Transaction
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.types import NestedField


FILE_ROWS = 100_000
FILE_BYTES = 16 * 1024 * 1024
"""Rows of a file, and their bytes in memory, at most. So many are held at a time."""


def read_files(
    table: "IcebergTable",
    tasks: Iterable["FileScanTask"],
    names: tuple[str, ...] = (),
    condition: "BooleanExpression | None" = None,
) -> "pa.Table":
    """Return the rows of some files of a table, with these columns or all."""
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan

    schema = table.schema().select(*names) if names else table.schema()
    return ArrowScan(table.metadata, table.io, schema, condition or AlwaysTrue()).to_table(tasks)


def read_batches(
    table: "IcebergTable", tasks: Iterable["FileScanTask"]
) -> Iterator[tuple[list["FileScanTask"], "pa.Table", bool]]:
    """Yield files that together are at most as large as one, with their rows; small ones last.

    The last value is whether there are no more.
    """
    import pyarrow as pa

    batch: list[FileScanTask] = []
    parts: list[pa.Table] = []
    rows = size = 0
    for task in sorted(tasks, key=lambda task: task.file.record_count, reverse=True):
        part = as_stored(table, read_files(table, [task]))
        rows += part.num_rows
        size += part.nbytes
        if batch and (rows > FILE_ROWS or size > FILE_BYTES):
            yield batch, pa.concat_tables(parts), False
            batch, parts = [], []
            rows, size = part.num_rows, part.nbytes
        batch.append(task)
        parts.append(part)
    if batch:
        yield batch, pa.concat_tables(parts), True


def write_files(table: "IcebergTable", rows: "pa.Table") -> list["DataFile"]:
    """Write rows into new files of a table, which a commit is to add, and return those."""
    from pyiceberg.io.pyarrow import _dataframe_to_data_files

    if not rows.num_rows:
        return []
    stored = as_stored(table, rows)
    step = max(1, min(FILE_ROWS, FILE_BYTES * stored.num_rows // max(1, stored.nbytes)))
    return [
        file
        for start in range(0, stored.num_rows, step)
        for file in _dataframe_to_data_files(
            table.metadata, stored.slice(start, step), table.io, uuid4(), count()
        )
    ]


def replace_files(
    transaction: "Transaction",
    replaced: Iterable["FileScanTask"],
    added: Iterable["DataFile"],
    condition: "BooleanExpression",
) -> None:
    """Replace files of a table, which all have rows that meet a condition, by new ones."""
    with transaction.update_snapshot().overwrite() as update:
        update.delete_by_predicate(condition)
        for task in replaced:
            update.delete_data_file(task.file)
        for file in added:
            update.append_data_file(file)


def value_range(field: "NestedField", file: "DataFile") -> tuple[Any, Any] | None:
    """Return the least and the greatest value of a column in a file.

    None where the table's metadata does not say, or the column has nulls too.
    """
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import PrimitiveType

    key, kind = field.field_id, field.field_type
    if (
        not isinstance(kind, PrimitiveType)
        or key not in file.lower_bounds
        or file.null_value_counts.get(key) != 0
    ):
        return None
    least, greatest = file.lower_bounds[key], file.upper_bounds[key]
    return from_bytes(kind, least), from_bytes(kind, greatest)
