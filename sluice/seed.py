"""Synthetic records, written through the API as any client would write them."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sluice.api import Api

SAMPLES: tuple[dict[str, Any], ...] = (
    {
        "id": "123",
        "siteId": "2",
        "createdAtTime": 1700076551926,
        "name": "Name one",
        "valueOne": 123,
        "valueTwo": 6789,
    },
    {
        "id": "456",
        "siteId": "1",
        "createdAtTime": 1700076551318,
        "name": "Name one",
        "valueOne": 782,
        "valueTwo": 152,
    },
)
"""The two sample records of docs/record.md."""

BATCH = 100
_NAMES = ("boiler", "fan", "gate", "lamp", "meter", "pump", "valve")


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


def synthetic(count: int, sites: int, minutes: int, chance: random.Random) -> list[dict[str, Any]]:
    """Return records of the last minutes, spread over the sites."""
    now = time.time_ns() // 1_000_000
    run = f"{chance.getrandbits(48):012x}"
    return [
        {
            "id": f"{run}-{index}",
            "siteId": f"site-{chance.randrange(sites) + 1}",
            "createdAtTime": now - chance.randrange(minutes * 60_000),
            "name": f"{chance.choice(_NAMES)} {index}",
            "valueOne": chance.randrange(1000),
            "valueTwo": chance.randrange(2**40),
        }
        for index in range(count)
    ]


def seed(
    api: Api,
    count: int,
    sites: int,
    changes: int = 0,
    deletes: int = 0,
    minutes: int = 30,
    samples: bool = False,
    rate: float | None = None,
    chance: random.Random | None = None,
    progress: Callable[[int], None] = lambda _changes: None,
) -> Seeded:
    """Write `count` new records, then change some and delete others of them.

    `rate` bounds the changes a second. `progress` is called with the number of changes since its
    last call. Raises OperationError when the API refuses.
    """
    chance = chance or random.Random()  # noqa: S311
    records = synthetic(count, sites, minutes, chance)
    pace = _Pace(rate, progress)
    new = [*SAMPLES, *records] if samples else records
    sample = chance.sample(records, changes + deletes)
    changed = [{**record, "valueOne": record["valueOne"] + 1000} for record in sample[:changes]]
    for batch in (*_batches(new), *_batches(changed)):
        api.request("POST", "/records/batch", batch)
        pace.count(len(batch))
    for record in sample[changes:]:
        api.request("DELETE", f"/records/{quote(record['id'], safe='')}")
        pace.count(1)
    return Seeded(len(new), changes, deletes)


def _batches(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
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
