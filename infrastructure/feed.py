"""The feed without a pipe: a function that Lambda gives the changes of the table's stream."""

import json

from aws_cdk import Duration
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from chalicelib.partitions import FEED_FAILURES
from infrastructure.grants import declared_role
from infrastructure.logs import Log
from infrastructure.runtime import FEED, Runtime
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import STREAM

RETRIES = 10_000
"""How often Lambda brings a batch again that Firehose did not take: as often as it may. A key that
cannot be used is refused within a moment, and what is given up meanwhile cannot be kept either, so
changes are to wait in the table's stream until they are too old."""

RECORD_AGE_MAX = Duration.hours(11)
"""How old a change may be and still be delivered. What is given up is kept whole, and must still be
in the table's stream to be read for that, which is 24 hours."""


class FunctionFeed(Construct):
    """The function's role and log, and what maps the table's stream to it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        runtime: Runtime,
        source_stream_arn: str,
        target: firehose.DeliveryStream,
        bucket: s3.IBucket,
    ) -> None:
        super().__init__(scope, id)
        log = Log(self, "Log", settings=settings, key=key)
        # As a pipe's, the role is to be minutes old when Lambda is asked to read the stream by it.
        role = declared_role(
            self,
            "Role",
            settings=settings,
            later=STREAM,
            wildcards=f"Lambda names the objects below {FEED_FAILURES}.",
        )
        self.function_name = runtime.configure(
            FEED,
            role,
            log,
            {"STREAM_NAME": target.delivery_stream_name, "BUCKET_NAME": bucket.bucket_name},
        )
        mapping = lambda_.CfnEventSourceMapping(
            self,
            "Mapping",
            event_source_arn=source_stream_arn,
            function_name=self.function_name,
            # The emulator's own mappings lose what the function does not take; `local` has another.
            enabled=settings.target == "aws",
            # LATEST would lose what changes while the mapping is being created.
            starting_position="TRIM_HORIZON",
            batch_size=settings.feed_batch_size,
            maximum_batching_window_in_seconds=settings.feed_window_seconds,
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            maximum_record_age_in_seconds=int(RECORD_AGE_MAX.to_seconds()),
            maximum_retry_attempts=RETRIES,
            filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
                filters=[
                    lambda_.CfnEventSourceMapping.FilterProperty(
                        pattern=json.dumps({"eventName": settings.change_types})
                    )
                ]
            ),
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                    destination=bucket.bucket_arn
                )
            ),
        )
        mapping.node.add_dependency(role)
        self.outputs = {
            "FeedName": self.function_name,
            "FeedLogName": log.log_group_name,
            "FeedMapping": mapping.ref,
        }
