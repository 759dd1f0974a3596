"""What keeps the compacted tables small and fast: fewer files, no copies, no old metadata."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX, key_columns
from chalicelib.compacted import CHANGED, HAPPENED
from chalicelib.objects import delete
from sluice.compaction.commits import committed
from sluice.compaction.files import (
    FILE_ROWS,
    read_batches,
    read_files,
    replace_files,
    value_range,
    write_files,
)
from sluice.compaction.rows import EVENT_ID, SEQUENCE
from sluice.compaction.tables import LakeTables
from sluice.lake import objects

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import Table as IcebergTable

SMALL_FILES = 4
"""So many small files of a partition are worth writing them together."""

CHECKED = "sluice.checked-snapshot"
"""The property with the snapshot of `history` that is known to have no change twice."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long is kept what no query needs."""

    snapshots: timedelta = timedelta(days=7)
    """Earlier states of the tables, which an engine may ask for by their time."""
    files: timedelta = timedelta(days=3)
    """Files that no snapshot has: those of expired ones, and of runs that were killed. A run that
    takes longer would lose those that it writes."""
    deleted: timedelta = timedelta(days=120)
    """Deleted records in `current`. An older change of one that arrives later would bring it back,
    so this is more than the stack keeps anything that can be replayed."""


class Maintained(msgspec.Struct, rename="camel"):
    """What maintenance did."""

    copies: int = 0
    """Rows of `history` that were there twice, as two engines at once may leave them."""
    rewritten: int = 0
    """Files of `history` that were written together into fewer."""
    snapshots: int = 0
    files: int = 0
    deleted: int = 0
    """Deleted records that left `current`."""


def maintain(tables: LakeTables, retention: Retention) -> Maintained:
    """Rewrite small files, and remove copies and what has expired. It may be repeated."""
    result = Maintained()
    now = datetime.now(UTC)
    while committed(lambda: _rewrite(tables, result)):
        pass
    result.deleted = committed(lambda: _expire_deleted(tables, now - retention.deleted))
    for name in (HISTORY, CURRENT):
        expire = partial(_expire_snapshots, tables, name, now - retention.snapshots)
        result.snapshots += committed(expire)
        result.files += _delete_orphans(tables, name, now - retention.files)
    return result


def _rewrite(tables: LakeTables, result: Maintained) -> bool:
    """Rewrite the files of some partitions of `history`. Returns whether there may be more."""
    from pyiceberg.expressions import AlwaysTrue

    history = tables.open(HISTORY)
    snapshot = history.current_snapshot()
    if snapshot is None or history.properties.get(CHECKED) == str(snapshot.snapshot_id):
        return False
    replaced: list[FileScanTask] = []
    added: list[DataFile] = []
    copies = rows = 0
    for tasks in _unchecked(history):
        for batch, content, dropped in _tidy(history, tasks, key_columns(tables.table)):
            replaced += batch
            added += write_files(history, content)
            copies += dropped
            rows += content.num_rows
        if rows >= 5 * FILE_ROWS:
            break
    with history.transaction() as transaction:
        if replaced:
            replace_files(transaction, replaced, added, AlwaysTrue())
        else:
            transaction.set_properties({CHECKED: str(snapshot.snapshot_id)})
    result.copies += copies
    result.rewritten += len(replaced)
    return bool(replaced)


def _unchecked(history: "IcebergTable") -> Iterator[list["FileScanTask"]]:
    """Yield the files of each partition that has several, and one that is not checked."""
    checked: set[str] = set()
    last = history.properties.get(CHECKED)
    if last is not None and history.snapshot_by_id(int(last)) is not None:
        tasks = history.scan(snapshot_id=int(last)).plan_files()
        checked = {task.file.file_path for task in tasks}
    partitions: dict[tuple[Any, ...], list[FileScanTask]] = defaultdict(list)
    for task in history.scan().plan_files():
        place = task.file.partition
        partitions[tuple(place[index] for index in range(len(place)))].append(task)
    for tasks in partitions.values():
        if len(tasks) > 1 and not {task.file.file_path for task in tasks} <= checked:
            yield tasks


