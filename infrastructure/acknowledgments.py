"""Findings of cdk-nag that stand, each beside its reason."""

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Let a finding pass on a construct and all it holds."""
    Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))
