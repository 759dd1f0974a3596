"""The definition of the deployed pipe: the properties of AWS::Pipes::Pipe, checked and typed.

Limits and defaults are those of
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-pipes-pipe.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

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
        reader = _Properties(name, properties)
        reader.refuse_anything_but(
            "Description", "DesiredState", "KmsKeyIdentifier", "LogConfiguration", "Name",
            "RoleArn", "Source", "SourceParameters", "Tags", "Target", "TargetParameters",
        )  # fmt: skip
        if reader.text("DesiredState", "RUNNING") != "RUNNING":
            raise reader.error("DesiredState", "is STOPPED; deploy the pipe as RUNNING to run it")
        source = reader.inner("SourceParameters")
        source.refuse_anything_but("DynamoDBStreamParameters", "FilterCriteria")
        stream = source.inner("DynamoDBStreamParameters")
        stream.refuse_anything_but(
            "BatchSize", "DeadLetterConfig", "MaximumBatchingWindowInSeconds",
            "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "OnPartialBatchItemFailure",
            "ParallelizationFactor", "StartingPosition",
        )  # fmt: skip
        if stream.number("ParallelizationFactor", 1, 1, 10) != 1:
            raise stream.error("ParallelizationFactor", "above 1 is not supported locally; use 1")
        target = reader.inner("TargetParameters")
        target.refuse_anything_but("InputTemplate")
        template = target.text("InputTemplate", "")
        if len(template) > TEMPLATE_LENGTH_MAX:
            raise target.error(
                "InputTemplate",
                f"has {len(template)} characters; Pipes allows {TEMPLATE_LENGTH_MAX}",
            )
        return cls(
            name=name,
            arn=arn,
            source_arn=_source(reader),
            target_arn=_target(reader),
            starting_position=_starting_position(stream),
            batch_size=stream.number("BatchSize", 100, 1, PUT_RECORDS_MAX),
            batching_window_seconds=stream.number("MaximumBatchingWindowInSeconds", 0, 0, 300),
            maximum_retry_attempts=stream.number("MaximumRetryAttempts", -1, -1, 10_000),
            maximum_record_age_seconds=stream.number("MaximumRecordAgeInSeconds", -1, -1, 604_800),
            bisect=_bisect(stream),
            dead_letter_arn=_dead_letter(stream),
            filters=_filters(source),
            input_template=template,
        )


class _Properties:
    """Properties at one level of the pipe, read with the errors a person needs."""

    def __init__(self, path: str, values: object) -> None:
        if not isinstance(values, Mapping):
            raise DefinitionError(f"{path} must be an object, and is {values!r}")
        self.path = path
        self.values: Mapping[str, Any] = values

    def error(self, name: str, rule: str) -> DefinitionError:
        return DefinitionError(f"{self.path}.{name} {rule}")

    def refuse_anything_but(self, *names: str) -> None:
        for name in sorted(set(self.values) - set(names)):
            raise self.error(
                name,
                "is not supported by the local pipe: it runs a DynamoDB stream into Firehose only",
            )

    def inner(self, name: str) -> "_Properties":
        return _Properties(f"{self.path}.{name}", self.values.get(name, {}))

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, default)
        if value is None:
            raise self.error(name, "is missing")
        if not isinstance(value, str):
            raise self.error(name, f"must be text, and is {value!r}")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.values.get(name, default)
        if isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)  # CloudFormation takes a number in quotes for a number.
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(name, f"must be a whole number from {low} to {high}, and is {value!r}")
        return value


def _service(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def _source(properties: _Properties) -> str:
    arn = properties.text("Source")
    if _service(arn) != "dynamodb" or "/stream/" not in arn:
        raise properties.error("Source", f"must be the ARN of a DynamoDB stream, and is {arn!r}")
    return arn


def _target(properties: _Properties) -> str:
    arn = properties.text("Target")
    if _service(arn) != "firehose" or ":deliverystream/" not in arn:
        raise properties.error("Target", f"must be the ARN of a delivery stream, and is {arn!r}")
    return arn


def _starting_position(stream: _Properties) -> StartingPosition:
    position = stream.text("StartingPosition")
    if position not in get_args(StartingPosition):
        raise stream.error(
            "StartingPosition",
            f"must be {' or '.join(get_args(StartingPosition))}, and is {position!r}",
        )
    return cast(StartingPosition, position)


def _bisect(stream: _Properties) -> bool:
    value = stream.values.get("OnPartialBatchItemFailure")
    if value not in (None, "AUTOMATIC_BISECT"):
        raise stream.error(
            "OnPartialBatchItemFailure", f"must be AUTOMATIC_BISECT, and is {value!r}"
        )
    return value is not None


def _dead_letter(stream: _Properties) -> str | None:
    if "DeadLetterConfig" not in stream.values:
        return None
    config = stream.inner("DeadLetterConfig")
    arn = config.text("Arn")
    if _service(arn) != "sqs":
        raise config.error("Arn", f"must be the ARN of an SQS queue here, and is {arn!r}")
    if arn.endswith(".fifo"):
        raise config.error(
            "Arn", "is a FIFO queue, which Pipes does not take; use a standard queue"
        )
    return arn


def _filters(source: _Properties) -> tuple[str, ...]:
    criteria = source.inner("FilterCriteria")
    criteria.refuse_anything_but("Filters")
    filters = criteria.values.get("Filters", [])
    if not isinstance(filters, list):
        raise criteria.error("Filters", f"must be a list, and is {filters!r}")
    if len(filters) > FILTERS_MAX:
        raise criteria.error("Filters", f"has {len(filters)} filters; Pipes allows {FILTERS_MAX}")
    patterns = []
    for index, entry in enumerate(filters):
        pattern = _Properties(f"{criteria.path}.Filters[{index}]", entry)
        text = pattern.text("Pattern")
        if len(text) > FILTER_LENGTH_MAX:
            raise pattern.error(
                "Pattern", f"has {len(text)} characters; Pipes allows {FILTER_LENGTH_MAX}"
            )
        patterns.append(text)
    return tuple(patterns)
