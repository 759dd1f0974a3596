"""The function that feeds the delivery stream with the changes of the table's stream.

Firehose bills each record as a multiple of 5 KB, so many changes travel in one: JSON objects, one a
line, each spelled as the pipe would pass it. The delivery stream takes them apart again before the
transform (https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-multirecord-deaggergation.html).
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import botocore.session
import msgspec
from botocore.config import Config

from chalicelib.change import INPUT_TEMPLATE
from chalicelib.environment import variable
from chalicelib.firehose import DeliveryStream, RefusedError
from chalicelib.limits import AGGREGATED_RECORDS_MAX, PUT_RECORD_BYTES_MAX
from chalicelib.logs import log
from chalicelib.metrics import log_fed
from chalicelib.partitions import FEED_KEPT
from chalicelib.retry import REQUEST_ERRORS

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient
    from mypy_boto3_s3 import S3Client

Change = Mapping[str, Any]
"""A record of the table's stream, as Lambda's runtime decodes it."""

TOO_LARGE = "RecordTooLarge"
"""The condition of a change that is above the limit of a Firehose record."""

NOT_UNICODE = "RecordNotUnicode"
"""The condition of a change with text that has no UTF-8."""

SPARE_MS = 60_000
"""What must be left of an invocation for another attempt: one lasts until the client gives up."""

_encode = msgspec.json.Encoder().encode
_PATH = r"<\$\.(\w+)>"
_PATHS = re.findall(_PATH, INPUT_TEMPLATE)
_SPELLING = re.sub(_PATH, "%b", INPUT_TEMPLATE).encode()


@dataclass(slots=True)
class Packing:
    """A batch of changes as records for Firehose."""

    payloads: list[bytes] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    """The first change of each record, by index."""
    kept: dict[int, str] = field(default_factory=dict)
    """The conditions of the changes that no record can hold, by index."""


def spell(change: Change) -> bytes:
    """Return a change as the pipe's template does: a path that it lacks is an empty text.

    Raises UnicodeEncodeError for text that has no UTF-8.
    """
    return _SPELLING % tuple([_encode(change.get(path, "")) for path in _PATHS])


def pack(changes: Sequence[Change]) -> Packing:
    """Pack changes, in order, into as few records as Firehose's limits allow."""
    packing = Packing()
    lines: list[bytes] = []
    size = 0
    for index, change in enumerate(changes):
        try:
            line = spell(change)
        except UnicodeEncodeError:
            packing.kept[index] = NOT_UNICODE
            continue
        if len(line) > PUT_RECORD_BYTES_MAX:
            packing.kept[index] = TOO_LARGE
            continue
        # Each line but the first comes after a line feed.
        if len(lines) == AGGREGATED_RECORDS_MAX or size + len(line) > PUT_RECORD_BYTES_MAX:
            packing.payloads.append(b"\n".join(lines))
            lines, size = [], 0
        if not lines:
            packing.firsts.append(index)
        lines.append(line)
        size += len(line) + 1
    if lines:
        packing.payloads.append(b"\n".join(lines))
    return packing


@dataclass(frozen=True, slots=True)
class Feeder:
    """Puts batches into a delivery stream, and keeps what it cannot take in a bucket."""

    firehose: "FirehoseClient"
    stream: str
    s3: Callable[[], "S3Client"]
    """Called only when there is something to keep."""
    bucket: str
    function: str
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer a batch with the change from which on Lambda is to bring it again, if any is."""
        changes = event["Records"]
        packing = pack(changes)
        end = self._put(packing, len(changes), context.get_remaining_time_in_millis)
        # What comes again is kept when it comes again.
        kept = {index: packing.kept[index] for index in packing.kept if index < end}
        if kept:
            try:
                self._keep(changes, kept, context)
            except REQUEST_ERRORS as error:
                log("ERROR", "changes cannot be kept", reason=type(error).__name__)
                end, kept = min(kept), {}
        log_fed(self.function, put=end - len(kept), refused=len(changes) - end, kept=len(kept))
        failed = [{"itemIdentifier": _sequence(change)} for change in changes[end : end + 1]]
        return {"batchItemFailures": failed}

    def _put(self, packing: Packing, end: int, remaining_ms: Callable[[], int]) -> int:
        """Put the records; return the index of the first change that was refused, or the end."""

        def pause(seconds: float) -> None:
            if remaining_ms() < seconds * 1000 + SPARE_MS:
                raise RefusedError("the invocation has no time for another attempt")
            self.sleep(seconds)

        refused = set(range(len(packing.payloads)))
        try:
            for accepted in DeliveryStream(self.firehose, self.stream, pause).put(packing.payloads):
                refused.difference_update(accepted)
        except (RefusedError, *REQUEST_ERRORS) as error:
            log("ERROR", "Firehose does not take changes", reason=str(error))
        return packing.firsts[min(refused)] if refused else end

    def _keep(self, changes: Sequence[Change], kept: Mapping[int, str], context: Any) -> None:
        """Write each of the changes to an object, in the form of those that Lambda writes."""
        for index, condition in kept.items():
            log("ERROR", "a change is kept", condition=condition, eventId=changes[index]["eventID"])
            now = datetime.now(UTC)
            self.s3().put_object(
                Bucket=self.bucket,
                Key=f"{FEED_KEPT}{now:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}",
                Body=json.dumps(_failure(changes[index], condition, context, now)).encode(),
            )


def _failure(change: Change, condition: str, context: Any, now: datetime) -> dict[str, Any]:
    """Return the document of a batch of one change
    (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).

    An event does not say which shard it comes from.
    """
    sequence = _sequence(change)
    arrived = datetime.fromtimestamp(change["dynamodb"]["ApproximateCreationDateTime"], UTC)
    return {
        "requestContext": {
            "requestId": context.aws_request_id,
            "functionArn": context.invoked_function_arn,
            "condition": condition,
            "approximateInvokeCount": 1,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None},
        "version": "1.0",
        "timestamp": _timestamp(now),
        "DDBStreamBatchInfo": {
            "shardId": "",
            "startSequenceNumber": sequence,
            "endSequenceNumber": sequence,
            "approximateArrivalOfFirstRecord": _timestamp(arrived),
            "approximateArrivalOfLastRecord": _timestamp(arrived),
            "batchSize": 1,
            "streamArn": change["eventSourceARN"],
        },
        "payload": json.dumps({"Records": [change]}),
    }


def _timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _sequence(change: Change) -> str:
    return str(change["dynamodb"]["SequenceNumber"])


@cache
def deployed_feed() -> Feeder:
    """Return the feed of the stack that this function is of."""
    # boto3 would add to a cold start, and only passes on what botocore makes.
    session = botocore.session.get_session()
    config = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    return Feeder(
        firehose=cast("FirehoseClient", session.create_client("firehose", config=config)),
        stream=variable("STREAM_NAME"),
        s3=cache(lambda: cast("S3Client", session.create_client("s3", config=config))),
        bucket=variable("BUCKET_NAME"),
        function=variable("AWS_LAMBDA_FUNCTION_NAME"),
    )
