"""Where in the lake's bucket changes of the keys are, and how they go from there.

Every version of every object is read, also of objects that were deleted. An object is rewritten
only if it is still what was read, and old versions are deleted by their ids: so a writer beside is
never overwritten, and what a run leaves when it ends anywhere is the work of the next.
"""

import gzip
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Literal, NamedTuple

from botocore.exceptions import ClientError
from msgspec import Struct

from chalicelib.catalog import ICEBERG_PREFIX
from chalicelib.declaration import TIME_FORMATS, Table
from chalicelib.partitions import (
    DATA_PREFIX,
    ERROR_PREFIX,
    FEED_FAILURES,
    REPLAYED_PREFIX,
    RESULT_PREFIX,
)
from sluice.erasure.changes import KeyChange, Keys
from sluice.erasure.compacted import erase_from_tables
from sluice.erasure.contents import Filter, Filtered, Goes, of_data, of_failures, of_results
from sluice.erasure.iceberg import CompactedFiles
from sluice.erasure.versions import Version, delete_versions, versions, versions_of
from sluice.errors import OperationError
from sluice.lake import OBJECT_BYTES_MAX, is_gzip, unzip
from sluice.recovery.progress import PROGRESS_PREFIX
from sluice.stack import Stack

READ_AT_ONCE = 8

