"""`sluice plan`: what it refuses, what it proposes, and that a proposal passes."""

import json
import shlex
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_httpserver import HTTPServer

from sluice.cli import sluice
from sluice.stack import Stack

OVERFLOWING = ("--rate", "10000", "--sites", "2000", "--layout", "minute")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(sluice, ["plan", *arguments], catch_exceptions=False)


def plan_json(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(invoke(*arguments, "--json").stdout)
    return document


def test_too_many_partitions_are_refused_with_numbers_and_a_proposal() -> None:
    result = invoke(*OVERFLOWING)
    assert result.exit_code == 1
    assert "refuse: 2,000 partitions are active at the peak" in result.stdout
    assert "a stream holds 500" in result.stdout
    assert "https://docs.aws.amazon.com/firehose/latest/dev/limits.html" in result.stdout
    assert "What passes:" in result.stdout
    assert "cdk deploy -c layout=year/month/day/hour/minute" in result.stdout


def test_each_proposal_passes_as_it_is_printed() -> None:
    proposals = plan_json(*OVERFLOWING)["proposals"]
    assert proposals
    for proposal in proposals:
        words = shlex.split(proposal["command"])
        assert words[:2] == ["sluice", "plan"]
        result = invoke(*words[2:], "--json")
        assert result.exit_code == 0, result.stdout
        assert json.loads(result.stdout)["plan"] == proposal["plan"]


def test_a_workload_that_fits_passes() -> None:
    result = invoke("--rate", "10")
    assert result.exit_code == 0
    assert "Nothing comes near a limit" in result.stdout


def test_what_is_asked_for_is_printed() -> None:
    printed = invoke("--rate", "10").stdout
    for figure in (
        "active partitions",
        "objects",
        "time to visibility",
        "transform",
        "response",
        "Direct PUT",
        "stream and pipe",
        "S3",
        "a query of a day",
        "DynamoDB writes",
        "Firehose ingestion",
        "together",
        "prices of us-east-1 in 2026-",
    ):
        assert figure in printed


@pytest.mark.parametrize("feed", ["pipe", "function"])
def test_both_feeds_are_side_by_side_with_what_the_cheaper_one_gives_up(feed: str) -> None:
    result = invoke("--rate", "10", "--feed", feed)
    words = result.stdout.split()
    assert "The function is cheaper by $18.57 a month, but it is code of yours" in " ".join(words)
    feeds = plan_json("--rate", "10", "--feed", feed)["feeds"]
    assert feeds["cheaper"] == "function"
    assert feeds["saves"] == pytest.approx(
        feeds["pipe"]["dollarsPerMonth"] - feeds["function"]["dollarsPerMonth"]
    )
    for each in ("pipe", "function"):
        assert f"${feeds[each]['dollarsPerMonth']:,.2f}" in words


def test_compaction_is_shown_before_and_after_also_where_it_is_off() -> None:
    off = " ".join(invoke("--rate", "10").stdout.split())
    assert "Compaction, if it were daily before after a day leaves 44,100 objects" in off
    assert "54 files of history" in off
    document = plan_json("--rate", "10", "--compaction", "hourly", "--items", "5000000")
    hourly = " ".join(
        invoke("--rate", "10", "--compaction", "hourly", "--items", "5000000").stdout.split()
    )
    costs, saves = (document["compactionDollars"][each] for each in ("costs", "saves"))
    assert "Compaction, hourly before after" in hourly
    assert f"It costs ${costs:,.2f} a month, and saves ${saves:,.2f} of 100 queries" in hourly
    assert document["plan"]["compaction"]["latest_after"]["objects"] < 3_000


def test_the_chart_shows_the_limit() -> None:
    rows = [line for line in invoke(*OVERFLOWING).stdout.splitlines() if "┤" in line]
    assert len(rows) == 8
    assert any("█" in row for row in rows)
    (limit,) = (row for row in rows if row.endswith(" 500"))
    assert limit


@pytest.mark.parametrize(
    ("layout", "levels"),
    [
        ("minute", ["siteId", "year", "month", "day", "hour", "minute"]),
        ("day", ["siteId", "year", "month", "day"]),
        ("year/siteId", ["year", "siteId"]),
    ],
)
def test_a_layout_is_given_by_its_levels_or_by_its_last(layout: str, levels: list[str]) -> None:
    assert plan_json("--rate", "1", "--layout", layout)["plan"]["settings"]["layout"] == levels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rate", "1", "--layout", "siteId/hour"), "in this order, from the first on"),
        (
            ("--rate", "1", "--layout", "place/year"),
            "neither a part of the time",
        ),
        (("--rate", "1", "--sites", "0"), "sites is 0, but must be"),
        (("--rate", "1", "--item-bytes", "500000"), "DynamoDB's largest item"),
        (("--rate", "0"), "--rate"),
        (("--rate", "1", "--interval", "30"), "--interval"),
        (("--rate", "1", "--interval", "nan"), "'nan' is not a finite number"),
        (("--rate", "1", "--megabytes", "nan"), "'nan' is not a finite number"),
        (("--rate", "1", "--queries", "nan"), "'nan' is not a finite number"),
        (("--rate", "1", "--queries", "inf"), "--queries"),
        (("--rate", "1", "--queries", "1e300"), "--queries"),
        (("--rate", "1", "--shards", "9" * 24), "--shards"),
        (("--rate", "1", "--region", "mars"), "region is 'mars', but must be the name of a Region"),
        (("--rate", "1", "--region", ""), "region is '', but must be"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_rule(
    arguments: tuple[str, ...], message: str
) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_the_region_is_named_beside_the_deployment() -> None:
    assert "minute (in eu-west-2)" in invoke(*OVERFLOWING, "--region", "eu-west-2").stdout
    assert "(in " not in invoke(*OVERFLOWING).stdout


def test_damaged_objects_are_named_also_when_the_others_are_too_few_to_measure(
    aws_environment: pytest.MonkeyPatch, stack: Stack, httpserver: HTTPServer
) -> None:
    outputs = "".join(
        f"<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
        for key, value in stack.outputs.items()
    )
    httpserver.expect_request("/").respond_with_data(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks><member><Outputs>"
        f"{outputs}"
        "</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )
    aws_environment.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", httpserver.url_for("/"))
    stack.s3.put_object(Bucket=stack.bucket, Key="data/siteId=1/cut.gz", Body=b"\x1f\x8bcut")
    result = invoke("--from-lake")
    assert result.exit_code == 1
    damaged, too_few = result.stderr.splitlines()
    assert damaged.startswith(f"error: s3://{stack.bucket}/data/siteId=1/cut.gz is damaged")
    assert too_few.startswith("error: the lake holds no changes of different seconds to measure")
