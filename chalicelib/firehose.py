"""Puts records into the delivery stream within Firehose's limits, and resends what it refused.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.errors import OperationError
from chalicelib.limits import batch_length
from chalicelib.retry import error_code, is_passing, retrying

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

ATTEMPTS = 8
BACKOFF_SECONDS = 0.2
BACKOFF_SECONDS_MAX = 5.0


class RefusedError(OperationError):
    """Firehose did not take a record however often it was put."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which records of a batch were not accepted, by index, and why."""

    indexes: Sequence[int]
    reason: str


class DeliveryStream:
    """A delivery stream, as a producer of records sees it."""

    def __init__(
        self, client: "FirehoseClient", name: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._pause = pause

    def put(self, payloads: Sequence[bytes]) -> Iterator[list[int]]:
        """Put payloads in batches; yield after each answer the indexes that were accepted.

        No payload may be above PUT_RECORD_BYTES_MAX. What is refused for now is resent after a
        pause. Raises RefusedError when that lasts; what was yielded before stays accepted.
        """
        sizes = [len(payload) for payload in payloads]
        start = 0
        while start < len(payloads):
            length = batch_length(itertools.islice(sizes, start, None))
            yield from self._put_batch(payloads, list(range(start, start + length)))
            start += length

    def put_once(self, payloads: Sequence[bytes]) -> Refusal | None:
        """Put one batch; None when all of it was accepted. Raises what botocore raises."""
        answer = self._client.put_record_batch(
            DeliveryStreamName=self._name, Records=[{"Data": payload} for payload in payloads]
        )
        codes = {
            index: response["ErrorCode"]
            for index, response in enumerate(answer["RequestResponses"])
            if response.get("ErrorCode")
        }
        return Refusal(list(codes), ", ".join(sorted(set(codes.values())))) if codes else None

    def _put_batch(self, payloads: Sequence[bytes], waiting: list[int]) -> Iterator[list[int]]:
        refusal = None
        for _ in retrying(ATTEMPTS, BACKOFF_SECONDS, BACKOFF_SECONDS_MAX, self._pause):
            try:
                refusal = self.put_once([payloads[index] for index in waiting])
            except ClientError as error:
                if not is_passing(error):
                    raise
                refusal = Refusal(range(len(waiting)), error_code(error))
            refused = [waiting[index] for index in refusal.indexes] if refusal else []
            if accepted := sorted(set(waiting) - set(refused)):
                yield accepted
            if refusal is None:
                return
            waiting = refused
        raise RefusedError(
            f"the delivery stream {self._name} refused records {ATTEMPTS} times, "
            f"{len(waiting)} at last: {refusal.reason if refusal else ''}; try again later"
        )