SKEW_SECONDS = 15 * 60
"""How much a clock may differ from S3's, which refuses requests beyond it
(https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""

REWRITES_MAX = 10
"""Tries to rewrite an object that others rewrite meanwhile."""

_HEADERS: tuple[Literal["ContentType", "ContentEncoding", "Metadata"], ...] = (
    "ContentType",
    "ContentEncoding",
    "Metadata",
)

_GONE = ("NoSuchKey", "NoSuchVersion", "404")
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", *_GONE)


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


class Tally(Struct, rename="camel"):
    """How much of the keys a place has."""

    objects: int = 0
    """Objects with a change of a key."""
    changes: int = 0
    """Changes in them."""
    old_versions: int = 0
    """Old versions of objects, and versions of deleted ones, with a change of a key."""


class NewestChange(Struct):
    """The newest change of a key, and a version of an object that has it."""

    kind: str
    changed_at: int
    sequence: str
    place: str
    object: str
    version: str


class Findings(Struct):
    """What a search has found so far: enough for another process to go on with it."""

    began: float
    """Epoch seconds."""
    place: int = 0
    """The place that is searched, by its number."""
    after: str = ""
    """The last object of the place that was searched."""
    done: bool = False
    objects: list[tuple[int, str]] = []
    """The objects that hold a change: the number of their place, and their key."""
    tallies: dict[str, Tally] = {}
    """By the prefix of the place."""
    newest: dict[int, NewestChange] = {}
    """By the number of the key."""
    problems: list[str] = []
    """A sentence on each object that cannot be read."""

    @classmethod
    def new(cls) -> "Findings":
        """Return the findings of a search that begins now."""
        return cls(time.time())

    def add(self, key: int, change: NewestChange) -> None:
        """Note a change of a key, if it is the newest one."""
        known = self.newest.get(key)
        if known is None or known.sequence < change.sequence:
            self.newest[key] = change

    @property
    def holding(self) -> int:
        """How many objects and old versions hold a change."""
        return sum(each.objects + each.old_versions for each in self.tallies.values())


class _Content(NamedTuple):
    """A version of an object as it was read."""

    version: Version
    etag: str
    zipped: bool
    headers: dict[str, Any]
    filtered: Filtered


class Search:
    """The search for keys in one stack's bucket."""

    def __init__(
        self, stack: Stack, keys: Keys, part: Mapping[str, str], problems: list[str]
    ) -> None:
        """`part` has the values, as paths spell them, of the levels that data is held to.

        `problems` gets a sentence on each object that cannot be read.
        """
        self._s3, self._bucket = stack.s3, stack.bucket
        self._table: Table = stack.table
        self._keys = keys
        self._numbers = {key: number for number, key in enumerate(keys.texts)}
        self._part = part
        self._problems = problems
        self._compacted = CompactedFiles(stack, keys)

    def run(
        self,
        findings: Findings,
        goes: Rule,
        progress: Callable[[int], None],
        note: Callable[[], None] = lambda: None,
        since: float = 0.0,
    ) -> None:
        """Search on from where `findings` are.

        `note` is called whenever they are whole. Versions older than `since` are passed over.
        """
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            for place in PLACES[findings.place :]:
                read = partial(self._read, place, goes=goes, since=since)
                remaining = self._versions(place, findings.after)
                while batch := list(islice(remaining, READ_AT_ONCE * 4)):
                    for contents in pool.map(read, batch):
                        self._count(findings, place, contents)
                    findings.after = batch[-1][0].key
                    progress(len(batch))
                    note()
                findings.place, findings.after = findings.place + 1, ""
        findings.done = True
        note()

    def remaining(
        self, findings: Findings, goes: Rule, progress: Callable[[int], None]
    ) -> Findings:
        """Return what is left after all that was found went, and what came meanwhile."""
        second = Findings.new()
        self.run(second, goes, progress, since=findings.began - SKEW_SECONDS)
        for number, key in set(findings.objects) - set(second.objects):
            of_key = versions_of(self._s3, self._bucket, key)
            self._count(second, PLACES[number], self._read(PLACES[number], of_key, goes))
        return second

    def clean(self, objects: Collection[tuple[int, str]], goes: Rule) -> None:
        """Erase what goes from all versions of these objects. Raises OperationError."""
        if not objects:
            return
        compacted = []
        for number, key in objects:
            if PLACES[number].filter is None:
                compacted.append(key)
            else:
                self._clean(PLACES[number], key, goes)
        erase_from_tables(self._compacted, compacted, partial(goes, ICEBERG_PREFIX))

    def _clean(self, place: Place, key: str, goes: Rule) -> None:
        for _ in range(REWRITES_MAX):
            of_key = versions_of(self._s3, self._bucket, key)
            dirty = {each.version: each for each in self._read(place, of_key, goes)}
            newest = next((each for each in dirty.values() if each.version.is_latest), None)
            is_empty = newest is not None and newest.filtered.content is None
            if newest and not is_empty and not self._rewrite(key, newest):
                continue
            # Of an object of which nothing stays all goes, or an older version would be the
            # object's; and the newest last, for the same reason when it ends in between.
            old = of_key if is_empty else list(dirty)
            delete_versions(self._s3, self._bucket, [each for each in old if not each.is_latest])
            delete_versions(self._s3, self._bucket, [each for each in old if each.is_latest])
            if newest is None:
                left = [each for each in of_key if each not in dirty]
                if all(each.is_marker for each in left):
                    delete_versions(self._s3, self._bucket, left)
            return
        raise OperationError(
            f"s3://{self._bucket}/{key} was rewritten by others {REWRITES_MAX} times in a row; run "
            "the command again"
        )

    def content(self, key: str, version: str) -> bytes:
        """Return the content of a version of an object, unzipped. Raises ValueError."""
        answer = self._s3.get_object(Bucket=self._bucket, Key=key, VersionId=version)
        return unzip(answer["Body"].read(OBJECT_BYTES_MAX + 1))

    def _versions(self, place: Place, after: str) -> Iterator[list[Version]]:
        prefixes: Iterable[str] = [place.prefix]
        if place.prefix == DATA_PREFIX and self._part:
            prefixes = self._folders(place.prefix, self._part)
        for prefix in prefixes:
            for of_key in versions(self._s3, self._bucket, prefix, after):
                key = of_key[0].key
                if not key.startswith(PROGRESS_PREFIX) and self._is_in_part(place, key):
                    yield of_key

    def _folders(self, prefix: str, part: Mapping[str, str]) -> Iterator[str]:
        """Yield the prefixes below which all of the part is, in order; more may be there.

        Folders of former layouts lack a level, or have it elsewhere.
        """
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix, Delimiter="/"
        )
        folders = []
        for page in pages:
            if "Versions" in page or "DeleteMarkers" in page:
                folders = [prefix]
                break
            folders += [each["Prefix"] for each in page.get("CommonPrefixes", [])]
        for folder in folders:
            level, _, value = folder.removeprefix(prefix).rstrip("/").partition("=")
            rest = {name: each for name, each in part.items() if name != level}
            if part.get(level, value) != value:
                continue
            if not rest or folder == prefix or level in TIME_FORMATS:
                yield folder
            else:
                yield from self._folders(folder, rest)

    def _is_in_part(self, place: Place, key: str) -> bool:
        if place.prefix != DATA_PREFIX or not self._part:
            return True
        levels = (folder.partition("=") for folder in key.split("/"))
        return all(self._part.get(level, value) == value for level, _, value in levels)

    def _read(
        self, place: Place, of_key: list[Version], goes: Rule, since: float = 0.0
    ) -> list[_Content]:
        """Return the versions of an object that have what goes."""
        contents = []
        for version in of_key:
            if version.is_marker or version.modified.timestamp() < since:
                continue
            try:
                content = self._content(place, version, partial(goes, place.prefix))
            except ClientError as refused:
                code = refused.response["Error"].get("Code")
                if code == "InvalidObjectState":
                    self._problem(version, "it is archived; restore it first")
                elif code not in _GONE:
                    raise
            except ValueError as damaged:
                self._problem(version, f"it is damaged: {damaged}")
            else:
                if content.filtered.removed:
                    contents.append(content)
        return contents

    def _content(self, place: Place, version: Version, goes: Goes) -> _Content:
        if place.filter is None:
            removed = list(filter(goes, self._compacted.changes(version)))
            return _Content(version, "", False, {}, Filtered(None, removed))
        answer = self._s3.get_object(Bucket=self._bucket, Key=version.key, VersionId=version.id)
        raw = answer["Body"].read(OBJECT_BYTES_MAX + 1)
        headers: dict[str, Any] = {name: answer[name] for name in _HEADERS if name in answer}
        filtered = place.filter(unzip(raw), self._keys, goes, self._table)
        return _Content(version, answer["ETag"], is_gzip(raw), headers, filtered)

    def _problem(self, version: Version, reason: str) -> None:
        name = f"s3://{self._bucket}/{version.key}"
        which = name if version.is_latest else f"the version {version.id} of {name}"
        sentence = f"{which} cannot be read: {reason}"
        if sentence not in self._problems:
            self._problems.append(sentence)

    def _count(
        self,
        findings: Findings,
        place: Place,
        contents: list[_Content],
    ) -> None:
        if not contents:
            return
        tally = findings.tallies.setdefault(place.prefix, Tally())
        findings.objects.append((PLACES.index(place), contents[0].version.key))
        for content in contents:
            if content.version.is_latest:
                tally.objects += 1
                tally.changes += len(content.filtered.removed)
            else:
                tally.old_versions += 1
            for change in content.filtered.removed:
                newest = _newest(change, place, content.version)
                findings.add(self._numbers[change.key], newest)

    def _rewrite(self, key: str, content: _Content) -> bool:
        """Whether an object was replaced by what stays of it; not if it is another by now."""
        body = content.filtered.content or b""
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=gzip.compress(body) if content.zipped else body,
                IfMatch=content.etag,
                **content.headers,
            )
        except ClientError as refused:
            if refused.response["Error"].get("Code") in _CHANGED:
                return False
            raise
        return True


def _newest(change: KeyChange, place: Place, version: Version) -> NewestChange:
    return NewestChange(
        change.kind, change.changed_at, change.sequence, place.prefix, version.key, version.id
    )
