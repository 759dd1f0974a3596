"""`python -m local.pipe`: run the pipe that a stack deployed to the emulator."""

import logging
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import click
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.firehose import DeliveryStream
from local.clock import Clock
from local.pipe.dead_letter import DeadLetterQueue
from local.pipe.definition import PipeDefinition
from local.pipe.desired_state import DesiredState
from local.stream.checkpoint import StreamCheckpoint
from local.stream.delivery import BACKOFF_SECONDS_MAX, exponential_backoff
from local.stream.runner import Pace, PipeRunner
from local.stream.status import StatusFile
from sluice.errors import OperationError
from sluice.stack import Stack
from sluice.stream import Stream

# The pipe itself counts and spaces its tries.
NO_RETRIES = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60)


class Signals:
    """SIGTERM and SIGINT ask the pipe to stop after the step in hand."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._receive)
        signal.signal(signal.SIGINT, self._receive)

    def _receive(self, *_: Any) -> None:
        self.received = True


@click.command(name="python -m local.pipe")
@click.option("--endpoint-url", required=True, help="The emulator: http://127.0.0.1:PORT.")
@click.option(
    "--firehose-url",
    required=True,
    envvar="AWS_ENDPOINT_URL_FIREHOSE",
    show_envvar=True,
    help="The local Firehose: http://127.0.0.1:PORT.",
)
@click.option("--stack-name", required=True, help="The deployed stack that has the pipe.")
@click.option(
    "--state-dir",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where checkpoint and status are kept.",
)
@click.option(
    "--poll-seconds",
    type=click.FloatRange(min=0.01),
    default=0.1,
    show_default=True,
    help="Pause between reads of a shard; AWS pauses 0.25.",
)
@click.option(
    "--backoff-seconds",
    type=click.FloatRange(min=0.1),
    default=BACKOFF_SECONDS_MAX,
    show_default=True,
    help="Longest pause before a refused batch is resent; AWS documents none.",
)
@click.option("--input-template", help="Use this template in place of the deployed one.")
@click.option("--region", envvar="AWS_DEFAULT_REGION", default="us-east-1", show_default=True)
def main(
    endpoint_url: str,
    firehose_url: str,
    stack_name: str,
    state_dir: Path,
    poll_seconds: float,
    backoff_seconds: float,
    input_template: str | None,
    region: str,
) -> None:
    """Send the changes of a deployed table to its delivery stream, as EventBridge Pipes would."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s pipe: %(message)s")
    signals = Signals()
    session = boto3.Session(region_name=region)
    try:
        cloudformation = session.client(
            "cloudformation", endpoint_url=endpoint_url, config=NO_RETRIES
        )
        definition = deployed_pipe(Stack.named(stack_name, cloudformation))
        if input_template is not None:
            definition = replace(definition, input_template=input_template)
        runner = PipeRunner(
            definition,
            Stream(
                session.client("dynamodbstreams", endpoint_url=endpoint_url, config=NO_RETRIES),
                definition.source_arn,
            ),
            DeliveryStream(
                session.client("firehose", endpoint_url=firehose_url, config=NO_RETRIES),
                definition.delivery_stream,
            ),
            DeadLetterQueue.of(
                definition, session.client("sqs", endpoint_url=endpoint_url, config=NO_RETRIES)
            ),
            StreamCheckpoint(state_dir, definition.source_arn),
            StatusFile(state_dir),
            Clock(),
            Pace(poll_seconds=poll_seconds, backoff=exponential_backoff(backoff_seconds)),
            DesiredState(
                session.client("pipes", endpoint_url=endpoint_url, config=NO_RETRIES),
                definition.name,
            ).is_stopped,
        )
        runner.run(lambda: signals.received)
    except OperationError as error:
        raise click.ClickException(str(error)) from None
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(
            f"The emulator at {endpoint_url} cannot be used: {error}"
        ) from None


def deployed_pipe(stack: Stack) -> PipeDefinition:
    """Return the pipe of a stack deployed with target=local. Raises what its parts raise."""
    properties = msgspec.json.decode(stack.output("PipeDefinition"), type=dict[str, Any])
    arn = properties.pop("Arn")
    return PipeDefinition.parse(arn.rpartition("/")[2], arn, properties)


if __name__ == "__main__":
    main()
