"""The expected values of a delivery, for flows too large to follow change by change.

Changes of one site arrive at random (as a Poisson process). They reach the partitions in steps: the
batches that the transform answers. In each step an inactive partition is opened when the step
brings it a change, so the chances of being opened follow one from another; from them come active
partitions, objects and waiting times.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from sluice.planning.forecast import PHASES, POINTS, TRANSIENT, BufferLimits, Forecast, Waits
from sluice.planning.weights import Weights
from sluice.planning.workload import Workload

STEPS = 30
"""Steps of an interval, where batches come faster than that."""

SPREAD = 2.0
"""The peak stands this many standard deviations above the highest expected value."""

_HAIR = 1e-6
"""Seconds that do not count, so that rounding does not."""

_BATCH_PARTS = 10
"""In so many parts a change may stand in its batch, where that takes more than a second."""


@dataclass(slots=True)
class _Totals:
    """The sums over all sites."""

    objects: float = 0.0
    """Opened a second."""
    active: float = 0.0
    """Partitions, on average."""
    longest: float = 0.0
    course: list[list[float]] = field(
        default_factory=lambda: [[0.0] * POINTS for _ in range(PHASES)]
    )
    variance: list[list[float]] = field(
        default_factory=lambda: [[0.0] * POINTS for _ in range(PHASES)]
    )
    waits: dict[float, float] = field(default_factory=lambda: defaultdict(float))

    def add_objects(self, per_second: float, interval: float) -> None:
        """Objects opened a second, each of a partition that is then active for an interval."""
        self.objects += per_second
        self.active += per_second * interval

    def add_active(self, phase: int, point: int, active: float, sites: int) -> None:
        """Partitions of each of so many sites that are active at a point of the period."""
        self.course[phase][point] += active * sites
        part = active % 1
        self.variance[phase][point] += part * (1 - part) * sites

    def add_waits(self, seconds: float, batch: float, changes: float) -> None:
        """Changes a second that wait so long in their partition, after waiting in their batch."""
        parts = _BATCH_PARTS if batch > 1 else 1
        for part in range(parts):
            self.waits[round(seconds + (part + 0.5) / parts * batch, 2)] += changes / parts
        self.longest = max(self.longest, seconds + batch)


def expect(
    workload: Workload,
    weights: Weights,
    by_site: bool,
    period: float | None,
    buffering: BufferLimits,
) -> Forecast:
    """The figures of a workload, for a layout with or without the site and of such a period."""
    rate = workload.changes_per_second
    in_a_batch = max(1.0, buffering.transform_size / weights.record)
    # The time of a batch runs from its first change.
    batch_seconds = min(buffering.transform_seconds + 1 / rate, in_a_batch / rate)
    totals = _Totals()
    groups = [(group.count, group.share) for group in workload.site_groups()]
    for count, share in groups if by_site else [(1, 1.0)]:
        site = _Site(count, share * rate, weights.line, batch_seconds, buffering)
        if period is None:
            site.steady(totals, site.rate, 1)
            continue
        if workload.late < 1:
            site.in_periods(totals, site.rate * (1 - workload.late), period)
        if workload.late:
            periods = max(1.0, workload.late_hours * 3600 / period)
            site.steady(totals, site.rate * workload.late / periods, periods)
    highest = max(range(PHASES), key=lambda phase: max(totals.course[phase]))
    course, variance = totals.course[highest], totals.variance[highest]
    return Forecast(
        active=tuple(course),
        course_seconds=buffering.course_seconds(period),
        active_mean=totals.active,
        active_peak=max(
            mean + SPREAD * math.sqrt(spread) for mean, spread in zip(course, variance, strict=True)
        ),
        objects_per_second=totals.objects,
        lines_per_object=rate / totals.objects,
        invocations_per_second=1 / batch_seconds,
        records_per_invocation=rate * batch_seconds,
        waits=_quantiles(totals),
        simulated=0,
    )


def _quantiles(totals: _Totals) -> Waits:
    """The waiting times that half of the changes, and 99 of 100, do not exceed."""
    total, reached = math.fsum(totals.waits.values()), 0.0
    found: list[float] = []
    for seconds, changes in sorted(totals.waits.items()):
        reached += changes
        while len(found) < 2 and reached >= total * (0.5, 0.99)[len(found)]:
            found.append(seconds)
    return Waits(found[0], found[1], totals.longest)


@dataclass(frozen=True, slots=True)
class _Site:
    """One of `count` sites that all have `rate` changes a second."""

    count: int
    rate: float
    line: float
    batch_seconds: float
    buffering: BufferLimits

    def _interval(self, rate: float) -> float:
        """How long a buffer lasts: the interval, or less when such a rate fills it sooner."""
        return min(self.buffering.seconds, self.buffering.size / (rate * self.line))

    def _step(self, interval: float, period: float) -> float:
        return max(self.batch_seconds, min(interval, period) / STEPS)

    def steady(self, totals: _Totals, rate: float, partitions: float) -> None:
        """Partitions that get changes at an even rate for ever."""
        interval = self._interval(rate)
        step = self._step(interval, interval)
        objects = self._steadily(totals, rate, step, interval, partitions)
        for phase in range(PHASES):
            for point in range(POINTS):
                totals.add_active(phase, point, objects * interval, self.count)

    def _steadily(
        self, totals: _Totals, rate: float, step: float, interval: float, part: float
    ) -> float:
        """Count a part of the time, or partitions of that number, at an even rate.

        Returns the objects a second of one site.
        """
        after = _steps_within(interval, step)
        opened = 1 / (after + 1 / _chance(rate * step))
        totals.add_objects(opened / step * part * self.count, interval)
        changes = rate * part * self.count
        totals.add_waits(interval, self.batch_seconds, changes * (1 - after * opened))
        for lag in range(1, after + 1):
            totals.add_waits(interval - lag * step, self.batch_seconds, changes * opened)
        return opened / step * part

    def in_periods(self, totals: _Totals, rate: float, period: float) -> None:
        """A partition for each period, which gets changes for that long.

        Of a period much longer than an interval, its beginning is reckoned, and the rest as steady.
        """
        interval = self._interval(rate)
        step = self._step(interval, period)
        beginning = min(period, TRANSIENT * max(interval, step))
        rest = period - beginning
        steady = 0.0
        if rest:
            steady = self._steadily(totals, rate, step, interval, rest / period) / rest * period
        # Batches that come faster than the steps lie evenly to any period.
        quick = step > self.batch_seconds
        phases = 1 if quick else PHASES
        for phase in range(phases):
            first = step * (phase + 0.5) / phases
            steps = _Steps(rate, beginning, step, first, interval, quick)
            totals.add_objects(math.fsum(steps.opened) / period / phases * self.count, interval)
            self._wait(totals, steps, interval, rate / period / phases * self.count)
            former = [(0.0, steps)]
            while not rest and len(former) * period < interval + period + step:
                back = len(former) * period
                if not quick:
                    first_then = (first + back) % step
                    steps = _Steps(rate, beginning, step, first_then, interval, quick)
                former.append((back, steps))
            for point in range(POINTS):
                moment = self.buffering.course_seconds(period) * (point + 0.5) / POINTS
                active = steady * interval
                if moment < beginning:
                    # The partition of a former, long period empties while the new one fills.
                    active = steady * max(0.0, interval - moment) + math.fsum(
                        each.active(moment + back) for back, each in former
                    )
                for like in range(phase, PHASES, phases):
                    totals.add_active(like, point, active, self.count)

    def _wait(self, totals: _Totals, steps: "_Steps", interval: float, changes: float) -> None:
        """The waits of the changes of some steps, so many for each second they gather."""
        for index, at in enumerate(steps.at):
            brought = changes * steps.seconds[index]
            inactive = 1.0
            for former in range(steps.after(index), index):
                opened = steps.opened[former]
                totals.add_waits(
                    interval - at + steps.at[former], self.batch_seconds, brought * opened
                )
                inactive -= opened
            totals.add_waits(interval, self.batch_seconds, brought * max(0.0, inactive))


class _Steps:
    """The batches that bring a period's changes to its partition, the first after `first` seconds.

    `opened` has the chance of each to open the partition's buffer, `seconds` for how long of the
    period its changes were gathered, `at` when it comes: when all are gathered, and of batches so
    quick that a step stands for many, when the first is.
    """

    def __init__(
        self, rate: float, period: float, step: float, first: float, interval: float, quick: bool
    ) -> None:
        self._interval = interval - _HAIR
        self.at: list[float] = []
        self.seconds: list[float] = []
        self.opened: list[float] = []
        self._sums = [0.0]
        gathered, at = 0.0, first
        while gathered < period - _HAIR:
            seconds = min(at, period) - gathered
            self.at.append(gathered if quick else at)
            active = self._sums[-1] - self._sums[self.after(len(self.opened))]
            opened = _chance(rate * seconds) * max(0.0, 1 - active)
            self.seconds.append(seconds)
            self.opened.append(opened)
            self._sums.append(self._sums[-1] + opened)
            gathered += seconds
            at += step

    def after(self, index: int) -> int:
        """The first step before this one whose buffer it may find open."""
        return bisect_right(self.at, self.at[index] - self._interval)

    def active(self, moment: float) -> float:
        """The chance that the partition is active at a moment."""
        last = bisect_right(self.at, moment)
        return self._sums[last] - self._sums[bisect_right(self.at, moment - self._interval)]


def _chance(expected: float) -> float:
    """The chance of at least one change, where so many are expected."""
    return -math.expm1(-expected)


def _steps_within(interval: float, step: float) -> int:
    """How many steps after its opening still find a buffer open."""
    return math.ceil(round(interval / step, 9)) - 1
