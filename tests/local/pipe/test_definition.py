from typing import Any

import pytest

from local.pipe.definition import PipeDefinition
from local.stream.consumer import DefinitionError

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/records/stream/2023-11-15T19:29:11.926"
TARGET = "arn:aws:firehose:us-east-1:000000000000:deliverystream/lake"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:dead"


def properties(stream: dict[str, Any] | None = None, **differences: Any) -> dict[str, Any]:
    return {
        "Source": STREAM,
        "Target": TARGET,
        "RoleArn": "arn:aws:iam::000000000000:role/pipe",
        "SourceParameters": {
            "DynamoDBStreamParameters": {"StartingPosition": "LATEST", **(stream or {})}
        },
        **differences,
    }


def parse(values: dict[str, Any]) -> PipeDefinition:
    return PipeDefinition.parse("changes", "arn:aws:pipes:::pipe/changes", values)


def test_a_property_that_is_absent_has_the_default_of_aws() -> None:
    definition = parse(properties())
    assert definition.batch_size == 100
    assert definition.batching_window_seconds == 0
    assert definition.maximum_retry_attempts == -1
    assert definition.maximum_record_age_seconds == -1
    assert definition.bisect is False
    assert definition.dead_letter_arn is None
    assert definition.filters == ()
    assert definition.input_template == ""
    assert definition.delivery_stream == "lake"


def test_every_property_is_read() -> None:
    definition = parse(
        properties(
            SourceParameters={
                "DynamoDBStreamParameters": {
                    "StartingPosition": "TRIM_HORIZON",
                    "BatchSize": "500",
                    "MaximumBatchingWindowInSeconds": 3,
                    "MaximumRetryAttempts": 4,
                    "MaximumRecordAgeInSeconds": 3600,
                    "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
                    "ParallelizationFactor": 1,
                    "DeadLetterConfig": {"Arn": QUEUE},
                },
                "FilterCriteria": {"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
            },
            TargetParameters={"InputTemplate": "<$.dynamodb>"},
            DesiredState="RUNNING",
        )
    )
    assert definition == PipeDefinition(
        name="changes",
        arn="arn:aws:pipes:::pipe/changes",
        source_arn=STREAM,
        target_arn=TARGET,
        starting_position="TRIM_HORIZON",
        batch_size=500,
        batching_window_seconds=3,
        maximum_retry_attempts=4,
        maximum_record_age_seconds=3600,
        bisect=True,
        dead_letter_arn=QUEUE,
        filters=('{"eventName": ["INSERT"]}',),
        input_template="<$.dynamodb>",
    )


FILTERS = {"StartingPosition": "LATEST"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (properties(Enrichment="arn:aws:lambda:x"), "unknown field `Enrichment`"),
        (properties(DesiredState="STOPPED"), "deploy the pipe as RUNNING"),
        (properties(Source="arn:aws:sqs:us-east-1:000000000000:q"), "ARN of a DynamoDB stream"),
        (properties(Target="arn:aws:sns:us-east-1:000000000000:t"), "ARN of a delivery stream"),
        (properties(Target=None), "Expected `str`, got `null` - at `$.Target`"),
        (
            properties({"ParallelizationFactor": 2}),
            "ParallelizationFactor is not supported locally; use 1",
        ),
        (properties({"BatchSize": 501}), "Expected `int` <= 500 - at `$.{stream}.BatchSize`"),
        (properties({"BatchSize": True}), "Expected `int`, got `bool` - at `$.{stream}.BatchSize`"),
        (
            properties({"MaximumRetryAttempts": -2}),
            "`int` >= -1 - at `$.{stream}.MaximumRetryAttempts`",
        ),
        (properties({"MaximumBatchingWindowInSeconds": 301}), "Expected `int` <= 300"),
        (
            properties({"StartingPosition": "AT_TIMESTAMP"}),
            "'AT_TIMESTAMP' - at `$.{stream}.StartingPosition`",
        ),
        (
            properties({"OnPartialBatchItemFailure": "SPLIT"}),
            "'SPLIT' - at `$.{stream}.OnPartialBatchItemFailure`",
        ),
        (properties({"DeadLetterConfig": {"Arn": QUEUE + ".fifo"}}), "FIFO queue"),
        (properties({"DeadLetterConfig": {"Arn": "arn:aws:sns:a:b:c"}}), "ARN of an SQS queue"),
        (properties({"Tumbling": 1}), "unknown field `Tumbling` - at `$.{stream}`"),
        (
            properties(SourceParameters={"SqsQueueParameters": {}}),
            "unknown field `SqsQueueParameters` - at `$.SourceParameters`",
        ),
        (
            properties(TargetParameters={"SqsQueueParameters": {}}),
            "unknown field `SqsQueueParameters` - at `$.TargetParameters`",
        ),
        (
            properties(TargetParameters={"InputTemplate": "x" * 8193}),
            "length <= 8192 - at `$.TargetParameters.InputTemplate`",
        ),
        (
            properties(TargetParameters=[]),
            "Expected `object`, got `array` - at `$.TargetParameters`",
        ),
        (
            properties(
                SourceParameters={
                    "DynamoDBStreamParameters": FILTERS,
                    "FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 6},
                }
            ),
            "`array` of length <= 5 - at `$.SourceParameters.FilterCriteria.Filters`",
        ),
        (
            properties(
                SourceParameters={
                    "DynamoDBStreamParameters": FILTERS,
                    "FilterCriteria": {"Filters": [{"Pattern": "x" * 4097}]},
                }
            ),
            "length <= 4096 - at `$.SourceParameters.FilterCriteria.Filters[0].Pattern`",
        ),
    ],
)
def test_what_this_pipe_does_not_stand_in_for_is_refused_by_name(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError) as error:
        parse(values)
    assert message.format(stream="SourceParameters.DynamoDBStreamParameters") in str(error.value)
    assert "the pipe changes cannot run here" in str(error.value)
