"""The compaction's schedule, and the compacted tables, which its function makes.

CloudFormation can make an Iceberg table but not change one: see docs/decisions.
"""

from collections.abc import Sequence

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infrastructure.runtime import Compactor
from infrastructure.settings import DeploymentSettings

SCHEDULES = {"hourly": "cron(20 * * * ? *)", "daily": "cron(20 0 * * ? *)"}
"""The run after midnight, UTC, is the one that maintains the tables."""


class Compaction(Construct):
    """Calls the function that compacts: as the stack is deployed, and by a schedule."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        compactor: Compactor,
        needs: Sequence[CfnResource],
        views: Sequence[CfnResource],
    ) -> None:
        """`needs` are what the tables lie in, `views` what shows them."""
        super().__init__(scope, id)
        tables = CfnResource(
            self,
            "Tables",
            type="Custom::CompactedTables",
            properties={
                "ServiceToken": compactor.arn,
                "ServiceTimeout": "300",
                # The function is called again when this changes.
                "Declaration": settings.table.fingerprint,
            },
        )
        for each in needs:
            tables.add_resource_dependency(each)
        for each in views:
            each.add_resource_dependency(tables)
        if settings.compaction in SCHEDULES:
            self._schedule(settings, compactor)

    def _schedule(self, settings: DeploymentSettings, compactor: Compactor) -> None:
        rule = events.CfnRule(
            self,
            "Schedule",
            name=f"{settings.stack_name}-compact",
            description=f"Compacts the lake of {settings.stack_name}, {settings.compaction}.",
            schedule_expression=SCHEDULES[settings.compaction],
            targets=[events.CfnRule.TargetProperty(arn=compactor.arn, id="compact")],
        )
        stack = Stack.of(self)
        permission = lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=compactor.name,
            principal="events.amazonaws.com",
            source_arn=stack.format_arn(
                service="events", resource="rule", resource_name=f"{settings.stack_name}-compact"
            ),
        )
        rule.add_resource_dependency(permission)
