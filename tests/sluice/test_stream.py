"""The table's stream: shards, pages, and where a reader begins."""

import logging
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from sluice.errors import AgedOutError, StreamGoneError, UnavailableError
from sluice.stream import ShardReader, Stream

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient


def ids(reader: ShardReader) -> list[str]:
    return [record["dynamodb"]["Keys"]["id"]["S"] for record in reader.read().records]


@pytest.fixture
def stream(streams: "DynamoDBStreamsClient", stream_table: Any) -> Stream:
    return Stream(streams, stream_table.stream_arn)


def test_trim_horizon_begins_with_the_oldest_latest_with_the_next(
    stream: Stream, stream_table: Any
) -> None:
    stream_table.put("a", "b")
    (shard,), on = stream.shards()
    assert on
    oldest = stream.reader(shard.id, "TRIM_HORIZON")
    latest = stream.reader(shard.id, "LATEST")
    assert ids(latest) == []
    stream_table.put("c")
    assert ids(oldest) == ["a", "b", "c"]
    assert ids(latest) == ["c"]


def test_a_reader_begins_behind_a_sequence_number_or_with_it(
    stream: Stream, stream_table: Any
) -> None:
    stream_table.put("a", "b", "c")
    (shard,), _ = stream.shards()
    first, second, _ = stream.reader(shard.id, "TRIM_HORIZON").read().records
    number = first["dynamodb"]["SequenceNumber"]
    assert ids(stream.reader(shard.id, "AFTER_SEQUENCE_NUMBER", number)) == ["b", "c"]
    number = second["dynamodb"]["SequenceNumber"]
    assert ids(stream.reader(shard.id, "AT_SEQUENCE_NUMBER", number)) == ["b", "c"]


def test_a_shard_or_a_start_that_has_aged_out_is_not_opened(
    stream: Stream, stream_table: Any, memory_streams: Any
) -> None:
    stream_table.put("a")
    with pytest.raises(AgedOutError):
        stream.reader("shardId-00000000000000000009-00000000", "TRIM_HORIZON").open()
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a", "b", "c")
    shard.trimmed = 2
    first = shard.records[0]["dynamodb"]["SequenceNumber"]
    with pytest.raises(AgedOutError):
        Stream(memory_streams, "arn").reader("one", "AFTER_SEQUENCE_NUMBER", first).open()


def test_a_stream_turned_off_is_read_to_its_end(stream: Stream, stream_table: Any) -> None:
    stream_table.put("a")
    stream_table.turn_stream_off()
    (shard,), on = stream.shards()
    page = stream.reader(shard.id, "TRIM_HORIZON").read()
    assert not on
    assert page.last
    assert len(page.records) == 1


def test_a_stream_that_is_not_there_is_gone(
    streams: "DynamoDBStreamsClient", stream_table: Any
) -> None:
    with pytest.raises(StreamGoneError, match="cannot be read"):
        Stream(streams, stream_table.stream_arn + "9").shards()


def test_an_endpoint_that_does_not_answer_is_unavailable(
    session: boto3.Session, closed_endpoint: str
) -> None:
    once = Config(retries={"total_max_attempts": 1})
    client = session.client("dynamodbstreams", endpoint_url=closed_endpoint, config=once)
    with pytest.raises(UnavailableError):
        Stream(client, "arn:aws:dynamodb:us-east-1:000000000000:table/abc/stream/2023").shards()


def test_all_pages_of_shards_are_listed(memory_streams: Any) -> None:
    memory_streams.shard("one")
    memory_streams.shard("two", parent="one")
    shards, _ = Stream(memory_streams, "arn").shards()
    assert [(shard.id, shard.parent_id) for shard in shards] == [("one", None), ("two", "one")]


def test_an_expired_iterator_is_made_anew_behind_the_last_record_read(memory_streams: Any) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a", "b")
    reader = Stream(memory_streams, "arn").reader("one", "TRIM_HORIZON")
    assert ids(reader) == ["a", "b"]
    memory_streams.write(shard, "c")
    memory_streams.expired = {"one 2 1"}
    assert ids(reader) == ["c"]


def test_a_position_past_the_24_hours_goes_on_with_the_oldest_record_and_says_so(
    memory_streams: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # In a process that has imported the app, Chalice has set the level of the logger of its name.
    caplog.set_level(logging.WARNING, "sluice.stream")
    shard = memory_streams.shard("one")
    memory_streams.write(shard, "a", "b", "c")
    first = shard.records[0]["dynamodb"]["SequenceNumber"]
    shard.trimmed = 2
    assert ids(Stream(memory_streams, "arn").reader("one", "AFTER_SEQUENCE_NUMBER", first)) == ["c"]
    assert f"changes after {first} are past the stream's 24 hours" in caplog.text


def test_a_page_cut_by_count_or_by_size_is_full(memory_streams: Any) -> None:
    shard = memory_streams.shard("one")
    memory_streams.write(shard, *map(str, range(1001)))
    reader = Stream(memory_streams, "arn").reader("one", "TRIM_HORIZON")
    assert reader.read().full
    assert not reader.read().full
    memory_streams.page_bytes = 900_000
    assert reader.read().full
