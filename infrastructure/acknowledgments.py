"""Findings of cdk-nag that stand, each beside its reason."""

from collections.abc import Iterable
from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Let a finding pass on a construct and all it holds."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))


def acknowledge_wildcards(
    construct: IConstruct, statements: Iterable[iam.PolicyStatement], reason: str
) -> None:
    """Let the patterns pass that these statements have among their resources."""
    resources = [resource for statement in statements for resource in statement.resources]
    for resource in map(_spelt, Stack.of(construct).resolve(resources)):
        if "*" in resource:
            acknowledge(construct, f"AwsSolutions-IAM5[Resource::{resource}]", reason)


def _spelt(resource: Any) -> str:
    """A resource as cdk-nag spells it."""
    match resource:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": ["", parts]}:
            return "".join(map(_spelt, parts))
    return str(resource)
