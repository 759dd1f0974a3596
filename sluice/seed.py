"""Synthetic records, written through the API as any client would write them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from chalicelib.declaration import Table
from chalicelib.keys import Item, texts_of
from sluice.api import Api
from sluice.synthesis import JsonRecord, Synthesis

BATCH = 100

GROUPS, MINUTES = 5, 30
"""Values of the level that reports are grouped by, and how far back event times reach."""


@dataclass(frozen=True, slots=True)
class Seeded:
    """The number of changes to the table, by kind."""

    inserts: int
    changes: int
    deletes: int

    @property
    def total(self) -> int:
        """All changes."""
        return self.inserts + self.changes + self.deletes


def records(
    table: Table, count: int, chance: Random, groups: int = GROUPS, minutes: int = MINUTES
) -> list[JsonRecord]:
    """Return records of a table, of every kind in turn, as the API's JSON has them.

    Raises OperationError where the declaration's rules allow too few.
    """
    return [record for _, record in Synthesis(table, chance, groups, minutes).records(count)]


def seed(
    table: Table,
    api: Api,
    count: int,
    groups: int = GROUPS,
    changes: int = 0,
    deletes: int = 0,
    minutes: int = MINUTES,
    samples: bool = False,
    rate: float | None = None,
    chance: Random | None = None,
    progress: Callable[[int], None] = lambda _changes: None,
) -> Seeded:
    """Write `count` new records, then change some and delete others of them.

    With `samples`, the declaration's examples come first. `rate` bounds the changes a second.
    `progress` is called with the number of changes since its last call. Raises OperationError when
    the API refuses.
    """
    chance = chance or Random()  # noqa: S311
    synthesis = Synthesis(table, chance, groups, minutes)
    made = list(synthesis.records(count))
    pace = _Pace(rate, progress)
    sample = chance.sample(made, changes + deletes)
    changed = [synthesis.changed(kind, record) for kind, record in sample[:changes]]
    new = [*(table.examples if samples else ()), *(record for _, record in made)]
    different = [record for record in changed if record is not None]
    for batch in (*_batches(new), *_batches(different)):
        api.request("POST", "/records/batch", batch)
        pace.count(len(batch))
    for _, record in sample[changes:]:
        api.request("DELETE", _path(table, record))
        pace.count(1)
    return Seeded(len(new), len(different), deletes)


def _path(table: Table, record: JsonRecord) -> str:
    """Return the API's path of a record."""
    key: Item = {key.name: {key.type: record[key.name]} for key in table.key}
    return "/".join(["/records", *(quote(text, safe="") for text in texts_of(table, key))])


def _batches(records: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    return [records[start : start + BATCH] for start in range(0, len(records), BATCH)]


class _Pace:
    """Holds the rate, and reports the changes."""

    def __init__(self, rate: float | None, progress: Callable[[int], None]) -> None:
        self._rate = rate
        self._progress = progress
        self._start = time.monotonic()
        self._made = 0

    def count(self, count: int) -> None:
        self._made += count
        self._progress(count)
        if self._rate:
            ahead = self._made / self._rate - (time.monotonic() - self._start)
            if ahead > 0:
                time.sleep(ahead)
