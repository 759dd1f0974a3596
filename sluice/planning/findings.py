"""The rules: what of a plan AWS will not carry, or only just. One finding for each rule broken.

`refuse` is what loses or diverts changes, or what cannot be raised; `warn` is what comes near a
limit, what AWS raises on request, and what costs more than it needs to.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sluice.planning import limits, prices
from sluice.planning.bill import bill, total
from sluice.planning.limits import Limit
from sluice.planning.plan import Plan

NEAR = 0.7
"""The part of a limit from which on it is near."""

OBJECT_SHARE = 0.5
"""The part of the bill that charges for single objects may have."""

OBJECT_DOLLARS = 50
"""A month's charges for objects that nobody needs to be warned of."""

SCAN_SHARE = 0.5
"""The part of the bill that queries may have."""

Topic = Literal[
    "active partitions",
    "record size",
    "response size",
    "throughput",
    "put requests",
    "pipe",
    "pipe concurrency",
    "table writes",
    "concurrency",
    "object writes",
    "small objects",
    "scans",
]


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """A rule that a plan breaks."""

    severity: Literal["refuse", "warn"]
    topic: Topic
    message: str
    source: str
    """The page that the limit stands on; for costs, the page of the prices."""


Rule = Callable[[Plan], Iterator[PlanFinding]]


def check_plan(plan: Plan) -> tuple[PlanFinding, ...]:
    """What is wrong with a plan, refusals first."""
    findings = [finding for rule in _RULES for finding in rule(plan)]
    return tuple(sorted(findings, key=lambda each: each.severity != "refuse"))


def passes(plan: Plan) -> bool:
    """Whether nothing refuses a plan."""
    return all(each.severity != "refuse" for each in check_plan(plan))


def _held(
    topic: Topic, value: float, limit: Limit, what: str, beyond: str
) -> Iterator[PlanFinding]:
    """A finding where a value is above its limit, or near it."""
    if value > limit.value:
        severity: Literal["refuse", "warn"] = "warn" if limit.raised else "refuse"
        yield PlanFinding(severity, topic, f"{what}. {beyond}", limit.source)
    elif value > NEAR * limit.value:
        yield PlanFinding(
            "warn", topic, f"{what}; that is {value / limit.value:.0%} of it", limit.source
        )


def _partitions(plan: Plan) -> Iterator[PlanFinding]:
    limit = limits.ACTIVE_PARTITIONS
    peak, mean = plan.delivery.active_peak, plan.delivery.active_mean
    yield from _held(
        "active partitions",
        peak,
        limit,
        f"{peak:,.0f} partitions are active at the peak, {mean:,.0f} on average; a stream holds "
        f"{limit.value:,.0f}",
        "Changes of the others go under errors/",
    )


def _record(plan: Plan) -> Iterator[PlanFinding]:
    limit = limits.RECORD_BYTES
    yield from _held(
        "record size",
        plan.weights.record_max,
        limit,
        f"the largest change is a record of {plan.weights.record_max:,.0f} bytes; Firehose takes "
        f"{limit.value:,.0f}",
        "The pipe gives it up as a dead letter; keep items below 400 KB, or their updates small",
    )


def _response(plan: Plan) -> Iterator[PlanFinding]:
    limit = limits.RESPONSE_BYTES
    yield from _held(
        "response size",
        plan.response_bytes,
        limit,
        f"the answer to a full batch of {plan.settings.transform_megabytes:g} MB is "
        f"{plan.response_bytes / 1e6:.1f} MB; Lambda lets {limit.value / 1e6:.0f} MB through",
        "What does not fit goes under errors/; give the transform a smaller buffer",
    )


def _throughput(plan: Plan) -> Iterator[PlanFinding]:
    quotas = limits.direct_put(plan.settings.region)
    largest = limits.DIRECT_PUT_BYTES_MAX
    size, rate = plan.put_bytes, plan.workload.changes_per_second
    if size > largest.value:
        yield PlanFinding(
            "refuse",
            "throughput",
            f"{size / 1e6:,.0f} MB a second go into Firehose; {largest.value / 1e6:.0f} MB are "
            "the most that a stream by Direct PUT can be made for",
            largest.source,
        )
        return
    yield from _held(
        "throughput",
        size,
        quotas.size,
        f"{size / 1e6:,.1f} MB a second go into Firehose; a stream in {plan.settings.region} "
        f"starts with {quotas.size.value / 1e6:.1f}",
        "It grows under load, and the pipe waits meanwhile; ask AWS for more beforehand",
    )
    yield from _held(
        "throughput",
        rate,
        quotas.records,
        f"{rate:,.0f} records a second go into Firehose; a stream in {plan.settings.region} "
        f"starts with {quotas.records.value:,.0f}",
        "It grows under load; ask AWS for more beforehand",
    )
    yield from _held(
        "put requests",
        plan.put_requests,
        quotas.requests,
        f"{plan.put_requests:,.0f} requests a second go to Firehose; a stream in "
        f"{plan.settings.region} starts with {quotas.requests.value:,.0f}",
        "It grows under load; ask AWS for more beforehand",
    )


