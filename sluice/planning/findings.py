"""The rules that a plan may break: a finding for what AWS will not carry, or only just.

`refuse` is for what loses or diverts changes, or cannot be raised; `warn` is for what comes near a
limit, what AWS raises on request, and what costs more than it needs to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sluice.planning import limits, prices
from sluice.planning.bill import bill, total
from sluice.planning.compaction import FUNCTION_SECONDS
from sluice.planning.limits import Limit
from sluice.planning.plan import Plan
from sluice.planning.settings import Feed

NEAR = 0.7
"""The part of a limit above which a value is near it."""

OBJECT_SHARE = 0.5
"""The part of the bill that charges for single objects may have."""

OBJECT_DOLLARS = 50
"""A month's charges for objects or queries below which there is no warning."""

SCAN_SHARE = 0.5
"""The part of the bill that queries may have."""

_REMEDIES = {
    "daily": "the rest waits for the next day. Compact hourly",
    "hourly": "the rest piles up. Let `sluice compact --engine athena` do it",
}
"""What follows where the runs of a schedule are too long, and what to do."""

Topic = Literal[
    "active partitions",
    "record size",
    "response size",
    "throughput",
    "put requests",
    "feed",
    "pipe concurrency",
    "table writes",
    "concurrency",
    "object writes",
    "small objects",
    "scans",
    "compaction",
]


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """A rule that a plan breaks."""

    severity: Literal["refuse", "warn"]
    topic: Topic
    message: str
    source: str
    """The page that states the limit; for costs, the page of the prices."""


_FILES: dict[Feed, str] = {
    "pipe": "infrastructure/pipe.py",
    "function": "infrastructure/feed.py",
}


class _Quota(NamedTuple):
    """A value of a plan, and the limit that it is compared with."""

    topic: Topic
    value: float
    limit: Limit
    what: str
    beyond: str
    """What happens above the limit, and what to do."""


def check_plan(plan: Plan) -> tuple[PlanFinding, ...]:
    """Return the rules that a plan breaks, refusals first."""
    compared = [finding for quota in _quotas(plan) if (finding := _compare(quota))]
    findings = [*compared, *_warnings(plan)]
    return tuple(sorted(findings, key=lambda each: each.severity != "refuse"))


def passes(plan: Plan) -> bool:
    """Whether nothing refuses a plan."""
    return all(each.severity != "refuse" for each in check_plan(plan))


def _compare(quota: _Quota) -> PlanFinding | None:
    """Return a finding where a value is above its limit, or near it."""
    topic, value, limit, what, beyond = quota
    if value > limit.value:
        severity: Literal["refuse", "warn"] = "warn" if limit.raised else "refuse"
        return PlanFinding(severity, topic, f"{what}. {beyond}", limit.source)
    if value > NEAR * limit.value:
        share = f"{what}; that is {value / limit.value:.0%} of it"
        return PlanFinding("warn", topic, share, limit.source)
    return None


def _quotas(plan: Plan) -> Iterator[_Quota]:
    delivery, settings, rate = plan.delivery, plan.settings, plan.workload.changes_per_second
    region = settings.region
    yield _Quota(
        "active partitions",
        delivery.active_peak,
        limits.ACTIVE_PARTITIONS,
        f"{delivery.active_peak:,.0f} partitions are active at the peak, "
        f"{delivery.active_mean:,.0f} on average; "
        f"a stream holds {limits.ACTIVE_PARTITIONS.value:,.0f}",
        "Changes of the others go under errors/",
    )
    yield _Quota(
        "record size",
        plan.weights.record_max,
        limits.RECORD_BYTES,
        f"the largest change is a record of {plan.weights.record_max:,.0f} bytes; Firehose takes "
        f"{limits.RECORD_BYTES.value:,.0f}",
        f"The {settings.feed} gives it up; keep items below 400 KB, or their updates small",
    )
    yield _Quota(
        "response size",
        plan.response_bytes,
        limits.RESPONSE_BYTES,
        f"the answer to a full batch of {settings.transform_megabytes:g} MB is "
        f"{plan.response_bytes / 1e6:.1f} MB; "
        f"Lambda lets {limits.RESPONSE_BYTES.value / 1e6:.0f} MB through",
        "What does not fit goes under errors/; give the transform a smaller buffer",
    )
    yield from _throughput(plan)
    shards = f"with {plan.shards} shards and {settings.parallelization} batch of each at once"
    yield _Quota(
        "feed",
        rate,
        Limit(plan.feed.capacity, limits.POLLS_OF_A_SHARD.source),
        f"{rate:,.0f} changes a second pass the {settings.feed}; {shards} it brings about "
        f"{plan.feed.capacity:,.0f}",
        "It falls behind and gives changes up after half a day. More shards come by themselves as "
        f"the table splits; else set the ParallelizationFactor in {_FILES[settings.feed]}",
    )
    if settings.feed == "pipe":
        limit = limits.pipe_executions(region)
        yield _Quota(
            "pipe concurrency",
            plan.feed.at_once,
            limit,
            f"the pipe runs {plan.feed.at_once:,} times at once, for {plan.shards:,} shards; all "
            f"pipes of an account in {region} may run {limit.value:,.0f} times",
            "Ask AWS for more",
        )
    yield _Quota(
        "table writes",
        plan.table_writes,
        limits.TABLE_WRITES,
        f"the table takes {plan.table_writes:,.0f} write units a second; one on demand starts "
        f"with {limits.TABLE_WRITES.value:,.0f}",
        "Writes beyond are throttled; ask AWS for more",
    )
    functions, invocations = "the transform runs", plan.concurrency
    if settings.feed == "function":
        functions, invocations = "transform and feed run", plan.concurrency + plan.feed.concurrency
    yield _Quota(
        "concurrency",
        invocations,
        limits.LAMBDA_CONCURRENCY,
        f"{functions} {invocations:,.0f} times at once; all functions of an account "
        f"may run {limits.LAMBDA_CONCURRENCY.value:,.0f} times",
        "Ask AWS for more",
    )


