"""The functions: their roles, their logs, what they are told, and the API in front."""

from typing import Any

import pytest


def test_the_transform_may_write_its_own_log_and_nothing_else(dev: Any) -> None:
    assert dev["Transform"]["Role"] == "${Runtime/TransformRole.Arn}"
    assert dev.allowed("Runtime/TransformRole") == {
        "${Runtime/TransformLog.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"}
    }


def test_the_api_may_use_the_table_and_its_key_and_write_its_own_log(dev: Any) -> None:
    assert dev["APIHandler"]["Role"] == "${Runtime/ApiRole.Arn}"
    assert dev.allowed("Runtime/ApiRole") == {
        "${Runtime/ApiLog.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "${Records/Table.Arn}": {
            "dynamodb:BatchWriteItem",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Scan",
        },
        "${Encryption/Key.Arn}": {
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        },
    }


def test_the_api_may_use_the_key_through_dynamodb_alone(dev: Any) -> None:
    (statement,) = [
        statement
        for statement in dev.statements("Runtime/ApiRole")
        if statement["Resource"] == "${Encryption/Key.Arn}"
    ]
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": "dynamodb.${AWS::Region}.amazonaws.com"}
    }


@pytest.mark.parametrize(
    ("function", "log"),
    [("APIHandler", "${Runtime/ApiLog}"), ("Transform", "${Runtime/TransformLog}")],
)
def test_each_function_writes_to_its_own_log(dev: Any, function: str, log: str) -> None:
    assert dev[function]["LoggingConfig"]["LogGroup"] == log


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_lambda_logs_its_own_lines_as_json_too(dev: Any, function: str) -> None:
    assert dev[function]["LoggingConfig"]["LogFormat"] == "JSON"


def test_cloudwatch_can_tell_the_api_of_one_stage_from_that_of_another(dev: Any, prod: Any) -> None:
    for deployment in (dev, prod):
        assert deployment["RestAPI"]["DefinitionBody"]["info"]["title"] == deployment.name


def test_the_api_has_its_table_in_the_environment(dev: Any) -> None:
    assert dev["APIHandler"]["Environment"] == {"Variables": {"TABLE_NAME": "${Records/Table}"}}


def test_the_transform_has_its_settings_in_the_environment(dev: Any, prod: Any) -> None:
    assert dev["Transform"]["Environment"]["Variables"] == {
        "LAYOUT": "siteId/year/month/day/hour/minute",
        "CHANGE_TYPES": "INSERT,MODIFY,REMOVE",
    }
    assert prod["Transform"]["Environment"]["Variables"] == {
        "LAYOUT": "year/siteId",
        "CHANGE_TYPES": "INSERT,MODIFY",
    }


def test_the_key_of_protected_fields_is_made_by_the_stack_and_read_by_the_transform_alone(
    patients: Any, dev: Any
) -> None:
    assert not dev.all("AWS::SecretsManager")
    secret = patients["Runtime/HashKey"]
    assert secret["KmsKeyId"] == "${Encryption/Key.Arn}"
    assert secret["GenerateSecretString"] == {"PasswordLength": 64, "ExcludePunctuation": True}
    variables = patients["Transform"]["Environment"]["Variables"]
    assert variables["HASH_SECRET_ARN"] == "${Runtime/HashKey}"
    assert "HASH_SECRET_ARN" not in patients["APIHandler"]["Environment"]["Variables"]
    readers = [
        role
        for role in patients.all("AWS::IAM::Role")
        if "${Runtime/HashKey}" in patients.allowed(role)
    ]
    assert readers == ["Runtime/TransformRole"]
    assert patients.allowed("Runtime/TransformRole") == {
        "${Runtime/TransformLog.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"},
        "${Runtime/HashKey}": {"secretsmanager:GetSecretValue"},
        "${Encryption/Key.Arn}": {"kms:Decrypt"},
    }


def test_firehose_waits_longer_than_the_transform_may_take(dev: Any) -> None:
    firehose_limit_seconds = 300
    assert dev["Transform"]["Timeout"] < firehose_limit_seconds


def test_the_api_answers_before_the_gateway_gives_up(dev: Any) -> None:
    assert dev["APIHandler"]["Timeout"] <= 29


def test_every_route_needs_a_signed_request(dev: Any) -> None:
    definition = dev["RestAPI"]["DefinitionBody"]
    assert definition["securityDefinitions"]["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    methods = [method for path in definition["paths"].values() for method in path.values()]
    assert methods
    assert all(method["security"] == [{"sigv4": []}] for method in methods)


def test_the_api_has_the_one_stage_it_names(dev: Any) -> None:
    assert dev["RestAPI"]["StageName"] == "api"
    assert dev["RestAPI"]["OpenApiVersion"] == "2.0", "without it SAM adds a stage named Stage"
