"""The stack's Athena workgroup, which runs SQL over the lake, on AWS and on the emulator alike."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from chalicelib.catalog import ALL_CHANGES, CHANGES, HISTORY
from chalicelib.compacted import raw_name
from chalicelib.declaration import Table
from chalicelib.partitions import DATA_PREFIX
from sluice.compaction.tables import is_compacted
from sluice.errors import OperationError
from sluice.lake import folders, objects
from sluice.query import emulator
from sluice.query.partitioning import Partitioning
from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef

QUERY_BYTES_MAX = 262_144
"""Of a query's text (https://docs.aws.amazon.com/athena/latest/ug/service-limits.html)."""

POLL_SECONDS = 0.05
POLL_SECONDS_MAX = 2.0

_REMEDIES = {
    "CONSTRAINT_VIOLATION": "; name a value of it: with --where {levels}, or compare {required} "
    "with the value",
    "not a valid JSON Object": "; `sluice tree` names the object that holds the line",
    "Bytes scanned limit": "; ask for less, or deploy with a greater -c scan_gigabytes=...",
}

_CASTS: dict[str, Callable[[str], Any]] = {
    "boolean": lambda text: text == "true",
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "real": float,
    "double": float,
}
"""How a result's text is read, by type; the text itself is the value of every other type: a
decimal stays exact."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query. Its rows are read while they are iterated, once."""

    columns: tuple[str, ...]
    rows: Iterator[Row]
    scanned_bytes: int
    seconds: float
    problems: tuple[str, ...] = ()
    """A sentence on each object that could not be read, and is not in the result."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns' names for an object, which has each once: `a`, `a_2`, `a_3`."""
        keys: list[str] = []
        for name in self.columns:
            numbered = (f"{name}_{number}" for number in count(2))
            free = (key for key in numbered if key not in self.columns)
            keys.append(next(key for key in chain([name], free) if key not in keys))
        return tuple(keys)


class Workgroup:
    """The stack's workgroup, and the tables to query in it."""

    def __init__(self, stack: Stack, limits: emulator.Limits | None = None) -> None:
        """`limits` bound each query of an emulator's; on AWS the workgroup has its own."""
        self._stack = stack
        self._limits = limits or emulator.Limits()
        self._workgroup = stack.output("WorkgroupName")
        self._database = stack.output("DatabaseName")
        self._partitionings: dict[str, Partitioning] = {}

    @property
    def table(self) -> Table:
        """The declared table, whose lake it is."""
        return self._stack.table

    @property
    def emulated(self) -> bool:
        """Whether this is an emulator's."""
        return self._stack.emulated

    @property
    def has_last_changes(self) -> bool:
        """Whether the table `last_changes` can be queried."""
        return self._stack.reads_compacted

    @property
    def with_objects(self) -> tuple[str, ...]:
        """The tables of all changes that have a column of their objects, which no view has."""
        return (raw_name(ALL_CHANGES), HISTORY) if self._stack.has_views else (ALL_CHANGES,)

    def partitioning(self, name: str = CHANGES) -> Partitioning:
        """Return the partitions of a table of the catalog, by the raw one where it is a view."""
        if name not in self._partitionings:
            metadata = self._stack.athena.get_table_metadata(
                CatalogName="AwsDataCatalog",
                DatabaseName=self._database,
                TableName=raw_name(name) if self._stack.has_views else name,
            )["TableMetadata"]
            self._partitionings[name] = Partitioning(
                tuple(each["Name"] for each in metadata.get("PartitionKeys", [])),
                metadata.get("Parameters", {}),
            )
        return self._partitionings[name]

    def folders(self, prefix: str, level: str) -> list[str]:
        """Return the values of a level of the layout that the lake has below a prefix."""
        names = (name.partition("=") for name in folders(self._stack, prefix))
        return [value for name, _, value in names if name == level]

    def run(self, sql: str) -> QueryResult:
        """Run a query to its end. Ctrl-C stops it. Raises OperationError with why it failed."""
        if self.emulated:
            return self._run_here(sql)
        if self._hides_changes:
            raise OperationError(
                f"the lake of {self._stack.name} has compacted changes, which its queries do not "
                "see since it was deployed with compaction=off; deploy it with -c "
                "compaction=manual, or hourly or daily"
            )
        execution = self._stack.athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self._database, "Catalog": "AwsDataCatalog"},
            WorkGroup=self._workgroup,
        )["QueryExecutionId"]
        try:
            ended = self._end_of(execution)
        except KeyboardInterrupt:
            self._stack.athena.stop_query_execution(QueryExecutionId=execution)
            raise KeyboardInterrupt("the query is stopped") from None
        statistics = ended.get("Statistics", {})
        columns, rows = self._result(execution, ended.get("StatementType") == "DML")
        return QueryResult(
            columns,
            rows,
            statistics.get("DataScannedInBytes", 0),
            statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
        )

    @cached_property
    def is_compacted(self) -> bool:
        """Whether the lake has compacted tables."""
        return is_compacted(self._stack)

    @cached_property
    def has_raw(self) -> bool:
        """Whether the lake has an object that is not compacted."""
        return any(True for _ in objects(self._stack, DATA_PREFIX))

    @property
    def _hides_changes(self) -> bool:
        """Whether the lake has compacted changes that no query would see."""
        return not self._stack.reads_compacted and self.is_compacted

    def _run_here(self, sql: str) -> QueryResult:
        began = time.monotonic()
        answer = emulator.answer(
            self._stack, self.table, sql, self.partitioning().levels, self._limits
        )
        seconds = time.monotonic() - began
        return QueryResult(
            answer.columns, iter(answer.rows), answer.scanned_bytes, seconds, answer.problems
        )

    def _end_of(self, execution: str) -> "QueryExecutionTypeDef":
        pause = POLL_SECONDS
        while True:
            query = self._stack.athena.get_query_execution(QueryExecutionId=execution)[
                "QueryExecution"
            ]
            match query["Status"]["State"]:
                case "SUCCEEDED":
                    return query
                case "FAILED" | "CANCELLED":
                    raise self._failure(query["Status"].get("StateChangeReason", ""))
            time.sleep(pause)
            pause = min(pause * 1.5, POLL_SECONDS_MAX)

    def _failure(self, reason: str) -> OperationError:
        remedy = next((text for sign, text in _REMEDIES.items() if sign in reason), "")
        partitioning = self.partitioning()
        required = sorted(partitioning.required)
        levels = " --where ".join(f"{partitioning.levels[name]}=..." for name in required)
        remedy = remedy.format(required=", ".join(required), levels=levels)
        return OperationError(f"the query failed: {reason}{remedy}")

    def _result(self, execution: str, headed: bool) -> tuple[tuple[str, ...], Iterator[Row]]:
        pages = iter(
            self._stack.athena.get_paginator("get_query_results").paginate(
                QueryExecutionId=execution
            )
        )
        first = next(pages)["ResultSet"]
        columns = first["ResultSetMetadata"]["ColumnInfo"]
        casts = [_CASTS.get(each["Type"], str) for each in columns]

        def rows() -> Iterator[Row]:
            # Only the result of a SELECT has the columns' names as its first row.
            yield from (_row(each, casts) for each in first["Rows"][1 if headed else 0 :])
            for page in pages:
                yield from (_row(each, casts) for each in page["ResultSet"]["Rows"])

        return tuple(each["Name"] for each in columns), rows()


def _row(row: Any, casts: Sequence[Callable[[str], Any]]) -> Row:
    return tuple(
        cast(cell["VarCharValue"]) if "VarCharValue" in cell else None
        for cell, cast in zip(row["Data"], casts, strict=False)
    )
