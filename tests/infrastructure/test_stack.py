"""The stack as a whole."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.schema import TABLE
from tests.infrastructure.patients import TABLE as PATIENTS

KINDS = ["dev", "prod", "attached", "local", "patients"]

UNTAGGABLE = {
    "AWS::Athena::NamedQuery",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogStream",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::S3AutoDeleteObjects",
}

DATA = ("Records/Table", "Lake/Bucket", "Lake/Bucket/Policy", "Encryption/Key")


@pytest.mark.parametrize("kind", KINDS)
def test_every_resource_is_tagged(deployments: Any, kind: str) -> None:
    stage = deployments[kind].name.removeprefix("Sluice-")
    expected = {"application": "sluice", "sluice:stage": stage}
    for path, resource in deployments[kind].all().items():
        if resource["Type"] in UNTAGGABLE or path.startswith("Custom::"):
            continue
        tags = resource["Properties"].get("Tags", {})
        if isinstance(tags, list):
            tags = {tag["Key"]: tag["Value"] for tag in tags}
        assert expected.items() <= tags.items(), path


@pytest.mark.parametrize("kind", KINDS)
def test_the_stack_passes_its_tags_on_to_what_the_template_cannot_tag(
    deployments: Any, kind: str
) -> None:
    deployment = deployments[kind]
    manifest = json.loads((deployment.folder / "manifest.json").read_text())
    stage = deployment.name.removeprefix("Sluice-")
    tags = manifest["artifacts"][deployment.name]["properties"]["tags"]
    assert tags == {"application": "sluice", "sluice:stage": stage}


def test_the_outputs_name_what_people_and_programs_ask_for(dev: Any) -> None:
    assert {
        name: dev.output(name)
        for name in (
            "ApiUrl",
            "TableName",
            "BucketName",
            "StreamName",
            "PipeName",
            "DeadLetterQueueUrl",
            "TransformName",
            "AlarmTopicArn",
            "DashboardName",
            "TransformLogName",
            "ApiLogName",
            "PipeLogName",
            "FirehoseLogName",
            "Layout",
            "SchemaFingerprint",
        )
    } == {
        "ApiUrl": "https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/api/",
        "TableName": "${Records/Table}",
        "BucketName": "${Lake/Bucket}",
        "StreamName": "${Delivery/Stream}",
        "PipeName": "${Pipe/Pipe}",
        "DeadLetterQueueUrl": "${Pipe/DeadLetters}",
        "TransformName": "${Transform}",
        "AlarmTopicArn": "${Alarms/Topic}",
        "DashboardName": "${Dashboard/Dashboard}",
        "TransformLogName": "${Runtime/TransformLog}",
        "ApiLogName": "${Runtime/ApiLog}",
        "PipeLogName": "${Pipe/Log}",
        "FirehoseLogName": "${Delivery/Log}",
        "Layout": "siteId/year/month/day/hour/minute",
        "SchemaFingerprint": TABLE.fingerprint,
    }


def test_a_stack_says_which_declaration_and_which_layout_it_has(prod: Any, patients: Any) -> None:
    assert prod.output("Layout") == "year/siteId"
    assert prod.output("SchemaFingerprint") == TABLE.fingerprint
    assert patients.output("Layout") == "year/month/day/hour"
    assert patients.output("SchemaFingerprint") == PATIENTS.fingerprint


def test_without_an_api_nothing_is_left_of_it(unencrypted: Any, dev: Any) -> None:
    removed = {"APIHandler", "APIHandlerInvokePermission", "RestAPI", "Runtime/ApiRole"} | {
        "Alarms/ApiFailing",
        "Runtime/ApiLog",
    }
    assert removed <= dev.all().keys()
    resources = unencrypted.all()
    assert not removed & resources.keys()
    assert resources.keys() >= {"Transform", "Runtime/TransformRole", "Pipe/Pipe"}
    text = json.dumps(unencrypted.template)
    for name in ("RestAPI", "APIHandler", "ApiUrl", "ApiLog", "AWS/ApiGateway", "execute-api"):
        assert name not in text


def test_nothing_has_a_fixed_name_that_would_stand_in_the_way_of_a_replacement(dev: Any) -> None:
    names = {
        (path, name)
        for path, resource in dev.all().items()
        for name in ("Name", "TableName", "BucketName", "QueueName", "RoleName", "FunctionName")
        if name in resource["Properties"]
        and resource["Type"] not in ("AWS::Lambda::Permission", "Custom::S3AutoDeleteObjects")
        # Of a saved query, the name is what people look for; several may have the same.
        and resource["Type"] != "AWS::Athena::NamedQuery"
    }
    assert names == {("Catalog/WorkGroup", "Name")}, "a workgroup must be given its name"


def test_prod_keeps_its_data_and_cannot_be_destroyed_by_mistake(prod: Any) -> None:
    resources = prod.all()
    kept = {
        path: r for path, r in resources.items() if r.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept.keys() == set(DATA), "without its policy a kept bucket would refuse nobody"
    # A first deployment that fails leaves no empty table, bucket or key behind.
    assert {each["DeletionPolicy"] for each in kept.values()} == {"RetainExceptOnCreate"}
    assert {each["UpdateReplacePolicy"] for each in kept.values()} == {"Retain"}
    manifest = json.loads((prod.folder / "manifest.json").read_text())
    assert manifest["artifacts"]["Sluice-prod"]["properties"]["terminationProtection"] is True


@pytest.mark.parametrize("kind", ["dev", "local"])
def test_every_other_stage_is_destroyed_whole(deployments: Any, kind: str) -> None:
    deployment = deployments[kind]
    resources = deployment.all()
    assert {resources[path]["DeletionPolicy"] for path in DATA} == {"Delete"}
    policies = {r.get("DeletionPolicy", "Delete") for r in resources.values()}
    policies |= {r.get("UpdateReplacePolicy", "Delete") for r in resources.values()}
    assert policies == {"Delete"}
    manifest = json.loads((deployment.folder / "manifest.json").read_text())
    properties = manifest["artifacts"][deployment.name]["properties"]
    assert not properties.get("terminationProtection")


@pytest.mark.parametrize("kind", KINDS)
def test_no_arn_names_a_partition(deployments: Any, kind: str) -> None:
    deployment = deployments[kind]
    named = re.findall(r"arn:aws[a-z-]*:[^\"]*", json.dumps(deployment.template))
    allowed = set(deployment.context.values())  # An existing table's ARNs are given whole.
    assert {arn for arn in named if not any(arn in value for value in allowed)} == set()


def test_the_templates_pass_cfn_lint(deployments: Any) -> None:
    templates = [
        str(deployment.folder / f"{deployment.name}.template.json")
        for deployment in deployments.values()
    ]
    run = subprocess.run(
        [
            Path(sys.executable).with_name("cfn-lint"),
            # W3005: the CDK's function that empties the bucket repeats a dependency.
            # W7001: Firehose's construct declares a mapping of addresses that goes unused.
            *("--ignore-checks", "W3005", "W7001"),
            *("--template", *templates),
        ],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
