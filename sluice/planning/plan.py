"""A plan: the figures of a workload with certain settings."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sluice.planning.compaction import CompactionForecast, forecast_compaction
from sluice.planning.expectation import expect
from sluice.planning.feeds import FeedForecast, forecast_feed
from sluice.planning.forecast import PHASES, BufferLimits, Forecast
from sluice.planning.limits import PARTITION_WRITES, SHARDS_OF_A_NEW_TABLE
from sluice.planning.reading import DAY, QueryCost, raw_lake
from sluice.planning.settings import PlanSettings
from sluice.planning.simulation import settling_seconds, simulate
from sluice.planning.weights import Weights, weigh
from sluice.planning.workload import Workload

SIMULATED_MAX = 60_000
"""About this many changes are simulated one by one; a workload of more gets expected values."""

SIMULATED_SECONDS_MAX = 30 * DAY

ELSEWHERE_SECONDS = 1.5
"""Seconds of a change outside of all buffers: the reading of the stream, the transform, the writing
of the object. An assumption."""

INTERVAL_SLACK = 1.5
"""AWS may keep a buffer open for up to this many intervals
(https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning.html)."""

TRANSFORM_MEGABYTES = 512
"""Memory of the deployed transform, by which its seconds are billed."""

TRANSFORM_START_SECONDS = 0.01
TRANSFORM_RECORD_SECONDS = 0.00006
"""Seconds of an invocation, and of each record in it: a laptop's figures for the transform
and the runtime's own encoding, times four, as 512 MB buy 0.3 of a processor. An assumption."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The figures, a second unless they say otherwise; sizes are bytes."""

    workload: Workload
    settings: PlanSettings
    weights: Weights
    delivery: Forecast
    table_writes: float
    shards: int
    feed: FeedForecast
    put_bytes: float
    response_bytes: float
    """Of the answer to a full batch."""
    concurrency: float
    """Invocations of the transform at once."""
    invocation_seconds: float
    """How long one takes."""
    object_bytes: float
    """Of an average object, as stored."""
    query: QueryCost
    """What a query of one day reads: of one kind, and of one site if the layout has any."""
    compaction: CompactionForecast
    """What it comes to; where it is off, what it would daily."""

    @property
    def objects_per_day(self) -> float:
        """Objects written in a day."""
        return self.delivery.objects_per_second * DAY

    @property
    def visible_median(self) -> float:
        """Seconds from a change until half of them can be queried."""
        return self.delivery.waits.median + self.feed.gather_seconds / 2 + ELSEWHERE_SECONDS

    @property
    def visible_p99(self) -> float:
        """Seconds until 99 of 100 can be queried."""
        return self.delivery.waits.p99 + self.feed.gather_seconds + ELSEWHERE_SECONDS

    @property
    def visible_longest(self) -> float:
        """Seconds until all can be queried, with the slack that AWS takes."""
        slack = (INTERVAL_SLACK - 1) * self.settings.buffer_seconds
        around = self.feed.gather_seconds + ELSEWHERE_SECONDS
        return self.delivery.waits.longest + slack + around


@lru_cache(maxsize=64)
def make_plan(workload: Workload, settings: PlanSettings, simulated: bool = True) -> Plan:
    """Return the plan of a workload with these settings: by expected values, if not simulated."""
    weights = weigh(workload, settings.table, settings.layout, settings.format)
    return _plan(workload, settings, weights, _delivery(workload, settings, weights, simulated))


def adapt(plan: Plan, **changed: Any) -> Plan:
    """Return the plan with other settings, of those on which the delivery does not depend."""
    return _plan(plan.workload, replace(plan.settings, **changed), plan.weights, plan.delivery)


def _plan(workload: Workload, settings: PlanSettings, weights: Weights, delivery: Forecast) -> Plan:
    rate = workload.changes_per_second
    # A write of an item is billed, and bounded, by the KB.
    writes = rate * math.ceil(workload.item_bytes / 1024)
    shards = settings.shards or max(
        int(SHARDS_OF_A_NEW_TABLE.value), math.ceil(writes / PARTITION_WRITES.value)
    )
    invocation_seconds = (
        TRANSFORM_START_SECONDS + delivery.records_per_invocation * TRANSFORM_RECORD_SECONDS
    )
    object_bytes = weights.stored(delivery.lines_per_object)
    full_batch = max(1.0, settings.transform_bytes // weights.record)
    raw = raw_lake(workload, settings, delivery.objects_per_second, object_bytes)
    compaction = forecast_compaction(workload, settings, weights, raw)
    return Plan(
        workload=workload,
        settings=settings,
        weights=weights,
        delivery=delivery,
        table_writes=writes,
        shards=shards,
        feed=forecast_feed(rate, settings, weights, shards),
        put_bytes=rate * weights.record,
        response_bytes=full_batch * weights.answer,
        concurrency=delivery.invocations_per_second * invocation_seconds,
        invocation_seconds=invocation_seconds,
        object_bytes=object_bytes,
        query=compaction.day_after if settings.compacts else raw.of_site(1),
        compaction=compaction,
    )


def _delivery(
    workload: Workload, settings: PlanSettings, weights: Weights, simulated: bool
) -> Forecast:
    """Return the delivery: simulated where that is quick, else by expected values."""
    period = settings.bucket_seconds
    buffering = BufferLimits(
        settings.buffer_seconds,
        settings.buffer_bytes,
        settings.transform_seconds,
        settings.transform_bytes,
    )
    settling = settling_seconds(period, buffering)
    around = settling + buffering.seconds + buffering.transform_seconds
    affordable = SIMULATED_MAX / PHASES / workload.changes_per_second - around
    whole = period or settling
    times = math.floor(min(affordable, SIMULATED_SECONDS_MAX) / whole)
    if times < 1 or not simulated:
        return expect(workload, weights, settings.groups(workload), period, buffering)
    groups = settings.groups(workload)
    return simulate(workload, weights, groups, settings.layout, period, buffering, times * whole)
