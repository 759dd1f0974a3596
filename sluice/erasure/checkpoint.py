"""How far an erasure is, kept in a file until it is done.

The file names objects of the lake, and so may have values of partitions; it goes with the erasure.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluice.erasure.search import Findings
from sluice.state import StateFile

NOTED_SECONDS = 1.0
"""How often a search is noted at most."""


class Checkpoint:
    """The findings of an erasure, in a file if no other process keeps the same one."""

    def __init__(self, file: StateFile[Findings] | None) -> None:
        """Raise OperationError for a file that is not a checkpoint."""
        self._file = file
        self.findings = (file and file.read()) or Findings.new()
        self._noted = 0.0

    def note(self) -> None:
        """Write the findings, if it is time."""
        now = time.monotonic()
        if self._file and (self.findings.done or now - self._noted > NOTED_SECONDS):
            self._file.write(self.findings)
            self._noted = now

    def remove(self) -> None:
        """Remove the file: the erasure is done, or must be begun anew."""
        if self._file:
            self._file.path.unlink(missing_ok=True)


@contextmanager
def checkpoint(path: Path) -> Iterator[Checkpoint]:
    """Yield the checkpoint at a path; one that keeps nothing while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield Checkpoint(None)
            return
        remedy = "remove it to begin anew"
        yield Checkpoint(StateFile(path, Findings, "a checkpoint of an erasure", remedy))
        path.with_suffix(".lock").unlink(missing_ok=True)
