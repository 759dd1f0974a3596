"""The table of records, whose changes are what flows."""

from typing import cast

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from chalicelib.declaration import Key
from infrastructure.acknowledgments import acknowledge
from infrastructure.retention import removal_policy
from infrastructure.settings import DeploymentSettings


class Records(Construct):
    """The table, with a stream of both images of every change: of the stack, or an existing one."""

    def __init__(
        self, scope: Construct, id: str, *, settings: DeploymentSettings, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self.table: dynamodb.ITable
        existing = settings.existing_table
        if existing is None:
            self.table = self._new_table(settings, key)
        else:
            self.table = dynamodb.Table.from_table_attributes(
                self,
                "Table",
                table_arn=existing.arn,
                table_stream_arn=existing.stream_arn,
            )
        self.stream_arn = cast(str, self.table.table_stream_arn)

    def _new_table(self, settings: DeploymentSettings, key: kms.IKey) -> dynamodb.Table:
        partition_key, *sort_keys = map(_attribute, settings.table.key)
        table = dynamodb.Table(
            self,
            "Table",
            # `chalice local` knows no stack, so the local table's name is known beforehand.
            table_name=f"sluice-{settings.stage}-records" if settings.target == "local" else None,
            partition_key=partition_key,
            sort_key=next(iter(sort_keys), None),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=settings.retains_data
            ),
            deletion_protection=settings.retains_data,
            removal_policy=removal_policy(settings),
        )
        if not settings.retains_data:
            acknowledge(
                table,
                "AwsSolutions-DDB3",
                "Only prod keeps its data; every other stage is made to be thrown away.",
            )
        return table


_TYPES = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}


def _attribute(key: Key) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=key.name, type=_TYPES[key.type])
