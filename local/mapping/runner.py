"""The mapping: the changes of a stream, behind its filter, for its function."""

from typing import TYPE_CHECKING

from local.clock import Clock
from local.mapping.definition import MappingDefinition
from local.mapping.invocation import MappingDelivery, event_length, spell
from local.stream.checkpoint import StreamCheckpoint
from local.stream.delivery import Destination
from local.stream.runner import Pace, StreamRunner
from local.stream.status import Status, StatusFile
from sluice.stream import Stream

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def mapping_runner(
    definition: MappingDefinition,
    stream: Stream,
    client: "LambdaClient",
    failures: Destination | None,
    checkpoint: StreamCheckpoint,
    status_file: StatusFile,
    clock: Clock,
    pace: Pace,
) -> StreamRunner:
    """Return what runs a mapping. Raises FilterError."""
    status = Status(name=definition.name, stream_arn=stream.arn, started_at=clock.now())
    return StreamRunner(
        definition,
        stream,
        spell,
        event_length,
        MappingDelivery(definition, client, failures, status, clock, pace.backoff),
        checkpoint,
        status_file,
        clock,
        pace,
    )
