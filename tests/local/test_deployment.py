import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.deployment import Deployment, DeploymentError, Scope

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/Sluice-local/7f"
STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/records/stream/2023"

RESOURCES = {
    "Records": ("AWS::DynamoDB::Table", "records"),
    "Lake": ("AWS::S3::Bucket", "lake"),
    "Errors": ("AWS::S3::Bucket", "errors"),
    "Dead": ("AWS::SQS::Queue", "http://127.0.0.1:4566/123456789012/dead"),
    "Stream": ("AWS::KinesisFirehose::DeliveryStream", "delivery"),
    "Key": ("AWS::KMS::Key", "1234-abcd"),
    "Role": ("AWS::IAM::Role", "role"),
    "Transform": ("AWS::Lambda::Function", "transform"),
    "Log": ("AWS::Logs::LogGroup", "/sluice"),
    "Pipe": ("AWS::Pipes::Pipe", "changes"),
    "Alarm": ("AWS::CloudWatch::Alarm", "alarm"),
}


def deployed(**properties: Any) -> Deployment:
    template = {"Resources": {"Pipe": {"Type": "AWS::Pipes::Pipe", "Properties": properties}}}
    streams = {"records": STREAM}
    return Deployment(
        Scope.of(STACK_ID),
        template,
        RESOURCES,
        {"BootstrapVersion": "21"},
        {"TableName": "records"},
        lambda table: streams.get(table, ""),
    )


def resolved(value: Any) -> Any:
    return deployed(Value=value).one("AWS::Pipes::Pipe").properties["Value"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Records"}, "records"),
        ({"Ref": "BootstrapVersion"}, "21"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::AccountId"}, "123456789012"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::StackName"}, "Sluice-local"),
        ({"Ref": "AWS::StackId"}, STACK_ID),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Fn::GetAtt": ["Records", "StreamArn"]}, STREAM),
        ({"Fn::GetAtt": "Lake.Arn"}, "arn:aws:s3:::lake"),
        ({"Fn::GetAtt": ["Dead", "Arn"]}, "arn:aws:sqs:eu-west-1:123456789012:dead"),
        ({"Fn::GetAtt": ["Dead", "QueueName"]}, "dead"),
        (
            {"Fn::GetAtt": ["Stream", "Arn"]},
            "arn:aws:firehose:eu-west-1:123456789012:deliverystream/delivery",
        ),
        ({"Fn::GetAtt": ["Key", "Arn"]}, "arn:aws:kms:eu-west-1:123456789012:key/1234-abcd"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "arn:aws:iam::123456789012:role/role"),
        (
            {"Fn::GetAtt": ["Transform", "Arn"]},
            "arn:aws:lambda:eu-west-1:123456789012:function:transform",
        ),
        (
            {"Fn::GetAtt": ["Log", "Arn"]},
            "arn:aws:logs:eu-west-1:123456789012:log-group:/sluice:*",
        ),
        ({"Fn::Join": ["/", ["a", {"Ref": "Lake"}, 1]]}, "a/lake/1"),
        ({"Fn::Select": ["1", {"Fn::Split": [":", {"Fn::GetAtt": "Lake.Arn"}]}]}, "aws"),
        (
            {"Fn::Sub": "${Lake}/${Dead.Arn}/${!kept}/${AWS::Region}"},
            "lake/arn:aws:sqs:eu-west-1:123456789012:dead/${kept}/eu-west-1",
        ),
        ({"Fn::Sub": ["${name}-${Lake}", {"name": {"Ref": "Records"}}]}, "records-lake"),
        ([{"Ref": "Lake"}, {"Ref": "AWS::NoValue"}, 2, True], ["lake", 2, True]),
        ({"Kept": {"Ref": "Lake"}, "Gone": {"Ref": "AWS::NoValue"}}, {"Kept": "lake"}),
    ],
)
def test_references_come_out_as_plain_values(value: Any, expected: Any) -> None:
    assert resolved(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Fn::If": ["Condition", 1, 2]}, "Pipe.Value: Fn::If is not supported"),
        ({"Fn::GetAtt": ["Alarm", "Arn"]}, "attribute Arn of AWS::CloudWatch::Alarm"),
        ({"Fn::GetAtt": ["Nowhere", "Arn"]}, "has no Nowhere"),
        ([1, {"Ref": "Nowhere"}], "Pipe.Value[1]: Ref Nowhere cannot be resolved"),
        ({"Fn::Sub": "${Nowhere}"}, "Pipe.Value: Ref Nowhere cannot be resolved"),
    ],
)
def test_what_cannot_be_resolved_is_refused_by_name(value: Any, message: str) -> None:
    with pytest.raises(DeploymentError) as error:
        resolved(value)
    assert message in str(error.value)


