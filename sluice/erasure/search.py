"""Where in the lake's bucket changes of the keys are."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from msgspec import Struct

from chalicelib.declaration import TIME_FORMATS
from chalicelib.partitions import DATA_PREFIX
from sluice.erasure.changes import Keys
from sluice.erasure.places import PLACES, Content, Place, Reader, Rule, place_of
from sluice.erasure.versions import Version, versions, versions_of
from sluice.recovery.progress import PROGRESS_PREFIX
from sluice.stack import Stack

READ_AT_ONCE = 8

SKEW_SECONDS = 60 * 60
"""How much older than its arrival an object may say that it is.

The time of one that came in parts is when the first was begun, up to 30 minutes before for a
statement of Athena (https://docs.aws.amazon.com/athena/latest/ug/service-limits.html), and S3's
clock may differ by 15 from this one
(https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)."""


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
    objects: list[str] = []
    """The names of those that hold a change."""
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
    def done(self) -> bool:
        """Whether everything was searched."""
        return self.place == len(PLACES)

    @property
    def holding(self) -> int:
        """How many objects and old versions hold a change."""
        return sum(each.objects + each.old_versions for each in self.tallies.values())


class Search:
    """The search for keys in one stack's bucket."""

    def __init__(self, stack: Stack, keys: Keys, part: Mapping[str, str], reader: Reader) -> None:
        """`part` has the values, as paths spell them, of the levels that data is held to."""
        self._s3, self._bucket = stack.s3, stack.bucket
        self._numbers = {key: number for number, key in enumerate(keys.texts)}
        self._part = part
        self._reader = reader

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
                read = partial(self._reader.read, goes=goes, since=since)
                remaining = self._versions(place, findings.after)
                while batch := list(islice(remaining, READ_AT_ONCE * 4)):
                    for contents in pool.map(read, batch):
                        self._count(findings, contents)
                    findings.after = batch[-1][0].key
                    progress(len(batch))
                    note()
                findings.place, findings.after = findings.place + 1, ""
        note()

    def remaining(
        self, findings: Findings, goes: Rule, progress: Callable[[int], None]
    ) -> Findings:
        """Return what is left after all that was found went, and what came meanwhile."""
        second = Findings.new()
        self.run(second, goes, progress, since=findings.began - SKEW_SECONDS)
        for key in set(findings.objects) - set(second.objects):
            of_key = versions_of(self._s3, self._bucket, key)
            self._count(second, self._reader.read(of_key, goes))
        return second

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

    def _count(self, findings: Findings, contents: list[Content]) -> None:
        if not contents:
            return
        key = contents[0].version.key
        findings.objects.append(key)
        tally = findings.tallies.setdefault(place_of(key).prefix, Tally())
        for content in contents:
            if content.version.is_latest:
                tally.objects += 1
                tally.changes += len(content.filtered.removed)
            else:
                tally.old_versions += 1
            for change in content.filtered.removed:
                findings.add(
                    self._numbers[change.key],
                    NewestChange(
                        change.kind, change.changed_at, change.sequence, key, content.version.id
                    ),
                )
