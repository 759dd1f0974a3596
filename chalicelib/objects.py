"""Objects of a bucket: their listing, and their deletion."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.errors import OperationError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DELETED_AT_ONCE = 1_000
"""Keys of one DeleteObjects
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html)."""


class DeletionError(OperationError):
    """An object that S3 does not delete."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in a listing."""

    key: str
    size: int
    """Bytes as stored, compressed."""
    modified: datetime


def listing(s3: "S3Client", bucket: str, prefix: str) -> Iterator[Stored]:
    """List the objects below a prefix, in S3's order."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Contents", []):
            yield Stored(each["Key"], each["Size"], each["LastModified"])


def delete(s3: "S3Client", bucket: str, keys: Iterable[str]) -> None:
    """Delete objects; a versioned bucket keeps their old versions. Raises DeletionError."""
    remaining = iter(keys)
    while batch := list(islice(remaining, DELETED_AT_ONCE)):
        answer = s3.delete_objects(
            Bucket=bucket,
            Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True},
        )
        for refused in answer.get("Errors", []):
            raise DeletionError(
                f"s3://{bucket}/{refused.get('Key')} cannot be deleted: {refused.get('Message')}; "
                "run the command again when it can be"
            )
