"""The definition of the deployed mapping: the answer of GetEventSourceMapping, checked and typed.

Limits and defaults are those of
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

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

BATCH_SIZE_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDefinition(StreamConsumer):
    """One mapping."""

    uuid: str
    function_arn: str
    reports_item_failures: bool
    failure_bucket: str | None

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> "MappingDefinition":
        """Read the definition from a boto3 answer. Raises DefinitionError."""
        try:
            mapping = msgspec.convert(answer, _Mapping, strict=False)
        except msgspec.ValidationError as error:
            raise DefinitionError(
                f"the event source mapping {answer.get('UUID')} cannot run here, where a DynamoDB "
                f"stream is mapped to a function only: {error}"
            ) from None
        failures = mapping.destination_config.on_failure.destination
        return cls(
            name=f"Mapping {mapping.uuid}",
            arn=mapping.event_source_mapping_arn,
            uuid=mapping.uuid,
            source_arn=mapping.event_source_arn,
            function_arn=mapping.function_arn,
            starting_position=mapping.starting_position,
            batch_size=mapping.batch_size,
            batching_window_seconds=mapping.maximum_batching_window_in_seconds,
            maximum_retry_attempts=mapping.maximum_retry_attempts,
            maximum_record_age_seconds=mapping.maximum_record_age_in_seconds,
            bisect=mapping.bisect_batch_on_function_error,
            reports_item_failures=bool(mapping.function_response_types),
            failure_bucket=failures.rpartition(":")[2] if failures else None,
            filters=mapping.filter_criteria.patterns,
        )


class _OnFailure(Properties):
    destination: str | None = None

    def __post_init__(self) -> None:
        if self.destination is not None and service(self.destination) != "s3":
            raise ValueError(
                f"Destination must be the ARN of a bucket here, and is {self.destination!r}"
            )


class _Destinations(Properties):
    on_failure: _OnFailure = field(default_factory=_OnFailure)


class _Mapping(Properties):
    uuid: str = field(name="UUID")
    event_source_arn: str
    function_arn: str
    starting_position: StartingPosition
    event_source_mapping_arn: str = ""
    batch_size: Annotated[int, Meta(ge=1, le=BATCH_SIZE_MAX)] = 100
    maximum_batching_window_in_seconds: BatchingWindow = 0
    maximum_retry_attempts: RetryAttempts = -1
    maximum_record_age_in_seconds: RecordAge = -1
    bisect_batch_on_function_error: bool = False
    function_response_types: tuple[Literal["ReportBatchItemFailures"], ...] = ()
    filter_criteria: FilterCriteria = field(default_factory=FilterCriteria)
    destination_config: _Destinations = field(default_factory=_Destinations)
    parallelization_factor: int = 1
    tumbling_window_in_seconds: int = 0
    # Without effect here.
    last_modified: object = None
    last_processing_result: object = None
    response_metadata: object = None
    state: object = None
    state_transition_reason: object = None

    def __post_init__(self) -> None:
        require_stream(self.event_source_arn, "EventSourceArn")
        if self.parallelization_factor != 1:
            raise ValueError("ParallelizationFactor is not supported locally; use 1")
        if self.tumbling_window_in_seconds:
            raise ValueError("TumblingWindowInSeconds is not supported locally; use 0")
