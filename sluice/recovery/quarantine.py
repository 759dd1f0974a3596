"""The quarantine: every record below `errors/` that has not been put again."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from chalicelib.partitions import ERROR_PREFIX
from sluice.lake import Stored, objects
from sluice.recovery.error_lines import Quarantined, read_object
from sluice.recovery.progress import Progress
from sluice.stack import Stack


@dataclass(frozen=True, slots=True)
class Selection:
    """Which quarantined records are meant; all of them by default."""

    code: str | None = None
    since: datetime | None = None

    def takes(self, record: Quarantined, stored: Stored) -> bool:
        """Whether a record of an error object is meant."""
        if self.code is not None and record.code != self.code:
            return False
        return self.since is None or failed_at(record, stored) >= self.since.timestamp() * 1000


def failed_at(record: Quarantined, stored: Stored) -> int:
    """When the record was given up, epoch ms; where it does not tell, when its object was made."""
    if record.failed_at is not None:
        return record.failed_at
    return round(stored.modified.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class ErrorObject:
    """An error object with its records."""

    stored: Stored
    records: list[Quarantined]
    replayed: set[int]
    """The lines that were put again already."""

    @property
    def waiting(self) -> list[Quarantined]:
        """The records that were not put again yet."""
        return [record for record in self.records if record.line not in self.replayed]


def error_objects(
    stack: Stack, stored: Iterable[Stored], progress: Progress
) -> Iterator[ErrorObject]:
    """Read error objects, one at a time."""
    for each in stored:
        body = stack.s3.get_object(Bucket=stack.bucket, Key=each.key)["Body"].read()
        yield ErrorObject(each, read_object(body), progress.replayed(each.key))


@dataclass(frozen=True, slots=True)
class Failure:
    """A quarantined record and where it lies."""

    record: Quarantined
    key: str
    failed_at: int


def failures(
    stack: Stack,
    selection: Selection,
    keep_payloads: bool = False,
    progress: Callable[[int, int], None] = lambda _read, _total: None,
) -> list[Failure]:
    """The chosen records that wait in quarantine, the latest first.

    `progress` is told how many of how many error objects were read.
    """
    stored = list(objects(stack, ERROR_PREFIX))
    found: list[Failure] = []
    for read, each in enumerate(error_objects(stack, stored, Progress(stack)), 1):
        for record in each.waiting:
            if selection.takes(record, each.stored):
                kept = record if keep_payloads else replace(record, payload=None)
                found.append(Failure(kept, each.stored.key, failed_at(record, each.stored)))
        progress(read, len(stored))
    return sorted(found, key=lambda failure: failure.failed_at, reverse=True)
