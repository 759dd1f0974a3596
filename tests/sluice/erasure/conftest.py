"""Buckets of worked declarations, with the table that they are the lake of."""

from collections.abc import Callable, Iterator

import boto3
import pytest

from sluice.stack import Stack
from tests.declaring import worked
from tests.sluice.erasure.bucket import Bucket

BucketOf = Callable[[str], Bucket]


@pytest.fixture
def bucket_of(
    stack: Stack, stack_of: Callable[[str], Stack], make_table: Callable[..., str]
) -> Iterator[BucketOf]:
    """Makes the versioned bucket and the table of a worked declaration."""

    def make(name: str) -> Bucket:
        declared = worked(name)
        of = stack_of(name)
        of.s3.put_bucket_versioning(Bucket=of.bucket, VersioningConfiguration={"Status": "Enabled"})
        table = make_table(declared.key)
        outputs = {**of.outputs, "TableName": table, "WorkgroupName": "primary"}
        return Bucket(Stack(of.name, outputs), declared)

    yield make
    boto3.resource("s3").Bucket(stack.bucket).object_versions.delete()


@pytest.fixture
def bucket(bucket_of: BucketOf) -> Bucket:
    """The bucket of a table with keys of one text."""
    return bucket_of("sensors")
