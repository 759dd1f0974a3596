"""The status of a pipe or mapping: counters and positions, in a file for others to read."""

import logging
from pathlib import Path

import msgspec

from local.clock import Clock
from sluice.errors import OperationError
from sluice.state import StateFile

STATUS_FILE = "status.json"

WRITE_SECONDS = 0.5
"""The file is replaced at most this often."""

log = logging.getLogger(__name__)


class ShardStatus(msgspec.Struct, rename="camel"):
    """One shard: the last sequence number that is done, and the age of the pending changes.

    `oldest_in_hand_at`: the epoch second of the oldest pending change; the shard's lag is
    `updated_at` less this, and zero when it is null. `caught_up`: the last read returned nothing
    more, and nothing is pending.
    """

    sequence_number: str | None = None
    oldest_in_hand_at: float | None = None
    caught_up: bool = False
    finished: bool = False


class Status(msgspec.Struct, rename="camel"):
    """A pipe or mapping since its start, in records.

    `given_up`: sent to the dead-letter queue or failure destination; `dropped`: given up without
    one. `stopped`: by StopPipe; its process goes on, and waits for StartPipe.
    """

    name: str
    stream_arn: str
    started_at: float
    updated_at: float = 0
    running: bool = True
    stopped: bool = False
    read: int = 0
    filtered_out: int = 0
    delivered: int = 0
    given_up: int = 0
    dropped: int = 0
    retries: int = 0
    last_failure: str | None = None
    shards: dict[str, ShardStatus] = msgspec.field(default_factory=dict)

    @property
    def in_hand(self) -> int:
        """Records read and neither filtered out, delivered, given up nor dropped."""
        done = self.filtered_out + self.delivered + self.given_up + self.dropped
        return self.read - done


class StatusFile:
    """Writes the status at most every `WRITE_SECONDS`, if it can: the work goes on without it."""

    def __init__(self, directory: Path) -> None:
        self._file = _state_file(directory)
        self._written_at = float("-inf")

    def write(self, status: Status, clock: Clock, *, force: bool = False) -> None:
        """Write the status as of now, unless it was written just before."""
        if not force and clock.monotonic() - self._written_at < WRITE_SECONDS:
            return
        status.updated_at = clock.now()
        try:
            self._file.write(status)
        except OperationError as error:
            log.warning("%s", error)
        self._written_at = clock.monotonic()


def read_status(directory: Path) -> Status | None:
    """Return the status last written to a state directory; None when there is none."""
    return _state_file(directory).read()


def _state_file(directory: Path) -> StateFile[Status]:
    return StateFile(directory / STATUS_FILE, Status, "a status of a pipe or mapping", "delete it")
