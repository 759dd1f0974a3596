"""The lake in S3: its partitions, objects and lines."""

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain
from typing import Annotated, Any, NamedTuple

import msgspec
from botocore.exceptions import ClientError

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

PIECE_BYTES = 2 * 1024 * 1024
"""Of an object's content, unzipped, that is held at a time."""

_READ_AT_ONCE = 8
_READ_AHEAD = 16
"""Objects that are being read, or wait for those before them."""

_PARQUET_ROWS = 256
"""Rows of Parquet that are made lines at a time."""

_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 16 + zlib.MAX_WBITS
_PARQUET = b"PAR1"
_BROKEN_GZIP = (gzip.BadGzipFile, EOFError, zlib.error)

_NO_GZIP = "it is not a complete gzip file"
_TOO_LARGE = f"it has more than {OBJECT_BYTES_MAX:,} bytes"

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


class Piece(NamedTuple):
    """Lines of an object that are held at once, without those that are not of this lake."""

    stored: Stored
    lines: list[bytes]
    problem: str | None
    """Why the object is damaged."""
    is_last: bool


class _Beginning(NamedTuple):
    """An object that was read to its end, of which the first piece is held."""

    stored: Stored
    lines: list[bytes]
    problem: str | None
    pieces: int
    etag: str


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
        return unzip(read_whole(answer["Body"]))
    except ValueError as reason:
        raise damaged(stack, key, str(reason)) from None


def read_whole(body: Any) -> bytes:
    """Return a body, or OBJECT_BYTES_MAX of it and one more. Raises for one that breaks off."""
    return _read(body, OBJECT_BYTES_MAX + 1)


def _read(body: Any, size: int) -> bytes:
    """Return the next bytes of a body, fewer only at its end. Raises for one that breaks off."""
    content: bytes = body.read(size)
    # botocore compares what came with the length of the object only where nothing more comes.
    while len(content) < size and (more := body.read(size - len(content))):
        content += more
    return content


def unzip(body: bytes) -> bytes:
    """Return a body, unzipped where it is gzip. Raises ValueError with what is wrong with it."""
    if is_gzip(body):
        body = _gunzip(body, OBJECT_BYTES_MAX)
    if len(body) > OBJECT_BYTES_MAX:
        raise ValueError(_TOO_LARGE)
    return body


def is_gzip(body: bytes) -> bool:
    """Whether a body begins as gzip does."""
    return body.startswith(_GZIP)


def _gunzip(body: bytes, most: int) -> bytes:
    """Return the content of gzip, as far as `most` bytes and one more. Raises ValueError."""
    # For a small object this takes a fifth of the time of the module gzip.
    member = zlib.decompressobj(_GZIP_WBITS)
    try:
        content = member.decompress(body, most + 1)
        if member.unused_data:
            with gzip.GzipFile(fileobj=BytesIO(body)) as members:
                return members.read(most + 1)
        is_complete = member.eof or len(content) > most
    except _BROKEN_GZIP:
        is_complete = False
    if not is_complete:
        raise ValueError(_NO_GZIP)
    return content


def lines(stack: Stack, key: str) -> list[bytes]:
    """Return the lines of one object, without their newlines. Raises DamagedError."""
    body = stack.s3.get_object(Bucket=stack.bucket, Key=key)["Body"]
    return list(chain.from_iterable(_pieces_of(stack, key, body)))


def lines_of(body: bytes, table: Table) -> list[bytes]:
    """Return the lines of a body, without their newlines. Raises ValueError."""
    return list(chain.from_iterable(_pieces(BytesIO(body), table)))


def _pieces_of(stack: Stack, key: str, body: Any) -> Iterator[list[bytes]]:
    """Yield the lines of an object's body, some at a time. Raises DamagedError."""
    try:
        yield from _pieces(body, stack.table)
    except ValueError as reason:
        raise damaged(stack, key, str(reason)) from None


def _pieces(body: Any, table: Table) -> Iterator[list[bytes]]:
    """Yield the lines of a body, about PIECE_BYTES of them at a time, without their newlines.

    It says itself what it is: Parquet, or text, which may be gzip. A body without content has no
    lines. Raises ValueError for one that is not complete, or too large.
    """
    head = _read(body, PIECE_BYTES)
    if is_parquet(head):
        arrow = optional("pyarrow", "reading a lake of Parquet")
        try:
            yield from _pieces_of_parquet(head + read_whole(body), table)
        except (arrow.ArrowException, OSError, TypeError, ValueError):
            raise ValueError("it is not a complete Parquet file") from None
        return
    is_zipped = is_gzip(head)
    if len(head) < PIECE_BYTES:
        text = _gunzip(head, PIECE_BYTES) if is_zipped else head
        if len(text) <= PIECE_BYTES:
            yield [line for line in text.split(b"\n") if line.strip()]
            return
    content: Any = _Resumed(head, body)
    if is_zipped:
        content = gzip.GzipFile(fileobj=content)
    size, rest = 0, b""
    try:
        while block := content.read(PIECE_BYTES):
            size += len(block)
            if size > OBJECT_BYTES_MAX:
                raise ValueError(_TOO_LARGE)
            *whole, rest = (rest + block).split(b"\n")
            yield [line for line in whole if line.strip()]
    except _BROKEN_GZIP:
        raise ValueError(_NO_GZIP) from None
    if rest.strip():
        yield [rest]


