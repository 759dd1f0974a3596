"""Each rule, broken once; and what is proposed."""

import math
import shlex
from typing import Any

import pytest

from sluice.planning.findings import PlanFinding, check_plan, passes
from sluice.planning.plan import make_plan
from sluice.planning.proposals import PlanProposal, propose
from sluice.planning.settings import PlanSettings
from sluice.planning.workload import Workload
from tests.sluice.planning.planned import cut_at, planned


def findings_of(settings: PlanSettings | None = None, **workload: Any) -> dict[str, PlanFinding]:
    plan = make_plan(Workload(**workload), settings or planned())
    return {each.topic: each for each in check_plan(plan)}


@pytest.mark.parametrize(
    ("topic", "severity", "workload", "settings", "figures"),
    [
        (
            "active partitions",
            "refuse",
            {"changes_per_second": 2_000, "sites": 1_000},
            {},
            "1,000 partitions are active at the peak, 1,000 on average; a stream holds 500",
        ),
        (
            "active partitions",
            "warn",
            {"changes_per_second": 4_000, "sites": 400},
            {},
            "a stream holds 500; that is 80% of it",
        ),
        (
            "record size",
            "warn",
            {"changes_per_second": 1, "item_bytes": 400_000, "updates": 0.001},
            {},
            "Firehose takes 1,024,000; that is 78% of it",
        ),
        (
            "response size",
            "refuse",
            {"changes_per_second": 10, "item_bytes": 100},
            {"transform_megabytes": 6},
            "a full batch of 6 MB is 7.9 MB; Lambda lets 6 MB through",
        ),
        (
            "throughput",
            "refuse",
            {"changes_per_second": 200_000},
            {"layout": ("year",)},
            "179 MB a second go into Firehose; a stream by Direct PUT can be created for 100 MB",
        ),
        (
            "throughput",
            "warn",
            {"changes_per_second": 10_000},
            {},
            "9.0 MB a second go into Firehose; a stream in us-east-1 starts with 5.2",
        ),
        (
            "throughput",
            "warn",
            {"changes_per_second": 1_500},
            {"region": "eu-central-1"},
            "1.3 MB a second go into Firehose; a stream in eu-central-1 starts with 1.0",
        ),
        (
            "put requests",
            "warn",
            {"changes_per_second": 9_000},
            {"batch_size": 1},
            "9,000 requests a second go to Firehose; a stream in us-east-1 starts with 2,000",
        ),
        (
            "feed",
            "refuse",
            {"changes_per_second": 9_000},
            {"shards": 2},
            "9,000 changes a second pass the pipe; with 2 shards and 1 batch of each at once it "
            "brings about 4,000",
        ),
        (
            "feed",
            "refuse",
            {"changes_per_second": 9_000},
            {"shards": 2, "feed": "function"},
            "9,000 changes a second pass the function; with 2 shards and 1 batch of each at once "
            "it brings about 8,000",
        ),
        (
            "concurrency",
            "warn",
            {"changes_per_second": 40_000},
            {"shards": 100, "parallelization": 10, "feed": "function", "feed_batch_size": 1},
            "transform and feed run 2,406 times at once; all functions of an account may run 1,000",
        ),
        (
            "pipe concurrency",
            "warn",
            {"changes_per_second": 100},
            {"shards": 4_000},
            "all pipes of an account in us-east-1 may run 3,000 times",
        ),
        (
            "table writes",
            "warn",
            {"changes_per_second": 50_000},
            {},
            "50,000 write units a second; one on demand starts with 40,000",
        ),
        (
            "concurrency",
            "warn",
            {"changes_per_second": 1e6},
            {"transform_megabytes": 0.001},
            "all functions of an account may run 1,000 times",
        ),
        (
            "object writes",
            "warn",
            {"changes_per_second": 1e6, "sites": 1_000_000},
            {},
            "16,667 objects are written a second; S3 takes 3,500 below one prefix",
        ),
        (
            "small objects",
            "warn",
            {"changes_per_second": 30, "sites": 10_000},
            {},
            "a month go for single objects: 2,369,760 a day",
        ),
        (
            "scans",
            "warn",
            {"changes_per_second": 100, "sites": 1},
            {"queries_per_day": 9_000},
            "a month go for queries, which read 2.0 GB each",
        ),
    ],
)
def test_a_broken_rule_is_reported_with_its_figures(
    topic: str, severity: str, workload: dict[str, Any], settings: dict[str, Any], figures: str
) -> None:
    finding = findings_of(planned(**settings), **workload)[topic]
    assert finding.severity == severity
    assert figures in finding.message
    assert finding.source.startswith("https://")


