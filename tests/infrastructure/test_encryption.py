"""The key, and who may use it."""

from typing import Any

import pytest

KEY = "Encryption/Key"
KEY_ARN = "${Encryption/Key.Arn}"


def test_the_key_is_rotated(dev: Any) -> None:
    assert dev[KEY]["EnableKeyRotation"] is True


def test_there_is_one_key(dev: Any) -> None:
    assert list(dev.all("AWS::KMS::Key")) == [KEY]


def statement_of(deployment: Any, service: str) -> Any:
    (statement,) = [
        statement
        for statement in deployment[KEY]["KeyPolicy"]["Statement"]
        if statement["Principal"].get("Service") == service
    ]
    return statement


def test_no_other_service_may_use_the_key_of_itself(dev: Any) -> None:
    statements = dev[KEY]["KeyPolicy"]["Statement"]
    services = {s["Principal"]["Service"] for s in statements if "Service" in s["Principal"]}
    assert services == {"logs.${AWS::Region}.amazonaws.com", "cloudwatch.amazonaws.com"}


def test_alarms_of_this_stack_alone_may_use_the_key_to_tell_their_encrypted_topic(dev: Any) -> None:
    statement = statement_of(dev, "cloudwatch.amazonaws.com")
    assert set(statement["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
        "ArnLike": {
            "aws:SourceArn": (
                "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}"
                ":alarm:Sluice-dev-*"
            )
        },
    }


def test_the_logs_service_may_use_the_key_for_the_groups_of_this_stack_alone(dev: Any) -> None:
    statement = statement_of(dev, "logs.${AWS::Region}.amazonaws.com")
    assert not any("*" in action for action in statement["Action"])
    groups = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    assert statement["Condition"] == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"{groups}Sluice-dev-*",
                f"{groups}/aws/vendedlogs/pipes/Sluice-dev",
            ]
        }
    }


def refusal(deployment: Any, operator: str) -> Any:
    (statement,) = [
        each
        for each in deployment[KEY]["KeyPolicy"]["Statement"]
        if each["Effect"] == "Deny" and operator in each["Condition"]
    ]
    assert statement["Principal"] == {"AWS": "*"}
    assert (statement["Action"], statement["Resource"]) == ("kms:*", "*")
    return statement


def test_no_other_account_may_use_the_key_whatever_else_allows_it(dev: Any) -> None:
    assert refusal(dev, "StringNotEquals")["Condition"] == {
        "StringNotEquals": {"aws:PrincipalAccount": "${AWS::AccountId}"},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }


def test_the_key_is_not_used_over_plain_http(dev: Any) -> None:
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    assert refusal(dev, "Bool")["Condition"] == condition


def test_all_else_is_left_to_the_policies_of_the_account(dev: Any) -> None:
    others = [
        statement
        for statement in dev[KEY]["KeyPolicy"]["Statement"]
        if statement["Effect"] == "Allow" and "Service" not in statement["Principal"]
    ]
    assert [statement["Principal"] for statement in others] == [
        {"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    ]


@pytest.mark.parametrize(
    "path", ["Runtime/ApiLog", "Runtime/TransformLog", "Delivery/Log", "Pipe/Log"]
)
def test_a_log_group_is_encrypted_with_the_key(dev: Any, path: str) -> None:
    assert dev[path]["KmsKeyId"] == KEY_ARN
