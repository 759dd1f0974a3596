"""A budget of read capacity, shared between threads that scan one table."""

import time
from collections.abc import Callable
from threading import Lock

PAGE_ITEMS_FIRST = 100
PAGE_ITEMS_MAX = 10_000

RATE_MIN = 0.5
"""Units a second below which throttling does not push the rate: one small page in a second."""

RECOVERY = 1 / 20
"""Part of the budget that each page read gives back to a rate which throttling has lowered."""


class ReadCapacity:
    """Read units a second: the budget, and less of it while the table throttles.

    A read is paid for once its cost is known; the next one waits until all are paid for. The page
    size makes the reads of all threads together cost about one second's budget.
    """

    def __init__(
        self, units_per_second: float, threads: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget = units_per_second
        self._rate = units_per_second
        self._threads = threads
        self._clock = clock
        self._paid_at = clock()
        self._page_items = PAGE_ITEMS_FIRST
        self._lock = Lock()

    @property
    def page_items(self) -> int:
        """The largest number of items that the next page should have."""
        return self._page_items

    def delay(self) -> float:
        """Return the seconds until the next read may begin; 0 or less for at once."""
        with self._lock:
            return self._paid_at - self._clock()

    def spent(self, units: float, items: int) -> None:
        """Pay for a page of so many items."""
        with self._lock:
            self._paid_at = max(self._paid_at, self._clock()) + units / self._rate
            self._rate = min(self._budget, self._rate + self._budget * RECOVERY)
            if units and items:
                affordable = int(self._rate / self._threads * items / units)
                self._page_items = min(max(affordable, 1), PAGE_ITEMS_MAX)

    def throttled(self) -> None:
        """Halve the rate: the table allows less than the budget."""
        with self._lock:
            self._rate = max(self._rate / 2, min(RATE_MIN, self._budget))
