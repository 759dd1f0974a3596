"""The files of an Iceberg table as an Arrow dataset, which an engine prunes by their partitions.

The tables are written without delete files, so what their files hold is what the tables hold.
"""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.catalog import (
    HISTORY,
    partition_column,
    partition_columns,
    partition_levels,
    sql_name,
)
from chalicelib.compacted import DAY, HAPPENED
from chalicelib.declaration import Table
from chalicelib.partitions import UNKNOWN_VALUE, encode_value
from sluice.compaction.counting import Reading, counted_files
from sluice.compaction.files import value_range
from sluice.compaction.tables import LakeTables
from sluice.errors import OperationError

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from pyiceberg.manifest import DataFile
    from pyiceberg.types import NestedField

_EPOCH = date(1970, 1, 1)

OBJECT = "$path"
"""The column with the address of a row's file, as in Athena."""


def dataset(tables: LakeTables, name: str, reading: Reading) -> "ds.Dataset | None":
    """Return a table's files, None before the first compaction.

    It has the table's columns and all that are declared, OBJECT, and for `history` those of the
    partitions of `changes` that a file's own partition fixes. A file is not opened for a condition
    that its values of those and of their fields, or its event times, do not meet.
    """
    iceberg = tables.find(name)
    if iceberg is None:
        return None
    import pyarrow as pa
    import pyarrow.dataset as ds

    files = list(iceberg.scan().plan_files())
    if any(task.delete_files for task in files):
        raise OperationError(
            f"the table {name} has delete files, which only AWS reads; rewrite its data there"
        )
    schema = pa.schema(iceberg.schema().as_arrow()).remove_metadata()
    for field in tables.schema(name).as_arrow():
        if field.name not in schema.names:
            schema = schema.append(field.remove_metadata())
    schema = schema.append(pa.field(OBJECT, pa.string()))
    names = [each.name for each in iceberg.spec().fields]
    fixed = _fixed_columns(tables.table, names) if name == HISTORY else {}
    for column, kind in fixed.items():
        schema = schema.append(pa.field(column, pa.int64() if kind == "int" else pa.string()))
    paths = [task.file.file_path for task in files]
    filesystem = counted_files(
        iceberg.io, urlsplit(paths[0] if paths else iceberg.location()), reading
    )
    read = ds.ParquetFileFormat()
    times = {sql_name(tables.table.time_line_name), HAPPENED}
    bounded = [each for each in iceberg.schema().fields if each.name in times]
    fragments = []
    for task, path in zip(files, paths, strict=True):
        values: dict[str, Any] = {OBJECT: path}
        if name == HISTORY:
            of_file = {each: task.file.partition[place] for place, each in enumerate(names)}
            values |= _partition_values(tables.table, of_file)
            values |= {
                each: value for each, value in of_file.items() if each != DAY and value is not None
            }
        facts = [ds.field(column) == value for column, value in values.items()]
        facts += [each for field in bounded for each in _bounds(field, task.file)]
        address = urlsplit(path)
        fragments.append(
            read.make_fragment(address.netloc + address.path, filesystem, reduce(and_, facts))
        )
    return ds.FileSystemDataset(fragments, schema, read, filesystem)


def _bounds(field: "NestedField", file: "DataFile") -> "list[ds.Expression]":
    """Return what every row of a file meets, by the least and the greatest value of a column."""
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    if (values := value_range(field, file)) is None:
        return []
    kind = schema_to_pyarrow(field.field_type)
    least, greatest = (pa.scalar(value, kind) for value in values)
    return [ds.field(field.name) >= least, ds.field(field.name) <= greatest]


def _fixed_columns(table: Table, partitions: Collection[str]) -> dict[str, str]:
    """Return the types of the partition columns of `changes` that a file of `history` fixes.

    `partitions` are those of `history`, as it was made: the layout may be another one now.
    """
    kinds = {column.name: column.type for column in partition_columns(table)}
    return {
        partition_column(level): kinds[partition_column(level)]
        for level in partition_levels(table)
        if level.is_time or sql_name(level.name) in partitions
    }


def _partition_values(table: Table, of_file: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fixed columns for a file of this partition."""
    day = of_file.get(DAY)
    moment = None if day is None else _EPOCH + timedelta(days=day)
    values: dict[str, Any] = {}
    for level in partition_levels(table):
        column = partition_column(level)
        if level.is_time:
            if moment is not None:
                values[column] = getattr(moment, level.name)
        elif sql_name(level.name) in of_file:
            value = of_file[sql_name(level.name)]
            values[column] = UNKNOWN_VALUE if value is None else encode_value(level.name, value)
    return values
