import boto3
import pytest

from sluice.backfill.gap import refuse_standing
from sluice.errors import OperationError
from sluice.feed import deployed_feed
from sluice.stack import Stack


def test_a_pipe_that_does_not_follow_the_stream_is_refused_with_the_remedy(stack: Stack) -> None:
    topic = boto3.client("sns").create_topic(Name="target")["TopicArn"]
    stack.pipes.create_pipe(
        Name="stopped",
        RoleArn="arn:aws:iam::000000000000:role/pipe",
        Source="arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000",
        Target=topic,
        DesiredState="STOPPED",
    )
    try:
        with pytest.raises(OperationError, match=r"stopped is STOPPED: .*aws pipes start-pipe"):
            refuse_standing(
                deployed_feed(Stack(stack.name, {**stack.outputs, "PipeName": "stopped"}))
            )
    finally:
        stack.pipes.delete_pipe(Name="stopped")
        boto3.client("sns").delete_topic(TopicArn=topic)
