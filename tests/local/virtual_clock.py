"""A clock that does not wait."""

import time

from local.clock import Clock


class VirtualClock(Clock):
    """Starts now; sleeping takes no time, it passes."""

    def __init__(self) -> None:
        self._now = time.time()
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds
