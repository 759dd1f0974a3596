"""Compaction by Athena: raw objects of the lake into its compacted tables, and away.

Objects are deleted only when both tables have their lines. What a run leaves when it ends is the
work of the next one: no statement adds a change that `history` has, or lets an older one win in
`current`, so each may be repeated at any moment.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from chalicelib import merging
from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX, partition_levels
from chalicelib.compacted import compacted_columns, iceberg_input, missing_columns
from chalicelib.custom_resource import deployed
from chalicelib.declaration import Table
from chalicelib.environment import variable
from chalicelib.errors import OperationError
from chalicelib.logs import log
from chalicelib.merging import MAINTENANCE, PARTITIONS_MAX, QUOTES, Span, Survey
from chalicelib.objects import Stored, delete, listing
from chalicelib.partitions import DATA_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

OLDER_THAN = timedelta(hours=1)
"""The age from which the scheduled run takes objects."""

SPAN_OBJECTS = 20_000
SPAN_BYTES = 2 * 1024**3
"""What one statement reads at most: objects, and their bytes as stored."""

SPARE_MS = 6 * 60 * 1000
"""The time that the function must have left to begin the next statements."""

MAINTENANCE_HOUR = 0
"""The hour, UTC, whose scheduled run keeps the tables' files in order."""

POLL_SECONDS_MAX = 2.0
_TRIES = 3

_TRY_AGAIN = ("ICEBERG_COMMIT_ERROR",)
_MORE_TO_DO = ("ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED", "ICEBERG_VACUUM_MORE_RUNS_NEEDED")
_DAMAGED = ("HIVE_BAD_DATA", "HIVE_CURSOR_ERROR")
_TOO_MUCH = ("TOO_MANY_OPEN_PARTITIONS", "Query exhausted resources")
"""Reasons of Athena's: another commit came first; the statement did a part, and wants to go on; an
object that it reads is damaged; it is too large, as an object that came after the survey may make
it."""


class StatementError(OperationError):
    """A statement of the compaction that Athena failed."""


class Compacted(msgspec.Struct, rename="camel"):
    """What a run did."""

    objects: int = 0
    """Raw objects that were taken away."""
    lines: int = 0
    """Lines that were in them."""
    appended: int = 0
    """Changes that are new in `history`."""
    bytes: int = 0
    """Bytes of the raw objects, as stored."""
    kept: int = 0
    """Raw objects that stay: not every line of them can be read, or there was no time."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run in progress."""

    goes_on: Callable[[], bool]
    problems: list[str]
    undeclared: Sequence[str]
    """Columns of `current` that are not declared any more."""
    done: Compacted = field(default_factory=Compacted)


