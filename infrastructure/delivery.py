"""The delivery stream: gathers changes, has them transformed, writes them into the lake."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy, Size, Stack
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from chalicelib.partitions import firehose_error_prefix, firehose_prefix
from infrastructure.acknowledgments import acknowledge
from infrastructure.conversion import to_parquet
from infrastructure.grants import declared_role
from infrastructure.logs import Log
from infrastructure.settings import DeploymentSettings

TRANSFORM_BUFFER_MEGABYTES = 1
"""The size of a batch for the transform. Its answer must stay below Lambda's 6 MB, and a short
record grows several times over on its way into a line and its partition keys."""

TRANSFORM_BUFFER_SECONDS = 10
"""How long Firehose waits for that much. A partition's own buffer begins to fill only behind it, so
a longer wait adds to every change's delay; a shorter one costs invocations when changes are few."""

TRANSFORM_RETRIES = 3
PARTITION_RETRY = Duration.minutes(5)


class Delivery(Construct):
    """The stream, with the one role it works under."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        bucket: s3.Bucket,
        transform: lambda_.IFunction,
        changes: glue.CfnTable,
    ) -> None:
        super().__init__(scope, id)
        self.log = Log(self, "Log", settings=settings, key=key)
        parquet = settings.format == "parquet"
        self.role = declared_role(
            self,
            "Role",
            settings=settings,
            wildcards="Firehose names the objects it writes; the prefix is what can be named.",
        )
        # The constructs would add rights of their own, to delete objects among them.
        role = self.role.without_policy_updates()
        self.stream = firehose.DeliveryStream(
            self,
            "Stream",
            role=role,
            encryption=firehose.StreamEncryption.customer_managed_key(key),
            destination=firehose.S3Bucket(
                bucket,
                role=role,
                encryption_key=key,
                # Parquet compresses what it holds, and Firehose refuses a second compression.
                compression=None if parquet else firehose.Compression.GZIP,
                data_format_conversion=to_parquet(settings.table, changes) if parquet else None,
                buffering_interval=Duration.seconds(settings.buffer_seconds),
                buffering_size=Size.mebibytes(settings.buffer_megabytes),
                dynamic_partitioning=firehose.DynamicPartitioningProps(
                    enabled=True, retry_duration=PARTITION_RETRY
                ),
                data_output_prefix=firehose_prefix(settings.table),
                error_output_prefix=firehose_error_prefix(),
                logging_config=firehose.EnableLogging(self.log),
                processors=[
                    # A change that comes by itself is a record of one.
                    firehose.RecordDeAggregationProcessor.json(),
                    firehose.LambdaFunctionProcessor(
                        transform,
                        buffer_size=Size.mebibytes(TRANSFORM_BUFFER_MEGABYTES),
                        buffer_interval=Duration.seconds(TRANSFORM_BUFFER_SECONDS),
                        retries=TRANSFORM_RETRIES,
                    ),
                ],
            ),
        )
        # The log stream that the construct makes would be left to the log group's fate.
        cast(logs.LogStream, self.log.node.find_child("S3Destination")).apply_removal_policy(
            RemovalPolicy.DESTROY
        )
        # So that on the way down the stream is gone before the bucket is emptied.
        self.stream.node.add_dependency(bucket)
        acknowledge(
            Stack.of(self),
            "CloudFormation-Validate::W7001",
            "The stream's construct declares a mapping of Firehose's addresses, which serves "
            "destinations in a private network only.",
        )
