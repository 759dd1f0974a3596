"""The log groups, alike in all but what writes to them."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infrastructure.settings import DeploymentSettings


def vended_log_group_name(settings: DeploymentSettings) -> str:
    """The name of the pipe's log group.

    Under `/aws/vendedlogs/`, because the policy by which AWS delivers logs to a group lists every
    group outside it by name, and is of limited size
    (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html).
    """
    return f"/aws/vendedlogs/pipes/{settings.stack_name}"


class Log(logs.LogGroup):
    """An encrypted log group that goes with the stack: logs are evidence, never data."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        log_group_name: str | None = None,
    ) -> None:
        super().__init__(
            scope,
            id,
            log_group_name=log_group_name,
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        # CloudFormation takes the number of days itself; the CDK spells it as names.
        group = cast(logs.CfnLogGroup, self.node.default_child)
        group.retention_in_days = settings.log_days