class _Resumed:
    """A body of which the first bytes were read already."""

    def __init__(self, head: bytes, body: Any) -> None:
        self._head = BytesIO(head)
        self._body = body

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        content: bytes = self._head.read(size) or self._body.read(size)
        return content


def is_parquet(body: bytes) -> bool:
    """Whether a body begins as Parquet does."""
    return body.startswith(_PARQUET)


def read_objects(
    stack: Stack, stored: Iterable[Stored], problems: list[str]
) -> Iterator[tuple[Stored, list[bytes]]]:
    """Yield each object with its lines, in order, without those that are not of this lake.

    Adds a sentence on each damaged object to `problems`.
    """
    content: list[bytes] = []
    for piece in read_pieces(stack, stored):
        content += piece.lines
        if piece.is_last:
            if piece.problem:
                problems.append(piece.problem)
            yield piece.stored, content
            content = []


def read_pieces(stack: Stack, stored: Iterable[Stored], *, typed: bool = False) -> Iterator[Piece]:
    """Yield the lines of objects, in order, so that neither many nor large ones are held at once.

    Some objects are read at once, so that the way to S3 and back does not count for each. A large
    one is read twice, and so is known to be damaged from its first piece on. One that is deleted
    meanwhile, as a compaction or an erasure does, has no lines; one that is replaced between its
    readings has a problem. `typed` are lines of which every column can hold its value.
    """
    read_change = _change_reader(stack.table, typed)
    is_gone = stack.s3.exceptions.NoSuchKey  # The client is made before threads share it.

    def checked(each: Stored, body: Any) -> Iterator[tuple[list[bytes], str | None]]:
        """Yield the good lines of each piece, and why the object is damaged, as far as is known."""
        read_line = read_change if each.key.startswith(DATA_PREFIX) else _read_object
        problem, before = None, 0
        try:
            for piece in _pieces_of(stack, each.key, body):
                faults = [_fault(read_line, line) for line in piece]
                wrong = next((place for place, fault in enumerate(faults) if fault), None)
                if wrong is not None:
                    reason = f"line {before + wrong + 1} {faults[wrong]}"
                    problem = problem or str(damaged(stack, each.key, reason))
                    piece = [line for line, fault in zip(piece, faults, strict=True) if not fault]
                before += len(faults)
                yield piece, problem
        except DamagedError as broken:
            yield [], str(broken)

    def read(each: Stored) -> _Beginning:
        first: list[bytes] = []
        problem, number = None, 0
        try:
            answer = stack.s3.get_object(Bucket=stack.bucket, Key=each.key)
        except is_gone:
            return _Beginning(each, first, problem, number, "")
        # The last problem is of the whole object.
        for piece, problem in checked(each, answer["Body"]):  # noqa: B007
            number += 1
            if number == 1:
                first = piece
        return _Beginning(each, first, problem, number, answer["ETag"])

    def pieces(begun: _Beginning) -> Iterator[Piece]:
        each, first, problem, number, etag = begun
        yield Piece(each, first, problem, number < 2)
        if number < 2:
            return
        try:
            answer = stack.s3.get_object(Bucket=stack.bucket, Key=each.key, IfMatch=etag)
        except is_gone:
            pass
        except ClientError as refused:
            if refused.response["Error"].get("Code") != "PreconditionFailed":
                raise
            problem = f"s3://{stack.bucket}/{each.key} was replaced while it was read"
        else:
            for place, (piece, later) in enumerate(checked(each, answer["Body"])):
                problem = problem or later
                if place:
                    yield Piece(each, piece, problem, False)
        yield Piece(each, [], problem, True)

    waiting: deque[Future[_Beginning]] = deque()
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        for each in stored:
            waiting.append(pool.submit(read, each))
            if len(waiting) == _READ_AHEAD:
                yield from pieces(waiting.popleft().result())
        while waiting:
            yield from pieces(waiting.popleft().result())


def lines_of_parquet(body: bytes, table: Table) -> list[bytes]:
    """Return the lines of an object's rows; fields that were null are absent."""
    return list(chain.from_iterable(_pieces_of_parquet(body, table)))


def _pieces_of_parquet(body: bytes, table: Table) -> Iterator[list[bytes]]:
    # Only a lake of Parquet needs its reader, and pays for loading it.
    parquet = optional("pyarrow.parquet", "reading a lake of Parquet")
    keys = {column.name: column.key for column in columns(table)}
    piece: list[bytes] = []
    size = 0
    for batch in parquet.ParquetFile(BytesIO(body)).iter_batches(_PARQUET_ROWS):
        for row in batch.to_pylist():
            line = {keys.get(name, name): value for name, value in row.items() if value is not None}
            piece.append(msgspec.json.encode(line))
            size += len(piece[-1])
        if size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


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
