"""Days of a lake, in S3 or in a folder: to write, to read as S3, and to convert by hand."""

import random
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from gzip import compress, decompress
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import msgspec

from chalicelib.partitions import DATA_PREFIX

DAY_OBJECTS, DAY_LINES = 44_100, 864_000
"""Of a table with ten changes a second, in one-minute partitions of 20 sites."""

QUICK = 20
"""The part of a day that a quick measurement takes."""

KEYS, SITES = 10_000, 20
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
LISTED_AT_ONCE = 1_000
HELD_BYTES_MAX = 64 * 1024


class Line(msgspec.Struct):
    """A line of the lake."""

    id: str
    siteId: str
    createdAtTime: int
    name: str
    valueOne: int
    valueTwo: int
    changeType: str
    changeSequence: str
    changedAt: int
    eventId: str


def day_objects(day: int, part: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield the keys and the bodies of a day's objects, or of one in `part` of them."""
    chance = random.Random(day)  # noqa: S311
    objects, lines = DAY_OBJECTS // part, DAY_LINES // part
    written = 0
    for number in range(objects):
        site = number % SITES
        moment = FIRST_DAY + timedelta(days=day, seconds=86_400 * number / objects)
        epoch = int(moment.timestamp() * 1000)
        body = b""
        for _ in range(lines * (number + 1) // objects - written):
            written += 1
            key = chance.randrange(KEYS // SITES) * SITES + site
            line = Line(
                id=f"record-{key}",
                siteId=f"site-{site}",
                createdAtTime=epoch,
                name=f"valve {key}",
                valueOne=chance.randrange(10_000),
                valueTwo=chance.randrange(10_000_000),
                changeType="MODIFY",
                changeSequence=f"{day * lines + written:040d}",
                changedAt=epoch,
                eventId=f"{chance.getrandbits(128):032x}",
            )
            body += msgspec.json.encode(line) + b"\n"
        folder = moment.strftime("year=%Y/month=%m/day=%d/hour=%H/minute=%M/")
        yield f"{DATA_PREFIX}siteId=site-{site}/{folder}{number}.gz", compress(body, 6)


def write_day(folder: Path, day: int, part: int) -> None:
    """Write a day's objects below a folder."""
    for key, body in day_objects(day, part):
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)


def write_large(folder: Path, day: int, part: int) -> None:
    """Write a day below a folder in two objects, each as large as Firehose's largest buffer."""
    target = folder / DATA_PREFIX / "siteId=site-0"
    target.mkdir(parents=True, exist_ok=True)
    bodies = [decompress(body) for _, body in day_objects(day, part)]
    half = len(bodies) // 2
    for number, of_object in enumerate((bodies[:half], bodies[half:])):
        (target / f"{day}-{number}.gz").write_bytes(compress(b"".join(of_object), 6))


def put_day(bucket: str, day: int, part: int) -> None:
    """Write a day's objects to S3."""
    s3 = boto3.client("s3")
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda each: s3.put_object(Bucket=bucket, Key=each[0], Body=each[1]),
            day_objects(day, part),
        ):
            pass


class FolderS3:
    """A client of S3 whose raw objects lie in a folder; the rest of the bucket is the inner one's.

    So the raw objects cost what a disk costs, and what is measured is the work on them.
    """

    def __init__(self, inner: Any, folder: Path) -> None:
        self._inner = inner
        self._folder = folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_paginator(self, _operation: str) -> "FolderS3":
        """Return what lists pages, for its only operation."""
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        """Yield pages of a listing."""
        if not Prefix.startswith(DATA_PREFIX):
            pages = self._inner.get_paginator("list_objects_v2")
            yield from pages.paginate(Bucket=Bucket, Prefix=Prefix)
            return
        page = []
        for file in _files(self._folder / Prefix):
            status = file.stat()
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            key = str(file.relative_to(self._folder))
            page.append({"Key": key, "Size": status.st_size, "LastModified": modified})
            if len(page) == LISTED_AT_ONCE:
                yield {"Contents": page}
                page = []
        yield {"Contents": page}

    def get_object(self, *, Bucket: str, Key: str, **of_inner: Any) -> Any:  # noqa: N803
        """Return an object. Those of the folder do not change."""
        if not Key.startswith(DATA_PREFIX):
            return self._inner.get_object(Bucket=Bucket, Key=Key, **of_inner)
        file = self._folder / Key
        # A small one at once, as a file of its own takes longer than all else that is done with it.
        is_large = file.stat().st_size > HELD_BYTES_MAX
        body = file.open("rb") if is_large else BytesIO(file.read_bytes())
        return {"Body": body, "ETag": Key}

    def delete_objects(self, *, Bucket: str, Delete: Any) -> Any:  # noqa: N803
        """Delete objects, all of the folder or all of the inner bucket."""
        keys = [each["Key"] for each in Delete["Objects"]]
        if not keys[0].startswith(DATA_PREFIX):
            return self._inner.delete_objects(Bucket=Bucket, Delete=Delete)
        for key in keys:
            (self._folder / key).unlink()
        return {}


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, in the order of S3's listing."""
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _files(each)
        else:
            yield each


def convert(folder: Path, target: Path) -> int:
    """Convert the objects below a folder to Parquet, a file for each site and nothing else.

    This is the least that any conversion by msgspec, zlib and pyarrow does. Returns the number of
    lines.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    decode = msgspec.json.Decoder(Line).decode
    number = 0
    for site in sorted((folder / DATA_PREFIX).iterdir()):
        lines: list[tuple[Any, ...]] = []
        for file in _files(site):
            text = zlib.decompress(file.read_bytes(), wbits=31)
            lines += (msgspec.structs.astuple(decode(line)) for line in text.splitlines())
        columns = zip(Line.__struct_fields__, zip(*lines, strict=True), strict=True)
        table = pa.table({name: pa.array(values) for name, values in columns})
        parquet.write_table(table, target / f"{site.name}.parquet", compression="zstd")
        number += len(lines)
    return number
