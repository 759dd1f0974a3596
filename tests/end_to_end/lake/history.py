"""A table's history: random changes, and what the lake must hold of them."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]

SITES = ["1", "2", "20", "../../x", "a b='c'"]
TEXTS = ["plain", "", "it's", '{"a": "b"}', "2023-11-15T19:29:11Z", "\x00\x01\n", "ö\u2028"]
FIRST_MINUTE_MS = 1_700_076_540_000
MINUTES = 4
NEVER = -(2**63)


@dataclass
class History:
    """Records as they are, and every version each of them had; None where it was deleted."""

    state: dict[str, Record] = field(default_factory=dict)
    versions: dict[str, list[tuple[str, Record]]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def put(self, record: Record) -> None:
        before = self.state.get(record["id"])
        assert before != record, "a write must change something"
        self.state[record["id"]] = record
        self._tell("MODIFY" if before else "INSERT", record)

    def delete(self, key: str) -> None:
        self._tell("REMOVE", self.state.pop(key))

    def _tell(self, change: str, record: Record) -> None:
        self.versions[record["id"]].append((change, record))
        self.count += 1

    def changes(self) -> list[tuple[str, Record]]:
        """Every change, with its image."""
        return [version for versions in self.versions.values() for version in versions]


def next_change(history: History, chance: random.Random, keys: int) -> tuple[str, Record | None]:
    """A key and its new record, or None for its deletion; some records move to other sites."""
    key = f"record-{chance.randrange(keys)}"
    if key in history.state and chance.random() < 0.25:
        return key, None
    record: Record = {
        "id": key,
        "siteId": SITES[hash_of(key) % len(SITES)] if chance.random() < 0.9 else SITES[0],
        "createdAtTime": FIRST_MINUTE_MS + chance.randrange(MINUTES * 60_000),
        # Never the same twice, so that every write is a change.
        "valueOne": NEVER + history.count,
    }
    if chance.random() < 0.7:
        record["name"] = chance.choice(TEXTS)
    if chance.random() < 0.5:
        record["valueTwo"] = 2**63 - 1 - history.count
    return key, record


def hash_of(key: str) -> int:
    """A number that is the same in every run."""
    return sum(key.encode())
