"""`python -m local.pipe`: run the pipe that a stack deployed to the emulator."""

from dataclasses import replace
from typing import Any

import click
import msgspec

from chalicelib.firehose import DeliveryStream
from local.clock import Clock
from local.pipe.dead_letter import DeadLetterQueue
from local.pipe.definition import PipeDefinition
from local.pipe.desired_state import DesiredState
from local.pipe.runner import pipe_runner
from local.stream.command import ClientOptions, client_options, run
from local.stream.runner import StreamRunner
from sluice.stack import Stack


@click.command(name="python -m local.pipe", context_settings={"show_default": True})
@client_options
@click.option(
    "--firehose-url",
    required=True,
    envvar="AWS_ENDPOINT_URL_FIREHOSE",
    show_envvar=True,
    help="The local Firehose: http://127.0.0.1:PORT.",
)
@click.option("--input-template", help="Use this template in place of the deployed one.")
def main(firehose_url: str, input_template: str | None, **options: Any) -> None:
    """Send the changes of a deployed table to its delivery stream, as EventBridge Pipes would."""
    place = ClientOptions(**options)

    def build() -> StreamRunner:
        definition = deployed_pipe(place.stack())
        if input_template is not None:
            definition = replace(definition, input_template=input_template)
        return pipe_runner(
            definition,
            place.stream(definition.source_arn),
            DeliveryStream(place.client("firehose", firehose_url), definition.delivery_stream),
            DeadLetterQueue.of(definition, place.client("sqs")),
            place.checkpoint(definition.source_arn),
            place.status_file(),
            Clock(),
            place.pace(),
            DesiredState(place.client("pipes"), definition.name).is_stopped,
        )

    run("pipe", place, build)


def deployed_pipe(stack: Stack) -> PipeDefinition:
    """Return the pipe of a stack deployed with target=local. Raises what its parts raise."""
    properties = msgspec.json.decode(stack.output("PipeDefinition"), type=dict[str, Any])
    arn = properties.pop("Arn")
    return PipeDefinition.parse(arn.rpartition("/")[2], arn, properties)


if __name__ == "__main__":
    main()
