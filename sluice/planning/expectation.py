"""The expected values of a delivery, for flows too large to follow change by change.

Changes of one site arrive at random (as a Poisson process). They reach the partitions in steps: the
batches that the transform answers. In each step an inactive partition is opened when the step
brings it a change, so the chances of being opened follow one from another; from them come active
partitions, objects and waiting times.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluice.planning.forecast import PHASES, POINTS, TRANSIENT, BufferLimits, Forecast, Waits
from sluice.planning.weights import Weights
from sluice.planning.workload import SiteGroup, Workload

STEPS = 30
"""Steps of an interval, where batches come faster than that."""

SPREAD = 2.0
"""The peak is this many standard deviations above the highest expected value."""

_EPSILON = 1e-6
"""Seconds that do not count, so that rounding does not."""

_BATCH_PARTS = 10
"""The places in its batch that a change may have, where a batch takes more than a second."""


@dataclass(frozen=True, slots=True)
class _Flow:
    """How changes reach the partitions."""

    line: float
    """Bytes of a line."""
    batch_seconds: float
    buffering: BufferLimits

    def interval(self, rate: float) -> float:
        """Return how long a buffer is open: min(its seconds, its size / (rate · line))."""
        return min(self.buffering.seconds, self.buffering.size / (rate * self.line))

    def step(self, seconds: float) -> float:
        """Return the time between two steps: a batch, or of quick ones, many."""
        return max(self.batch_seconds, seconds / STEPS)


@dataclass(frozen=True, slots=True)
class _Partitions:
    """The expected values of one site's partitions."""

    objects: float
    """Opened a second."""
    interval: float
    """Seconds that each is active."""
    course: Sequence[Sequence[float]]
    """Active partitions by phase, at each point of the period."""
    waits: Sequence[tuple[float, float]]
    """Seconds in the partition, and how many changes a second wait so long."""


def expect(
    workload: Workload,
    weights: Weights,
    groups: Sequence[SiteGroup],
    period: float | None,
    buffering: BufferLimits,
) -> Forecast:
    """Return the figures of a workload, for a layout of this period with these partitions."""
    rate = workload.changes_per_second
    in_a_batch = max(1.0, buffering.transform_size / weights.record)
    # The time of a batch runs from its first change.
    batch_seconds = min(buffering.transform_seconds + 1 / rate, in_a_batch / rate)
    flow = _Flow(weights.line, batch_seconds, buffering)
    parts = [
        (group.count, part)
        for group in groups
        for part in _site(flow, workload, group.share * rate, period)
    ]
    objects = sum(part.objects * sites for sites, part in parts)
    courses = [_course(parts, phase) for phase in range(PHASES)]
    highest = max(courses, key=lambda course: max(mean for mean, _ in course))
    return Forecast(
        active=tuple(mean for mean, _ in highest),
        course_seconds=buffering.course_seconds(period),
        active_mean=sum(part.objects * part.interval * sites for sites, part in parts),
        active_peak=max(mean + SPREAD * math.sqrt(variance) for mean, variance in highest),
        objects_per_second=objects,
        lines_per_object=rate / objects,
        invocations_per_second=1 / batch_seconds,
        records_per_invocation=rate * batch_seconds,
        waits=_waits(parts, batch_seconds),
        simulated=0,
    )


def _site(
    flow: _Flow, workload: Workload, rate: float, period: float | None
) -> Iterator[_Partitions]:
    """The partitions of a site: those of the present, and those of late event times."""
    if period is None:
        yield _steady(flow, rate, 1)
        return
    if workload.late < 1:
        yield _in_periods(flow, rate * (1 - workload.late), period)
    if workload.late:
        periods = max(1.0, workload.late_hours * 3600 / period)
        yield _steady(flow, rate * workload.late / periods, periods)


def _course(parts: Sequence[tuple[int, _Partitions]], phase: int) -> list[tuple[float, float]]:
    """Return the mean and the variance of all active partitions at each point of a phase.

    Of a site's expected number m, only the part that is not whole is open to chance:
    mean = Σ m, variance = Σ f (1 - f) with f = m mod 1.
    """
    course = []
    for point in range(POINTS):
        numbers = [(sites, part.course[phase][point]) for sites, part in parts]
        mean = sum(number * sites for sites, number in numbers)
        variance = sum(number % 1 * (1 - number % 1) * sites for sites, number in numbers)
        course.append((mean, variance))
    return course


def _waits(parts: Sequence[tuple[int, _Partitions]], batch_seconds: float) -> Waits:
    """Return the waiting times of all changes: first in the batch, then in the partition."""
    places = _BATCH_PARTS if batch_seconds > 1 else 1
    changes: dict[float, float] = defaultdict(float)
    for sites, part in parts:
        for seconds, count in part.waits:
            for place in range(places):
                wait = seconds + (place + 0.5) / places * batch_seconds
                changes[round(wait, 2)] += count * sites / places
    longest = max(seconds for _, part in parts for seconds, _ in part.waits) + batch_seconds
    return Waits(_quantile(changes, 0.5), _quantile(changes, 0.99), longest)


def _quantile(changes: dict[float, float], share: float) -> float:
    """Return the wait that this share of the changes does not exceed."""
    needed, reached = share * math.fsum(changes.values()), 0.0
    for seconds in sorted(changes):
        reached += changes[seconds]
        if reached >= needed:
            return seconds
    return max(changes)


def _chance(expected: float) -> float:
    """Return the chance of at least one change, where this many are expected: 1 - exp(-n)."""
    return -math.expm1(-expected)


