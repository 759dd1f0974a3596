"""The Iceberg tables: `history` has every change once, `current` the last change of each key.

Both have the columns of a line, as `chalicelib.catalog` declares them, and its two times as
timestamps. They lie in the stack's Glue database, and in its bucket below ICEBERG_PREFIX.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX, Column
from chalicelib.compacted import (
    compacted_columns,
    group_columns,
    missing_columns,
    partition_spec,
    schema,
)
from chalicelib.declaration import Table
from sluice.optional import optional
from sluice.stack import Stack

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table as IcebergTable

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    # Another run may have appended the same lines: a refused commit is read and decided anew.
    "commit.retry.num-retries": "0",
}


def is_compacted(stack: Stack) -> bool:
    """Return whether a stack's lake was ever compacted. It needs no pyiceberg."""
    glue = stack.glue
    try:
        for name in (HISTORY, CURRENT):
            glue.get_table(DatabaseName=stack.output("DatabaseName"), Name=name)
    except glue.exceptions.EntityNotFoundException:
        return False
    return True


@dataclass(frozen=True)
class LakeTables:
    """The Iceberg tables of a stack. They are made when first asked for."""

    stack: Stack
    table: Table

    @cached_property
    def catalog(self) -> "Catalog":
        """The stack's Glue catalog. Raises OperationError without pyiceberg."""
        optional("pyiceberg.catalog.glue", "compaction")
        from pyiceberg.catalog.glue import GlueCatalog

        s3 = self.stack.s3.meta
        properties = {"s3.region": s3.region_name}
        if self.stack.emulated:
            properties["s3.endpoint"] = s3.endpoint_url
        return GlueCatalog("sluice", self.stack.glue, **properties)

    @property
    def database(self) -> str:
        """The name of the Glue database."""
        return self.stack.output("DatabaseName")

    def find(self, name: str) -> "IcebergTable | None":
        """Return a table as it is now, None before the first compaction."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return self.catalog.load_table((self.database, name))
        except NoSuchTableError:
            return None

    def open(self, name: str) -> "IcebergTable":
        """Return a table, made where there is none, with every column that is declared now.

        Raises OperationError where a column has another type than it is declared with.
        """
        iceberg = self.find(name) or self._create(name)
        stored = {each.name: str(each.field_type) for each in iceberg.schema().fields}
        types = {column: "bigint" if kind == "long" else kind for column, kind in stored.items()}
        if missing := missing_columns(self.table, name, types):
            declared = self.schema(name)
            with iceberg.update_schema() as update:
                for each in missing:
                    field = declared.find_field(each.name)
                    update.add_column(each.name, field.field_type, field.doc)
        return iceberg

    def columns(self, name: str) -> tuple[Column, ...]:
        """Return the columns of a table."""
        return compacted_columns(self.table, name)

    def schema(self, name: str) -> "Schema":
        """Return the schema of a table as it is declared now."""
        from pyiceberg.schema import Schema

        return Schema.model_validate(schema(self.table, name))

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns that, beside the day, are partitions of `history`."""
        return group_columns(self.table)

    def _create(self, name: str) -> "IcebergTable":
        from pyiceberg.exceptions import TableAlreadyExistsError
        from pyiceberg.partitioning import PartitionSpec

        try:
            return self.catalog.create_table(
                (self.database, name),
                self.schema(name),
                location=f"s3://{self.stack.bucket}/{ICEBERG_PREFIX}{name}",
                partition_spec=PartitionSpec.model_validate(partition_spec(self.table, name)),
                properties=PROPERTIES,
            )
        except TableAlreadyExistsError:
            return self.catalog.load_table((self.database, name))
