"""Every policy of every kind of deployment against the declared table of rights."""

from typing import Any

import pytest

from infrastructure.access import ANYONE, Grant
from infrastructure.operators import POLICY_RIGHTS
from infrastructure.rights import RIGHTS
from infrastructure.settings import DeploymentSettings
from tests.policies import granted, stated

KINDS = ["dev", "prod", "attached", "unencrypted", "local", "compacted", "patients", "function"]
"""Of them, prod delivers Parquet and keeps its bucket; two follow a table, one without a key and
without an API; compacted has a
schedule and views; patients hashes a field; function has no pipe."""


def declared(settings: DeploymentSettings) -> set[Grant]:
    """All that a deployment may allow or refuse."""
    of_operators = POLICY_RIGHTS if settings.operators == "policies" else ()
    return granted((*RIGHTS, *of_operators), settings)


def settings_of(deployment: Any) -> DeploymentSettings:
    return DeploymentSettings.from_context(deployment.context)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_allowed_or_refused_that_is_not_declared(deployments: Any, kind: str) -> None:
    deployment = deployments[kind]
    undeclared = set(stated(deployment.all())) - declared(settings_of(deployment))
    assert not undeclared


@pytest.mark.parametrize("kind", KINDS)
def test_every_declared_right_is_in_use(deployments: Any, kind: str) -> None:
    deployment = deployments[kind]
    unused = declared(settings_of(deployment)) - set(stated(deployment.all()))
    assert not unused


def test_every_row_holds_in_one_of_these_deployments(deployments: Any) -> None:
    unseen = [
        right
        for right in RIGHTS
        if not any(right.holds(settings_of(deployments[kind])) for kind in KINDS)
    ]
    assert not unseen


def test_a_row_says_in_words_when_it_holds_unless_it_always_does(deployments: Any) -> None:
    for right in RIGHTS:
        always = all(right.holds(settings_of(deployments[kind])) for kind in KINDS)
        assert always == (right.case.words == ""), right


def test_anyone_is_named_only_where_something_is_refused() -> None:
    assert {right.effect for right in RIGHTS if right.who == ANYONE} == {"Deny"}


def test_each_service_acts_for_this_account_alone() -> None:
    services = [right for right in RIGHTS if ".amazonaws.com" in right.who]
    assert services
    for right in services:
        values = [value for condition in right.conditions for value in condition.values]
        assert any("${AWS::AccountId}" in value for value in values), right


POLICY = {"Statement": {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "lake"}}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyDocument": POLICY}]}}
READS = Grant("Allow", "${Role.Arn}", "s3:GetObject", "lake", frozenset())


@pytest.mark.parametrize(
    ("resource", "grant"),
    [
        (ROLE, READS),
        (
            {
                "Type": "AWS::IAM::Policy",
                "Properties": {"Roles": ["${Role}"], "PolicyDocument": POLICY},
            },
            READS,
        ),
        (
            {"Type": "AWS::DynamoDB::Table", "Properties": {"ResourcePolicy": {"P": POLICY}}},
            READS,
        ),
        (
            {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {
                        "Statement": [
                            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}
                        ]
                    }
                },
            },
            Grant("Allow", ANYONE, "sts:AssumeRole", "${Role.Arn}", frozenset()),
        ),
        (
            {
                "Type": "AWS::IAM::Role",
                "Properties": {"ManagedPolicyArns": ["AdministratorAccess"]},
            },
            Grant("Allow", "${Role.Arn}", "all that AdministratorAccess does", "*", frozenset()),
        ),
        (
            {
                "Type": "AWS::Lambda::Permission",
                "Properties": {"Action": "a", "FunctionName": "f", "Principal": "s3.amazonaws.com"},
            },
            Grant("Allow", "s3.amazonaws.com", "a", "f", frozenset()),
        ),
        (
            {
                "Type": "AWS::Serverless::Api",
                "Properties": {"DefinitionBody": {"paths": {"/open": {"get": {}}}}},
            },
            Grant("Allow", ANYONE, "execute-api:Invoke", "${Role}", frozenset()),
        ),
    ],
    ids=["inline", "attached", "of a resource", "trust", "managed", "permission", "open route"],
)
def test_a_right_is_found_wherever_a_template_may_state_it(resource: Any, grant: Grant) -> None:
    assert list(stated({"Role": resource})) == [grant]
