"""The time the pipe goes by, so that tests can bring their own."""

import time
from typing import Protocol

SIGNAL_SECONDS = 0.2
"""A sleep is cut at this length, so that a signal to stop is seen soon."""


class Clock(Protocol):
    """Times in seconds."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait; may return earlier."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, at most `SIGNAL_SECONDS`."""
        time.sleep(min(seconds, SIGNAL_SECONDS))
