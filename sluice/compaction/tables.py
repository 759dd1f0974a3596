"""The Iceberg tables: `history` has every change once, `current` the last change of each key.

Both have the columns of a line, as `chalicelib.catalog` declares them, and its two times as
timestamps. They lie in the stack's Glue database, and in its bucket below ICEBERG_PREFIX.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX, Column
from chalicelib.compacted import BUCKET, DAY, HAPPENED, compacted_columns, group_columns
from chalicelib.declaration import Table
from sluice.errors import OperationError
from sluice.optional import optional
from sluice.stack import Stack

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table as IcebergTable

PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    # Another run may have appended the same lines: a refused commit is read and decided anew.
    "commit.retry.num-retries": "0",
}


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

    @property
    def exist(self) -> bool:
        """Whether the stack's lake was ever compacted. It needs no pyiceberg."""
        glue = self.stack.glue
        try:
            for name in (HISTORY, CURRENT):
                glue.get_table(DatabaseName=self.database, Name=name)
        except glue.exceptions.EntityNotFoundException:
            return False
        return True

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
        known = {field.name: field.field_type for field in iceberg.schema().fields}
        for each in self.columns(name):
            stored = known.get(each.name)
            if stored not in (None, _iceberg_type(each.type)):
                raise OperationError(
                    f"the table {name} has the column {each.name} as {stored}, and {each.key} is "
                    f"declared as {_iceberg_type(each.type)} now; declare it as before, or give it "
                    'a column of its own by Meta(extra={"line": "..."}). Queries read both types'
                )
        missing = [each for each in self.columns(name) if each.name not in known]
        if missing:
            with iceberg.update_schema() as update:
                for each in missing:
                    update.add_column(each.name, _iceberg_type(each.type), each.comment or None)
        return iceberg

    def columns(self, name: str) -> tuple[Column, ...]:
        """Return the columns of a table."""
        return compacted_columns(self.table, name)

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns that, beside the day, are partitions of `history`."""
        return group_columns(self.table)

    def _create(self, name: str) -> "IcebergTable":
        from pyiceberg.exceptions import TableAlreadyExistsError

        schema = _schema(self.columns(name))
        parts = self.group_columns if name == HISTORY else (BUCKET,)
        try:
            return self.catalog.create_table(
                (self.database, name),
                schema,
                location=f"s3://{self.stack.bucket}/{ICEBERG_PREFIX}{name}",
                partition_spec=_partitions(schema, parts, HAPPENED if name == HISTORY else None),
                properties=PROPERTIES,
            )
        except TableAlreadyExistsError:
            return self.catalog.load_table((self.database, name))


def _schema(declared: Sequence[Column]) -> "Schema":
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    return Schema(
        *(
            NestedField(
                number,
                each.name,
                _iceberg_type(each.type),
                required=False,
                doc=each.comment or None,
            )
            for number, each in enumerate(declared, 1)
        )
    )


def _partitions(schema: "Schema", names: Sequence[str], day_of: str | None) -> "PartitionSpec":
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import DayTransform, IdentityTransform

    fields = [
        PartitionField(schema.find_field(name).field_id, 1000 + index, IdentityTransform(), name)
        for index, name in enumerate(names)
    ]
    if day_of is not None:
        source = schema.find_field(day_of).field_id
        fields.append(PartitionField(source, 1000 + len(names), DayTransform(), DAY))
    return PartitionSpec(*fields)


def _iceberg_type(column_type: str) -> Any:
    from pyiceberg.types import BooleanType, IntegerType, LongType, StringType, TimestamptzType

    return {
        "string": StringType(),
        "boolean": BooleanType(),
        "bigint": LongType(),
        "int": IntegerType(),
        "timestamp": TimestamptzType(),
    }[column_type]
