"""The feed by a function, in place of the pipe."""

import json
from typing import Any

import pytest

from chalicelib.partitions import FEED_FAILURES

MAPPING = "FunctionFeed/Mapping"
ROLE = "FunctionFeed/Role"
STREAM_RETENTION_SECONDS = 24 * 60 * 60
LAMBDA_RETRIES_MAX = 10_000


@pytest.fixture
def function(deployments: Any) -> Any:
    return deployments["function"]


def test_a_stack_has_one_feed(function: Any, dev: Any) -> None:
    of_a_pipe = {path for path in dev.all() if path.startswith(("Pipe/", "Alarms/Pipe"))}
    of_a_function = {path for path in function.all() if path.startswith("FunctionFeed/")}
    assert of_a_pipe
    assert of_a_function
    assert not {*of_a_pipe, "Alarms/DeadLetters"} & function.all().keys()
    assert not {*of_a_function, "Feed"} & dev.all().keys()
    assert "pipes" not in json.dumps(function["FunctionFeed/Role"])


def test_the_outputs_name_the_feed_and_its_parts(function: Any, dev: Any) -> None:
    names = ("Feed", "FeedName", "FeedLogName", "FeedMapping")
    assert {name: function.output(name) for name in names} == {
        "Feed": "function",
        "FeedName": "${Feed}",
        "FeedLogName": "${FunctionFeed/Log}",
        "FeedMapping": "${FunctionFeed/Mapping}",
    }
    assert (
        not {"PipeName", "DeadLetterQueueUrl", "PipeLogName"} & function.template["Outputs"].keys()
    )
    assert dev.output("Feed") == "pipe"


def test_the_mapping_leads_from_the_tables_stream_to_the_function(function: Any) -> None:
    assert function[MAPPING]["EventSourceArn"] == "${Records/Table.StreamArn}"
    assert function[MAPPING]["FunctionName"] == "${Feed}"
    assert function[MAPPING]["Enabled"] is True


def test_no_change_made_while_the_mapping_is_created_is_lost(function: Any) -> None:
    assert function[MAPPING]["StartingPosition"] == "TRIM_HORIZON"


def test_batches_are_as_the_settings_say(function: Any) -> None:
    assert function[MAPPING]["BatchSize"] == 1000
    assert function[MAPPING]["MaximumBatchingWindowInSeconds"] == 5


def test_the_filter_passes_the_changes_that_the_transform_expects(function: Any) -> None:
    (only,) = function[MAPPING]["FilterCriteria"]["Filters"]
    expected = function["Transform"]["Environment"]["Variables"]["CHANGE_TYPES"].split(",")
    assert json.loads(only["Pattern"]) == {"eventName": expected}


def test_a_batch_comes_again_from_the_change_that_failed(function: Any) -> None:
    assert function[MAPPING]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert function[MAPPING]["BisectBatchOnFunctionError"] is True


def test_only_their_age_ends_the_waiting_of_changes_that_are_refused_at_once(function: Any) -> None:
    assert function[MAPPING]["MaximumRetryAttempts"] == LAMBDA_RETRIES_MAX


def test_what_is_given_up_can_still_be_read_to_be_kept(function: Any) -> None:
    assert function[MAPPING]["MaximumRecordAgeInSeconds"] < STREAM_RETENTION_SECONDS / 2
    assert function[MAPPING]["DestinationConfig"] == {
        "OnFailure": {"Destination": "${Lake/Bucket.Arn}"}
    }


def test_the_function_knows_where_to_put_changes_and_where_to_keep_them(function: Any) -> None:
    assert function["Feed"]["Environment"]["Variables"] == {
        "STREAM_NAME": "${Delivery/Stream}",
        "BUCKET_NAME": "${Lake/Bucket}",
    }
    assert function["Feed"]["Role"] == "${FunctionFeed/Role.Arn}"
    assert function["Feed"]["LoggingConfig"]["LogGroup"] == "${FunctionFeed/Log}"


