"""Buffers by partition, and the S3 objects they become.

An object holds a partition's records under the name AWS gives it:
https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib.limits import OBJECT_KEY_BYTES_MAX, PREFIX_LENGTH_MAX
from local.firehose.config import StreamConfig
from local.firehose.conversion import Parquet
from local.firehose.errors import ConversionFailure
from local.firehose.formats import Format, GzipLines, Lines
from local.firehose.ledger import BufferedRecord

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Values = tuple[str, ...]
"""A partition's values, in the order the prefix names its keys."""

ErrorType = str
"""The error-output-type of records that could not be delivered."""


@dataclass(slots=True)
class PartitionBuffer:
    """The records buffered for one object: of a partition, or of one kind of failure.

    `opened_ms` is by the monotonic clock, `oldest_ms` since the epoch.
    """

    values: Values | ErrorType
    opened_ms: int
    oldest_ms: int
    size_bytes: int = 0
    sequences: list[int] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)


class PartitionBuffers:
    """The active partitions: those with data in a buffer."""

    def __init__(self, size_bytes: int, interval_ms: int) -> None:
        self._size_bytes = size_bytes
        self._interval_ms = interval_ms
        self._partitions: dict[Values | ErrorType, PartitionBuffer] = {}

    def __len__(self) -> int:
        return len(self._partitions)

    def __contains__(self, values: Values) -> bool:
        return values in self._partitions

    def __iter__(self) -> Iterator[PartitionBuffer]:
        return iter(self._partitions.values())

    def add(
        self, values: Values | ErrorType, record: BufferedRecord, data: bytes, now_ms: int
    ) -> PartitionBuffer | None:
        """Buffer a record's data, at a moment of the monotonic clock.

        Returns the partition, no longer active, once it is full.
        """
        partition = self._partitions.get(values)
        if partition is None:
            partition = PartitionBuffer(values, opened_ms=now_ms, oldest_ms=record.arrived)
            self._partitions[values] = partition
        partition.oldest_ms = min(partition.oldest_ms, record.arrived)
        partition.size_bytes += len(data)
        partition.sequences.append(record.sequence)
        partition.pieces.append(data)
        if partition.size_bytes < self._size_bytes:
            return None
        return self._partitions.pop(values)

    def take_due(self, now_ms: int) -> Iterator[PartitionBuffer]:
        """The partitions open for the whole interval, no longer active."""
        due = [
            values
            for values, partition in self._partitions.items()
            if now_ms - partition.opened_ms >= self._interval_ms
        ]
        return (self._partitions.pop(values) for values in due)

    def take_all(self) -> Iterator[PartitionBuffer]:
        """All partitions, none active any more."""
        while self._partitions:
            yield self._partitions.popitem()[1]


class Objects:
    """Names and writes a stream's objects. Its client must not retry by itself."""

    def __init__(self, config: StreamConfig, client: "S3Client") -> None:
        self._config = config
        self._client = client
        converted = config.conversion
        self._format: Format = Parquet(converted) if converted else GzipLines()
        # The stream's compression, of which a stream that converts has none.
        self._error_format: Format = Lines() if converted else GzipLines()
        self._encryption: dict[str, Any] = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": config.kms_key_arn}
            if config.kms_key_arn
            else {}
        )

    def can_hold(self, values: Values, epoch_ms: int) -> bool:
        """Whether the prefix of these values, and a key with it, stay within their limits."""
        prefix = self._prefix(values, epoch_ms)
        key = prefix + self._name(epoch_ms, self._format)
        return len(prefix) <= PREFIX_LENGTH_MAX and len(key.encode()) <= OBJECT_KEY_BYTES_MAX

    def refusal(self, data: bytes) -> ConversionFailure | None:
        """Why data cannot be part of a partition's object, if it cannot."""
        return self._format.refusal(data)

    def folder(self, partition: PartitionBuffer) -> str:
        """The prefix of a partition's object."""
        return self._prefix(partition.values, partition.oldest_ms)

    def name(self, partition: PartitionBuffer) -> str:
        """A new key for a partition's object."""
        written = self._format_of(partition)
        return self.folder(partition) + self._name(partition.oldest_ms, written)

    def write(self, partition: PartitionBuffer, key: str) -> None:
        """Put a partition's data. Raises what boto3 raises; to be repeated with the same key."""
        written = self._format_of(partition)
        options: dict[str, Any] = {**written.headers, **self._encryption}
        self._client.put_object(
            Bucket=self._config.bucket,
            Key=key,
            Body=written.body(partition.pieces),
            **options,
        )

    def _format_of(self, partition: PartitionBuffer) -> Format:
        return self._error_format if isinstance(partition.values, ErrorType) else self._format

    def _prefix(self, values: Values | ErrorType, epoch_ms: int) -> str:
        if isinstance(values, ErrorType):
            return self._config.error_prefix.evaluate(epoch_ms, error_type=values)
        keys = dict(zip(self._config.prefix.keys, values, strict=True))
        return self._config.prefix.evaluate(epoch_ms, keys)

    def _name(self, epoch_ms: int, written: Format) -> str:
        moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
        config = self._config
        name = f"{config.name}-{config.version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}"
        return name + written.extension
