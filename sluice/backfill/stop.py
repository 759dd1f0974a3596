"""Ends a backfill's threads early, between two pages or during a pause."""

from threading import Event

from sluice.errors import StoppedError


class Stop:
    """A request to stop, seen by every thread."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Ask every thread to stop."""
        self._event.set()

    def pause(self, seconds: float = 0) -> None:
        """Sleep. Raises StoppedError at once when asked to stop."""
        if self._event.wait(seconds) if seconds > 0 else self._event.is_set():
            raise StoppedError
