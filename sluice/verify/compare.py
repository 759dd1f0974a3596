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

from chalicelib.catalog import ALL_CHANGES, columns
from chalicelib.declared import declared as in_force
from chalicelib.schema import KEY, SITE
from sluice.items import Item
from sluice.query.athena import QueryResult
from sluice.query.parameters import literal
from sluice.query.saved import saved_query
from sluice.verify.rows import Digest, declared_names, digest, item_reader
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


Kind = Literal["missing", "stale", "surplus"]


class Drift(msgspec.Struct, frozen=True, rename="camel"):
    """A key whose state in the lake is not the table's."""

    kind: Kind
    key: str
    site: str | None
    """The item's; of a surplus key, the line's."""
    versions: int
    """How many lines the lake has of it."""
    reason: str | None = None
    """Why the transform cannot read the item: field and rule. None when it can."""


class SiteCounts(msgspec.Struct, rename="camel"):
    """How many records one site has, and how many of them differ."""

    in_table: int = 0
    in_lake: int = 0
    missing: int = 0
    stale: int = 0
    surplus: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class Comparison:
    """The counts of what was compared, and the keys that differ."""

    sites: dict[str | None, SiteCounts] = field(default_factory=lambda: defaultdict(SiteCounts))
    drifts: list[Drift] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """A sentence on each part of the lake that could not be read."""

    def total(self, name: str) -> int:
        """Return a count over all sites."""
        return sum(getattr(counts, name) for counts in self.sites.values())


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which of the table's changes the deployment lets into the lake."""

    deletes: bool = True
    undeclared: bool = True


class _Difference(NamedTuple):
    kind: Kind
    site: str | None
    wanted: Digest | None
    """The table's item; None when it has none."""
    reason: str | None = None


class _Version(NamedTuple):
    sequence: str
    changed_at: int
    state: Digest | None


def verify(
    lake: Queryable,
    items: Iterable[Item],
    coverage: Coverage,
    wait: Callable[[int], None],
    reason: Callable[[Item], str | None] = lambda _item: None,
) -> Comparison:
    """Compare the lake with the table's items, which must be read while they are iterated.

    `wait` takes the number of keys that differ, and returns once what was on its way has arrived.
    `reason` returns why the transform cannot read an item.
    """
    comparison = Comparison()
    declared = None if coverage.undeclared else declared_names()
    began = time.time()
    known: dict[str, tuple[str | None, Digest]] = {}
    for key, site, state in _latest(lake, declared, comparison.problems):
        comparison.sites[site].in_lake += 1
        known[key] = site, state
    differences: dict[str, _Difference] = {}
    for item in items:
        key, site, state = item[KEY]["S"], item.get(SITE, {}).get("S"), digest(item, declared)
        comparison.sites[site].in_table += 1
        in_lake = known.pop(key, None)
        if in_lake is None:
            differences[key] = _Difference("missing", site, state, reason(item))
        elif in_lake[1] != state:
            differences[key] = _Difference("stale", site, state, reason(item))
    if coverage.deletes:
        differences |= {key: _Difference("surplus", site, None) for key, (site, _) in known.items()}
    if differences:
        wait(len(differences))
        _look_again(lake, differences, declared, began, comparison)
    return comparison


def _latest(
    lake: Queryable, declared: frozenset[str] | None, problems: list[str]
) -> Iterator[tuple[str, str | None, Digest]]:
    """Yield key, site and digest of each record of the saved query `latest`."""
    names = [column.name for column in columns(in_force())]
    result = lake.run(
        f"SELECT {', '.join(names)} FROM (\n{saved_query(in_force(), 'latest').sql}) AS latest"  # noqa: S608
    )
    problems += result.problems
    read = item_reader(result.columns, in_force())
    key, kind, sequence = (
        result.columns.index(name) for name in (KEY.lower(), "changetype", "changesequence")
    )
    unreadable: list[tuple[str | None, str | None]] = []
    for row in result.rows:
        try:
            if row[kind] is None:
                raise ValueError("the line is not a change")
            item = read(row)
            record = item[KEY]["S"], item.get(SITE, {}).get("S"), digest(item, declared)
        except _UNREADABLE:
            unreadable.append((row[key], row[sequence]))
        else:
            yield record
    if unreadable:
        lines = lake.run(_objects_query(unreadable[:NAMED_MAX]))
        problems.append(_unreadable_sentence(unreadable, [address for (address,) in lines.rows]))


