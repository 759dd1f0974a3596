"""What compaction changes of a plan, beside what was measured of it."""

from dataclasses import replace
from typing import Any

import pytest

from checks.benchmarks.days import DAY_LINES, DAY_OBJECTS
from sluice.planning import prices
from sluice.planning.bill import bill, total
from sluice.planning.comparison import compaction_dollars
from sluice.planning.findings import check_plan
from sluice.planning.plan import Plan, adapt, make_plan
from sluice.planning.proposals import propose
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import cut_at, planned

SMALL = Workload(changes_per_second=10, updates=0.99, items=10_000)


def plan_of(workload: Workload = SMALL, **settings: Any) -> Plan:
    return make_plan(workload, planned(**settings))


def test_the_day_that_was_measured_leaves_the_files_that_were_measured() -> None:
    plan = plan_of()
    assert plan.objects_per_day == pytest.approx(DAY_OBJECTS, rel=0.01)
    assert plan.workload.changes_per_second * 86_400 == DAY_LINES
    assert plan.compaction.history.objects == pytest.approx(54)
    assert plan.compaction.current.objects == 16


def test_latest_reads_the_items_and_the_tail_and_not_the_history() -> None:
    lake = plan_of(compaction="hourly").compaction
    assert lake.latest_before.scanned_bytes > 20 * lake.latest_after.scanned_bytes
    assert lake.latest_before.objects > 20 * lake.latest_after.objects
    more = plan_of(replace(SMALL, items=20_000_000), compaction="hourly").compaction
    assert more.latest_after.scanned_bytes > lake.latest_before.scanned_bytes / 2


def test_the_tail_is_as_long_as_the_schedule_leaves_it() -> None:
    daily, hourly = (plan_of(compaction=each) for each in ("daily", "hourly"))
    tails = [
        each.compaction.latest_after.objects - each.compaction.current.objects
        for each in (daily, hourly)
    ]
    day = daily.objects_per_day
    assert tails == [pytest.approx(day * 13 / 24), pytest.approx(day * 1.5 / 24)]


def test_a_month_of_a_site_is_thirty_days_of_its_files() -> None:
    lake = plan_of(compaction="daily").compaction
    assert lake.month_before.objects == pytest.approx(plan_of().query.objects * 30)
    tail = plan_of().query.objects * 13 / 24
    assert lake.month_after.objects == pytest.approx(30 * 54 / 20 + tail)
    assert lake.month_before.scanned_bytes > 4 * lake.month_after.scanned_bytes


def test_of_a_month_in_one_partition_only_the_tail_is_left_to_read() -> None:
    months = plan_of(layout=cut_at("month"), compaction="daily")
    days = plan_of(layout=cut_at("day"), compaction="daily")
    assert months.compaction.month_after.objects == pytest.approx(
        days.compaction.month_after.objects, rel=0.1
    )
    assert months.query.objects - 2.7 == pytest.approx(30 * (days.query.objects - 2.7), rel=0.1)


def test_only_a_plan_with_compaction_has_its_queries_and_its_bill() -> None:
    off, on = plan_of(), plan_of(compaction="daily")
    assert off.compaction == on.compaction
    assert off.query.objects > 20 * on.query.objects
    assert not [each for each in bill(off) if each.what.startswith("Compaction")]
    costs, saves = compaction_dollars(on)
    assert (costs, saves) == compaction_dollars(off)
    assert total(bill(on)) == pytest.approx(total(bill(off)) + costs - saves)
    assert costs > 0
    assert saves == pytest.approx(
        100 * 30 * prices.S3_GETS.of((off.query.objects - on.query.objects) / 1e3)
        + 100 * 30 * prices.ATHENA.of((off.query.scanned_bytes - on.query.scanned_bytes) / 1e12)
    )


@pytest.mark.parametrize(("sites", "spans"), [(20, 1), (300, 3)])
def test_a_merge_reads_the_keys_of_all_items_for_each_hundred_partitions(
    sites: int, spans: int
) -> None:
    few, many = (
        plan_of(replace(SMALL, items=items, sites=sites), compaction="hourly").compaction
        for items in (10_000, 100_000_000)
    )
    more = many.current.scanned_bytes - few.current.scanned_bytes
    # Hourly, and once more as a whole by OPTIMIZE.
    read = many.work.scanned_bytes - few.work.scanned_bytes
    assert read == pytest.approx((24 * spans * 0.12 + 1) * more, rel=0.05)


def test_a_compaction_by_hand_takes_no_function() -> None:
    assert plan_of(compaction="manual").compaction.work.function_seconds == 0
    assert plan_of(compaction="daily").compaction.work.function_seconds > 0


def test_a_schedule_that_falls_behind_is_warned_of() -> None:
    plan = plan_of(Workload(changes_per_second=1_000, sites=200), compaction="daily")
    (finding,) = check_plan(plan)
    assert (finding.severity, finding.topic) == ("warn", "compaction")
    assert "the rest waits for the next day. Compact hourly" in finding.message
    (proposal,) = propose(plan, check_plan(plan))
    assert proposal.plan.settings.compaction == "hourly"
    assert proposal.deployment == "cdk deploy -c compaction=hourly"
    assert not check_plan(adapt(plan, compaction="hourly"))
    assert not check_plan(adapt(plan, compaction="manual"))


@pytest.mark.parametrize(("layout", "partitions"), [(("year", "month", "day"), 1), ((), 20)])
def test_history_has_partitions_of_what_the_layout_has(
    layout: tuple[str, ...], partitions: int
) -> None:
    assert plan_of(layout=layout).compaction.history.objects == pytest.approx(2.7 * partitions)


def test_a_plan_that_is_adapted_is_that_of_the_settings() -> None:
    plan = plan_of(layout=cut_at("hour"))
    assert adapt(plan, compaction="hourly") == plan_of(layout=cut_at("hour"), compaction="hourly")
