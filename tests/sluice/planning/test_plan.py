"""The figures of a plan, and that its fixed numbers are the deployment's."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from chalicelib.compaction import SPARE_MS
from chalicelib.declared import load
from chalicelib.metrics import FED, ODD_TIMES, RECORDS
from infrastructure import delivery, pipe
from infrastructure.alarms import watches
from infrastructure.metrics import Metrics, PipeNames
from infrastructure.settings import DeploymentSettings
from sluice.planning import compaction, limits
from sluice.planning.bill import ALARMS, COMPACTION_ALARMS, FEED_ALARMS, FEED_METRICS, METRICS
from sluice.planning.feeds import FEED_MEGABYTES
from sluice.planning.plan import TRANSFORM_MEGABYTES, make_plan
from sluice.planning.settings import PlanSettings
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import cut_at, planned

TABLES = Path(__file__).parents[3] / "tables"
CHALICE = Path(__file__).parents[3] / ".chalice/config.json"
RUNBOOK = Path(__file__).parents[3] / "docs/runbook.md"


def test_the_settings_are_those_that_are_deployed() -> None:
    settings, deployed = planned(), DeploymentSettings()
    assert settings.layout == deployed.table.layout
    assert settings.buffer_seconds == deployed.buffer_seconds
    assert settings.buffer_megabytes == deployed.buffer_megabytes
    assert settings.format == deployed.format
    assert settings.scan_gigabytes == deployed.scan_gigabytes
    assert settings.transform_seconds == delivery.TRANSFORM_BUFFER_SECONDS
    assert settings.transform_megabytes == delivery.TRANSFORM_BUFFER_MEGABYTES
    assert settings.batch_size == pipe.BATCH_SIZE
    assert settings.batching_seconds == pipe.BATCHING_WINDOW_SECONDS
    for name in ("compaction", "feed", "feed_batch_size", "feed_window_seconds"):
        assert getattr(settings, name) == getattr(deployed, name)
    functions = json.loads(CHALICE.read_text())["lambda_functions"]
    assert functions["feed"]["lambda_memory_size"] == FEED_MEGABYTES
    assert functions["compact"]["lambda_memory_size"] == compaction.FUNCTION_MEGABYTES
    spare = functions["compact"]["lambda_timeout"] - compaction.FUNCTION_SECONDS
    assert spare == SPARE_MS / 1_000
    assert functions["transform"]["lambda_memory_size"] == TRANSFORM_MEGABYTES


def test_the_bill_counts_what_is_deployed() -> None:
    assert len({*RECORDS.values(), ODD_TIMES}) == METRICS
    assert len(FED) == FEED_METRICS
    names = {field.name for field in fields(Metrics)}
    names -= {"api_stage", "compact_name", "feed_name", "pipe"}
    metrics = Metrics(
        **dict.fromkeys(names, "a-name"),
        pipe=PipeNames("a-pipe", "a-queue"),
        feed_name=None,
        api_stage=("an-api", "a-stage"),
        compact_name=None,
    )
    assert len(watches(metrics, buffer_seconds=60, timeout_seconds=120)) == ALARMS
    fed = watches(
        replace(metrics, pipe=None, feed_name="a-name"), buffer_seconds=60, timeout_seconds=120
    )
    assert len(fed) == ALARMS + FEED_ALARMS
    compacting = replace(metrics, compact_name="a-name")
    alarms = watches(compacting, buffer_seconds=60, timeout_seconds=120)
    assert len(alarms) == ALARMS + COMPACTION_ALARMS


def test_a_minutes_layout_has_an_object_a_site_and_minute() -> None:
    plan = make_plan(Workload(changes_per_second=5_000, sites=100), planned())
    assert plan.objects_per_day == pytest.approx(100 * 1_440, rel=0.02)
    assert plan.delivery.lines_per_object == pytest.approx(5_000 * 60 / 100, rel=0.02)
    assert plan.delivery.active_mean == pytest.approx(100, rel=0.02)


def test_a_few_changes_are_simulated_and_many_are_expected_values() -> None:
    assert make_plan(Workload(changes_per_second=5), planned()).delivery.simulated
    assert not make_plan(Workload(changes_per_second=5_000), planned()).delivery.simulated


def test_a_longer_interval_shows_changes_later() -> None:
    workload = Workload(changes_per_second=500)
    short, long = (make_plan(workload, planned(buffer_seconds=each)) for each in (60, 900))
    assert short.visible_median < short.visible_p99 < short.visible_longest < 160
    assert long.visible_longest > 900 + 450


def test_the_stream_has_a_shard_for_each_thousand_writes() -> None:
    assert make_plan(Workload(changes_per_second=10), planned()).shards == 4
    assert make_plan(Workload(changes_per_second=10_000), planned()).shards == 10
    large = Workload(changes_per_second=10_000, item_bytes=3_000)
    assert make_plan(large, planned()).shards == 30
    assert make_plan(large, planned(shards=7, parallelization=3)).feed.at_once == 21


def test_a_day_of_a_site_is_what_a_query_reads() -> None:
    workload = Workload(changes_per_second=1_000, sites=100)
    by_site = make_plan(workload, planned(layout=cut_at("hour"))).query
    by_time = make_plan(workload, planned(layout=("year", "month", "day"))).query
    by_month = make_plan(workload, planned(layout=cut_at("month"))).query
    assert by_time.scanned_bytes == pytest.approx(100 * by_site.scanned_bytes, rel=0.1)
    assert by_month.scanned_bytes == pytest.approx(30 * by_site.scanned_bytes, rel=0.1)
    assert by_site.listings == -(-round(by_site.objects) // 1_000)


def test_a_query_of_parquet_reads_some_columns_of_larger_objects() -> None:
    workload = Workload(changes_per_second=1_000, sites=10)
    lines, rows = (make_plan(workload, planned(format=each)) for each in ("json", "parquet"))
    assert rows.object_bytes > lines.object_bytes
    assert rows.query.scanned_bytes < lines.query.scanned_bytes


@pytest.mark.parametrize("item_bytes", [80, 500, 5_000, 100_000])
def test_the_answer_to_a_full_batch_stays_far_below_its_limit(item_bytes: int) -> None:
    plan = make_plan(Workload(changes_per_second=10, item_bytes=item_bytes), planned())
    assert 0.9e6 < plan.response_bytes < limits.RESPONSE_BYTES.value / 2


@pytest.mark.parametrize(
    ("name", "layout", "partitions"),
    [
        # The shop has three kinds, and items of none; sites are of no account without a field.
        ("shop", (), 4),
        ("meters", (), 30),
        ("meters", ("grid", "region", "year"), 30),
        ("meters", ("year",), 1),
        ("blobs", (), 1),
        ("amplify", (), 1),
    ],
)
def test_every_kind_and_value_of_the_fields_has_partitions_of_its_own(
    name: str, layout: tuple[str, ...], partitions: int
) -> None:
    settings = PlanSettings(table=load(TABLES / f"{name}.py"), layout=layout)
    workload = Workload(changes_per_second=5_000, sites=30, item_bytes=700)
    plan = make_plan(workload, settings)

    assert plan.delivery.active_mean == pytest.approx(partitions, rel=0.02)
    assert plan.weights.item == pytest.approx(700, rel=0.05)
    assert plan.query.objects == pytest.approx(
        plan.objects_per_day * (365 if settings.layout[-1] == "year" else 1) / partitions
    )
    few = make_plan(replace(workload, changes_per_second=0.05), settings).delivery
    # A year is too long to simulate.
    assert bool(few.simulated) == (settings.layout[-1] != "year")
    assert few.active_mean <= min(partitions, 0.05 * 80)


def test_a_plan_is_the_same_each_time() -> None:
    workload = Workload(changes_per_second=3, sites=7, skew=1, late=0.1)
    first = make_plan(workload, planned())
    make_plan.cache_clear()
    assert make_plan(replace(workload), planned()) == first
