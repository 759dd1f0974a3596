"""Compares the table with its latest state in the lake, key by key.

The lake is queried first, with the saved query `latest`; then the table is read. A key that differs
may have a change on its way, so its versions are read again once that must have arrived: the key
has drifted when the lake still lacks the state that was read from the table.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import msgspec

from chalicelib.catalog import ALL_CHANGES, Column, columns, key_columns, quoted
from chalicelib.declaration import Table
from chalicelib.keys import Texts, texts_of
from sluice.items import Item
from sluice.query.athena import QueryResult
from sluice.query.parameters import literal
from sluice.query.part import value_of
from sluice.query.saved import saved_query
from sluice.verify.rows import Digest, State, States
from sluice.wording import counted, printable

CLOCK_SECONDS = 5
"""How far this machine's clock and the stream's, which counts whole seconds, may be apart."""

KEYS_BYTES_MAX = 150_000
"""Keys named in one query; well within QUERY_BYTES_MAX, whatever else the query says."""

NAMED_MAX = 5
"""Of the records that cannot be read, and of the objects that hold them."""

_UNREADABLE = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)
"""What reading a row raises that the declaration cannot read."""

_NO_STATE = b""
"""The state of a version that cannot be read, which is no item's."""


class Queryable(Protocol):
    """A lake that runs SQL."""

    def run(self, sql: str) -> QueryResult:
        """Run a query to its end."""


Drifted = Literal["missing", "stale", "surplus"]


class Drift(msgspec.Struct, frozen=True, rename="camel"):
    """A key whose state in the lake is not the table's."""

    kind: Drifted
    key: Texts
    group: str | None
    """The item's; of a surplus key, the line's."""
    versions: int
    """How many lines the lake has of it."""
    reason: str | None = None
    """Why the transform cannot read the item: field and rule. None when it can."""


class GroupCounts(msgspec.Struct, rename="camel"):
    """How many records one group has, and how many of them differ."""

    in_table: int = 0
    in_lake: int = 0
    missing: int = 0
    stale: int = 0
    surplus: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class Comparison:
    """The counts of what was compared, and the keys that differ."""

    groups: dict[str | None, GroupCounts] = field(default_factory=lambda: defaultdict(GroupCounts))
    """By the value of the level by which the table's records are grouped."""
    drifts: list[Drift] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """A sentence on each part of the lake that could not be read."""

    def total(self, name: str) -> int:
        """Return a count over all groups."""
        return sum(getattr(counts, name) for counts in self.groups.values())


class _Difference(NamedTuple):
    kind: Drifted
    group: str | None
    wanted: Digest | None
    """The table's item; None when it has none."""
    reason: str | None = None


class _Version(NamedTuple):
    sequence: str
    changed_at: int
    state: Digest | None


def verify(
    lake: Queryable,
    table: Table,
    items: Iterable[Item],
    wait: Callable[[int], None],
    reason: Callable[[Item], str | None] = lambda _item: None,
    *,
    deletes: bool = True,
    last_changes: bool = False,
    with_objects: Sequence[str] = (ALL_CHANGES,),
) -> Comparison:
    """Compare the lake with the table's items, which must be read while they are iterated.

    `wait` takes the number of keys that differ, and returns once what was on its way has arrived.
    `reason` returns why the transform cannot read an item. `deletes` is whether the lake has the
    deletions of records, `last_changes` whether it has the table of that name, and
    `with_objects` are the tables that together have all changes, with their objects.
    """
    comparison = Comparison()
    states = States(table)
    began = time.time()
    known: dict[Texts, State] = {}
    for key, state in _latest(lake, table, states, last_changes, with_objects, comparison.problems):
        comparison.groups[state.group].in_lake += 1
        known[key] = state
    differences: dict[Texts, _Difference] = {}
    for item in items:
        wanted = states.of_item(item)
        if wanted is None:
            continue
        key = texts_of(table, item)
        comparison.groups[wanted.group].in_table += 1
        in_lake = known.pop(key, None)
        if in_lake is None:
            differences[key] = _Difference("missing", *wanted, reason(item))
        elif in_lake.digest != wanted.digest:
            differences[key] = _Difference("stale", *wanted, reason(item))
    if deletes:
        differences |= {
            key: _Difference("surplus", state.group, None) for key, state in known.items()
        }
    if differences:
        wait(len(differences))
        _look_again(lake, table, states, differences, began, comparison)
    return comparison


def _latest(
    lake: Queryable,
    table: Table,
    states: States,
    last_changes: bool,
    with_objects: Sequence[str],
    problems: list[str],
) -> Iterator[tuple[Texts, State]]:
    """Yield the key and the state of each record of the saved query `latest`."""
    names = ", ".join(quoted(column.name) for column in columns(table))
    latest = saved_query(table, "latest", last_changes=last_changes)
    result = lake.run(f"SELECT {names} FROM (\n{latest.sql}) AS latest")  # noqa: S608
    problems += result.problems
    read, read_key = states.row_reader(result.columns), states.row_key_reader(result.columns)
    kind, sequence = map(result.columns.index, ("changetype", "changesequence"))
    unreadable: list[tuple[Texts | None, str | None]] = []
    for row in result.rows:
        key = None
        try:
            key = read_key(row)
            state = read(row)
            if key is None or row[kind] is None:
                raise ValueError("the line is not a change")
        except _UNREADABLE:
            unreadable.append((key, row[sequence]))
        else:
            if state is not None:
                yield key, state
    if unreadable:
        lines = lake.run(_objects_query(table, with_objects, unreadable[:NAMED_MAX]))
        addresses = [address for (address,) in lines.rows]
        problems.append(_unreadable_sentence(table, unreadable, addresses))


