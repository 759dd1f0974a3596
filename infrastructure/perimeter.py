"""The border of the account: what resources refuse whoever else allows it."""

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import IConstruct


def refusing_foreign_accounts(
    scope: IConstruct, actions: Sequence[str], resources: Sequence[str]
) -> iam.PolicyStatement:
    """Refuses callers of other accounts, and callers of none.

    Only AWS's own services pass, which are then held to what a policy allows them
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_data-perimeters.html).
    """
    return iam.PolicyStatement(
        sid="RefuseForeignAccounts",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=list(resources),
        conditions={
            "StringNotEquals": {"aws:PrincipalAccount": Stack.of(scope).account},
            # An anonymous request has neither key; without IfExists it would slip through.
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    )


def refusing_plain_http(actions: Sequence[str], resources: Sequence[str]) -> iam.PolicyStatement:
    """Refuses requests that came without TLS, for resources whose construct has no option for it
    (https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_examples.html)."""
    return iam.PolicyStatement(
        sid="RefusePlainHttp",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=list(actions),
        resources=list(resources),
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
