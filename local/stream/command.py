"""What the commands of the local pipe and the local mapping have in common."""

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.stream.checkpoint import StreamCheckpoint
from local.stream.delivery import BACKOFF_SECONDS_MAX, exponential_backoff
from local.stream.runner import Pace, StreamRunner
from local.stream.status import StatusFile
from sluice.errors import OperationError
from sluice.stack import Stack
from sluice.stream import Stream

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Where a command runs, and at which pace, by its options."""

    endpoint_url: str
    stack_name: str
    state_dir: Path
    poll_seconds: float
    backoff_seconds: float
    region: str

    def client(
        self, service: Any, endpoint_url: str | None = None, read_seconds: float = 60
    ) -> Any:
        """Return a client, of the emulator by default; it tries once."""
        config = Config(
            retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=read_seconds
        )
        session = boto3.Session(region_name=self.region)
        url = endpoint_url or self.endpoint_url
        return session.client(service, endpoint_url=url, config=config)

    def stack(self) -> Stack:
        """Look the stack up. Raises OperationError, and what botocore raises."""
        return Stack.named(self.stack_name, self.client("cloudformation"))

    def stream(self, arn: str) -> Stream:
        """Return a stream of the emulator."""
        return Stream(self.client("dynamodbstreams"), arn)

    def checkpoint(self, stream_arn: str) -> StreamCheckpoint:
        """Read the checkpoint. Raises OperationError."""
        return StreamCheckpoint(self.state_dir, stream_arn)

    def status_file(self) -> StatusFile:
        """Return the file of the status."""
        return StatusFile(self.state_dir)

    def pace(self) -> Pace:
        """Return how often the stream is read, and what failed is tried again."""
        return Pace(
            poll_seconds=self.poll_seconds, backoff=exponential_backoff(self.backoff_seconds)
        )


def client_options(command: _Command) -> _Command:
    """Give a command the options of a `ClientOptions`."""
    for option in (
        click.option("--region", envvar="AWS_DEFAULT_REGION", default="us-east-1"),
        click.option(
            "--backoff-seconds",
            type=click.FloatRange(min=0.1),
            default=BACKOFF_SECONDS_MAX,
            help="Longest pause before a failed batch is tried again; AWS documents none.",
        ),
        click.option(
            "--poll-seconds",
            type=click.FloatRange(min=0.01),
            default=0.1,
            help="Pause between reads of a shard; AWS pauses 0.25.",
        ),
        click.option(
            "--state-dir",
            required=True,
            type=click.Path(file_okay=False, path_type=Path),
            help="Where checkpoint and status are kept.",
        ),
        click.option("--stack-name", required=True, help="The deployed stack."),
        click.option("--endpoint-url", required=True, help="The emulator: http://127.0.0.1:PORT."),
    ):
        command = option(command)
    return command


class _Signals:
    """SIGTERM and SIGINT ask a command to stop after the step in hand."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._receive)
        signal.signal(signal.SIGINT, self._receive)

    def _receive(self, *_: Any) -> None:
        self.received = True


def run(noun: str, place: ClientOptions, build: Callable[[], StreamRunner]) -> None:
    """Build a runner and run it until a signal. Raises ClickException."""
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {noun}: %(message)s")
    signals = _Signals()
    try:
        build().run(lambda: signals.received)
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(
            f"The emulator at {place.endpoint_url} cannot be used: {error}"
        ) from None