@dataclass(frozen=True)
class AthenaCompaction:
    """The compaction of one lake."""

    table: Table
    athena: "AthenaClient"
    s3: "S3Client"
    glue: "GlueClient"
    bucket: str
    database: str
    workgroup: str
    sleep: Callable[[float], None] = time.sleep

    def prepare(self) -> None:
        """Make the compacted tables where there are none, with every column that is declared.

        Raises OperationError for a column that has another type.
        """
        for name in (HISTORY, CURRENT):
            try:
                stored = self._stored_columns(name)
            except self.glue.exceptions.EntityNotFoundException:
                location = f"s3://{self.bucket}/{ICEBERG_PREFIX}{name}"
                document: Any = iceberg_input(self.table, name, location)
                self.glue.create_table(
                    DatabaseName=self.database, Name=name, OpenTableFormatInput=document
                )
                continue
            if missing := missing_columns(self.table, name, stored):
                self._run(merging.add_columns(name, missing))

    def compact(
        self,
        stored: Iterable[Stored],
        problems: list[str],
        goes_on: Callable[[], bool] = lambda: True,
        progress: Callable[[int], None] = lambda _objects: None,
    ) -> Compacted:
        """Compact these objects, which are in the order of S3's listing.

        Adds a sentence on each damaged one, which stays, to `problems`. `goes_on` is asked before
        each of the statements that belong together; `progress` is called with the number of objects
        since its last call. Raises StatementError.
        """
        known = {each.name for each in compacted_columns(self.table, CURRENT)}
        undeclared = [name for name in self._stored_columns(CURRENT) if name not in known]
        run = _Run(goes_on, problems, undeclared)
        for objects in self._spans(stored):
            self._compact(objects, run)
            progress(len(objects))
        return run.done

    def maintain(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Rewrite small files, and expire what no query reads any more."""
        for name in (HISTORY, CURRENT):
            for statement in MAINTENANCE:
                self._maintain([statement.format(each.format(name)) for each in QUOTES], goes_on)

    def _maintain(self, spellings: Sequence[str], goes_on: Callable[[], bool]) -> None:
        """Run a statement to its end, in the first spelling that Athena takes."""
        first, *others = spellings
        try:
            self._run_on(first, goes_on)
        except (StatementError, ClientError):
            if not others:
                raise
            self._maintain(others, goes_on)

    def _run_on(self, statement: str, goes_on: Callable[[], bool]) -> None:
        """Run a statement as often as it has more to do."""
        while goes_on():
            try:
                self._run(statement)
                return
            except StatementError as error:
                if not any(reason in str(error) for reason in _MORE_TO_DO):
                    raise

    def _stored_columns(self, name: str) -> dict[str, str]:
        """Return the types of the columns of a compacted table as it is, by their names."""
        stored = self.glue.get_table(DatabaseName=self.database, Name=name)["Table"]
        return {e["Name"]: e.get("Type", "") for e in stored["StorageDescriptor"]["Columns"]}

    def _spans(self, stored: Iterable[Stored]) -> Iterator[list[Stored]]:
        """Yield objects that are compacted together, by what is known without reading them."""
        depth = len(partition_levels(self.table)) + 1
        objects: list[Stored] = []
        folders: set[str] = set()
        size = 0
        for each in stored:
            folder = "/".join(each.key.split("/")[:depth])
            if objects and (
                len(objects) >= SPAN_OBJECTS
                or size + each.size > SPAN_BYTES
                or len(folders | {folder}) > PARTITIONS_MAX
            ):
                yield objects
                objects, folders, size = [], set(), 0
            objects.append(each)
            folders.add(folder)
            size += each.size
        if objects:
            yield objects

    def _compact(self, objects: Sequence[Stored], run: _Run) -> None:
        """Compact objects as far as there is time, in halves where they cannot be all at once."""
        if not run.goes_on():
            run.done.kept += len(objects)
            return
        try:
            if self._merge(objects, run):
                return
        except StatementError as error:
            is_damaged = any(reason in str(error) for reason in _DAMAGED)
            is_too_much = any(reason in str(error) for reason in _TOO_MUCH) and len(objects) > 1
            if not is_damaged and not is_too_much:
                raise
            if len(objects) == 1:
                run.done.kept += 1
                address = f"s3://{self.bucket}/{objects[0].key}"
                run.problems.append(f"{address} stays, since it cannot be read: {error}")
                return
        half = len(objects) // 2
        self._compact(objects[:half], run)
        self._compact(objects[half:], run)

    def _merge(self, objects: Sequence[Stored], run: _Run) -> bool:
        """Compact objects, and return whether they could be: one always can.

        Others may be of more partitions than a statement may write to.
        """
        span = Span(*(f"s3://{self.bucket}/{each.key}" for each in (objects[0], objects[-1])))
        known, done = self._survey(span), run.done
        if known.partitions > PARTITIONS_MAX and len(objects) > 1:
            return False
        if known.lines:
            done.appended += sum(
                self._count(self._run(merging.append(self.table, span, known, places)))
                for places in _places(known.partitions)
            )
            self._run(merging.merge(self.table, span, run.undeclared))
        delete(self.s3, self.bucket, (each.key for each in objects))
        done.objects += len(objects)
        done.lines += known.lines
        done.bytes += sum(each.size for each in objects)
        return True

    def _survey(self, span: Span) -> Survey:
        execution = self._run(merging.survey(self.table, span))
        rows = self.athena.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        lines, partitions, unknown, *times = (cell.get("VarCharValue") for cell in rows[1]["Data"])
        start, end = (None if text is None else int(text) for text in times)
        return Survey(int(lines or 0), int(partitions or 0), int(unknown or 0), start, end)

    def _count(self, execution: str) -> int:
        """Return how many rows a statement has written."""
        return self.athena.get_query_results(QueryExecutionId=execution).get("UpdateCount", 0)

    def _run(self, statement: str) -> str:
        """Run a statement to its end, and return the id of its execution."""
        for attempt in range(1, _TRIES + 1):
            execution = self.athena.start_query_execution(
                QueryString=statement,
                QueryExecutionContext={"Database": self.database, "Catalog": "AwsDataCatalog"},
                WorkGroup=self.workgroup,
            )["QueryExecutionId"]
            reason = self._failure(execution)
            if reason is None:
                return execution
            if attempt == _TRIES or not any(each in reason for each in _TRY_AGAIN):
                raise StatementError(
                    f"Athena failed the statement {execution} of the compaction: {reason}"
                )
        raise AssertionError

    def _failure(self, execution: str) -> str | None:
        """Wait for a statement's end, and return why it failed; None if it did not."""
        pause = 0.1
        while True:
            query = self.athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]
            match query["Status"]["State"]:
                case "SUCCEEDED":
                    return None
                case "FAILED" | "CANCELLED" as state:
                    return query["Status"].get("StateChangeReason", state)
            self.sleep(pause)
            pause = min(pause * 1.5, POLL_SECONDS_MAX)


