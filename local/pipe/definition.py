"""The definition of the deployed pipe: the properties of AWS::Pipes::Pipe, checked and typed.

Limits and defaults are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-pipes-pipe.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from chalicelib.limits import PUT_RECORDS_MAX
from sluice.errors import OperationError

FILTERS_MAX = 5
FILTER_LENGTH_MAX = 4096
TEMPLATE_LENGTH_MAX = 8192

StartingPosition = Literal["TRIM_HORIZON", "LATEST"]


class DefinitionError(OperationError):
    """A pipe that AWS would refuse, or that is not supported here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeDefinition:
    """One pipe. `-1` means no limit, as in CloudFormation."""

    name: str
    arn: str
    source_arn: str
    target_arn: str
    starting_position: StartingPosition
    batch_size: int
    batching_window_seconds: int
    maximum_retry_attempts: int
    maximum_record_age_seconds: int
    bisect: bool
    dead_letter_arn: str | None
    filters: tuple[str, ...]
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
            filters=tuple(each.pattern for each in pipe.source_parameters.filter_criteria.filters),
            input_template=pipe.target_parameters.input_template,
        )


class _Properties(Struct, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """The properties at one level of a pipe."""


class _DeadLetterConfig(_Properties):
    arn: str

    def __post_init__(self) -> None:
        if _service(self.arn) != "sqs":
            raise ValueError(f"Arn must be the ARN of an SQS queue here, and is {self.arn!r}")
        if self.arn.endswith(".fifo"):
            raise ValueError("Arn is a FIFO queue, which Pipes does not take; use a standard queue")


class _Stream(_Properties):
    starting_position: StartingPosition
    batch_size: Annotated[int, Meta(ge=1, le=PUT_RECORDS_MAX)] = 100
    maximum_batching_window_in_seconds: Annotated[int, Meta(ge=0, le=300)] = 0
    maximum_retry_attempts: Annotated[int, Meta(ge=-1, le=10_000)] = -1
    maximum_record_age_in_seconds: Annotated[int, Meta(ge=-1, le=604_800)] = -1
    on_partial_batch_item_failure: Literal["AUTOMATIC_BISECT"] | None = None
    dead_letter_config: _DeadLetterConfig | None = None
    parallelization_factor: int = 1

    def __post_init__(self) -> None:
        if self.parallelization_factor != 1:
            raise ValueError("ParallelizationFactor is not supported locally; use 1")


class _Filter(_Properties):
    pattern: Annotated[str, Meta(max_length=FILTER_LENGTH_MAX)]


class _FilterCriteria(_Properties):
    filters: Annotated[tuple[_Filter, ...], Meta(max_length=FILTERS_MAX)] = ()


class _Source(_Properties):
    stream: _Stream = field(name="DynamoDBStreamParameters")
    filter_criteria: _FilterCriteria = field(default_factory=_FilterCriteria)


class _Target(_Properties):
    input_template: Annotated[str, Meta(max_length=TEMPLATE_LENGTH_MAX)] = ""


class _Pipe(_Properties):
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
        if _service(self.source) != "dynamodb" or "/stream/" not in self.source:
            raise ValueError(f"Source must be the ARN of a DynamoDB stream, and is {self.source!r}")
        if _service(self.target) != "firehose" or ":deliverystream/" not in self.target:
            raise ValueError(f"Target must be the ARN of a delivery stream, and is {self.target!r}")


def _service(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""