def test_the_role_may_read_the_stream_put_into_firehose_and_keep_failures_and_no_more(
    function: Any,
) -> None:
    assert function.allowed(ROLE) == {
        "${FunctionFeed/Log.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "${Records/Table.StreamArn}": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        "${Delivery/Stream.Arn}": {"firehose:PutRecordBatch"},
        f"${{Lake/Bucket.Arn}}/{FEED_FAILURES}*": {"s3:PutObject"},
        "${Lake/Bucket.Arn}": {"s3:ListBucket"},
        "${Encryption/Key.Arn}": {"kms:Decrypt", "kms:GenerateDataKey"},
    }


def test_the_mapping_waits_for_all_rights_of_a_role_that_waits_for_no_function(
    function: Any,
) -> None:
    assert {ROLE, f"{ROLE}/Later"} <= function.made_after(MAPPING)
    assert "Delivery/Stream" not in function.made_after(ROLE)


@pytest.mark.parametrize("kind", ["dev", "function"])
def test_what_was_given_up_expires_with_either_feed(deployments: Any, kind: str) -> None:
    rules = deployments[kind]["Lake/Bucket"]["LifecycleConfiguration"]["Rules"]
    by_prefix = {rule["Prefix"]: rule for rule in rules if "Prefix" in rule}
    kept = {prefix: rule["ExpirationInDays"] for prefix, rule in by_prefix.items()}
    assert kept[FEED_FAILURES] == kept["errors/"]


LAMBDA = "AWS/Lambda"
FUNCTION = {"FunctionName": "${Feed}"}
WATCHED = {
    "FeedFailing": (LAMBDA, "Errors", "Sum", FUNCTION, 3, 0),
    "FeedThrottled": (LAMBDA, "Throttles", "Sum", FUNCTION, 3, 0),
    "FeedBehind": (LAMBDA, "IteratorAge", "Maximum", FUNCTION, 1, 900_000),
    "FeedRefused": ("Sluice", "ChangesRefused", "Sum", FUNCTION, 3, 0),
    "FeedFailuresLost": (LAMBDA, "DestinationDeliveryFailures", "Sum", FUNCTION, 1, 0),
    "FeedFailures": (
        "AWS/S3",
        "PutRequests",
        "Sum",
        {"BucketName": "${Lake/Bucket}", "FilterId": "feed-failures"},
        1,
        0,
    ),
}


def test_the_alarms_of_the_feed_take_the_place_of_those_of_the_pipe(
    function: Any, dev: Any
) -> None:
    def names(deployment: Any) -> set[str]:
        return {path.removeprefix("Alarms/") for path in deployment.all("AWS::CloudWatch::Alarm")}

    assert names(function) - names(dev) == WATCHED.keys() | {"FeedSilent"}
    assert {name.removeprefix("Pipe") for name in names(dev) - names(function)} == {
        *("Failing", "TargetFailing", "Throttled", "TimingOut", "Silent", "DeadLetters")
    }


@pytest.mark.parametrize("name", WATCHED)
def test_an_alarm_watches_a_metric_by_the_names_it_is_published_under(
    function: Any, name: str
) -> None:
    alarm = function[f"Alarms/{name}"]
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    metric = (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"], dimensions)
    assert (*metric, alarm["EvaluationPeriods"], alarm["Threshold"]) == WATCHED[name]
    assert f"docs/runbook.md#{name.lower()}" in alarm["AlarmDescription"]


def test_failures_are_counted_by_a_metric_of_their_prefix(function: Any, dev: Any) -> None:
    def filters(deployment: Any) -> dict[str, str]:
        configurations = deployment["Lake/Bucket"]["MetricsConfigurations"]
        return {each["Id"]: each["Prefix"] for each in configurations}

    assert filters(function) == {**filters(dev), "feed-failures": FEED_FAILURES}


def test_a_feed_is_silent_when_the_table_is_written_to_and_the_function_not_invoked(
    function: Any,
) -> None:
    queries = {each["Id"]: each for each in function["Alarms/FeedSilent"]["Metrics"]}
    metric = queries["invocations"]["MetricStat"]["Metric"]
    assert (metric["Namespace"], metric["MetricName"]) == (LAMBDA, "Invocations")
    assert metric["Dimensions"] == [{"Name": "FunctionName", "Value": "${Feed}"}]
