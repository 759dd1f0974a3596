"""The delivery stream as the pipe sees it: what became of each record of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient


class TargetUnreachable(Exception):  # noqa: N818 - a condition that passes, not an error
    """Nothing answers at the delivery stream's endpoint."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which records of a batch were not taken, by index, and why."""

    indexes: Sequence[int]
    reason: str


class DeliveryStream:
    """The target of the pipe."""

    def __init__(self, client: "FirehoseClient", name: str) -> None:
        self._client = client
        self._name = name

    def put(self, payloads: Sequence[bytes]) -> Refusal | None:
        """Put a batch; None when all of it was taken. Raises TargetUnreachable.

        A record above 1,000 KiB is put like any other: Firehose refuses the batch, and the pipe
        treats that as any refusal. What AWS does with such a record is not documented.
        """
        try:
            answer = self._client.put_record_batch(
                DeliveryStreamName=self._name, Records=[{"Data": payload} for payload in payloads]
            )
        except (HTTPClientError, ConnectionError) as error:
            raise TargetUnreachable(str(error)) from error
        except ClientError as error:
            details = error.response["Error"]
            return Refusal(range(len(payloads)), f"{details['Code']}: {details['Message']}")
        if not answer["FailedPutCount"]:
            return None
        failed = {
            index: response["ErrorCode"]
            for index, response in enumerate(answer["RequestResponses"])
            if "ErrorCode" in response
        }
        return Refusal(list(failed), ", ".join(sorted(set(failed.values()))))
