"""The delivery stream."""

from typing import Any

import pytest

from chalicelib.partitions import firehose_error_prefix, firehose_prefix
from chalicelib.schema import TABLE

STREAM = "Delivery/Stream"


def destination(deployment: Any) -> Any:
    return deployment[STREAM]["ExtendedS3DestinationConfiguration"]


def processor(deployment: Any) -> dict[str, str]:
    configuration = destination(deployment)["ProcessingConfiguration"]
    assert configuration["Enabled"] is True
    deaggregation, transform = configuration["Processors"]
    assert deaggregation == {
        "Type": "RecordDeAggregation",
        "Parameters": [{"ParameterName": "SubRecordType", "ParameterValue": "JSON"}],
    }
    assert transform["Type"] == "Lambda"
    return {entry["ParameterName"]: entry["ParameterValue"] for entry in transform["Parameters"]}


def test_records_are_put_directly_and_rest_encrypted_with_the_key(dev: Any) -> None:
    assert dev[STREAM]["DeliveryStreamType"] == "DirectPut"
    assert dev[STREAM]["DeliveryStreamEncryptionConfigurationInput"] == {
        "KeyARN": "${Encryption/Key.Arn}",
        "KeyType": "CUSTOMER_MANAGED_CMK",
    }


def test_objects_are_gzip_in_the_lakes_bucket_encrypted_with_the_key(dev: Any) -> None:
    assert destination(dev)["BucketARN"] == "${Lake/Bucket.Arn}"
    assert destination(dev)["CompressionFormat"] == "GZIP"
    assert destination(dev)["EncryptionConfiguration"] == {
        "KMSEncryptionConfig": {"AWSKMSKeyARN": "${Encryption/Key.Arn}"}
    }


def test_objects_are_partitioned_by_the_keys_the_transform_gives(dev: Any, prod: Any) -> None:
    assert destination(dev)["DynamicPartitioningConfiguration"] == {
        "Enabled": True,
        "RetryOptions": {"DurationInSeconds": 300},
    }
    assert destination(dev)["Prefix"] == firehose_prefix(TABLE)
    assert destination(prod)["Prefix"] == firehose_prefix(TABLE.with_layout(("year", "siteId")))


def test_the_prefix_names_the_levels_of_the_transform(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        levels = deployment["Transform"]["Environment"]["Variables"]["LAYOUT"].split("/")
        assert destination(deployment)["Prefix"] == firehose_prefix(TABLE.with_layout(levels))


def test_failures_go_under_errors_by_kind_and_day(dev: Any) -> None:
    assert destination(dev)["ErrorOutputPrefix"] == firehose_error_prefix()
    assert "!{firehose:error-output-type}" in firehose_error_prefix()


def test_buffers_are_as_the_settings_say(dev: Any, prod: Any) -> None:
    assert destination(dev)["BufferingHints"] == {"IntervalInSeconds": 60, "SizeInMBs": 128}
    assert destination(prod)["BufferingHints"] == {"IntervalInSeconds": 900, "SizeInMBs": 64}


def test_records_are_taken_apart_before_the_transform_processes_them(dev: Any) -> None:
    assert processor(dev) == {
        "LambdaArn": "${Transform.Arn}",
        "RoleArn": "${Delivery/Role.Arn}",
        "BufferSizeInMBs": "1",
        "BufferIntervalInSeconds": "10",
        "NumberOfRetries": "3",
    }


def test_delivery_errors_are_logged_to_a_group_of_their_own(dev: Any) -> None:
    assert destination(dev)["CloudWatchLoggingOptions"] == {
        "Enabled": True,
        "LogGroupName": "${Delivery/Log}",
        "LogStreamName": "${Delivery/Log/S3Destination}",
    }


def test_the_stream_works_under_one_role_with_the_rights_delivery_needs(dev: Any) -> None:
    assert destination(dev)["RoleARN"] == "${Delivery/Role.Arn}"
    objects = {"s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"}
    function = {"lambda:InvokeFunction", "lambda:GetFunctionConfiguration"}
    assert dev.allowed("Delivery/Role") == {
        "${Lake/Bucket.Arn}": {
            "s3:GetBucketLocation",
            "s3:ListBucket",
            "s3:ListBucketMultipartUploads",
        },
        "${Lake/Bucket.Arn}/data/*": objects,
        "${Lake/Bucket.Arn}/errors/*": objects,
        "${Encryption/Key.Arn}": {"kms:Decrypt", "kms:GenerateDataKey"},
        "${Transform.Arn}": function,
        "${Transform.Arn}:$LATEST": function,
        "${Delivery/Log.Arn}": {"logs:PutLogEvents"},
    }


def test_the_role_uses_the_key_for_this_bucket_through_s3_alone(dev: Any) -> None:
    (statement,) = [
        statement
        for statement in dev.statements("Delivery/Role")
        if statement["Resource"] == "${Encryption/Key.Arn}"
    ]
    assert statement["Condition"] == {
        "StringEquals": {
            "kms:ViaService": "s3.${AWS::Region}.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": "${Lake/Bucket.Arn}",
        }
    }


@pytest.mark.parametrize("kind", ["dev", "prod", "local"])
def test_the_stream_is_made_once_its_role_has_all_its_rights(deployments: Any, kind: str) -> None:
    policies = deployments[kind].all("AWS::IAM::Policy").values()
    attached = {role for policy in policies for role in policy["Properties"]["Roles"]}
    # A policy apart from its role may come after what works under the role; the pipe waits for its.
    assert attached == {"${Pipe/Role}"}


def test_the_stream_is_gone_before_the_bucket_is_emptied(dev: Any) -> None:
    (emptying,) = dev.all("Custom::S3AutoDeleteObjects")
    assert emptying in dev.made_after(STREAM)
