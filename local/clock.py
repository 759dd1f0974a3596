"""The time that the local parts go by; tests bring their own.

What waits goes by the monotonic time: the clock may be set back. Names and timestamps have the
clock's.
"""

import time

SIGNAL_SECONDS = 0.2
"""A sleep is cut at this length, so that a signal to stop is seen soon."""


class Clock:
    """The machine's clock."""

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return time.time()

    def now_ms(self) -> int:
        """Return the milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the seconds since some moment; never goes back."""
        return time.monotonic()

    def monotonic_ms(self) -> int:
        """Return the milliseconds since some moment; never goes back."""
        return round(self.monotonic() * 1000)

    def sleep(self, seconds: float) -> None:
        """Wait, at most `SIGNAL_SECONDS`."""
        time.sleep(min(seconds, SIGNAL_SECONDS))
