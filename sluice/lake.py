"""The lake in S3: its partitions, objects and lines."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import islice
from typing import Annotated, Any

import msgspec

from chalicelib.catalog import columns
from chalicelib.declaration import EPOCH_MS_MAX, Int64, Table
from chalicelib.lines import ChangeFields, change_fields
from chalicelib.objects import Stored, listing
from chalicelib.partitions import DATA_PREFIX, ERROR_PREFIX
from sluice.errors import DamagedError
from sluice.optional import optional
from sluice.stack import Stack

OBJECT_BYTES_MAX = 512 * 1024 * 1024
"""Of an object, unzipped; Firehose's buffer holds a quarter of it at most."""

_READ_AT_ONCE = 8
_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_PARQUET = b"PAR1"

_Moment = Annotated[int, msgspec.Meta(ge=0, le=EPOCH_MS_MAX)]

_read_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(slots=True)
class Partition:
    """The objects of one partition."""

    path: str
    objects: int = 0
    records: int = 0
    size: int = 0
    """Bytes as stored, compressed."""


def objects(stack: Stack, prefix: str) -> Iterator[Stored]:
    """List the objects below a prefix, in S3's order."""
    return listing(stack.s3, stack.bucket, prefix)


def keys(stack: Stack, prefix: str) -> Iterator[tuple[str, int]]:
    """List the keys below a prefix with their sizes in bytes, in S3's order."""
    return ((each.key, each.size) for each in objects(stack, prefix))


def read_body(stack: Stack, key: str) -> bytes:
    """Return the content of an object, unzipped. Raises DamagedError."""
    answer = stack.s3.get_object(Bucket=stack.bucket, Key=key)
    try:
        return unzip(answer["Body"].read(OBJECT_BYTES_MAX + 1))
    except ValueError as reason:
        raise damaged(stack, key, str(reason)) from None


def unzip(body: bytes) -> bytes:
    """Return a body, unzipped where it is gzip. Raises ValueError with what is wrong with it."""
    if is_gzip(body):
        body = _gunzip(body)
    if len(body) > OBJECT_BYTES_MAX:
        raise ValueError(f"it has more than {OBJECT_BYTES_MAX:,} bytes")
    return body


def is_gzip(body: bytes) -> bool:
    """Whether a body begins as gzip does."""
    return body.startswith(_GZIP)


def _gunzip(body: bytes) -> bytes:
    """Return the content of gzip, as far as OBJECT_BYTES_MAX and a byte. Raises ValueError."""
    # For a small object this takes a fifth of the time of the module gzip.
    member = zlib.decompressobj(_GZIP_WBITS)
    try:
        content = member.decompress(body, OBJECT_BYTES_MAX + 1)
        if member.unused_data:
            with gzip.GzipFile(fileobj=BytesIO(body)) as members:
                return members.read(OBJECT_BYTES_MAX + 1)
        is_complete = member.eof or len(content) > OBJECT_BYTES_MAX
    except (OSError, EOFError, zlib.error):
        is_complete = False
    if not is_complete:
        raise ValueError("it is not a complete gzip file")
    return content


def lines(stack: Stack, key: str) -> list[bytes]:
    """Return the lines of one object, without their newlines. Raises DamagedError."""
    try:
        return lines_of(read_body(stack, key), stack.table)
    except ValueError as reason:
        raise damaged(stack, key, str(reason)) from None


def lines_of(body: bytes, table: Table) -> list[bytes]:
    """Return the lines of an unzipped body, without their newlines.

    It says itself what it is: Parquet, or text. A body without content has no lines. Raises
    ValueError for Parquet that is not complete.
    """
    if is_parquet(body):
        arrow = optional("pyarrow", "reading a lake of Parquet")
        try:
            return lines_of_parquet(body, table)
        except (arrow.ArrowException, OSError, TypeError, ValueError):
            raise ValueError("it is not a complete Parquet file") from None
    return [line for line in body.split(b"\n") if line.strip()]


def is_parquet(body: bytes) -> bool:
    """Whether a body begins as Parquet does."""
    return body.startswith(_PARQUET)


