"""The managed policies for those who run `sluice`. What they allow, test_rights compares."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infrastructure.operators import OPERATORS, POLICIES
from sluice.cli.command import SUMMARIES

POLICY = "AWS::IAM::ManagedPolicy"
POLICY_LENGTH_MAX = 6_144
"""Characters of a managed policy, spaces apart
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html)."""

SECURITY_PAGE = Path(__file__).resolve().parents[2] / "docs/security.md"


def test_there_are_none_unless_they_are_asked_for(dev: Any, prod: Any) -> None:
    assert not dev.all(POLICY)
    assert set(prod.all(POLICY)) == {f"Operators/{name}" for name in POLICIES}


def test_they_are_attached_to_nobody(prod: Any) -> None:
    for policy in prod.all(POLICY).values():
        assert not {"Roles", "Users", "Groups"} & policy["Properties"].keys()


def test_every_command_has_its_rights_and_stands_in_one_policy() -> None:
    commands = [command for names in POLICIES.values() for command in names]
    assert sorted(commands) == sorted(SUMMARIES)
    assert {right.who.removeprefix("sluice ") for right in OPERATORS} == set(commands)


def test_whoever_reads_can_change_nothing_but_the_results_of_queries(prod: Any) -> None:
    for statement in prod["Operators/Read"]["PolicyDocument"]["Statement"]:
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else (statement["Action"])
        ):
            if re.search("Put|Delete|Abort|Write|Update|Create", action):
                assert statement["Resource"] == "${Lake/Bucket.Arn}/query-results/*", statement


@pytest.mark.parametrize("kind", ["prod", "function"])
def test_a_policy_is_no_longer_than_aws_takes(deployments: Any, kind: str) -> None:
    for path, policy in deployments[kind].all(POLICY).items():
        text = json.dumps(policy["Properties"]["PolicyDocument"], separators=(",", ":"))
        # References stand for the longest region, an account's number and ARNs of this length.
        text = re.sub(r"\$\{AWS::[^}]+\}", "x" * 14, text)
        assert len(re.sub(r"\$\{[^}]+\}", "x" * 90, text)) <= POLICY_LENGTH_MAX, path


def test_the_page_names_the_roles_by_which_the_stack_is_deployed(dev: Any) -> None:
    """Of the bootstrap, as the synthesized manifests ask for them; CloudFormation takes one."""
    manifests = [dev.folder / "manifest.json", dev.folder / f"{dev.name}.assets.json"]
    roles = r"cdk-hnb659fds-[a-z-]+-role"
    needed = {role for each in manifests for role in re.findall(roles, each.read_text())}
    assert needed == set(re.findall(roles, SECURITY_PAGE.read_text()))