def _pipe(plan: Plan) -> Iterator[PlanFinding]:
    yield from _held(
        "pipe",
        plan.workload.changes_per_second,
        Limit(plan.pipe_capacity, limits.POLLS_OF_A_SHARD.source),
        f"{plan.workload.changes_per_second:,.0f} changes a second pass the pipe; with "
        f"{plan.shards} shards and {plan.settings.parallelization} batch of each at once it "
        f"brings about {plan.pipe_capacity:,.0f}",
        "It falls behind and gives changes up after 12 hours. More shards come by themselves as "
        "the table splits; else set the ParallelizationFactor in infrastructure/pipe.py",
    )
    executions = limits.pipe_executions(plan.settings.region)
    yield from _held(
        "pipe concurrency",
        plan.pipe_concurrency,
        executions,
        f"the pipe runs {plan.pipe_concurrency:,} times at once, for {plan.shards:,} shards; all "
        f"pipes of an account in {plan.settings.region} may {executions.value:,.0f} times",
        "Ask AWS for more",
    )


def _table(plan: Plan) -> Iterator[PlanFinding]:
    limit = limits.TABLE_WRITES
    yield from _held(
        "table writes",
        plan.table_writes,
        limit,
        f"the table takes {plan.table_writes:,.0f} write units a second; one on demand starts "
        f"with {limit.value:,.0f}",
        "Writes beyond are throttled; ask AWS for more",
    )


def _concurrency(plan: Plan) -> Iterator[PlanFinding]:
    limit = limits.LAMBDA_CONCURRENCY
    yield from _held(
        "concurrency",
        plan.concurrency,
        limit,
        f"the transform runs {plan.concurrency:,.0f} times at once; all functions of an account "
        f"may {limit.value:,.0f} times",
        "Ask AWS for more",
    )


def _object_writes(plan: Plan) -> Iterator[PlanFinding]:
    limit = limits.S3_PUTS
    writes = plan.delivery.objects_per_second
    if writes > NEAR * limit.value:
        yield PlanFinding(
            "warn",
            "object writes",
            f"{writes:,.0f} objects are written a second; S3 takes {limit.value:,.0f} below one "
            "prefix until it has spread the load",
            limit.source,
        )


def _costs(plan: Plan) -> Iterator[PlanFinding]:
    lines = bill(plan)
    all_of_it = total(lines)
    objects = sum(each.dollars for each in lines if each.what in {"Firehose objects", "S3 writes"})
    scans = sum(each.dollars for each in lines if each.what in {"Athena", "S3 for Athena"})
    if objects > max(OBJECT_DOLLARS, OBJECT_SHARE * all_of_it):
        yield PlanFinding(
            "warn",
            "small objects",
            f"${objects:,.0f} of ${all_of_it:,.0f} a month go for single objects: "
            f"{plan.objects_per_day:,.0f} a day, of {plan.object_bytes / 1e3:,.1f} KB",
            prices.PARTITIONED_OBJECTS.source,
        )
    if plan.settings.format == "json" and scans > max(OBJECT_DOLLARS, SCAN_SHARE * all_of_it):
        yield PlanFinding(
            "warn",
            "scans",
            f"${scans:,.0f} of ${all_of_it:,.0f} a month go for queries, which read "
            f"{plan.query.scanned_bytes / 1e9:,.1f} GB each",
            prices.ATHENA.source,
        )


def _scan(plan: Plan) -> Iterator[PlanFinding]:
    gigabytes, most = plan.query.scanned_bytes / 1e9, plan.settings.scan_gigabytes
    if gigabytes > most:
        yield PlanFinding(
            "warn",
            "scans",
            f"a query of a day reads {gigabytes:,.0f} GB, and is stopped at the {most:,.0f} GB of "
            "the setting scan_gigabytes",
            prices.ATHENA.source,
        )


_RULES: tuple[Rule, ...] = (
    _partitions,
    _record,
    _response,
    _throughput,
    _pipe,
    _table,
    _concurrency,
    _object_writes,
    _costs,
    _scan,
)
