"""The lake as it lies in S3: partitions, objects and lines."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import msgspec
from msgspec import Struct

from chalicelib.catalog import columns, json_text_keys
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
    """An object as a listing tells it."""

    key: str
    size: int
    """Bytes as stored, compressed."""
    modified: datetime


def objects(stack: Stack, prefix: str) -> Iterator[Stored]:
    """The objects below a prefix, in the order of S3's listing."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket, Prefix=prefix)
    for page in pages:
        for each in page.get("Contents", []):
            yield Stored(each["Key"], each["Size"], each["LastModified"])


def keys(stack: Stack, prefix: str) -> Iterator[tuple[str, int]]:
    """The keys below a prefix, with their sizes in bytes, in the order of S3's listing."""
    return ((each.key, each.size) for each in objects(stack, prefix))


def lines(stack: Stack, key: str) -> list[bytes]:
    """The lines of one object, without their newlines."""
    body = stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    if key.endswith(".parquet"):
        return lines_of_parquet(body)
    return (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).splitlines()


def lines_of_parquet(body: bytes, record_type: type[Struct] = Record) -> list[bytes]:
    """The lines that the rows of an object were; fields that were null are absent."""
    # Only a lake of Parquet needs its reader, and pays for loading it.
    parquet = optional("pyarrow.parquet", "reading a lake of Parquet")
    keys = {column.name: column.key for column in columns(record_type)}
    as_text = set(json_text_keys(record_type))
    return [
        msgspec.json.encode(
            {
                key: msgspec.Raw(value.encode()) if key in as_text else value
                for name, value in row.items()
                if value is not None
                for key in [keys.get(name, name)]
            }
        )
        for row in parquet.read_table(BytesIO(body)).to_pylist()
    ]


def partitions(stack: Stack) -> list[Partition]:
    """Every partition that holds data, in the order of its path."""
    found: dict[str, Partition] = {}
    for key, size in keys(stack, DATA_PREFIX):
        folder = key[: key.rindex("/") + 1]
        partition = found.setdefault(folder, Partition(folder))
        partition.objects += 1
        partition.records += len(lines(stack, key))
        partition.size += size
    return list(found.values())


def error_keys(stack: Stack) -> list[str]:
    """The keys of all error objects."""
    return [key for key, _ in keys(stack, ERROR_PREFIX)]
