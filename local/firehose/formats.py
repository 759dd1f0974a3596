"""The formats of an object: lines as they are, gzipped or not."""

import gzip
from collections.abc import Mapping, Sequence
from typing import Protocol

from local.firehose.errors import ConversionFailure

_COMPRESSION_LEVEL = 6


class Format(Protocol):
    """How the data of an object's records is written."""

    extension: str
    """The end of the object's key."""
    headers: Mapping[str, str]
    """The parameters of the put beside the body."""

    def refusal(self, data: bytes) -> ConversionFailure | None:
        """Return why a record's data cannot be written in this format; None if it can."""

    def body(self, pieces: Sequence[bytes]) -> bytes:
        """The object of the records' data, none of them refused."""


class Lines:
    """The records one after the other, with nothing in between."""

    extension = ""
    headers: Mapping[str, str] = {"ContentType": "application/octet-stream"}

    def refusal(self, data: bytes) -> ConversionFailure | None:  # noqa: ARG002
        """Return None: any bytes can be written."""
        return None

    def body(self, pieces: Sequence[bytes]) -> bytes:
        """The object of the records' data."""
        return b"".join(pieces)


class GzipLines(Lines):
    """The same, compressed."""

    extension = ".gz"
    headers: Mapping[str, str] = {**Lines.headers, "ContentEncoding": "gzip"}

    def body(self, pieces: Sequence[bytes]) -> bytes:
        """The object of the records' data."""
        return gzip.compress(b"".join(pieces), _COMPRESSION_LEVEL, mtime=0)
