"""What a pipe and an event source mapping have in common: how they read a stream and try again."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sluice.errors import OperationError

FILTERS_MAX = 5
FILTER_LENGTH_MAX = 4096

StartingPosition = Literal["TRIM_HORIZON", "LATEST"]

BatchingWindow = Annotated[int, Meta(ge=0, le=300)]
RetryAttempts = Annotated[int, Meta(ge=-1, le=10_000)]
RecordAge = Annotated[int, Meta(ge=-1, le=604_800)]


class DefinitionError(OperationError):
    """A pipe or mapping that AWS would refuse, or that is not supported here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConsumer:
    """One pipe or mapping. `-1` means no limit, as in CloudFormation."""

    name: str
    arn: str
    source_arn: str
    starting_position: StartingPosition
    batch_size: int
    batching_window_seconds: int
    maximum_retry_attempts: int
    maximum_record_age_seconds: int
    bisect: bool
    filters: tuple[str, ...]


class Properties(Struct, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """The properties at one level of a pipe or a mapping."""


class Filter(Properties):
    """An event pattern."""

    pattern: Annotated[str, Meta(max_length=FILTER_LENGTH_MAX)]


class FilterCriteria(Properties):
    """The patterns of which one has to match."""

    filters: Annotated[tuple[Filter, ...], Meta(max_length=FILTERS_MAX)] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns themselves."""
        return tuple(each.pattern for each in self.filters)


def service(arn: str) -> str:
    """Return the service in an ARN; empty when it is not one."""
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def require_stream(arn: str, name: str) -> None:
    """Raise ValueError, naming the property, unless an ARN is that of a DynamoDB stream."""
    if service(arn) != "dynamodb" or "/stream/" not in arn:
        raise ValueError(f"{name} must be the ARN of a DynamoDB stream, and is {arn!r}")
