"""Does the lake tell the table's state? Compares both, key by key, and says where they differ.

The lake is asked first, by the saved query `latest`; then the table is read. A key that differs may
have a change on its way, so its versions are looked at once that must have arrived: it has drifted
when the lake still does not know the state that was read from the table.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

import msgspec

from chalicelib.catalog import ALL_CHANGES, columns
from chalicelib.schema import KEY, SITE
from sluice.items import Item
from sluice.query.athena import Answer
from sluice.query.parameters import literal
from sluice.query.saved import saved_query
from sluice.verify.rows import Digest, declared_names, digest, item_reader

CLOCK_SECONDS = 5
"""How far this machine's clock and the stream's, which tells whole seconds, may be apart."""

KEYS_BYTES_MAX = 150_000
"""Keys named in one query; well within QUERY_BYTES_MAX, whatever else the query says."""


class Asked(Protocol):
    """A lake that can be asked in SQL."""

    def ask(self, sql: str) -> Answer:
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


class Counts(msgspec.Struct, rename="camel"):
    """How many records one site has, and how many of them differ."""

    in_table: int = 0
    in_lake: int = 0
    missing: int = 0
    stale: int = 0
    surplus: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class Verified:
    """What was compared, and what differs."""

    sites: dict[str | None, Counts] = field(default_factory=lambda: defaultdict(Counts))
    drifts: list[Drift] = field(default_factory=list)

    def total(self, what: str) -> int:
        """A count over all sites."""
        return sum(getattr(counts, what) for counts in self.sites.values())


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the table's changes the deployment lets into the lake."""

    deletes: bool = True
    undeclared: bool = True


class _Difference(NamedTuple):
    kind: Kind
    site: str | None
    wanted: Digest | None
    """The table's item; None when it has none."""


class _Version(NamedTuple):
    sequence: str
    changed_at: int
    state: Digest | None


def verify(
    lake: Asked,
    items: Iterable[Item],
    kept: Kept,
    wait: Callable[[int], None],
) -> Verified:
    """Compare the lake with the table's items, which must be read while they are iterated.

    `wait` is told how many keys differ, and returns once what was on its way has arrived.
    """
    verified = Verified()
    declared = None if kept.undeclared else declared_names()
    began = time.time()
    known: dict[str, tuple[str | None, Digest]] = {}
    for key, site, state in _latest(lake, declared):
        verified.sites[site].in_lake += 1
        known[key] = site, state
    differences: dict[str, _Difference] = {}
    for item in items:
        key, site, state = item[KEY]["S"], item.get(SITE, {}).get("S"), digest(item, declared)
        verified.sites[site].in_table += 1
        in_lake = known.pop(key, None)
        if in_lake is None:
            differences[key] = _Difference("missing", site, state)
        elif in_lake[1] != state:
            differences[key] = _Difference("stale", site, state)
    if kept.deletes:
        differences |= {key: _Difference("surplus", site, None) for key, (site, _) in known.items()}
    if differences:
        wait(len(differences))
        _look_again(lake, differences, declared, began, verified)
    return verified


def _latest(
    lake: Asked, declared: frozenset[str] | None
) -> Iterator[tuple[str, str | None, Digest]]:
    """Key, site and digest of each record, as the saved query `latest` tells them."""
    names = [column.name for column in columns()]
    answer = lake.ask(
        f"SELECT {', '.join(names)} FROM (\n{saved_query('latest').sql}) AS latest"  # noqa: S608
    )
    read = item_reader(answer.columns)
    for row in answer.rows:
        item = read(row)
        yield item[KEY]["S"], item.get(SITE, {}).get("S"), digest(item, declared)


def _look_again(
    lake: Asked,
    differences: dict[str, _Difference],
    declared: frozenset[str] | None,
    began: float,
    verified: Verified,
) -> None:
    """Tell what has arrived by now from what has not."""
    since_ms = int((began - CLOCK_SECONDS) * 1000)
    for keys in _batches(sorted(differences)):
        versions = _versions(lake.ask(_versions_query(keys)), declared)
        for key in keys:
            kind, site, wanted = differences[key]
            found = sorted(versions[key], key=lambda each: each.sequence, reverse=True)
            if _tells(found, wanted, since_ms):
                verified.sites[site].in_flight += 1
            else:
                counts = verified.sites[site]
                setattr(counts, kind, getattr(counts, kind) + 1)
                verified.drifts.append(Drift(kind, key, site, len(found)))


def _tells(versions: Sequence[_Version], wanted: Digest | None, since_ms: int) -> bool:
    """Whether versions, the newest first, hold the state in which the table was read.

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


def _versions(answer: Answer, declared: frozenset[str] | None) -> dict[str, set[_Version]]:
    read = item_reader(answer.columns)
    places = [answer.columns.index(name) for name in ("changetype", "changesequence", "changedat")]
    found: dict[str, set[_Version]] = defaultdict(set)
    for row in answer.rows:
        item = read(row)
        kind, sequence, changed_at = (row[place] for place in places)
        state = None if kind == "REMOVE" else digest(item, declared)
        found[item[KEY]["S"]].add(_Version(sequence, changed_at, state))
    return found


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
