"""A plan beside a real run of the same workload: what was planned is what is delivered."""

import random
import time
import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Any

import boto3
import pytest
import urllib3

from chalicelib.partitions import DATA_PREFIX
from chalicelib.schema import TABLE
from local.session import Session
from sluice.lake import keys
from sluice.planning.forecast import BufferLimits
from sluice.planning.settings import MIB
from sluice.planning.simulation import Simulation, arrivals, deliver
from sluice.planning.weights import Weights, sample_items, weigh
from sluice.planning.workload import Workload
from sluice.stack import Stack
from tests.end_to_end.deployment import Deployed

WORKLOAD = Workload(changes_per_second=600, item_bytes=15_000, sites=30)
BURSTS = 2
BURST_SECONDS = 2
INTERVAL = 6.0
"""Longer than a burst takes to arrive, on a busy machine too, so that each partition of it is one
object. A burst begins when the one before is delivered."""

PROCESSOR_SECONDS = 0.5
"""The local Firehose's own; but for the last of a burst, batches are full before it is over."""

WRITE = 24
"""Items of one request to the table; DynamoDB takes 25."""

TOLERANCE = 0.1


@pytest.fixture
def session(deployed_stack: Deployed) -> Iterator[Session]:
    """The local run, which buffers longer meanwhile."""
    if deployed_stack.local is None:
        pytest.skip("AWS does not report what its buffers hold")
    running = deployed_stack.local
    former = running.buffer_seconds
    try:
        restart_firehose(running, INTERVAL)
        yield running
    finally:
        restart_firehose(running, former)


def restart_firehose(running: Session, buffer_seconds: float) -> None:
    running.processes["firehose"].stop()
    running.buffer_seconds = buffer_seconds
    running.start_firehose()


def status(running: Session) -> dict[str, Any]:
    """What the one stream says of itself."""
    answer = urllib3.request("GET", f"{running.firehose_url}/status").json()
    (stream,) = answer["streams"].values()
    figures: dict[str, Any] = stream
    return figures


def written(stack: Stack, running: Session) -> int:
    """Write each burst to the table; how many partitions were active at the most."""
    table = boto3.client("dynamodb")
    count = round(WORKLOAD.changes_per_second * BURST_SECONDS)
    samples = sample_items(TABLE, count, WORKLOAD.item_bytes)
    peak = 0
    for burst in range(1, BURSTS + 1):
        for first in range(0, count, WRITE):
            items = [
                sample
                | {"id": {"S": str(uuid.uuid4())}}
                | {"siteId": {"S": f"plan-{(first + number) % WORKLOAD.sites:02d}"}}
                | {"createdAtTime": {"N": "1700076551926"}}
                for number, sample in enumerate(samples[first : first + WRITE])
            ]
            requests: Any = [{"PutRequest": {"Item": item}} for item in items]
            answer = table.batch_write_item(RequestItems={stack.output("TableName"): requests})
            assert not answer["UnprocessedItems"]
        deadline = time.monotonic() + 30
        while (now := status(running))["delivered"] < burst * count:
            assert time.monotonic() < deadline, f"{now['delivered']} changes delivered"
            peak = max(peak, now["activePartitions"])
            time.sleep(0.1)
    return peak


def simulate(weights: Weights) -> Simulation:
    """The same by the plan's simulation."""
    chance = random.Random(7)  # noqa: S311
    begins = [burst * 2 * (BURST_SECONDS + INTERVAL) for burst in range(BURSTS)]
    flow = chain.from_iterable(
        arrivals(WORKLOAD, weights, WORKLOAD.site_groups(), begin, begin + BURST_SECONDS, chance)
        for begin in begins
    )
    # By site only, as the event times of the run are all alike.
    buffering = BufferLimits(INTERVAL, 128 * MIB, PROCESSOR_SECONDS, MIB)
    return deliver(flow, buffering, lambda event: (event.group,))


def test_a_run_comes_to_what_was_planned(deployed_stack: Deployed, session: Session) -> None:
    peak = written(deployed_stack.stack, session)
    run = status(session)
    objects = list(keys(deployed_stack.stack, f"{DATA_PREFIX}siteId=plan-"))

    weights = weigh(WORKLOAD, TABLE, TABLE.layout)
    plan = simulate(weights)
    lines = sum(each.lines for each in plan.objects)
    plan_peak = max(plan.active(each.opened) for each in plan.objects)
    plan_bytes = weights.stored(lines / len(plan.objects))

    assert run["objects"] == len(objects) == pytest.approx(len(plan.objects), rel=TOLERANCE)
    assert run["delivered"] == pytest.approx(lines, rel=TOLERANCE)
    assert run["invocations"] == pytest.approx(len(plan.invocations), rel=TOLERANCE)
    assert peak == pytest.approx(plan_peak, rel=TOLERANCE)
    stored = sum(size for _, size in objects) / len(objects)
    assert stored == pytest.approx(plan_bytes, rel=TOLERANCE)