def _places(partitions: int) -> list[tuple[int, int] | None]:
    """Return the partitions that each statement adds to, None for all."""
    if partitions <= PARTITIONS_MAX:
        return [None]
    starts = range(1, partitions + 1, PARTITIONS_MAX)
    return [(start, start + PARTITIONS_MAX - 1) for start in starts]


def deployed_compaction(table: Table) -> AthenaCompaction:
    """Return the compaction of the stack that this function is of."""
    import boto3

    return AthenaCompaction(
        table.with_layout(variable("LAYOUT").split("/")),
        boto3.client("athena"),
        boto3.client("s3"),
        boto3.client("glue"),
        bucket=variable("BUCKET_NAME"),
        database=variable("DATABASE_NAME"),
        workgroup=variable("WORKGROUP_NAME"),
    )


def invoked(table: Table, event: dict[str, Any], remaining_ms: Callable[[], int]) -> None:
    """Answer an invocation of the function: by the stack's deployment, or by its schedule."""
    compaction = deployed_compaction(table)
    if "RequestType" in event:
        deployed(event, compaction.prepare)
    else:
        scheduled_run(compaction, event, remaining_ms)


def scheduled_run(
    compaction: AthenaCompaction, event: dict[str, Any], remaining_ms: Callable[[], int]
) -> None:
    """Compact what is old enough, as far as there is time; once a day, maintain the tables.

    Raises StatementError for damaged objects when all else is done.
    """

    def goes_on() -> bool:
        return remaining_ms() > SPARE_MS

    now = datetime.fromisoformat(event["time"])
    before = datetime.now(UTC) - OLDER_THAN
    raw = listing(compaction.s3, compaction.bucket, DATA_PREFIX)
    problems: list[str] = []
    done = compaction.compact((each for each in raw if each.modified < before), problems, goes_on)
    log("INFO", "compacted", **msgspec.to_builtins(done))
    if now.hour == MAINTENANCE_HOUR:
        compaction.maintain(goes_on)
    for problem in problems:
        log("ERROR", "damaged object", reason=problem)
    if problems:
        raise StatementError(f"{len(problems)} damaged: {problems[0]}")
