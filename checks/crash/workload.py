"""The changes of a table over many days, whose outcome the writer knows."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sluice.items import Item
from sluice.seed import write_requests
from sluice.stack import Stack

DAYS, SITES, HOURS = 30, 4, 4
"""Of the event times. Together they are fewer partitions than Firehose keeps open at once."""

CHANGES_OF_A_RECORD = 10

DELETED, LATE, UNDECLARED = 0.2, 0.05, 0.1
"""The parts of changes that delete, that are of an earlier day, and with an attribute more."""

BATCH = 25

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Writer:
    """Inserts, changes and deletes records, day after day of event time."""

    def __init__(self, stack: Stack, total: int) -> None:
        """`total` is how many changes the days are spread over."""
        self.items: dict[str, Item] = {}
        """The table's items by their key."""
        self.written = 0
        self.deleted = 0
        self._stack = stack
        self._total = total
        self._chance = Random(3)  # noqa: S311
        self.keys = [f"record-{n}" for n in range(max(BATCH, total // CHANGES_OF_A_RECORD))]
        """Of the records that are written."""

    def write(self, count: int) -> None:
        """Make this many changes of the table."""
        name = self._stack.output("TableName")
        for start in range(0, count, BATCH):
            keys = self._chance.sample(self.keys, min(BATCH, count - start))
            write_requests(self._stack.dynamodb, name, self._requests(keys))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete records for good: none of these keys is written again."""
        gone = set(keys)
        self.keys = [key for key in self.keys if key not in gone]
        requests = [{"DeleteRequest": {"Key": {"id": {"S": key}}}} for key in sorted(gone)]
        write_requests(self._stack.dynamodb, self._stack.output("TableName"), iter(requests))
        self.items = {key: item for key, item in self.items.items() if key not in gone}
        self.written += len(gone)
        self.deleted += len(gone)

    def _requests(self, keys: list[str]) -> Iterator[Any]:
        for key in keys:
            self.written += 1
            if key in self.items and self._chance.random() < DELETED:
                self.deleted += 1
                del self.items[key]
                yield {"DeleteRequest": {"Key": {"id": {"S": key}}}}
            else:
                self.items[key] = self._item(key)
                yield {"PutRequest": {"Item": self.items[key]}}

    def _item(self, key: str) -> Item:
        item: Item = {
            "id": {"S": key},
            "siteId": {"S": f"site-{self._chance.randrange(SITES)}"},
            "createdAtTime": {"N": str(self._event_time())},
            "name": {"S": f"change {self.written}"},
            "valueOne": {"N": str(self._chance.randrange(-(2**63), 2**63))},
        }
        if self._chance.random() < UNDECLARED:
            item["note"] = {"L": [{"S": "é"}, {"N": f"{self.written}.5"}]}
        return item

    def _event_time(self) -> int:
        """Return an event time of the day that it is by now, or of an earlier one."""
        day, hour = DAYS * self.written // (self._total + 1), self._chance.randrange(HOURS)
        if day and self._chance.random() < LATE:
            day, hour = self._chance.randrange(day), 0
        moment = _FIRST + timedelta(days=min(day, DAYS - 1), hours=hour * 24 // HOURS)
        return int(moment.timestamp() * 1000) + self._chance.randrange(60_000)
