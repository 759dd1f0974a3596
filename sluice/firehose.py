"""Puts records into the delivery stream within Firehose's limits, and again what it refused.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from chalicelib.limits import batch_length
from sluice.errors import RefusedError
from sluice.wording import counted

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

ATTEMPTS = 8
BACKOFF_SECONDS = 0.1
BACKOFF_SECONDS_MAX = 5.0

_PASSING = {"ServiceUnavailableException", "ThrottlingException", "InternalFailure"}


class DeliveryStream:
    """The stack's delivery stream, as one who puts records into it sees it."""

    def __init__(
        self, client: "FirehoseClient", name: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._pause = pause

    def put(self, payloads: Sequence[bytes]) -> Iterator[list[int]]:
        """Put payloads in batches; yields after each answer the indexes that were accepted.

        No payload may be above PUT_RECORD_BYTES_MAX. What is refused for now is put again with
        back-off. Raises RefusedError when that lasts; what was yielded before stays accepted.
        """
        sizes = [len(payload) for payload in payloads]
        start = 0
        while start < len(payloads):
            length = batch_length(itertools.islice(sizes, start, None))
            yield from self._put_batch(payloads, list(range(start, start + length)))
            start += length

    def _put_batch(self, payloads: Sequence[bytes], waiting: list[int]) -> Iterator[list[int]]:
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(min(BACKOFF_SECONDS * 2**attempt, BACKOFF_SECONDS_MAX))
            failed, reason = self._once([payloads[index] for index in waiting])
            refused = [waiting[index] for index in failed]
            if accepted := sorted(set(waiting) - set(refused)):
                yield accepted
            if not refused:
                return
            waiting = refused
        raise RefusedError(
            f"the delivery stream {self._name} refused {counted(len(waiting), 'record')} "
            f"{ATTEMPTS} times: {reason}; try again later"
        )

    def _once(self, payloads: Sequence[bytes]) -> tuple[list[int], str]:
        """The indexes that Firehose refused for now, and why."""
        try:
            answer = self._client.put_record_batch(
                DeliveryStreamName=self._name, Records=[{"Data": payload} for payload in payloads]
            )
        except ClientError as error:
            code = error.response["Error"].get("Code", "")
            if code not in _PASSING:
                raise
            return list(range(len(payloads))), code
        refusals = {
            index: response["ErrorCode"]
            for index, response in enumerate(answer["RequestResponses"])
            if response.get("ErrorCode")
        }
        return list(refusals), ", ".join(sorted(set(refusals.values())))
