"""What becomes of a flow of changes in the delivery stream: the figures, however they were found.

Below, a partition is active while its buffer holds data: from its first line until the interval is
over or the buffer is full.
"""

from dataclasses import dataclass

POINTS = 60
"""Moments at which the course of the active partitions is told."""

PHASES = 6
"""How batches for the transform may lie to the beginning of a period: so many ways are tried, as
slow batches drift against the clock by little."""

TRANSIENT = 4
"""So many intervals after a partition's first line, its buffer comes and goes evenly."""


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
        """How long after the beginning of a period the active partitions come and go unevenly."""
        settled = TRANSIENT * max(self.seconds, self.transform_seconds)
        return settled if period is None else min(period, settled)


@dataclass(frozen=True, slots=True)
class Waits:
    """How long changes wait in the stream, in seconds, from their put to the writing of theirs."""

    median: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """A steady flow's figures."""

    active: tuple[float, ...]
    """Active partitions from the beginning of a period of the finest time level on, at even
    distances."""
    course_seconds: float
    """How long that is seen for."""
    active_mean: float
    active_peak: float
    objects_per_second: float
    lines_per_object: float
    invocations_per_second: float
    records_per_invocation: float
    waits: Waits
    simulated: int
    """Changes that were simulated one by one; 0 for expected values."""
