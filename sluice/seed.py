"""Synthetic records, written through the API as any client would, or straight to the table."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.declaration import Table
from chalicelib.keys import Item, key_of, path_of
from chalicelib.limits import BATCH_WRITES_MAX
from chalicelib.retry import retrying
from sluice.api import Api
from sluice.errors import UnavailableError
from sluice.stack import Stack
from sluice.synthesis import JsonRecord, Synthesis, item_of, kind_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH = 100
ATTEMPTS = 8

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


class RecordWriter(Protocol):
    """Writes and deletes records of some kinds."""

    def put(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records with different keys. Raises OperationError when they are refused."""

    def delete(self, record: Mapping[str, Any]) -> None:
        """Delete the record with this one's key. Raises OperationError when that is refused."""


class ApiWriter:
    """Writes records of declared kinds through the API."""

    def __init__(self, table: Table, api: Api) -> None:
        self._table = table
        self._api = api

    def put(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records in one request."""
        self._api.request("POST", "/records/batch", records)

    def delete(self, record: Mapping[str, Any]) -> None:
        """Delete a record."""
        path = path_of(self._table, item_of(self._table, record))
        self._api.request("DELETE", f"/records/{path}")


class TableWriter:
    """Writes records of any kind straight to the table."""

    def __init__(self, table: Table, client: "DynamoDBClient", name: str) -> None:
        self._table = table
        self._client = client
        self._name = name

    def put(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records."""
        put_items(self._client, self._name, (item_of(self._table, each) for each in records))

    def delete(self, record: Mapping[str, Any]) -> None:
        """Delete a record."""
        key = key_of(self._table, item_of(self._table, record))
        self._client.delete_item(TableName=self._name, Key=key)


def put_items(client: "DynamoDBClient", table_name: str, items: Iterable[Item]) -> None:
    """Write items with different keys. Raises UnavailableError while the table is throttled."""
    write_requests(client, table_name, ({"PutRequest": {"Item": item}} for item in items))


def write_requests(client: "DynamoDBClient", table_name: str, requests: Iterator[Any]) -> None:
    """Put and delete items with different keys, as BatchWriteItem has it.

    Raises UnavailableError while the table is throttled.
    """
    while batch := list(islice(requests, BATCH_WRITES_MAX)):
        for _ in retrying(ATTEMPTS, 0.1, 3.2, time.sleep):
            answer = client.batch_write_item(RequestItems={table_name: batch})
            if not (batch := list(answer["UnprocessedItems"].get(table_name, ()))):
                break
        else:
            raise UnavailableError(f"DynamoDB is throttling the table {table_name}")


def writers(stack: Stack) -> tuple[RecordWriter, RecordWriter]:
    """Return how records are written to a stack: those of declared kinds, and those of none.

    Both go straight to the table where the stack has no API.
    """
    straight = TableWriter(stack.table, stack.dynamodb, stack.output("TableName"))
    has_api = "ApiUrl" in stack.outputs
    return ApiWriter(stack.table, Api(stack.api_url)) if has_api else straight, straight


def records(
    table: Table, count: int, chance: Random, groups: int = GROUPS, minutes: int = MINUTES
) -> list[JsonRecord]:
    """Return records of a table, of every kind in turn, as the API's JSON has them.

    Raises OperationError where the declaration's rules allow too few.
    """
    return [record for _, record in Synthesis(table, chance, groups, minutes).records(count)]


def seed(
    table: Table,
    declared: RecordWriter,
    undeclared: RecordWriter,
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

    Records of declared kinds and those of none have a writer each. With `samples`, the
    declaration's examples come first. A record that no change leaves in its place is not changed.
    `rate` bounds the changes a second. `progress` is called with the number of changes since its
    last call. Raises OperationError when a writer does.
    """
    chance = chance or Random()  # noqa: S311
    synthesis = Synthesis(table, chance, groups, minutes)
    new = list(synthesis.records(count))
    sample = chance.sample(new, changes + deletes)
    examples = [(kind_of(table, example), example) for example in table.examples if samples]
    altered = [
        (kind, changed)
        for kind, record in sample[:changes]
        if (changed := synthesis.changed(kind, record)) is not None
    ]
    pace = _Pace(rate, progress)

    def writer_of(kind: str) -> RecordWriter:
        return declared if table.shape(kind).is_declared else undeclared

    for step in (examples, new, altered):
        for writer in dict.fromkeys((declared, undeclared)):
            own = [record for kind, record in step if writer_of(kind) is writer]
            for start in range(0, len(own), BATCH):
                batch = own[start : start + BATCH]
                writer.put(batch)
                pace.count(len(batch))
    for kind, record in sample[changes:]:
        writer_of(kind).delete(record)
        pace.count(1)
    return Seeded(len(examples) + len(new), len(altered), deletes)


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
