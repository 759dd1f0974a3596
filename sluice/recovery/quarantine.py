"""The quarantine: every record below `errors/` that has not been replayed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from chalicelib.objects import Stored
from chalicelib.partitions import ERROR_PREFIX
from sluice.errors import OperationError
from sluice.lake import objects, read_body
from sluice.recovery.error_lines import FailedRecord, read_object, unreadable
from sluice.recovery.progress import Progress
from sluice.stack import Stack


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
    """Return when Firehose gave the record up, or else when its object was written; epoch ms."""
    if record.failed_at is not None:
        return record.failed_at
    return round(stored.modified.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """An error object with its records."""

    stored: Stored
    records: list[FailedRecord]
    replayed: set[int]
    """The lines that were replayed already."""

    @property
    def waiting(self) -> list[FailedRecord]:
        """The records that were not replayed yet."""
        return [record for record in self.records if record.line not in self.replayed]


def error_objects(
    stack: Stack, stored: Iterable[Stored], progress: Progress
) -> Iterator[ErrorObject]:
    """Read error objects, one at a time.

    One that cannot be read, or whose note of replayed lines cannot, is a record that names it.
    """
    for each in stored:
        try:
            records = read_object(read_body(stack, each.key))
            yield ErrorObject(each, records, progress.replayed(each.key))
        except OperationError as damaged:
            yield ErrorObject(each, [unreadable(0, str(damaged))], set())


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A quarantined record, and the error object that holds it."""

    record: FailedRecord
    key: str
    failed_at: int
    reason: str | None = None
    """Why the transform cannot read the payload: field and rule. None when it can."""


def read_quarantine(
    stack: Stack,
    selection: Selection,
    reason: Callable[[bytes], str | None],
    keep_payloads: bool = False,
    progress: Callable[[int, int], None] = lambda _read, _total: None,
) -> list[QuarantinedRecord]:
    """Return the selected records that wait in quarantine, the latest first.

    `reason` returns why the transform cannot read a payload (sluice/transform.py). `progress` is
    called with the number of error objects read, and of all.
    """
    stored = list(objects(stack, ERROR_PREFIX))
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
