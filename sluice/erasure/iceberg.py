"""Which files of the compacted tables have changes of the keys, in any of their versions.

The metadata of a table has values too: bounds of the columns of each file, also of files that are
no more.
"""

import io
from collections.abc import Callable, Iterator
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from chalicelib.catalog import key_columns
from chalicelib.keys import Texts
from sluice.erasure.changes import KeyChange, Keys
from sluice.erasure.rows import change_columns, changes_of_keys
from sluice.erasure.versions import Version, is_missing
from sluice.optional import optional
from sluice.stack import Stack

if TYPE_CHECKING:
    import pyarrow as pa

    from sluice.erasure.manifests import Entry

BOUND_LENGTH = 16
"""Characters of a text that a bound of a column keeps
(https://iceberg.apache.org/docs/latest/configuration/#write-properties)."""

_ROWS, _METADATA = ".parquet", ".avro"
_BUFFER_BYTES = 1024 * 1024
_BATCH_ROWS = 50_000
_TASK = "erasing from compacted tables"


class CompactedFiles:
    """The files of a stack's compacted tables, as an erasure of some keys sees them."""

    def __init__(self, stack: Stack, keys: Keys) -> None:
        self.stack = stack
        self._keys = keys
        self._of_keys = changes_of_keys(keys)
        self._column = key_columns(stack.table)[0]
        self._exists = cache(partial(_exists, stack))

    def changes(self, version: Version) -> Iterator[KeyChange]:
        """Yield the changes of the keys that a version of a file has.

        A manifest has none of its own, but quotes a key in the bounds of a file that is no more.
        Raises ValueError for a file that is damaged.
        """
        if version.key.endswith(_ROWS):
            for rows in self._batches(version):
                yield from (change for _, change in self._of_keys(rows))
        elif version.key.endswith(_METADATA):
            for entry in self.entries(version):
                keys = [key for bound in entry.bounds for key in self._bounded.get(bound, ())]
                if keys and not self._exists(entry.path):
                    yield from map(KeyChange, dict.fromkeys(keys))

    def without(self, rows: "pa.Table", goes: Callable[[KeyChange], bool]) -> "pa.Table":
        """Return the rows that stay."""
        import pyarrow as pa

        gone = {place for place, change in self._of_keys(rows) if goes(change)}
        return rows.filter(
            pa.array([place not in gone for place in range(rows.num_rows)], pa.bool_())
        )

    def has_rows(self, version: Version, goes: Callable[[KeyChange], bool]) -> bool:
        """Whether a version is of a file of rows, some of which go."""
        if version.is_marker or not version.key.endswith(_ROWS):
            return False
        return any(map(goes, self.changes(version)))

    def entries(self, version: Version) -> list["Entry"]:
        """Return what a version of a manifest says, or of a list of them; nothing for others.

        Raises ValueError for one that is damaged.
        """
        if version.is_marker or not version.key.endswith(_METADATA):
            return []
        optional("pyiceberg.manifest", _TASK)
        from sluice.erasure.manifests import entries

        content = _VersionFile(self.stack, version).readall()
        try:
            return list(entries(content, self._column))
        except (EOFError, LookupError) as broken:
            raise ValueError("it is not complete metadata of Iceberg") from broken

    def exists(self, path: str) -> bool:
        """Whether the object at an address is there."""
        return self._exists(path)

    def forget(self) -> None:
        """Forget which files exist: some may be deleted now."""
        self._exists.cache_clear()

    @cached_property
    def _bounded(self) -> dict[Any, list[Texts]]:
        """The keys, by what a bound of their first column may have of them."""
        keys: dict[Any, list[Texts]] = {}
        is_number = self.stack.table.key[0].type == "N"
        for key in self._keys.texts:
            text = key[0]
            bounds: set[Any] = {text}
            if is_number and text.removeprefix("-").isdigit():
                bounds.add(int(text))
            if len(text) > BOUND_LENGTH:
                least = text[:BOUND_LENGTH]
                bounds |= {least, least[:-1] + chr(min(ord(least[-1]) + 1, 0x10FFFF))}
            for bound in bounds:
                keys.setdefault(bound, []).append(key)
        return keys

    def _batches(self, version: Version) -> Iterator["pa.Table"]:
        arrow = optional("pyarrow", _TASK)
        parquet = optional("pyarrow.parquet", _TASK)
        names = list(change_columns(self.stack.table))
        try:
            content = io.BufferedReader(_VersionFile(self.stack, version), _BUFFER_BYTES)
            # Each read seeks first, so that no two may be at once.
            file = parquet.ParquetFile(content, pre_buffer=False)
            # Files of deleted rows have other columns.
            if set(names) <= set(file.schema_arrow.names):
                for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
                    yield arrow.Table.from_batches([batch])
        except (arrow.ArrowException, OSError) as broken:
            raise ValueError("it is not a complete Parquet file") from broken


class _VersionFile(io.RawIOBase):
    """A version of an object, read in ranges."""

    def __init__(self, stack: Stack, version: Version) -> None:
        self._get = partial(
            stack.s3.get_object, Bucket=stack.bucket, Key=version.key, VersionId=version.id
        )
        self._size = version.size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def readall(self) -> bytes:
        return self._get()["Body"].read()

    def readinto(self, buffer: Any) -> int:
        last = min(self._place + len(buffer), self._size) - 1
        if last < self._place:
            return 0
        answer = self._get(Range=f"bytes={self._place}-{last}")
        content = answer["Body"].read()
        if "ContentRange" not in answer:
            # The emulator answers with all of an old version.
            content = content[self._place : last + 1]
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def _exists(stack: Stack, path: str) -> bool:
    """Whether the object at an address is there."""
    address = urlsplit(path)
    try:
        stack.s3.head_object(Bucket=address.netloc, Key=address.path.lstrip("/"))
    except ClientError as refused:
        if is_missing(refused):
            return False
        raise
    return True