def _tidy(
    history: "IcebergTable", tasks: Sequence["FileScanTask"], keys: Sequence[str]
) -> Iterator[tuple[list["FileScanTask"], "pa.Table", int]]:
    """Yield files of a partition that go together, their rows without copies, and their number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    groups = list(_batches(tasks))
    twice, with_copies = _copies(history, groups)
    small = [
        task
        for place, group in enumerate(groups)
        for task in group
        if task.file.record_count < FILE_ROWS or place in with_copies
    ]
    kept: set[str] = set()
    for batch, rows, _ in read_batches(history, small):
        of_batch = _ids(rows)
        are_twice = pc.is_in(of_batch, twice)
        if len(batch) < SMALL_FILES and not pc.any(are_twice).as_py():
            continue
        keep = []
        for each, is_twice in zip(of_batch.to_pylist(), are_twice.to_pylist(), strict=True):
            keep.append(not is_twice or each not in kept)
            if is_twice:
                kept.add(each)
        content = rows.filter(pa.array(keep, pa.bool_()))
        order = [(name, "ascending") for name in (*keys, SEQUENCE)]
        yield batch, content.sort_by(order), rows.num_rows - content.num_rows


def _copies(
    history: "IcebergTable", groups: Sequence[Sequence["FileScanTask"]]
) -> tuple["pa.Array", set[int]]:
    """Return the event ids that these files have twice, and the places of the groups with them.

    The copies of a change have its event time. So a group is compared with those whose times meet
    its own, and only two are held in memory.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    field = history.schema().find_field(HAPPENED)
    spans = [_span([value_range(field, task.file) for task in group]) for group in groups]
    twice: list[pa.Array] = []
    places: set[int] = set()

    def add(copies: pa.Array, *of_groups: int) -> None:
        if len(copies):
            twice.append(copies)
            places.update(of_groups)

    for first, group in enumerate(groups):
        ids = _ids(read_files(history, group, (EVENT_ID,)))
        counts = ids.value_counts()
        add(counts.filter(pc.greater(counts.field("counts"), 1)).field("values"), first)
        for second in range(first + 1, len(groups)):
            if _meet(spans[first], spans[second]):
                others = _ids(read_files(history, groups[second], (EVENT_ID,)))
                add(others.filter(pc.is_in(others, ids)).unique(), first, second)
    return pa.chunked_array(twice, pa.string()).unique(), places


def _ids(rows: "pa.Table") -> "pa.Array":
    import pyarrow as pa

    return rows[EVENT_ID].cast(pa.string()).combine_chunks()


def _span(ranges: Sequence[tuple[Any, Any] | None]) -> tuple[Any, Any] | None:
    """Return the range of several; None is any."""
    known = [each for each in ranges if each is not None]
    if len(known) < len(ranges):
        return None
    return min(least for least, _ in known), max(greatest for _, greatest in known)


def _meet(one: tuple[Any, Any] | None, other: tuple[Any, Any] | None) -> bool:
    """Whether two ranges have a value in common."""
    return one is None or other is None or (one[0] <= other[1] and other[0] <= one[1])


def _batches(tasks: Sequence["FileScanTask"]) -> Iterator[tuple["FileScanTask", ...]]:
    batch: list[FileScanTask] = []
    rows = 0
    for task in sorted(tasks, key=lambda task: task.file.record_count):
        if batch and rows + task.file.record_count > FILE_ROWS:
            yield tuple(batch)
            batch, rows = [], 0
        batch.append(task)
        rows += task.file.record_count
    if batch:
        yield tuple(batch)


def _expire_deleted(tables: LakeTables, before: datetime) -> int:
    """Remove the deleted records that changed before a moment, and return their number."""
    current = tables.open(CURRENT)
    condition = f"changetype = 'REMOVE' and {CHANGED} < '{before.isoformat()}'"
    number = current.scan(row_filter=condition).count()
    if number:
        current.delete(condition)
    return number


def _expire_snapshots(tables: LakeTables, name: str, before: datetime) -> int:
    table = tables.open(name)
    expired = [each for each in table.snapshots() if each.timestamp_ms < before.timestamp() * 1000]
    last = table.current_snapshot()
    ids = [each.snapshot_id for each in expired if last and each.snapshot_id != last.snapshot_id]
    if ids:
        table.maintenance.expire_snapshots().by_ids(ids).commit()
    return len(ids)


def _delete_orphans(tables: LakeTables, name: str, before: datetime) -> int:
    """Delete the files of a table that nothing refers to, older than a moment."""
    stack = tables.stack
    stored = [each for each in objects(stack, f"{ICEBERG_PREFIX}{name}/") if each.modified < before]
    if not stored:
        return 0
    needed = set(needed_files(tables.open(name)))
    orphans = [each for each in stored if f"s3://{stack.bucket}/{each.key}" not in needed]
    delete(stack.s3, stack.bucket, (each.key for each in orphans))
    return len(orphans)


def needed_files(table: "IcebergTable") -> Iterator[str]:
    """Yield the addresses of the files that a table and its snapshots need."""
    yield table.metadata_location
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    read: set[str] = set()
    for snapshot in table.snapshots():
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in read:
                read.add(manifest.manifest_path)
                yield manifest.manifest_path
                for entry in manifest.fetch_manifest_entry(table.io):
                    yield entry.data_file.file_path
