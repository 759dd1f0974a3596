"""The stack's Athena workgroup, which runs SQL over the lake, on AWS and on the emulator alike."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from chalicelib.catalog import CHANGES, partition_column
from chalicelib.schema import SITE
from sluice.errors import OperationError
from sluice.lake import folders
from sluice.query import emulator
from sluice.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef, TableMetadataTypeDef

QUERY_BYTES_MAX = 262_144
"""Of a query's text (https://docs.aws.amazon.com/athena/latest/ug/service-limits.html)."""

POLL_SECONDS = 0.05
POLL_SECONDS_MAX = 2.0

_REMEDIES = {
    "CONSTRAINT_VIOLATION": "; name the site: with --site, or compare {required} with its value",
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

_PLACE = re.compile(r"/(\w+)=\$\{(\w+)\}")
"""A level of the layout in the table's location, and the column that holds its value."""

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
    """The stack's workgroup and the table `changes` in it."""

    def __init__(self, stack: Stack, limits: emulator.Limits | None = None) -> None:
        """`limits` bound each query of an emulator's; on AWS the workgroup has its own."""
        self._stack = stack
        self._limits = limits or emulator.Limits()
        self._workgroup = stack.output("WorkgroupName")
        self._database = stack.output("DatabaseName")

    @property
    def emulated(self) -> bool:
        """Whether this is an emulator's."""
        return self._stack.emulated

    @cached_property
    def _changes(self) -> "TableMetadataTypeDef":
        return self._stack.athena.get_table_metadata(
            CatalogName="AwsDataCatalog", DatabaseName=self._database, TableName=CHANGES
        )["TableMetadata"]

    @property
    def _parameters(self) -> dict[str, str]:
        return self._changes.get("Parameters", {})

    @property
    def partitions(self) -> tuple[str, ...]:
        """The partition columns of `changes`, outermost first."""
        return tuple(each["Name"] for each in self._changes.get("PartitionKeys", []))

    @property
    def required(self) -> set[str]:
        """The partition columns of which a query of `changes` must name a value."""
        return {name for name in self.partitions if self._projection(name, "type") == "injected"}

    @property
    def years(self) -> tuple[int, int] | None:
        """The first and the last year that `changes` shows; None when it shows all."""
        years = self._projection("year", "range")
        if years is None:
            return None
        first, last = years.split(",")
        return int(first), int(last)

    @property
    def sites(self) -> frozenset[str] | None:
        """The site partitions that `changes` shows; None when it shows all."""
        sites = self._projection(partition_column(SITE), "values")
        return None if sites is None else frozenset(sites.split(","))

    def folders(self, prefix: str, level: str) -> list[str]:
        """Return the values of a level of the layout that the lake has below a prefix."""
        names = (name.partition("=") for name in folders(self._stack, prefix))
        return [value for name, _, value in names if name == level]

    def run(self, sql: str) -> QueryResult:
        """Run a query to its end. Ctrl-C stops it. Raises OperationError with why it failed."""
        if self.emulated:
            return self._run_here(sql)
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

    def _run_here(self, sql: str) -> QueryResult:
        began = time.monotonic()
        answer = emulator.answer(self._stack, sql, self.levels, self._limits)
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
        remedy = remedy.format(required=", ".join(sorted(self.required)))
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

    @property
    def levels(self) -> dict[str, str]:
        """The level of the layout of each partition column, outermost first."""
        template = self._parameters.get("storage.location.template", "")
        return {column: level for level, column in _PLACE.findall(template)}

    def _projection(self, column: str, what: str) -> str | None:
        return self._parameters.get(f"projection.{column}.{what}")


def _row(row: Any, casts: Sequence[Callable[[str], Any]]) -> Row:
    return tuple(
        cast(cell["VarCharValue"]) if "VarCharValue" in cell else None
        for cell, cast in zip(row["Data"], casts, strict=False)
    )
