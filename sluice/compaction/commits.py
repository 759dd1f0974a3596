"""Commits to an Iceberg table, made again where another came first."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from sluice.errors import OperationError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

T = TypeVar("T")

COMMIT_TRIES = 8


def committed(work: Callable[[], T]) -> T:
    """Return what `work` returns; it is done anew where another's commit came first."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException

    for _ in range(COMMIT_TRIES):
        try:
            return work()
        except (CommitFailedException, ValidationException):
            continue
    raise OperationError(
        f"another run commits to the same tables without end ({COMMIT_TRIES} tries); run this "
        "again when it is done"
    )


def as_stored(table: "IcebergTable", rows: "pa.Table") -> "pa.Table":
    """Return rows with the columns of an Iceberg table, in its order; one they lack is null."""
    import pyarrow as pa

    schema = table.schema().as_arrow()
    return pa.table(
        {
            each.name: rows[each.name].cast(each.type)
            if each.name in rows.column_names
            else pa.nulls(rows.num_rows, each.type)
            for each in schema
        },
        schema=schema,
    )
