"""`python -m local.mapping`: run the event source mapping that a stack deployed to the emulator."""

from typing import Any

import click

from local.clock import Clock
from local.mapping.definition import MappingDefinition
from local.mapping.failure_objects import FailureObjects
from local.mapping.runner import mapping_runner
from local.stream.command import ClientOptions, client_options, run
from local.stream.runner import StreamRunner

FUNCTION_SECONDS_MAX = 900


@click.command(name="python -m local.mapping", context_settings={"show_default": True})
@client_options
def main(**options: Any) -> None:
    """Invoke a deployed function with the changes of its table, as Lambda would."""
    place = ClientOptions(**options)

    def build() -> StreamRunner:
        # An invocation takes as long as the function may run.
        functions = place.client("lambda", read_seconds=FUNCTION_SECONDS_MAX + 10)
        answer = functions.get_event_source_mapping(UUID=place.stack().output("FeedMapping"))
        definition = MappingDefinition.parse(answer)
        return mapping_runner(
            definition,
            place.stream(definition.source_arn),
            functions,
            FailureObjects.of(definition, place.client("s3")),
            place.checkpoint(definition.source_arn),
            place.status_file(),
            Clock(),
            place.pace(),
        )

    run("mapping", place, build)


if __name__ == "__main__":
    main()
