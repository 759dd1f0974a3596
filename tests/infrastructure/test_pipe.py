"""The pipe."""

import json
import re
from typing import Any

from chalicelib.change import INPUT_TEMPLATE

PIPE = "Pipe/Pipe"
STREAM_RETENTION_SECONDS = 24 * 60 * 60


def source(deployment: Any) -> Any:
    return deployment[PIPE]["SourceParameters"]["DynamoDBStreamParameters"]


def pattern(deployment: Any) -> Any:
    (only,) = deployment[PIPE]["SourceParameters"]["FilterCriteria"]["Filters"]
    return json.loads(only["Pattern"])


def test_the_pipe_leads_from_the_tables_stream_to_the_delivery_stream(dev: Any) -> None:
    assert dev[PIPE]["Source"] == "${Records/Table.StreamArn}"
    assert dev[PIPE]["Target"] == "${Delivery/Stream.Arn}"


def test_the_local_pipe_runs_by_the_definition_that_aws_gets(dev: Any, local: Any) -> None:
    definition = json.loads(local.output("PipeDefinition"))
    deployed = {name: value for name, value in dev[PIPE].items() if name != "Tags"}
    assert definition.pop("Arn") == "${Pipe/Pipe.Arn}"
    assert definition == deployed
    assert "PipeDefinition" not in dev.template["Outputs"]


def test_the_template_is_the_one_the_transform_reads(dev: Any) -> None:
    assert dev[PIPE]["TargetParameters"] == {"InputTemplate": INPUT_TEMPLATE}


def test_deletes_pass_unless_they_are_dropped(dev: Any, prod: Any) -> None:
    assert pattern(dev) == {"eventName": ["INSERT", "MODIFY", "REMOVE"]}
    assert pattern(prod) == {"eventName": ["INSERT", "MODIFY"]}


def test_the_filter_passes_the_changes_that_the_transform_expects(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        told = deployment["Transform"]["Environment"]["Variables"]["CHANGE_TYPES"]
        assert pattern(deployment)["eventName"] == told.split(",")


def test_no_change_made_while_the_pipe_is_created_is_lost(dev: Any) -> None:
    assert source(dev)["StartingPosition"] == "TRIM_HORIZON"


def test_a_batch_fits_the_target(dev: Any) -> None:
    assert 100 <= source(dev)["BatchSize"] <= 500
    assert source(dev)["MaximumBatchingWindowInSeconds"] == 1


def test_a_poison_change_cannot_hold_up_its_shard(dev: Any) -> None:
    assert source(dev)["MaximumRetryAttempts"] == 10
    assert source(dev)["OnPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
    assert source(dev)["DeadLetterConfig"] == {"Arn": "${Pipe/DeadLetters.Arn}"}


def test_a_dead_letter_arrives_while_its_change_can_still_be_read(dev: Any) -> None:
    assert source(dev)["MaximumRecordAgeInSeconds"] <= STREAM_RETENTION_SECONDS / 2


def test_dead_letters_are_encrypted_kept_two_weeks_and_sent_over_tls(dev: Any) -> None:
    assert dev["Pipe/DeadLetters"]["KmsMasterKeyId"] == "${Encryption/Key.Arn}"
    assert dev["Pipe/DeadLetters"]["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
    assert "FifoQueue" not in dev["Pipe/DeadLetters"]
    (statement,) = dev["Pipe/DeadLetters/Policy"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_errors_are_logged_without_the_records(dev: Any) -> None:
    assert dev[PIPE]["LogConfiguration"] == {
        "Level": "ERROR",
        "CloudwatchLogsLogDestination": {"LogGroupArn": "${Pipe/Log.Arn}"},
    }


def test_the_role_may_read_the_stream_and_put_into_the_target(dev: Any) -> None:
    assert dev[PIPE]["RoleArn"] == "${Pipe/Role.Arn}"
    assert dev.allowed("Pipe/Role") == {
        "${Records/Table.StreamArn}": {
            "dynamodb:DescribeStream",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:ListStreams",
        },
        "${Delivery/Stream.Arn}": {"firehose:PutRecord", "firehose:PutRecordBatch"},
        "${Pipe/DeadLetters.Arn}": {"sqs:SendMessage"},
        "${Encryption/Key.Arn}": {"kms:Decrypt", "kms:GenerateDataKey"},
    }


def needed(deployment: Any, path: str) -> set[str]:
    """All that must exist before a resource."""
    resources = deployment.all()
    seen: set[str] = set()
    waiting = [path]
    while waiting:
        resource = resources[waiting.pop()]
        text = json.dumps(resource["Properties"])
        named = set(re.findall(r"\$\{([^}.]+)", text)) & resources.keys()
        new = (named | {deployment._path(each) for each in resource.get("DependsOn", [])}) - seen
        seen |= new
        waiting += new
    return seen


def test_the_role_is_long_made_when_the_pipe_is(dev: Any) -> None:
    slow = {"Delivery/Stream", "Transform", "Lake/Bucket/AutoDeleteObjectsCustomResource"}
    assert not slow & {each.removesuffix("/Default") for each in needed(dev, "Pipe/Role")}
    before = {each.removesuffix("/Default") for each in needed(dev, PIPE)}
    assert slow <= before, before
    assert "Pipe/Role/Later" in before, "the pipe may not start without its right to put records"


def test_only_a_pipe_of_this_account_may_take_the_role(dev: Any) -> None:
    (statement,) = dev["Pipe/Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pipes.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
        "ArnLike": {
            "aws:SourceArn": ("arn:${AWS::Partition}:pipes:${AWS::Region}:${AWS::AccountId}:pipe/*")
        },
    }