def _steps_open(interval: float, step: float) -> int:
    """Return how many steps after its opening still find a buffer open: ⌈interval / step⌉ - 1."""
    return math.ceil(round(interval / step, 9)) - 1


def _opened_steadily(rate: float, step: float, interval: float) -> float:
    """Return the chance of a step to open a partition that gets changes at an even rate for ever.

    A buffer that was opened is open for k more steps. Then each step opens it again with the chance
    p of bringing a change, which takes 1 / p steps on average: opened = 1 / (k + 1 / p).
    """
    return 1 / (_steps_open(interval, step) + 1 / _chance(rate * step))


def _steady_waits(
    rate: float, step: float, interval: float, changes: float
) -> list[tuple[float, float]]:
    """Return how long changes wait in a partition with an even rate.

    Each of the k steps before may have opened the buffer: with the chance `opened` a change waits
    interval - lag · step, for lag = 1 … k, and with the chance 1 - k · opened the whole interval.
    """
    after, opened = _steps_open(interval, step), _opened_steadily(rate, step, interval)
    lags = [(interval - lag * step, changes * opened) for lag in range(1, after + 1)]
    return [(interval, changes * (1 - after * opened)), *lags]


def _steady(flow: _Flow, rate: float, partitions: float) -> _Partitions:
    """Return the values of partitions that get changes at an even rate for ever."""
    interval = flow.interval(rate)
    step = flow.step(interval)
    objects = _opened_steadily(rate, step, interval) / step * partitions
    course = [[objects * interval] * POINTS] * PHASES
    return _Partitions(
        objects, interval, course, _steady_waits(rate, step, interval, rate * partitions)
    )


def _in_periods(flow: _Flow, rate: float, period: float) -> _Partitions:
    """Return the values of a partition for each period, which gets changes for that long.

    Of a period much longer than an interval, the beginning is computed step by step, and the rest
    as steady: steadily opened partitions are active for an interval each.
    """
    interval = flow.interval(rate)
    step = flow.step(min(interval, period))
    beginning = min(period, TRANSIENT * max(interval, step))
    rest = 1 - beginning / period
    opened = _opened_steadily(rate, step, interval) / step if rest else 0.0
    waits = _steady_waits(rate, step, interval, rate * rest) if rest else []
    # Buffers of these many periods may be open together; of a long one, only the steady end.
    together = 1 if rest else math.ceil((interval + period + step) / period)
    # Batches that come faster than the steps lie evenly in any period.
    quick = step > flow.batch_seconds
    phases = 1 if quick else PHASES
    objects, course = opened * rest, []
    for phase in range(phases):
        first = step * (phase + 0.5) / phases
        backs = [number * period for number in range(together)]
        firsts = [first if quick else (first + back) % step for back in backs]
        openings = [_openings(rate, beginning, step, each, interval, quick) for each in firsts]
        objects += math.fsum(openings[0].chances) / period / phases
        waits += openings[0].waits(rate / period / phases)
        course.append(
            [
                # The partition of a former, long period empties while the new one fills.
                opened * max(0.0, interval - moment)
                + math.fsum(
                    each.active(moment + back) for each, back in zip(openings, backs, strict=True)
                )
                if moment < beginning
                else opened * interval
                for moment in flow.buffering.moments(period)
            ]
        )
    return _Partitions(objects, interval, course * (PHASES // phases), waits)


@dataclass(frozen=True, slots=True)
class _Openings:
    """The steps that bring a period's changes to its partition, and their chances to open it."""

    interval: float
    at: Sequence[float]
    """When each step comes: when its changes are gathered, or of quick batches, when the first is.
    """
    seconds: Sequence[float]
    """For how long of the period its changes were gathered."""
    chances: Sequence[float]
    sums: Sequence[float]
    """The chances of all steps before; one more than there are steps."""

    def active(self, moment: float) -> float:
        """Return the chance that the partition is active at a moment: Σ of those still open."""
        last = bisect_right(self.at, moment)
        return self.sums[last] - self.sums[_oldest_open(self.at, moment, self.interval)]

    def waits(self, rate: float) -> Iterator[tuple[float, float]]:
        """The waits: until the end of the buffer that is open, or for a whole interval."""
        for index, at in enumerate(self.at):
            changes, inactive = rate * self.seconds[index], 1.0
            for former in range(_oldest_open(self.at, at, self.interval), index):
                yield self.interval - at + self.at[former], changes * self.chances[former]
                inactive -= self.chances[former]
            yield self.interval, changes * max(0.0, inactive)


def _oldest_open(at: Sequence[float], moment: float, interval: float) -> int:
    """Return the first step whose buffer may still be open at a moment."""
    return bisect_right(at, moment - (interval - _EPSILON))


def _openings(
    rate: float, period: float, step: float, first: float, interval: float, quick: bool
) -> _Openings:
    """Return the chances of a period's steps, of which the first comes after `first` seconds.

    A step opens the partition when it brings a change and none of the steps before left it open:
    opened(i) = (1 - exp(-rate · seconds(i))) · (1 - Σ opened(j) over the steps j still open).
    """
    at: list[float] = []
    gathered: list[float] = []
    chances: list[float] = []
    sums = [0.0]
    begin, end = 0.0, first
    while begin < period - _EPSILON:
        seconds = min(end, period) - begin
        at.append(begin if quick else end)
        active = sums[-1] - sums[_oldest_open(at, at[-1], interval)]
        chances.append(_chance(rate * seconds) * max(0.0, 1 - active))
        gathered.append(seconds)
        sums.append(sums[-1] + chances[-1])
        begin += seconds
        end += step
    return _Openings(interval, at, gathered, chances, sums)
