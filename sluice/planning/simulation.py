"""The delivery of changes one by one: the buffer rules of Firehose, by a clock that only jumps.

Exact for the changes it is given, and slow for many; `expectation` answers for those.
"""

import math
import random
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, NamedTuple

from chalicelib.declaration import TIME_FORMATS
from sluice.planning.forecast import PHASES, TRANSIENT, BufferLimits, Forecast, Waits
from sluice.planning.weights import Weights
from sluice.planning.workload import SiteGroup, Workload

START_MS = 1_767_225_600_000
"""The first second of 2026: the beginning of a minute, an hour, a day, a month and a year."""


class SimulatedEvent(NamedTuple):
    """What decides where a change lies in the lake."""

    group: int
    """The number of its site, and kind."""
    ms: int
    """Its event time in epoch milliseconds."""


class Arrival(NamedTuple):
    """A change as it reaches Firehose."""

    at: float
    """Seconds from the start."""
    event: Any
    """What the partition is computed from."""
    size: float
    """Bytes of the record."""
    line: float
    """Bytes of its line."""


@dataclass(slots=True)
class SimulatedObject:
    """A partition's buffer, and the object that it becomes."""

    partition: tuple[object, ...]
    opened: float
    written: float = math.inf
    arrivals: list[float] = field(default_factory=list)
    """The moment of each of its lines."""
    size: float = 0.0
    """Bytes before compression."""

    @property
    def lines(self) -> int:
        """The number of its lines."""
        return len(self.arrivals)


@dataclass(slots=True)
class Simulation:
    """All that happened in a simulation."""

    objects: list[SimulatedObject] = field(default_factory=list)
    invocations: list[tuple[float, int]] = field(default_factory=list)
    """The moment of each, and its records."""
    waits: list[tuple[float, float]] = field(default_factory=list)
    """The moment each change arrived, and how long it waited."""

    def active(self, at: float) -> int:
        """Return the number of partitions that were active at a moment."""
        return sum(each.opened <= at < each.written for each in self.objects)


def deliver(
    arrivals: Iterable[Arrival],
    buffering: BufferLimits,
    partition: Callable[[Any], tuple[object, ...]],
) -> Simulation:
    """Return the delivery of these changes, which come in order of time; every one is written."""
    run = Simulation()
    # In the order of their opening, so that the first is due first.
    buffers: OrderedDict[tuple[object, ...], SimulatedObject] = OrderedDict()
    batch: list[Arrival] = []
    batch_size = 0.0

    def write(key: tuple[object, ...], now: float) -> None:
        buffer = buffers.pop(key)
        buffer.written = now
        run.objects.append(buffer)
        run.waits += [(at, now - at) for at in buffer.arrivals]

    def write_due(now: float) -> None:
        while buffers:
            first = next(iter(buffers.values()))
            moment = first.opened + buffering.seconds
            if moment > now:
                return
            write(first.partition, moment)

    def release(now: float) -> None:
        nonlocal batch, batch_size
        write_due(now)
        run.invocations.append((now, len(batch)))
        for each in batch:
            key = partition(each.event)
            buffer = buffers.setdefault(key, SimulatedObject(key, now))
            buffer.arrivals.append(each.at)
            buffer.size += each.line
            if buffer.size >= buffering.size:
                write(key, now)
        batch, batch_size = [], 0.0

    for arrival in arrivals:
        if batch and batch[0].at + buffering.transform_seconds <= arrival.at:
            release(batch[0].at + buffering.transform_seconds)
        if batch and batch_size + arrival.size > buffering.transform_size:
            release(arrival.at)
        batch.append(arrival)
        batch_size += arrival.size
    if batch:
        release(batch[0].at + buffering.transform_seconds)
    write_due(float("inf"))
    return run


def arrivals(
    workload: Workload,
    weights: Weights,
    groups: Sequence[SiteGroup],
    start: float,
    end: float,
    chance: random.Random,
) -> Iterator[Arrival]:
    """Changes at random moments between two, of these groups and the workload's event times."""
    shares = list(accumulate(group.share * group.count for group in groups))
    firsts = list(accumulate((group.count for group in groups), initial=0))
    at = start
    while (at := at + chance.expovariate(workload.changes_per_second)) < end:
        group = min(bisect_left(shares, chance.random() * shares[-1]), len(groups) - 1)
        number = firsts[group] + chance.randrange(groups[group].count)
        lateness = 0.0
        if workload.late and chance.random() < workload.late:
            lateness = chance.random() * workload.late_hours * 3600
        event = SimulatedEvent(number, START_MS + int((at - lateness) * 1000))
        yield Arrival(at, event, weights.record, weights.line)


