"""Records that were acknowledged and are not settled yet: neither delivered nor dropped.

With a journal they outlive the process, as AWS keeps an acknowledged record for 24 hours. The
journal is written before a put is answered; it withstands a kill, not a loss of power.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from msgspec import Struct

from local.clock import Clock
from sluice.errors import OperationError


class BufferedRecord(Struct, frozen=True, gc=False):
    """A record as it was put. `sequence` names it for good; `arrived` is epoch ms."""

    sequence: int
    arrived: int
    data: bytes

    @property
    def id(self) -> str:
        """The record's id, on the wire and in the processor's event: opaque digits."""
        return str(self.sequence)


class JournalError(OperationError):
    """A journal that cannot be used; the message says which and why."""


class Journal:
    """Unsettled records in an SQLite file, for one process and any number of streams."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(path, timeout=0)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS record"
                " (stream TEXT, sequence INTEGER, arrived INTEGER, data BLOB,"
                " PRIMARY KEY (stream, sequence))"
            )
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {path} cannot be used ({error}); if another server uses it, stop that "
                "server or name another file"
            ) from error

    def unsettled(self, stream: str) -> list[BufferedRecord]:
        """A stream's records, oldest first."""
        rows = self._database.execute(
            "SELECT sequence, arrived, data FROM record WHERE stream = ? ORDER BY sequence",
            (stream,),
        )
        return [BufferedRecord(*row) for row in rows]

    def add(self, stream: str, records: Iterable[BufferedRecord]) -> None:
        """Keep records, all or none. Raises JournalError."""
        with self._writing():
            self._database.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                [(stream, record.sequence, record.arrived, record.data) for record in records],
            )

    def remove(self, stream: str, sequences: Iterable[int]) -> None:
        """Forget settled records. Raises JournalError."""
        with self._writing():
            self._database.executemany(
                "DELETE FROM record WHERE stream = ? AND sequence = ?",
                [(stream, sequence) for sequence in sequences],
            )

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Make one transaction of all changes."""
        try:
            with self._database:
                yield
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {self._path} cannot be written ({error}); make room on its disk"
            ) from error


class Ledger:
    """The records that one stream has acknowledged and not settled."""

    def __init__(self, stream: str, clock: Clock, journal: Journal | None = None) -> None:
        self._stream = stream
        self._clock = clock
        self._journal = journal
        self._accepted_ms: dict[int, int] = {}
        """When each unsettled record was accepted, by the monotonic clock."""
        self.kept = journal.unsettled(stream) if journal else []
        """Records a former process acknowledged and did not settle."""
        now, monotonic = clock.now_ms(), clock.monotonic_ms()
        for record in self.kept:
            self._accepted_ms[record.sequence] = monotonic - max(0, now - record.arrived)
        last = self.kept[-1].sequence if self.kept else 0
        self._sequences = count(max(now * 1_000_000, last + 1))

    def accept(self, data: Sequence[bytes]) -> list[BufferedRecord]:
        """Return new records, arriving now, which may be acknowledged. Raises JournalError."""
        now = self._clock.now_ms()
        records = [BufferedRecord(next(self._sequences), now, item) for item in data]
        if self._journal:
            self._journal.add(self._stream, records)
        accepted = self._clock.monotonic_ms()
        self._accepted_ms.update((record.sequence, accepted) for record in records)
        return records

    def settle(self, sequences: Sequence[int]) -> None:
        """Forget records that are delivered or dropped. Raises JournalError, forgetting none."""
        if self._journal:
            self._journal.remove(self._stream, sequences)
        for sequence in sequences:
            del self._accepted_ms[sequence]

    @property
    def unsettled(self) -> int:
        """How many records are still on their way."""
        return len(self._accepted_ms)

    @property
    def oldest_age_ms(self) -> int:
        """How long ago the oldest unsettled record arrived; 0 when there is none."""
        accepted = next(iter(self._accepted_ms.values()), None)
        return 0 if accepted is None else self._clock.monotonic_ms() - accepted