def _throughput(plan: Plan) -> Iterator[_Quota]:
    size = plan.put_bytes
    largest = limits.DIRECT_PUT_BYTES_MAX
    if size > largest.value:
        yield _Quota(
            "throughput",
            size,
            largest,
            f"{size / 1e6:,.0f} MB a second go into Firehose; a stream by Direct PUT can be "
            f"created for {largest.value / 1e6:.0f} MB at most",
            "docs/scale.md names what carries more",
        )
        return
    quotas = limits.direct_put(plan.settings.region)
    starts = f"a stream in {plan.settings.region} starts with"
    beyond = "It grows under load; ask AWS for more beforehand"
    yield _Quota(
        "throughput",
        size,
        quotas.size,
        f"{size / 1e6:,.1f} MB a second go into Firehose; {starts} {quotas.size.value / 1e6:.1f}",
        "It grows under load, and the feed waits meanwhile; ask AWS for more beforehand",
    )
    yield _Quota(
        "throughput",
        plan.feed.records,
        quotas.records,
        f"{plan.feed.records:,.0f} records a second go into Firehose; {starts} "
        f"{quotas.records.value:,.0f}",
        beyond,
    )
    yield _Quota(
        "put requests",
        plan.feed.puts,
        quotas.requests,
        f"{plan.feed.puts:,.0f} requests a second go to Firehose; {starts} "
        f"{quotas.requests.value:,.0f}",
        beyond,
    )


def _warnings(plan: Plan) -> Iterator[PlanFinding]:
    """The warnings of what no quota bounds: writes of objects, their charges, and queries."""
    limit, writes = limits.S3_PUTS, plan.delivery.objects_per_second
    if writes > NEAR * limit.value:
        message = (
            f"{writes:,.0f} objects are written a second; S3 takes {limit.value:,.0f} below one "
            "prefix until it has spread the load"
        )
        yield PlanFinding("warn", "object writes", message, limit.source)
    dollars = {each.what: each.dollars for each in bill(plan)}
    month = total(bill(plan))
    objects = dollars["Firehose objects"] + dollars["S3 writes"]
    scans = dollars["Athena"] + dollars["S3 for Athena"]
    if objects > max(OBJECT_DOLLARS, OBJECT_SHARE * month):
        message = (
            f"${objects:,.0f} of ${month:,.0f} a month go for single objects: "
            f"{plan.objects_per_day:,.0f} a day, of {plan.object_bytes / 1e3:,.1f} KB"
        )
        yield PlanFinding("warn", "small objects", message, prices.PARTITIONED_OBJECTS.source)
    seconds, schedule = plan.compaction.work.run_seconds, plan.settings.compaction
    if schedule in _REMEDIES and seconds > FUNCTION_SECONDS:
        message = (
            f"the statements of a compaction take about {seconds:,.0f} s, and its function begins "
            f"them for {FUNCTION_SECONDS:,.0f} s; {_REMEDIES[schedule]}"
        )
        yield PlanFinding("warn", "compaction", message, limits.RESPONSE_BYTES.source)
    gigabytes, most = plan.query.scanned_bytes / 1e9, plan.settings.scan_gigabytes
    whole = plan.settings.format == "json" and not plan.settings.compacts
    if whole and scans > max(OBJECT_DOLLARS, SCAN_SHARE * month):
        message = (
            f"${scans:,.0f} of ${month:,.0f} a month go for queries, which read "
            f"{gigabytes:,.1f} GB each"
        )
        yield PlanFinding("warn", "scans", message, prices.ATHENA.source)
    if gigabytes > most:
        message = (
            f"a query of a day reads {gigabytes:,.0f} GB, and is stopped at the {most:,.0f} GB of "
            "the setting scan_gigabytes"
        )
        yield PlanFinding("warn", "scans", message, prices.ATHENA.source)
