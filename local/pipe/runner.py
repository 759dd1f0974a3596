"""The pipe: the changes of a stream, behind its filter and template, for its delivery stream."""

from collections.abc import Callable

from chalicelib.firehose import DeliveryStream
from chalicelib.limits import batch_length
from local.clock import Clock
from local.pipe.definition import PipeDefinition
from local.pipe.delivery import PipeDelivery
from local.pipe.template import Template
from local.stream.checkpoint import StreamCheckpoint
from local.stream.delivery import Destination
from local.stream.runner import Pace, StreamRunner
from local.stream.status import Status, StatusFile
from sluice.stream import Stream


def pipe_runner(
    definition: PipeDefinition,
    stream: Stream,
    target: DeliveryStream,
    dead_letters: Destination | None,
    checkpoint: StreamCheckpoint,
    status_file: StatusFile,
    clock: Clock,
    pace: Pace,
    is_stopped: Callable[[], bool] = lambda: False,
) -> StreamRunner:
    """Return what runs a pipe; `is_stopped` returns whether it is to read nothing.

    Raises FilterError, TemplateError.
    """
    status = Status(name=definition.name, stream_arn=stream.arn, started_at=clock.now())
    return StreamRunner(
        definition,
        stream,
        Template(definition).render,
        batch_length,
        PipeDelivery(definition, target, dead_letters, status, clock, pace.backoff),
        checkpoint,
        status_file,
        clock,
        pace,
        is_stopped,
    )
