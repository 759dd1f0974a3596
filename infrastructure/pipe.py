"""The pipe: follows the table's stream and puts every change into the delivery stream."""

import json

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_pipes as pipes
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from chalicelib.change import INPUT_TEMPLATE
from infrastructure.acknowledgments import acknowledge
from infrastructure.grants import declared_role
from infrastructure.logs import Log, vended_log_group_name
from infrastructure.metrics import PipeNames
from infrastructure.settings import DeploymentSettings
from infrastructure.terms import STREAM

BATCH_SIZE = 100
"""Changes in a batch. A batch is one PutRecordBatch, which takes at most 500 records and 4 MiB:
room for changes of 40 KB each, and a batch that is still too large is halved."""

BATCHING_WINDOW_SECONDS = 1
RETRIES = 10
"""How often a batch is put again, halved down to the change that Firehose does not take. Few, as
the pipe does not know a change that is over Firehose's limit, and its shard waits for each attempt.
After a refusal of access Pipes may not even try again
(https://docs.aws.amazon.com/cdk/api/v2/python/aws_cdk.aws_pipes_sources_alpha/DynamoDBSourceParameters.html)."""

RECORD_AGE_MAX = Duration.hours(12)
"""How old a change may be and still be delivered. A dead letter only points at the change, which
leaves the table's stream after 24 hours: half of them remain to fetch it."""


class Pipe(Construct):
    """The pipe, its role, its log, and the queue of what it had to give up."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        key: kms.IKey,
        source_stream_arn: str,
        target: firehose.DeliveryStream,
    ) -> None:
        super().__init__(scope, id)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.dead_letters,
            "AwsSolutions-SQS3",
            "This is the dead-letter queue; the pipe puts its failures here itself.",
        )
        self.log = Log(
            self,
            "Log",
            settings=settings,
            key=key,
            log_group_name=vended_log_group_name(settings),
        )
        # AWS takes a while to make a role known everywhere, and refuses a pipe whose role cannot
        # read its source yet (https://github.com/aws/aws-cdk/issues/31211). So the role waits for
        # the table alone, and the pipe for the delivery stream, which waits for the functions and
        # the bucket: the role is minutes old by then.
        self.role = declared_role(self, "Role", settings=settings, later=STREAM)
        # The pipe has no customer key: the key would cover only the filter and the template, which
        # are no secret, and AWS documents the encryption context it needs in two spellings
        # (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-pipes-cmkey.html).
        self.pipe = pipes.CfnPipe(
            self,
            "Pipe",
            role_arn=self.role.role_arn,
            source=source_stream_arn,
            source_parameters=pipes.CfnPipe.PipeSourceParametersProperty(
                filter_criteria=pipes.CfnPipe.FilterCriteriaProperty(
                    filters=[
                        pipes.CfnPipe.FilterProperty(
                            pattern=json.dumps({"eventName": settings.change_types})
                        )
                    ]
                ),
                dynamo_db_stream_parameters=pipes.CfnPipe.PipeSourceDynamoDBStreamParametersProperty(
                    # LATEST would lose what changes while the pipe is being created.
                    starting_position="TRIM_HORIZON",
                    batch_size=BATCH_SIZE,
                    maximum_batching_window_in_seconds=BATCHING_WINDOW_SECONDS,
                    maximum_retry_attempts=RETRIES,
                    maximum_record_age_in_seconds=RECORD_AGE_MAX.to_seconds(),
                    on_partial_batch_item_failure="AUTOMATIC_BISECT",
                    dead_letter_config=pipes.CfnPipe.DeadLetterConfigProperty(
                        arn=self.dead_letters.queue_arn
                    ),
                ),
            ),
            target=target.delivery_stream_arn,
            target_parameters=pipes.CfnPipe.PipeTargetParametersProperty(
                input_template=INPUT_TEMPLATE
            ),
            # Without execution data: that would be the records themselves, unredacted.
            log_configuration=pipes.CfnPipe.PipeLogConfigurationProperty(
                level="ERROR",
                cloudwatch_logs_log_destination=pipes.CfnPipe.CloudwatchLogsLogDestinationProperty(
                    log_group_arn=self.log.log_group_arn
                ),
            ),
        )
        self.pipe.node.add_dependency(self.role)
        self.names = PipeNames(self.pipe.ref, self.dead_letters.queue_name)
        self.outputs = {
            "PipeName": self.pipe.ref,
            "DeadLetterQueueUrl": self.dead_letters.queue_url,
            "PipeLogName": self.log.log_group_name,
        }
        if settings.target == "local":
            self.outputs["PipeDefinition"] = self._definition()

    def _definition(self) -> str:
        """Return the deployed pipe as JSON: its ARN and its properties as CloudFormation has them.

        The local pipe runs by it, for the emulator keeps neither filter nor template of a pipe.
        """
        properties = self.pipe._render_properties(self.pipe._cfn_properties)
        return Stack.of(self).to_json_string({"Arn": self.pipe.attr_arn, **properties})
