"""The table's stream: its shards, and their records in order, as boto3 returns them.

Reads as https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html says: a
shard's parents before itself, and a new iterator when one has expired.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from chalicelib.limits import GET_RECORDS_MAX
from chalicelib.retry import REQUEST_ERRORS, error_code, is_passing
from sluice.errors import AgedOutError, StreamGoneError, UnavailableError, explain

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_dynamodbstreams.type_defs import (
        DescribeStreamInputTypeDef,
        GetRecordsOutputTypeDef,
        GetShardIteratorInputTypeDef,
    )

log = logging.getLogger(__name__)

FULL_PAGE_BYTES = 200 * 1024
"""A page of this size may have been cut at 1 MB: the record that did not fit can be large."""

_AGED_OUT = frozenset({"TrimmedDataAccessException", "ResourceNotFoundException"})

_RENEWED = frozenset({"ExpiredIteratorException", "TrimmedDataAccessException"})
"""Answers after which the same place, or the oldest one, is read by a new iterator."""

Start = Literal["AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER", "LATEST", "TRIM_HORIZON"]
"""Where a reader begins; the first two go with a sequence number."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard of the stream, and the one that it continues."""

    id: str
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class StreamPage:
    """The records of one read. `full`: there are likely more. `last`: the shard is at its end."""

    records: Sequence[Mapping[str, Any]]
    full: bool
    last: bool


class Stream:
    """A DynamoDB stream."""

    def __init__(self, client: "DynamoDBStreamsClient", arn: str) -> None:
        self.arn = arn
        self._client = client

    def shards(self) -> tuple[list[Shard], bool]:
        """Return all shards that the stream still has, and whether the stream is on.

        Raises UnavailableError, StreamGoneError.
        """
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
        self, shard_id: str, start: Start, sequence_number: str | None = None
    ) -> "ShardReader":
        """Return a reader of a shard from its start on."""
        return ShardReader(self._client, self.arn, shard_id, start, sequence_number)


class ShardReader:
    """Reads one shard, page by page."""

    def __init__(
        self,
        client: "DynamoDBStreamsClient",
        stream_arn: str,
        shard_id: str,
        start: Start,
        sequence_number: str | None,
    ) -> None:
        self._client = client
        self._stream_arn = stream_arn
        self._shard_id = shard_id
        self._start = start
        self._sequence_number = sequence_number
        self._iterator: str | None = None

    def open(self) -> "ShardReader":
        """Go to the start. Raises AgedOutError when the stream has dropped it, and as `read`."""
        with _reading(self._stream_arn):
            self._iterator = self._new_iterator()
        return self

    def read(self) -> StreamPage:
        """Return the next page. Raises UnavailableError, StreamGoneError.

        A place that is past the stream's 24 hours is logged; the oldest record follows.
        """
        with _reading(self._stream_arn):
            answer = self._get_records()
        records = answer["Records"]
        if records:
            self._start = "AFTER_SEQUENCE_NUMBER"
            self._sequence_number = records[-1]["dynamodb"]["SequenceNumber"]
        self._iterator = answer.get("NextShardIterator")
        size = int(answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", 0))
        return StreamPage(
            records=records,
            full=len(records) >= GET_RECORDS_MAX or size >= FULL_PAGE_BYTES,
            last=self._iterator is None,
        )

    def _get_records(self) -> "GetRecordsOutputTypeDef":
        tries = 0
        while True:
            tries += 1
            try:
                if self._iterator is None:
                    self._iterator = self._new_iterator()
                return self._client.get_records(ShardIterator=self._iterator, Limit=GET_RECORDS_MAX)
            except ClientError as error:
                code = error_code(error)
                if code not in _RENEWED or tries > len(_RENEWED):
                    raise
                self._iterator = None
                if code == "TrimmedDataAccessException":
                    log.warning(
                        "Shard %s: changes after %s are past the stream's 24 hours and are lost; "
                        "going on with the oldest change there is",
                        self._shard_id,
                        self._sequence_number,
                    )
                    self._start, self._sequence_number = "TRIM_HORIZON", None

    def _new_iterator(self) -> str:
        request: GetShardIteratorInputTypeDef = {
            "StreamArn": self._stream_arn,
            "ShardId": self._shard_id,
            "ShardIteratorType": self._start,
        }
        if self._sequence_number is not None:
            request["SequenceNumber"] = self._sequence_number
        return self._client.get_shard_iterator(**request)["ShardIterator"]


@contextmanager
def _reading(stream_arn: str) -> Iterator[None]:
    """Turn what boto3 raises into the errors that matter here."""
    try:
        yield
    except REQUEST_ERRORS as error:
        if is_passing(error):
            raise UnavailableError(
                f"the stream {stream_arn} does not answer: {explain(error)}"
            ) from error
        gone = StreamGoneError
        if isinstance(error, ClientError) and error_code(error) in _AGED_OUT:
            gone = AgedOutError
        raise gone(f"the stream {stream_arn} cannot be read: {explain(error)}") from error
