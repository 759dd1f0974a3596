from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from local.pipe.event import as_event
from local.pipe.source import ShardReader, SourceGoneError, SourceUnavailable, Stream

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient


def ids(reader: ShardReader) -> list[str]:
    return [event["dynamodb"]["Keys"]["id"]["S"] for event in reader.read().events]


@pytest.fixture
def stream(streams: "DynamoDBStreamsClient", table: Any) -> Stream:
    return Stream(streams, table.stream_arn)


def test_a_record_is_spelled_as_pipes_spells_it(stream: Stream, table: Any) -> None:
    table.put(
        "a",
        score={"N": "1700076551926"},
        raw={"B": b"\x00\xff"},
        raws={"BS": [b"\x01"]},
        deep={"M": {"list": {"L": [{"B": b"\x02"}, {"BOOL": True}, {"NULL": True}]}}},
        names={"SS": ["x"]},
    )
    (shard,), _ = stream.shards()
    (event,) = stream.reader(shard.id, "TRIM_HORIZON", None).read().events
    change = event["dynamodb"]
    assert event["eventName"] == "INSERT"
    assert event["eventSource"] == "aws:dynamodb"
    assert event["eventSourceARN"] == table.stream_arn
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
    assert "userIdentity" not in as_event(shard.records[0], "arn")


def test_trim_horizon_begins_with_the_oldest_latest_with_the_next(
    stream: Stream, table: Any
) -> None:
    table.put("a", "b")
    (shard,), on = stream.shards()
    assert on
    oldest = stream.reader(shard.id, "TRIM_HORIZON", None)
    latest = stream.reader(shard.id, "LATEST", None)
    assert ids(latest) == []
    table.put("c")
    assert ids(oldest) == ["a", "b", "c"]
    assert ids(latest) == ["c"]


def test_a_position_wins_over_the_starting_position(stream: Stream, table: Any) -> None:
    table.put("a", "b", "c")
    (shard,), _ = stream.shards()
    events = stream.reader(shard.id, "TRIM_HORIZON", None).read().events
    after = events[0]["dynamodb"]["SequenceNumber"]
    assert ids(stream.reader(shard.id, "LATEST", after)) == ["b", "c"]
    assert ids(stream.reader(shard.id, "TRIM_HORIZON", after)) == ["b", "c"]


def test_a_stream_turned_off_is_read_to_its_end(stream: Stream, table: Any) -> None:
    table.put("a")
    table.turn_stream_off()
    (shard,), on = stream.shards()
    page = stream.reader(shard.id, "TRIM_HORIZON", None).read()
    assert not on
    assert page.last
    assert len(page.events) == 1


def test_a_stream_that_is_not_there_is_gone(streams: "DynamoDBStreamsClient", table: Any) -> None:
    with pytest.raises(SourceGoneError, match="cannot be read"):
        Stream(streams, table.stream_arn + "9").shards()


def test_an_endpoint_that_does_not_answer_is_unavailable(
    session: boto3.Session, closed_endpoint: str
) -> None:
    once = Config(retries={"total_max_attempts": 1})
    client = session.client("dynamodbstreams", endpoint_url=closed_endpoint, config=once)
    with pytest.raises(SourceUnavailable):
        Stream(client, "arn:aws:dynamodb:us-east-1:000000000000:table/abc/stream/2023").shards()


def test_all_pages_of_shards_are_listed(memory_streams: Any) -> None:
    memory_streams.shard("one")
    memory_streams.shard("two", parent="one")
    shards, _ = Stream(memory_streams, "arn").shards()
    assert [(shard.id, shard.parent_id) for shard in shards] == [("one", None), ("two", "one")]


def test_an_expired_iterator_is_made_anew_behind_the_last_record_read(memory_streams: Any) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a", "b")
    reader = Stream(memory_streams, "arn").reader("one", "TRIM_HORIZON", None)
    assert ids(reader) == ["a", "b"]
    memory_streams.write(shard, "c")
    memory_streams.expired = {"one 2 1"}
    assert ids(reader) == ["c"]


def test_a_position_past_the_24_hours_goes_on_with_the_oldest_record_and_says_so(
    memory_streams: Any, caplog: pytest.LogCaptureFixture
) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a", "b", "c")
    first = shard.records[0]["dynamodb"]["SequenceNumber"]
    shard.trimmed = 2
    assert ids(Stream(memory_streams, "arn").reader("one", "LATEST", first)) == ["c"]
    assert f"changes after {first} are past the stream's 24 hours" in caplog.text


def test_a_page_cut_by_count_or_by_size_is_full(memory_streams: Any) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, *map(str, range(1001)))
    reader = Stream(memory_streams, "arn").reader("one", "TRIM_HORIZON", None)
    assert reader.read().full
    assert not reader.read().full
    memory_streams.page_bytes = 900_000
    assert reader.read().full
