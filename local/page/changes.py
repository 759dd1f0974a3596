"""Follows the table's stream beside the pipe: how many changes there were, and the latest ones."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.declaration import Table
from chalicelib.keys import texts_of
from local.page.snapshot import TableChange, TableState
from sluice.event import as_event
from sluice.stream import ShardReader, Stream

LATEST_MAX = 8


class Changes:
    """The changes of a stream from its oldest one on. One thread may read."""

    def __init__(self, stream: Stream, table: Table) -> None:
        self._stream = stream
        self._table = table
        self._readers: dict[str, ShardReader] = {}
        self._finished: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._latest: deque[TableChange] = deque(maxlen=LATEST_MAX)

    def read(self) -> tuple[TableState, Sequence[TableChange]]:
        """Return the table as of now, and the changes since the last call.

        Raises UnavailableError, StreamGoneError.
        """
        new: list[TableChange] = []
        for shard in self._stream.shards()[0]:
            if shard.id not in self._readers:
                self._readers[shard.id] = self._stream.reader(shard.id, "TRIM_HORIZON")
        for shard_id, reader in self._readers.items():
            if shard_id in self._finished:
                continue
            while True:
                page = reader.read()
                new += [
                    change_of(as_event(record, self._stream.arn), self._table)
                    for record in page.records
                ]
                if page.last:
                    self._finished.add(shard_id)
                if page.last or not page.full:
                    break
        self._counts.update(change.type for change in new)
        self._latest.extendleft(new)
        state = TableState(
            self._counts["INSERT"],
            self._counts["MODIFY"],
            self._counts["REMOVE"],
            tuple(self._latest),
        )
        return state, new


def change_of(event: Mapping[str, Any], table: Table) -> TableChange:
    """Return the part of a stream record that the page shows."""
    data = event["dynamodb"]
    image = data.get("NewImage") or data.get("OldImage") or {}
    return TableChange(
        event["eventName"],
        texts_of(table, data["Keys"]),
        _group(table, image),
        float(data["ApproximateCreationDateTime"]),
    )


def _group(table: Table, image: Mapping[str, Mapping[str, Any]]) -> str:
    """Return an item's value of the level that reports are grouped by, empty without one."""
    if table.group is None or table.group.attribute is None:
        return table.kind_of(image)
    return "".join(map(str, image.get(table.group.attribute, {}).values()))
