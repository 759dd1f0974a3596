"""The workload of a running stack, measured from its table's stream or from its lake.

Only a bounded part is read, so that a large stack is measured as quickly as a small one.
"""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from statistics import fmean
from typing import Any, NamedTuple

import msgspec

from chalicelib.change import CHANGE_TYPES, change_reader
from chalicelib.declaration import CHANGED_AT, Table
from chalicelib.errors import RecordError
from chalicelib.lines import line_encoder
from chalicelib.partitions import DATA_PREFIX
from sluice.errors import OperationError
from sluice.event import as_event, render
from sluice.items import item_writer, read_line
from sluice.lake import objects, read_objects
from sluice.planning.weights import item_bytes_of
from sluice.planning.workload import Workload
from sluice.stack import Stack
from sluice.stream import Shard, Stream

OBJECTS_LISTED_MAX = 20_000
OBJECTS_READ_MAX = 200
"""The newest objects of the lake, by which it is measured."""

PAGES_MAX = 20
"""Pages of a shard that are read, of a thousand records each at most."""

SHARDS_MAX = 20

LATE_MS = 3_600_000
"""An event time more than an hour ago counts as late."""


class ObservedChange(NamedTuple):
    """The part of a change that describes the workload."""

    kind: str
    site: str
    """The values of the layout's fields."""
    item_bytes: int
    changed_ms: float
    event_ms: float


def from_lake(stack: Stack, problems: list[str]) -> Workload:
    """Return the workload of the newest objects. Raises OperationError when they are too few.

    Adds a sentence on each damaged object to `problems`.
    """
    listed = islice(objects(stack, DATA_PREFIX), OBJECTS_LISTED_MAX)
    newest = heapq.nlargest(OBJECTS_READ_MAX, listed, key=lambda each: each.modified)
    read = line_reader(stack.table)
    changes = [
        change
        for _, content in read_objects(stack, newest, problems)
        for line in content
        if (change := read(line))
    ]
    return summarize(changes, rate(each.changed_ms for each in changes), "the lake")


def from_table(stack: Stack) -> Workload:
    """Return the workload of the stream's last day. Raises OperationError as `from_lake`."""
    name = stack.output("TableName")
    described = stack.dynamodb.describe_table(TableName=name)["Table"]
    arn = described.get("LatestStreamArn")
    if arn is None:
        raise OperationError(f"the table {name} has no stream; measure --from-lake instead")
    stream = Stream(stack.streams, arn)
    newest = stream.shards()[0][-SHARDS_MAX:]
    read = record_reader(stack.table, arn)
    shards = [
        [change for record in _records(stream, shard) if (change := read(record))]
        for shard in newest
    ]
    changes = [each for shard in shards for each in shard]
    # Each shard was read over a different stretch of time.
    together = sum(rate(each.changed_ms for each in shard) for shard in shards)
    workload = summarize(changes, together, f"the stream of {name}")
    return replace(workload, items=described.get("ItemCount", 0))


def summarize(changes: list[ObservedChange], changes_per_second: float, where: str) -> Workload:
    """Return the workload of these changes. Raises OperationError when they are too few."""
    if not changes_per_second:
        raise OperationError(
            f"{where} holds no changes of different seconds to measure; give the workload by "
            "--rate and the other options"
        )
    sites = Counter(each.site for each in changes)
    kinds = Counter(each.kind for each in changes)
    late = [each for each in changes if each.changed_ms - each.event_ms > LATE_MS]
    return Workload(
        changes_per_second=_rounded(changes_per_second),
        item_bytes=max(1, round(sum(each.item_bytes for each in changes) / len(changes))),
        sites=len(sites),
        skew=_skew(sorted(sites.values(), reverse=True)),
        updates=_rounded(kinds["MODIFY"] / len(changes)),
        deletes=_rounded(kinds["REMOVE"] / len(changes)),
        late=_rounded(len(late) / len(changes)),
        late_hours=_late_hours(late),
    )


def _late_hours(late: list[ObservedChange]) -> float:
    """Return the hours over which late event times are spread.

    That is as far as they reach back, but no more than the minutes that they use, if those are few.
    """
    if not late:
        return Workload(changes_per_second=1).late_hours
    furthest = max(each.changed_ms - each.event_ms for each in late) / 3_600_000
    minutes = len({each.event_ms // 60_000 for each in late})
    if minutes < len(late) / 2:
        furthest = min(furthest, minutes / 60)
    return min(87_600.0, _rounded(furthest))


def rate(moments_ms: Iterable[float]) -> float:
    """Return changes a second of these moments; 0 where they lie within one second."""
    moments = sorted(moments_ms)
    if len(moments) < 2 or moments[-1] - moments[0] < 1_000:
        return 0.0
    return (len(moments) - 1) * 1_000 / (moments[-1] - moments[0])


def _skew(counts: list[int]) -> float:
    """Return Zipf's exponent: minus the slope of log(count) over log(rank), by least squares.

    Ranks are weighted by their changes, so that the many rare sites do not decide.
    """
    ranks = [math.log(rank) for rank in range(1, len(counts) + 1)]
    logs = [math.log(count) for count in counts]
    mean_rank, mean_log = fmean(ranks, counts), fmean(logs, counts)
    spread = fmean([(rank - mean_rank) ** 2 for rank in ranks], counts)
    if not spread:
        return 0.0
    products = [
        (rank - mean_rank) * (log - mean_log) for rank, log in zip(ranks, logs, strict=True)
    ]
    return min(5.0, max(0.0, round(-fmean(products, counts) / spread, 2)))


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _records(stream: Stream, shard: Shard) -> Iterator[Any]:
    """The records of a shard's first pages."""
    reader = stream.reader(shard.id, "TRIM_HORIZON")
    for _ in range(PAGES_MAX):
        page = reader.read()
        yield from page.records
        if page.last:
            return


def line_reader(table: Table) -> Callable[[bytes], ObservedChange | None]:
    """Return a function from a line of the lake to its part, None where it is not a change."""
    write_item = item_writer(table)
    fields = [level.name for level in table.levels if level.attribute is not None]
    event_time = table.time_line_name

    def read(line: bytes) -> ObservedChange | None:
        document = read_line(line)
        try:
            if document["changeType"] not in CHANGE_TYPES:
                return None
            return ObservedChange(
                document["changeType"],
                "/".join(str(document.get(field)) for field in fields),
                item_bytes_of(write_item(document)),
                float(document[CHANGED_AT]),
                float(document[event_time]),
            )
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
            return None

    return read


def record_reader(table: Table, stream_arn: str) -> Callable[[Any], ObservedChange | None]:
    """Return a function from a stream record to its part, None where no line is made of it."""
    # An item is measured as the table has it, and nothing of it is kept.
    bare = msgspec.structs.replace(table, protect={})
    read_change, encode, read_line = change_reader(bare), line_encoder(bare), line_reader(bare)

    def read(record: Any) -> ObservedChange | None:
        try:
            line = read_change(render(as_event(record, stream_arn)))
        except RecordError:
            return None
        return None if line is None else read_line(encode(line))

    return read
