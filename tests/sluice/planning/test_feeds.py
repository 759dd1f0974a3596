"""Both feeds of a plan: their batches, and what they cost."""

from typing import Any

import pytest

from sluice.planning.bill import MONTH, BillLine, bill, total
from sluice.planning.comparison import compare_feeds
from sluice.planning.feeds import BILLED_BYTES
from sluice.planning.findings import check_plan
from sluice.planning.plan import Plan, make_plan
from sluice.planning.proposals import propose
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import planned

NEITHER = {"DynamoDB writes", "S3 storage", "Athena", "S3 for Athena", "KMS key"} | {
    "CloudWatch alarms",
    "CloudWatch metrics",
    "CloudWatch dashboard",
}
"""What the lake costs whatever feeds it: the table, storage, queries and what is fixed."""


def function(rate: float, item_bytes: int = 500, **settings: Any) -> Plan:
    workload = Workload(changes_per_second=rate, item_bytes=item_bytes)
    return make_plan(workload, planned(feed="function", **settings))


def lines(plan: Plan) -> dict[str, BillLine]:
    return {each.what: each for each in bill(plan)}


@pytest.mark.parametrize(
    ("rate", "sites", "pipe", "packed"),
    [(10, 20, 36, 15), (1_000, 200, 1_554, 193), (10_000, 2_000, 15_478, 1_930)],
)
def test_a_month_costs_about_what_it_was_computed_to_cost_by_hand(
    rate: float, sites: int, pipe: float, packed: float
) -> None:
    feeds = compare_feeds(make_plan(Workload(changes_per_second=rate, sites=sites), planned()))
    moving = {
        feed: sum(each.dollars for each in bill(plan) if each.what not in NEITHER)
        for feed, plan in feeds.plans.items()
    }
    assert moving["pipe"] == pytest.approx(pipe, rel=0.02)
    # Of that little, the logs and the metrics of the function are a part of note.
    assert moving["function"] == pytest.approx(packed, abs=3, rel=0.04)
    assert feeds.cheaper == "function"
    assert feeds.saves == pytest.approx(moving["pipe"] - moving["function"])


def test_the_function_reads_the_stream_free_and_is_billed_by_its_batches() -> None:
    plan = function(10)
    month = lines(plan)
    assert not {"DynamoDB stream", "EventBridge Pipes"} & set(month)
    batches = plan.feed.batches * MONTH
    assert month["Feed requests"].quantity == pytest.approx(batches / 1e6)
    seconds = 0.01 + plan.feed.batch_changes * 0.00007 + 0.05
    assert month["Feed duration"].quantity == pytest.approx(batches * seconds / 2)


def test_a_batch_is_what_a_shard_brings_while_it_is_gathered() -> None:
    few, many = function(10, feed_window_seconds=20), function(4_000)
    assert few.feed.batch_changes == pytest.approx(1 + 10 / 4 * 20)
    assert few.feed.gather_seconds == pytest.approx(20)
    assert many.feed.batch_changes == 1_000
    assert many.feed.gather_seconds == pytest.approx(1, rel=0.01)


def test_a_batch_stays_within_a_request_to_lambda() -> None:
    feed = function(4_000, 50_000, feed_batch_size=10_000, shards=4).feed
    assert 50 < feed.batch_changes < 6_000_000 / 50_000


@pytest.mark.parametrize("item_bytes", [500, 5_000, 50_000, 400_000])
def test_a_record_has_as_many_changes_as_it_may(item_bytes: int) -> None:
    plan = function(4_000, item_bytes, feed_batch_size=1_000)
    in_a_record = min(500, 1_024_000 // plan.weights.record)
    at_least = plan.workload.changes_per_second / in_a_record
    assert at_least <= plan.feed.records <= at_least + plan.feed.batches


def test_records_of_few_changes_are_billed_as_five_kilobytes() -> None:
    single = function(1, feed_batch_size=1).feed
    assert single.billed_bytes == pytest.approx(BILLED_BYTES)
    packed = function(1, feed_window_seconds=300).feed
    assert packed.billed_bytes < BILLED_BYTES / 4


def test_packed_records_are_rounded_up_by_half_of_five_kilobytes() -> None:
    plan = function(4_000)
    rounded = plan.feed.billed_bytes - plan.put_bytes
    assert rounded == pytest.approx(plan.feed.records * BILLED_BYTES / 2)


def test_changes_are_visible_later_by_the_time_that_their_batch_is_gathered() -> None:
    short, long = function(10, feed_window_seconds=1), function(10, feed_window_seconds=61)
    assert long.visible_median - short.visible_median == pytest.approx(30)
    assert long.visible_p99 - short.visible_p99 == pytest.approx(60)
    assert long.visible_longest - short.visible_longest == pytest.approx(60)


def test_the_feeds_are_compared_alike_whichever_is_planned() -> None:
    workload = Workload(changes_per_second=100)
    one, other = (
        compare_feeds(make_plan(workload, planned(feed=each))) for each in ("pipe", "function")
    )
    assert one == other
    assert one.dollars["pipe"] == total(bill(one.plans["pipe"]))
    assert "code of yours" in one.gives_up[0]


def test_what_the_pipe_gives_up_is_named_where_it_is_cheaper() -> None:
    workload = Workload(changes_per_second=10, item_bytes=60_000)
    feeds = compare_feeds(make_plan(workload, planned(feed_batch_size=1, shards=1)))
    assert feeds.cheaper == "pipe"
    assert "24 hours" in feeds.gives_up[0]


def test_a_pipe_that_falls_behind_may_be_replaced_by_the_function() -> None:
    plan = make_plan(Workload(changes_per_second=5_000), planned(shards=2))
    proposals = [each.deployment for each in propose(plan, check_plan(plan))]
    assert "cdk deploy -c feed=function" in proposals
