"""The versions of a bucket's objects: their listing, and their deletion for good."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.objects import DELETED_AT_ONCE, DeletionError

_MISSING = ("NoSuchKey", "NoSuchVersion", "404")

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteMarkerEntryTypeDef, ObjectVersionTypeDef


class Version(NamedTuple):
    """A version of an object, or the marker of its deletion."""

    key: str
    id: str
    modified: datetime
    is_latest: bool
    is_marker: bool
    size: int


def versions(s3: "S3Client", bucket: str, prefix: str, after: str = "") -> Iterator[list[Version]]:
    """Yield the versions of each object below a prefix, the oldest first, in the order of keys.

    It begins after the object `after`.
    """
    for _, of_key in groupby(_listed(s3, bucket, prefix, after), attrgetter("key")):
        yield sorted(of_key, key=attrgetter("modified", "is_latest"))


def versions_of(s3: "S3Client", bucket: str, key: str) -> list[Version]:
    """Return the versions of one object, the oldest first."""
    first = next(versions(s3, bucket, key), [])
    return first if first and first[0].key == key else []


def _listed(s3: "S3Client", bucket: str, prefix: str, after: str) -> Iterator[Version]:
    paginator = s3.get_paginator("list_object_versions")
    # The stubs lack what the paginator passes on.
    pages = paginator.paginate(Bucket=bucket, Prefix=prefix, KeyMarker=after)  # type: ignore[call-arg]
    for page in pages:
        yield from sorted(
            [
                *(_read_version(each, each["Size"]) for each in page.get("Versions", [])),
                *(_read_version(each) for each in page.get("DeleteMarkers", [])),
            ],
            key=attrgetter("key"),
        )


def _read_version(
    each: "ObjectVersionTypeDef | DeleteMarkerEntryTypeDef", size: int | None = None
) -> Version:
    key, version = each["Key"], each["VersionId"]
    return Version(key, version, each["LastModified"], each["IsLatest"], size is None, size or 0)


def is_missing(error: ClientError) -> bool:
    """Whether an error of S3 says that an object, or a version of it, is not there."""
    return error.response["Error"].get("Code") in _MISSING


def delete_versions(s3: "S3Client", bucket: str, doomed: Iterable[Version]) -> None:
    """Delete versions for good. Raises DeletionError."""
    remaining = iter(doomed)
    while batch := list(islice(remaining, DELETED_AT_ONCE)):
        answer = s3.delete_objects(
            Bucket=bucket,
            Delete={
                "Objects": [{"Key": each.key, "VersionId": each.id} for each in batch],
                "Quiet": True,
            },
        )
        for refused in answer.get("Errors", []):
            raise DeletionError(
                f"a version of s3://{bucket}/{refused.get('Key')} cannot be deleted: "
                f"{refused.get('Message')}; run the command again when it can be"
            )
