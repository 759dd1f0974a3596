"""The functions: their roles, their settings, and what is in their package."""

import platform
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
HOST = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


def test_the_transform_may_write_its_own_log_and_nothing_else(dev: Any):
    assert dev["Transform"]["Role"] == "${Runtime/TransformRole.Arn}"
    assert dev.allowed("Runtime/TransformRole") == {
        "${Runtime/TransformLog.Arn}": {"logs:CreateLogStream", "logs:PutLogEvents"}
    }


def test_the_api_may_use_the_table_and_its_key_and_write_its_own_log(dev: Any):
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


def test_the_api_may_use_the_key_through_dynamodb_alone(dev: Any):
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
def test_each_function_writes_to_its_own_log(dev: Any, function: str, log: str):
    assert dev[function]["LoggingConfig"] == {"LogGroup": log}


def test_the_api_is_told_its_table(dev: Any):
    assert dev["APIHandler"]["Environment"] == {"Variables": {"TABLE_NAME": "${Records/Table}"}}


def test_the_transform_is_told_layout_and_change_types(dev: Any, prod: Any):
    assert dev["Transform"]["Environment"]["Variables"] == {
        "LAYOUT": "siteId/year/month/day/hour/minute",
        "CHANGE_TYPES": "INSERT,MODIFY,REMOVE",
    }
    assert prod["Transform"]["Environment"]["Variables"] == {
        "LAYOUT": "year/siteId",
        "CHANGE_TYPES": "INSERT,MODIFY",
    }


def test_firehose_waits_longer_than_the_transform_may_take(dev: Any):
    firehose_limit_seconds = 300
    assert dev["Transform"]["Timeout"] < firehose_limit_seconds


def test_the_api_answers_before_the_gateway_gives_up(dev: Any):
    assert dev["APIHandler"]["Timeout"] <= 29


def test_every_route_needs_a_signed_request(dev: Any):
    definition = dev["RestAPI"]["DefinitionBody"]
    assert definition["securityDefinitions"]["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4"
    methods = [method for path in definition["paths"].values() for method in path.values()]
    assert methods
    assert all(method["security"] == [{"sigv4": []}] for method in methods)


def test_the_api_has_the_one_stage_it_names(dev: Any):
    assert dev["RestAPI"]["StageName"] == "api"
    assert dev["RestAPI"]["OpenApiVersion"] == "2.0", "without it SAM adds a stage named Stage"


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_functions_run_on_arm_on_aws_and_on_this_machine_locally(
    dev: Any, local: Any, function: str
):
    assert dev[function]["Architectures"] == ["arm64"]
    assert local[function]["Architectures"] == [HOST]


@pytest.mark.parametrize("function", ["APIHandler", "Transform"])
def test_functions_run_on_the_python_that_packaged_them(dev: Any, function: str):
    assert dev[function]["Runtime"] == f"python3.{sys.version_info.minor}"


def test_the_package_holds_what_runs_and_nothing_else(dev: Any):
    names = {name for name in dev.package().namelist() if not name.endswith("/")}
    ours = {str(path.relative_to(PROJECT)) for path in (PROJECT / "chalicelib").rglob("*.py")} | {
        "app.py",
        "chalice/__init__.py",
        "chalice/app.py",
    }
    assert ours <= names
    assert {name.split("/")[0].split("-")[0] for name in names - ours} == {"msgspec"}
    assert not [name for name in names if name.endswith(".pyc")]


@pytest.mark.parametrize(("kind", "architecture"), [("dev", "arm64"), ("local", HOST)])
def test_compiled_modules_are_built_for_the_function_they_run_in(
    deployments: Any, kind: str, architecture: str
):
    compiled = [name for name in deployments[kind].package().namelist() if name.endswith(".so")]
    abi = f"cpython-3{sys.version_info.minor}-{MACHINE[architecture]}-linux-gnu"
    assert compiled
    assert all(abi in name for name in compiled)


def test_the_package_is_small_enough_to_start_quickly(dev: Any):
    unpacked_bytes = sum(entry.file_size for entry in dev.package().infolist())
    assert unpacked_bytes < 2_000_000
