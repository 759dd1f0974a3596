"""The lake, listed and read."""

import gzip
import io

import msgspec
import pyarrow
import pytest
from pyarrow import parquet

from local.page.lake import LakeReader
from sluice.compaction.run import compact
from sluice.compaction.tables import LakeTables
from sluice.lake import objects
from sluice.stack import Stack
from tests.fakes import lake_line

LINE = lake_line()
OTHER = lake_line(id="b")


def put(stack: Stack, key: str, body: bytes) -> None:
    stack.s3.put_object(Bucket=stack.bucket, Key=key, Body=body)


def test_each_object_is_read_once_and_counted_by_its_folder(stack: Stack) -> None:
    reader = LakeReader(stack)
    put(stack, "data/siteId=1/a.gz", gzip.compress(LINE + b"\n" + LINE))
    lake, lines = reader.read()
    assert (lake.objects, lake.unread, lake.partitions) == (1, 0, {"data/siteId=1/": 2})
    assert lines == [LINE, LINE]
    put(stack, "data/siteId=1/b.gz", gzip.compress(OTHER))
    lake, lines = reader.read()
    assert (lake.records, lines) == (3, [OTHER])
    assert reader.read()[1] == []
    assert {each.key: each.line for each in lake.latest}["data/siteId=1/b.gz"] == OTHER.decode()


def test_a_deleted_object_is_no_longer_counted(stack: Stack) -> None:
    reader = LakeReader(stack)
    put(stack, "data/siteId=1/a.gz", gzip.compress(LINE))
    reader.read()
    stack.s3.delete_object(Bucket=stack.bucket, Key="data/siteId=1/a.gz")
    lake, _ = reader.read()
    assert (lake.objects, lake.records, lake.latest) == (0, 0, ())


def test_what_is_compacted_is_counted_apart(stack: Stack) -> None:
    reader = LakeReader(stack)
    put(stack, "data/siteId=1/a.gz", gzip.compress(LINE))
    lake, _ = reader.read()
    assert (lake.records, lake.compacted) == (1, 0)
    compact(LakeTables(stack, stack.table), list(objects(stack, "data/")), [])
    put(stack, "data/siteId=1/b.gz", gzip.compress(OTHER))
    lake, _ = reader.read()
    assert (lake.records, lake.compacted) == (1, 1)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("cut.gz", gzip.compress((LINE + b"\n") * 100)[:30]),
        ("cut.parquet", b"PAR1" + b"x" * 100),
        ("wrong.gz", gzip.compress(LINE)[:-8] + bytes(8)),
        ("foreign.gz", gzip.compress(b'{"a":1}')),
    ],
    ids=("a cut object", "a cut Parquet object", "a wrong checksum", "a line of another lake"),
)
def test_a_damaged_object_is_named_and_the_others_are_read(
    stack: Stack, name: str, body: bytes
) -> None:
    put(stack, f"data/siteId=1/{name}", body)
    put(stack, "data/siteId=1/whole.gz", gzip.compress(LINE))
    reader = LakeReader(stack)
    lake, lines = reader.read()
    assert (lake.objects, lake.unread, lake.records, lines) == (2, 0, 1, [LINE])
    assert lake.damaged == reader.read()[0].damaged == (f"data/siteId=1/{name}",)


def test_a_parquet_object_is_read_as_the_lines_it_was_made_of(stack: Stack) -> None:
    file = io.BytesIO()
    line = msgspec.json.decode(lake_line(siteId="Ö/1", createdAtTime=5))
    rows = {name.lower(): [value] for name, value in {**line, "name": None}.items()}
    parquet.write_table(pyarrow.table(rows), file)
    put(stack, "data/siteId=1/a.parquet", file.getvalue())
    lake, lines = LakeReader(stack).read()
    assert [msgspec.json.decode(each) for each in lines] == [line]
    assert lake.records == 1