def test_a_small_workload_breaks_none() -> None:
    assert findings_of(changes_per_second=10) == {}


def test_refusals_come_first() -> None:
    findings = check_plan(make_plan(Workload(changes_per_second=10_000, sites=2_000), planned()))
    assert [each.severity for each in findings] == ["refuse", "warn"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "workload",
    [
        Workload(changes_per_second=10_000, sites=2_000),
        Workload(changes_per_second=1_000, sites=600),
        Workload(changes_per_second=100, sites=400),
        Workload(changes_per_second=30, sites=10_000),
        Workload(changes_per_second=500, sites=1, item_bytes=2_000),
    ],
)
def test_every_proposal_passes(workload: Workload) -> None:
    plan = make_plan(workload, planned(queries_per_day=1_000))
    proposals = propose(plan, check_plan(plan))
    assert proposals
    for proposal in proposals:
        assert passes(make_plan(proposal.plan.workload, proposal.plan.settings))
        assert shlex.split(proposal.command)[:2] == ["sluice", "plan"]
        assert proposal.deployment.startswith("cdk deploy ")


def test_a_long_interval_is_shortened_first() -> None:
    plan = make_plan(
        Workload(changes_per_second=200, sites=100),
        planned(buffer_seconds=900),
    )
    assert "active partitions" in {each.topic for each in check_plan(plan)}
    first, *_ = propose(plan, check_plan(plan))
    assert first.plan.settings == planned(buffer_seconds=60)
    assert first.what == "an interval of 60 s"


def test_small_objects_are_made_fewer() -> None:
    workload = Workload(changes_per_second=6, sites=200)
    plan = make_plan(workload, planned(layout=cut_at("hour"), queries_per_day=0))
    (proposal,) = propose(plan, check_plan(plan))
    assert proposal.plan.objects_per_day < plan.objects_per_day
    assert "small objects" not in {each.topic for each in check_plan(proposal.plan)}


def test_queries_that_read_much_are_answered_by_columns_or_by_compacted_tables() -> None:
    plan = make_plan(Workload(changes_per_second=100, sites=1), planned(queries_per_day=9_000))
    columns, compacted = propose(plan, check_plan(plan))
    assert columns.plan.settings.format == "parquet"
    assert compacted.plan.settings.compaction == "daily"
    assert compacted.plan.query.scanned_bytes < columns.plan.query.scanned_bytes


def test_what_no_settings_carry_has_no_proposal() -> None:
    plan = make_plan(Workload(changes_per_second=1e6, sites=1_000_000), planned())
    assert propose(plan, check_plan(plan)) == ()


def split_of(workload: Workload, settings: PlanSettings | None = None) -> PlanProposal | None:
    plan = make_plan(workload, settings or planned())
    proposals = propose(plan, check_plan(plan))
    return next((each for each in proposals if each.stacks > 1), None)


def test_a_site_that_no_stack_carries_is_not_split() -> None:
    assert split_of(Workload(changes_per_second=200_000, sites=100, skew=5)) is None


def test_the_stack_with_the_largest_site_is_planned() -> None:
    workload = Workload(changes_per_second=150_000, sites=100, skew=1)
    split = split_of(workload)
    assert split
    largest = workload.site_groups()[0].share * workload.changes_per_second
    assert split.plan.workload.changes_per_second > largest
    assert split.plan.workload.changes_per_second > 150_000 / split.stacks


def test_the_stack_that_a_hash_fills_most_passes() -> None:
    split = split_of(
        Workload(changes_per_second=90_000, sites=30_000),
        planned(region="eu-west-2"),
    )
    assert split
    average = 30_000 / split.stacks
    assert split.plan.workload.sites >= average + 3 * math.sqrt(average)
    assert f"about {split.plan.workload.sites} sites" in split.what
    assert passes(split.plan)


@pytest.mark.slow
def test_a_warning_is_not_traded_for_another() -> None:
    plan = make_plan(
        Workload(changes_per_second=5, sites=700, late=0.3),
        planned(layout=cut_at("minute")),
    )
    findings = check_plan(plan)
    assert {each.severity for each in findings} == {"warn"}
    for proposal in propose(plan, findings):
        topics = {each.topic for each in check_plan(proposal.plan)}
        assert topics <= {each.topic for each in findings}


def test_a_new_warning_is_named_where_the_plan_was_refused() -> None:
    plan = make_plan(Workload(changes_per_second=10_000, sites=2_000), planned())
    by_time = propose(plan, check_plan(plan))[0]
    assert "it brings a warning: scans" in by_time.what
