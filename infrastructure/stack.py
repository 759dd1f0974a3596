"""The stack: which part is given which, and what the stack says of itself."""

from aws_cdk import CfnOutput, Stack, Tags
from constructs import Construct

from infrastructure.alarms import Alarms, watches
from infrastructure.catalog import Catalog
from infrastructure.compaction import Compaction
from infrastructure.dashboard import Dashboard
from infrastructure.delivery import Delivery
from infrastructure.encryption import Encryption
from infrastructure.feed import FunctionFeed
from infrastructure.lake import Lake
from infrastructure.metrics import Metrics
from infrastructure.operators import Operators
from infrastructure.pipe import Pipe
from infrastructure.records import Records
from infrastructure.runtime import Runtime
from infrastructure.settings import DeploymentSettings


class Sluice(Stack):
    """Table, feed, delivery stream, transform, lake, and the API that feeds them."""

    def __init__(self, scope: Construct, *, settings: DeploymentSettings) -> None:
        super().__init__(
            scope,
            settings.stack_name,
            description="DynamoDB changes into a partitioned, queryable S3 data lake.",
            termination_protection=settings.retains_data,
        )
        key = Encryption(self, "Encryption", settings=settings).key
        records = Records(self, "Records", settings=settings, key=key)
        lake = Lake(self, "Lake", settings=settings, key=key)
        catalog = Catalog(self, "Catalog", settings=settings, key=key, bucket=lake.bucket)
        runtime = Runtime(
            self,
            "Runtime",
            settings=settings,
            key=key,
            table=records.table,
            bucket=lake.bucket,
        )
        if runtime.compactor:
            Compaction(
                self,
                "Compaction",
                settings=settings,
                compactor=runtime.compactor,
                needs=[catalog.database, catalog.workgroup],
                views=catalog.views,
            )
        delivery = Delivery(
            self,
            "Delivery",
            settings=settings,
            key=key,
            bucket=lake.bucket,
            transform=runtime.transform,
            changes=catalog.changes,
        )
        feed: Pipe | FunctionFeed
        if settings.feed == "pipe":
            feed = Pipe(
                self,
                "Pipe",
                settings=settings,
                key=key,
                source_stream_arn=records.stream_arn,
                target=delivery.stream,
            )
        else:
            feed = FunctionFeed(
                self,
                "FunctionFeed",
                settings=settings,
                key=key,
                runtime=runtime,
                source_stream_arn=records.stream_arn,
                target=delivery.stream,
                bucket=lake.bucket,
            )
        metrics = Metrics(
            table_name=records.table.table_name,
            pipe=feed.names if isinstance(feed, Pipe) else None,
            feed_name=feed.function_name if isinstance(feed, FunctionFeed) else None,
            stream_name=delivery.stream.delivery_stream_name,
            transform_name=runtime.transform_name,
            compact_name=runtime.compactor.name if runtime.compactor else None,
            bucket_name=lake.bucket.bucket_name,
            api_stage=(runtime.api.name, runtime.api.stage) if runtime.api else None,
        )
        watched = watches(
            metrics,
            buffer_seconds=settings.buffer_seconds,
            timeout_seconds=runtime.transform_timeout_seconds,
        )
        alarms = Alarms(self, "Alarms", settings=settings, key=key, watches=watched)
        dashboard = Dashboard(
            self,
            "Dashboard",
            settings=settings,
            metrics=metrics,
            alarms=alarms.alarms,
            watches=watched,
        )
        if settings.operators == "policies":
            Operators(self, "Operators", settings=settings)
        Tags.of(self).add("application", "sluice")
        Tags.of(self).add("sluice:stage", settings.stage)
        outputs = {
            "TableName": records.table.table_name,
            "BucketName": lake.bucket.bucket_name,
            "StreamName": delivery.stream.delivery_stream_name,
            "Feed": settings.feed,
            **feed.outputs,
            "TransformName": runtime.transform_name,
            "AlarmTopicArn": alarms.topic.topic_arn,
            "DashboardName": dashboard.dashboard.dashboard_name,
            "DatabaseName": catalog.database.ref,
            "WorkgroupName": catalog.workgroup.ref,
            "TransformLogName": runtime.transform_log.log_group_name,
            "FirehoseLogName": delivery.log.log_group_name,
            "SchemaFingerprint": settings.table.fingerprint,
            "Layout": "/".join(settings.table.layout),
        }
        if runtime.api:
            outputs |= {"ApiUrl": runtime.api.url, "ApiLogName": runtime.api.log.log_group_name}
        if compactor := runtime.compactor:
            outputs |= {
                "CompactName": compactor.name,
                "CompactLogName": compactor.log.log_group_name,
            }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
