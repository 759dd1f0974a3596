"""The records of a probe: two items on their way through a stack, and what became of them."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import TypeVar

from chalicelib.declaration import Table
from chalicelib.keys import key_of, texts_of
from chalicelib.partitions import ERROR_PREFIX, path
from chalicelib.transform import payload_reader
from sluice.errors import DamagedError, OptionError
from sluice.event import render
from sluice.lake import lines, objects, read_body
from sluice.planning.weights import stream_record
from sluice.query.athena import Workgroup
from sluice.recovery.error_lines import read_object
from sluice.stack import Stack
from sluice.synthesis import Item, Synthesis, item_of, takes_text

MARK = "sluice-probe-"
"""How the key and the levels of every record of a probe begin, where their rules allow it."""

_WITHIN_A_DAY = ("hour", "minute")

POLL_SECONDS = 1.0

CLOCKS_APART = timedelta(minutes=5)
"""How far this machine's clock and that of S3 may differ."""

T = TypeVar("T")


@dataclass(frozen=True)
class Probe:
    """Two items on their way through a stack: one that is delivered, one that is quarantined."""

    stack: Stack
    wait_seconds: float
    """How long a record may take to arrive."""
    confirmed: bool = False
    """Whether a stack in production may be probed."""
    mark: str = field(default_factory=lambda: f"{MARK}{uuid.uuid4().hex[:12]}")
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        """Raise OptionError for a stack in production, unless it is confirmed."""
        if self.stack.name.endswith("-prod") and not self.confirmed:
            raise OptionError(
                f"{self.stack.name} is in production, and a probe writes to its table, lake and "
                "quarantine; add --yes to do so"
            )

    @property
    def table(self) -> Table:
        """The declared table."""
        return self.stack.table

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The item whose line is delivered and, if there can be one, an item that is quarantined.

        Their texts begin with the mark where the rules of their fields allow it.
        """
        chance = Random()  # noqa: S311
        synthesis = Synthesis(self.table, chance, 1, 1, self.began.timestamp(), self.mark)
        ((kind, good), *_, (_, other)) = synthesis.records(1 + len(synthesis.kinds))
        shape = self.table.shape(kind)
        unmarked = {*self.table.key_names, *synthesis.told_by}
        marked = {
            name: self.mark
            for _, name, length in self.table.levels
            if name is not None
            and name not in unmarked
            and takes_text(shape, name, len(self.mark))
            and len(self.mark) <= length
        }
        broken = refused_item(self.table, item_of(self.table, other | marked))
        return (item_of(self.table, good | marked), *([broken] if broken else ()))

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """The keys of the items, as texts."""
        return [texts_of(self.table, item) for item in self.items]

    @property
    def ids(self) -> list[str]:
        """The keys of the items, each as one text."""
        return ["/".join(key) for key in self.keys]

    def write(self) -> None:
        """Write the items into the table, not through the API, which refuses what the transform
        refuses."""
        for item in self.items:
            self.stack.dynamodb.put_item(TableName=self.stack.output("TableName"), Item=item)

    def delete(self) -> None:
        """Delete the items from the table."""
        for item in self.items:
            self.stack.dynamodb.delete_item(
                TableName=self.stack.output("TableName"), Key=key_of(self.table, item)
            )

    @cached_property
    def workgroup(self) -> Workgroup:
        """The stack's workgroup."""
        return Workgroup(self.stack)

    @cached_property
    def _partition_of(self) -> Callable[[bytes], dict[str, str]]:
        # No level is a field that is hashed.
        read = payload_reader(self.table, hasher=lambda _: "")

        def partition(payload: bytes) -> dict[str, str]:
            content = read(payload)
            return content[1] if content else {}

        return partition

    @cached_property
    def folder(self) -> str:
        """The prefix of the line; of its day only, where it has the time of the change."""
        item = self.items[0]
        now, later = (
            self._partition_of(render(stream_record(self.table, "INSERT", item, at=moment)))
            for moment in (self.began, self.began + timedelta(hours=1))
        )
        known = now if now == later else {k: v for k, v in now.items() if k not in _WITHIN_A_DAY}
        return path(known)

    @property
    def remains(self) -> list[str]:
        """The places that keep lines of the items when the table does not."""
        return [f"s3://{self.stack.bucket}/{place}" for place in (self.folder, ERROR_PREFIX)]

    @cached_property
    def arrival(self) -> tuple[str, dict[str, str]] | None:
        """The key of the object with the line, and the line's partition; None if it is late."""
        good = [text.encode() for text in self.keys[0]]

        def has_line(key: str) -> tuple[str, dict[str, str]] | None:
            for line in lines(self.stack, key):
                if all(text in line for text in good):
                    return key, self._partition_of(line)
            return None

        return self._first(self.folder, has_line)

    @cached_property
    def quarantined(self) -> tuple[str, bytes] | None:
        """The error object with the refused item, and the bytes it holds of it; None if late."""
        broken = [text.encode() for text in self.keys[-1]]

        def payload(key: str) -> tuple[str, bytes] | None:
            for each in read_object(read_body(self.stack, key)):
                if each.payload and all(text in each.payload for text in broken):
                    return key, each.payload
            return None

        return self._first(ERROR_PREFIX, payload)

    def _first(self, prefix: str, choose: Callable[[str], T | None]) -> T | None:
        """Return what is chosen of the first object since the beginning that has it, or None."""
        seen: set[str] = set()
        deadline = self.began.timestamp() + self.wait_seconds
        while True:
            for each in objects(self.stack, prefix):
                if each.key in seen or each.modified < self.began - CLOCKS_APART:
                    continue
                seen.add(each.key)
                with suppress(DamagedError):
                    if (choice := choose(each.key)) is not None:
                        return choice
            if time.time() >= deadline:
                return None
            time.sleep(POLL_SECONDS)

    @property
    def late(self) -> str:
        """The answer where a record did not arrive."""
        return f"unknown: the record did not arrive within {self.wait_seconds:g} s"


def refused_item(table: Table, item: Item) -> Item | None:
    """Return an item with a field of another type than declared, None without such a field."""
    fixed = {*table.key_names, *table.protect, table.told_by and table.told_by.name}
    for name, declared in table.shape(table.kind_of(item)).fields.items():
        for wrong in ({"S": "not of the declared type"}, {"BOOL": True}):
            if name not in fixed and wrong.keys().isdisjoint(declared.type.kinds):
                return item | {name: wrong}
    return None
