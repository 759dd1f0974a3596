"""The parts of the bucket that may hold changes, and what their objects have of the keys.

Every version of an object is read, also of one that was deleted.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

from botocore.exceptions import ClientError

from chalicelib.catalog import ICEBERG_PREFIX
from chalicelib.partitions import (
    DATA_PREFIX,
    ERROR_PREFIX,
    FEED_FAILURES,
    REPLAYED_PREFIX,
    RESULT_PREFIX,
)
from sluice.erasure.changes import KeyChange, Keys
from sluice.erasure.contents import Filter, Filtered, Goes, of_data, of_failures, of_results
from sluice.erasure.iceberg import CompactedFiles
from sluice.erasure.versions import Version, is_missing
from sluice.lake import is_gzip, read_whole, unzip
from sluice.stack import Stack

_HEADERS: tuple[Literal["ContentType", "ContentEncoding", "Metadata"], ...] = (
    "ContentType",
    "ContentEncoding",
    "Metadata",
)


class Place(NamedTuple):
    """A part of the bucket that may hold changes."""

    prefix: str
    filter: Filter | None
    """None for the compacted tables, whose files are not rewritten one by one."""


PLACES = (
    Place(DATA_PREFIX, of_data),
    Place(ERROR_PREFIX, of_failures),
    Place(REPLAYED_PREFIX, of_failures),
    Place(FEED_FAILURES, of_failures),
    Place(RESULT_PREFIX, of_results),
    Place(ICEBERG_PREFIX, None),
)


Rule = Callable[[str, KeyChange], bool]
"""Whether a change, which is in the place of this prefix, is to be erased."""


def place_of(key: str) -> Place:
    """Return the place of an object that a search has read."""
    return next(place for place in PLACES if key.startswith(place.prefix))


class Content(NamedTuple):
    """A version of an object as it was read."""

    version: Version
    etag: str
    zipped: bool
    headers: dict[str, Any]
    filtered: Filtered


class Reader:
    """Reads versions of objects in one stack's bucket for what goes."""

    def __init__(self, stack: Stack, keys: Keys, problems: list[str]) -> None:
        """`problems` gets a sentence on each object that cannot be read."""
        self.compacted = CompactedFiles(stack, keys)
        self._s3, self._bucket = stack.s3, stack.bucket
        self._keys = keys
        self._problems = problems

    def read(self, of_key: list[Version], goes: Rule, since: float = 0.0) -> list[Content]:
        """Return the versions of an object that have what goes."""
        contents = []
        for version in of_key:
            if version.is_marker or version.modified.timestamp() < since:
                continue
            try:
                content = self._content(version, goes)
            except ClientError as refused:
                if refused.response["Error"].get("Code") == "InvalidObjectState":
                    self._problem(version, "it is archived; restore it first")
                elif not is_missing(refused):
                    raise
            except ValueError as damaged:
                self._problem(version, f"it is damaged: {damaged}")
            else:
                if content.filtered.removed:
                    contents.append(content)
        return contents

    def _content(self, version: Version, rule: Rule) -> Content:
        place = place_of(version.key)
        goes: Goes = partial(rule, place.prefix)
        if place.filter is None:
            removed = list(filter(goes, self.compacted.changes(version)))
            return Content(version, "", False, {}, Filtered(None, removed))
        answer = self._s3.get_object(Bucket=self._bucket, Key=version.key, VersionId=version.id)
        raw = read_whole(answer["Body"])
        headers: dict[str, Any] = {name: answer[name] for name in _HEADERS if name in answer}
        filtered = place.filter(unzip(raw), self._keys, goes)
        return Content(version, answer["ETag"], is_gzip(raw), headers, filtered)

    def _problem(self, version: Version, reason: str) -> None:
        name = f"s3://{self._bucket}/{version.key}"
        which = name if version.is_latest else f"the version {version.id} of {name}"
        sentence = f"{which} cannot be read: {reason}"
        if sentence not in self._problems:
            self._problems.append(sentence)

    def content(self, key: str, version: str) -> bytes:
        """Return the content of a version of an object, unzipped. Raises ValueError."""
        answer = self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version)
        return unzip(read_whole(answer["Body"]))
