"""A run of the compaction: raw objects into `history` and `current`, and away.

An object is deleted only when both tables have its lines. What a run leaves when it is killed is
the work of the next one, which appends no line that `history` has and lets no older change win in
`current`: so a run may be repeated, and run beside another, at any moment. Nor does it bring back a
key that is erased beside it: before each commit it asks what was, and an erasure makes it ask.
"""

import ctypes
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from chalicelib.catalog import CURRENT, HISTORY, key_columns
from chalicelib.compacted import BUCKET, HAPPENED
from chalicelib.compaction import Compacted
from chalicelib.declaration import TIME_FORMATS
from chalicelib.objects import Stored, delete
from chalicelib.partitions import DATA_PREFIX
from sluice.compaction.commits import as_stored, committed
from sluice.compaction.files import read_batches, read_files, replace_files, write_files
from sluice.compaction.rows import (
    EVENT_ID,
    SEQUENCE,
    last_of_each,
    row_reader,
    with_bucket,
)
from sluice.compaction.tables import LakeTables
from sluice.erasure.rows import without_erased
from sluice.errors import OptionError
from sluice.lake import objects, read_pieces
from sluice.optional import optional
from sluice.stack import Stack

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask

    Filter = Callable[[pa.Table], pa.Table]

CHUNK_LINES = 25_000
CHUNK_BYTES = 8 * 1024 * 1024
"""Lines that are held in memory at a time, and their bytes."""

GROUPS_NAMED_MAX = 100
"""Values of a partition that a condition names."""

MERGED_ROWS = 50_000
MERGED_BYTES = 16 * 1024 * 1024
"""Rows that are merged into `current` at a time, and their bytes in memory."""

DELETED_OBJECTS = 10_000
"""Objects that wait for the merge of their lines, and their deletion, at most."""

LARGE_BUFFER_BYTES = 512 * 1024
_MMAP_THRESHOLD = -3

_OF_A_DAY = ("year", "month", "day")


@dataclass(slots=True)
class _Chunk:
    """Objects that are read together."""

    stored: list[Stored] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    bytes: int = 0
    whole: list[Stored] = field(default_factory=list)
    """The objects of which every line was read."""


def older_objects(stack: Stack, before: datetime, day: date | None = None) -> Iterator[Stored]:
    """List the raw objects that were written before a moment, of one day of event time or any.

    Raises OptionError for a day of a lake whose layout has none.
    """
    older = (each for each in objects(stack, DATA_PREFIX) if each.modified < before)
    if day is None:
        return older
    levels = {level.name for level in stack.table.levels if level.is_time}
    if missing := [name for name in _OF_A_DAY if name not in levels]:
        raise OptionError(
            f"the layout has no {' and no '.join(missing)}, so no object is of one day; leave out "
            "--day"
        )
    folders = {f"{name}={TIME_FORMATS[name].format(getattr(day, name))}" for name in _OF_A_DAY}
    return (each for each in older if folders <= set(each.key.split("/")))


def compact(
    tables: LakeTables,
    stored: Iterable[Stored],
    problems: list[str],
    progress: Callable[[int], None] = lambda _objects: None,
) -> Compacted:
    """Compact these raw objects. Adds a sentence on each damaged one to `problems`.

    `progress` is called with the number of objects since its last call.
    """
    _free_large_buffers()
    arrow = optional("pyarrow", "compaction")
    result = Compacted()
    stack = tables.stack
    read_rows = row_reader(tables.table, tables.columns(HISTORY))
    keys = key_columns(tables.table)
    stay = without_erased(stack, tables.table)
    newest: list[pa.Table] = []
    whole: list[Stored] = []

    def finish() -> None:
        if newest:
            _merge(tables, arrow.concat_tables(newest), stay)
        delete(stack.s3, stack.bucket, (each.key for each in whole))
        newest.clear()
        whole.clear()

    for chunk in _chunks(stack, stored, problems):
        if chunk.lines:
            rows = read_rows(chunk.lines)
            result.appended += _append(tables, rows, stay)
            newest.append(last_of_each(rows, keys))
        whole += chunk.whole
        if (
            sum(each.num_rows for each in newest) >= MERGED_ROWS
            or sum(each.nbytes for each in newest) >= MERGED_BYTES
            or len(whole) >= DELETED_OBJECTS
        ):
            finish()
        result.objects += len(chunk.whole)
        result.kept += len(chunk.stored) - len(chunk.whole)
        result.lines += len(chunk.lines)
        result.bytes += sum(each.size for each in chunk.whole)
        # Else the allocator keeps for itself what one chunk needed more than the next.
        arrow.default_memory_pool().release_unused()
        progress(len(chunk.stored))
    finish()
    return result


def _free_large_buffers() -> None:
    """Have buffers returned to the machine when they are freed: kept, they are as much again."""
    # Arrow's own allocator keeps them. It is chosen when pyarrow is loaded.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # So does glibc, after it has freed the first one of a size
    # (https://man7.org/linux/man-pages/man3/mallopt.3.html).
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, LARGE_BUFFER_BYTES)


