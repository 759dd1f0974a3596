"""An export of the table to S3 as a backfill's source, for tables too large to scan.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import msgspec
from botocore.exceptions import ClientError
from msgspec import Raw, Struct

from sluice.backfill.source import Page, SourceItem
from sluice.errors import OperationError, OptionError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

SUMMARY = "manifest-summary.json"
FILES = "manifest-files.json"
PAGE_ITEMS = 2_000

_LINE = re.compile("[0-9]{1,18}", re.ASCII)

T = TypeVar("T")


class Summary(Struct):
    """The summary manifest of an export."""

    exportArn: str
    tableArn: str
    tableId: str
    """A table made again under the same name has another one."""
    itemCount: int
    outputFormat: str
    exportTime: datetime | None = None
    """The moment at which the export shows the table; only a full export has it."""
    exportType: str = "FULL_EXPORT"


class DataFile(Struct):
    """A line of the files manifest."""

    dataFileS3Key: str
    itemCount: int


class _Line(Struct):
    Item: Raw


_read_line = msgspec.json.Decoder(_Line).decode
_read_item = msgspec.json.Decoder(dict[str, Raw]).decode


class Export:
    """A finished full export in DynamoDB JSON.

    Its files are taken from beside the summary manifest, so that an export may be moved whole.
    """

    def __init__(self, client: "S3Client", uri: str, key_names: Sequence[str]) -> None:
        """Raises OperationError for anything else."""
        self._client = client
        self._bucket, prefix = _location(uri)
        self._folder = self._find(prefix)
        self._keys = key_names
        self.summary = self._manifest(SUMMARY, self._get(SUMMARY).read(), Summary)
        self.taken_at = self._full_export_time()
        self._files = {
            each.dataFileS3Key.rpartition("/")[2]: each.itemCount
            for line in self._get(FILES).read().splitlines()
            if line and (each := self._manifest(FILES, line, DataFile))
        }
        if sum(self._files.values()) != self.summary.itemCount:
            raise OperationError(
                f"{self._uri(FILES)} lists {sum(self._files.values())} items, and {SUMMARY} "
                f"says {self.summary.itemCount}: the export is not whole"
            )
        self.identity = self.summary.exportArn
        self.item_count = self.summary.itemCount

    def parts(self) -> list[str]:
        """Return the names of the data files."""
        return list(self._files)

    def accepts(self, places: Mapping[str, str | None]) -> bool:
        """Whether these are the export's files, and lines of theirs to go on after."""
        return places.keys() == self._files.keys() and all(
            after is None
            or (_LINE.fullmatch(after) is not None and int(after) <= self._files[part])
            for part, after in places.items()
        )

    def pages(self, part: str, after: str | None) -> Iterator[Page]:
        """Yield the pages of a data file, after line `after`. Raises OperationError."""
        name = f"data/{part}"
        moment = round(self.taken_at.timestamp() * 1000)
        number = int(after or 0)
        try:
            with gzip.GzipFile(fileobj=cast(BinaryIO, self._get(name))) as lines:
                for _ in islice(lines, number):
                    pass
                while batch := list(islice(lines, PAGE_ITEMS)):
                    number += len(batch)
                    yield Page(moment, [self._item(line) for line in batch], str(number))
        except (
            EOFError,
            gzip.BadGzipFile,
            zlib.error,
            msgspec.DecodeError,
            UnicodeDecodeError,
            KeyError,
        ):
            raise OperationError(
                f"{self._uri(name)} is damaged after line {number}: it is not gzip with an item "
                "of the table in each line"
            ) from None
        if number != self._files[part]:
            raise OperationError(
                f"{self._uri(name)} has {number} items, and {FILES} says {self._files[part]}"
            )
        yield Page(moment, [], None)

    def _item(self, line: bytes) -> SourceItem:
        image = _read_line(line).Item
        item = _read_item(image)
        return SourceItem(
            msgspec.json.encode({name: item[name] for name in self._keys}), bytes(image)
        )

    def _find(self, prefix: str) -> str:
        """Return the folder of the one export at or below a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        try:
            folders = [
                each["Key"].removesuffix(SUMMARY)
                for page in pages
                for each in page.get("Contents", [])
                if each["Key"].rpartition("/")[2] == SUMMARY
            ]
        except ClientError as error:
            reason = error.response["Error"].get("Message", "")
            raise OperationError(f"s3://{self._bucket} cannot be listed: {reason}") from None
        match folders:
            case [folder]:
                return folder
            case []:
                raise OperationError(
                    f"there is no finished export below s3://{self._bucket}/{prefix}: it has no "
                    f"{SUMMARY}, which DynamoDB writes last"
                )
        raise OperationError(
            f"there are {len(folders)} exports below s3://{self._bucket}/{prefix}; name one of "
            + ", ".join(f"s3://{self._bucket}/{folder}" for folder in folders)
        )

    def _full_export_time(self) -> datetime:
        """Return the moment that the export shows. Raises OperationError if it cannot be used."""
        summary = self.summary
        if summary.exportType != "FULL_EXPORT" or summary.exportTime is None:
            raise OperationError(
                f"{self._uri(SUMMARY)} is of an incremental export; a backfill needs a full one"
            )
        if summary.outputFormat != "DYNAMODB_JSON":
            raise OperationError(
                f"{self._uri(SUMMARY)} is of an export as {summary.outputFormat}; "
                "export the table as DYNAMODB_JSON"
            )
        moment = summary.exportTime
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def _manifest(self, name: str, text: bytes, content: type[T]) -> T:
        try:
            return msgspec.json.decode(text, type=content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OperationError(
                f"{self._uri(name)} is not a manifest of an export: {error}"
            ) from None

    def _get(self, name: str) -> "StreamingBody":
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._folder + name)["Body"]
        except self._client.exceptions.NoSuchKey:
            raise OperationError(f"{self._uri(name)} is missing: the export is not whole") from None

    def _uri(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._folder}{name}"


def _location(uri: str) -> tuple[str, str]:
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise OptionError(f"{uri} is not a place in S3; write it as s3://bucket/prefix")
    return bucket, prefix.removesuffix(SUMMARY)
