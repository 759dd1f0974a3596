"""What is read from the emulator's description of a deployed stream, and what is refused."""

import json
from typing import Any

import pytest

from local.firehose import config
from local.firehose.config import Buffering, ConfigError
from tests.local.firehose.stand import (
    DEAGGREGATION,
    client,
    destination,
    lambda_processor,
    poll,
)

DELIMITED = {"ParameterName": "SubRecordType", "ParameterValue": "DELIMITED"}
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:transform"


@pytest.fixture
def read(emulator: str, backend: Any) -> Any:
    def read_stream(name: Any) -> Any:
        described = client("firehose", emulator).describe_delivery_stream(DeliveryStreamName=name)
        return config.read(described["DeliveryStreamDescription"], backend.column_types)

    return read_stream


def test_a_stream_created_by_cloudformation_is_read_whole(emulator: str, read: Any) -> None:
    processor = lambda_processor(
        FUNCTION, NumberOfRetries="2", BufferSizeInMBs="0.5", BufferIntervalInSeconds="30"
    )
    encryption = {"KMSEncryptionConfig": {"AWSKMSKeyARN": "arn:aws:kms:us-east-1:0:key/k"}}
    template = {
        "Resources": {
            "Stream": {
                "Type": "AWS::KinesisFirehose::DeliveryStream",
                "Properties": {
                    "DeliveryStreamName": "from-cloudformation",
                    "DeliveryStreamType": "DirectPut",
                    "DeliveryStreamEncryptionConfigurationInput": {"KeyType": "AWS_OWNED_CMK"},
                    "ExtendedS3DestinationConfiguration": destination(
                        "lake", [processor], EncryptionConfiguration=encryption
                    ),
                },
            }
        }
    }
    formation = client("cloudformation", emulator)
    formation.create_stack(StackName="firehose", TemplateBody=json.dumps(template))
    poll(
        lambda: (
            formation.describe_stacks(StackName="firehose")["Stacks"][0]["StackStatus"]
            == "CREATE_COMPLETE"
        )
    )
    stream = read("from-cloudformation")
    assert (
        stream.arn == "arn:aws:firehose:us-east-1:000000000000:deliverystream/from-cloudformation"
    )
    assert (stream.region, stream.version, stream.encrypted) == ("us-east-1", "1", True)
    assert (stream.bucket, stream.kms_key_arn) == ("lake", "arn:aws:kms:us-east-1:0:key/k")
    assert stream.prefix.keys == ("site",)
    assert stream.error_prefix.evaluate(0, error_type="e") == "errors/e/1970/01/01/"
    assert stream.buffering == Buffering(128, 60)
    assert stream.processor.lambda_arn == FUNCTION
    assert stream.processor.retries == 2
    assert stream.processor.buffering == Buffering(0.5, 30)


def test_a_stream_takes_records_apart_only_if_it_is_deployed_so(deploy: Any, read: Any) -> None:
    assert not read(deploy().name).deaggregates
    assert read(deploy(deaggregates=True).name).deaggregates


def test_processor_parameters_left_out_have_awss_defaults(deploy: Any, read: Any) -> None:
    processor = {
        "Type": "Lambda",
        "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": FUNCTION}],
    }
    stream = read(deploy(ProcessingConfiguration={"Enabled": True, "Processors": [processor]}).name)
    assert stream.processor.retries == 3
    assert stream.processor.buffering == Buffering(1, 60)


def test_a_qualified_function_keeps_its_qualifier(deploy: Any, read: Any) -> None:
    stream = read(deploy({"LambdaArn": f"{FUNCTION}:live"}).name)
    assert stream.processor.qualified_arn == f"{FUNCTION}:live"


def processors(*types: Any) -> Any:
    named = {"Lambda": lambda_processor(FUNCTION)}
    given = [named.get(kind, {"Type": kind}) if isinstance(kind, str) else kind for kind in types]
    return {"ProcessingConfiguration": {"Enabled": True, "Processors": given}}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"CompressionFormat": "Snappy"}, "CompressionFormat is Snappy"),
        ({"S3BackupMode": "Enabled"}, "S3BackupMode"),
        ({"DynamicPartitioningConfiguration": {"Enabled": False}}, "DynamicPartitioning"),
        ({"BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 60}}, "SizeInMBs is 5"),
        ({"BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0}}, "IntervalInSeconds is 0"),
        ({"Prefix": "data/"}, "Prefix must name a partition key"),
        ({"Prefix": "!{partitionKeyFromQuery:site}/"}, "Prefix: !{partitionKeyFromQuery:site}"),
        (
            {"Prefix": "!{partitionKeyFromLambda:s}!{firehose:error-output-type}"},
            "Prefix must not contain !{firehose:error-output-type}",
        ),
        ({"ErrorOutputPrefix": "errors/"}, "ErrorOutputPrefix must contain"),
        (
            {"ErrorOutputPrefix": "!{firehose:error-output-type}!{partitionKeyFromLambda:s}"},
            "ErrorOutputPrefix must not name partition keys",
        ),
        (processors(), "0 Lambda processors"),
        (processors("Lambda", "Lambda"), "2 Lambda processors"),
        (processors("RecordDeAggregation", "Lambda"), "SubRecordType is None"),
        (processors("Lambda", "MetadataExtraction"), "MetadataExtraction"),
        (processors("Lambda", "AppendDelimiterToRecord"), "AppendDelimiterToRecord"),
        (processors("Lambda", {**DEAGGREGATION, "Parameters": [DELIMITED]}), "is DELIMITED"),
        ({"processor": {"NumberOfRetries": "many"}}, "NumberOfRetries is many"),
        ({"processor": {"BufferSizeInMBs": "4"}}, "BufferSizeInMBs is 4"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    deploy: Any, read: Any, changes: Any, named: Any
) -> None:
    stream = deploy(**changes)
    with pytest.raises(ConfigError) as refused:
        read(stream.name)
    assert stream.name in str(refused.value)
    assert named in str(refused.value)


def test_all_reasons_are_reported_together(deploy: Any, read: Any) -> None:
    stream = deploy(CompressionFormat="ZIP", Prefix="data/", ErrorOutputPrefix="errors/")
    with pytest.raises(ConfigError) as refused:
        read(stream.name)
    assert str(refused.value).count("\n  - ") == 3
