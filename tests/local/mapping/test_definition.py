"""A mapping is read as deployed; what AWS refuses or this mapping lacks is refused by name."""

from typing import Any

import pytest

from local.mapping.definition import MappingDefinition
from local.stream.consumer import DefinitionError
from tests.local.mapping.conftest import ARN, described


def test_a_mapping_is_read_whole() -> None:
    mapping = MappingDefinition.parse(
        described(
            BatchSize=10_000,
            MaximumBatchingWindowInSeconds=5,
            MaximumRecordAgeInSeconds=43_200,
            FilterCriteria={"Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]},
        )
    )
    assert (mapping.source_arn, mapping.uuid) == (ARN, "7d0b")
    assert (mapping.batch_size, mapping.batching_window_seconds) == (10_000, 5)
    assert (mapping.maximum_retry_attempts, mapping.maximum_record_age_seconds) == (2, 43_200)
    assert (mapping.bisect, mapping.reports_item_failures) == (True, True)
    assert mapping.failure_bucket == "lake"
    assert mapping.filters == ('{"eventName": ["INSERT"]}',)


def test_what_is_left_out_has_awss_defaults() -> None:
    names = ("UUID", "EventSourceArn", "FunctionArn", "StartingPosition")
    mapping = MappingDefinition.parse({name: described()[name] for name in names})
    assert (mapping.batch_size, mapping.batching_window_seconds) == (100, 0)
    assert (mapping.maximum_retry_attempts, mapping.maximum_record_age_seconds) == (-1, -1)
    assert (mapping.bisect, mapping.reports_item_failures) == (False, False)
    assert mapping.failure_bucket is None
    assert mapping.filters == ()


@pytest.mark.parametrize(
    ("difference", "named"),
    [
        ({"BatchSize": 10_001}, "BatchSize"),
        ({"BatchSize": 0}, "BatchSize"),
        ({"MaximumBatchingWindowInSeconds": 301}, "MaximumBatchingWindowInSeconds"),
        ({"MaximumRetryAttempts": 10_001}, "MaximumRetryAttempts"),
        ({"MaximumRecordAgeInSeconds": 604_801}, "MaximumRecordAgeInSeconds"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPosition"),
        ({"EventSourceArn": "arn:aws:sqs:us-east-1:0:queue"}, "EventSourceArn"),
        ({"FunctionResponseTypes": ["Other"]}, "FunctionResponseTypes"),
        ({"ParallelizationFactor": 2}, "ParallelizationFactor"),
        ({"TumblingWindowInSeconds": 1}, "TumblingWindowInSeconds"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 6}}, "FilterCriteria"),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:0:queue"}}},
            "must be the ARN of a bucket",
        ),
        ({"ScalingConfig": {"MaximumConcurrency": 2}}, "ScalingConfig"),
    ],
)
def test_anything_else_is_refused_by_name(difference: dict[str, Any], named: str) -> None:
    with pytest.raises(DefinitionError, match="event source mapping 7d0b") as refusal:
        MappingDefinition.parse(described(**difference))
    assert named in str(refusal.value)
