"""Files of an Iceberg table: their rows, and the range of a column."""

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sluice.compaction.commits import as_stored

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.types import NestedField


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


def write_files(table: "IcebergTable", rows: "pa.Table") -> list["DataFile"]:
    """Write rows into new files of a table, which a commit is to add, and return those."""
    from pyiceberg.io.pyarrow import _dataframe_to_data_files

    if not rows.num_rows:
        return []
    stored = as_stored(table, rows)
    return list(_dataframe_to_data_files(table.metadata, stored, table.io, uuid4(), count()))


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
