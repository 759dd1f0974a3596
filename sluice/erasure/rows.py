"""The changes that rows of Arrow are, such as those of the compacted tables."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from chalicelib.catalog import key_columns
from chalicelib.declaration import Table
from sluice.compaction.rows import SEQUENCE
from sluice.erasure.changes import KeyChange, Keys, is_text, key_reader
from sluice.erasure.memory import Memory
from sluice.stack import Stack

if TYPE_CHECKING:
    import pyarrow as pa


def change_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that say whose change a row is, and when it was."""
    return (*key_columns(table), "changetype", "changedat", SEQUENCE)


def row_changes(table: Table) -> Callable[["pa.Table"], Iterator[KeyChange]]:
    """Return a function from rows to the change that each of them is."""
    read_key = key_reader(table)
    names = change_columns(table)

    def changes(rows: "pa.Table") -> Iterator[KeyChange]:
        columns = (rows[name].to_pylist() for name in names)
        for *key, kind, changed_at, sequence in zip(*columns, strict=True):
            yield KeyChange(read_key(key), str(kind), int(changed_at or 0), str(sequence))

    return changes


def changes_of_keys(keys: Keys) -> Callable[["pa.Table"], Iterator[tuple[int, KeyChange]]]:
    """Return a function from rows to the changes of the keys among them, each with its place."""
    table = keys.table
    changes = row_changes(table)
    names = change_columns(table)
    texts = sorted({key[0] for key in keys.texts}) if is_text(table.key_fields[0]) else None

    def of_keys(rows: "pa.Table") -> Iterator[tuple[int, KeyChange]]:
        import pyarrow as pa
        import pyarrow.compute as pc

        places = pa.array(range(rows.num_rows), pa.int64())
        if texts is not None:
            # Most rows are of no key by the first part of theirs, without a look at each.
            first = rows[names[0]]
            places = pc.indices_nonzero(pc.is_in(first, value_set=pa.array(texts, first.type)))
        candidates = changes(rows.select(names).take(places))
        for place, change in zip(places.to_pylist(), candidates, strict=True):
            if change.key in keys:
                yield place, change

    return of_keys


def without_erased(stack: Stack, table: Table) -> Callable[["pa.Table"], "pa.Table"]:
    """Return a function from rows to those that are not of a key erased up to that moment."""
    memory = Memory(stack)
    changes = row_changes(table)

    def stay(rows: "pa.Table") -> "pa.Table":
        import pyarrow as pa

        memory.refresh()
        if memory.is_empty:
            return rows
        kept = [not memory.is_erased(change) for change in changes(rows)]
        return rows.filter(pa.array(kept, pa.bool_()))

    return stay
