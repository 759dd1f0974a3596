"""The stream's Lambda processor: batches for it, its invocation, and the contract of its answer.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html. Where the documentation
and observers of AWS disagree or are silent, the failure with the smallest reach is taken: a record
id returned twice fails only that record, and every failed record keeps its original data.
"""

import logging
import math
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from chalicelib.limits import INVOCATION_BYTES_MAX
from chalicelib.retry import error_code, is_passing, is_throttled, retrying
from local.clock import Clock
from local.firehose import errors
from local.firehose.config import StreamConfig
from local.firehose.errors import RecordFailure
from local.firehose.ledger import BufferedRecord

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

BACKOFF_SECONDS = 0.5
"""Pause before the first retry, doubled for each further one; AWS does not document its own."""

_ENVELOPE_BYTES = 512
_ENTRY_BYTES = 96

_log = logging.getLogger(__name__)


class EventRecord(Struct):
    """A record in the function's event; `data` is written in base64."""

    record_id: str = msgspec.field(name="recordId")
    arrived: int = msgspec.field(name="approximateArrivalTimestamp")
    data: bytes


class Event(Struct, rename="camel"):
    """The event of one invocation."""

    invocation_id: str
    delivery_stream_arn: str
    region: str
    records: list[EventRecord]


class TransformResult(Struct, rename="camel"):
    """The function's result for one record."""

    record_id: str
    result: Literal["Ok", "Dropped", "ProcessingFailed"]
    data: bytes | None = None
    metadata: Any = None

    @property
    def partition_keys(self) -> dict[str, Any]:
        """The partition keys that were returned, of any type; empty without such an object."""
        keys = self.metadata.get("partitionKeys") if isinstance(self.metadata, dict) else None
        return keys if isinstance(keys, dict) else {}


class _Response(Struct):
    records: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(slots=True)
class TransformedBatch:
    """The outcome of a batch: each of its records is in exactly one list."""

    attempts: int
    ended_ms: int
    accepted: list[tuple[BufferedRecord, bytes, dict[str, Any]]] = field(default_factory=list)
    dropped: list[BufferedRecord] = field(default_factory=list)
    failed: list[tuple[BufferedRecord, RecordFailure]] = field(default_factory=list)


class Batch:
    """Records waiting for one invocation, within a size of data and within the event's 6 MB."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self.records: list[BufferedRecord] = []
        self.opened_ms = 0
        """When its first record was added, by the monotonic clock."""
        self._data_bytes = 0
        self._payload_bytes = _ENVELOPE_BYTES

    def has_room(self, record: BufferedRecord) -> bool:
        """Whether the record fits; an empty batch has room for any record."""
        return not self.records or (
            self._data_bytes + len(record.data) <= self._size_bytes
            and self._payload_bytes + _entry_bytes(record) <= INVOCATION_BYTES_MAX
        )

    def add(self, record: BufferedRecord, now_ms: int) -> None:
        """Take a record in, at a moment of the monotonic clock."""
        if not self.records:
            self.opened_ms = now_ms
        self.records.append(record)
        self._data_bytes += len(record.data)
        self._payload_bytes += _entry_bytes(record)


def _entry_bytes(record: BufferedRecord) -> int:
    return _ENTRY_BYTES + (len(record.data) + 2) // 3 * 4


class _InvocationError(Exception):
    def __init__(self, failure: RecordFailure, *, retryable: bool) -> None:
        super().__init__(failure.code)
        self.failure = failure
        self.retryable = retryable


class Processor:
    """Invokes the deployed function for a batch. Its client must not retry by itself."""

    def __init__(
        self,
        config: StreamConfig,
        client: "LambdaClient",
        clock: Clock,
        pause: Callable[[float], object],
    ) -> None:
        self._config = config
        self._client = client
        self._clock = clock
        self._pause = pause

    def transform(self, records: Sequence[BufferedRecord]) -> TransformedBatch:
        """The function's answer for a batch, after as many attempts as the stream allows.

        Only function errors, throttling and an unreachable service are tried again; an answer that
        breaks the contract is not.
        """
        attempts_max = self._config.processor.retries + 1
        for attempts in retrying(attempts_max, BACKOFF_SECONDS, math.inf, self._pause):
            try:
                payload = self._invoke(records)
            except _InvocationError as error:
                _log.warning(
                    "%s: attempt %d for %d records failed: %s",
                    self._config.name,
                    attempts,
                    len(records),
                    error.failure.code,
                )
                failure = error.failure
                if not error.retryable:
                    break
            else:
                answer = TransformedBatch(attempts, self._clock.now_ms())
                if (broken := judge(records, payload, answer)) is None:
                    return answer
                failure = broken
                break
        failed = [(record, failure) for record in records]
        return TransformedBatch(attempts, self._clock.now_ms(), failed=failed)

    def _invoke(self, records: Sequence[BufferedRecord]) -> bytes:
        event = Event(
            invocation_id=str(uuid.uuid4()),
            delivery_stream_arn=self._config.arn,
            region=self._config.region,
            records=[EventRecord(record.id, record.arrived, record.data) for record in records],
        )
        try:
            response = self._client.invoke(
                FunctionName=self._config.processor.lambda_arn, Payload=msgspec.json.encode(event)
            )
            payload = response["Payload"].read()
        except ClientError as error:
            raise _refusal(error) from error
        except BotoCoreError as error:
            raise _InvocationError(errors.REQUEST_TIMED_OUT, retryable=True) from error
        if "FunctionError" in response:
            raise _InvocationError(errors.FUNCTION_ERROR, retryable=True)
        # Lambda itself ends such an invocation in a function error; the emulator lets it pass.
        if len(payload) > INVOCATION_BYTES_MAX:
            raise _InvocationError(errors.RESPONSE_TOO_LARGE, retryable=True)
        return payload


def _refusal(error: ClientError) -> _InvocationError:
    if is_throttled(error):
        return _InvocationError(errors.INVOKE_LIMIT_EXCEEDED, retryable=True)
    if error_code(error) == "ResourceNotFoundException":
        return _InvocationError(errors.FUNCTION_NOT_FOUND, retryable=False)
    if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
        return _InvocationError(errors.INVOKE_ACCESS_DENIED, retryable=False)
    return _InvocationError(errors.INVOKE_FAILED, retryable=is_passing(error))


def judge(
    records: Sequence[BufferedRecord], payload: bytes, answer: TransformedBatch
) -> RecordFailure | None:
    """Sort a batch's records into the answer by what the function returned for each.

    Returns a failure instead when the response as a whole breaks the contract. Results for ids that
    were not asked for are ignored.
    """
    try:
        returned = msgspec.json.decode(payload, type=_Response).records
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return errors.NOT_JSON
    try:
        results = msgspec.json.decode(returned, type=list[TransformResult] | None) or []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return errors.INVALID_RESULT
    by_id = {result.record_id: result for result in results}
    counts = Counter(result.record_id for result in results) if len(by_id) < len(results) else {}
    for record in records:
        result = by_id.get(record.id)
        if result is None:
            answer.failed.append((record, errors.MISSING_RECORD_ID))
        elif counts and counts[record.id] > 1:
            answer.failed.append((record, errors.DUPLICATED_RECORD_ID))
        elif result.result == "Dropped":
            answer.dropped.append(record)
        elif result.result == "ProcessingFailed":
            answer.failed.append((record, errors.PROCESSING_FAILED))
        elif result.data is None:
            answer.failed.append((record, errors.NULL_DATA))
        else:
            answer.accepted.append((record, result.data, result.partition_keys))
    return None
