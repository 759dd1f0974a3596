"""A plan beside a real run of the same workload: what was planned is what is delivered."""

import random
import time
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import urllib3

from chalicelib.partitions import DATA_PREFIX, partitioner
from chalicelib.schema import EVENT_TIME, KEY, LAYOUT, SITE
from local.session import Session
from operations.lake import keys
from operations.stack import Stack
from planning.delivery import Buffering
from planning.settings import MIB
from planning.simulation import arrivals, deliver
from planning.weights import sample_items, weigh
from planning.workload import Workload
from tests.end_to_end.deployment import Deployed

WORKLOAD = Workload(changes_per_second=120, item_bytes=20_000, sites=30)
SECONDS = 18
INTERVAL = 4.0
"""Four whole intervals and half of one: where exactly buffers open makes no difference."""

PROCESSOR_SECONDS = 0.5
"""The local Firehose's own; here batches are full before it is over."""

WRITE = 24
"""Items of one request to the table; DynamoDB takes 25."""

TOLERANCE = 0.1


@pytest.fixture
def session(deployed_stack: Deployed) -> Iterator[Session]:
    """The local run, which buffers longer meanwhile."""
    if deployed_stack.local is None:
        pytest.skip("AWS does not tell what its buffers hold")
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
    found: dict[str, Any] = stream
    return found


def written(stack: Stack, running: Session) -> int:
    """Write the workload to the table at its pace; how many partitions were active at the most."""
    table = boto3.client("dynamodb")
    count = round(WORKLOAD.changes_per_second * SECONDS)
    samples = sample_items(WRITE, WORKLOAD.item_bytes)
    peak = 0
    start = time.monotonic()
    for first in range(0, count, WRITE):
        items = [
            samples[number - first]
            | {KEY: {"S": str(uuid.uuid4())}, SITE: {"S": f"plan-{number % WORKLOAD.sites:02d}"}}
            | {EVENT_TIME: {"N": "1700076551926"}}
            for number in range(first, min(first + WRITE, count))
        ]
        requests: Any = [{"PutRequest": {"Item": item}} for item in items]
        answer = table.batch_write_item(RequestItems={stack.output("TableName"): requests})
        assert not answer["UnprocessedItems"]
        peak = max(peak, status(running)["activePartitions"])
        ahead = start + (first + WRITE) / WORKLOAD.changes_per_second - time.monotonic()
        time.sleep(max(0.0, ahead))
    deadline = time.monotonic() + 30
    while (now := status(running))["delivered"] < count:
        assert time.monotonic() < deadline, f"{now['delivered']} of {count} changes delivered"
        peak = max(peak, now["activePartitions"])
        time.sleep(0.1)
    return peak


def test_a_run_comes_to_what_was_planned(deployed_stack: Deployed, session: Session) -> None:
    peak = written(deployed_stack.stack, session)
    run = status(session)
    objects = list(keys(deployed_stack.stack, f"{DATA_PREFIX}{SITE}=plan-"))

    weights = weigh(WORKLOAD, LAYOUT, "json")
    buffering = Buffering(INTERVAL, 128 * MIB, PROCESSOR_SECONDS, MIB)
    chance = random.Random(7)  # noqa: S311
    flow = arrivals(WORKLOAD, weights, 0, SECONDS, chance)
    # One period for all: the run's event times are all alike.
    planned = deliver(flow, buffering, partitioner((SITE,)))
    planned_objects = len(planned.objects)
    lines = sum(each.lines for each in planned.objects)

    assert run["objects"] == len(objects) == pytest.approx(planned_objects, rel=TOLERANCE)
    assert run["delivered"] == pytest.approx(lines, rel=TOLERANCE)
    assert run["invocations"] == pytest.approx(len(planned.invocations), rel=TOLERANCE)
    assert peak == pytest.approx(
        max(planned.active(each.opened) for each in planned.objects), rel=TOLERANCE
    )
    assert sum(size for _, size in objects) / len(objects) == pytest.approx(
        weights.stored(lines / planned_objects), rel=TOLERANCE
    )
