"""The border of the account: what resources refuse whoever else allows it, and services that may
work for this account alone."""

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


def lambda_of_this_account(scope: IConstruct) -> iam.ServicePrincipal:
    """Lambda, for functions of this account
    (https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html)."""
    return iam.ServicePrincipal(
        "lambda.amazonaws.com",
        conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}},
    )


def firehose_of_this_account(scope: IConstruct) -> iam.ServicePrincipal:
    """Firehose, for streams of this account: it gives the account of the stream as external id.

    AWS no longer documents that. The acceptance tests of Terraform's AWS provider, which run on
    real accounts, create their streams under this condition
    (https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/firehose/delivery_stream_test.go).
    """
    return iam.ServicePrincipal(
        "firehose.amazonaws.com",
        conditions={"StringEquals": {"sts:ExternalId": Stack.of(scope).account}},
    )
