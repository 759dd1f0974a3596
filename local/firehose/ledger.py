"""Records that were acknowledged and are not settled yet: neither delivered nor dropped.

With a journal they outlive the process, as AWS keeps an acknowledged record for 24 hours. The
journal is written before a put is answered; it withstands a kill, not a loss of power.
"""

import sqlite3
from collections.abc import Iterable, Sequence
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
        """Keep records, all or none."""
        with self._database:
            self._database.executemany(
                "INSERT INTO record VALUES (?, ?, ?, ?)",
                [(stream, record.sequence, record.arrived, record.data) for record in records],
            )

    def remove(self, stream: str, sequences: Iterable[int]) -> None:
        """Forget settled records."""
        with self._database:
            self._database.executemany(
                "DELETE FROM record WHERE stream = ? AND sequence = ?",
                [(stream, sequence) for sequence in sequences],
            )

    def close(self) -> None:
        """Release the file."""
        self._database.close()


class Ledger:
    """What one stream has acknowledged and not settled."""

    def __init__(self, stream: str, clock: Clock, journal: Journal | None = None) -> None:
        self._stream = stream
        self._clock = clock
        self._journal = journal
        self._arrivals: dict[int, int] = {}
        self.kept = journal.unsettled(stream) if journal else []
        """Records a former process acknowledged and did not settle."""
        self._arrivals.update((record.sequence, record.arrived) for record in self.kept)
        last = self.kept[-1].sequence if self.kept else 0
        self._sequences = count(max(clock.now_ms() * 1_000_000, last + 1))

    def accept(self, data: Sequence[bytes]) -> list[BufferedRecord]:
        """New records, arriving now; once this returns they may be acknowledged."""
        now = self._clock.now_ms()
        records = [BufferedRecord(next(self._sequences), now, item) for item in data]
        if self._journal:
            self._journal.add(self._stream, records)
        self._arrivals.update((record.sequence, now) for record in records)
        return records

    def settle(self, sequences: Sequence[int]) -> None:
        """Records are delivered or dropped: their work is done."""
        if self._journal:
            self._journal.remove(self._stream, sequences)
        for sequence in sequences:
            del self._arrivals[sequence]

    @property
    def unsettled(self) -> int:
        """How many records are still on their way."""
        return len(self._arrivals)

    @property
    def oldest_age_ms(self) -> int:
        """How long ago the oldest unsettled record arrived; 0 when there is none."""
        arrived = next(iter(self._arrivals.values()), None)
        return 0 if arrived is None else max(0, self._clock.now_ms() - arrived)
