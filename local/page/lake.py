"""The lake as its bucket shows it: what is new is read, what was read before is remembered."""

import gzip
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

import msgspec
from pyarrow import parquet

from chalicelib.partitions import DATA_PREFIX, ERROR_PREFIX
from local.page.snapshot import Lake, Stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LATEST_MAX = 8
LINE_CHARACTERS_MAX = 2000
READING_SECONDS = 0.4
"""One call reads objects no longer than this; the next call goes on."""


class Bucket:
    """The objects of a lake's bucket. One thread may use it."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self._name = name
        self._read: dict[str, Stored] = {}

    def lake(self) -> tuple[Lake, Sequence[bytes]]:
        """The lake as of now, and the lines of the objects that this call read."""
        listed = self._list(DATA_PREFIX)
        self._read = {key: each for key, each in self._read.items() if key in listed}
        lines = self._read_new([each for key, each in listed.items() if key not in self._read])
        partitions: Counter[str] = Counter()
        for key in listed:
            known = self._read.get(key)
            partitions[key[: key.rindex("/") + 1]] += known.records if known else 0
        latest = sorted(self._read.values(), key=lambda each: each.modified, reverse=True)
        lake = Lake(
            len(listed),
            len(listed) - len(self._read),
            sum(each.bytes for each in listed.values()),
            dict(partitions),
            tuple(latest[:LATEST_MAX]),
        )
        return lake, lines

    def error_keys(self) -> frozenset[str]:
        """The keys of the error objects there are."""
        return frozenset(self._list(ERROR_PREFIX))

    def _list(self, prefix: str) -> dict[str, Stored]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._name, Prefix=prefix
        )
        return {
            each["Key"]: Stored(each["Key"], each["Size"], _epoch(each["LastModified"]))
            for page in pages
            for each in page.get("Contents", [])
        }

    def _read_new(self, unread: list[Stored]) -> list[bytes]:
        """Read the newest objects first, for as long as one call may. Returns their lines."""
        found: list[bytes] = []
        deadline = time.monotonic() + READING_SECONDS
        for each in sorted(unread, key=lambda stored: stored.modified, reverse=True):
            if time.monotonic() > deadline:
                break
            body = self._client.get_object(Bucket=self._name, Key=each.key)["Body"].read()
            lines = lines_of(body)
            last = lines[-1].decode(errors="replace")[:LINE_CHARACTERS_MAX] if lines else ""
            self._read[each.key] = Stored(each.key, each.bytes, each.modified, len(lines), last)
            found += lines
        return found


def lines_of(body: bytes) -> list[bytes]:
    """The records of an object, a JSON line each, in whichever format it was written."""
    if body.startswith(b"PAR1"):
        rows = parquet.read_table(BytesIO(body)).to_pylist()
        return [msgspec.json.encode(row) for row in rows]
    return (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).splitlines()


def _epoch(moment: datetime) -> float:
    return moment.timestamp()
