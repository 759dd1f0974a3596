"""The alarms and the topic they tell."""

import re
from pathlib import Path
from typing import Any

import pytest

from chalicelib.metrics import ODD_TIMES, RECORDS
from sluice.cli.command import SUMMARIES

ALARM = "AWS::CloudWatch::Alarm"
RUNBOOK = Path(__file__).resolve().parents[2] / "docs/runbook.md"
TOPIC = "Alarms/Topic"

PIPE = {"PipeName": "${Pipe/Pipe}"}
QUEUE = {"QueueName": "${Pipe/DeadLetters.QueueName}"}
STREAM = {"DeliveryStreamName": "${Delivery/Stream}"}
FUNCTION = {"FunctionName": "${Transform}"}
ERRORS = {"BucketName": "${Lake/Bucket}", "FilterId": "errors"}
API = {"ApiName": "Sluice-dev", "Stage": "api"}

# What AWS calls it: a metric of another name or dimension does not exist, and its alarm is silent.
WATCHED = {
    "PipeFailing": ("AWS/EventBridge/Pipes", "ExecutionFailed", "Sum", PIPE),
    "PipeTargetFailing": ("AWS/EventBridge/Pipes", "TargetStageFailed", "Sum", PIPE),
    "PipeThrottled": ("AWS/EventBridge/Pipes", "ExecutionThrottled", "Sum", PIPE),
    "PipeTimingOut": ("AWS/EventBridge/Pipes", "ExecutionTimeout", "Sum", PIPE),
    "DeadLetters": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", QUEUE),
    "DeliveryLate": ("AWS/Firehose", "DeliveryToS3.DataFreshness", "Maximum", STREAM),
    "DeliveryFailing": ("AWS/Firehose", "DeliveryToS3.Success", "Average", STREAM),
    "DeliveryThrottled": ("AWS/Firehose", "ThrottledRecords", "Sum", STREAM),
    "TooManyPartitions": ("AWS/Firehose", "PartitionCountExceeded", "Maximum", STREAM),
    "KeyAccessDenied": ("AWS/Firehose", "KMSKeyAccessDenied", "Sum", STREAM),
    "KeyDisabled": ("AWS/Firehose", "KMSKeyDisabled", "Sum", STREAM),
    "KeyInvalidState": ("AWS/Firehose", "KMSKeyInvalidState", "Sum", STREAM),
    "KeyNotFound": ("AWS/Firehose", "KMSKeyNotFound", "Sum", STREAM),
    "ErrorObjects": ("AWS/S3", "PutRequests", "Sum", ERRORS),
    "RecordsFailed": ("Sluice", RECORDS["ProcessingFailed"], "Sum", FUNCTION),
    "ImplausibleTimes": ("Sluice", ODD_TIMES, "Sum", FUNCTION),
    "TransformFailing": ("AWS/Lambda", "Errors", "Sum", FUNCTION),
    "TransformSlow": ("AWS/Lambda", "Duration", "Maximum", FUNCTION),
    "TransformThrottled": ("AWS/Lambda", "Throttles", "Sum", FUNCTION),
    "ApiFailing": ("AWS/ApiGateway", "5XXError", "Sum", API),
}

RETRIED_BY_ITSELF = {
    "PipeFailing",
    "PipeTargetFailing",
    "PipeThrottled",
    "DeliveryFailing",
    "DeliveryThrottled",
    "TransformThrottled",
}


def alarms(deployment: Any) -> dict[str, Any]:
    return {
        path.removeprefix("Alarms/"): alarm["Properties"]
        for path, alarm in deployment.all(ALARM).items()
    }


