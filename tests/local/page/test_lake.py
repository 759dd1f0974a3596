"""The bucket, listed and read."""

import gzip
import io
import uuid

import boto3
import pyarrow
import pytest
from pyarrow import parquet

from local.page.lake import Bucket, lines_of


@pytest.fixture
def s3(emulator, aws_environment):
    aws_environment.setenv("AWS_ENDPOINT_URL", emulator)
    return boto3.client("s3")


@pytest.fixture
def name(s3):
    name = f"lake-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name)
    return name


def test_each_object_is_read_once_and_counted_by_its_folder(s3, name):
    bucket = Bucket(s3, name)
    s3.put_object(Bucket=name, Key="data/siteId=1/a.gz", Body=gzip.compress(b"{}\n{}\n"))
    lake, lines = bucket.lake()
    assert (lake.objects, lake.unread, lake.partitions) == (1, 0, {"data/siteId=1/": 2})
    assert lines == [b"{}", b"{}"]
    s3.put_object(Bucket=name, Key="data/siteId=1/b.gz", Body=gzip.compress(b'{"id": 1}\n'))
    lake, lines = bucket.lake()
    assert (lake.records, lines) == (3, [b'{"id": 1}'])
    assert bucket.lake()[1] == []
    assert {each.key: each.line for each in lake.latest}["data/siteId=1/b.gz"] == '{"id": 1}'


def test_an_object_that_is_gone_counts_no_more(s3, name):
    bucket = Bucket(s3, name)
    s3.put_object(Bucket=name, Key="data/siteId=1/a.gz", Body=gzip.compress(b"{}\n"))
    bucket.lake()
    s3.delete_object(Bucket=name, Key="data/siteId=1/a.gz")
    lake, _ = bucket.lake()
    assert (lake.objects, lake.records, lake.latest) == (0, 0, ())


def test_error_objects_are_told_apart_from_replayed_ones(s3, name):
    for key in ("errors/a/x", "errors-replayed/a/y", "data/z"):
        s3.put_object(Bucket=name, Key=key, Body=b"")
    assert Bucket(s3, name).error_keys() == {"errors/a/x"}


def test_a_parquet_object_is_read_by_its_rows():
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"id": ["a", "b"]}), file)
    assert lines_of(file.getvalue()) == [b'{"id":"a"}', b'{"id":"b"}']
