"""The definition of the deployed pipe: the properties of AWS::Pipes::Pipe, checked and typed.

Limits and defaults are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-pipes-pipe.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from chalicelib.limits import PUT_RECORDS_MAX
from local.stream.consumer import (
    BatchingWindow,
    DefinitionError,
    FilterCriteria,
    Properties,
    RecordAge,
    RetryAttempts,
    StartingPosition,
    StreamConsumer,
    require_stream,
    service,
)

TEMPLATE_LENGTH_MAX = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeDefinition(StreamConsumer):
    """One pipe."""

    target_arn: str
    dead_letter_arn: str | None
    input_template: str

    @property
    def delivery_stream(self) -> str:
        """The name of the delivery stream that is the target."""
        return self.target_arn.rpartition("/")[2]

    @classmethod
    def parse(cls, name: str, arn: str, properties: Mapping[str, Any]) -> "PipeDefinition":
        """Read the definition from resolved properties. Raises DefinitionError."""
        try:
            # Not strict, as CloudFormation takes a number in quotes for a number.
            pipe = msgspec.convert(properties, _Pipe, strict=False)
        except msgspec.ValidationError as error:
            raise DefinitionError(
                f"the pipe {name} cannot run here, where a DynamoDB stream is piped into Firehose "
                f"only: {error}"
            ) from None
        stream = pipe.source_parameters.stream
        dead_letters = stream.dead_letter_config
        return cls(
            name=name,
            arn=arn,
            source_arn=pipe.source,
            target_arn=pipe.target,
            starting_position=stream.starting_position,
            batch_size=stream.batch_size,
            batching_window_seconds=stream.maximum_batching_window_in_seconds,
            maximum_retry_attempts=stream.maximum_retry_attempts,
            maximum_record_age_seconds=stream.maximum_record_age_in_seconds,
            bisect=stream.on_partial_batch_item_failure is not None,
            dead_letter_arn=dead_letters.arn if dead_letters else None,
            filters=pipe.source_parameters.filter_criteria.patterns,
            input_template=pipe.target_parameters.input_template,
        )


class _DeadLetterConfig(Properties):
    arn: str

    def __post_init__(self) -> None:
        if service(self.arn) != "sqs":
            raise ValueError(f"Arn must be the ARN of an SQS queue here, and is {self.arn!r}")
        if self.arn.endswith(".fifo"):
            raise ValueError("Arn is a FIFO queue, which Pipes does not take; use a standard queue")


class _Stream(Properties):
    starting_position: StartingPosition
    batch_size: Annotated[int, Meta(ge=1, le=PUT_RECORDS_MAX)] = 100
    maximum_batching_window_in_seconds: BatchingWindow = 0
    maximum_retry_attempts: RetryAttempts = -1
    maximum_record_age_in_seconds: RecordAge = -1
    on_partial_batch_item_failure: Literal["AUTOMATIC_BISECT"] | None = None
    dead_letter_config: _DeadLetterConfig | None = None
    parallelization_factor: int = 1

    def __post_init__(self) -> None:
        if self.parallelization_factor != 1:
            raise ValueError("ParallelizationFactor is not supported locally; use 1")


class _Source(Properties):
    stream: _Stream = field(name="DynamoDBStreamParameters")
    filter_criteria: FilterCriteria = field(default_factory=FilterCriteria)


class _Target(Properties):
    input_template: Annotated[str, Meta(max_length=TEMPLATE_LENGTH_MAX)] = ""


class _Pipe(Properties):
    source: str
    target: str
    source_parameters: _Source
    target_parameters: _Target = field(default_factory=_Target)
    desired_state: str = "RUNNING"
    # Without effect here.
    description: object = None
    kms_key_identifier: object = None
    log_configuration: object = None
    name: object = None
    role_arn: object = None
    tags: object = None

    def __post_init__(self) -> None:
        if self.desired_state != "RUNNING":
            raise ValueError("DesiredState must be RUNNING; deploy the pipe as RUNNING to run it")
        require_stream(self.source, "Source")
        if service(self.target) != "firehose" or ":deliverystream/" not in self.target:
            raise ValueError(f"Target must be the ARN of a delivery stream, and is {self.target!r}")