@pytest.mark.parametrize("name", WATCHED)
def test_an_alarm_watches_a_metric_by_the_names_it_is_published_under(dev: Any, name: str) -> None:
    alarm = dev[f"Alarms/{name}"]
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    found = (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"], dimensions)
    assert found == WATCHED[name]
    assert "Unit" not in alarm, "only a metric published with that very unit would match"


def test_nothing_is_watched_that_is_not_listed_here(dev: Any) -> None:
    assert alarms(dev).keys() == WATCHED.keys() | {"PipeSilent"}


def test_a_pipe_is_silent_when_the_table_is_written_to_and_the_pipe_not_invoked(dev: Any) -> None:
    alarm = dev["Alarms/PipeSilent"]
    queries = {each["Id"]: each for each in alarm["Metrics"]}
    (result,) = [each for each in queries.values() if each.get("ReturnData", True)]
    assert result["Expression"] == "IF(writes > 0, IF(FILL(invocations, 0) > 0, 0, 1))"
    stats = {name: each["MetricStat"] for name, each in queries.items() if each != result}
    table = [{"Name": "TableName", "Value": "${Records/Table}"}]
    pipe = [{"Name": "PipeName", "Value": "${Pipe/Pipe}"}]
    assert {
        name: (stat["Metric"], stat["Stat"], stat["Period"]) for name, stat in stats.items()
    } == {
        name: ({"Namespace": namespace, "MetricName": metric, "Dimensions": of}, "Sum", 300)
        for name, namespace, metric, of in (
            ("writes", "AWS/DynamoDB", "ConsumedWriteCapacityUnits", table),
            ("invocations", "AWS/EventBridge/Pipes", "Invocations", pipe),
        )
    }


def test_a_silent_pipe_is_noticed_by_writes_that_lie_apart_and_not_by_a_single_one(
    dev: Any,
) -> None:
    alarm = dev["Alarms/PipeSilent"]
    assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (3, 12)


@pytest.mark.parametrize("kind", ["prod", "attached"])
def test_every_deployment_has_the_same_alarms(deployments: Any, kind: str) -> None:
    assert alarms(deployments[kind]).keys() == alarms(deployments["dev"]).keys()


def test_the_emulator_is_spared_the_alarm_on_an_expression_which_it_refuses(local: Any) -> None:
    assert alarms(local).keys() == WATCHED.keys()


def test_alarms_are_named_after_their_stack(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        for name, alarm in alarms(deployment).items():
            assert alarm["AlarmName"] == f"{deployment.name}-{name}"


def test_alarms_tell_the_topic_when_they_go_off_and_when_it_is_over(dev: Any) -> None:
    for alarm in alarms(dev).values():
        assert alarm["AlarmActions"] == ["${Alarms/Topic}"]
        assert alarm["OKActions"] == ["${Alarms/Topic}"]


def test_what_is_tried_again_may_fail_for_a_while_and_the_rest_not_once(dev: Any) -> None:
    for name in WATCHED:
        alarm = dev[f"Alarms/{name}"]
        assert alarm["Period"] == 300
        assert alarm["EvaluationPeriods"] == (3 if name in RETRIED_BY_ITSELF else 1), name
        assert alarm.get("DatapointsToAlarm") in (None, alarm["EvaluationPeriods"])


def test_silence_is_well_but_ends_no_alarm_of_letters_that_still_lie_there_or_a_stopped_pipe(
    dev: Any,
) -> None:
    for name, alarm in alarms(dev).items():
        expected = "ignore" if name in ("DeadLetters", "PipeSilent") else "notBreaching"
        assert alarm["TreatMissingData"] == expected, name


def test_trouble_is_counted_from_the_first_time(dev: Any) -> None:
    measured = {"DeliveryLate", "DeliveryFailing", "TransformSlow"}
    for name, alarm in alarms(dev).items():
        if name not in measured:
            assert alarm["ComparisonOperator"] == "GreaterThanThreshold", name
            assert alarm["Threshold"] == 0, name


def test_delivery_fails_when_some_write_does_not_succeed(dev: Any) -> None:
    assert dev["Alarms/DeliveryFailing"]["ComparisonOperator"] == "LessThanThreshold"
    assert dev["Alarms/DeliveryFailing"]["Threshold"] == 1


def test_delivery_is_late_when_its_buffers_cannot_explain_it(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        destination = deployment["Delivery/Stream"]["ExtendedS3DestinationConfiguration"]
        buffer_seconds = destination["BufferingHints"]["IntervalInSeconds"]
        late = deployment["Alarms/DeliveryLate"]["Threshold"]
        assert max(900, 1.5 * buffer_seconds) <= late <= 1800


def test_the_transform_is_slow_before_it_runs_out_of_time(dev: Any) -> None:
    timeout_milliseconds = dev["Transform"]["Timeout"] * 1000
    assert dev["Alarms/TransformSlow"]["Threshold"] == pytest.approx(0.8 * timeout_milliseconds)


def sections() -> dict[str, str]:
    """The runbook's sections of alarms, by heading."""
    _, *parts = re.split(r"(?m)^### (.+)$", RUNBOOK.read_text())
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_alarm_has_its_section_in_the_runbook_and_every_section_its_alarm(
    deployments: Any,
) -> None:
    every = {
        name for kind in ("dev", "compacted", "function") for name in alarms(deployments[kind])
    }
    assert sections().keys() == every


@pytest.mark.parametrize("name", sections())
def test_a_section_says_what_it_means_what_to_look_at_and_what_fixes_it(name: str) -> None:
    section = sections()[name]
    for part in ("**Means.**", "**Look.**", "**Fix.**"):
        assert part in section


KINDS = pytest.mark.parametrize("kind", ["dev", "compacted", "function"])


@KINDS
def test_an_alarm_says_what_it_means_and_where_to_go_on(deployments: Any, kind: str) -> None:
    for name, alarm in alarms(deployments[kind]).items():
        description = alarm["AlarmDescription"]
        assert f"docs/runbook.md#{name.lower()}" in description
        assert re.findall("`sluice [a-z]+`", description), name
        assert len(description) <= 1024


@KINDS
def test_alarms_and_runbook_name_commands_that_exist(deployments: Any, kind: str) -> None:
    every = alarms(deployments[kind]).values()
    descriptions = " ".join(alarm["AlarmDescription"] for alarm in every)
    for text in (descriptions, RUNBOOK.read_text()):
        named = set(re.findall(r"\bsluice ([a-z]+)", text))
        assert named
        assert named <= SUMMARIES.keys()


def test_the_topic_is_encrypted_with_the_key(dev: Any) -> None:
    assert dev[TOPIC]["KmsMasterKeyId"] == "${Encryption/Key.Arn}"


def test_only_the_alarms_of_this_stack_may_tell_the_topic_and_only_over_tls(dev: Any) -> None:
    policy = dev[f"{TOPIC}/Policy"]
    assert policy["Topics"] == ["${Alarms/Topic}"]
    statements = policy["PolicyDocument"]["Statement"]
    (denied,) = [each for each in statements if each["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    (allowed,) = [each for each in statements if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    assert allowed["Condition"]["StringEquals"] == {"aws:SourceAccount": "${AWS::AccountId}"}
    assert allowed["Condition"]["ArnLike"]["aws:SourceArn"].endswith(":alarm:Sluice-dev-*")


def test_who_is_to_be_mailed_is_subscribed_and_nobody_else(dev: Any, prod: Any) -> None:
    subscriptions = "AWS::SNS::Subscription"
    assert not dev.all(subscriptions)
    (subscription,) = prod.all(subscriptions).values()
    assert subscription["Properties"] == {
        "TopicArn": "${Alarms/Topic}",
        "Protocol": "email",
        "Endpoint": "operator@example.com",
    }
