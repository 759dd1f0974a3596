"""The one customer-managed key: table, stream, queue, bucket and logs are all encrypted with it."""

from typing import Any

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infrastructure.logs import log_group_names
from infrastructure.perimeter import refusing_foreign_accounts, refusing_plain_http
from infrastructure.retention import removal_policy
from infrastructure.settings import DeploymentSettings

KEY_USE = (
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:DescribeKey",
)
"""What a service does with a key on its caller's behalf, each action by its name."""


def from_alarms(stack: Stack, settings: DeploymentSettings) -> dict[str, Any]:
    """The condition that CloudWatch acts for an alarm of this stack."""
    return {
        "StringEquals": {"aws:SourceAccount": stack.account},
        "ArnLike": {
            "aws:SourceArn": stack.format_arn(
                service="cloudwatch",
                resource="alarm",
                resource_name=f"{settings.stack_name}-*",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
        },
    }


class Encryption(Construct):
    """The key, rotated every year."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings) -> None:
        super().__init__(scope, id)
        self.key = kms.Key(
            self,
            "Key",
            description=f"Everything {settings.stack_name} stores.",
            enable_key_rotation=True,
            removal_policy=removal_policy(settings),
            pending_window=Duration.days(30 if settings.retains_data else 7),
        )
        # Within its own key, a policy spells that key "*".
        self.key.add_to_resource_policy(refusing_foreign_accounts(self, ["kms:*"], ["*"]))
        self.key.add_to_resource_policy(refusing_plain_http(["kms:*"], ["*"]))
        self._let_logs_use_the_key(settings)
        self._let_alarms_use_the_key(settings)

    def _let_logs_use_the_key(self, settings: DeploymentSettings) -> None:
        # CloudWatch Logs has no role of ours, so the key's own policy must name it
        # (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html).
        stack = Stack.of(self)
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=list(KEY_USE),
                resources=["*"],
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": [
                            stack.format_arn(
                                service="logs",
                                resource="log-group",
                                resource_name=name,
                                arn_format=ArnFormat.COLON_RESOURCE_NAME,
                            )
                            for name in log_group_names(settings)
                        ]
                    }
                },
            )
        )

    def _let_alarms_use_the_key(self, settings: DeploymentSettings) -> None:
        # Without it, alarms fall silent: their topic is encrypted with the key
        # (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html).
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions=from_alarms(Stack.of(self), settings),
            )
        )
