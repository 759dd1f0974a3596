"""The lake in S3: its partitions, objects and lines."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import msgspec
from msgspec import Struct

from chalicelib.catalog import columns
from chalicelib.partitions import DATA_PREFIX, ERROR_PREFIX
from chalicelib.schema import Record
from sluice.optional import optional
from sluice.stack import Stack


@dataclass(slots=True)
class Partition:
    """The objects of one partition."""

    path: str
    objects: int = 0
    records: int = 0
    size: int = 0
    """Bytes as stored, compressed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in a listing."""

    key: str
    size: int
    """Bytes as stored, compressed."""
    modified: datetime


def objects(stack: Stack, prefix: str) -> Iterator[Stored]:
    """List the objects below a prefix, in S3's order."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for each in page.get("Contents", []):
            yield Stored(each["Key"], each["Size"], each["LastModified"])


def keys(stack: Stack, prefix: str) -> Iterator[tuple[str, int]]:
    """List the keys below a prefix with their sizes in bytes, in S3's order."""
    return ((each.key, each.size) for each in objects(stack, prefix))


def lines(stack: Stack, key: str) -> list[bytes]:
    """Return the lines of one object, without their newlines."""
    body = stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    if key.endswith(".parquet"):
        return lines_of_parquet(body)
    return (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).splitlines()


def lines_of_parquet(body: bytes, record_type: type[Struct] = Record) -> list[bytes]:
    """Return the lines of an object's rows; fields that were null are absent."""
    # Only a lake of Parquet needs its reader, and pays for loading it.
    parquet = optional("pyarrow.parquet", "reading a lake of Parquet")
    keys = {column.name: column.key for column in columns(record_type)}
    lines = []
    for row in parquet.read_table(BytesIO(body)).to_pylist():
        line = {keys.get(name, name): value for name, value in row.items() if value is not None}
        lines.append(msgspec.json.encode(line))
    return lines


def partitions(stack: Stack) -> list[Partition]:
    """Return the partitions that hold data, in the order of their paths."""
    by_path: dict[str, Partition] = {}
    for key, size in keys(stack, DATA_PREFIX):
        folder = key[: key.rindex("/") + 1]
        partition = by_path.setdefault(folder, Partition(folder))
        partition.objects += 1
        partition.records += len(lines(stack, key))
        partition.size += size
    return list(by_path.values())


def error_keys(stack: Stack) -> list[str]:
    """Return the keys of all error objects."""
    return [key for key, _ in keys(stack, ERROR_PREFIX)]
