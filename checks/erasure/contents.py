"""Every byte of a bucket: of each version of each object, decompressed and decoded."""

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyiceberg.avro.file import AvroFile
from pyiceberg.typedef import Record

from sluice.erasure.manifests import in_memory

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")


def contents(s3: "S3Client", bucket: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, the version and the revealed bytes of each version in a bucket."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for each in page.get("Versions", []):
            key, version = each["Key"], each["VersionId"]
            answer = s3.get_object(Bucket=bucket, Key=key, VersionId=version)
            yield key, version, revealed(answer["Body"].read())


def revealed(body: bytes) -> bytes:
    """Bytes, decompressed, and with all base64 in them decoded beside them.

    Of Parquet and Avro also the rows, with bytes as the text or number that they may be.
    """
    if body.startswith(b"\x1f\x8b"):
        body = zlib.decompress(body, 31)
    if body.startswith(b"PAR1"):
        body += json.dumps(pq.read_table(BytesIO(body)).to_pylist(), default=str).encode()
    if body.startswith(b"Obj\x01"):
        with AvroFile[Any](in_memory(body)) as file:
            body += json.dumps(list(file), default=_plain).encode()
    pieces = [body]
    for found in _BASE64.findall(body):
        try:
            pieces.append(b64decode(found + b"=" * (-len(found) % 4)))
        except ValueError:
            continue
    return b"\n".join(pieces)


def _plain(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value._data if isinstance(value, Record) else str(value)
    number = int.from_bytes(value, "little", signed=True)
    return [value.decode(errors="replace"), number] if len(value) == 8 else value.decode("latin-1")