def read_objects(
    stack: Stack, stored: Iterable[Stored], problems: list[str], *, typed: bool = False
) -> Iterator[tuple[Stored, list[bytes]]]:
    """Yield each object with its lines, in order, without those that are not of this lake.

    Adds a sentence on each damaged object to `problems`. One that is deleted meanwhile, as a
    compaction or an erasure does, has no lines. `typed` are lines of which every column can hold
    its value. Some are read at once, so that the way to S3 and back does not count for each.
    """

    read_change = _change_reader(stack.table, typed)
    is_gone = stack.s3.exceptions.NoSuchKey  # The client is made before threads share it.

    def read(each: Stored) -> tuple[list[bytes], str | None]:
        try:
            content = lines(stack, each.key)
        except DamagedError as broken:
            return [], str(broken)
        except is_gone:
            return [], None
        read_line = read_change if each.key.startswith(DATA_PREFIX) else _read_object
        faults = [_fault(read_line, line) for line in content]
        good = [line for line, fault in zip(content, faults, strict=True) if fault is None]
        if len(good) == len(content):
            return good, None
        first, fault = next((n, fault) for n, fault in enumerate(faults, 1) if fault)
        return good, str(damaged(stack, each.key, f"line {first} {fault}"))

    remaining = iter(stored)
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        while batch := list(islice(remaining, _READ_AT_ONCE * 4)):
            for each, (content, problem) in zip(batch, pool.map(read, batch), strict=True):
                if problem:
                    problems.append(problem)
                yield each, content


def lines_of_parquet(body: bytes, table: Table) -> list[bytes]:
    """Return the lines of an object's rows; fields that were null are absent."""
    # Only a lake of Parquet needs its reader, and pays for loading it.
    parquet = optional("pyarrow.parquet", "reading a lake of Parquet")
    keys = {column.name: column.key for column in columns(table)}
    lines = []
    for row in parquet.read_table(BytesIO(body)).to_pylist():
        line = {keys.get(name, name): value for name, value in row.items() if value is not None}
        lines.append(msgspec.json.encode(line))
    return lines


def partitions(stack: Stack, problems: list[str]) -> list[Partition]:
    """Return the partitions that hold data, in the order of their paths.

    Adds a sentence on each damaged object to `problems`.
    """
    by_path: dict[str, Partition] = {}
    for each, content in read_objects(stack, objects(stack, DATA_PREFIX), problems):
        folder = each.key[: each.key.rindex("/") + 1]
        partition = by_path.setdefault(folder, Partition(folder))
        partition.objects += 1
        partition.records += len(content)
        partition.size += each.size
    return list(by_path.values())


def folders(stack: Stack, prefix: str) -> Iterator[str]:
    """List the names of the folders directly below a prefix."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(
        Bucket=stack.bucket, Prefix=prefix, Delimiter="/"
    )
    for page in pages:
        for each in page.get("CommonPrefixes", []):
            yield each["Prefix"].removeprefix(prefix).rstrip("/")


def error_keys(stack: Stack) -> list[str]:
    """Return the keys of all error objects."""
    return [key for key, _ in keys(stack, ERROR_PREFIX)]


def damaged(stack: Stack, key: str, reason: str) -> DamagedError:
    """Return the error for an object that is not what belongs in its place."""
    return DamagedError(f"s3://{stack.bucket}/{key} is damaged: {reason}")


@cache
def _change_reader(table: Table, typed: bool) -> Callable[[bytes], Any]:
    """Return a reader of what every line of a lake has: the key, and the fields of the change.

    A number of the key may be a number or a text, as the types that it was declared with had it.
    Where `typed`, it also reads the values of all columns but those of text, which hold any.
    """
    own = change_fields(table)
    change = [each for each in msgspec.structs.fields(ChangeFields) if each.name in own]
    types: dict[str, tuple[Any, Any]] = {each.name: (each.type, each.default) for each in change}
    for key, field in zip(table.key, table.key_fields, strict=True):
        types[field.line] = (int | str if key.type == "N" else str, msgspec.NODEFAULT)
    if typed:
        types |= _column_types(table, types)
    members = {f"member_{number}": name for number, name in enumerate(types)}
    line = msgspec.defstruct(
        "Line",
        [(member, *types[name]) for member, name in members.items()],
        rename=members,
        kw_only=True,
    )
    return msgspec.json.Decoder(line).decode


def _column_types(
    table: Table, required: Mapping[str, tuple[Any, Any]]
) -> dict[str, tuple[Any, Any]]:
    """Return the types and defaults of a line's values whose columns are not of text."""
    of_columns = {"bigint": Int64, "boolean": bool}
    types: dict[str, tuple[Any, Any]] = {}
    for column in columns(table):
        if kind := of_columns.get(column.type):
            if column.key in ("changedAt", table.time_line_name):
                kind = _Moment
            _, default = required.get(column.key, (None, None))
            types[column.key] = (
                (kind, default) if default is msgspec.NODEFAULT else (kind | None, None)
            )
    return types


def _fault(read: Callable[[bytes], Any], line: bytes) -> str | None:
    """Return why a line of an object cannot be used; None when it can."""
    try:
        line.decode()
        read(line)
    except msgspec.ValidationError as reason:
        return f"is not a line of this lake ({reason})"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "is not a JSON object"
    return None
