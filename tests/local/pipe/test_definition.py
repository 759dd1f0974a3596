from typing import Any

import pytest

from local.pipe.definition import DefinitionError, PipeDefinition

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


def test_what_is_not_said_has_the_defaults_of_aws() -> None:
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


def test_everything_that_is_said_is_taken() -> None:
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
        (properties(Enrichment="arn:aws:lambda:x"), "changes.Enrichment is not supported"),
        (properties(DesiredState="STOPPED"), "deploy the pipe as RUNNING"),
        (properties(Source="arn:aws:sqs:us-east-1:000000000000:q"), "ARN of a DynamoDB stream"),
        (properties(Target="arn:aws:sns:us-east-1:000000000000:t"), "ARN of a delivery stream"),
        (properties(Target=None), "changes.Target is missing"),
        (properties({"ParallelizationFactor": 2}), "ParallelizationFactor above 1"),
        (properties({"BatchSize": 501}), "BatchSize must be a whole number from 1 to 500"),
        (properties({"BatchSize": True}), "BatchSize must be a whole number"),
        (properties({"MaximumRetryAttempts": -2}), "MaximumRetryAttempts must be a whole number"),
        (properties({"MaximumBatchingWindowInSeconds": 301}), "from 0 to 300"),
        (properties({"StartingPosition": "AT_TIMESTAMP"}), "TRIM_HORIZON or LATEST"),
        (properties({"OnPartialBatchItemFailure": "SPLIT"}), "must be AUTOMATIC_BISECT"),
        (properties({"DeadLetterConfig": {"Arn": QUEUE + ".fifo"}}), "FIFO queue"),
        (properties({"DeadLetterConfig": {"Arn": "arn:aws:sns:a:b:c"}}), "ARN of an SQS queue"),
        (properties({"Tumbling": 1}), "DynamoDBStreamParameters.Tumbling is not supported"),
        (
            properties(SourceParameters={"SqsQueueParameters": {}}),
            "SourceParameters.SqsQueueParameters is not supported",
        ),
        (
            properties(TargetParameters={"SqsQueueParameters": {}}),
            "TargetParameters.SqsQueueParameters is not supported",
        ),
        (properties(TargetParameters={"InputTemplate": "x" * 8193}), "8193 characters"),
        (properties(TargetParameters=[]), "changes.TargetParameters must be an object"),
        (
            properties(
                SourceParameters={
                    "DynamoDBStreamParameters": FILTERS,
                    "FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 6},
                }
            ),
            "6 filters; Pipes allows 5",
        ),
        (
            properties(
                SourceParameters={
                    "DynamoDBStreamParameters": FILTERS,
                    "FilterCriteria": {"Filters": [{"Pattern": "x" * 4097}]},
                }
            ),
            "Filters[0].Pattern has 4097 characters; Pipes allows 4096",
        ),
    ],
)
def test_what_this_pipe_does_not_stand_in_for_is_refused_by_name(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError) as error:
        parse(values)
    assert message in str(error.value)
