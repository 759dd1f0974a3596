"""Follows the table's stream beside the pipe: how many changes there were, and the latest ones."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.schema import KEY, LAYOUT
from local.page.snapshot import TableChange, TableState
from sluice.event import as_event
from sluice.stream import ShardReader, Stream

LATEST_MAX = 8


class Changes:
    """The changes of a stream from its oldest one on. One thread may read."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
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
                new += [change_of(as_event(record, self._stream.arn)) for record in page.records]
                if page.last:
                    self._finished.add(shard_id)
                if page.last or not page.full:
                    break
        self._counts.update(change.kind for change in new)
        self._latest.extendleft(new)
        table = TableState(
            self._counts["INSERT"],
            self._counts["MODIFY"],
            self._counts["REMOVE"],
            tuple(self._latest),
        )
        return table, new


def change_of(event: Mapping[str, Any]) -> TableChange:
    """Return the part of a stream record that the page shows."""
    data = event["dynamodb"]
    image = data.get("NewImage") or data.get("OldImage") or {}
    return TableChange(
        event["eventName"],
        _text(data["Keys"].get(KEY)),
        _text(image.get(LAYOUT[0])),
        float(data["ApproximateCreationDateTime"]),
    )


def _text(attribute: Mapping[str, Any] | None) -> str:
    return str(next(iter(attribute.values()))) if attribute else ""
