"""The bill, by sums that are done by hand."""

import pytest

from sluice.planning import prices
from sluice.planning.bill import ALARMS, MONTH, BillLine, bill, total
from sluice.planning.plan import make_plan
from sluice.planning.settings import PlanSettings
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import planned

WORKLOAD = Workload(changes_per_second=1_000, sites=50)


def lines(
    settings: PlanSettings | None = None, workload: Workload = WORKLOAD
) -> dict[str, BillLine]:
    return {each.what: each for each in bill(make_plan(workload, settings or planned()))}


def test_each_line_is_a_quantity_of_a_unit_at_its_price() -> None:
    for line in lines().values():
        assert line.dollars == pytest.approx(line.price.of(line.quantity))
        assert line.price.source.startswith("https://aws.amazon.com/")


def test_changes_are_billed_by_their_requests_and_sizes() -> None:
    month = lines()
    changes = 1_000 * MONTH
    assert month["DynamoDB writes"].dollars == pytest.approx(changes / 1e6 * 0.625)
    assert month["EventBridge Pipes"].dollars == pytest.approx(changes / 1e6 * 0.40)
    # Each record counts as 5 KB.
    assert month["Firehose ingestion"].dollars == pytest.approx(changes * 5_120 / 1e9 * 0.029)


def test_an_item_above_a_kilobyte_takes_more_write_units() -> None:
    workload = Workload(changes_per_second=1_000, item_bytes=2_500)
    assert lines(workload=workload)["DynamoDB writes"].quantity == pytest.approx(
        3 * 1_000 * MONTH / 1e6
    )


def test_objects_are_billed_by_firehose_and_by_s3() -> None:
    month = lines()
    objects = 50 * MONTH / 60
    assert month["Firehose objects"].quantity == pytest.approx(objects / 1e3, rel=0.05)
    assert month["S3 writes"].quantity == month["Firehose objects"].quantity


def test_parquet_is_billed_for_its_conversion() -> None:
    assert "Firehose conversion" not in lines()
    month = lines(planned(format="parquet"))
    assert month["Firehose conversion"].quantity == month["Firehose ingestion"].quantity


def test_queries_are_billed_by_what_they_read() -> None:
    none, some = (
        lines(planned(queries_per_day=0)),
        lines(planned(queries_per_day=50)),
    )
    assert none["Athena"].dollars == 0
    query = make_plan(WORKLOAD, planned(queries_per_day=50)).query
    assert some["Athena"].dollars == pytest.approx(50 * 30 * query.scanned_bytes / 1e12 * 5)


def test_what_goes_beyond_a_tier_costs_the_next_ones_price() -> None:
    assert prices.FIREHOSE.of(500_000) == pytest.approx(500_000 * 0.029)
    assert prices.FIREHOSE.of(600_000) == pytest.approx(500_000 * 0.029 + 100_000 * 0.025)
    assert prices.FIREHOSE.of(3_000_000) == pytest.approx(
        500_000 * 0.029 + 1_500_000 * 0.025 + 1_000_000 * 0.020
    )


def test_the_total_is_the_sum() -> None:
    month = tuple(lines().values())
    assert total(month) == pytest.approx(sum(each.dollars for each in month))
    assert lines()["CloudWatch alarms"].dollars == pytest.approx(ALARMS * 0.10)
