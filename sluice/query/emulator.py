"""The engine that answers queries of a stack on the emulator: DuckDB, within this process.

It answers as Athena does, from the lake's objects as every command reads them. It ends with the
process that asks, and is bounded: an engine within the emulator would go on after its asker is
gone, and take the emulator's memory with it. DuckDB can also read and write the files of the
machine it runs on, which is the person's own: once the tables are made, it is locked out of all
files.
"""

import resource
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

from chalicelib.declaration import Table
from sluice.compaction.counting import Reading
from sluice.errors import OperationError
from sluice.optional import optional
from sluice.query.sources import Sources
from sluice.stack import Stack

MEGABYTE = 1_000_000

STOP_SECONDS = 5.0
"""How long an interrupted engine may take to end."""

_NO_FILES = "file system operations are disabled"
_NO_MEMORY = "Out of Memory Error"

_BESIDE_BYTES = 200 * MEGABYTE
"""What the process may take beside the engine: stacks of threads, and the rows."""

_DATA_PAGES = 5
"""The place of a process's data among the figures of its memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use; None for no bound."""

    memory_mb: int = 1_000
    seconds: float | None = 120
    rows: int | None = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """The columns and rows of a result, the bytes read for it, and what could not be read."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    scanned_bytes: int
    problems: tuple[str, ...]


def answer(
    stack: Stack, table: Table, sql: str, levels: Mapping[str, str], limits: Limits
) -> Answer:
    """Run one SELECT over the stack's lake. Raises OperationError with why it failed.

    `levels` has the level of the layout for each partition column.
    """
    # Not at the head: queries on AWS need no DuckDB.
    duckdb = optional("duckdb", "querying a local stack")
    _refuse_all_but_one_select(duckdb, sql)
    # The reading ends before the engine, which would wait for it, and is waited for after it.
    with Reading() as reading, duckdb.connect(":memory:") as engine, closing(reading):
        try:
            engine.execute(f"SET memory_limit = '{limits.memory_mb}MB'")
            # Without files, what does not fit into memory is refused.
            engine.execute("SET temp_directory = ''")
            sources = Sources(engine, stack, table, levels, reading)
            problems = sources.load(sql)
            # https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview
            engine.execute("SET enable_external_access = false")
            engine.execute("SET lock_configuration = true")
            with _memory(limits):
                heads, rows = _bounded(engine, lambda: _fetch(engine, sql, limits), limits.seconds)
        except duckdb.Error as error:
            raise OperationError(f"the query failed: {_reason(str(error), limits)}") from None
        except MemoryError:
            raise OperationError(f"the query failed: {_memory_reason(limits)}") from None
    if limits.rows is not None and len(rows) > limits.rows:
        raise OperationError(
            f"the result has more than {limits.rows:,} rows; add a LIMIT, or allow more with "
            "--max-rows"
        )
    reads = [_READS.get(str(kind), _read_value) for _, kind in heads]
    return Answer(
        tuple(name for name, _ in heads),
        [tuple(read(value) for read, value in zip(reads, row, strict=True)) for row in rows],
        reading.bytes,
        tuple(problems),
    )


@contextmanager
def _memory(limits: Limits) -> Iterator[None]:
    """Bound this process too: the engine does not count every text that it makes."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[_DATA_PAGES])
    except OSError:
        # Only Linux says how much a process has, and holds it to a bound.
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = pages * resource.getpagesize() + 2 * limits.memory_mb * MEGABYTE + _BESIDE_BYTES
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _fetch(engine: Any, sql: str, limits: Limits) -> tuple[list[tuple[str, Any]], list[Any]]:
    result = engine.execute(sql)
    heads = [(name, kind) for name, kind, *_ in result.description]
    return heads, result.fetchall() if limits.rows is None else result.fetchmany(limits.rows + 1)


def _bounded(engine: Any, work: Callable[[], Any], seconds: float | None) -> Any:
    """Return what `work` does, in a thread: the engine keeps its own from seeing Ctrl-C.

    Whatever ends the wait interrupts the engine. Raises OperationError when the time is over.
    """
    outcome: list[Any] = []
    failure: list[BaseException] = []
    ended = Event()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)
        ended.set()

    Thread(target=run, daemon=True).start()
    try:
        in_time = ended.wait(seconds)
    except KeyboardInterrupt:
        engine.interrupt()
        ended.wait(STOP_SECONDS)
        raise KeyboardInterrupt("the query is stopped") from None
    if not in_time:
        engine.interrupt()
        ended.wait(STOP_SECONDS)
        raise OperationError(
            f"the query took more than {seconds:g} s and is stopped; ask for less, or allow more "
            "with --max-seconds"
        )
    if failure:
        raise failure[0]
    return outcome[0]


def _read_value(value: Any) -> Any:
    """Return a value as Athena's result has it: a number or a boolean, or else a text."""
    return value if value is None or isinstance(value, bool | int) else str(value)


def _read_real(value: float | None) -> float | None:
    """Return the shortest number that is this one in 32 bits, as its text would be."""
    if value is None:
        return None
    bits = struct.pack("f", value)
    shorter = (float(f"{value:.{digits}g}") for digits in range(1, 9))
    return next((each for each in shorter if struct.pack("f", each) == bits), value)


def _read_moment(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%d %H:%M:%S.%f} UTC"


_READS: dict[str, Callable[[Any], Any]] = {
    "DOUBLE": lambda value: value,
    "FLOAT": _read_real,
    "TIMESTAMP WITH TIME ZONE": _read_moment,
}


def _reason(message: str, limits: Limits) -> str:
    """Return why a query failed, without its place in the text."""
    if _NO_FILES in message:
        return "it reads a file; here it can read only the tables of the lake, by their bare names"
    if _NO_MEMORY in message:
        return _memory_reason(limits)
    return _without_place(message)


def _without_place(message: str) -> str:
    return message.partition("\n\nLINE")[0].partition("\nLINE")[0]


def _memory_reason(limits: Limits) -> str:
    return (
        f"it needs more than {limits.memory_mb:,} MB of memory; ask for less, or allow more with "
        "--max-memory-mb"
    )


def _refuse_all_but_one_select(duckdb: Any, sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise OperationError(f"the query failed: {_without_place(str(error))}") from None
    if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
        raise OperationError("the local stack answers one SELECT (or WITH ... SELECT) at a time")
