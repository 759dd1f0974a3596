"""The figures of a delivery stream under a steady flow of changes, simulated or expected.

Below, a partition is active while its buffer holds data: from its first line until the interval is
over or the buffer is full.
"""

from collections.abc import Iterator
from dataclasses import dataclass

POINTS = 60
"""Moments at which the number of active partitions is given."""

PHASES = 6
"""The number of offsets tried between the transform's batches and the beginning of a period, as
slow batches drift against the clock by little."""

TRANSIENT = 4
"""Intervals after a partition's first line until its buffer comes and goes evenly."""


@dataclass(frozen=True, slots=True)
class BufferLimits:
    """How the stream gathers records for the transform, and then lines for each partition."""

    seconds: float
    size: float
    """Bytes of lines, before compression."""
    transform_seconds: float
    transform_size: float
    """Bytes of records."""

    def course_seconds(self, period: float | None) -> float:
        """Return how long from the beginning of a period active partitions are uneven."""
        settled = TRANSIENT * max(self.seconds, self.transform_seconds)
        return settled if period is None else min(period, settled)

    def moments(self, period: float | None) -> Iterator[float]:
        """The moments of that time at which the number of active partitions is given."""
        for point in range(POINTS):
            yield self.course_seconds(period) * (point + 0.5) / POINTS


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds that changes wait in the stream, from their put until their object is written."""

    median: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The figures of a steady flow."""

    active: tuple[float, ...]
    """Active partitions at even distances from the beginning of a period on."""
    course_seconds: float
    """The time that those cover."""
    active_mean: float
    active_peak: float
    objects_per_second: float
    lines_per_object: float
    invocations_per_second: float
    records_per_invocation: float
    waits: Waits
    simulated: int
    """Changes that were simulated one by one; 0 for expected values."""
