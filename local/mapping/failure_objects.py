"""The failure destination: an object in S3 for each batch that was given up, with all its changes.

Key and content are those of
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html#services-dynamodb-errors-s3
"""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from chalicelib.retry import REQUEST_ERRORS
from local.mapping.definition import MappingDefinition
from local.mapping.invocation import event_of
from local.stream.delivery import GivenUp
from local.stream.times import utc
from sluice.errors import UnavailableError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class FailureObjects:
    """Receives the batches that were given up."""

    noun = "failure destination"

    def __init__(self, client: "S3Client", definition: MappingDefinition, bucket: str) -> None:
        self._client = client
        self._definition = definition
        self._bucket = bucket

    @classmethod
    def of(cls, definition: MappingDefinition, client: "S3Client") -> "FailureObjects | None":
        """Return the destination of a mapping; None when it has none."""
        bucket = definition.failure_bucket
        return None if bucket is None else cls(client, definition, bucket)

    def send(self, given_up: GivenUp) -> None:
        """Write one object for what was given up. Raises UnavailableError."""
        context = given_up.failure.context if given_up.failure else {}
        document = {
            "requestContext": {
                "requestId": context.get("requestId"),
                "functionArn": self._definition.function_arn,
                "condition": given_up.condition,
                "approximateInvokeCount": given_up.tries,
            },
            "responseContext": context.get("responseContext"),
            "version": "1.0",
            "timestamp": utc(given_up.at, "milliseconds"),
            "DDBStreamBatchInfo": given_up.batch(self._definition.source_arn),
            "payload": event_of(given_up.changes).decode(),
        }
        moment = datetime.fromtimestamp(given_up.at, UTC)
        key = (
            f"aws/lambda/{self._definition.uuid}/{given_up.shard_id}/{moment:%Y/%m/%d}/"
            f"{moment:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        )
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=msgspec.json.encode(document)
            )
        except REQUEST_ERRORS as error:
            raise UnavailableError(f"{self._bucket}: {error}") from error
