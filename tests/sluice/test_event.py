"""The spelling of a change."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from sluice.errors import TransformationFailed
from sluice.event import as_event, render, template_paths
from sluice.stream import Stream

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient


def test_a_record_is_spelled_as_pipes_spells_it(
    streams: "DynamoDBStreamsClient", stream_table: Any
) -> None:
    stream_table.put(
        "a",
        score={"N": "1700076551926"},
        raw={"B": b"\x00\xff"},
        raws={"BS": [b"\x01"]},
        deep={"M": {"list": {"L": [{"B": b"\x02"}, {"BOOL": True}, {"NULL": True}]}}},
        names={"SS": ["x"]},
    )
    stream = Stream(streams, stream_table.stream_arn)
    (shard,), _ = stream.shards()
    (record,) = stream.reader(shard.id, "TRIM_HORIZON").read().records
    event = as_event(record, stream.arn)
    change = event["dynamodb"]
    assert event["eventName"] == "INSERT"
    assert event["eventSource"] == "aws:dynamodb"
    assert event["eventSourceARN"] == stream_table.stream_arn
    assert type(change["ApproximateCreationDateTime"]) is int
    assert change["NewImage"] == {
        "id": {"S": "a"},
        "score": {"N": "1700076551926"},
        "raw": {"B": "AP8="},
        "raws": {"BS": ["AQ=="]},
        "deep": {"M": {"list": {"L": [{"B": "Ag=="}, {"BOOL": True}, {"NULL": True}]}}},
        "names": {"SS": ["x"]},
    }


def test_the_identity_of_a_service_is_spelled_in_lower_camel_case(memory_streams: Any) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a")
    record = {
        **shard.records[0],
        "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
    }
    event = as_event(record, "arn")
    assert event["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
    for absent in (shard.records[0], {**shard.records[0], "userIdentity": None}):
        assert "userIdentity" not in as_event(absent, "arn")


def test_a_path_that_an_event_lacks_becomes_an_empty_text() -> None:
    template = '{"id": <$.eventID>, "who": <$.userIdentity>}'
    assert template_paths(template) == ["eventID", "userIdentity"]
    assert json.loads(render({"eventID": "a"}, template)) == {"id": "a", "who": ""}


@pytest.mark.parametrize("value", ['a"', "a\\", "a\n", None])
def test_a_value_that_nobody_knows_the_spelling_of_is_refused(value: str | None) -> None:
    with pytest.raises(TransformationFailed, match=r"<\$.eventID> is .* does not document"):
        render({"eventID": value}, '{"id": <$.eventID>}')
