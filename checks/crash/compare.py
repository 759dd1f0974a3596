"""What the compacted tables are held against: the table's stream, and a scan of the table."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.catalog import CURRENT, HISTORY
from chalicelib.change import SNAPSHOT
from checks.crash.workload import Writer
from sluice.backfill.deployed import table_scan
from sluice.backfill.stop import Stop
from sluice.compaction.tables import LakeTables
from sluice.items import Item
from sluice.stack import Stack
from sluice.stream import Stream
from sluice.verify.deployed import items

READ_CAPACITY = 1_000_000


def differences(stack: Stack, writer: Writer, erased: Collection[str] = ()) -> Iterator[str]:
    """Yield a sentence on each way in which the compacted tables are not as they must be.

    They must have nothing of the keys that were erased.
    """
    changes = {
        each["eventID"]: (
            each["eventName"],
            int(each["dynamodb"]["SequenceNumber"]),
            each["dynamodb"]["Keys"]["id"]["S"],
        )
        for _, each in stream_records(stack)
    }
    if len(changes) != writer.written:
        yield f"the stream has {len(changes):,} changes of {writer.written:,}"
    changes = {name: change for name, change in changes.items() if change[2] not in erased}
    rows = _rows(stack, HISTORY, ("eventid", "changetype", "changesequence", "id"))
    if twice := [each for each, n in Counter(row["eventid"] for row in rows).items() if n > 1]:
        yield f"history has {len(twice):,} changes more than once, such as {twice[0]}"
    history = {
        row["eventid"]: (row["changetype"], int(row["changesequence"]), row["id"])
        for row in rows
        if row["changetype"] != SNAPSHOT
    }
    if lost := changes.keys() - history.keys():
        yield f"history lacks {len(lost):,} changes, such as {min(lost)}"
    if strange := history.keys() - changes.keys():
        yield f"history has {len(strange):,} changes that never were, such as {min(strange)}"
    if other := [each for each, change in changes.items() if history.get(each, change) != change]:
        yield f"history has {len(other):,} changes otherwise than the stream, such as {other[0]}"
    in_table = {
        item["id"]["S"]: item
        for item in items(table_scan(stack, READ_CAPACITY, 1, Stop()), lambda _: None)
    }
    if in_table != writer.items:
        yield "the table has other items than were written"
    current = _rows(stack, CURRENT, _FIELDS)
    if len({row["id"] for row in current}) != len(current):
        yield "current has a key more than once"
    live = {row["id"]: _values(row) for row in current if row["changetype"] != "REMOVE"}
    expected = {key: _values(_row(item)) for key, item in in_table.items()}
    if wrong := [k for k in live.keys() | expected.keys() if live.get(k) != expected.get(k)]:
        yield f"current has {len(wrong):,} records otherwise than the table, such as {min(wrong)}"


_FIELDS = ("id", "siteid", "createdattime", "name", "valueone", "extra", "changetype")


def _values(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _FIELDS[:-2]), json.loads(row["extra"] or "{}")


def _row(item: Item) -> dict[str, Any]:
    """Return the row of an item, as the columns have it."""
    return {
        "id": item["id"]["S"],
        "siteid": item["siteId"]["S"],
        "createdattime": int(item["createdAtTime"]["N"]),
        "name": item["name"]["S"],
        "valueone": int(item["valueOne"]["N"]),
        "extra": json.dumps({name: item[name] for name in ("note",) if name in item}),
    }


def _rows(stack: Stack, name: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    iceberg = LakeTables(stack, stack.table).find(name)
    if iceberg is None:
        return []
    rows: list[dict[str, Any]] = iceberg.scan(selected_fields=tuple(columns)).to_arrow().to_pylist()
    return rows


def stream_arn(stack: Stack) -> str:
    """Return the ARN of the table's stream."""
    described = stack.dynamodb.describe_table(TableName=stack.output("TableName"))["Table"]
    return described["LatestStreamArn"]


def stream_records(stack: Stack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the records of the table's stream, past the pipe, each with its shard."""
    stream = Stream(stack.streams, stream_arn(stack))
    for shard in stream.shards()[0]:
        reader = stream.reader(shard.id, "TRIM_HORIZON").open()
        while (page := reader.read()).records:
            yield from ((shard.id, record) for record in page.records)
            if page.last:
                break
