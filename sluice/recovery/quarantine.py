"""The quarantine: what could not be delivered and has not been replayed.

Records that Firehose gave up lie below `errors/`, changes that the feed function gave up below
`aws/lambda/`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from msgspec.structs import replace

from chalicelib.objects import Stored
from chalicelib.partitions import ERROR_PREFIX, FEED_FAILURES
from sluice.errors import OperationError
from sluice.lake import damaged, objects, read_body
from sluice.recovery.changes import stream_arns
from sluice.recovery.error_lines import FailedRecord, read_object, unreadable
from sluice.recovery.feed_failures import read_failure
from sluice.recovery.progress import Progress
from sluice.stack import Stack

QUARANTINE = (ERROR_PREFIX, FEED_FAILURES)


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects quarantined records; all of them by default."""

    code: str | None = None
    since: datetime | None = None

    def takes(self, record: FailedRecord, stored: Stored) -> bool:
        """Whether a record of an error object is selected."""
        if self.code is not None and record.code != self.code:
            return False
        return self.since is None or failed_at(record, stored) >= self.since.timestamp() * 1000


def failed_at(record: FailedRecord, stored: Stored) -> int:
    """Return when the record was given up, or else when its object was written; epoch ms."""
    if record.failed_at is not None:
        return record.failed_at
    return round(stored.modified.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """An object of the quarantine with its records."""

    stored: Stored
    records: list[FailedRecord]
    replayed: set[int]
    """The lines that were replayed already."""

    @property
    def is_readable(self) -> bool:
        """Whether its records could be read, or it is one that says why not."""
        return all(record.line for record in self.records)

    @property
    def waiting(self) -> list[FailedRecord]:
        """The records that were not replayed yet."""
        return [record for record in self.records if record.line not in self.replayed]


def stored_below(stack: Stack, prefixes: Sequence[str] = QUARANTINE) -> list[Stored]:
    """Return the objects of the quarantine, or of a part of it."""
    return list(chain.from_iterable(objects(stack, prefix) for prefix in prefixes))


def error_objects(
    stack: Stack, stored: Iterable[Stored], progress: Progress
) -> Iterator[ErrorObject]:
    """Read objects of the quarantine, one at a time.

    One that cannot be read, or whose note of replayed lines cannot, is a record that names it.
    """
    for each in stored:
        try:
            records = _records(stack, each.key)
            yield ErrorObject(each, records, progress.replayed(each.key))
        except OperationError as broken:
            yield ErrorObject(each, [unreadable(0, str(broken))], set())


def _records(stack: Stack, key: str) -> list[FailedRecord]:
    body = read_body(stack, key)
    if not key.startswith(FEED_FAILURES):
        return read_object(body)
    try:
        return read_failure(body, stream_arns(stack))
    except ValueError as reason:
        raise damaged(stack, key, str(reason)) from None


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A quarantined record, and the error object that holds it."""

    record: FailedRecord
    key: str
    failed_at: int
    reason: str | None = None
    """Why the transform cannot read the payload: field and rule. None when it can."""

    @property
    def is_change(self) -> bool:
        """Whether it is a change that the feed gave up, and not a record that Firehose did."""
        return self.key.startswith(FEED_FAILURES)


def read_quarantine(
    stack: Stack,
    selection: Selection,
    reason: Callable[[bytes], str | None],
    keep_payloads: bool = False,
    progress: Callable[[int, int], None] = lambda _read, _total: None,
) -> list[QuarantinedRecord]:
    """Return the selected records that wait in quarantine, the latest first.

    `reason` returns why the transform cannot read a payload (sluice/transform.py). `progress` is
    called with the number of objects read, and of all.
    """
    stored = stored_below(stack)
    records: list[QuarantinedRecord] = []
    for read, each in enumerate(error_objects(stack, stored, Progress(stack)), 1):
        for record in each.waiting:
            if selection.takes(record, each.stored):
                kept = record if keep_payloads else replace(record, payload=None)
                time = failed_at(record, each.stored)
                cause = (
                    reason(record.payload)
                    if record.payload is not None and record.obstacle is None
                    else None
                )
                records.append(QuarantinedRecord(kept, each.stored.key, time, cause))
        progress(read, len(stored))
    return sorted(records, key=lambda record: record.failed_at, reverse=True)