def _objects_query(
    table: Table,
    with_objects: Sequence[str],
    unreadable: Sequence[tuple[Texts | None, str | None]],
) -> str:
    """Return a query of the objects that hold lines of these keys and sequences, or foreign ones.

    `latest` has only one row for all lines without a key.
    """
    conditions = [f"{quoted(name)} IS NULL" for name in (*key_columns(table), "changetype")]
    for key, sequence in unreadable:
        if key is not None and sequence is not None:
            equal = [
                f"{quoted(column.name)} = {literal(value_of(column, text))}"
                for column, text in zip(_key_columns(table), key, strict=True)
            ]
            equal.append(f'"changesequence" = {literal(sequence)}')
            conditions.append(f"({' AND '.join(equal)})")
    selects = (
        f'SELECT DISTINCT "$path" FROM {name} WHERE {" OR ".join(conditions)}'  # noqa: S608
        for name in with_objects
    )
    return f"{' UNION '.join(selects)} ORDER BY 1 LIMIT {NAMED_MAX + 1}"


def _key_columns(table: Table) -> list[Column]:
    by_name = {column.name: column for column in columns(table)}
    return [by_name[name] for name in key_columns(table)]


def _unreadable_sentence(
    table: Table, unreadable: Sequence[tuple[Texts | None, str | None]], addresses: Sequence[str]
) -> str:
    id_ = " and ".join(table.key_names)
    names = [f"no {id_}" if key is None else f"{id_} {' and '.join(key)}" for key, _ in unreadable]
    return (
        f"{counted(len(unreadable), 'record')} of the lake cannot be read as declared "
        f"({_some(names)}): in a line that this transform did not write, {id_} or changeType is "
        f"missing, or a value is not of its declared type; see {_some(addresses)}"
    )


def _some(names: Sequence[str]) -> str:
    more = ["…"] if len(names) > NAMED_MAX else []
    return printable(", ".join([*names[:NAMED_MAX], *more]))


def _look_again(
    lake: Queryable,
    table: Table,
    states: States,
    differences: dict[Texts, _Difference],
    began: float,
    comparison: Comparison,
) -> None:
    """Count the differences: those that have arrived by now as in flight, the others as drifts."""
    since_ms = int((began - CLOCK_SECONDS) * 1000)
    for keys in _batches(sorted(differences)):
        versions = _versions(lake.run(_versions_query(table, keys)), states)
        for key in keys:
            kind, group, wanted, reason = differences[key]
            newest_first = sorted(versions[key], key=lambda each: each.sequence, reverse=True)
            arrived = _has_state(newest_first, wanted, since_ms)
            if not arrived:
                comparison.drifts.append(Drift(kind, key, group, len(newest_first), reason))
            counts, name = comparison.groups[group], "in_flight" if arrived else kind
            setattr(counts, name, getattr(counts, name) + 1)


def _has_state(versions: Sequence[_Version], wanted: Digest | None, since_ms: int) -> bool:
    """Whether versions, the newest first, include the state in which the table was read.

    Only versions that may be younger than the reading are passed over.
    """
    for version in versions:
        if version.state == wanted:
            return True
        if version.changed_at < since_ms:
            return False
    return False


def _versions_query(table: Table, keys: Sequence[Texts]) -> str:
    """Return a query of the lines of these keys; where keys have two parts, of a few others too."""
    conditions = []
    for column, texts in zip(_key_columns(table), zip(*keys, strict=True), strict=True):
        values = ", ".join(literal(value_of(column, text)) for text in dict.fromkeys(texts))
        conditions.append(f"{quoted(column.name)} IN ({values})")
    return f"SELECT * FROM {ALL_CHANGES} WHERE {' AND '.join(conditions)}"  # noqa: S608 - literals


def _versions(result: QueryResult, states: States) -> dict[Texts, set[_Version]]:
    read, read_key = states.row_reader(result.columns), states.row_key_reader(result.columns)
    places = [result.columns.index(name) for name in ("changetype", "changesequence", "changedat")]
    versions: dict[Texts, set[_Version]] = defaultdict(set)
    for row in result.rows:
        kind, sequence, changed_at = (row[place] for place in places)
        if (key := read_key(row)) is None:
            continue
        try:
            state = None if kind == "REMOVE" else read(row)
        except _UNREADABLE:
            content: Digest | None = _NO_STATE
        else:
            content = state and state.digest
        versions[key].add(_Version(sequence or "", changed_at or 0, content))
    return versions


def _batches(keys: Sequence[Texts]) -> Iterator[list[Texts]]:
    batch: list[Texts] = []
    size = 0
    for key in keys:
        length = sum(len(literal(text).encode()) + 2 for text in key)
        if batch and size + length > KEYS_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += length
    if batch:
        yield batch