def _chunks(stack: Stack, stored: Iterable[Stored], problems: list[str]) -> Iterator[_Chunk]:
    """Yield the objects, each in the chunk that has its last lines or in the one after."""
    chunk = _Chunk()
    for piece in read_pieces(stack, stored, typed=True):
        # The lines of an object that stays would be read twice.
        if piece.problem is None:
            chunk.lines += piece.lines
            chunk.bytes += sum(map(len, piece.lines))
        elif piece.is_last:
            problems.append(piece.problem)
        if piece.is_last:
            chunk.stored.append(piece.stored)
            if piece.problem is None:
                chunk.whole.append(piece.stored)
        if len(chunk.lines) >= CHUNK_LINES or chunk.bytes >= CHUNK_BYTES:
            yield chunk
            chunk = _Chunk()
    if chunk.stored:
        yield chunk


def _append(tables: LakeTables, rows: "pa.Table", stay: "Filter") -> int:
    """Append what `history` does not have, and return how many rows that were."""
    import pyarrow.compute as pc

    rows = rows.take(_first_places(rows))
    keys = key_columns(tables.table)

    def append() -> int:
        history = tables.open(HISTORY)
        places = _same_places(rows, tables.group_columns)
        new = stay(rows)
        for each in places:
            for task in history.scan(row_filter=each).plan_files():
                known = read_files(history, [task], (EVENT_ID,), each)[EVENT_ID].combine_chunks()
                new = new.filter(pc.invert(pc.is_in(new[EVENT_ID], value_set=known)))
        if new.num_rows:
            order = [(name, "ascending") for name in (*tables.group_columns, *keys, SEQUENCE)]
            history.append(as_stored(history, new.sort_by(order)))
        return int(new.num_rows)

    return committed(append)


def _first_places(rows: "pa.Table") -> "pa.Array":
    """Return the places of the rows that are the first with their event id."""
    import pyarrow as pa

    numbered = rows.select([EVENT_ID]).append_column("row", pa.array(range(rows.num_rows)))
    first = numbered.group_by(EVENT_ID, use_threads=False).aggregate([("row", "first")])
    return first["row_first"]


def _same_places(rows: "pa.Table", groups: Sequence[str]) -> "list[BooleanExpression]":
    """Return conditions on `history`: one holds for each change of these times and groups.

    `groups` are columns of partitions.
    """
    from pyiceberg.expressions import And, In
    from pyiceberg.expressions.parser import parse

    conditions = [parse(each) for each in _same_times(rows)]
    for name in groups:
        values = rows[name].unique().to_pylist()
        if len(values) <= GROUPS_NAMED_MAX and None not in values:
            conditions = [And(each, In(name, values)) for each in conditions]  # type: ignore[arg-type,call-arg]
    return conditions


def _same_times(rows: "pa.Table") -> list[str]:
    """Return the conditions for known times and for unknown ones, as far as the rows have them.

    In one condition, pyiceberg would compare the day of a file without times.
    """
    import pyarrow.compute as pc

    conditions = []
    bounds = pc.min_max(rows[HAPPENED]).as_py()
    if bounds["min"] is not None:
        first, last = (bounds[name].isoformat() for name in ("min", "max"))
        conditions.append(f"{HAPPENED} >= '{first}' and {HAPPENED} <= '{last}'")
    if rows[HAPPENED].null_count:
        conditions.append(f"{HAPPENED} is null")
    return conditions


def _merge(tables: LakeTables, rows: "pa.Table", stay: "Filter") -> None:
    """Let the newest of these changes be the current ones, where they are newer than those."""
    keys = key_columns(tables.table)
    newest = with_bucket(last_of_each(rows, keys), keys)
    waiting = Counter(newest[BUCKET].to_pylist())
    sizes = _bucket_sizes(tables)
    while waiting:
        # As many partitions at once as fit into memory, at least one.
        buckets: list[int] = []
        total = 0
        for bucket in sorted(waiting):
            total += waiting[bucket] + sizes[bucket]
            if buckets and total > MERGED_ROWS:
                break
            buckets.append(bucket)
        for bucket in buckets:
            del waiting[bucket]
        _merge_buckets(tables, newest, buckets, keys, stay)


def _merge_buckets(
    tables: LakeTables,
    newest: "pa.Table",
    buckets: Sequence[int],
    keys: Sequence[str],
    stay: "Filter",
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyiceberg.expressions import In

    of_buckets = newest.filter(pc.is_in(newest[BUCKET], value_set=pa.array(buckets, pa.int32())))
    condition = In(BUCKET, buckets)  # type: ignore[arg-type,call-arg]

    def merge() -> None:
        current = tables.open(CURRENT)
        waiting = as_stored(current, stay(of_buckets))
        replaced: list[FileScanTask] = []
        added: list[DataFile] = []
        tasks = list(current.scan(row_filter=condition).plan_files())
        for batch, before, is_last in read_batches(current, tasks):
            known = before.select(keys)
            # The smallest files take what is new.
            changes = waiting if is_last else waiting.join(known, keys, join_type="left semi")
            after = last_of_each(pa.concat_tables([before, changes]), keys)
            unchanged = last_of_each(before.select([*keys, SEQUENCE]), keys)[SEQUENCE]
            if not after[SEQUENCE].equals(unchanged):
                replaced += batch
                added += write_files(current, after)
            waiting = waiting.join(known, keys, join_type="left anti")
        if not tasks:
            added += write_files(current, waiting)
        if added:
            with current.transaction() as transaction:
                replace_files(transaction, replaced, added, condition)

    committed(merge)


def _bucket_sizes(tables: LakeTables) -> Counter[int]:
    """Return how many rows each partition of `current` has."""
    sizes: Counter[int] = Counter()
    for task in tables.open(CURRENT).scan().plan_files():
        sizes[task.file.partition[0]] += task.file.record_count
    return sizes
