"""Watches the parts of a local run: restarts what can go on, and says so; ends the run with the
emulator, which holds all data in memory.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from local.processes import LocalRunError
from local.session import Report, Session

GOES_ON = {
    "firehose": "with the records of its journal",
    "pipe": "from its checkpoint",
    "mapping": "from its checkpoint",
    "page": "with what it reads anew",
    "api": "with the same table",
}
"""What each part goes on from, when it is restarted."""

LEFT_UNDONE = {
    "firehose": "changes wait in the table's stream",
    "pipe": "changes wait in the table's stream",
    "mapping": "changes wait in the table's stream",
    "page": "the rest of the run goes on",
    "api": "the rest of the run goes on",
}
"""What it means that a part is given up."""

PROBE_BYTES = 4096
"""Written to find out whether the run's folder has room."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, and how often it tries."""

    silent_seconds: float = 5.0
    """A part that is silent for longer is reported."""
    hung_seconds: float = 75.0
    """A part that is silent for longer is restarted; a request of the pipe may take 60 s."""
    invocation_seconds: float = 60.0
    """How much longer the mapping may be silent: the feed function may run for 120 s."""
    restarts: int = 5
    """A part that ends more often within `restart_seconds` is given up."""
    restart_seconds: float = 120.0


class Supervisor:
    """Watches one session."""

    def __init__(
        self,
        session: Session,
        report: Report,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._report = report
        self._patience = patience or Patience()
        self._now = now
        self._restarts: defaultdict[str, deque[float]] = defaultdict(deque)
        self._given_up: set[str] = set()
        self._pulses: dict[str, tuple[object, float]] = {}
        self._silent: set[str] = set()
        self._folder_error = ""

    def look(self) -> None:
        """Look at every part once. Raises LocalRunError when the emulator has ended."""
        session = self._session
        session.require_emulator()
        if not self._has_room() or (
            session.ministack and self._silence("emulator", "the emulator")
        ):
            # What the others wait for: their own silence, or a restart, would mean nothing.
            for name in session.processes:
                self._pulses.pop(name, None)
            return
        for name, process in list(session.processes.items()):
            if name in self._given_up:
                continue
            if end := process.end():
                self._restart(name, end)
            elif self._silence(name, process.name) > self._hung_seconds(name):
                self._restart(name, f"{process.name} did nothing for too long and was killed")

    def _has_room(self) -> bool:
        """Whether the run's folder can be written; report when that changes."""
        folder, before = self._session.folder, self._folder_error
        try:
            (folder / "probe").write_bytes(bytes(PROBE_BYTES))
            self._folder_error = ""
        except OSError as error:
            self._folder_error = error.strerror or str(error)
        if self._folder_error and not before:
            self._report(
                f"{folder} cannot be written: {self._folder_error}; "
                "changes wait, and nothing is restarted, until it can"
            )
        elif before and not self._folder_error:
            self._report(f"{folder} can be written again")
        return not self._folder_error

    def _hung_seconds(self, name: str) -> float:
        more = self._patience.invocation_seconds if name == "mapping" else 0.0
        return self._patience.hung_seconds + more

    def _silence(self, name: str, noun: str) -> float:
        """Return the seconds for which a part has done nothing; report a silence and its end."""
        now, pulse = self._now(), self._session.pulse(name)
        last, since = self._pulses.get(name, (None, now))
        if pulse != last or name not in self._pulses:
            self._pulses[name] = (pulse, now)
            if name in self._silent:
                self._silent.remove(name)
                self._report(f"{noun} works again")
            return 0.0
        seconds = now - since
        if seconds > self._patience.silent_seconds and name not in self._silent:
            self._silent.add(name)
            self._report(f"{noun} has done nothing for {seconds:.0f} s; waiting for it")
        return seconds

    def _restart(self, name: str, reason: str) -> None:
        """Restart a part, unless it ended too often."""
        session, patience, now = self._session, self._patience, self._now()
        process, restarts = session.processes[name], self._restarts[name]
        process.kill()
        self._pulses.pop(name, None)
        self._silent.discard(name)
        while restarts and now - restarts[0] > patience.restart_seconds:
            restarts.popleft()
        if len(restarts) >= patience.restarts:
            self._given_up.add(name)
            self._report(
                f"{reason}; given up after {len(restarts)} restarts, {LEFT_UNDONE[name]} "
                f"(log: {process.log})"
            )
            return
        restarts.append(now)
        self._report(f"{reason}; restarting it, it goes on {GOES_ON[name]}")
        try:
            session.starts[name]()
        except (LocalRunError, OSError) as error:
            session.require_emulator()
            session.processes[name].kill()
            first_line = str(error).splitlines()[0]
            self._report(f"{process.name} could not be restarted: {first_line}")
