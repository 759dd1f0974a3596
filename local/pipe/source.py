"""The stream of the table: its shards, and their records in order, spelled as Pipes spells them.

Reads as https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html says: a
shard's parents before itself, and a new iterator when one has expired.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from local.pipe.definition import StartingPosition
from local.pipe.event import as_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_dynamodbstreams.type_defs import (
        DescribeStreamInputTypeDef,
        GetRecordsOutputTypeDef,
        GetShardIteratorInputTypeDef,
    )

log = logging.getLogger(__name__)

PAGE_RECORDS_MAX = 1000
"""Records GetRecords returns at most; it also stops at 1 MB."""

FULL_PAGE_BYTES = 200 * 1024
"""A page of this size may have been cut at 1 MB: the record that did not fit can be large."""

_BUSY = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)


class SourceUnavailable(Exception):  # noqa: N818 - a condition that passes, not an error
    """The stream does not answer, or asks to slow down: to be tried again."""


class SourceGoneError(Exception):
    """The stream cannot be read any more, now or later."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of the stream, and the one it continues."""

    id: str
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """What one read brought. `full`: more is likely there. `last`: the shard is read to its end."""

    events: Sequence[Mapping[str, Any]]
    full: bool
    last: bool


class Stream:
    """A DynamoDB stream."""

    def __init__(self, client: "DynamoDBStreamsClient", arn: str) -> None:
        self.arn = arn
        self._client = client

    def shards(self) -> tuple[list[Shard], bool]:
        """All shards the stream still has, and whether the stream is on."""
        shards: list[Shard] = []
        request: DescribeStreamInputTypeDef = {"StreamArn": self.arn}
        while True:
            with _reading(self.arn):
                answer = self._client.describe_stream(**request)
            description = answer["StreamDescription"]
            shards += [
                Shard(shard["ShardId"], shard.get("ParentShardId"))
                for shard in description["Shards"]
            ]
            if not (last := description.get("LastEvaluatedShardId")):
                return shards, description["StreamStatus"] in ("ENABLING", "ENABLED")
            request["ExclusiveStartShardId"] = last

    def reader(
        self, shard_id: str, starting_position: StartingPosition, after: str | None
    ) -> "ShardReader":
        """A reader from behind sequence number `after`, or else from the starting position."""
        return ShardReader(self._client, self.arn, shard_id, starting_position, after)


class ShardReader:
    """Reads one shard, page by page."""

    def __init__(
        self,
        client: "DynamoDBStreamsClient",
        stream_arn: str,
        shard_id: str,
        starting_position: StartingPosition,
        after: str | None,
    ) -> None:
        self._client = client
        self._stream_arn = stream_arn
        self._shard_id = shard_id
        self._starting_position = starting_position
        self._after = after
        self._iterator: str | None = None

    def read(self) -> Page:
        """The next page. Raises SourceUnavailable, SourceGoneError."""
        with _reading(self._stream_arn):
            try:
                answer = self._get_records()
            except ClientError as error:
                if _code(error) != "ExpiredIteratorException":
                    raise
                self._iterator = None
                answer = self._get_records()
        records = answer["Records"]
        if records:
            self._after = records[-1]["dynamodb"]["SequenceNumber"]
        self._iterator = answer.get("NextShardIterator")
        size = int(answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", 0))
        return Page(
            events=[as_event(record, self._stream_arn) for record in records],
            full=len(records) >= PAGE_RECORDS_MAX or size >= FULL_PAGE_BYTES,
            last=self._iterator is None,
        )

    def _get_records(self) -> "GetRecordsOutputTypeDef":
        try:
            if self._iterator is None:
                self._iterator = self._new_iterator()
            return self._client.get_records(ShardIterator=self._iterator, Limit=PAGE_RECORDS_MAX)
        except ClientError as error:
            if _code(error) != "TrimmedDataAccessException":
                raise
            log.warning(
                "Shard %s: changes after %s are past the stream's 24 hours and are lost; "
                "going on with the oldest change there is",
                self._shard_id,
                self._after,
            )
            self._after, self._starting_position = None, "TRIM_HORIZON"
            self._iterator = self._new_iterator()
            return self._client.get_records(ShardIterator=self._iterator, Limit=PAGE_RECORDS_MAX)

    def _new_iterator(self) -> str:
        request: GetShardIteratorInputTypeDef = {
            "StreamArn": self._stream_arn,
            "ShardId": self._shard_id,
            "ShardIteratorType": self._starting_position,
        }
        if self._after is not None:
            request["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER"
            request["SequenceNumber"] = self._after
        return self._client.get_shard_iterator(**request)["ShardIterator"]


@contextmanager
def _reading(stream_arn: str) -> Iterator[None]:
    """Turns what boto3 raises into the two errors that matter here."""
    try:
        yield
    except (HTTPClientError, ConnectionError) as error:
        raise SourceUnavailable(str(error)) from error
    except ClientError as error:
        if _code(error) in _BUSY:
            raise SourceUnavailable(_code(error)) from error
        raise SourceGoneError(f"The stream {stream_arn} cannot be read: {error}") from error


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