def simulate(
    workload: Workload,
    weights: Weights,
    groups: Sequence[SiteGroup],
    layout: Sequence[str],
    period: float | None,
    buffering: BufferLimits,
    seconds: float,
    seed: int = 7,
) -> Forecast:
    """Return the figures of this many seconds from the beginning of a period on.

    They are simulated `PHASES` times, each with another offset of the batches to the period.
    """
    chance = random.Random(seed)  # noqa: S311
    settling = settling_seconds(period, buffering)
    # The measured time begins with a period.
    begin = math.ceil(settling / (period or 1)) * (period or 1)
    end = begin + seconds
    partition = _partition(layout)
    windows: list[_Window] = []
    for phase in range(PHASES):
        start = begin - settling + phase / PHASES * buffering.transform_seconds
        # The flow goes on until the last changes that count are written.
        last = end + buffering.seconds + buffering.transform_seconds
        coming = arrivals(workload, weights, groups, start, last, chance)
        windows.append(_Window(deliver(coming, buffering, partition), begin, end))
    return _summarize(windows, seconds, buffering, period)


def _partition(layout: Sequence[str]) -> Callable[[SimulatedEvent], tuple[object, ...]]:
    """Return a function from an event to its partition."""
    times = [level for level in layout if level in TIME_FORMATS]

    def partition(event: SimulatedEvent) -> tuple[object, ...]:
        moment = datetime.fromtimestamp(event.ms / 1000, UTC)
        return event.group, *(getattr(moment, level) for level in times)

    return partition


def settling_seconds(period: float | None, buffering: BufferLimits) -> float:
    """Return how long a flow runs until it is even: for whole periods, unless those are long."""
    settling = 2 * (buffering.seconds + buffering.transform_seconds)
    if period is None or period > TRANSIENT * settling:
        return settling
    return math.ceil(settling / period) * period


class _Window:
    """The part of a simulation between two moments."""

    def __init__(self, run: Simulation, begin: float, end: float) -> None:
        self.begin = begin
        self.changes = len(run.waits)
        self.opened = [each for each in run.objects if begin <= each.opened < end]
        self.invocations = [count for at, count in run.invocations if begin <= at < end]
        self.waits = [wait for at, wait in run.waits if begin <= at < end]
        self.active_seconds = sum(
            max(0.0, min(each.written, end) - max(each.opened, begin)) for each in run.objects
        )
        self.course = _course(run.objects, begin, end)
        self.peak = max((count for at, count in self.course if at < end), default=0)


def _summarize(
    windows: list[_Window], seconds: float, buffering: BufferLimits, period: float | None
) -> Forecast:
    """Return the figures of all windows; the course and the peak are of the worst."""
    worst = max(windows, key=lambda window: window.peak)
    objects = [each for window in windows for each in window.opened]
    invocations = [count for window in windows for count in window.invocations]
    waits = sorted(wait for window in windows for wait in window.waits) or [0.0]
    whole = seconds * len(windows)
    moments, counts = zip(*worst.course, strict=True)
    return Forecast(
        active=tuple(
            counts[max(0, bisect_right(moments, worst.begin + moment) - 1)]
            for moment in buffering.moments(period)
        ),
        course_seconds=buffering.course_seconds(period),
        active_mean=sum(window.active_seconds for window in windows) / whole,
        active_peak=worst.peak,
        objects_per_second=len(objects) / whole,
        lines_per_object=sum(each.lines for each in objects) / max(1, len(objects)),
        invocations_per_second=len(invocations) / whole,
        records_per_invocation=sum(invocations) / max(1, len(invocations)),
        waits=Waits(waits[len(waits) // 2], waits[int(len(waits) * 0.99)], waits[-1]),
        simulated=sum(window.changes for window in windows),
    )


def _course(
    objects: Iterable[SimulatedObject], start: float, end: float
) -> list[tuple[float, int]]:
    """Return the number of active partitions at the start, and after each change of it."""
    steps: dict[float, int] = {start: 0}
    for each in objects:
        if each.opened < end and each.written > start:
            opened = max(each.opened, start)
            steps[opened] = steps.get(opened, 0) + 1
            steps[each.written] = steps.get(each.written, 0) - 1
    moments = sorted(steps)
    return list(zip(moments, accumulate(steps[moment] for moment in moments), strict=True))