def test_a_resource_that_cannot_be_resolved_does_not_hinder_the_others() -> None:
    deployment = deployed(Value={"Fn::If": ["Condition", 1, 2]})
    assert deployment.one("AWS::DynamoDB::Table").physical_id == "records"
    assert deployment.outputs == {"TableName": "records"}


def test_a_table_without_a_stream_is_named() -> None:
    deployment = Deployment(Scope.of(STACK_ID), {}, RESOURCES, {}, {}, lambda _table: "")
    with pytest.raises(DeploymentError, match="Table records has no stream"):
        deployment.attribute("Records", "StreamArn")


def test_one_resource_of_a_type_is_neither_none_nor_two() -> None:
    deployment = deployed()
    assert [bucket.physical_id for bucket in deployment.all("AWS::S3::Bucket")] == [
        "lake",
        "errors",
    ]
    with pytest.raises(DeploymentError, match=r"exactly one AWS::S3::Bucket.*Lake, Errors"):
        deployment.one("AWS::S3::Bucket")
    with pytest.raises(DeploymentError, match="has none"):
        deployment.one("AWS::SNS::Topic")


TEMPLATE = {
    "Resources": {
        "Lake": {"Type": "AWS::S3::Bucket"},
        "Dead": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"Tags": [{"Key": "lake", "Value": {"Fn::GetAtt": ["Lake", "Arn"]}}]},
        },
    },
    "Outputs": {"Bucket": {"Value": {"Ref": "Lake"}}},
}


@pytest.fixture
def session() -> boto3.Session:
    return boto3.Session("test", "test", region_name="us-east-1")


@pytest.fixture
def cloudformation(emulator: str, session: boto3.Session) -> "CloudFormationClient":
    return session.client("cloudformation", endpoint_url=emulator)


@pytest.fixture
def read(
    emulator: str, session: boto3.Session, cloudformation: "CloudFormationClient"
) -> Callable[..., Deployment]:
    def deploy_and_read(template: str, template_file: Path | None = None) -> Deployment:
        cloudformation.create_stack(StackName="deployment", TemplateBody=template)
        try:
            cloudformation.get_waiter("stack_create_complete").wait(
                StackName="deployment", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
            return Deployment.read(
                emulator, "deployment", session=session, template_file=template_file
            )
        finally:
            cloudformation.delete_stack(StackName="deployment")

    return deploy_and_read


def test_a_stack_is_read_as_it_was_deployed(read: Callable[..., Deployment]) -> None:
    deployment = read(json.dumps(TEMPLATE))
    bucket = deployment.one("AWS::S3::Bucket")
    assert deployment.outputs == {"Bucket": bucket.physical_id}
    assert deployment.one("AWS::SQS::Queue").properties == {
        "Tags": [{"Key": "lake", "Value": f"arn:aws:s3:::{bucket.physical_id}"}]
    }


def test_a_synthesized_template_can_stand_in_for_the_deployed_one(
    read: Callable[..., Deployment], tmp_path: Path
) -> None:
    file = tmp_path / "template.json"
    properties = {"QueueName": {"Ref": "Lake"}}
    file.write_text(json.dumps({"Resources": {"Dead": {"Properties": properties}}}))
    deployment = read(json.dumps(TEMPLATE), file)
    bucket = deployment.one("AWS::S3::Bucket").physical_id
    assert deployment.one("AWS::SQS::Queue").properties == {"QueueName": bucket}


def test_a_file_that_is_no_template_is_named(
    read: Callable[..., Deployment], tmp_path: Path
) -> None:
    with pytest.raises(DeploymentError, match=r"absent\.json is no synthesized template"):
        read(json.dumps(TEMPLATE), tmp_path / "absent.json")


def test_a_template_that_is_not_json_is_refused(read: Callable[..., Deployment]) -> None:
    with pytest.raises(DeploymentError, match="template of stack deployment is not JSON"):
        read("Resources:\n  Lake:\n    Type: AWS::S3::Bucket\n")


def test_a_stack_that_is_not_there_is_named(emulator: str, session: boto3.Session) -> None:
    with pytest.raises(DeploymentError, match="Stack nowhere cannot be read"):
        Deployment.read(emulator, "nowhere", session=session)


def test_an_emulator_that_does_not_answer_is_named(
    closed_endpoint: str, session: boto3.Session
) -> None:
    with pytest.raises(DeploymentError, match=f"{closed_endpoint} does not answer"):
        Deployment.read(closed_endpoint, "deployment", session=session)