def _objects_query(unreadable: Sequence[tuple[str | None, str | None]]) -> str:
    """Return a query of the objects that hold lines of these keys and sequences, or foreign ones.

    `latest` has only one row for all lines without a key.
    """
    conditions = [f"{KEY.lower()} IS NULL", "changetype IS NULL"]
    conditions += [
        f"({KEY.lower()} = {literal(key)} AND changesequence = {literal(sequence)})"
        for key, sequence in unreadable
        if key is not None and sequence is not None
    ]
    return (
        f'SELECT DISTINCT "$path" FROM {ALL_CHANGES} '  # noqa: S608 - literals
        f"WHERE {' OR '.join(conditions)} ORDER BY 1 LIMIT {NAMED_MAX + 1}"
    )


def _unreadable_sentence(
    unreadable: Sequence[tuple[str | None, str | None]], addresses: Sequence[str]
) -> str:
    names = [f"no {KEY}" if key is None else f"{KEY} {key}" for key, _ in unreadable]
    return (
        f"{counted(len(unreadable), 'record')} of the lake cannot be read as declared "
        f"({_some(names)}): in a line that this transform did not write, {KEY} or changeType is "
        f"missing, or a value is not of its declared type; see {_some(addresses)}"
    )


def _some(names: Sequence[str]) -> str:
    more = ["…"] if len(names) > NAMED_MAX else []
    return printable(", ".join([*names[:NAMED_MAX], *more]))


def _look_again(
    lake: Queryable,
    differences: dict[str, _Difference],
    declared: frozenset[str] | None,
    began: float,
    comparison: Comparison,
) -> None:
    """Count the differences: those that have arrived by now as in flight, the others as drifts."""
    since_ms = int((began - CLOCK_SECONDS) * 1000)
    for keys in _batches(sorted(differences)):
        versions = _versions(lake.run(_versions_query(keys)), declared)
        for key in keys:
            kind, site, wanted, reason = differences[key]
            newest_first = sorted(versions[key], key=lambda each: each.sequence, reverse=True)
            arrived = _has_state(newest_first, wanted, since_ms)
            if not arrived:
                comparison.drifts.append(Drift(kind, key, site, len(newest_first), reason))
            counts, name = comparison.sites[site], "in_flight" if arrived else kind
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


def _versions_query(keys: Sequence[str]) -> str:
    named = ", ".join(literal(key) for key in keys)
    return f"SELECT * FROM {ALL_CHANGES} WHERE {KEY.lower()} IN ({named})"  # noqa: S608


def _versions(result: QueryResult, declared: frozenset[str] | None) -> dict[str, set[_Version]]:
    read = item_reader(result.columns, in_force())
    places = [result.columns.index(name) for name in ("changetype", "changesequence", "changedat")]
    key = result.columns.index(KEY.lower())
    versions: dict[str, set[_Version]] = defaultdict(set)
    for row in result.rows:
        kind, sequence, changed_at = (row[place] for place in places)
        try:
            state = None if kind == "REMOVE" else digest(read(row), declared)
        except _UNREADABLE:
            state = _NO_STATE
        versions[row[key]].add(_Version(sequence or "", changed_at or 0, state))
    return versions


def _batches(keys: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for key in keys:
        length = len(literal(key).encode()) + 2
        if batch and size + length > KEYS_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(key)
        size += length
    if batch:
        yield batch
