"""The feed of a stack, as AWS reports it: what follows the table's stream into Firehose."""

from dataclasses import dataclass
from datetime import datetime

from sluice.stack import Stack


@dataclass(frozen=True, slots=True)
class Feed:
    """The pipe, or the mapping that hands the table's stream to the feed function."""

    name: str
    state: str
    reason: str
    """Why it is in that state, or what is wrong with it; empty where AWS does not say."""
    follows: bool
    """Whether it follows the stream."""
    fails: bool
    """Whether AWS reports that its last work failed."""
    began: datetime
    """When it was made or, of a mapping, last changed: AWS does not keep the former."""
    window_seconds: float
    """How long it waits for a batch to fill."""
    start: str
    """The command that makes it follow the stream again."""


def deployed_feed(stack: Stack) -> Feed:
    """Return the feed of a stack. Raises what botocore raises."""
    return _pipe(stack) if stack.feed == "pipe" else _function(stack)


def _pipe(stack: Stack) -> Feed:
    answer = stack.pipes.describe_pipe(Name=stack.output("PipeName"))
    # The emulator does not report them.
    source = answer.get("SourceParameters", {}).get("DynamoDBStreamParameters", {})
    return Feed(
        name=f"the pipe {answer['Name']}",
        state=answer["CurrentState"],
        reason=answer.get("StateReason", ""),
        follows=answer["CurrentState"] == "RUNNING",
        fails=False,
        began=answer["CreationTime"],
        window_seconds=source.get("MaximumBatchingWindowInSeconds", 0),
        start=f"aws pipes start-pipe --name {answer['Name']}",
    )


def _function(stack: Stack) -> Feed:
    uuid = stack.output("FeedMapping")
    answer = stack.functions.get_event_source_mapping(UUID=uuid)
    result = answer.get("LastProcessingResult", "")
    fails = result.startswith("PROBLEM")
    follows = answer["State"] == "Enabled"
    why = "" if follows else answer.get("StateTransitionReason", "")
    return Feed(
        name=f"the mapping {uuid} of the feed function",
        state=answer["State"],
        reason=result if fails else why,
        # On an emulator the local mapping runs in its place, whatever its state.
        follows=follows or stack.emulated,
        fails=fails,
        began=answer["LastModified"],
        window_seconds=answer.get("MaximumBatchingWindowInSeconds", 0),
        start=f"aws lambda update-event-source-mapping --enabled --uuid {uuid}",
    )
